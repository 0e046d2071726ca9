// conv2d for the laboratory: arrays -> struct -> check -> a Call.
#include <pybind11/stl.h>

#include <array>

#include "../../bind/call.h"
#include "check.h"

namespace loopnest {
namespace {

using Two = std::array<int64_t, 2>;
using Four = std::array<int64_t, 4>;

Call conv2d(py::object x, py::object w, py::object bias, Two stride, Four padding, Two dilation, int64_t groups,
            std::optional<std::string> rung, std::optional<std::string> isa, int threads) {
  Inputs in("conv2d");
  Array ax = in.read("input", x), aw = in.read("weight", w), ab, ay;
  if (!bias.is_none()) ab = in.read("bias", bias);
  Conv2dOptions o{{stride[0], stride[1]}, {padding[0], padding[1], padding[2], padding[3]}, {dilation[0], dilation[1]}, groups};
  Conv2d a;
  Error e;
  int64_t y_shape[4];
  if (!conv2d_check(a, ax, aw, bias.is_none() ? nullptr : &ab, o, y_shape, e)) raise(e);
  py::array y = make_channels_last(ax.dtype, y_shape, ay);
  a.y = ay.data;
  a.y_n = ay.stride[0], a.y_c = ay.stride[1], a.y_h = ay.stride[2], a.y_w = ay.stride[3];
  return Call("conv2d", ax.dtype, a, in.keep, y, {rung, isa, threads});
}

}  // namespace

void bind_conv2d(py::module_& m) {
  m.def("conv2d", &conv2d, py::arg("input"), py::arg("weight"), py::arg("bias"), py::arg("stride"), py::arg("padding"),
        py::arg("dilation"), py::arg("groups"), py::kw_only(), LOOPNEST_CHOICE,
        "padding is (top, bottom, left, right).");
}

}  // namespace loopnest
