// A sequence through packed weights, step by step; batch and persistent differ in how many panels they take at a time.
//
// The sums of a unit stand as n r z q: the product with x fills the first three, the product with h the last three (q
// is h * w_hn^T + b_hn, which r is to be multiplied with). So both are one packed product of three vectors.
//
//   packed = bias [panels][4][lanes]           (n: b_in, r and z: b_ih + b_hh, q: b_hn)
//            w_ih [panels][i][3][lanes] n r z
//            w_hh [panels][h][3][lanes] r z q  lanes beyond h are filled with zeros
//
// For many sequences the last panel of both is a tail where that pays (simd/recurrent.h).
#pragma once

template <class T>
struct GruPanels {
  static constexpr ptrdiff_t L = lanes<T>, sums = 4 * L, width = 3 * L;
  T* bias;
  T* w_ih;
  T* w_hh;

  static ptrdiff_t count(const Gru& a) { return (a.h + L - 1) / L; }
  static size_t bytes(const Gru& a) { return size_t(count(a) * (sums + width * (a.i + a.h))) * sizeof(T); }
  static GruPanels in(const Gru& a, void* packed) {
    T* bias = static_cast<T*>(packed);
    T* w_ih = bias + count(a) * sums;
    return {bias, w_ih, w_ih + count(a) * a.i * width};
  }
  static GruPanels of(const Gru& a) { return in(a, const_cast<void*>(a.workspace.packed)); }

  static ptrdiff_t tail(const Gru& a) { return tail_vectors<3, T>(a.i, a.h, a.n); }

  // c += x * the tail, c[rows][3][lanes]
  static void add_last(const Gru& a, T* c, ptrdiff_t c_row, ptrdiff_t rows, const T* x, ptrdiff_t x_row, const T* w,
                       ptrdiff_t depth) {
    add_tail<3, T>(c, c_row, rows, x, x_row, w, depth, a.h - (count(a) - 1) * L, tail(a));
  }

  static void prepare(const Gru& a, void* packed, const Team& team, ptrdiff_t tail = 0) {
    constexpr int nrz[3] = {2, 0, 1}, rzn[3] = {0, 1, 2};
    GruPanels to = in(a, packed);
    Range mine = share(count(a), team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++) {
      for (ptrdiff_t l = 0; l < L; l++) {
        T* bias = to.bias + p * sums + l;
        ptrdiff_t u = p * L + l;
        bias[0 * L] = bias_of(a, a.b_ih, 2, u);
        bias[1 * L] = bias_of(a, a.b_ih, 0, u) + bias_of(a, a.b_hh, 0, u);
        bias[2 * L] = bias_of(a, a.b_ih, 1, u) + bias_of(a, a.b_hh, 1, u);
        bias[3 * L] = bias_of(a, a.b_hh, 2, u);
      }
      ptrdiff_t vectors = p == count(a) - 1 ? tail : 0;
      weights(static_cast<const T*>(a.w_ih), nrz, a.h, a.i, p, to.w_ih + p * a.i * width, vectors);
      weights(static_cast<const T*>(a.w_hh), rzn, a.h, a.h, p, to.w_hh + p * a.h * width, vectors);
    }
  }

  // w [3h, depth] -> panel [depth][3][lanes], or of a tail [depth][tail][lanes]
  static void weights(const T* w, const int (&order)[3], ptrdiff_t h, ptrdiff_t depth, ptrdiff_t p, T* panel,
                      ptrdiff_t tail) {
    if (tail) pack_tail<3, T>(w, order, h, depth, p * L, tail, panel);
    else pack_gates<3, T>(w, order, h, depth, p * L, panel);
  }

  static T bias_of(const Gru& a, const void* bias, ptrdiff_t gate, ptrdiff_t u) {
    return bias && u < a.h ? static_cast<const T*>(bias)[gate * a.h + u] : T(0);
  }
};

