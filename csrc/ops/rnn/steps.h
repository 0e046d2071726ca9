// A sequence through packed weights, step by step; batch and persistent differ in how many panels they take at a time.
//
//   packed = bias [panels][2][lanes]  (b_ih + b_hh)
//            w_ih^T [panels][i][2][lanes]
//            w_hh^T [panels][h][2][lanes]     lanes beyond h are filled with zeros
//
// For many sequences the last panel of both has one vector only if there are no units for a second.
#pragma once

template <class T>
struct RnnPanels {
  static constexpr int V = 2;
  static constexpr ptrdiff_t width = panel_width<V, T>;
  T* bias;
  T* w_ih;
  T* w_hh;

  static ptrdiff_t count(const Rnn& a) { return panel_count<V, T>(a.h); }
  static size_t bytes(const Rnn& a) { return size_t(count(a) * width * (1 + a.i + a.h)) * sizeof(T); }
  static RnnPanels in(const Rnn& a, void* packed) {
    T* bias = static_cast<T*>(packed);
    T* w_ih = bias + count(a) * width;
    return {bias, w_ih, w_ih + count(a) * a.i * width};
  }
  static RnnPanels of(const Rnn& a) { return in(a, const_cast<void*>(a.workspace.packed)); }

  // Vectors of the last panel, if they are fewer; or 0.
  static ptrdiff_t tail(const Rnn& a) { return a.n > thin_rows && count(a) * width - a.h >= lanes<T>; }

  // c += x * the tail, c[rows][2][lanes]
  static void add_last(const Rnn&, T* c, ptrdiff_t c_row, ptrdiff_t rows, const T* x, ptrdiff_t x_row, const T* w,
                       ptrdiff_t depth) {
    add_product<1, T>(c, c_row, lanes<T>, rows, true, x, x_row, 1, w, depth);
  }

  static void prepare(const Rnn& a, void* packed, const Team& team, ptrdiff_t tail = 0) {
    RnnPanels to = in(a, packed);
    const T* b_ih = static_cast<const T*>(a.b_ih);  // [h] or null
    const T* b_hh = static_cast<const T*>(a.b_hh);  // [h] or null
    Range mine = share(count(a), team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++) {
      for (ptrdiff_t u = p * width; u < (p + 1) * width; u++)
        to.bias[u] = u < a.h ? (b_ih ? b_ih[u] : T(0)) + (b_hh ? b_hh[u] : T(0)) : T(0);
      bool half = tail && p == count(a) - 1;
      weights(static_cast<const T*>(a.w_ih), a.h, a.i, p, to.w_ih + p * a.i * width, half);
      weights(static_cast<const T*>(a.w_hh), a.h, a.h, p, to.w_hh + p * a.h * width, half);
    }
  }

  static void weights(const T* w, ptrdiff_t h, ptrdiff_t depth, ptrdiff_t p, T* panel, bool half) {
    if (half) pack_units<1, T>(w, h, depth, p * width, panel);
    else pack_units<V, T>(w, h, depth, p * width, panel);
  }
};

template <class T, bool persistent>
struct RnnSteps : Plain<Rnn> {
  using Panels = RnnPanels<T>;
  static constexpr int V = Panels::V;
  static constexpr ptrdiff_t L = lanes<T>, width = Panels::width;
  static size_t packed_bytes(const Rnn& a) { return Panels::bytes(a); }
  static void prepare(const Rnn& a, void* packed, const Team& team) noexcept {
    Panels::prepare(a, packed, team, Panels::tail(a));
  }

