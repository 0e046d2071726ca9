// What one member of the team does in the rungs that go step by step with the whole batch (batch, persistent): some
// sequences of all panels, or all sequences of some panels. And what they do alike with it.
#pragma once

template <class T>
struct LstmPart {
  using Panels = LstmPanels<T>;
  static constexpr ptrdiff_t L = lanes<T>, width = Panels::width;

  Range rows, panels;
  ptrdiff_t count;  // rows
  ptrdiff_t steps;  // of a chunk: steps whose product with x is done together
  T* sums;          // [panels of the layer][steps][count][4][lanes]
  T* cells;         // [panels of the layer][count][lanes], c[t-1]
  ptrdiff_t tail;   // the panel that is packed as a tail, or -1

  // About 128 rows at a time, found by trying 32 to 512 at h = 256: the sums are still in the cache when used.
  static ptrdiff_t chunk(const Lstm& a) {
    ptrdiff_t steps = (127 + a.n) / (a.n > 0 ? a.n : 1);
    return steps < a.t ? steps : a.t;
  }
  static size_t scratch_bytes(const Lstm& a) {
    return size_t(states_at(a) + states_size(a) + Repeated::memory(a)) * sizeof(T);
  }
  static ptrdiff_t states_at(const Lstm& a) { return Panels::count(a) * a.n * (chunk(a) * width + L); }
  static ptrdiff_t states_size(const Lstm& a) { return a.lengths ? 2 * a.n * a.h : 0; }
  using Repeated = RepeatedInput<T, Lstm, Panels, 4, width>;
  static Repeated repeated(const Lstm& a) {
    return Repeated::in(a, static_cast<T*>(a.workspace.scratch) + states_at(a) + states_size(a));
  }

  static LstmPart of(const Lstm& a, Range rows, Range panels, ptrdiff_t tail = -1) {
    T* scratch = static_cast<T*>(a.workspace.scratch);
    ptrdiff_t steps = chunk(a);
    T* sums = scratch + a.n * Panels::count(a) * L + rows.begin * Panels::count(a) * steps * width;
    return {rows, panels, rows.end - rows.begin, steps, sums, scratch + rows.begin * Panels::count(a) * L, tail};
  }

  // With lengths: h before step t, and after it as that before the next [2][n][h]. Row `row` of this member's.
  T* state(const Lstm& a, ptrdiff_t t, ptrdiff_t row) const {
    return static_cast<T*>(a.workspace.scratch) + states_at(a) + (t % 2 * a.n + rows.begin + row) * a.h;
  }

  T* sums_of(ptrdiff_t p) const { return sums + p * steps * count * width; }
  T* cells_of(ptrdiff_t p) const { return cells + p * count * L; }

  static bool keeps_apart(const Lstm& a) { return keep_apart && a.gates; }

  // What backward wants to know of step t: the gates, which stand where the sums were, and c.
  void keep(const Lstm& args, ptrdiff_t t) const {
    const Lstm a = args;  // or it would be read again after every store
    const T* from = sums_of(panels.begin) + t % steps * count * width;
    const T* from_cells = cells_of(panels.begin);
    ptrdiff_t panel = sums_of(1) - sums_of(0);
    bool past = keep_past<T>(a.gates, a.h, a.t * a.gates_t);
    bool cells_past = past && keep_past<T>(a.cells, a.h, a.t * a.gates_t);  // both, or neither
    for (ptrdiff_t row = 0; row < count; row++, from += width, from_cells += L) {
      ptrdiff_t n = rows.begin + row;
      bool valid = is_valid(a, t, n);
      T *to = static_cast<T*>(a.gates) + t * a.gates_t + n * 4 * a.h, *c = static_cast<T*>(a.cells);
      for (int q = 0; q < 4; q++) keep_row<T>(from + q * L, panel, panels, valid, past, to + q * a.h, a.h);
      if (c) keep_row<T>(from_cells, count * L, panels, valid, cells_past, c + t * a.cells_t + n * a.h, a.h);
    }
  }

  // c[t-1], and with lengths h[t-1], of the first step.
  void begin(const Lstm& a) const {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    const T* c0 = static_cast<const T*>(a.c0);  // [n, h] or null
    for (ptrdiff_t p = panels.begin; p < panels.end; p++)
      for (ptrdiff_t row = 0; row < count; row++) {
        ptrdiff_t u = p * L, some = a.h - u < L ? a.h - u : L;
        ptrdiff_t at = (rows.begin + row) * a.h + u;
        store<T>(cells_of(p) + row * L, c0 ? load_some<T>(c0 + at, some) : vec<T>{});
        if (a.lengths) store_some<T>(state(a, 0, row) + u, h0 ? load_some<T>(h0 + at, some) : vec<T>{}, some);
      }
  }

