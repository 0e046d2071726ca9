// softmax for the laboratory: arrays of 3 axes (outer, d, inner); loopnest.ops makes them from any shape.
#include <pybind11/stl.h>

#include "../../bind/call.h"
#include "check.h"

namespace loopnest {
namespace {

using Name = std::optional<std::string>;

Call softmax(py::object x, bool log, Name rung, Name isa, int threads) {
  Inputs in("softmax");
  Array ax = in.read("input", x), ay;
  py::array y = make_like(ax, ay);
  Softmax a;
  Error e;
  if (!softmax_check(a, ax, ay, log, e)) raise(e);
  return Call("softmax", ax.dtype, a, in.keep, y, {rung, isa, threads});
}

Call softmax_backward(py::object dy, py::object y, bool log, Name rung, Name isa, int threads) {
  Inputs in("softmax_backward");
  Array ay = in.read("output", y), ady = in.read("grad_output", dy), adx;
  py::array dx = make_like(ay, adx);
  Softmax a;
  Error e;
  if (!softmax_backward_check(a, ay, ady, adx, log, e)) raise(e);
  return Call("softmax_backward", ay.dtype, a, in.keep, dx, {rung, isa, threads});
}

}  // namespace

void bind_softmax(py::module_& m) {
  m.def("softmax", &softmax, py::arg("input"), py::arg("log"), py::kw_only(), LOOPNEST_CHOICE);
}

void bind_softmax_backward(py::module_& m) {
  m.def("softmax_backward", &softmax_backward, py::arg("grad_output"), py::arg("output"), py::arg("log"), py::kw_only(),
        LOOPNEST_CHOICE);
}

}  // namespace loopnest
