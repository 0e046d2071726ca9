// One vector register over the compiler's vector extension: `vec<float>` has as many lanes as the ISA's register.
//
// Arithmetic is plain C: `acc += x * w` works for vec*vec and for scalar*vec (the scalar is broadcast), and the
// compiler fuses it into one FMA where the ISA has it. On the scalar ISA a vec<T> is a T.
//
// Included inside `namespace loopnest::<isa> { namespace { ... } }`, like all that kernels use: no symbol of an ISA
// library may be visible to the linker beside its table, or the AVX-512 copy could end up serving every CPU.
#pragma once

template <class T, int L>
struct vec_of {
  typedef T type __attribute__((vector_size(L * sizeof(T)), may_alias));
};
template <class T>
struct vec_of<T, 1> {
  using type = T;
};

template <class T>
constexpr int lanes = isa_vector_bytes == 0 ? 1 : isa_vector_bytes / int(sizeof(T));

template <class T>
using vec = typename vec_of<T, lanes<T>>::type;

// ---- memory; no alignment is assumed ----

// By an unaligned vector type, not by memcpy: GCC 12 left a copy on the stack of every block of sums loaded by memcpy.
template <class T>
inline vec<T> load(const T* p) {
  typedef vec<T> anywhere __attribute__((aligned(sizeof(T)), may_alias));
  return *reinterpret_cast<const anywhere*>(p);
}

template <class T>
inline void store(T* p, vec<T> v) {
  typedef vec<T> anywhere __attribute__((aligned(sizeof(T)), may_alias));
  *reinterpret_cast<anywhere*>(p) = v;
}

template <class T>
inline vec<T> broadcast(T x) {
  return x - vec<T>{};  // x - 0 is x for every x, -0.0 and NaN included; x + 0 would not be
}

// The first n lanes (0 <= n <= lanes); the others are 0, and memory beyond p[n-1] is not touched.
template <class T>
inline vec<T> load_n(const T* p, ptrdiff_t n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) return vec<T>(_mm512_maskz_loadu_ps(__mmask16((1u << n) - 1), p));
  else return vec<T>(_mm512_maskz_loadu_pd(__mmask8((1u << n) - 1), p));
#elif defined(__AVX2__)  // not lane by lane through the stack, where the load waits for the stores
  if constexpr (sizeof(T) == 4) {
    __m256i below = _mm256_cmpgt_epi32(_mm256_set1_epi32(int(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    return vec<T>(_mm256_maskload_ps(p, below));
  } else {
    __m256i below = _mm256_cmpgt_epi64(_mm256_set1_epi64x(n), _mm256_setr_epi64x(0, 1, 2, 3));
    return vec<T>(_mm256_maskload_pd(p, below));
  }
#else
  T lane[lanes<T>] = {};
  for (ptrdiff_t i = 0; i < lanes<T> && i < n; i++) lane[i] = p[i];
  return load<T>(lane);
#endif
}

template <class T>
inline void store_n(T* p, vec<T> v, ptrdiff_t n) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4) _mm512_mask_storeu_ps(p, __mmask16((1u << n) - 1), __m512(v));
  else _mm512_mask_storeu_pd(p, __mmask8((1u << n) - 1), __m512d(v));
#elif defined(__AVX2__)  // in pieces: a store by mask takes a dozen cycles on some CPUs
  if (n >= lanes<T>) return store<T>(p, v);
  if constexpr (sizeof(T) == 4) {
    __m128 piece = _mm256_castps256_ps128(__m256(v));
    if (n & 4) _mm_storeu_ps(p, piece), p += 4, piece = _mm256_extractf128_ps(__m256(v), 1);
    if (n & 2) _mm_storel_pi(reinterpret_cast<__m64*>(p), piece), p += 2, piece = _mm_movehl_ps(piece, piece);
    if (n & 1) _mm_store_ss(p, piece);
  } else {
    __m128d piece = _mm256_castpd256_pd128(__m256d(v));
    if (n & 2) _mm_storeu_pd(p, piece), p += 2, piece = _mm256_extractf128_pd(__m256d(v), 1);
    if (n & 1) _mm_store_sd(p, piece);
  }
#else
  T lane[lanes<T>];
  store<T>(lane, v);
  for (ptrdiff_t i = 0; i < lanes<T> && i < n; i++) p[i] = lane[i];
#endif
}

// A store past the caches, for results larger than they are: a plain store first reads the line that it overwrites.
// p must be a multiple of the vector's size. What was written so is seen by other threads after stream_end().
template <class T>
inline void stream(T* p, vec<T> v) {
#if defined(__x86_64__)
  if constexpr (sizeof v == 64) return _mm512_stream_ps(reinterpret_cast<float*>(p), __builtin_bit_cast(__m512, v));
  else if constexpr (sizeof v == 32)
    return _mm256_stream_ps(reinterpret_cast<float*>(p), __builtin_bit_cast(__m256, v));
  else if constexpr (sizeof v == 16) return _mm_stream_ps(reinterpret_cast<float*>(p), __builtin_bit_cast(__m128, v));
#endif
  store<T>(p, v);
}

inline void stream_end() {
#if defined(__x86_64__)
  _mm_sfence();
#endif
}

// Is it to be written past the caches (abi.h: past_from)? y, in rows that are `row` numbers apart, of `bytes` in all,
// other than what is read.
template <class T>
inline bool goes_past(const void* y, const void* x, ptrdiff_t row, ptrdiff_t bytes) {
  return bytes >= past_from && y != x && (uintptr_t(y) | uintptr_t(row) * sizeof(T)) % sizeof(vec<T>) == 0;
}

template <class T>
inline void put(T* p, vec<T> v, bool past) {
  past ? stream<T>(p, v) : store<T>(p, v);
}

// ---- lanes ----

template <class T>
inline T get_lane(vec<T> v, int i) {
  if constexpr (lanes<T> == 1) return v;
  else return v[i];
}

template <class T>
inline T sum_lanes(vec<T> v) {
  T s = 0;
  for (int i = 0; i < lanes<T>; i++) s += get_lane<T>(v, i);
  return s;
}

template <class T>
inline vec<T> max(vec<T> a, vec<T> b) {
  return a > b ? a : b;
}

template <class T>
inline vec<T> min(vec<T> a, vec<T> b) {
  return a < b ? a : b;
}
