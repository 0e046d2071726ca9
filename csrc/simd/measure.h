// Instruments that only make sense per ISA: how many multiply-adds and how many bytes a second this core can do.
// The callers time them; see python/loopnest/machine.py.
#pragma once

// Independent sums: 12 chains cover latency 4 x 2 ports and leave registers for the operands on every ISA.
inline double measure_fma(int64_t rounds) {
  constexpr int chains = 12;
  vec<float> sum[chains], x = broadcast<float>(0.999999f), y = broadcast<float>(1e-6f);
  for (auto& s : sum) s = broadcast<float>(1.0f);
  for (int64_t r = 0; r < rounds; r++) {
    for (auto& s : sum) s = s * x + y;
    // Opaque to the compiler, so that it neither folds the rounds nor splits the multiply-adds.
    for (auto& s : sum) asm volatile("" : "+x"(s));
  }
  vec<float> total = sum[0];
  for (int i = 1; i < chains; i++) total += sum[i];
  volatile float sink = sum_lanes<float>(total);
  (void)sink;
  return 2.0 * chains * lanes<float> * double(rounds);
}

inline double measure_read(const float* data, int64_t count, int64_t rounds) {
  constexpr int streams = 8;
  int64_t step = streams * lanes<float>;
  vec<float> sum[streams] = {};
  for (int64_t r = 0; r < rounds; r++) {
    for (int64_t i = 0; i + step <= count; i += step)
      for (int s = 0; s < streams; s++) sum[s] += load<float>(data + i + s * lanes<float>);
    for (auto& s : sum) asm volatile("" : "+x"(s));
  }
  vec<float> total = sum[0];
  for (int s = 1; s < streams; s++) total += sum[s];
  volatile float sink = sum_lanes<float>(total);
  (void)sink;
  return double(count / step * step) * sizeof(float) * double(rounds);
}
