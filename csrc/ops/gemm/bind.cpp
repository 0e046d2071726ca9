// gemm and linear for the laboratory.
#include <pybind11/stl.h>

#include "../../bind/call.h"
#include "../../epilogue.h"
#include "check.h"

namespace loopnest {
namespace {

using Check = bool (*)(Gemm&, const Array&, const Array&, const Array*, Error&);

Call product(const char* op, Check check, py::object a, py::object b, py::object bias, py::object residual,
             const std::optional<std::string>& activation, const Choice& choice) {
  Inputs in(op);
  Array aa = in.read("input", a), ab = in.read(check == linear_check ? "weight" : "other", b), abias, ac;
  if (!bias.is_none()) abias = in.read_dense("bias", bias);
  Gemm g;
  Error e;
  if (!check(g, aa, ab, bias.is_none() ? nullptr : &abias, e)) raise(e);
  int64_t shape[2] = {g.m, g.n};
  py::array c = make_array(aa.dtype, 2, shape, {}, ac);
  g.c = ac.data;
  g.c_m = ac.stride[0], g.c_n = ac.stride[1];
  Array add;
  if (!residual.is_none()) add = in.read("residual", residual);
  if (!check_epilogue(op, activation ? activation->c_str() : nullptr, residual.is_none() ? nullptr : &add, ac,
                      g.activation, g.add, e))
    raise(e);
  return Call("gemm", aa.dtype, g, in.keep, c, choice);
}

}  // namespace

void bind_gemm(py::module_& m) {
  using Name = std::optional<std::string>;
  m.def(
      "gemm",
      [](py::object a, py::object b, py::object bias, py::object residual, Name activation, Name rung, Name isa,
         int threads) { return product("gemm", gemm_check, a, b, bias, residual, activation, {rung, isa, threads}); },
      py::arg("input"), py::arg("other"), py::arg("bias"), py::kw_only(), py::arg("residual") = py::none(),
      py::arg("activation") = py::none(), LOOPNEST_CHOICE);
  m.def(
      "linear",
      [](py::object x, py::object w, py::object bias, py::object residual, Name activation, Name rung, Name isa,
         int threads) {
        return product("linear", linear_check, x, w, bias, residual, activation, {rung, isa, threads});
      },
      py::arg("input"), py::arg("weight"), py::arg("bias"), py::kw_only(), py::arg("residual") = py::none(),
      py::arg("activation") = py::none(), LOOPNEST_CHOICE);
}

}  // namespace loopnest
