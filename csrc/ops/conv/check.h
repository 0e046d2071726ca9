// What the checks of conv1d, conv2d and conv3d share. Below: the sizes along D axes of space. At the end: one door for
// callers who know D only when they are called (both bindings).
#pragma once
#include "../../check.h"
#include "../../precision.h"
#include "../../registry.h"
#include "../conv2d/conv2d.h"
#include "../conv3d/conv3d.h"

namespace loopnest {

template <int D>
struct ConvOptions {
  int64_t stride[D];
  int64_t padding[2 * D];  // low and high side of the first axis of space, of the second, ...
  int64_t dilation[D];
  int64_t groups;
};

// How the axes of x, w and y are called in errors.
template <int D>
struct ConvText;
template <>
struct ConvText<1> {
  static constexpr const char* x = "(N, C_in, L)";
  static constexpr const char* w = "(C_out, C_in / groups, kL)";
  static constexpr const char* y = "(N, C_out, L_out)";
  static constexpr const char* axis[1] = {"length"};
};
template <>
struct ConvText<2> {
  static constexpr const char* x = "(N, C_in, H, W)";
  static constexpr const char* w = "(C_out, C_in / groups, kH, kW)";
  static constexpr const char* y = "(N, C_out, H_out, W_out)";
  static constexpr const char* axis[2] = {"height", "width"};
};
template <>
struct ConvText<3> {
  static constexpr const char* x = "(N, C_in, D, H, W)";
  static constexpr const char* w = "(C_out, C_in / groups, kD, kH, kW)";
  static constexpr const char* y = "(N, C_out, D_out, H_out, W_out)";
  static constexpr const char* axis[3] = {"depth", "height", "width"};
};

// Everything that follows from the shapes of x and w.
template <int D>
struct ConvSizes {
  int64_t n, ic, oc, groups;
  int64_t in[D], kernel[D], out[D], stride[D], pad[D], dilation[D];
  int64_t y[2 + D];  // the shape of y
};

// Options: ConvOptions<D>, or Conv2dOptions, whose members have the same names.
template <int D, class Options>
bool conv_options(const char* op, const Options& o, Error& e) {
  for (int i = 0; i < D; i++) {
    if (!check_at_least(op, "stride", o.stride[i], 1, e)) return false;
    if (!check_at_least(op, "dilation", o.dilation[i], 1, e)) return false;
  }
  for (int64_t p : o.padding)
    if (!check_at_least(op, "padding", p, 0, e)) return false;
  return check_at_least(op, "groups", o.groups, 1, e);
}

template <int D, class Options>
bool conv_sizes(const char* op, ConvSizes<D>& s, const int64_t* x, const int64_t* w, const Options& o, Error& e) {
  constexpr int R = 2 + D;
  if (!conv_options<D>(op, o, e)) return false;
  for (int i = 0; i < R; i++)
    if (w[i] < 1)
      return fail(e, Error::Value, "%s: expected a weight without empty axes, got %s", op, shape_text(w, R).c_str());
  if (x[1] % o.groups || w[0] % o.groups)
    return fail(e, Error::Value, "%s: groups = %lld must divide the %lld input and the %lld output channels", op,
                (long long)o.groups, (long long)x[1], (long long)w[0]);
  if (x[1] / o.groups != w[1])
    return fail(e, Error::Value,
                "%s: weight has %lld input channels, input has %lld / groups %lld = %lld (input %s, weight %s)", op,
                (long long)w[1], (long long)x[1], (long long)o.groups, (long long)(x[1] / o.groups),
                shape_text(x, R).c_str(), shape_text(w, R).c_str());
  s.n = x[0], s.ic = x[1], s.oc = w[0], s.groups = o.groups;
  for (int i = 0; i < D; i++) {
    s.in[i] = x[2 + i], s.kernel[i] = w[2 + i];
    s.stride[i] = o.stride[i], s.dilation[i] = o.dilation[i], s.pad[i] = o.padding[2 * i];
    if (!window_output(op, ConvText<D>::axis[i], s.in[i], s.kernel[i], o.stride[i], o.padding[2 * i],
                       o.padding[2 * i + 1], o.dilation[i], false, s.out[i], e))
      return false;
    // One place needs no stride and one tap no dilation; kernels multiply by them, and they may be as large as 2**62.
    if (s.out[i] == 1) s.stride[i] = 1;
    if (s.kernel[i] == 1) s.dilation[i] = 1;
    s.y[2 + i] = s.out[i];
  }
  s.y[0] = s.n, s.y[1] = s.oc;
  return check_size(op, "an output", s.y, R, e);
}

// The struct's sizes; everything else stays null. conv1d is conv2d of one row.
inline void conv_fill(Conv2d& a, const ConvSizes<1>& s) {
  a = Conv2d{};
  a.n = s.n, a.ic = s.ic, a.ih = 1, a.iw = s.in[0];
  a.oc = s.oc, a.kh = 1, a.kw = s.kernel[0], a.oh = 1, a.ow = s.out[0];
  a.stride_h = 1, a.stride_w = s.stride[0];
  a.pad_w = s.pad[0];
  a.dilation_h = 1, a.dilation_w = s.dilation[0];
  a.groups = s.groups;
  a.precision = get_precision();
}
inline void conv_fill(Conv2d& a, const ConvSizes<2>& s) {
  a = Conv2d{};
  a.n = s.n, a.ic = s.ic, a.ih = s.in[0], a.iw = s.in[1];
  a.oc = s.oc, a.kh = s.kernel[0], a.kw = s.kernel[1], a.oh = s.out[0], a.ow = s.out[1];
  a.stride_h = s.stride[0], a.stride_w = s.stride[1];
  a.pad_h = s.pad[0], a.pad_w = s.pad[1];
  a.dilation_h = s.dilation[0], a.dilation_w = s.dilation[1];
  a.groups = s.groups;
  a.precision = get_precision();
}
inline void conv_fill(Conv3d& a, const ConvSizes<3>& s) {
  a = Conv3d{};
  a.n = s.n, a.ic = s.ic, a.id = s.in[0], a.ih = s.in[1], a.iw = s.in[2];
  a.oc = s.oc, a.kd = s.kernel[0], a.kh = s.kernel[1], a.kw = s.kernel[2];
  a.od = s.out[0], a.oh = s.out[1], a.ow = s.out[2];
  a.stride_d = s.stride[0], a.stride_h = s.stride[1], a.stride_w = s.stride[2];
  a.pad_d = s.pad[0], a.pad_h = s.pad[1], a.pad_w = s.pad[2];
  a.dilation_d = s.dilation[0], a.dilation_h = s.dilation[1], a.dilation_w = s.dilation[2];
  a.groups = s.groups;
  a.precision = get_precision();
}

// How many (place, tap) pairs of one axis fall inside the input.
inline double conv_taps(int64_t out, int64_t in, int64_t kernel, int64_t stride, int64_t pad, int64_t dilation) {
  double inside = 0;
  for (int64_t k = 0; k < kernel; k++) {
    int64_t offset = k * dilation - pad;  // in = out * stride + offset
    int64_t first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    int64_t last = in - 1 - offset < 0 ? -1 : (in - 1 - offset) / stride;
    if (last > out - 1) last = out - 1;
    if (last >= first) inside += double(last - first + 1);
  }
  return inside;
}

// ---- any number of axes of space: D is 1, 2 or 3 ----

// The contract of a convolution: `two` for D = 1 (conv2d of one row) and D = 2, `three` for D = 3.
struct ConvArgs {
  union {
    Conv2d two;
    Conv3d three;
  };
  ConvArgs() : three() {}
};

// As ConvOptions; of the arrays the first D (or 2 * D) count.
struct ConvAnyOptions {
  int64_t stride[3], padding[6], dilation[3], groups;
};

// y = conv(x, w, bias): fills in everything but y; its shape goes to y_shape. bias may be null.
bool conv_check(int D, ConvArgs& a, const Array& x, const Array& w, const Array* bias, const ConvAnyOptions& options,
                int64_t* y_shape, Error& error);

// dx = conv_backward_input(dy, w): the caller knows x's shape. Fills in everything but x.
bool conv_backward_input_check(int D, ConvArgs& a, const int64_t* x_shape, const Array& w, const Array& dy,
                               const ConvAnyOptions& options, Error& error);

// dw, dbias = conv_backward_weight(dy, x): fills in everything but w and bias.
bool conv_backward_weight_check(int D, ConvArgs& a, const Array& x, const int64_t* w_shape, const Array& dy,
                                const ConvAnyOptions& options, Error& error);

// y = conv_transpose(x, w, bias), w (C_in, C_out / groups, k...): the struct of conv_backward_input, where x is our y,
// and y our x. Fills in everything but that x, whose shape goes to y_shape.
bool conv_transpose_check(int D, ConvArgs& a, const Array& x, const Array& w, const Array* bias,
                          const ConvAnyOptions& options, const int64_t* output_padding, int64_t* y_shape, Error& error);

// Where an array that the caller has allocated lies.
void conv_place_x(int D, ConvArgs& a, const Array& x);
void conv_place_w(int D, ConvArgs& a, const Array& w);
void conv_place_y(int D, ConvArgs& a, const Array& y);
void conv_place_bias(int D, ConvArgs& a, const Array& bias);

Work conv2d_work(const Conv2d& a, Dtype dtype);
inline Work conv1d_work(const Conv2d& a, Dtype dtype) { return conv2d_work(a, dtype); }
inline Work conv1d_backward_input_work(const Conv2d& a, Dtype dtype) { return conv2d_work(a, dtype); }
inline Work conv1d_backward_weight_work(const Conv2d& a, Dtype dtype) { return conv2d_work(a, dtype); }
Work conv3d_work(const Conv3d& a, Dtype dtype);
inline Work conv3d_backward_input_work(const Conv3d& a, Dtype dtype) { return conv3d_work(a, dtype); }
inline Work conv3d_backward_weight_work(const Conv3d& a, Dtype dtype) { return conv3d_work(a, dtype); }

}  // namespace loopnest
