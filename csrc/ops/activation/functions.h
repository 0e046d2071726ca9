// The functions of `activation`, as formulas for one number (double, by libm) and for a vector of floats.
//
// Each is a struct with what Map carries for it in `parameter`, value(x) and slope(x); dx = dy * slope(x). A function
// that depends on x piecewise decides by comparisons that are false for NaN in such a way that NaN stays NaN.
#pragma once

namespace activations {

constexpr double root_half = 0.70710678118654752440, inverse_root_2pi = 0.39894228040143267794;
constexpr double gelu_scale = 0.79788456080286535588, gelu_cubic = 0.044715;  // sqrt(2 / pi); Hendrycks and Gimpel 2016

struct leaky_relu {
  double slope_;
  explicit leaky_relu(const double* p) : slope_(p[0]) {}
  double value(double x) const { return x > 0 ? x : x * slope_; }
  double slope(double x) const { return x > 0 ? 1 : slope_; }
  vec<float> value(vec<float> x) const { return x > 0.0f ? x : x * float(slope_); }
  vec<float> slope(vec<float> x) const { return x > 0.0f ? broadcast<float>(1) : broadcast<float>(float(slope_)); }
};

// ELU, SELU and CELU: scale * x, or scale * alpha * (exp(x * rate) - 1) for x <= 0
struct elu {
  double alpha, scale, rate;
  explicit elu(const double* p) : alpha(p[0] * p[1]), scale(p[1]), rate(p[2]) {}
  double value(double x) const { return x > 0 ? scale * x : alpha * __builtin_expm1(x * rate); }
  double slope(double x) const { return x > 0 ? scale : alpha * rate * __builtin_exp(x * rate); }
  vec<float> value(vec<float> x) const {
    return x > 0.0f ? x * float(scale) : expm1_negative(x * float(rate)) * float(alpha);
  }
  vec<float> slope(vec<float> x) const {
    vec<float> e = fast_exp(x > 0.0f ? vec<float>{} : x * float(rate)) * float(alpha * rate);
    return x > 0.0f ? broadcast<float>(float(scale)) : e;
  }
};

struct silu {
  explicit silu(const double*) {}
  double value(double x) const { return x * scalar_sigmoid<double>(x); }
  double slope(double x) const {
    double s = scalar_sigmoid<double>(x);
    return s * (1 + x * (1 - s));
  }
  vec<float> value(vec<float> x) const { return x * fast_sigmoid(x); }
  vec<float> slope(vec<float> x) const {
    vec<float> s = fast_sigmoid(x);
    return s * (1.0f + x * (1.0f - s));
  }
};

struct gelu {
  explicit gelu(const double*) {}
  double value(double x) const { return x * 0.5 * __builtin_erfc(-x * root_half); }
  double slope(double x) const {
    return 0.5 * __builtin_erfc(-x * root_half) + x * inverse_root_2pi * __builtin_exp(-0.5 * x * x);
  }
  vec<float> value(vec<float> x) const {
    NormalTail t = normal_tail(x);
    return x * (x > 0.0f ? 1.0f - t.phi : t.phi);
  }
  vec<float> slope(vec<float> x) const {
    NormalTail t = normal_tail(x);
    return (x > 0.0f ? 1.0f - t.phi : t.phi) + x * (t.gaussian * float(inverse_root_2pi));
  }
};

// (1 + tanh(z)) / 2 is sigmoid(2 z), without its cancellation
struct gelu_tanh {
  explicit gelu_tanh(const double*) {}
  double value(double x) const { return x * scalar_sigmoid<double>(2 * gelu_scale * (x + gelu_cubic * x * x * x)); }
  double slope(double x) const {
    double s = scalar_sigmoid<double>(2 * gelu_scale * (x + gelu_cubic * x * x * x));
    return s + x * s * (1 - s) * 2 * gelu_scale * (1 + 3 * gelu_cubic * x * x);
  }
  static vec<float> inner(vec<float> x) {
    return x * (float(2 * gelu_scale) + x * x * float(2 * gelu_scale * gelu_cubic));
  }
  vec<float> value(vec<float> x) const { return x * fast_sigmoid(inner(x)); }
  vec<float> slope(vec<float> x) const {
    vec<float> s = fast_sigmoid(inner(x));
    return s + x * s * (1.0f - s) * (float(2 * gelu_scale) + x * x * float(6 * gelu_scale * gelu_cubic));
  }
};

// log(1 + exp(beta x)) / beta; x itself where beta x is above the threshold
struct softplus {
  double beta, threshold;
  explicit softplus(const double* p) : beta(p[0]), threshold(p[1]) {}
  double value(double x) const {
    double z = x * beta;
    return z > threshold ? x : ((z > 0 ? z : 0) + __builtin_log1p(__builtin_exp(z > 0 ? -z : z))) / beta;
  }
  double slope(double x) const { return x * beta > threshold ? 1 : scalar_sigmoid<double>(x * beta); }
  vec<float> value(vec<float> x) const {
    vec<float> z = x * float(beta), positive = z > 0.0f ? z : vec<float>{};
    vec<float> y = (positive + log1p_unit(fast_exp(z > 0.0f ? -z : z))) / float(beta);
    return z > float(threshold) ? x : y;
  }
  vec<float> slope(vec<float> x) const {
    vec<float> z = x * float(beta);
    return z > float(threshold) ? broadcast<float>(1) : fast_sigmoid(z);
  }
};

// x kept within [low, high]: Hardtanh, ReLU6
struct hardtanh {
  double low, high;
  explicit hardtanh(const double* p) : low(p[0]), high(p[1]) {}
  double value(double x) const { return x < low ? low : x > high ? high : x; }
  double slope(double x) const { return x <= low || x >= high ? 0 : 1; }
  vec<float> value(vec<float> x) const {
    x = x < float(low) ? broadcast<float>(float(low)) : x;
    return x > float(high) ? broadcast<float>(float(high)) : x;
  }
  vec<float> slope(vec<float> x) const {
    vec<float> s = x <= float(low) ? vec<float>{} : broadcast<float>(1);
    return x >= float(high) ? vec<float>{} : s;
  }
};

// min(max(x + 3, 0), 6) / 6, and x times that: Howard et al. 2019
struct hardsigmoid {
  explicit hardsigmoid(const double*) {}
  double value(double x) const { return (x < -3 ? 0 : x > 3 ? 6 : x + 3) / 6; }
  double slope(double x) const { return x > -3 && x < 3 ? 1 / 6.0 : x != x ? x : 0; }
  static vec<float> clamped(vec<float> x) {
    x = x + 3.0f;
    x = x < 0.0f ? vec<float>{} : x;
    return x > 6.0f ? broadcast<float>(6) : x;
  }
  vec<float> value(vec<float> x) const { return clamped(x) / 6.0f; }
  vec<float> slope(vec<float> x) const {
    vec<float> s = x <= -3.0f ? vec<float>{} : broadcast<float>(1 / 6.0f);
    s = x >= 3.0f ? vec<float>{} : s;
    return x != x ? x : s;
  }
};

struct hardswish {
  explicit hardswish(const double*) {}
  double value(double x) const { return x * (x < -3 ? 0 : x > 3 ? 6 : x + 3) / 6; }
  double slope(double x) const { return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5; }
  vec<float> value(vec<float> x) const { return x * hardsigmoid::clamped(x) / 6.0f; }
  vec<float> slope(vec<float> x) const {
    vec<float> s = x / 3.0f + 0.5f;
    s = x >= 3.0f ? broadcast<float>(1) : s;
    return x <= -3.0f ? vec<float>{} : s;
  }
};

// x * tanh(log(1 + exp(x))) = x * n / (n + 2), n = e (e + 2), e = exp(x): Misra 2019
struct mish {
  explicit mish(const double*) {}
  double value(double x) const {
    double e = __builtin_exp(x > 20 ? 20 : x), n = e * (e + 2);
    return x * (n / (n + 2));
  }
  double slope(double x) const {
    double e = __builtin_exp(x > 20 ? 20 : x), n = e * (e + 2), t = n / (n + 2);
    return t + x * (2 / (n + 2)) * (1 + t) * scalar_sigmoid<double>(x);
  }
  vec<float> value(vec<float> x) const {
    vec<float> e = fast_exp(x > 20.0f ? broadcast<float>(20) : x), n = e * (e + 2.0f);
    return x * (n / (n + 2.0f));
  }
  vec<float> slope(vec<float> x) const {
    vec<float> e = fast_exp(x > 20.0f ? broadcast<float>(20) : x), n = e * (e + 2.0f), r = 1.0f / (n + 2.0f);
    vec<float> t = n * r;
    return t + x * (2.0f * r) * (1.0f + t) * (e / (1.0f + e));
  }
};

// log(1 / (1 + exp(-x))) = min(x, 0) - log(1 + exp(-|x|))
struct logsigmoid {
  explicit logsigmoid(const double*) {}
  double value(double x) const { return (x < 0 ? x : 0) - __builtin_log1p(__builtin_exp(x < 0 ? x : -x)); }
  double slope(double x) const { return scalar_sigmoid<double>(-x); }
  vec<float> value(vec<float> x) const {
    return (x > 0.0f ? vec<float>{} : x) - log1p_unit(fast_exp(x < 0.0f ? x : -x));
  }
  vec<float> slope(vec<float> x) const { return fast_sigmoid(-x); }
};

// x above the threshold, otherwise the value
struct threshold {
  double limit, value_;
  explicit threshold(const double* p) : limit(p[0]), value_(p[1]) {}
  double value(double x) const { return x <= limit ? value_ : x; }
  double slope(double x) const { return x <= limit ? 0 : 1; }
  vec<float> value(vec<float> x) const { return x <= float(limit) ? broadcast<float>(float(value_)) : x; }
  vec<float> slope(vec<float> x) const { return x <= float(limit) ? vec<float>{} : broadcast<float>(1); }
};

// x outside of [-lambda, lambda], 0 within
struct hardshrink {
  double lambda;
  explicit hardshrink(const double* p) : lambda(p[0]) {}
  double value(double x) const { return x >= -lambda && x <= lambda ? 0 : x; }
  double slope(double x) const { return x >= -lambda && x <= lambda ? 0 : 1; }
  static vec<float> cleared(vec<float> x, vec<float> y, float lambda) {  // y, but 0 where x lies within
    return (x >= -lambda) & (x <= lambda) ? vec<float>{} : y;
  }
  vec<float> value(vec<float> x) const { return cleared(x, x, float(lambda)); }
  vec<float> slope(vec<float> x) const { return cleared(x, broadcast<float>(1), float(lambda)); }
};

// x moved towards 0 by lambda; within [-lambda, lambda] 0 with the sign of x, as in PyTorch
struct softshrink {
  double lambda;
  explicit softshrink(const double* p) : lambda(p[0]) {}
  double value(double x) const { return x > lambda ? x - lambda : x < -lambda ? x + lambda : x * 0; }
  double slope(double x) const { return x >= -lambda && x <= lambda ? 0 : 1; }
  vec<float> value(vec<float> x) const {
    vec<float> low = x < float(-lambda) ? x + float(lambda) : x * 0.0f;
    return x > float(lambda) ? x - float(lambda) : low;
  }
  vec<float> slope(vec<float> x) const { return hardshrink::cleared(x, broadcast<float>(1), float(lambda)); }
};

// x / (1 + |x|)
struct softsign {
  explicit softsign(const double*) {}
  double value(double x) const { return x / (1 + (x < 0 ? -x : x)); }
  double slope(double x) const { return 1 / ((1 + (x < 0 ? -x : x)) * (1 + (x < 0 ? -x : x))); }
  vec<float> value(vec<float> x) const { return x / (1.0f + (x < 0.0f ? -x : x)); }
  vec<float> slope(vec<float> x) const {
    vec<float> r = 1.0f / (1.0f + (x < 0.0f ? -x : x));
    return r * r;
  }
};

// x - tanh(x); its slope is tanh(x)^2
struct tanhshrink {
  explicit tanhshrink(const double*) {}
  double value(double x) const { return x - __builtin_tanh(x); }
  double slope(double x) const { return __builtin_tanh(x) * __builtin_tanh(x); }
  vec<float> value(vec<float> x) const { return x - fast_tanh(x); }
  vec<float> slope(vec<float> x) const {
    vec<float> t = fast_tanh(x);
    return t * t;
  }
};

// x where it is not positive, otherwise 0: what PReLU multiplies by its weight
struct nonpositive {
  explicit nonpositive(const double*) {}
  double value(double x) const { return x > 0 ? 0 : x; }
  double slope(double x) const { return x > 0 ? 0 : 1; }
  vec<float> value(vec<float> x) const { return x > 0.0f ? vec<float>{} : x; }
  vec<float> slope(vec<float> x) const { return x > 0.0f ? vec<float>{} : broadcast<float>(1); }
};

// slope * x^2 / (2 width) within [-width, width], slope * (|x| - width / 2) outside: Huber 1964, Girshick 2015
struct huber {
  double width, slope_;
  explicit huber(const double* p) : width(p[0]), slope_(p[1]) {}
  double value(double x) const {
    double size = x < 0 ? -x : x;
    return slope_ * (size < width ? size * size / (2 * width) : size - width / 2);
  }
  double slope(double x) const { return slope_ * (x > width ? 1 : x < -width ? -1 : x / width); }
  vec<float> value(vec<float> x) const {
    vec<float> size = x < 0.0f ? -x : x;
    return size < float(width) ? size * size * float(0.5 * slope_ / width)
                               : (size - float(0.5 * width)) * float(slope_);
  }
  vec<float> slope(vec<float> x) const {
    vec<float> s = x < float(-width) ? broadcast<float>(float(-slope_)) : x * float(slope_ / width);
    return x > float(width) ? broadcast<float>(float(slope_)) : s;
  }
};

// x^2 and |x|: of differences, for losses
struct square {
  explicit square(const double*) {}
  double value(double x) const { return x * x; }
  double slope(double x) const { return 2 * x; }
  vec<float> value(vec<float> x) const { return x * x; }
  vec<float> slope(vec<float> x) const { return x + x; }
};

struct absolute {
  explicit absolute(const double*) {}
  double value(double x) const { return x < 0 ? -x : x; }
  double slope(double x) const { return x > 0 ? 1 : x < 0 ? -1 : x; }
  vec<float> value(vec<float> x) const { return x < 0.0f ? -x : x; }
  vec<float> slope(vec<float> x) const {
    vec<float> s = x < 0.0f ? broadcast<float>(-1) : x;
    return x > 0.0f ? broadcast<float>(1) : s;
  }
};

// Calls f with the function that Map names: one place that knows the numbers of ops/map/map.h.
template <class F>
inline void with_function(const Map& a, F f) {
  switch (a.function) {
    case map_function::leaky_relu:
      return f(leaky_relu(a.parameter));
    case map_function::elu:
      return f(elu(a.parameter));
    case map_function::silu:
      return f(silu(a.parameter));
    case map_function::gelu:
      return f(gelu(a.parameter));
    case map_function::gelu_tanh:
      return f(gelu_tanh(a.parameter));
    case map_function::softplus:
      return f(softplus(a.parameter));
    case map_function::hardtanh:
      return f(hardtanh(a.parameter));
    case map_function::hardsigmoid:
      return f(hardsigmoid(a.parameter));
    case map_function::hardswish:
      return f(hardswish(a.parameter));
    case map_function::mish:
      return f(mish(a.parameter));
    case map_function::logsigmoid:
      return f(logsigmoid(a.parameter));
    case map_function::threshold:
      return f(threshold(a.parameter));
    case map_function::hardshrink:
      return f(hardshrink(a.parameter));
    case map_function::softshrink:
      return f(softshrink(a.parameter));
    case map_function::softsign:
      return f(softsign(a.parameter));
    case map_function::tanhshrink:
      return f(tanhshrink(a.parameter));
    case map_function::nonpositive:
      return f(nonpositive(a.parameter));
    case map_function::huber:
      return f(huber(a.parameter));
    case map_function::square:
      return f(square(a.parameter));
    case map_function::absolute:
      return f(absolute(a.parameter));
  }
}

}  // namespace activations
