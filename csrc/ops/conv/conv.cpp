// The checks of every convolution for callers who know the number of axes only when they are called.
#include "check.h"

namespace loopnest {
namespace {

const char* const forward_name[] = {"", "conv1d", "conv2d", "conv3d"};
const char* const input_name[] = {"", "conv1d_backward_input", "conv2d_backward_input", "conv3d_backward_input"};
const char* const weight_name[] = {"", "conv1d_backward_weight", "conv2d_backward_weight", "conv3d_backward_weight"};
const char* const transpose_name[] = {"", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"};

template <int D>
ConvOptions<D> options_of(const ConvAnyOptions& any) {
  ConvOptions<D> o;
  for (int i = 0; i < D; i++) {
    o.stride[i] = any.stride[i], o.dilation[i] = any.dilation[i];
    o.padding[2 * i] = any.padding[2 * i], o.padding[2 * i + 1] = any.padding[2 * i + 1];
  }
  o.groups = any.groups;
  return o;
}

template <int D>
void fill(ConvArgs& a, const ConvSizes<D>& s) {
  if constexpr (D == 3) conv_fill(a.three, s);
  else conv_fill(a.two, s);
}

template <int D>
bool forward(ConvArgs& a, const Array& x, const Array& w, const Array* bias, const ConvAnyOptions& any,
             int64_t* y_shape, Error& e) {
  const char* op = forward_name[D];
  ConvSizes<D> s;
  if (!check_float(op, "input", x, e) || !check_dtype(op, "weight", w, "input", x.dtype, e) ||
      !check_rank(op, "input", x, 2 + D, ConvText<D>::x, e) || !check_rank(op, "weight", w, 2 + D, ConvText<D>::w, e) ||
      !conv_sizes<D>(op, s, x.shape, w.shape, options_of<D>(any), e))
    return false;
  if (bias && (!check_dtype(op, "bias", *bias, "input", x.dtype, e) || !check_shape(op, "bias", *bias, 1, &s.oc, e)))
    return false;
  fill<D>(a, s);
  for (int i = 0; i < 2 + D; i++) y_shape[i] = s.y[i];
  return true;
}

template <int D>
bool backward_input(ConvArgs& a, const int64_t* x_shape, const Array& w, const Array& dy, const ConvAnyOptions& any,
                    Error& e) {
  const char* op = input_name[D];
  ConvSizes<D> s;
  for (int i = 0; i < 2 + D; i++)
    if (!check_at_least(op, "every axis of the input's shape", x_shape[i], 0, e)) return false;
  if (!check_float(op, "grad_output", dy, e) || !check_dtype(op, "weight", w, "grad_output", dy.dtype, e) ||
      !check_rank(op, "weight", w, 2 + D, ConvText<D>::w, e) ||
      !check_rank(op, "grad_output", dy, 2 + D, ConvText<D>::y, e) ||
      !conv_sizes<D>(op, s, x_shape, w.shape, options_of<D>(any), e) ||
      !check_shape(op, "grad_output", dy, 2 + D, s.y, e))
    return false;
  fill<D>(a, s);
  return true;
}

template <int D>
bool backward_weight(ConvArgs& a, const Array& x, const int64_t* w_shape, const Array& dy, const ConvAnyOptions& any,
                     Error& e) {
  const char* op = weight_name[D];
  ConvSizes<D> s;
  if (!check_float(op, "grad_output", dy, e) || !check_dtype(op, "input", x, "grad_output", dy.dtype, e) ||
      !check_rank(op, "input", x, 2 + D, ConvText<D>::x, e) ||
      !check_rank(op, "grad_output", dy, 2 + D, ConvText<D>::y, e) ||
      !conv_sizes<D>(op, s, x.shape, w_shape, options_of<D>(any), e) ||
      !check_shape(op, "grad_output", dy, 2 + D, s.y, e))
    return false;
  fill<D>(a, s);
  return true;
}

// One axis of a transposed convolution:
//   out = (in - 1) * stride - pad_low - pad_high + dilation * (kernel - 1) + output_padding + 1      in 128 bits
bool transposed_output(const char* op, const char* axis, int64_t in, int64_t kernel, int64_t stride, int64_t low,
                       int64_t high, int64_t dilation, int64_t more, int64_t& out, Error& e) {
  if (!check_at_least(op, "output_padding", more, 0, e)) return false;
  if (more >= stride && more >= dilation)
    return fail(e, Error::Value,
                "%s: output_padding = %lld must be smaller than the stride %lld or the dilation %lld (%s)", op,
                (long long)more, (long long)stride, (long long)dilation, axis);
  __int128 size = __int128(in - 1) * stride - low - high + __int128(dilation) * (kernel - 1) + more + 1;
  if (size > (__int128(1) << 62)) return fail(e, Error::Value, "%s: an output %s of over 2**62 places", op, axis);
  if (in < 1 || size < 1)
    return fail(
        e, Error::Value,
        "%s: the %s of the output would be (in - 1) * stride - padding + dilation * (kernel - 1) + output_padding "
        "+ 1 = (%lld - 1) * %lld - %lld - %lld + %lld * (%lld - 1) + %lld + 1 = %lld; expected at least 1",
        op, axis, (long long)in, (long long)stride, (long long)low, (long long)high, (long long)dilation,
        (long long)kernel, (long long)more, (long long)size);
  out = int64_t(size);
  return true;
}

template <int D>
bool transpose(ConvArgs& a, const Array& x, const Array& w, const Array* bias, const ConvAnyOptions& any,
               const int64_t* output_padding, int64_t* y_shape, Error& e) {
  constexpr int R = 2 + D;
  const char* op = transpose_name[D];
  const char* axes_w[] = {"", "(C_in, C_out / groups, kL)", "(C_in, C_out / groups, kH, kW)",
                          "(C_in, C_out / groups, kD, kH, kW)"};
  ConvOptions<D> o = options_of<D>(any);
  if (!check_float(op, "input", x, e) || !check_dtype(op, "weight", w, "input", x.dtype, e) ||
      !check_rank(op, "input", x, R, ConvText<D>::x, e) || !check_rank(op, "weight", w, R, axes_w[D], e) ||
      !conv_options<D>(op, o, e))
    return false;
  for (int i = 0; i < R; i++)
    if (w.shape[i] < 1)
      return fail(e, Error::Value, "%s: expected a weight without empty axes, got %s", op, shape_text(w).c_str());
  if (x.shape[1] != w.shape[0])
    return fail(e, Error::Value, "%s: weight is for %lld input channels, input has %lld (input %s, weight %s)", op,
                (long long)w.shape[0], (long long)x.shape[1], shape_text(x).c_str(), shape_text(w).c_str());
  if (x.shape[1] % o.groups)
    return fail(e, Error::Value, "%s: groups = %lld must divide the %lld input channels", op, (long long)o.groups,
                (long long)x.shape[1]);
  if (w.shape[1] > (int64_t(1) << 44) / o.groups) return fail(e, Error::Memory, "%s: over 2**44 output channels", op);
  ConvSizes<D> s;
  s.n = x.shape[0], s.oc = x.shape[1], s.ic = w.shape[1] * o.groups, s.groups = o.groups;
  y_shape[0] = s.n, y_shape[1] = s.ic;
  for (int i = 0; i < D; i++) {
    s.out[i] = x.shape[2 + i], s.kernel[i] = w.shape[2 + i];
    s.stride[i] = o.stride[i], s.dilation[i] = o.dilation[i], s.pad[i] = o.padding[2 * i];
    if (!transposed_output(op, ConvText<D>::axis[i], s.out[i], s.kernel[i], o.stride[i], o.padding[2 * i],
                           o.padding[2 * i + 1], o.dilation[i], output_padding[i], s.in[i], e))
      return false;
    if (s.out[i] == 1) s.stride[i] = 1;  // see conv_sizes
    if (s.kernel[i] == 1) s.dilation[i] = 1;
    y_shape[2 + i] = s.in[i];
  }
  if (!check_size(op, "an output", y_shape, R, e)) return false;
  if (bias && (!check_dtype(op, "bias", *bias, "input", x.dtype, e) || !check_shape(op, "bias", *bias, 1, &s.ic, e)))
    return false;
  fill<D>(a, s);
  return true;
}

}  // namespace

bool conv_check(int D, ConvArgs& a, const Array& x, const Array& w, const Array* bias, const ConvAnyOptions& o,
                int64_t* y_shape, Error& e) {
  if (!(D == 1   ? forward<1>(a, x, w, bias, o, y_shape, e)
        : D == 2 ? forward<2>(a, x, w, bias, o, y_shape, e)
                 : forward<3>(a, x, w, bias, o, y_shape, e)))
    return false;
  conv_place_x(D, a, x);
  conv_place_w(D, a, w);
  if (bias) conv_place_bias(D, a, *bias);
  return true;
}

bool conv_backward_input_check(int D, ConvArgs& a, const int64_t* x_shape, const Array& w, const Array& dy,
                               const ConvAnyOptions& o, Error& e) {
  if (!(D == 1   ? backward_input<1>(a, x_shape, w, dy, o, e)
        : D == 2 ? backward_input<2>(a, x_shape, w, dy, o, e)
                 : backward_input<3>(a, x_shape, w, dy, o, e)))
    return false;
  conv_place_w(D, a, w);
  conv_place_y(D, a, dy);
  return true;
}

bool conv_backward_weight_check(int D, ConvArgs& a, const Array& x, const int64_t* w_shape, const Array& dy,
                                const ConvAnyOptions& o, Error& e) {
  if (!(D == 1   ? backward_weight<1>(a, x, w_shape, dy, o, e)
        : D == 2 ? backward_weight<2>(a, x, w_shape, dy, o, e)
                 : backward_weight<3>(a, x, w_shape, dy, o, e)))
    return false;
  conv_place_x(D, a, x);
  conv_place_y(D, a, dy);
  return true;
}

bool conv_transpose_check(int D, ConvArgs& a, const Array& x, const Array& w, const Array* bias,
                          const ConvAnyOptions& o, const int64_t* output_padding, int64_t* y_shape, Error& e) {
  if (!(D == 1   ? transpose<1>(a, x, w, bias, o, output_padding, y_shape, e)
        : D == 2 ? transpose<2>(a, x, w, bias, o, output_padding, y_shape, e)
                 : transpose<3>(a, x, w, bias, o, output_padding, y_shape, e)))
    return false;
  conv_place_w(D, a, w);
  conv_place_y(D, a, x);
  if (bias) conv_place_bias(D, a, *bias);
  return true;
}

// A row's own stride, which no rung needs, is such that rows seem to touch: then r5_pack may join them.
void conv_place_x(int D, ConvArgs& a, const Array& x) {
  const int64_t *s = x.stride, row = D == 1 ? x.shape[2] * s[2] : 0;
  if (D == 3) {
    Conv3d& c = a.three;
    c.x = x.data, c.x_n = s[0], c.x_c = s[1], c.x_d = s[2], c.x_h = s[3], c.x_w = s[4];
  } else {
    Conv2d& c = a.two;
    c.x = x.data, c.x_n = s[0], c.x_c = s[1], c.x_h = D == 1 ? row : s[2], c.x_w = s[1 + D];
  }
}

void conv_place_w(int D, ConvArgs& a, const Array& w) {
  const int64_t* s = w.stride;
  if (D == 3) {
    Conv3d& c = a.three;
    c.w = w.data, c.w_o = s[0], c.w_i = s[1], c.w_d = s[2], c.w_h = s[3], c.w_w = s[4];
  } else {
    Conv2d& c = a.two;
    c.w = w.data, c.w_o = s[0], c.w_i = s[1], c.w_h = D == 1 ? 0 : s[2], c.w_w = s[1 + D];
  }
}

void conv_place_y(int D, ConvArgs& a, const Array& y) {
  const int64_t *s = y.stride, row = D == 1 ? y.shape[2] * s[2] : 0;
  if (D == 3) {
    Conv3d& c = a.three;
    c.y = y.data, c.y_n = s[0], c.y_c = s[1], c.y_d = s[2], c.y_h = s[3], c.y_w = s[4];
  } else {
    Conv2d& c = a.two;
    c.y = y.data, c.y_n = s[0], c.y_c = s[1], c.y_h = D == 1 ? row : s[2], c.y_w = s[1 + D];
  }
}

void conv_place_bias(int D, ConvArgs& a, const Array& bias) { (D == 3 ? a.three.bias : a.two.bias) = bias.data; }

Work conv3d_work(const Conv3d& a, Dtype dtype) {
  double taps = conv_taps(a.od, a.id, a.kd, a.stride_d, a.pad_d, a.dilation_d) *
                conv_taps(a.oh, a.ih, a.kh, a.stride_h, a.pad_h, a.dilation_h) *
                conv_taps(a.ow, a.iw, a.kw, a.stride_w, a.pad_w, a.dilation_w);
  double group_ic = double(a.ic / a.groups);
  double elements = double(a.n) * double(a.ic) * double(a.id) * double(a.ih) * double(a.iw) +
                    double(a.oc) * group_ic * double(a.kd) * double(a.kh) * double(a.kw) +
                    double(a.n) * double(a.oc) * double(a.od) * double(a.oh) * double(a.ow);
  return {2.0 * double(a.n) * double(a.oc) * group_ic * taps, elements * (dtype == F64 ? 8 : 4)};
}

}  // namespace loopnest
