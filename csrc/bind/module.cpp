// The module loopnest._core: the laboratory's operators, the instruments, the thread pool and the arena; and the
// capsule through which the Cython engine reaches the same kernels.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "../api.h"
#include "../arena.h"
#include "../isa.h"
#include "../pool.h"
#include "../precision.h"
#include "../program.h"
#include "call.h"

namespace loopnest {

#define OPERATOR(name, Args) void bind_##name(py::module_& m);
#include "../operators.inc"
#undef OPERATOR

namespace {

const IsaTable& find_isa(const std::string& name) {
  Error e;
  for (auto table = usable_isas(e); *table; table++)
    if (name == (*table)->isa) return **table;
  fail(e, Error::Value, "isa \"%s\" is not usable here", name.c_str());
  raise(e);
}

std::vector<std::string> isas() {
  Error e;
  std::vector<std::string> names;
  for (auto table = usable_isas(e); *table; table++) names.push_back((*table)->isa);
  if (e.kind != Error::None) raise(e);
  return names;
}

py::list rungs() {
  Error e;
  py::list rows;
  for (auto table = usable_isas(e); *table; table++)
    for (size_t i = 0; i < (*table)->count; i++) {
      const Rung& r = (*table)->rungs[i];
      py::dict row;
      row["op"] = r.op;
      row["rung"] = r.name;
      row["step"] = r.step;
      row["isa"] = r.isa;
      row["dtype"] = r.dtype == F64 ? "float64" : "float32";
      row["idea"] = r.idea;
      rows.append(row);
    }
  return rows;
}

double measure_fma(const std::string& isa, int64_t rounds) {
  const IsaTable& table = find_isa(isa);
  py::gil_scoped_release release;
  return table.instruments.fma(rounds);
}

double measure_read(const std::string& isa, py::array_t<float, py::array::c_style> data, int64_t rounds) {
  const IsaTable& table = find_isa(isa);
  const float* p = data.data();
  int64_t count = data.size();
  py::gil_scoped_release release;
  return table.instruments.read(p, count, rounds);
}

void bind_machine(py::module_& m) {
  m.def("isas", &isas, "The ISAs that this process may use, slowest first.");
  m.def("machine_runs", &machine_runs, py::arg("isa"), "Whether this machine could run the ISA, LOOPNEST_ISA aside.");
  m.def("rungs", &rungs, "Every rung of every ladder, as dicts: op, rung, step, isa, dtype, idea.");
  m.def("measure_fma", &measure_fma, py::arg("isa"), py::arg("rounds"),
        "Does `rounds` rounds of multiply-adds in registers; returns how many operations that was. Time it.");
  m.def("measure_read", &measure_read, py::arg("isa"), py::arg("data"), py::arg("rounds"),
        "Reads `data` `rounds` times; returns how many bytes that was. Time it.");
}

void bind_threads(py::module_& m) {
  m.def("get_num_threads", &pool_threads, R"(How many threads a kernel may use.

Example:
  >>> import loopnest
  >>> loopnest.get_num_threads() >= 1
  True
)");
  m.def("available_threads", &pool_available, "What affinity, container quota and OMP_NUM_THREADS leave.");
  m.def(
      "set_num_threads",
      [](int64_t n) {
        Error e;
        if (!pool_set_threads(n, e)) raise(e);
      },
      R"(How many threads a kernel may use from now on; ValueError for less than 1. Results are the same bits.

Example:
  >>> import loopnest
  >>> loopnest.set_num_threads(loopnest.get_num_threads())
)");
  m.def("get_precision", [] { return precision_name(get_precision()); });
  m.def("set_precision", [](const std::string& name) {
    Error e;
    if (!set_precision(name.c_str(), e)) raise(e);
  });
  m.def("get_flush_denormal", &pool_flush_denormal);
  m.def("set_flush_denormal", &pool_set_flush_denormal,
        R"(Whether kernels take denormal numbers as 0 (they do at first).

Numbers below 1.2e-38 cost 100 cycles and more on some CPUs. The thread's own mode is what it was behind a kernel.

Example:
  >>> import loopnest
  >>> loopnest.set_flush_denormal(True)
)");
}

void bind_arena(py::module_& m) {
  m.def("arena_stats", [] {
    ArenaStats s = arena_stats();
    py::dict d;
    d["used"] = s.used;
    d["cached"] = s.cached;
    d["system_calls"] = s.system_calls;
    return d;
  });
  m.def("arena_trim", &arena_trim, "Gives cached memory back to the system.");
  m.def("arena_fail_at", &arena_fail_at, py::arg("n"), "For tests: the n-th allocation from now on fails.");
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  m.doc() = "loopnest's kernels. Use loopnest.ops (one operator on arrays) or loopnest.nn instead.";
  isas();  // a wrong LOOPNEST_ISA is an ImportError with a reason, at once
  Error e;
  if (!pool_check_environment(e)) raise(e);
  bind_call(m);
  bind_machine(m);
  bind_threads(m);
  bind_arena(m);
#define OPERATOR(name, Args) bind_##name(m);
#include "../operators.inc"
#undef OPERATOR
  m.attr("_api") = py::capsule(kernel_api(), "loopnest._core._api");
  m.attr("_program_api") = py::capsule(program_api(), "loopnest._core._program_api");
}

}  // namespace loopnest
