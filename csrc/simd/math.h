// exp, sigmoid and tanh of a vector, and the same for one number in the plain rungs.
//
//   exp<T>(v)  sigmoid<T>(v)  tanh<T>(v)     of a vec<T>; float: the formulas below; double: libm, lane by lane
//   scalar_exp<T>(x)  scalar_sigmoid<T>(x)  scalar_tanh<T>(x)      of one T, by libm: for the naive rungs
//
// Largest error of the float formulas in units in the last place (ULP) of the result, against double:
//
//   exp 1.01    sigmoid 2.00    tanh 2.61      (with FMA or without; with 512-bit registers up to 0.06 more: quotient)
//
// measured with tests/ulp/ulp.cpp over every 5th of all 2^32 floats. NaN gives NaN. Saturation is exact: exp gives
// inf from 88.72284 and 0 below -103.97208, sigmoid 1 and 0, tanh 1 and -1, and never more; tanh keeps the sign of
// zero. Results and inputs below 1.2e-38 are right too, unless the caller has switched the CPU to flush them to zero.
#pragma once

template <class T>
inline T scalar_exp(T x) {
  if constexpr (sizeof(T) == 4) return __builtin_expf(x);
  else return __builtin_exp(x);
}

template <class T>
inline T scalar_tanh(T x) {
  if constexpr (sizeof(T) == 4) return __builtin_tanhf(x);
  else return __builtin_tanh(x);
}

// By exp(-|x|), which never overflows: at the far left 1 / (1 + exp(-x)) would be 0 where the result is not yet 0.
template <class T>
inline T scalar_sigmoid(T x) {
  T e = scalar_exp<T>(x < 0 ? x : -x);
  return (x < 0 ? e : T(1)) / (T(1) + e);
}

// ---- bits ----

using vec_int = typename vec_of<int32_t, lanes<float>>::type;

inline vec_int as_int(vec<float> v) { return __builtin_bit_cast(vec_int, v); }
inline vec<float> as_float(vec_int v) { return __builtin_bit_cast(vec<float>, v); }

constexpr int32_t sign_bit = INT32_MIN;

inline vec<float> abs(vec<float> v) { return as_float(as_int(v) & ~sign_bit); }
inline vec<float> copy_sign(vec<float> size, vec<float> sign) {
  return as_float(as_int(size) | (as_int(sign) & sign_bit));
}

// 2^n for -126 <= n <= 127: n moved to the exponent's place.
inline vec<float> power_of_2(vec_int n) { return as_float((n + 127) << 23); }

// ---- division ----

// a / b for b normal and finite (or NaN) and a / b below 2^126: by a reciprocal of 14 bits and the remainder, which an
// FMA gives exactly; so what is left of the reciprocal's error is its square, 2^-28. 4 instructions in the shadow of
// others, where a division of 16 lanes keeps its unit busy for 16 cycles. Without such registers division is quicker.
inline vec<float> quotient(vec<float> a, vec<float> b) {
#if defined(__AVX512F__)
  vec<float> r = vec<float>(_mm512_rcp14_ps(__m512(b)));
  vec<float> q = a * r;
  return q + (a - b * q) * r;
#else
  return a / b;
#endif
}

// ---- bounds that let NaN pass ----

// One instruction where a comparison and a choice are two: min gives its second operand if either is NaN.
inline vec<float> at_most(vec<float> x, float bound) {
#if defined(__AVX512F__)
  return vec<float>(_mm512_min_ps(_mm512_set1_ps(bound), __m512(x)));
#elif defined(__AVX2__)
  return vec<float>(_mm256_min_ps(_mm256_set1_ps(bound), __m256(x)));
#else
  return x > bound ? broadcast<float>(bound) : x;
#endif
}

inline vec<float> at_least(vec<float> x, float bound) {
#if defined(__AVX512F__)
  return vec<float>(_mm512_max_ps(_mm512_set1_ps(bound), __m512(x)));
#elif defined(__AVX2__)
  return vec<float>(_mm256_max_ps(_mm256_set1_ps(bound), __m256(x)));
#else
  return x < bound ? broadcast<float>(bound) : x;
#endif
}

// ---- exp ----

