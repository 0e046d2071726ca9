// lstm for the laboratory: one layer, one direction.
#include <pybind11/stl.h>

#include "../../bind/call.h"
#include "../../check_sequence.h"
#include "check.h"

namespace loopnest {
namespace {

using Name = std::optional<std::string>;

// result: (y (T, N, H), h_n (N, H), c_n (N, H)), and with keep=True also what backward needs:
// gates (T, N, 4H) after their functions, cells (T, N, H); with reverse=True these stand in the order of the steps
// taken, from the last to the first
Call lstm(py::object x, py::object w_ih, py::object w_hh, py::object b_ih, py::object b_hh, py::object h0,
          py::object c0, bool keep, py::object lengths, bool reverse, Name rung, Name isa, int threads) {
  Inputs in("lstm");
  Array ax = in.read("input", x), ai = in.read("weight_ih", w_ih), ah = in.read("weight_hh", w_hh), optional[5], out;
  py::object given[5] = {b_ih, b_hh, h0, c0, lengths};
  const char* names[5] = {"bias_ih", "bias_hh", "h_0", "c_0", "lengths"};
  const Array* some[5] = {};
  for (int k = 0; k < 5; k++)
    if (!given[k].is_none()) some[k] = &(optional[k] = in.read(names[k], given[k]));
  Lstm a;
  Error e;
  if (ax.rank == 3) ax = backwards(ax, reverse);
  if (!lstm_check(a, ax, ai, ah, some[0], some[1], some[2], some[3], some[4], reverse, e)) raise(e);
  int64_t y_shape[3] = {a.t, a.n, a.h}, gates_shape[3] = {a.t, a.n, 4 * a.h}, state[2] = {a.n, a.h};
  py::array y = make_array(ax.dtype, 3, y_shape, {}, out);
  out = backwards(out, reverse);
  a.y = out.data, a.y_t = out.stride[0], a.y_n = out.stride[1];
  py::array hn = make_array(ax.dtype, 2, state, {}, out);
  a.hn = out.data;
  py::array cn = make_array(ax.dtype, 2, state, {}, out);
  a.cn = out.data;
  if (!keep) return Call("lstm", ax.dtype, a, in.keep, py::make_tuple(y, hn, cn), {rung, isa, threads});
  py::array gates = make_array(ax.dtype, 3, gates_shape, {}, out);
  a.gates = out.data, a.gates_t = a.n * 4 * a.h;
  py::array cells = make_array(ax.dtype, 3, y_shape, {}, out);
  a.cells = out.data, a.cells_t = a.n * a.h;
  return Call("lstm", ax.dtype, a, in.keep, py::make_tuple(y, hn, cn, gates, cells), {rung, isa, threads});
}

}  // namespace

void bind_lstm(py::module_& m) {
  m.def("lstm", &lstm, py::arg("input"), py::arg("weight_ih"), py::arg("weight_hh"), py::arg("bias_ih"),
        py::arg("bias_hh"), py::arg("h_0"), py::arg("c_0"), py::arg("keep") = false, py::arg("lengths") = py::none(),
        py::arg("reverse") = false, py::kw_only(), LOOPNEST_CHOICE);
}

}  // namespace loopnest
