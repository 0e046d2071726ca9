// rnn for the laboratory: one layer, one direction.
#include <pybind11/stl.h>

#include "../../bind/call.h"
#include "../../check_sequence.h"
#include "check.h"

namespace loopnest {
namespace {

using Name = std::optional<std::string>;

// result: (y (T, N, H), h_n (N, H))
Call rnn(py::object x, py::object w_ih, py::object w_hh, py::object b_ih, py::object b_hh, py::object h0, bool relu,
         py::object lengths, bool reverse, Name rung, Name isa, int threads) {
  Inputs in("rnn");
  Array ax = in.read("input", x), ai = in.read("weight_ih", w_ih), ah = in.read("weight_hh", w_hh), optional[4], out;
  py::object given[4] = {b_ih, b_hh, h0, lengths};
  const char* names[4] = {"bias_ih", "bias_hh", "h_0", "lengths"};
  const Array* some[4] = {};
  for (int k = 0; k < 4; k++)
    if (!given[k].is_none()) some[k] = &(optional[k] = in.read(names[k], given[k]));
  Rnn a;
  Error e;
  bool turn = reverse && ax.rank == 3;
  if (!rnn_check(a, backwards(ax, turn), ai, ah, some[0], some[1], some[2], some[3], relu, reverse, e)) raise(e);
  int64_t y_shape[3] = {a.t, a.n, a.h}, state[2] = {a.n, a.h};
  py::array y = make_array(ax.dtype, 3, y_shape, {}, out);
  out = backwards(out, reverse);
  a.y = out.data, a.y_t = out.stride[0], a.y_n = out.stride[1];
  py::array hn = make_array(ax.dtype, 2, state, {}, out);
  a.hn = out.data;
  return Call("rnn", ax.dtype, a, in.keep, py::make_tuple(y, hn), {rung, isa, threads});
}

}  // namespace

void bind_rnn(py::module_& m) {
  m.def("rnn", &rnn, py::arg("input"), py::arg("weight_ih"), py::arg("weight_hh"), py::arg("bias_ih"),
        py::arg("bias_hh"), py::arg("h_0"), py::arg("relu") = false, py::arg("lengths") = py::none(),
        py::arg("reverse") = false, py::kw_only(), LOOPNEST_CHOICE);
}

}  // namespace loopnest
