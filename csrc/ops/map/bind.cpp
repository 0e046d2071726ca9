// The elementwise operators for the laboratory.
#include <pybind11/stl.h>

#include "../../bind/call.h"
#include "check.h"

namespace loopnest {
namespace {

using Name = std::optional<std::string>;

void bind_forward(py::module_& m, const char* op) {
  m.def(
      op,
      [op](py::object x, Name rung, Name isa, int threads) {
        Inputs in(op);
        Array ax = in.read("input", x), ay;
        py::array y = make_like(ax, ay);
        Map a;
        Error e;
        if (!map_check(op, a, ax, nullptr, ay, e)) raise(e);
        return Call(op, ax.dtype, a, in.keep, y, {rung, isa, threads});
      },
      py::arg("input"), py::kw_only(), LOOPNEST_CHOICE);
}

void bind_backward(py::module_& m, const char* op) {
  m.def(
      op,
      [op](py::object y, py::object dy, Name rung, Name isa, int threads) {
        Inputs in(op);
        Array ay = in.read("output", y), ady = in.read("grad_output", dy), adx;
        py::array dx = make_like(ay, adx);
        Map a;
        Error e;
        if (!map_check(op, a, ay, &ady, adx, e)) raise(e);
        return Call(op, ay.dtype, a, in.keep, dx, {rung, isa, threads});
      },
      py::arg("output"), py::arg("grad_output"), py::kw_only(), LOOPNEST_CHOICE);
}

}  // namespace

void bind_relu(py::module_& m) { bind_forward(m, "relu"); }
void bind_sigmoid(py::module_& m) { bind_forward(m, "sigmoid"); }
void bind_tanh(py::module_& m) { bind_forward(m, "tanh"); }
void bind_relu_backward(py::module_& m) { bind_backward(m, "relu_backward"); }
void bind_sigmoid_backward(py::module_& m) { bind_backward(m, "sigmoid_backward"); }
void bind_tanh_backward(py::module_& m) { bind_backward(m, "tanh_backward"); }

}  // namespace loopnest
