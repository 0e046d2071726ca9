#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <atomic>
#include <chrono>
#include <mutex>

#include "cores.h"
#include "denormal.h"
#include "quota.h"

namespace loopnest {
namespace {

constexpr int max_threads = 255;                            // the team's size travels in 8 bits of the ticket
constexpr int nowhere = -1;                                 // as a core: not started yet, or not known
constexpr auto spin_time = std::chrono::microseconds(200);  // an optimiser step of a small net fits (50: 5 % slower)

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// Spins until `done()`, for spin_time at most; true if it came true.
template <class Done>
bool spin(Done done) {
  auto end = std::chrono::steady_clock::now() + spin_time;
  for (;;) {
    for (int i = 0; i < 64; i++) {
      if (done()) return true;
      relax();
    }
    if (std::chrono::steady_clock::now() > end) return false;
  }
}

struct Pool {
  std::mutex lock;                   // held while a job runs
  std::atomic<uint32_t> ticket{0};   // (number of the job << 8) | size of its team: one word, read at once
  std::atomic<uint32_t> running{0};  // workers that have not finished the job
  std::atomic<uint32_t> arrived{0};  // at the barrier
  std::atomic<uint32_t> barrier_turn{0};
  Job job = nullptr;
  void* data = nullptr;
  bool flush = true;
  int workers = 0;                     // started so far; worker k has rank k + 1
  std::atomic<int> core[max_threads];  // where each rank was last seen
  std::atomic<int> threads{1};
  std::atomic<bool> flush_setting{true};
};

Pool* the_pool = nullptr;

void team_barrier(const Team* team) {
  if (team->size == 1) return;
  Pool& p = *static_cast<Pool*>(team->pool);
  uint32_t turn = p.barrier_turn.load(std::memory_order_acquire);
  if (p.arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == uint32_t(team->size)) {
    p.arrived.store(0, std::memory_order_relaxed);
    p.barrier_turn.store(turn + 1, std::memory_order_release);
    return;
  }
  auto passed = [&] { return p.barrier_turn.load(std::memory_order_acquire) != turn; };
  // A member that is not running at all holds everybody up; let it have the core.
  while (!spin(passed)) sched_yield();
}

void take_part(Pool& p, int rank, int size) {
  FlushDenormals scope(p.flush);
  Team team{rank, size, team_barrier, &p};
  p.job(p.data, &team);
}

// The cores of all ranks but one.
struct Others {
  int core[max_threads], n = 0;
  Others(const Pool& p, int rank, int size) {
    for (int i = 0; i < size; i++)
      if (i != rank) core[n++] = p.core[i].load(std::memory_order_relaxed);
  }
  bool have(int here) const {
    for (int i = 0; i < n; i++)
      if (core[i] == here && here != nowhere) return true;
    return false;
  }
};

// Whoever starts a job on a core where another rank was last seen takes another one.
void take_own_core(Pool& p, int rank, int size) {
  Others others(p, rank, size);
  if (others.have(core_here())) AwayFrom move(others.core, others.n);
  p.core[rank].store(core_here(), std::memory_order_relaxed);
}

// Sleeps while `word` is `value`; is not woken on a core of the others (see cores.h).
void sleep_while(Pool& p, std::atomic<uint32_t>& word, uint32_t value, int rank, int size) {
  Others others(p, rank, size);
  AwayFrom there(others.core, others.n);
  word.wait(value, std::memory_order_acquire);
}

void* work(void* rank_pointer) {
  int rank = int(reinterpret_cast<intptr_t>(rank_pointer));
  Pool& p = *the_pool;
  uint32_t seen = 0;
  int size = 1;
  for (;;) {
    auto called = [&] { return p.ticket.load(std::memory_order_acquire) != seen; };
    if (!spin(called)) sleep_while(p, p.ticket, seen, rank, size);
    uint32_t ticket = p.ticket.load(std::memory_order_acquire);
    if (ticket == seen) continue;
    seen = ticket;
    size = int(ticket & 255);
    if (rank >= size) continue;
    take_own_core(p, rank, size);
    take_part(p, rank, size);
    if (p.running.fetch_sub(1, std::memory_order_acq_rel) == 1) p.running.notify_one();
  }
  return nullptr;
}

// The number of a variable of the environment: 0 when unset, -1 when it is not a number from 1 up.
int64_t environment_number(const char* name) {
  const char* text = getenv(name);
  if (!text || !*text) return 0;
  char* end;
  errno = 0;
  long long value = strtoll(text, &end, 10);
  return errno || *end || value < 1 ? -1 : value;
}

Pool& pool() {
  static Pool& only = []() -> Pool& {
    the_pool = new Pool;  // never destroyed: workers may outlive static destructors
    for (auto& core : the_pool->core) core.store(nowhere, std::memory_order_relaxed);
    int64_t asked = environment_number("LOOPNEST_NUM_THREADS");
    int64_t threads = asked > 0 ? asked : pool_available();
    the_pool->threads = int(threads < max_threads ? threads : max_threads);
    // The child of a fork has this memory but not the workers. No job can be under way at the fork itself.
    pthread_atfork([] { the_pool->lock.lock(); }, [] { the_pool->lock.unlock(); },
                   [] {
                     the_pool->workers = 0;
                     the_pool->ticket.store(0);
                     the_pool->lock.unlock();
                   });
    return *the_pool;
  }();
  return only;
}

// Starts workers up to `wanted`; returns how many there are. A system that refuses a thread makes a smaller team.
int start_workers(Pool& p, int wanted) {
  while (p.workers < wanted) {
    pthread_t thread;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int refused = pthread_create(&thread, &attributes, work, reinterpret_cast<void*>(intptr_t(p.workers + 1)));
    pthread_attr_destroy(&attributes);
    if (refused) break;
    p.workers++;
  }
  return p.workers < wanted ? p.workers : wanted;
}

void run_alone(Pool& p, Job job, void* data) {
  FlushDenormals scope(p.flush_setting);
  Team team{0, 1, team_barrier, &p};
  job(data, &team);
}

}  // namespace

void pool_run(int threads, Job job, void* data) {
  Pool& p = pool();
  if (threads > max_threads) threads = max_threads;
  std::unique_lock hold(p.lock, std::defer_lock);
  if (threads <= 1 || !hold.try_lock()) return run_alone(p, job, data);
  int helpers = start_workers(p, threads - 1);
  if (helpers == 0) return run_alone(p, job, data);
  p.job = job;
  p.data = data;
  p.flush = p.flush_setting;
  p.running.store(uint32_t(helpers), std::memory_order_relaxed);
  take_own_core(p, 0, helpers + 1);
  uint32_t number = (p.ticket.load(std::memory_order_relaxed) >> 8) + 1;
  p.ticket.store(number << 8 | uint32_t(helpers + 1), std::memory_order_release);
  p.ticket.notify_all();
  take_part(p, 0, helpers + 1);
  auto done = [&] { return p.running.load(std::memory_order_acquire) == 0; };
  if (spin(done)) return;
  for (uint32_t left; (left = p.running.load(std::memory_order_acquire)) != 0;)
    sleep_while(p, p.running, left, 0, helpers + 1);
}

int pool_available() {
  int64_t available = cpu_limit();
  int64_t ceiling = environment_number("OMP_NUM_THREADS");
  if (ceiling > 0 && ceiling < available) available = ceiling;
  return int(available < max_threads ? available : max_threads);
}

int pool_threads() { return pool().threads; }

bool pool_set_threads(int64_t threads, Error& error) {
  if (threads < 1 || threads > max_threads)
    return fail(error, Error::Value, "set_num_threads: expected 1 to %d threads, got %lld", max_threads,
                (long long)threads);
  pool().threads = int(threads);
  return true;
}

bool pool_check_environment(Error& error) {
  if (environment_number("LOOPNEST_NUM_THREADS") >= 0) return true;
  return fail(error, Error::Value, "LOOPNEST_NUM_THREADS=%s: expected a whole number from 1 up",
              getenv("LOOPNEST_NUM_THREADS"));
}

bool pool_flush_denormal() { return pool().flush_setting; }
void pool_set_flush_denormal(bool on) { pool().flush_setting = on; }

}  // namespace loopnest
