// lstm_cell for the laboratory.
#include <pybind11/stl.h>

#include "../../bind/call.h"
#include "check.h"

namespace loopnest {
namespace {

using Name = std::optional<std::string>;

// An array that may be None.
struct Maybe {
  Array array;
  bool given;
  const Array* get() const { return given ? &array : nullptr; }
};

Maybe read(Inputs& in, const char* name, const py::object& from) {
  if (from.is_none()) return {{}, false};
  return {in.read(name, from), true};
}

void check_first(const char* op, const char* name, const Array& gates) {
  if (gates.rank != 2 || gates.shape[1] % 4)
    throw py::value_error(std::string(op) + ": expected " + name + " of shape (M, 4 * H)");
}

// result: (y, c, gates)
Call lstm_cell(py::object sums, py::object c0, py::object more, Name rung, Name isa, int threads) {
  const char* op = "lstm_cell";
  Inputs in(op);
  Array as = in.read("sums", sums), ay, ac, ag;
  Maybe a0 = read(in, "c0", c0), am = read(in, "more", more);
  check_first(op, "sums", as);
  int64_t state[2] = {as.shape[0], as.shape[1] / 4};
  py::array y = make_array(as.dtype, 2, state, {}, ay), c = make_array(as.dtype, 2, state, {}, ac);
  py::array gates = make_array(as.dtype, 2, as.shape, {}, ag);
  LstmCell a;
  Error e;
  if (!lstm_cell_check(a, as, am.get(), a0.get(), &ag, ac, ay, e)) raise(e);
  return Call(op, as.dtype, a, in.keep, py::make_tuple(y, c, gates), {rung, isa, threads});
}

// result: (grad_sums, grad_c0)
Call lstm_cell_backward(py::object gates, py::object c, py::object c0, py::object dy, py::object dc, Name rung,
                        Name isa, int threads) {
  const char* op = "lstm_cell_backward";
  Inputs in(op);
  Array ag = in.read("gates", gates), ac = in.read("c", c), as, adc0;
  Maybe a0 = read(in, "c0", c0), ady = read(in, "grad_y", dy), adc = read(in, "grad_c", dc);
  check_first(op, "gates", ag);
  int64_t state[2] = {ag.shape[0], ag.shape[1] / 4};
  py::array dsums = make_array(ag.dtype, 2, ag.shape, {}, as), dc0 = make_array(ag.dtype, 2, state, {}, adc0);
  LstmCell a;
  Error e;
  if (!lstm_cell_backward_check(a, ag, a0.get(), ac, ady.get(), adc.get(), as, &adc0, e)) raise(e);
  return Call(op, ag.dtype, a, in.keep, py::make_tuple(dsums, dc0), {rung, isa, threads});
}

}  // namespace

void bind_lstm_cell(py::module_& m) {
  m.def("lstm_cell", &lstm_cell, py::arg("sums"), py::arg("c0"), py::arg("more"), py::kw_only(), LOOPNEST_CHOICE);
}

void bind_lstm_cell_backward(py::module_& m) {
  m.def("lstm_cell_backward", &lstm_cell_backward, py::arg("gates"), py::arg("c"), py::arg("c0"), py::arg("grad_y"),
        py::arg("grad_c"), py::kw_only(), LOOPNEST_CHOICE);
}

}  // namespace loopnest
