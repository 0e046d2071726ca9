// conv1d, conv3d and the transposed convolutions for the laboratory: arrays -> struct -> check -> a Call.
#include <pybind11/stl.h>

#include "../../bind/call.h"
#include "check.h"

namespace loopnest {
namespace {

using Numbers = std::vector<int64_t>;

const char* const forward_name[] = {"", "conv1d", "conv2d", "conv3d"};
const char* const input_name[] = {"", "conv1d_backward_input", "conv2d_backward_input", "conv3d_backward_input"};
const char* const weight_name[] = {"", "conv1d_backward_weight", "conv2d_backward_weight", "conv3d_backward_weight"};
const char* const transpose_name[] = {"", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d"};

void copy(const char* op, const Numbers& from, int count, int64_t* to) {
  if (int(from.size()) != count)
    throw py::value_error(std::string(op) + ": expected " + std::to_string(count) + " numbers, got " +
                          std::to_string(from.size()));
  for (int i = 0; i < count; i++) to[i] = from[size_t(i)];
}

ConvAnyOptions options(const char* op, int D, const Numbers& stride, const Numbers& padding, const Numbers& dilation,
                       int64_t groups) {
  ConvAnyOptions o = {};
  copy(op, stride, D, o.stride);
  copy(op, padding, 2 * D, o.padding);
  copy(op, dilation, D, o.dilation);
  o.groups = groups;
  return o;
}

py::array make_result(int dtype, int D, const int64_t* shape, Array& out) {
  std::vector<int> order = {0};
  for (int i = 0; i < D; i++) order.push_back(2 + i);
  order.push_back(1);
  return make_array(dtype, 2 + D, shape, order, out);
}

Call ready(int D, const char* op, int dtype, const ConvArgs& a, py::list keep, py::object result, const Choice& c) {
  return D == 3 ? Call(op, dtype, a.three, keep, result, c) : Call(op, dtype, a.two, keep, result, c);
}

template <int D>
Call forward(py::object x, py::object w, py::object bias, Numbers stride, Numbers padding, Numbers dilation,
             int64_t groups, std::optional<std::string> rung, std::optional<std::string> isa, int threads) {
  const char* op = forward_name[D];
  Inputs in(op);
  Array ax = in.read("input", x), aw = in.read("weight", w), ab, ay;
  if (!bias.is_none()) ab = in.read_dense("bias", bias);
  ConvArgs a;
  Error e;
  int64_t y_shape[max_rank];
  if (!conv_check(D, a, ax, aw, bias.is_none() ? nullptr : &ab, options(op, D, stride, padding, dilation, groups),
                  y_shape, e))
    raise(e);
  py::array y = make_result(ax.dtype, D, y_shape, ay);
  conv_place_y(D, a, ay);
  return ready(D, op, ax.dtype, a, in.keep, y, {rung, isa, threads});
}

// result: dL/dinput, of input_size
template <int D>
Call backward_input(Numbers input_size, py::object w, py::object dy, Numbers stride, Numbers padding, Numbers dilation,
                    int64_t groups, std::optional<std::string> rung, std::optional<std::string> isa, int threads) {
  const char* op = input_name[D];
  Inputs in(op);
  Array aw = in.read("weight", w), ady = in.read("grad_output", dy), out;
  ConvArgs a;
  Error e;
  int64_t x_shape[max_rank];
  copy(op, input_size, 2 + D, x_shape);
  if (!conv_backward_input_check(D, a, x_shape, aw, ady, options(op, D, stride, padding, dilation, groups), e))
    raise(e);
  py::array dx = make_result(ady.dtype, D, x_shape, out);
  conv_place_x(D, a, out);
  return ready(D, op, ady.dtype, a, in.keep, dx, {rung, isa, threads});
}

// result: (dL/dweight of weight_size, dL/dbias)
template <int D>
Call backward_weight(py::object x, Numbers weight_size, py::object dy, Numbers stride, Numbers padding,
                     Numbers dilation, int64_t groups, std::optional<std::string> rung, std::optional<std::string> isa,
                     int threads) {
  const char* op = weight_name[D];
  Inputs in(op);
  Array ax = in.read("input", x), ady = in.read("grad_output", dy), out, out_bias;
  ConvArgs a;
  Error e;
  int64_t w_shape[max_rank];
  copy(op, weight_size, 2 + D, w_shape);
  if (!conv_backward_weight_check(D, a, ax, w_shape, ady, options(op, D, stride, padding, dilation, groups), e))
    raise(e);
  py::array dw = make_array(ady.dtype, 2 + D, w_shape, {}, out);
  conv_place_w(D, a, out);
  py::array dbias = make_array(ady.dtype, 1, w_shape, {}, out_bias);
  conv_place_bias(D, a, out_bias);
  return ready(D, op, ady.dtype, a, in.keep, py::make_tuple(dw, dbias), {rung, isa, threads});
}

// On the ladder of conv<D>d_backward_input.
template <int D>
Call transpose(py::object x, py::object w, py::object bias, Numbers stride, Numbers padding, Numbers output_padding,
               int64_t groups, Numbers dilation, std::optional<std::string> rung, std::optional<std::string> isa,
               int threads) {
  const char* op = transpose_name[D];
  Inputs in(op);
  Array ax = in.read("input", x), aw = in.read("weight", w), ab, ay;
  if (!bias.is_none()) ab = in.read_dense("bias", bias);
  ConvArgs a;
  Error e;
  int64_t more[3], y_shape[max_rank];
  copy(op, output_padding, D, more);
  if (!conv_transpose_check(D, a, ax, aw, bias.is_none() ? nullptr : &ab,
                            options(op, D, stride, padding, dilation, groups), more, y_shape, e))
    raise(e);
  py::array y = make_result(ax.dtype, D, y_shape, ay);
  conv_place_x(D, a, ay);
  return ready(D, input_name[D], ax.dtype, a, in.keep, y, {rung, isa, threads});
}

template <int D>
void bind_transpose(py::module_& m) {
  m.def(transpose_name[D], &transpose<D>, py::arg("input"), py::arg("weight"), py::arg("bias"), py::arg("stride"),
        py::arg("padding"), py::arg("output_padding"), py::arg("groups"), py::arg("dilation"), py::kw_only(),
        LOOPNEST_CHOICE);
}

template <int D>
void bind_forward(py::module_& m) {
  m.def(forward_name[D], &forward<D>, py::arg("input"), py::arg("weight"), py::arg("bias"), py::arg("stride"),
        py::arg("padding"), py::arg("dilation"), py::arg("groups"), py::kw_only(), LOOPNEST_CHOICE,
        "padding: the low and the high side of each axis.");
  bind_transpose<D>(m);
}

template <int D>
void bind_backward_input(py::module_& m) {
  m.def(input_name[D], &backward_input<D>, py::arg("input_size"), py::arg("weight"), py::arg("grad_output"),
        py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("groups"), py::kw_only(), LOOPNEST_CHOICE);
}

template <int D>
void bind_backward_weight(py::module_& m) {
  m.def(weight_name[D], &backward_weight<D>, py::arg("input"), py::arg("weight_size"), py::arg("grad_output"),
        py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("groups"), py::kw_only(), LOOPNEST_CHOICE);
}

}  // namespace

void bind_conv1d(py::module_& m) { bind_forward<1>(m); }
void bind_conv1d_backward_input(py::module_& m) { bind_backward_input<1>(m); }
void bind_conv1d_backward_weight(py::module_& m) { bind_backward_weight<1>(m); }
void bind_conv3d(py::module_& m) {
  bind_forward<3>(m);
  bind_transpose<2>(m);
}
void bind_conv3d_backward_input(py::module_& m) { bind_backward_input<3>(m); }
void bind_conv3d_backward_weight(py::module_& m) { bind_backward_weight<3>(m); }

}  // namespace loopnest
