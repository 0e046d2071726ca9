// The norms for the laboratory: arrays of 3 axes (N, S, C); loopnest.ops makes them from PyTorch's shapes.
#include <pybind11/stl.h>

#include "../../bind/call.h"
#include "../../epilogue.h"
#include "check.h"

namespace loopnest {
namespace {

using Name = std::optional<std::string>;

const Array* optional(Inputs& in, const char* name, py::object o, Array& a) {
  if (o.is_none()) return nullptr;
  a = in.read(name, o);
  return &a;
}

Norm checked(const char* op, const Array& x, const Array* weight, const Array* bias, const NormOptions& o,
             int64_t stats[2]) {
  Norm a;
  Error e;
  if (!norm_check(op, a, x, weight, bias, o, stats, e)) raise(e);
  return a;
}

// The epilogue: a residual (or null) that lies as y, and ReLU or nothing.
void put_epilogue(const char* op, Norm& a, const Array* residual, const Name& activation, const Array& y) {
  Error e;
  if (activation && *activation != "relu") {
    fail(e, Error::Value, "%s: expected activation \"relu\" or None, got \"%s\"", op, activation->c_str());
    raise(e);
  }
  if (!check_epilogue(op, activation ? activation->c_str() : nullptr, residual, y, a.activation, a.add, e)) raise(e);
}

Call norm(py::object x, py::object weight, py::object bias, py::object mean, py::object var, int64_t groups, double eps,
          bool over_n, bool centre, py::object residual, Name activation, Name rung, Name isa, int threads) {
  const char* op = "norm";
  Inputs in(op);
  Array ax = in.read("input", x), aw, ab, am, av, ay;
  bool given = !mean.is_none();
  int64_t stats[2];
  Norm a = checked(op, ax, optional(in, "weight", weight, aw), optional(in, "bias", bias, ab),
                   {groups, eps, over_n, given, centre}, stats);
  if (given) am = in.read("mean", mean), av = in.read("var", var);
  else mean = make_array(ax.dtype, 2, stats, {}, am), var = make_array(ax.dtype, 2, stats, {}, av);
  py::array y = make_like(ax, ay);
  Error e;
  if (!norm_place_stats(op, a, am, av, e) || !norm_place_y(op, a, ay, e)) raise(e);
  Array add;
  put_epilogue(op, a, optional(in, "residual", residual, add), activation, ay);
  return Call(op, ax.dtype, a, in.keep, py::make_tuple(y, mean, var), {rung, isa, threads});
}

Call norm_backward(py::object dy, py::object x, py::object weight, py::object mean, py::object var, int64_t groups,
                   double eps, bool over_n, bool centre, bool given, py::object bias, Name activation, Name rung,
                   Name isa, int threads) {
  const char* op = "norm_backward";
  Inputs in(op);
  Array ax = in.read("input", x), ay = in.read("grad_output", dy), aw, ab, adx, adw, adb;
  int64_t stats[2];
  Norm a = checked(op, ax, optional(in, "weight", weight, aw), optional(in, "bias", bias, ab),
                   {groups, eps, over_n, given, centre}, stats);
  py::array dx = make_like(ax, adx), dw = make_array(ax.dtype, 1, &a.c, {}, adw),
            db = make_array(ax.dtype, 1, &a.c, {}, adb);
  Error e;
  if (!norm_place_stats(op, a, in.read("mean", mean), in.read("var", var), e) || !norm_place_y(op, a, ay, e) ||
      !norm_place_dx(op, a, adx, e))
    raise(e);
  put_epilogue(op, a, nullptr, activation, ay);
  a.dweight = adw.data, a.dbias = adb.data;
  return Call(op, ax.dtype, a, in.keep, py::make_tuple(dx, dw, db), {rung, isa, threads});
}

}  // namespace

void bind_norm(py::module_& m) {
  m.def("norm", &norm, py::arg("input"), py::arg("weight"), py::arg("bias"), py::arg("mean"), py::arg("var"),
        py::arg("groups"), py::arg("eps"), py::arg("over_n"), py::arg("centre"), py::kw_only(),
        py::arg("residual") = py::none(), py::arg("activation") = py::none(), LOOPNEST_CHOICE);
}

void bind_norm_backward(py::module_& m) {
  m.def("norm_backward", &norm_backward, py::arg("grad_output"), py::arg("input"), py::arg("weight"), py::arg("mean"),
        py::arg("var"), py::arg("groups"), py::arg("eps"), py::arg("over_n"), py::arg("centre"), py::arg("given"),
        py::kw_only(), py::arg("bias") = py::none(), py::arg("activation") = py::none(), LOOPNEST_CHOICE);
}

}  // namespace loopnest
