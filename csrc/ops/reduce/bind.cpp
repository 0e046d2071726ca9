// reduce for the laboratory.
#include <pybind11/stl.h>

#include "../../bind/call.h"
#include "check.h"

namespace loopnest {
namespace {

using Name = std::optional<std::string>;

// `kept`: for each axis of x, whether y has it; the result keeps the others with length 1.
Call reduce(py::object x, std::vector<bool> kept, int64_t function, double divisor, Name rung, Name isa, int threads) {
  Inputs in("reduce");
  Array ax = in.read("input", x), ay;
  std::vector<int64_t> shape(ax.shape, ax.shape + ax.rank);
  if (kept.size() != shape.size()) throw py::value_error("reduce: expected one flag for every axis of input");
  for (size_t i = 0; i < shape.size(); i++)
    if (!kept[i]) shape[i] = 1;
  py::array y = make_array(ax.dtype, ax.rank, shape.data(), {}, ay);
  Reduce a;
  Error e;
  if (!reduce_check(a, function, divisor, ax, ay, e)) raise(e);
  return Call("reduce", ax.dtype, a, in.keep, y, {rung, isa, threads});
}

}  // namespace

void bind_reduce(py::module_& m) {
  m.def("reduce", &reduce, py::arg("input"), py::arg("kept"), py::arg("function"), py::arg("divisor"), py::kw_only(),
        LOOPNEST_CHOICE);
}

}  // namespace loopnest
