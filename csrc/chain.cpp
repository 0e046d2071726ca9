#include "chain.h"

#include <stdint.h>
#include <string.h>

#include "arena.h"
#include "ops/conv2d/conv2d.h"
#include "ops/max_pool2d/pool2d.h"
#include "pool.h"
#include "run.h"

namespace loopnest {
namespace {

constexpr int most_links = 8;
// Found by trying on 2 MB of L2: results in between from here on, all images together, are worth a chain (256 and 512
// KB: MobileNetV2 on one image 3 to 8 % slower, 2 MB: 5 %) ...
constexpr int64_t large = 1 << 20;
// ... whose weights stay in L2 from band to band, beside what is needed of the band (bands of 512 KB: 12 % slower).
constexpr int64_t most_weights = 768 << 10, band_bytes = 1 << 20;
constexpr int64_t least_rows = 4;  // of a band, unless the image is smaller

struct Range {
  int64_t begin, end;
};

// Where the rows of a step's input and output lie, of the two operators that can be links: their structs name them
// alike.
struct Rows {
  char *x, *y;
  int64_t n, channels, ih, oh, ow;  // channels of y
  int64_t kernel, stride, pad, dilation;
  int64_t x_n, x_h, x_w, y_n, y_h, y_w;

  // The rows of the input under rows [out.begin, out.end) of the output.
  Range under(Range out) const {
    int64_t first = out.begin * stride - pad, end = (out.end - 1) * stride - pad + (kernel - 1) * dilation + 1;
    return {first > 0 ? first : 0, end < ih ? end : ih};
  }
};

template <class A>
Rows rows_of(const A& a, int64_t channels, int64_t kernel) {
  return {static_cast<char*>(a.x),
          static_cast<char*>(a.y),
          a.n,
          channels,
          a.ih,
          a.oh,
          a.ow,
          kernel,
          a.stride_h,
          a.pad_h,
          a.dilation_h,
          a.x_n,
          a.x_h,
          a.x_w,
          a.y_n,
          a.y_h,
          a.y_w};
}

bool is(const ProgramStep& s, const char* op) { return s.ladder && !strcmp(s.ladder->op->name, op); }

const Conv2d& conv(const ProgramStep& s) { return *reinterpret_cast<const Conv2d*>(s.args); }
const Pool2d& pool2d(const ProgramStep& s) { return *reinterpret_cast<const Pool2d*>(s.args); }

Rows rows_of(const ProgramStep& s) {
  if (is(s, "conv2d")) return rows_of(conv(s), conv(s).oc, conv(s).kh);
  return rows_of(pool2d(s), pool2d(s).c, pool2d(s).kernel_h);
}

// Whether this step can be a link. Winograd's tiles and the edges of pack's blocks depend on which rows are done
// together, and so would the last bit of their results.
bool can(const ProgramStep& s) {
  if (!s.ladder || s.ladder->dtype != F32 || s.rung->scratch_bytes(s.args, 1)) return false;
  const char* rung = s.rung->name;
  if (is(s, "conv2d")) {
    const Conv2d& a = conv(s);
    bool plain = !strcmp(rung, "taps") || !strcmp(rung, "matrix") || !strcmp(rung, "slide") ||
                 !strcmp(rung, "depthwise") ||
                 (!strcmp(rung, "pack") && a.kh == 1 && a.kw == 1 && !a.pad_h && !a.pad_w);
    if (!plain || a.y_c != 1) return false;
  } else if (!is(s, "max_pool2d") || strcmp(rung, "vec") || pool2d(s).indices || pool2d(s).taps) {
    return false;
  }
  Rows r = rows_of(s);
  bool dense = r.y_w == r.channels && r.y_h == r.ow * r.y_w && (r.n == 1 || r.y_n == r.oh * r.y_h);
  bool reads = r.pad <= (r.kernel - 1) * r.dilation && (r.oh - 1) * r.stride - r.pad < r.ih;  // each row of y some x
  return dense && r.n > 0 && r.oh > 0 && reads;
}

// Whether b takes a's result, which then need not be an array of its own.
bool follows(const ProgramStep& a, const ProgramStep& b) {
  Rows from = rows_of(a), to = rows_of(b);
  if (is(a, "conv2d") && conv(a).add) return false;  // it lies as y does, which a band's buffer does not
  return to.x == from.y && to.n == from.n && to.ih == from.oh && to.x_w == from.y_w && to.x_h == from.y_h &&
         (to.n == 1 || to.x_n == from.y_n);
}

// How a chain is cut: bands of so many rows of the last step's output, or of whole images.
struct Plan {
  int count;
  Rows rows[most_links];
  int64_t band, images;
  int64_t buffer[most_links];  // bytes of a band of each result but the last
  int64_t bytes;               // of all

