// Instruments that only make sense per ISA: how many multiply-adds and how many bytes a second this core can do.
// The callers time them; see python/loopnest/machine.py.
#pragma once

// Opaque to the compiler, so that it neither folds the rounds into one nor leaves them out.
#if defined(__AVX512F__)
#define LOOPNEST_OPAQUE(v) asm volatile("" : "+v"(v))
#elif defined(__x86_64__)
#define LOOPNEST_OPAQUE(v) asm volatile("" : "+x"(v))
#else
#define LOOPNEST_OPAQUE(v) asm volatile("" : "+w"(v))
#endif

// Independent sums: 12 chains cover latency 4 x 2 ports and leave registers for the operands on every ISA. Every loop
// over the array is unrolled: a single one that is not would keep the whole array in memory.
inline double measure_fma(int64_t rounds) {
  constexpr int chains = 12;
  vec<float> sum[chains], x = broadcast<float>(0.999999f), y = broadcast<float>(1e-6f);
#pragma GCC unroll 16
  for (int i = 0; i < chains; i++) sum[i] = broadcast<float>(1.0f);
  for (int64_t r = 0; r < rounds; r++) {
#pragma GCC unroll 16
    for (int i = 0; i < chains; i++) {
      sum[i] = sum[i] * x + y;
      LOOPNEST_OPAQUE(sum[i]);
    }
  }
#pragma GCC unroll 16
  for (int i = 1; i < chains; i++) sum[0] += sum[i];
  volatile float sink = sum_lanes<float>(sum[0]);
  (void)sink;
  return 2.0 * chains * lanes<float> * double(rounds);
}

inline double measure_read(const float* data, int64_t count, int64_t rounds) {
  constexpr int streams = 8;
  int64_t step = streams * lanes<float>;
  vec<float> sum[streams];
#pragma GCC unroll 8
  for (int s = 0; s < streams; s++) sum[s] = broadcast<float>(0.0f);
  for (int64_t r = 0; r < rounds; r++) {
    for (int64_t i = 0; i + step <= count; i += step) {
#pragma GCC unroll 8
      for (int s = 0; s < streams; s++) sum[s] += load<float>(data + i + s * lanes<float>);
    }
#pragma GCC unroll 8
    for (int s = 0; s < streams; s++) LOOPNEST_OPAQUE(sum[s]);
  }
#pragma GCC unroll 8
  for (int s = 1; s < streams; s++) sum[0] += sum[s];
  volatile float sink = sum_lanes<float>(sum[0]);
  (void)sink;
  return double(count / step * step) * sizeof(float) * double(rounds);
}
