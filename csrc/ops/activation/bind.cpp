// The activations for the laboratory: one operator, told by a number and up to three parameters which function it is.
#include <pybind11/stl.h>

#include <array>

#include "../../bind/call.h"
#include "../map/check.h"

namespace loopnest {
namespace {

using Name = std::optional<std::string>;
using Parameters = std::array<double, 3>;

Map checked(const char* op, int64_t function, const Parameters& p, const Array& x, const Array* dy, const Array& out) {
  Map a;
  Error e;
  if (!activation_check(op, a, function, p.data(), x, dy, out, e)) raise(e);
  return a;
}

Call activation(py::object x, int64_t function, Parameters p, Name rung, Name isa, int threads) {
  const char* op = "activation";
  Inputs in(op);
  Array ax = in.read("input", x), ay;
  py::array y = make_like(ax, ay);
  return Call(op, ax.dtype, checked(op, function, p, ax, nullptr, ay), in.keep, y, {rung, isa, threads});
}

Call activation_backward(py::object dy, py::object x, int64_t function, Parameters p, Name rung, Name isa,
                         int threads) {
  const char* op = "activation_backward";
  Inputs in(op);
  Array ax = in.read("input", x), ady = in.read("grad_output", dy), adx;
  py::array dx = make_like(ax, adx);
  return Call(op, ax.dtype, checked(op, function, p, ax, &ady, adx), in.keep, dx, {rung, isa, threads});
}

}  // namespace

void bind_activation(py::module_& m) {
  m.def("activation", &activation, py::arg("input"), py::arg("function"), py::arg("parameters"), py::kw_only(),
        LOOPNEST_CHOICE);
}

void bind_activation_backward(py::module_& m) {
  m.def("activation_backward", &activation_backward, py::arg("grad_output"), py::arg("input"), py::arg("function"),
        py::arg("parameters"), py::kw_only(), LOOPNEST_CHOICE);
}

}  // namespace loopnest
