// A call made ready: arrays checked, rung picked, result allocated. The laboratory's one object: it runs the kernel,
// times it without Python in between, and can say what was picked and why.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "../registry.h"
#include "arrays.h"

namespace loopnest {

// What the caller of the laboratory may choose.
struct Choice {
  std::optional<std::string> rung;
  std::optional<std::string> isa;
  int threads = 0;  // 0: as many as the work is worth
};

class Call {
 public:
  // `args` is the operator's struct, copied; `keep` holds its arrays alive; `result` is what .result gives.
  template <class Args>
  Call(const char* op, int dtype, const Args& args, py::list keep, py::object result, const Choice& choice)
      : Call(op, dtype, &args, sizeof args, keep, result, choice) {}

  Call(Call&& other) noexcept;
  Call(const Call&) = delete;
  ~Call();

  void prepare();                                 // packs the weights (anew), if the rung wants them so
  void run();                                     // packs them if that has not been done, then runs the kernel
  std::vector<double> time(int repeats);          // seconds of each of `repeats` runs, packing not included
  std::vector<double> time_prepare(int repeats);  // seconds of each packing; empty if there is nothing to pack

  const Rung& rung() const { return *rung_; }
  const py::object& result() const { return result_; }
  py::list walk() const;  // (isa, rung, reason it was passed over, or None for the one that runs), the preferred first
  Work work() const { return ladder_->op->work(args_.data(), ladder_->dtype); }
  size_t packed_bytes() const { return rung_->packed_bytes(args_.data()); }
  int threads() const;

 private:
  Call(const char* op, int dtype, const void* args, size_t bytes, py::list keep, py::object result,
       const Choice& choice);

  struct Step {
    const Rung* rung;
    const char* reason;
  };

  std::vector<char> args_;
  const Ladder* ladder_ = nullptr;
  const Rung* rung_ = nullptr;
  std::vector<Step> walk_;
  void* packed_ = nullptr;
  int threads_;
  py::list keep_;
  py::object result_;
};

void bind_call(py::module_& m);

// Every operator takes these three, keyword-only.
#define LOOPNEST_CHOICE py::arg("rung") = py::none(), py::arg("isa") = py::none(), py::arg("threads") = 0

}  // namespace loopnest