  Plan(const ProgramStep* steps, int count) : count(count) {
    for (int k = 0; k < count; k++) rows[k] = rows_of(steps[k]);
    int64_t high = rows[count - 1].oh;
    for (band = high; band > 1 && measure() > band_bytes;) band--;
    images = measure() > band_bytes ? 1 : band_bytes / (bytes ? bytes : 1);
    if (band < high) images = 1;
    else if (images > rows[0].n) images = rows[0].n;
    for (int k = 0; k + 1 < count; k++) buffer[k] *= images;
    bytes *= images;
  }

  int64_t row_bytes(int k) const { return rows[k].y_h * int64_t(sizeof(float)); }

  // The buffers of a band of `band` rows of one image.
  int64_t measure() {
    int64_t high = band;
    bytes = 0;
    for (int k = count - 2; k >= 0; k--) {
      const Rows& next = rows[k + 1];
      high = (high - 1) * next.stride + (next.kernel - 1) * next.dilation + 1;
      if (high > rows[k].oh) high = rows[k].oh;
      buffer[k] = (high * row_bytes(k) + 63) / 64 * 64;
      bytes += buffer[k];
    }
    return bytes;
  }
};

template <class A>
void place(A& a, char* x, char* y, int64_t images, Range in, int64_t pad, Range out) {
  a.x = x, a.y = y;
  a.n = images, a.ih = in.end - in.begin, a.pad_h = pad, a.oh = out.end - out.begin;
}

void no_barrier(const Team*) {}

// One member's work.
struct Member {
  const ProgramStep* steps;
  const Plan& plan;
  char* buffers[most_links];
  Range have[most_links];  // rows that the buffers hold
  static constexpr Team alone = {0, 1, no_barrier, nullptr};

  Member(const ProgramStep* steps, const Plan& plan, char* memory) : steps(steps), plan(plan) {
    for (int k = 0; k + 1 < plan.count; k++) buffers[k] = memory, memory += plan.buffer[k];
  }

  // Rows `out` of link k of `images` images from `image` on. first_in, first_out: the rows at which the buffers that it
  // reads and writes begin.
  void link(int k, int64_t image, int64_t images, Range out, int64_t first_in, int64_t first_out) const {
    const Rows& r = plan.rows[k];
    Range in = r.under(out);
    bool first = k == 0, last = k == plan.count - 1;
    int64_t x_row = r.x_h * int64_t(sizeof(float)), y_row = plan.row_bytes(k);
    char* x = first ? r.x + (image * r.x_n + in.begin * r.x_h) * int64_t(sizeof(float))
                    : buffers[k - 1] + (in.begin - first_in) * x_row;
    int64_t way = (image * r.y_n + out.begin * r.y_h) * int64_t(sizeof(float));  // of y, and of what is added
    char* y = last ? r.y + way : buffers[k] + (out.begin - first_out) * y_row;
    int64_t pad = in.begin - (out.begin * r.stride - r.pad);
    if (is(steps[k], "conv2d")) {
      Conv2d a = conv(steps[k]);
      if (last && a.add) a.add = static_cast<const char*>(a.add) + way;
      place(a, x, y, images, in, pad, out);
      steps[k].rung->run(&a, &alone);
    } else {
      Pool2d a = pool2d(steps[k]);
      place(a, x, y, images, in, pad, out);
      steps[k].rung->run(&a, &alone);
    }
  }