template <class T, bool persistent>
struct GruSteps : Plain<Gru> {
  using Panels = GruPanels<T>;
  static constexpr ptrdiff_t L = lanes<T>, width = Panels::width, sums = Panels::sums;
  static const char* supports(const Gru& a) {
    return a.before ? "its weights are packed for a reset gate after the product" : nullptr;
  }
  static size_t packed_bytes(const Gru& a) { return Panels::bytes(a); }
  static void prepare(const Gru& a, void* packed, const Team& team) noexcept {
    Panels::prepare(a, packed, team, Panels::tail(a));
  }

  // Steps whose input product is done together: about 128 rows, as in lstm.
  static ptrdiff_t chunk(const Gru& a) {
    ptrdiff_t steps = (127 + a.n) / (a.n > 0 ? a.n : 1);
    return steps < a.t ? steps : a.t;
  }
  // sums [panels][steps of a chunk][rows][4][lanes]; with lengths also the state, before and after a step
  // [2][n][h]; and what follows from rows of x that occur again
  static size_t scratch_bytes(const Gru& a, int) {
    return size_t(states_at(a) + states_size(a) + Repeated::memory(a)) * sizeof(T);
  }
  static ptrdiff_t states_at(const Gru& a) { return Panels::count(a) * a.n * chunk(a) * sums; }
  static ptrdiff_t states_size(const Gru& a) { return a.lengths ? 2 * a.n * a.h : 0; }
  static T* state(const Gru& a, ptrdiff_t t, ptrdiff_t n) {
    return static_cast<T*>(a.workspace.scratch) + states_at(a) + (t % 2 * a.n + n) * a.h;
  }
  using Repeated = RepeatedInput<T, Gru, Panels, 3, sums>;
  static Repeated repeated(const Gru& a) {
    return Repeated::in(a, static_cast<T*>(a.workspace.scratch) + states_at(a) + states_size(a));
  }

  // What one member of the team does: some sequences of all panels, or all sequences of some panels.
  struct Part {
    Range rows, panels;
    ptrdiff_t count;  // rows
    T* sums;          // [panels][steps of a chunk][rows][4][lanes]
    ptrdiff_t panel;  // from panel to panel of sums
    bool far;         // w_hh does not stay in the second-level cache
  };

  // Shares of sequences need no meeting after each step; but then every member reads all weights, and from 1 MB on
  // (half of a usual second-level cache) it is better to meet, each with its own part of them in its cache.
  static bool by_batch(const Gru& a, const Team& team) {
    return a.n >= 4 * team.size && size_t(Panels::count(a) * a.h * width) * sizeof(T) <= (1 << 20);
  }

  static void run(const Gru& a, const Team& team) noexcept {
    bool alone = by_batch(a, team);
    Part part;
    part.rows = alone ? share(a.n, team) : Range{0, a.n};
    part.panels = alone ? Range{0, Panels::count(a)} : share(Panels::count(a), team);
    part.count = part.rows.end - part.rows.begin;
    part.panel = chunk(a) * part.count * sums;
    part.sums = static_cast<T*>(a.workspace.scratch) + part.rows.begin * Panels::count(a) * chunk(a) * sums;
    part.far = (part.panels.end - part.panels.begin) * a.h * width * ptrdiff_t(sizeof(T)) > thin_near;
    repeated(a).find(a, team, Panels::tail(a));
    begin(a, part);
    if (a.lengths && !alone) team.barrier(&team);
    ptrdiff_t most = persistent ? panels_at_once<3>(part.count) : 1, all = part.panels.end - part.panels.begin;
    for (ptrdiff_t t = 0; t < a.t; t++) {
      bool back = persistent && (a.pass + t) % 2 != 0;  // begin with what the step before has read last
      for (ptrdiff_t done = 0; done < all; done += most) {
        ptrdiff_t panels = all - done < most ? all - done : most;
        ptrdiff_t p = back ? part.panels.end - done - panels : part.panels.begin + done;
        if (t % chunk(a) == 0) input_product(a, part, p, panels, t);
        step(a, part, p, panels, t);
      }
      if (a.gates && keep_apart) keep(a, part, t);
      if (!alone) team.barrier(&team);
    }
    end(a, part);
    if (a.gates) stream_end();
  }

