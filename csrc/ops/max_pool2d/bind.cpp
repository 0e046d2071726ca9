// The pools for the laboratory.
#include <pybind11/stl.h>

#include <array>

#include "../../bind/call.h"
#include "check.h"

namespace loopnest {
namespace {

using Name = std::optional<std::string>;
using Two = std::array<int64_t, 2>;
using Four = std::array<int64_t, 4>;

Pool2dOptions options(Two kernel_size, Two stride, Two padding, Two dilation, bool ceil_mode) {
  return {{kernel_size[0], kernel_size[1]},
          {stride[0], stride[1]},
          {padding[0], padding[1]},
          {dilation[0], dilation[1]},
          ceil_mode};
}

void need_rank_4(const char* op, const char* name, const Array& a) {
  if (a.rank != 4)
    throw py::value_error(std::string(op) + ": expected " + name + " of 4 axes (N, C, H, W), got " +
                          std::to_string(a.rank));
}

struct Sized {
  Pool2d a;
  int64_t y_shape[4];
};

Sized sized(const char* op, const int64_t x_shape[4], const Pool2dOptions& o) {
  Sized s;
  Error e;
  if (!pool2d_check(op, s.a, x_shape, o, s.y_shape, e)) raise(e);
  return s;
}

using Place = bool (*)(const char*, Pool2d&, const Array&, Error&);

void place(Place how, const char* op, Pool2d& a, const Array& array) {
  Error e;
  if (!how(op, a, array, e)) raise(e);
}

Call max_pool2d(py::object x, Two kernel_size, Two stride, Two padding, Two dilation, bool ceil_mode, Name rung,
                Name isa, int threads) {
  const char* op = "max_pool2d";
  Inputs in(op);
  Array ax = in.read("input", x), out;
  need_rank_4(op, "input", ax);
  Sized s = sized(op, ax.shape, options(kernel_size, stride, padding, dilation, ceil_mode));
  place(pool2d_place_x, op, s.a, ax);
  py::array y = make_channels_last(ax.dtype, s.y_shape, out);
  place(pool2d_place_y, op, s.a, out);
  py::array indices = make_channels_last(I64, s.y_shape, out);
  place(pool2d_place_indices, op, s.a, out);
  return Call(op, ax.dtype, s.a, in.keep, py::make_tuple(y, indices), {rung, isa, threads});
}

Call max_pool2d_backward(py::object dy, py::object indices, Four input_size, Two kernel_size, Two stride, Two padding,
                         Two dilation, bool ceil_mode, Name rung, Name isa, int threads) {
  const char* op = "max_pool2d_backward";
  Inputs in(op);
  Array ay = in.read("grad_output", dy), ai = in.read("indices", indices), out;
  Sized s = sized(op, input_size.data(), options(kernel_size, stride, padding, dilation, ceil_mode));
  place(pool2d_place_y, op, s.a, ay);
  place(pool2d_place_indices, op, s.a, ai);
  py::array dx = make_channels_last(ay.dtype, input_size.data(), out);
  place(pool2d_place_x, op, s.a, out);
  return Call(op, ay.dtype, s.a, in.keep, dx, {rung, isa, threads});
}

Call avg_pool2d(py::object x, Two kernel_size, Two stride, Two padding, bool ceil_mode, bool count_include_pad,
                int64_t divisor_override, Name rung, Name isa, int threads) {
  const char* op = "avg_pool2d";
  Inputs in(op);
  Array ax = in.read("input", x), out;
  need_rank_4(op, "input", ax);
  Pool2dOptions o = options(kernel_size, stride, padding, {1, 1}, ceil_mode);
  o.count_include_pad = count_include_pad;
  o.divisor_override = divisor_override;
  Sized s = sized(op, ax.shape, o);
  place(pool2d_place_x, op, s.a, ax);
  py::array y = make_channels_last(ax.dtype, s.y_shape, out);
  place(pool2d_place_y, op, s.a, out);
  return Call(op, ax.dtype, s.a, in.keep, y, {rung, isa, threads});
}

Call avg_pool2d_backward(py::object dy, Four input_size, Two kernel_size, Two stride, Two padding, bool ceil_mode,
                         bool count_include_pad, int64_t divisor_override, Name rung, Name isa, int threads) {
  const char* op = "avg_pool2d_backward";
  Inputs in(op);
  Array ay = in.read("grad_output", dy), out;
  Pool2dOptions o = options(kernel_size, stride, padding, {1, 1}, ceil_mode);
  o.count_include_pad = count_include_pad;
  o.divisor_override = divisor_override;
  Sized s = sized(op, input_size.data(), o);
  place(pool2d_place_y, op, s.a, ay);
  py::array dx = make_channels_last(ay.dtype, input_size.data(), out);
  place(pool2d_place_x, op, s.a, out);
  return Call(op, ay.dtype, s.a, in.keep, dx, {rung, isa, threads});
}

}  // namespace

void bind_max_pool2d(py::module_& m) {
  m.def("max_pool2d", &max_pool2d, py::arg("input"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"),
        py::arg("dilation"), py::arg("ceil_mode"), py::kw_only(), LOOPNEST_CHOICE);
}

void bind_max_pool2d_backward(py::module_& m) {
  m.def("max_pool2d_backward", &max_pool2d_backward, py::arg("grad_output"), py::arg("indices"), py::arg("input_size"),
        py::arg("kernel_size"), py::arg("stride"), py::arg("padding"), py::arg("dilation"), py::arg("ceil_mode"),
        py::kw_only(), LOOPNEST_CHOICE);
}

void bind_avg_pool2d(py::module_& m) {
  m.def("avg_pool2d", &avg_pool2d, py::arg("input"), py::arg("kernel_size"), py::arg("stride"), py::arg("padding"),
        py::arg("ceil_mode"), py::arg("count_include_pad"), py::arg("divisor_override"), py::kw_only(),
        LOOPNEST_CHOICE);
}

void bind_avg_pool2d_backward(py::module_& m) {
  m.def("avg_pool2d_backward", &avg_pool2d_backward, py::arg("grad_output"), py::arg("input_size"),
        py::arg("kernel_size"), py::arg("stride"), py::arg("padding"), py::arg("ceil_mode"),
        py::arg("count_include_pad"), py::arg("divisor_override"), py::kw_only(), LOOPNEST_CHOICE);
}

}  // namespace loopnest