  // Steps whose input product is done together: about 128 rows, as in lstm.
  static ptrdiff_t chunk(const Rnn& a) {
    ptrdiff_t steps = (127 + a.n) / (a.n > 0 ? a.n : 1);
    return steps < a.t ? steps : a.t;
  }
  // sums [panels][steps of a chunk][rows][2][lanes]; with lengths also the state, before and after a step
  // [2][n][h]; and what follows from rows of x that occur again
  static size_t scratch_bytes(const Rnn& a, int) {
    return size_t(states_at(a) + states_size(a) + Repeated::memory(a)) * sizeof(T);
  }
  static ptrdiff_t states_at(const Rnn& a) { return Panels::count(a) * a.n * chunk(a) * width; }
  static ptrdiff_t states_size(const Rnn& a) { return a.lengths ? 2 * a.n * a.h : 0; }
  static T* state(const Rnn& a, ptrdiff_t t, ptrdiff_t n) {
    return static_cast<T*>(a.workspace.scratch) + states_at(a) + (t % 2 * a.n + n) * a.h;
  }
  using Repeated = RepeatedInput<T, Rnn, Panels, V, width>;
  static Repeated repeated(const Rnn& a) {
    return Repeated::in(a, static_cast<T*>(a.workspace.scratch) + states_at(a) + states_size(a));
  }

  // What one member of the team does: some sequences of all panels, or all sequences of some panels.
  struct Part {
    Range rows, panels;
    ptrdiff_t count;  // rows
    T* sums;          // [panels][steps of a chunk][rows][2][lanes]
    ptrdiff_t panel;  // from panel to panel of sums
    bool far;         // w_hh does not stay in the second-level cache
  };

  // Shares of sequences need no meeting after each step; but then every member reads all weights, and from 1 MB on
  // (half of a usual second-level cache) it is better to meet, each with its own part of them in its cache.
  static bool by_batch(const Rnn& a, const Team& team) {
    return a.n >= 4 * team.size && size_t(Panels::count(a) * a.h * width) * sizeof(T) <= (1 << 20);
  }

  static void run(const Rnn& a, const Team& team) noexcept {
    bool alone = by_batch(a, team);
    Part part;
    part.rows = alone ? share(a.n, team) : Range{0, a.n};
    part.panels = alone ? Range{0, Panels::count(a)} : share(Panels::count(a), team);
    part.count = part.rows.end - part.rows.begin;
    part.panel = chunk(a) * part.count * width;
    part.sums = static_cast<T*>(a.workspace.scratch) + part.rows.begin * Panels::count(a) * chunk(a) * width;
    part.far = (part.panels.end - part.panels.begin) * a.h * width * ptrdiff_t(sizeof(T)) > thin_near;
    repeated(a).find(a, team, Panels::tail(a));
    begin(a, part);
    if (a.lengths && !alone) team.barrier(&team);
    ptrdiff_t most = persistent ? panels_at_once<V>(part.count) : 1, all = part.panels.end - part.panels.begin;
    for (ptrdiff_t t = 0; t < a.t; t++) {
      bool back = persistent && (a.pass + t) % 2 != 0;  // begin with what the step before has read last
      for (ptrdiff_t done = 0; done < all; done += most) {
        ptrdiff_t panels = all - done < most ? all - done : most;
        ptrdiff_t p = back ? part.panels.end - done - panels : part.panels.begin + done;
        if (t % chunk(a) == 0) input_product(a, part, p, panels, t);
        step(a, part, p, panels, t);
      }
      if (!alone) team.barrier(&team);
    }
    end(a, part);
  }

  // For the steps of the chunk that begins at t, and some panels: sums = b_ih + b_hh + x * w_ih^T
  static void input_product(const Rnn& a, const Part& part, ptrdiff_t p, ptrdiff_t panels, ptrdiff_t t) {
    Panels packed = Panels::of(a);
    ptrdiff_t steps = a.t - t < chunk(a) ? a.t - t : chunk(a), all = steps * part.count;
    T* to = part.sums + p * part.panel;
    if (repeated(a).copy(a, {p, p + panels}, {t, t + steps}, part.rows, to, part.panel)) return;
    for (ptrdiff_t q = p; q < p + panels; q++)
      for (ptrdiff_t row = 0; row < all; row++)
        for (int v = 0; v < V; v++)
          store<T>(part.sums + q * part.panel + row * width + v * L, load<T>(packed.bias + q * width + v * L));
    const T* x = static_cast<const T*>(a.x) + t * a.x_t + part.rows.begin * a.x_n;  // [steps, rows, i]
    // Equal distances from row to row make it one product; otherwise it is one for each step.
    bool even = part.count == 1 || a.x_t == part.count * a.x_n;
    ptrdiff_t rows = even ? all : part.count, x_row = part.count == 1 ? a.x_t : a.x_n;
    for (ptrdiff_t row = 0; row < all; row += rows)
      products(a, part, p, panels, part.sums + p * part.panel + row * width, rows, x + row / part.count * a.x_t, x_row,
               packed.w_ih, a.i);
  }

