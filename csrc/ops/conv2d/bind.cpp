// conv2d for the laboratory: arrays -> struct -> check -> a Call.
#include <pybind11/stl.h>

#include <array>

#include "../../bind/call.h"
#include "../../epilogue.h"
#include "check.h"

namespace loopnest {
namespace {

using Two = std::array<int64_t, 2>;
using Four = std::array<int64_t, 4>;

Conv2dOptions options(Two stride, Four padding, Two dilation, int64_t groups) {
  return {{stride[0], stride[1]}, {padding[0], padding[1], padding[2], padding[3]}, {dilation[0], dilation[1]}, groups};
}

Call conv2d(py::object x, py::object w, py::object bias, Two stride, Four padding, Two dilation, int64_t groups,
            py::object residual, std::optional<std::string> activation, std::optional<std::string> rung,
            std::optional<std::string> isa, int threads) {
  Inputs in("conv2d");
  Array ax = in.read("input", x), aw = in.read("weight", w), ab, ay;
  if (!bias.is_none()) ab = in.read_dense("bias", bias);
  Conv2dOptions o = options(stride, padding, dilation, groups);
  Conv2d a;
  Error e;
  int64_t y_shape[4];
  if (!conv2d_check(a, ax, aw, bias.is_none() ? nullptr : &ab, o, y_shape, e)) raise(e);
  py::array y = make_channels_last(ax.dtype, y_shape, ay);
  a.y = ay.data;
  a.y_n = ay.stride[0], a.y_c = ay.stride[1], a.y_h = ay.stride[2], a.y_w = ay.stride[3];
  Array add;
  if (!residual.is_none()) add = in.read("residual", residual);
  if (!check_epilogue("conv2d", activation ? activation->c_str() : nullptr, residual.is_none() ? nullptr : &add, ay,
                      a.activation, a.add, e))
    raise(e);
  return Call("conv2d", ax.dtype, a, in.keep, y, {rung, isa, threads});
}

// result: dL/dinput, of input_size
Call conv2d_backward_input(Four input_size, py::object w, py::object dy, Two stride, Four padding, Two dilation,
                           int64_t groups, std::optional<std::string> rung, std::optional<std::string> isa,
                           int threads) {
  Inputs in("conv2d_backward_input");
  Array aw = in.read("weight", w), ady = in.read("grad_output", dy), out;
  Conv2d a;
  Error e;
  Conv2dOptions o = options(stride, padding, dilation, groups);
  if (!conv2d_backward_input_check(a, input_size.data(), aw, ady, o, e)) raise(e);
  py::array dx = make_channels_last(ady.dtype, input_size.data(), out);
  a.x = out.data;
  a.x_n = out.stride[0], a.x_c = out.stride[1], a.x_h = out.stride[2], a.x_w = out.stride[3];
  return Call("conv2d_backward_input", ady.dtype, a, in.keep, dx, {rung, isa, threads});
}

// result: (dL/dweight of weight_size, dL/dbias)
Call conv2d_backward_weight(py::object x, Four weight_size, py::object dy, Two stride, Four padding, Two dilation,
                            int64_t groups, std::optional<std::string> rung, std::optional<std::string> isa,
                            int threads) {
  Inputs in("conv2d_backward_weight");
  Array ax = in.read("input", x), ady = in.read("grad_output", dy), out;
  Conv2d a;
  Error e;
  Conv2dOptions o = options(stride, padding, dilation, groups);
  if (!conv2d_backward_weight_check(a, ax, weight_size.data(), ady, o, e)) raise(e);
  py::array dw = make_array(ady.dtype, 4, weight_size.data(), {}, out);
  a.w = out.data;
  a.w_o = out.stride[0], a.w_i = out.stride[1], a.w_h = out.stride[2], a.w_w = out.stride[3];
  py::array dbias = make_array(ady.dtype, 1, &a.oc, {}, out);
  a.bias = out.data;
  return Call("conv2d_backward_weight", ady.dtype, a, in.keep, py::make_tuple(dw, dbias), {rung, isa, threads});
}

}  // namespace

void bind_conv2d_backward_input(py::module_& m) {
  m.def("conv2d_backward_input", &conv2d_backward_input, py::arg("input_size"), py::arg("weight"),
        py::arg("grad_output"), py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("groups"),
        py::kw_only(), LOOPNEST_CHOICE);
}

void bind_conv2d_backward_weight(py::module_& m) {
  m.def("conv2d_backward_weight", &conv2d_backward_weight, py::arg("input"), py::arg("weight_size"),
        py::arg("grad_output"), py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("groups"),
        py::kw_only(), LOOPNEST_CHOICE);
}

void bind_conv2d(py::module_& m) {
  m.def("conv2d", &conv2d, py::arg("input"), py::arg("weight"), py::arg("bias"), py::arg("stride"), py::arg("padding"),
        py::arg("dilation"), py::arg("groups"), py::kw_only(), py::arg("residual") = py::none(),
        py::arg("activation") = py::none(), LOOPNEST_CHOICE, "padding is (top, bottom, left, right).");
}

}  // namespace loopnest
