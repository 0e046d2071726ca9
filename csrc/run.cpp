#include "run.h"

#include <string.h>

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
  // A meeting takes about half a microsecond. 96 steps of 64 units are 14 microseconds alone and 55 for two.
  if (microseconds < 1.5 * work.meetings) return 1;
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

namespace {

constexpr size_t line = 64;
size_t in_lines(size_t bytes) { return (bytes + line - 1) / line * line; }

struct Each {
  const Rung* rung;
  const void* args;
  size_t args_bytes, packed_bytes, scratch_bytes, member_bytes;
  int64_t count;
  Place place;
  void* data;
  char* memory;  // [member]: a copy of args, packed weights, scratch
};

void start_each(void* data, const Team* team) {
  const Each& e = *static_cast<const Each*>(data);
  char* mine = e.memory + size_t(team->rank) * e.member_bytes;
  memcpy(mine, e.args, e.args_bytes);
  char* packed = mine + in_lines(e.args_bytes);
  Workspace& workspace = *reinterpret_cast<Workspace*>(mine);
  workspace.packed = e.packed_bytes ? packed : nullptr;
  workspace.scratch = packed + in_lines(e.packed_bytes);
  Team alone = {0, 1, [](const Team*) {}, nullptr};
  for (int64_t i = e.count * team->rank / team->size; i < e.count * (team->rank + 1) / team->size; i++) {
    e.place(mine, i, e.data);
    if (e.packed_bytes) e.rung->prepare(mine, packed, &alone);
    e.rung->run(mine, &alone);
  }
}

}  // namespace

bool run_each(const Rung& rung, const Operator& op, void* args, int64_t count, Place place, void* data, Error& error) {
  Work work = op.work(args, rung.dtype);
  int threads = worthwhile_threads({work.flops * double(count), work.bytes * double(count)});
  if (count < 2 * threads) {  // few and large: the team does each of them together
    for (int64_t i = 0; i < count; i++) {
      place(args, i, data);
      if (!run_rung(rung, op, args, 0, error)) return false;
    }
    return true;
  }
  Each e = {&rung, args, op.args_bytes, rung.packed_bytes(args), rung.scratch_bytes(args, 1), 0, count,
            place, data, nullptr};
  e.member_bytes = in_lines(e.args_bytes) + in_lines(e.packed_bytes) + in_lines(e.scratch_bytes);
  Loan memory(size_t(threads) * e.member_bytes);
  if (!memory.memory) return no_memory(rung, "workspaces", size_t(threads) * e.member_bytes, error);
  e.memory = static_cast<char*>(memory.memory);
  pool_run(threads, start_each, &e);
  return true;
}

void prepare_rung(const Rung& rung, const void* args, void* packed, int threads) {
  Start s{&rung, args, packed, false};
  pool_run(threads, start, &s);
}

}  // namespace loopnest
