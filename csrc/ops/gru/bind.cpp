// gru for the laboratory: one layer, one direction.
#include <pybind11/stl.h>

#include "../../bind/call.h"
#include "../../check_sequence.h"
#include "check.h"

namespace loopnest {
namespace {

using Name = std::optional<std::string>;

// result: (y (T, N, H), h_n (N, H)), and with keep=True also the gates (T, N, 4H), r z n q, which backward needs; with
// reverse=True the gates stand in the order of the steps taken, from the last to the first.
Call gru(py::object x, py::object w_ih, py::object w_hh, py::object b_ih, py::object b_hh, py::object h0, bool keep,
         bool before, py::object lengths, bool reverse, Name rung, Name isa, int threads) {
  Inputs in("gru");
  Array ax = in.read("input", x), ai = in.read("weight_ih", w_ih), ah = in.read("weight_hh", w_hh), optional[4], out;
  py::object given[4] = {b_ih, b_hh, h0, lengths};
  const char* names[4] = {"bias_ih", "bias_hh", "h_0", "lengths"};
  const Array* some[4] = {};
  for (int k = 0; k < 4; k++)
    if (!given[k].is_none()) some[k] = &(optional[k] = in.read(names[k], given[k]));
  Gru a;
  Error e;
  bool turn = reverse && ax.rank == 3;
  if (!gru_check(a, backwards(ax, turn), ai, ah, some[0], some[1], some[2], some[3], before, reverse, e)) raise(e);
  int64_t y_shape[3] = {a.t, a.n, a.h}, gates_shape[3] = {a.t, a.n, 4 * a.h}, state[2] = {a.n, a.h};
  py::array y = make_array(ax.dtype, 3, y_shape, {}, out);
  out = backwards(out, reverse);
  a.y = out.data, a.y_t = out.stride[0], a.y_n = out.stride[1];
  py::array hn = make_array(ax.dtype, 2, state, {}, out);
  a.hn = out.data;
  if (!keep) return Call("gru", ax.dtype, a, in.keep, py::make_tuple(y, hn), {rung, isa, threads});
  py::array gates = make_array(ax.dtype, 3, gates_shape, {}, out);
  a.gates = out.data, a.gates_t = a.n * 4 * a.h;
  return Call("gru", ax.dtype, a, in.keep, py::make_tuple(y, hn, gates), {rung, isa, threads});
}

}  // namespace

void bind_gru(py::module_& m) {
  m.def("gru", &gru, py::arg("input"), py::arg("weight_ih"), py::arg("weight_hh"), py::arg("bias_ih"),
        py::arg("bias_hh"), py::arg("h_0"), py::arg("keep") = false, py::arg("before") = false,
        py::arg("lengths") = py::none(), py::arg("reverse") = false, py::kw_only(), LOOPNEST_CHOICE);
}

}  // namespace loopnest
