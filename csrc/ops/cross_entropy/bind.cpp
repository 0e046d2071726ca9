// cross_entropy for the laboratory: one loss per row; reductions are the caller's.
#include <pybind11/stl.h>

#include "../../bind/call.h"
#include "check.h"

namespace loopnest {
namespace {

using Name = std::optional<std::string>;

CrossEntropy read(Inputs& in, py::object logits, py::object target, py::object weight, int64_t ignore_index,
                  double label_smoothing, Array& al) {
  al = in.read("input", logits);
  Array at = in.read("target", target), aw;
  if (!weight.is_none()) aw = in.read_dense("weight", weight);
  CrossEntropy a;
  Error e;
  if (!cross_entropy_check(a, al, at, weight.is_none() ? nullptr : &aw, ignore_index, label_smoothing, e)) raise(e);
  return a;
}

// result: (loss, log-sum-exp, weight of each row), each (N, S)
Call cross_entropy(py::object logits, py::object target, py::object weight, int64_t ignore_index,
                   double label_smoothing, Name rung, Name isa, int threads) {
  Inputs in("cross_entropy");
  Array al, out;
  CrossEntropy a = read(in, logits, target, weight, ignore_index, label_smoothing, al);
  int64_t rows[2] = {a.n, a.s};
  py::array loss = make_array(al.dtype, 2, rows, {}, out);
  a.loss = out.data;
  py::array lse = make_array(al.dtype, 2, rows, {}, out);
  a.lse = out.data;
  py::array row_weight = make_array(al.dtype, 2, rows, {}, out);
  a.row_weight = out.data;
  return Call("cross_entropy", al.dtype, a, in.keep, py::make_tuple(loss, lse, row_weight), {rung, isa, threads});
}

Call cross_entropy_backward(py::object logits, py::object target, py::object lse, py::object dloss, py::object weight,
                            int64_t ignore_index, double label_smoothing, Name rung, Name isa, int threads) {
  Inputs in("cross_entropy_backward");
  Array al, adl;
  CrossEntropy a = read(in, logits, target, weight, ignore_index, label_smoothing, al);
  Array alse = in.read("log_sum_exp", lse), ad = in.read("grad_output", dloss);
  int64_t rows[2] = {a.n, a.s};
  for (const Array* r : {&alse, &ad}) {
    bool fits = r->rank == 2 && r->shape[0] == rows[0] && r->shape[1] == rows[1] && r->dtype == al.dtype;
    if (!fits) throw py::value_error("cross_entropy_backward: expected log_sum_exp and grad_output of shape (N, S)");
  }
  if (alse.stride[1] != 1 || alse.stride[0] != a.s)
    if (a.n * a.s > 1) throw py::value_error("cross_entropy_backward: expected a dense log_sum_exp");
  a.lse = alse.data;
  a.dloss = ad.data;
  a.dloss_n = ad.stride[0], a.dloss_s = ad.stride[1];
  py::array dlogits = make_like(al, adl);
  a.dlogits = adl.data;
  a.dlogits_n = adl.stride[0], a.dlogits_c = adl.stride[1], a.dlogits_s = adl.stride[2];
  return Call("cross_entropy_backward", al.dtype, a, in.keep, dlogits, {rung, isa, threads});
}

}  // namespace

void bind_cross_entropy(py::module_& m) {
  m.def("cross_entropy", &cross_entropy, py::arg("input"), py::arg("target"), py::arg("weight"),
        py::arg("ignore_index"), py::arg("label_smoothing"), py::kw_only(), LOOPNEST_CHOICE);
}

void bind_cross_entropy_backward(py::module_& m) {
  m.def("cross_entropy_backward", &cross_entropy_backward, py::arg("input"), py::arg("target"), py::arg("log_sum_exp"),
        py::arg("grad_output"), py::arg("weight"), py::arg("ignore_index"), py::arg("label_smoothing"), py::kw_only(),
        LOOPNEST_CHOICE);
}

}  // namespace loopnest
