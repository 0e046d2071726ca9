// More functions of a vector of floats, made of the parts of math.h: what activations need beyond exp and tanh.
//
//   expm1_negative(x)   exp(x) - 1 for x <= 0            log1p_unit(e)   log(1 + e) for 0 <= e <= 1
//   normal_tail(x)      Phi(-|x|) and exp(-x^2 / 2), Phi being the normal distribution's cumulative function
//
// The activations made of them stay within 4 ULP (tests/test_norm.py: test_ulp_of_activations).
#pragma once

// n from the high part alone; the low part (|low| < 0.06) is added to what is left.
inline Reduced reduce(vec<float> high, vec<float> low) {
  Reduced e = reduce(high);  // exp(high) = 2^n (1 + expm1); and exp(low) = 1 + low + low^2 / 2 + low^3 / 6
  vec<float> factor = low + low * low * (0.5f + low * 0.16666667f);
  return {e.n, e.expm1 + (factor + e.expm1 * factor)};
}

// exp(x) - 1 = 2^n * expm1 + (2^n - 1): nothing cancels for n = 0, and less than half for n = -1.
inline vec<float> expm1_negative(vec<float> x) {
  x = x > 0.0f ? vec<float>{} : x;
  x = x < -40.0f ? broadcast<float>(-40.0f) : x;
  Reduced e = reduce(x);
  vec<float> power = power_of_2(e.n);
  return power * e.expm1 + (power - 1.0f);
}

// log(1 + e) = 2 artanh(s), s = e / (2 + e) <= 1/3; artanh(s) = s + s^3 * p(s^2), p fitted for the least relative
// error: 4.5e-9.
inline vec<float> log1p_unit(vec<float> e) {
  vec<float> s = e / (e + 2.0f);
  vec<float> z = s * s;
  vec<float> p = broadcast<float>(0.140059841f);
  p = p * z + 0.140009044f;
  p = p * z + 0.200107635f;
  p = p * z + 0.333332081f;
  s = s + s;
  return (p * z) * s + s;
}

struct NormalTail {
  vec<float> phi;       // Phi(-|x|), from 0.5 down
  vec<float> gaussian;  // exp(-x^2 / 2)
};

// Phi(-t) = exp(-t^2 / 2) * r(t). r falls slowly, from 1/2 to 1 / (2.5 t), and is a polynomial in (t - 3) / (t + 3),
// fitted for the least relative error on [0, 13.5]: 6.6e-9. t^2 is taken exactly, in two parts: a relative error of u
// in it would become one of 84 u in the result at t = 13.
inline NormalTail normal_tail(vec<float> x) {
  vec<float> t = abs(x);
  t = t > 13.5f ? broadcast<float>(13.5f) : t;              // Phi(-13.5) is 0 already
  vec<float> high = as_float(as_int(t) & int32_t(~0xfff));  // 12 bits: its square is exact
  vec<float> low = t - high;
  Reduced e = reduce(-0.5f * high * high, -0.5f * low * (t + high));
  vec<float> s = (t - 3.0f) / (t + 3.0f);
  vec<float> r = broadcast<float>(5.41508395e-05f);
  r = r * s + 0.000116037458f;
  r = r * s + -0.000339911221f;
  r = r * s + -0.000984182827f;
  r = r * s + 0.00290470255f;
  r = r * s + 0.00613218308f;
  r = r * s + -0.0462133138f;
  r = r * s + 0.123225022f;
  r = r * s + -0.206402618f;
  r = r * s + 0.121513948f;
  vec_int half = e.n >> 1;
  vec<float> gaussian = (1.0f + e.expm1) * power_of_2(half) * power_of_2(e.n - half);
  return {gaussian * r, gaussian};
}
