// lstm_backward for the laboratory.
#include <pybind11/stl.h>

#include <array>

#include "../../bind/call.h"
#include "../../check_sequence.h"
#include "check.h"

namespace loopnest {
namespace {

using Name = std::optional<std::string>;

// result: dL/d of (input, weight_ih, weight_hh, bias (of each of the two), h_0, c_0)
Call lstm_backward(py::object x, py::object w_ih, py::object w_hh, py::object h0, py::object c0, py::object y,
                   py::object gates, py::object cells, py::object dy, py::object dhn, py::object dcn,
                   py::object lengths, bool reverse, Name rung, Name isa, int threads) {
  Inputs in("lstm_backward");
  Array ax = in.read("input", x), ai = in.read("weight_ih", w_ih), ah = in.read("weight_hh", w_hh);
  Array ay = in.read("output", y), ag = in.read("gates", gates), ac = in.read("cells", cells), optional[6], out;
  py::object given[6] = {h0, c0, lengths, dy, dhn, dcn};
  const char* names[6] = {"h_0", "c_0", "lengths", "grad_output", "grad_h_n", "grad_c_n"};
  const Array* some[6] = {};
  for (int k = 0; k < 6; k++)
    if (!given[k].is_none()) some[k] = &(optional[k] = in.read(names[k], given[k]));
  if (ax.rank == 3) ax = backwards(ax, reverse);
  if (ay.rank == 3) ay = backwards(ay, reverse);
  if (some[3] && optional[3].rank == 3) optional[3] = backwards(optional[3], reverse);
  LstmBackward a;
  Error e;
  if (!lstm_backward_check(a, ax, ai, ah, some[0], some[1], some[2], ay, ag, ac, some[3], some[4], some[5], reverse, e))
    raise(e);
  auto make = [&](int rank, std::array<int64_t, 3> shape, void*& place) {
    py::array result = make_array(ax.dtype, rank, shape.data(), {}, out);
    place = out.data;
    return result;
  };
  py::array dx = make(3, {a.t, a.n, a.i}, a.dx);
  out = backwards(out, reverse);
  a.dx = out.data, a.dx_t = out.stride[0], a.dx_n = out.stride[1];
  py::array dw_ih = make(2, {4 * a.h, a.i}, a.dw_ih), dw_hh = make(2, {4 * a.h, a.h}, a.dw_hh),
            db = make(1, {4 * a.h}, a.db);
  py::array dh0 = make(2, {a.n, a.h}, a.dh0), dc0 = make(2, {a.n, a.h}, a.dc0);
  py::tuple result = py::make_tuple(dx, dw_ih, dw_hh, db, dh0, dc0);
  return Call("lstm_backward", ax.dtype, a, in.keep, result, {rung, isa, threads});
}

}  // namespace

void bind_lstm_backward(py::module_& m) {
  m.def("lstm_backward", &lstm_backward, py::arg("input"), py::arg("weight_ih"), py::arg("weight_hh"), py::arg("h_0"),
        py::arg("c_0"), py::arg("output"), py::arg("gates"), py::arg("cells"), py::arg("grad_output"),
        py::arg("grad_h_n"), py::arg("grad_c_n"), py::arg("lengths") = py::none(), py::arg("reverse") = false,
        py::kw_only(), LOOPNEST_CHOICE);
}

}  // namespace loopnest
