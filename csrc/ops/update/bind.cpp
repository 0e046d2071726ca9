// The optimisers' steps for the laboratory: one parameter, results in new arrays.
#include <pybind11/stl.h>
#include <string.h>

#include "../../bind/call.h"
#include "check.h"

namespace loopnest {
namespace {

using Name = std::optional<std::string>;

// A dense copy of what comes in, to be changed in place.
py::array copied(Inputs& in, const char* name, py::handle given, Array& out) {
  in.read(name, given);  // its dtype is right, or this raises
  py::array from = py::reinterpret_borrow<py::array>(given);
  Array like = in.read(name, from);
  py::array to = make_array(like.dtype, like.rank, like.shape, {}, out);
  to[py::ellipsis()] = from;
  return to;
}

// result: (param, *states) after the step. Running the call again takes one more step.
void bind_step(py::module_& m, const char* op) {
  m.def(
      op,
      [op](py::object p, py::object grad, py::object s0, py::object s1, py::object s2, py::dict numbers, Name rung,
           Name isa, int threads) {
        Inputs in(op);
        Array ap, ag, as[3];
        const Array* states[3] = {};
        py::list results;
        results.append(copied(in, "param", p, ap));
        in.keep.append(copied(in, "grad", grad, ag));
        py::object given[3] = {s0, s1, s2};
        const char* names[3] = {"the first state", "the second state", "the third state"};
        for (int k = 0; k < 3; k++)
          if (!given[k].is_none()) {
            results.append(copied(in, names[k], given[k], as[k]));
            states[k] = &as[k];
          }
        Update a;
        Error e;
        if (!update_check(op, a, ap, ag, states, e)) raise(e);
        auto number = [&](const char* name) { return numbers[name].cast<double>(); };
        a.lr = number("lr"), a.weight_decay = number("weight_decay"), a.shrink = number("shrink");
        a.momentum = number("momentum"), a.dampening = number("dampening"), a.beta1 = number("beta1");
        a.beta2 = number("beta2"), a.eps = number("eps"), a.root = number("root");
        a.maximize = number("maximize") != 0, a.nesterov = number("nesterov") != 0;
        a.first = number("first") != 0, a.option = number("option") != 0;
        return Call(op, ap.dtype, a, in.keep, py::tuple(results), {rung, isa, threads});
      },
      py::arg("param"), py::arg("grad"), py::arg("s0"), py::arg("s1"), py::arg("s2"), py::arg("numbers"), py::kw_only(),
      LOOPNEST_CHOICE);
}

}  // namespace

void bind_sgd_step(py::module_& m) { bind_step(m, "sgd_step"); }
void bind_adam_step(py::module_& m) { bind_step(m, "adam_step"); }
void bind_rmsprop_step(py::module_& m) { bind_step(m, "rmsprop_step"); }
void bind_adagrad_step(py::module_& m) { bind_step(m, "adagrad_step"); }
void bind_adadelta_step(py::module_& m) { bind_step(m, "adadelta_step"); }

}  // namespace loopnest