  // Rows `out` of the result, of one image or of several whole ones; goes_on: right below the band before.
  void band(int64_t image, int64_t images, Range out, bool goes_on) {
    int last = plan.count - 1;
    Range want[most_links];
    want[last] = out;
    for (int k = last; k > 0; k--) want[k - 1] = plan.rows[k].under(want[k]);
    for (int k = 0; k <= last; k++) {
      Range todo = want[k];
      if (k < last && goes_on && have[k].begin <= todo.begin && todo.begin <= have[k].end) {
        // Rows that the band before has left come first.
        int64_t kept = (have[k].end < todo.end ? have[k].end : todo.end) - todo.begin;
        memmove(buffers[k], buffers[k] + (todo.begin - have[k].begin) * plan.row_bytes(k),
                size_t(kept * plan.row_bytes(k)));
        todo.begin += kept;
      }
      have[k] = want[k];
      if (todo.begin < todo.end) link(k, image, images, todo, k ? want[k - 1].begin : 0, want[k].begin);
    }
  }
};

struct Chain {
  const ProgramStep* steps;
  const Plan& plan;
  char* memory;
};

void work(void* data, const Team* team) {
  const Chain& job = *static_cast<const Chain*>(data);
  const Plan& plan = job.plan;
  Member member(job.steps, plan, job.memory + team->rank * plan.bytes);
  int64_t high = plan.rows[plan.count - 1].oh, total = plan.rows[0].n * high;
  int64_t at = total * team->rank / team->size, end = total * (team->rank + 1) / team->size;
  for (bool goes_on = false; at < end;) {
    int64_t image = at / high, row = at % high, images = 1, size = plan.band;
    if (row == 0 && end - at >= high && plan.band == high) {
      images = (end - at) / high < plan.images ? (end - at) / high : plan.images;
    } else {
      if (size > high - row) size = high - row;
      if (size > end - at) size = end - at;
    }
    member.band(image, images, {row, row + size}, goes_on);
    at += images * size;
    goes_on = row + size < high;
  }
}

}  // namespace

int chain_length(const ProgramStep* steps, int count) {
  int length = 1;
  if (count > most_links) count = most_links;
  if (count < 2 || !can(steps[0])) return 1;
  int64_t weights = int64_t(steps[0].rung->packed_bytes(steps[0].args));
  for (int k = 1; k < count && can(steps[k]) && follows(steps[k - 1], steps[k]); k++) {
    weights += int64_t(steps[k].rung->packed_bytes(steps[k].args));
    Rows between = rows_of(steps[k - 1]);
    if (weights > most_weights || between.n * between.oh * between.y_h * int64_t(sizeof(float)) < large) break;
    Plan plan(steps, k + 1);
    int64_t high = plan.rows[k].oh;
    if (plan.bytes > band_bytes || plan.band < (high < least_rows ? high : least_rows)) break;
    length = k + 1;
  }
  return length;
}

bool chain_run(const ProgramStep* steps, int count, Error& error) {
  Plan plan(steps, count);
  Work all = {0, 0};
  for (int k = 0; k < count; k++) {
    Work one = steps[k].ladder->op->work(steps[k].args, F32);
    all.flops += one.flops, all.bytes += one.bytes;
  }
  int threads = worthwhile_threads(all);
  size_t bytes = size_t(plan.bytes) * size_t(threads);
  char* memory = static_cast<char*>(arena_allocate(bytes ? bytes : 64));
  if (!memory) return fail(error, Error::Memory, "a plan: no memory for %zu bytes of bands of rows", bytes);
  Chain job = {steps, plan, memory};
  pool_run(threads, work, &job);
  arena_release(memory);
  return true;
}

}  // namespace loopnest