  // For the steps of the chunk that begins at t, and some panels: sums = biases, and n r z += x * w_ih^T
  static void input_product(const Gru& a, const Part& part, ptrdiff_t p, ptrdiff_t panels, ptrdiff_t t) {
    Panels packed = Panels::of(a);
    ptrdiff_t steps = a.t - t < chunk(a) ? a.t - t : chunk(a), all = steps * part.count;
    T* to = part.sums + p * part.panel;
    if (repeated(a).copy(a, {p, p + panels}, {t, t + steps}, part.rows, to, part.panel)) return;
    for (ptrdiff_t q = p; q < p + panels; q++)
      for (ptrdiff_t row = 0; row < all; row++)
        for (int g = 0; g < 4; g++)
          store<T>(part.sums + q * part.panel + row * sums + g * L, load<T>(packed.bias + q * sums + g * L));
    const T* x = static_cast<const T*>(a.x) + t * a.x_t + part.rows.begin * a.x_n;  // [steps, rows, i]
    // Equal distances from row to row make it one product; otherwise it is one for each step.
    bool even = part.count == 1 || a.x_t == part.count * a.x_n;
    ptrdiff_t rows = even ? all : part.count, x_row = part.count == 1 ? a.x_t : a.x_n;
    for (ptrdiff_t row = 0; row < all; row += rows)
      products(a, part, p, panels, part.sums + p * part.panel + row * sums, rows, x + row / part.count * a.x_t, x_row,
               packed.w_ih, a.i);
  }

  // c += x * w^T for some panels, the tail among them; c[panels][rows][4][lanes]
  static void products(const Gru& a, const Part& part, ptrdiff_t p, ptrdiff_t panels, T* c, ptrdiff_t rows, const T* x,
                       ptrdiff_t x_row, const T* w, ptrdiff_t depth) {
    ptrdiff_t last = Panels::count(a) - 1, whole = Panels::tail(a) && p + panels > last ? last - p : panels;
    add_products<3, T>(c, part.panel, sums, rows, x, x_row, w + p * depth * width, depth * width, depth, whole,
                       part.far);
    if (whole < panels)
      Panels::add_last(a, c + whole * part.panel, sums, rows, x, x_row, w + last * depth * width, depth);
  }

  // Step t of the units of some panels.
  static void step(const Gru& a, const Part& part, ptrdiff_t p, ptrdiff_t panels, ptrdiff_t t) {
    const T* h0 = static_cast<const T*>(a.h0);                          // [n, h] or null
    T* y = static_cast<T*>(a.y) + t * a.y_t + part.rows.begin * a.y_n;  // [rows, h]
    const T* h = h0 ? h0 + part.rows.begin * a.h : nullptr;             // h[t-1], [rows, h]
    ptrdiff_t h_row = a.h;
    if (a.lengths) h = state(a, t, part.rows.begin);
    else if (t > 0) h = y - a.y_t, h_row = a.y_n;
    T* first = part.sums + p * part.panel + t % chunk(a) * part.count * sums;
    if (h) products(a, part, p, panels, first + L, part.count, h, h_row, Panels::of(a).w_hh, a.h);
    for (ptrdiff_t q = 0; q < panels; q++) {
      gates(a, part, p + q, t, first + q * part.panel);
      outputs(a, part, p + q, t, first + q * part.panel, h, h_row, y);
    }
  }