  // For the steps of the chunk that begins at t, panel p: sums = b_ih + b_hh + x * w_ih^T
  void input_product(const Lstm& a, ptrdiff_t p, ptrdiff_t t) const {
    Panels packed = Panels::of(a);
    T* to = sums_of(p);
    ptrdiff_t left = a.t - t < steps ? a.t - t : steps, all = left * count;
    if (repeated(a).copy(a, {p, p + 1}, {t, t + left}, rows, to, 0)) return;
    const T* x = static_cast<const T*>(a.x) + t * a.x_t + rows.begin * a.x_n;  // [left, count, i]
    // Equal distances from row to row make it one product; otherwise it is one for each step.
    bool even = count == 1 || a.x_t == count * a.x_n;
    ptrdiff_t together = even ? all : count, x_row = count == 1 ? a.x_t : a.x_n;
    const T *w_ih = packed.w_ih + p * a.i * width, *bias = packed.bias + p * width;
    for (ptrdiff_t row = 0; row < all && p == tail; row++)
      UNROLL for (int q = 0; q < 4; q++) store<T>(to + row * width + q * L, load<T>(bias + q * L));
    for (ptrdiff_t row = 0; row < all; row += together) {
      const T* from = x + row / count * a.x_t;
      if (p == tail) Panels::add_last(a, to + row * width, width, together, from, x_row, w_ih, a.i);
      else
        add_product<4, T>(to + row * width, width, width, together, false, from, x_row, 1, w_ih, a.i, {true, 0}, bias);
    }
  }

  // Step t, panel p: from the finished sums [count][4][lanes] to the gates, c and h. In two passes, so that the chain
  // of operations of a row is half as long and more rows are under way at a time (96 cycles a row became 84).
  void finish_units(const Lstm& a, ptrdiff_t p, ptrdiff_t t, T* sums) const {
    ptrdiff_t u = p * L, some = a.h - u < L ? a.h - u : L;
    T* c = cells_of(p);
    bool apart = keeps_apart(a), keeps = !apart && (a.gates || a.cells);
    for (ptrdiff_t row = 0; row < count; row++) {
      vec<T> gate[4], cell = load<T>(c + row * L);
      for (int q = 0; q < 4; q++) gate[q] = load<T>(sums + row * width + q * L);
      if (!is_valid(a, t, rows.begin + row)) {
        vec<T> nothing[4] = {};
        if (keeps) lstm_keep<T>(a, t, rows.begin + row, u, some, nothing, vec<T>{});
        continue;
      }
      lstm_gates<T>(gate, cell);
      if (apart) {  // one loop from 0 or 3 on would be a copy from the stack
        UNROLL for (int q = 0; q < 3; q++) store<T>(sums + row * width + q * L, gate[q]);
      }
      store<T>(sums + row * width + 3 * L, gate[3]);
      store<T>(c + row * L, cell);
      if (keeps) lstm_keep<T>(a, t, rows.begin + row, u, some, gate, cell);
    }
    T* y = static_cast<T*>(a.y) + t * a.y_t + rows.begin * a.y_n + u;  // [count, some]
    for (ptrdiff_t row = 0; row < count; row++) {
      vec<T> o = load<T>(sums + row * width + 3 * L), cell = load<T>(c + row * L);
      vec<T> h = o * tanh<T>(cell);
      if (a.lengths) {
        bool valid = is_valid(a, t, rows.begin + row);
        store_some<T>(state(a, t + 1, row) + u, valid ? h : load_some<T>(state(a, t, row) + u, some), some);
        if (!valid) h = vec<T>{};
      }
      store_some<T>(y + row * a.y_n, h, some);
    }
  }

  // hn and cn.
  void end(const Lstm& a) const {
    if (a.gates) stream_end();
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    const T* last = static_cast<const T*>(a.y) + (a.t - 1) * a.y_t;
    for (ptrdiff_t p = panels.begin; p < panels.end; p++)
      for (ptrdiff_t row = 0; row < count; row++) {
        ptrdiff_t n = rows.begin + row, u = p * L, some = a.h - u < L ? a.h - u : L;
        const T* h = a.lengths ? state(a, a.t, row) : a.t > 0 ? last + n * a.y_n : h0 ? h0 + n * a.h : nullptr;
        store_some<T>(static_cast<T*>(a.cn) + n * a.h + u, load<T>(cells_of(p) + row * L), some);
        store_some<T>(static_cast<T*>(a.hn) + n * a.h + u, h ? load_some<T>(h + u, some) : vec<T>{}, some);
      }
  }
};
