// resample for the laboratory.
#include <pybind11/stl.h>

#include <array>

#include "../../bind/call.h"
#include "check.h"

namespace loopnest {
namespace {

using Name = std::optional<std::string>;
using Tables = std::array<py::object, 3>;

Call resample(py::object x, std::array<Tables, 3> axes, double fill, Name rung, Name isa, int threads) {
  const char* op = "resample";
  Inputs in(op);
  Array ax = in.read("input", x), ay;
  if (ax.rank != 5) throw py::value_error("resample: expected input of 5 axes (N, C, D, H, W)");
  Taps taps[3];
  int64_t shape[5] = {ax.shape[0], ax.shape[1]};
  for (int i = 0; i < 3; i++) {
    taps[i] = {in.read("begin", axes[i][0]), in.read("index", axes[i][1]), in.read("weight", axes[i][2])};
    if (taps[i].begin.rank != 1 || taps[i].begin.shape[0] < 1)
      throw py::value_error("resample: expected begin of 1 axis and at least 1 number");
    shape[2 + i] = taps[i].begin.shape[0] - 1;
  }
  py::array y = make_array(ax.dtype, 5, shape, {0, 2, 3, 4, 1}, ay);
  Resample a;
  Error e;
  if (!resample_check(op, a, ax, ay, taps, fill, e)) raise(e);
  return Call(op, ax.dtype, a, in.keep, y, {rung, isa, threads});
}

}  // namespace

void bind_resample(py::module_& m) {
  m.def("resample", &resample, py::arg("input"), py::arg("axes"), py::arg("fill"), py::kw_only(), LOOPNEST_CHOICE);
}

}  // namespace loopnest