  // From the sums to r, z and what n's tanh is taken of. In two passes, so that the chain of operations of a row is
  // half as long and more rows are under way at a time.
  static void gates(const Gru& a, const Part& part, ptrdiff_t p, ptrdiff_t t, T* rows) {
    ptrdiff_t u = p * L, count = a.h - u;
    for (ptrdiff_t row = 0; row < part.count; row++) {
      T* s = rows + row * sums;
      vec<T> r = sigmoid<T>(load<T>(s + L)), z = sigmoid<T>(load<T>(s + 2 * L)), q = load<T>(s + 3 * L);
      store<T>(s, load<T>(s) + r * q);
      store<T>(s + 2 * L, z);
      if (!a.gates) continue;
      if (keep_apart) {
        store<T>(s + L, r);
        continue;
      }
      T* kept = kept_of(a, t, part.rows.begin + row) + u;
      store_lanes<T>(kept, r, count);
      store_lanes<T>(kept + a.h, z, count);
      store_lanes<T>(kept + 3 * a.h, q, count);
    }
  }

  static T* kept_of(const Gru& a, ptrdiff_t t, ptrdiff_t n) {
    return static_cast<T*>(a.gates) + t * a.gates_t + n * 4 * a.h;
  }

  // What backward wants to know of step t: r z n q, which stand where the sums were.
  static void keep(const Gru& args, const Part& part, ptrdiff_t t) {
    const Gru a = args;  // or it would be read again after every store
    constexpr ptrdiff_t place[4] = {1, 2, 0, 3};
    const T* from = part.sums + part.panels.begin * part.panel + t % chunk(a) * part.count * sums;
    bool past = keep_past<T>(a.gates, a.h, a.t * a.gates_t);
    for (ptrdiff_t row = 0; row < part.count; row++, from += sums) {
      ptrdiff_t seq = part.rows.begin + row;
      bool valid = is_valid(a, t, seq);
      for (int g = 0; g < 4; g++)
        keep_row<T>(from + place[g] * L, part.panel, part.panels, valid, past, kept_of(a, t, seq) + g * a.h, a.h);
    }
  }

  static void outputs(const Gru& a, const Part& part, ptrdiff_t p, ptrdiff_t t, T* rows, const T* h, ptrdiff_t h_row,
                      T* y) {
    ptrdiff_t u = p * L, count = a.h - u;
    for (ptrdiff_t row = 0; row < part.count; row++) {
      T* s = rows + row * sums;
      ptrdiff_t seq = part.rows.begin + row;
      vec<T> n = tanh<T>(load<T>(s)), z = load<T>(s + 2 * L);
      vec<T> before = h ? load_lanes<T>(h + row * h_row + u, count) : vec<T>{};
      vec<T> after = n + z * (before - n);
      if (a.gates && keep_apart) store<T>(s, n);
      else if (a.gates) store_lanes<T>(kept_of(a, t, seq) + 2 * a.h + u, n, count);
      if (a.lengths) {
        bool valid = is_valid(a, t, seq);
        store_lanes<T>(state(a, t + 1, seq) + u, valid ? after : before, count);
        for (int g = 0; g < 4 && a.gates && !keep_apart && !valid; g++)
          store_lanes<T>(kept_of(a, t, seq) + g * a.h + u, vec<T>{}, count);
        if (!valid) after = vec<T>{};
      }
      store_lanes<T>(y + row * a.y_n + u, after, count);
    }
  }

  // With lengths: the state before the first step.
  static void begin(const Gru& a, const Part& part) {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    if (!a.lengths) return;
    for (ptrdiff_t n = part.rows.begin; n < part.rows.end; n++)
      for (ptrdiff_t u = part.panels.begin * L; u < part.panels.end * L && u < a.h; u++)
        state(a, 0, n)[u] = h0 ? h0[n * a.h + u] : T(0);
  }

  static void end(const Gru& a, const Part& part) {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    for (ptrdiff_t n = part.rows.begin; n < part.rows.end; n++) {
      const T* last = a.lengths ? state(a, a.t, n)
                      : a.t > 0 ? static_cast<const T*>(a.y) + (a.t - 1) * a.y_t + n * a.y_n
                      : h0      ? h0 + n * a.h
                                : nullptr;
      for (ptrdiff_t u = part.panels.begin * L; u < part.panels.end * L && u < a.h; u++)
        static_cast<T*>(a.hn)[n * a.h + u] = last ? last[u] : T(0);
    }
  }
};
