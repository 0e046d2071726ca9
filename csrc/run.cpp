#include "run.h"

#include "arena.h"
#include "pool.h"

namespace loopnest {
namespace {

struct Start {
  const Rung* rung;
  const void* args;
  void* packed;  // to be written first, or null
  bool run;
};

void start(void* data, const Team* team) {
  const Start& s = *static_cast<const Start*>(data);
  if (s.packed) {
    s.rung->prepare(s.args, s.packed, team);
    team->barrier(team);
  }
  if (s.run) s.rung->run(s.args, team);
}

// A block of the arena that is given back at the end of the scope.
struct Loan {
  void* memory;
  explicit Loan(size_t bytes) : memory(bytes ? arena_allocate(bytes) : nullptr) {}
  ~Loan() { arena_release(memory); }
  Loan(const Loan&) = delete;
};

bool no_memory(const Rung& rung, const char* what, size_t bytes, Error& error) {
  return fail(error, Error::Memory, "%s: no memory for %zu bytes of %s of rung \"%s\"", rung.op, bytes, what,
              rung.name);
}

}  // namespace

int worthwhile_threads(Work work) {
  int limit = pool_threads();
  if (limit == 1) return 1;
  // A careful guess of one core's time: 50 GFLOP/s, 10 GB/s. A second thread pays from about 15 microseconds on, since
  // a worker that fell asleep takes 30 to 40 to wake.
  double microseconds = work.flops / 50e3 + work.bytes / 10e3;
  double threads = microseconds / 8;
  return threads < 2 ? 1 : threads > limit ? limit : int(threads);
}

bool run_rung(const Rung& rung, const Operator& op, void* args, int threads, Error& error) {
  if (threads <= 0) threads = worthwhile_threads(op.work(args, rung.dtype));
  Workspace& workspace = *static_cast<Workspace*>(args);
  size_t packed_bytes = workspace.packed ? 0 : rung.packed_bytes(args);
  Loan packed(packed_bytes);
  if (packed_bytes && !packed.memory) return no_memory(rung, "packed weights", packed_bytes, error);
  size_t scratch_bytes = rung.scratch_bytes(args, threads);
  Loan scratch(scratch_bytes);
  if (scratch_bytes && !scratch.memory) return no_memory(rung, "scratch", scratch_bytes, error);
  Workspace before = workspace;
  if (packed.memory) workspace.packed = packed.memory;
  workspace.scratch = scratch.memory;
  Start s{&rung, args, packed.memory, true};
  pool_run(threads, start, &s);
  workspace = before;
  return true;
}

void prepare_rung(const Rung& rung, const void* args, void* packed, int threads) {
  Start s{&rung, args, packed, false};
  pool_run(threads, start, &s);
}

}  // namespace loopnest
