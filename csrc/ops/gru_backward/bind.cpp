// gru_backward for the laboratory.
#include <pybind11/stl.h>

#include <array>

#include "../../bind/call.h"
#include "../../check_sequence.h"
#include "check.h"

namespace loopnest {
namespace {

using Name = std::optional<std::string>;

// result: dL/d of (input, weight_ih, weight_hh, bias_ih, bias_hh, h_0)
Call gru_backward(py::object x, py::object w_ih, py::object w_hh, py::object h0, py::object y, py::object gates,
                  py::object dy, py::object dhn, bool before, py::object lengths, bool reverse, Name rung, Name isa,
                  int threads) {
  Inputs in("gru_backward");
  Array ax = in.read("input", x), ai = in.read("weight_ih", w_ih), ah = in.read("weight_hh", w_hh);
  Array ay = in.read("output", y), ag = in.read("gates", gates), optional[4], out;
  py::object given[4] = {h0, lengths, dy, dhn};
  const char* names[4] = {"h_0", "lengths", "grad_output", "grad_h_n"};
  const Array* some[4] = {};
  for (int k = 0; k < 4; k++)
    if (!given[k].is_none()) some[k] = &(optional[k] = in.read(names[k], given[k]));
  if (ax.rank == 3) ax = backwards(ax, reverse);
  if (ay.rank == 3) ay = backwards(ay, reverse);
  if (some[2] && optional[2].rank == 3) optional[2] = backwards(optional[2], reverse);
  GruBackward a;
  Error e;
  if (!gru_backward_check(a, ax, ai, ah, some[0], some[1], ay, ag, some[2], some[3], before, reverse, e)) raise(e);
  auto make = [&](int rank, std::array<int64_t, 3> shape, void*& place) {
    py::array result = make_array(ax.dtype, rank, shape.data(), {}, out);
    place = out.data;
    return result;
  };
  py::array dx = make(3, {a.t, a.n, a.i}, a.dx);
  out = backwards(out, reverse);
  a.dx = out.data, a.dx_t = out.stride[0], a.dx_n = out.stride[1];
  py::array dw_ih = make(2, {3 * a.h, a.i}, a.dw_ih), dw_hh = make(2, {3 * a.h, a.h}, a.dw_hh);
  py::array db_ih = make(1, {3 * a.h}, a.db_ih), db_hh = make(1, {3 * a.h}, a.db_hh);
  py::array dh0 = make(2, {a.n, a.h}, a.dh0);
  py::tuple result = py::make_tuple(dx, dw_ih, dw_hh, db_ih, db_hh, dh0);
  return Call("gru_backward", ax.dtype, a, in.keep, result, {rung, isa, threads});
}

}  // namespace

void bind_gru_backward(py::module_& m) {
  m.def("gru_backward", &gru_backward, py::arg("input"), py::arg("weight_ih"), py::arg("weight_hh"), py::arg("h_0"),
        py::arg("output"), py::arg("gates"), py::arg("grad_output"), py::arg("grad_h_n"), py::arg("before") = false,
        py::arg("lengths") = py::none(), py::arg("reverse") = false, py::kw_only(), LOOPNEST_CHOICE);
}

}  // namespace loopnest
