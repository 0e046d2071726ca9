#include "call.h"

#include <pybind11/stl.h>
#include <string.h>
#include <unistd.h>

#include <chrono>

#include "../arena.h"
#include "../run.h"

namespace loopnest {
namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

// Runs f without the GIL. Not pybind11's guard: at the interpreter's exit, taking the GIL back ends the thread by
// unwinding its stack, and unwinding through a destructor ends the process. A daemon thread that comes back from a
// kernel then just waits to be ended with the process.
template <class F>
void without_gil(F f) {
  PyThreadState* state = PyEval_SaveThread();
  f();
#if PY_VERSION_HEX >= 0x030d0000
  bool finalizing = Py_IsFinalizing();
#else
  bool finalizing = _Py_IsFinalizing();
#endif
  while (finalizing) pause();
  PyEval_RestoreThread(state);
}

}  // namespace

Call::Call(const char* op, int dtype, const void* args, size_t bytes, py::list keep, py::object result,
           const Choice& choice)
    : args_(static_cast<const char*>(args), static_cast<const char*>(args) + bytes),
      threads_(choice.threads),
      keep_(keep),
      result_(result) {
  Error e;
  if (choice.threads < 0 || choice.threads > 255) {
    fail(e, Error::Value, "%s: expected threads of 1 to 255 (0: as many as are worth it), got %d", op, choice.threads);
    raise(e);
  }
  ladder_ = find_ladder(op, Dtype(dtype), e);
  if (!ladder_) raise(e);
  auto visit = [](void* data, const Rung* rung, const char* reason) {
    static_cast<std::vector<Step>*>(data)->push_back({rung, reason});
  };
  rung_ = pick(*ladder_, args_.data(), choice.rung ? choice.rung->c_str() : nullptr,
               choice.isa ? choice.isa->c_str() : nullptr, e, visit, &walk_);
  if (!rung_) raise(e);
}

Call::Call(Call&& other) noexcept
    : args_(std::move(other.args_)),
      ladder_(other.ladder_),
      rung_(other.rung_),
      walk_(std::move(other.walk_)),
      packed_(other.packed_),
      threads_(other.threads_),
      keep_(std::move(other.keep_)),
      result_(std::move(other.result_)) {
  other.packed_ = nullptr;
}

Call::~Call() { arena_release(packed_); }

int Call::threads() const { return threads_ > 0 ? threads_ : worthwhile_threads(work()); }

void Call::prepare() {
  size_t bytes = packed_bytes();
  if (!bytes) return;
  if (!packed_) packed_ = arena_allocate(bytes);
  if (!packed_) {
    Error e;
    fail(e, Error::Memory, "%s: no memory for %zu bytes of packed weights", rung_->op, bytes);
    raise(e);
  }
  without_gil([&] { prepare_rung(*rung_, args_.data(), packed_, threads()); });
  reinterpret_cast<Workspace*>(args_.data())->packed = packed_;
}

void Call::run() {
  if (!packed_) prepare();
  Error e;
  bool ok;
  without_gil([&] { ok = run_rung(*rung_, *ladder_->op, args_.data(), threads_, e); });
  if (!ok) raise(e);
}

std::vector<double> Call::time(int repeats) {
  if (!packed_) prepare();
  std::vector<double> seconds;
  Error e;
  bool ok = true;
  without_gil([&] {
    for (int i = 0; ok && i < repeats; i++) {
      double start = now();
      ok = run_rung(*rung_, *ladder_->op, args_.data(), threads_, e);
      seconds.push_back(now() - start);
    }
  });
  if (!ok) raise(e);
  return seconds;
}

std::vector<double> Call::time_prepare(int repeats) {
  std::vector<double> seconds;
  if (!packed_bytes()) return seconds;
  prepare();
  without_gil([&] {
    for (int i = 0; i < repeats; i++) {
      double start = now();
      prepare_rung(*rung_, args_.data(), packed_, threads());
      seconds.push_back(now() - start);
    }
  });
  return seconds;
}

py::list Call::walk() const {
  py::list rows;
  for (const Step& s : walk_) {
    py::object reason = s.reason ? py::object(py::str(s.reason)) : py::object(py::none());
    rows.append(py::make_tuple(s.rung->isa, s.rung->name, reason));
  }
  return rows;
}

void bind_call(py::module_& m) {
  py::class_<Call>(m, "Call", "A call made ready: arrays checked, rung picked, result allocated.")
      .def("prepare", &Call::prepare, "Packs the weights anew, if the rung wants them packed.")
      .def("run", &Call::run, "Runs the kernel once (packing first, if that has not been done).")
      .def("time", &Call::time, py::arg("repeats"), "Seconds of each of `repeats` runs; packing is not included.")
      .def("time_prepare", &Call::time_prepare, py::arg("repeats"),
           "Seconds of each of `repeats` packings; empty if there is nothing to pack.")
      .def_property_readonly("result", &Call::result, "The result's array (or tuple); undefined before run().")
      .def_property_readonly("op", [](const Call& c) { return c.rung().op; })
      .def_property_readonly("rung", [](const Call& c) { return c.rung().name; })
      .def_property_readonly("isa", [](const Call& c) { return c.rung().isa; })
      .def_property_readonly("idea", [](const Call& c) { return c.rung().idea; })
      .def_property_readonly("walk", &Call::walk,
                             "(isa, rung, reason) of every rung that was tried, the reason None for the one that runs.")
      .def_property_readonly("flops", [](const Call& c) { return c.work().flops; })
      .def_property_readonly("bytes", [](const Call& c) { return c.work().bytes; })
      .def_property_readonly("packed_bytes", &Call::packed_bytes)
      .def_property_readonly("threads", &Call::threads);
}

}  // namespace loopnest