// x = n * ln(2) + r with |r| <= ln(2)/2, and expm1 = exp(r) - 1; so exp(x) = 2^n * (1 + expm1).
struct Reduced {
  vec_int n;
  vec<float> expm1;
};

// For |x| < 2^21.
inline Reduced reduce(vec<float> x) {
  constexpr float log2_e = 1.44269504f;
  // Adding 1.5 * 2^23 leaves no room for a fraction: n, rounded to nearest, stands in the lowest bits of the sum.
  constexpr float shift = 12582912.0f;
  constexpr int32_t shift_bits = 0x4b400000;
  // ln(2) in two parts; the first has 9 bits, so n * ln2_high is exact with or without FMA.
  constexpr float ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f;
  vec<float> shifted = x * log2_e + shift;
  vec<float> n = shifted - shift;
  vec<float> r = x - n * ln2_high;
  r = r - n * ln2_low;
  // exp(r) = 1 + r + r^2 * q(r); q by Remez' exchange for the least relative error of exp: 3.1e-9 (1 ULP is 6e-8).
  // Summed in pairs (Estrin): a chain of 3 multiply-adds where Horner's has 4.
  vec<float> r2 = r * r, low = r * 1.66665211e-1f + 4.9999994e-1f, high = r * 8.36871658e-3f + 4.1668389e-2f;
  vec<float> q = (r2 * 1.38145988e-3f + high) * r2 + low;
  return {as_int(shifted) - shift_bits, q * r2 + r};
}

// Clamped by comparisons that are false for NaN, so that NaN passes.
inline vec<float> fast_exp(vec<float> x) {
  x = at_most(x, 89.0f);     // exp(89) is inf already
  x = at_least(x, -104.5f);  // exp(-104.5) is 0 already
  Reduced e = reduce(x);
  vec_int half = e.n >> 1;  // 2^n in two steps: n goes from -151 to 128, beyond what one exponent can say
  return (1.0f + e.expm1) * power_of_2(half) * power_of_2(e.n - half);
}

// 1 / (1 + exp(y)), y = -x, with top and bottom both times 2^-30: so the bottom stays below inf for every y whose
// result is not 0. It is rounded once: 1 + 2^n is exact where it matters, and the product by a power of 2 always is.
inline vec<float> fast_sigmoid(vec<float> x) {
  constexpr float scale = 0x1p-30f;
  vec<float> y = -x;
  y = at_least(y, -60.0f);  // sigmoid(60) is 1 already
  y = at_most(y, 104.5f);   // sigmoid(-104.5) is 0 already
  Reduced e = reduce(y);
  vec<float> power = power_of_2(e.n - 30);
  return quotient(broadcast<float>(scale), power * e.expm1 + scale + power);
}

// (E - 1) / (E + 1), E = exp(2 |x|): E - 1 = 2^n * expm1 + (2^n - 1) does not cancel, so small x need no formula of
// their own, and an error of it stands in E + 1 as well, where it makes up for itself the more the larger E is.
inline vec<float> fast_tanh(vec<float> x) {
  vec<float> z = at_most(abs(x), 10.0f);  // from 9.01 on the result is 1
  Reduced e = reduce(z + z);
  vec<float> power = power_of_2(e.n);
  vec<float> top = power * e.expm1 + (power - 1.0f);
  return copy_sign(quotient(top, top + 2.0f), x);
}

// ---- for any T ----

template <class T, class F>
inline vec<T> each_lane(vec<T> v, F f) {
  T x[lanes<T>];
  store<T>(x, v);
  for (T& lane : x) lane = f(lane);
  return load<T>(x);
}

template <class T>
inline vec<T> exp(vec<T> v) {
  if constexpr (sizeof(T) == 4) return fast_exp(v);
  else return each_lane<T>(v, scalar_exp<T>);
}

template <class T>
inline vec<T> sigmoid(vec<T> v) {
  if constexpr (sizeof(T) == 4) return fast_sigmoid(v);
  else return each_lane<T>(v, scalar_sigmoid<T>);
}

template <class T>
inline vec<T> tanh(vec<T> v) {
  if constexpr (sizeof(T) == 4) return fast_tanh(v);
  else return each_lane<T>(v, scalar_tanh<T>);
}