  // c += x * w^T for some panels, the tail among them; c[panels][rows][2][lanes]
  static void products(const Rnn& a, const Part& part, ptrdiff_t p, ptrdiff_t panels, T* c, ptrdiff_t rows, const T* x,
                       ptrdiff_t x_row, const T* w, ptrdiff_t depth) {
    ptrdiff_t last = Panels::count(a) - 1, whole = Panels::tail(a) && p + panels > last ? last - p : panels;
    add_products<V, T>(c, part.panel, width, rows, x, x_row, w + p * depth * width, depth * width, depth, whole,
                       part.far);
    if (whole < panels)
      Panels::add_last(a, c + whole * part.panel, width, rows, x, x_row, w + last * depth * width, depth);
  }

  // Step t of the units of some panels.
  static void step(const Rnn& a, const Part& part, ptrdiff_t p, ptrdiff_t panels, ptrdiff_t t) {
    const T* h0 = static_cast<const T*>(a.h0);                          // [n, h] or null
    T* y = static_cast<T*>(a.y) + t * a.y_t + part.rows.begin * a.y_n;  // [rows, h]
    const T* h = h0 ? h0 + part.rows.begin * a.h : nullptr;             // h[t-1], [rows, h]
    ptrdiff_t h_row = a.h;
    if (a.lengths) h = state(a, t, part.rows.begin);
    else if (t > 0) h = y - a.y_t, h_row = a.y_n;
    T* first = part.sums + p * part.panel + t % chunk(a) * part.count * width;
    if (h) products(a, part, p, panels, first, part.count, h, h_row, Panels::of(a).w_hh, a.h);
    for (ptrdiff_t q = 0; q < panels; q++)
      for (int v = 0; v < V; v++)
        outputs(a, part, (p + q) * width + v * L, t, first + q * part.panel + v * L, h, h_row, y);
  }

  // From the sums to the outputs of units u .. u + lanes.
  static void outputs(const Rnn& a, const Part& part, ptrdiff_t u, ptrdiff_t t, const T* rows, const T* h,
                      ptrdiff_t h_row, T* y) {
    ptrdiff_t count = a.h - u;
    if (count <= 0) return;
    for (ptrdiff_t row = 0; row < part.count; row++) {
      vec<T> s = load<T>(rows + row * width), after = a.relu ? (s < T(0) ? vec<T>{} : s) : tanh<T>(s);
      if (a.lengths) {
        ptrdiff_t seq = part.rows.begin + row;
        bool valid = is_valid(a, t, seq);
        vec<T> before = load_lanes<T>(h + row * h_row + u, count);
        store_lanes<T>(state(a, t + 1, seq) + u, valid ? after : before, count);
        if (!valid) after = vec<T>{};
      }
      store_lanes<T>(y + row * a.y_n + u, after, count);
    }
  }

  // With lengths: the state before the first step.
  static void begin(const Rnn& a, const Part& part) {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    if (!a.lengths) return;
    for (ptrdiff_t n = part.rows.begin; n < part.rows.end; n++)
      for (ptrdiff_t u = part.panels.begin * width; u < part.panels.end * width && u < a.h; u++)
        state(a, 0, n)[u] = h0 ? h0[n * a.h + u] : T(0);
  }

  static void end(const Rnn& a, const Part& part) {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    for (ptrdiff_t n = part.rows.begin; n < part.rows.end; n++) {
      const T* last = a.lengths ? state(a, a.t, n)
                      : a.t > 0 ? static_cast<const T*>(a.y) + (a.t - 1) * a.y_t + n * a.y_n
                      : h0      ? h0 + n * a.h
                                : nullptr;
      for (ptrdiff_t u = part.panels.begin * width; u < part.panels.end * width && u < a.h; u++)
        static_cast<T*>(a.hn)[n * a.h + u] = last ? last[u] : T(0);
    }
  }
};
