// Taps in memory are bytes, in a register as wide as the numbers they go with. GCC 12 converts such vectors number by
// number: the instructions for it by name.
#pragma once

template <int L>
using Taps = typename vec_of<int32_t, L>::type;

template <int L>
inline __attribute__((always_inline)) Taps<L> load_taps(const uint8_t* p) {
#if defined(__AVX512F__)
  if constexpr (L == 16) return Taps<16>(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
#endif
#if defined(__AVX2__)
  if constexpr (L == 8) return Taps<8>(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
#endif
#if defined(__SSE4_1__)
  if constexpr (L == 4) {
    int32_t bytes;
    __builtin_memcpy(&bytes, p, 4);
    return Taps<4>(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes)));
  }
#endif
  if constexpr (L == 1) {
    return Taps<1>(*p);
  } else {
    Taps<L> taps;
    for (int i = 0; i < L; i++) taps[i] = p[i];
    return taps;
  }
}

template <int L>
inline __attribute__((always_inline)) void store_taps(uint8_t* p, Taps<L> taps) {
#if defined(__AVX512F__)
  if constexpr (L == 16) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(__m512i(taps)));
    return;
  }
#endif
#if defined(__AVX2__)
  if constexpr (L == 8) {
    __m256i v = __m256i(taps);
    __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packus_epi16(words, words));
    return;
  }
#endif
#if defined(__SSE4_1__)
  if constexpr (L == 4) {
    __m128i words = _mm_packus_epi32(__m128i(taps), __m128i(taps));
    int32_t bytes = _mm_cvtsi128_si32(_mm_packus_epi16(words, words));
    __builtin_memcpy(p, &bytes, 4);
    return;
  }
#endif
  if constexpr (L == 1) *p = uint8_t(taps);
  else
    for (int i = 0; i < L; i++) p[i] = uint8_t(taps[i]);
}
