// Idea:  the reset gate before the product: r and z of all units first, then r . h times w_hn, as a second product.
// Since: batch and persistent make one product of all three gates, which needs r behind it.
// Why:   two products a step, each at the speed of persistent; weights are packed in pairs of vectors of units: r z of
// the
//        first, r z of the second, n of both.
// Price: the second product waits for r of every unit: members meet twice a step.
#pragma once

template <class T>
struct gru_r6_before : Plain<Gru> {
  static constexpr int V = 2, P = 3;  // P panels of V vectors for 2 vectors of units
  static constexpr ptrdiff_t L = lanes<T>, width = panel_width<V, T>;
  static const char* supports(const Gru& a) {
    return a.before ? nullptr : "it has only the formula of a reset gate before the product";
  }
  static ptrdiff_t pairs(const Gru& a) { return panel_count<V, T>(a.h); }

  // packed = bias [pairs][3][2][lanes]  b_ih + b_hh, w_ih [pairs][3][i][2][lanes], w_hh [pairs][3][h][2][lanes]
  static size_t packed_bytes(const Gru& a) { return size_t(pairs(a) * P * width * (1 + a.i + a.h)) * sizeof(T); }
  static T* bias_of(const Gru&, void* packed) { return static_cast<T*>(packed); }
  static T* w_ih_of(const Gru& a, void* packed) { return bias_of(a, packed) + pairs(a) * P * width; }
  static T* w_hh_of(const Gru& a, void* packed) { return w_ih_of(a, packed) + pairs(a) * P * a.i * width; }
  static void* packed_of(const Gru& a) { return const_cast<void*>(a.workspace.packed); }
  static void prepare(const Gru& a, void* packed, const Team& team) noexcept {
    Range mine = share(pairs(a) * P, team);
    for (ptrdiff_t p = mine.begin; p < mine.end; p++)
      for (ptrdiff_t v = 0; v < V; v++) {
        bool of_n = p % P == 2;
        ptrdiff_t gate = of_n ? 2 : v, u = (p / P * V + (of_n ? v : p % P)) * L, count = a.h - u;
        for (ptrdiff_t l = 0; l < L; l++) {
          auto value = [&](const void* b) {
            return b && l < count ? static_cast<const T*>(b)[gate * a.h + u + l] : T(0);
          };
          bias_of(a, packed)[p * width + v * L + l] = value(a.b_ih) + value(a.b_hh);
        }
        pack_rows<T>(static_cast<const T*>(a.w_ih) + (gate * a.h + u) * a.i, count, a.i,
                     w_ih_of(a, packed) + p * a.i * width + v * L, width);
        pack_rows<T>(static_cast<const T*>(a.w_hh) + (gate * a.h + u) * a.h, count, a.h,
                     w_hh_of(a, packed) + p * a.h * width + v * L, width);
      }
  }

  static ptrdiff_t chunk(const Gru& a) {
    ptrdiff_t steps = (127 + a.n) / (a.n > 0 ? a.n : 1);
    return steps < a.t ? steps : a.t;
  }
  // sums [pairs][3][steps of a chunk][n][2][lanes], q = r . h [n][h], and the state before and after a step [2][n][h]
  static size_t scratch_bytes(const Gru& a, int) {
    return size_t(pairs(a) * P * chunk(a) * a.n * width + 3 * a.n * a.h) * sizeof(T);
  }
  static T* sums_of(const Gru& a, ptrdiff_t p, ptrdiff_t t) {
    return static_cast<T*>(a.workspace.scratch) + (p * chunk(a) + t % chunk(a)) * a.n * width;
  }
  static T* q_of(const Gru& a, ptrdiff_t n) { return sums_of(a, pairs(a) * P, 0) + n * a.h; }
  static T* state(const Gru& a, ptrdiff_t t, ptrdiff_t n) { return q_of(a, (1 + t % 2) * a.n + n); }

  static void run(const Gru& a, const Team& team) noexcept {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    Range mine = share(pairs(a), team), units = {mine.begin * width, mine.end * width < a.h ? mine.end * width : a.h};
    bool far = (mine.end - mine.begin) * P * a.h * width * ptrdiff_t(sizeof(T)) > thin_near;
    for (ptrdiff_t n = 0; n < a.n; n++)
      for (ptrdiff_t u = units.begin; u < units.end; u++) state(a, 0, n)[u] = h0 ? h0[n * a.h + u] : T(0);
    team.barrier(&team);
    for (ptrdiff_t t = 0; t < a.t; t++) {
      for (ptrdiff_t p = mine.begin; p < mine.end; p++) {
        if (t % chunk(a) == 0) input_product(a, p, t, far);
        product(a, p * P, 2, t, state(a, t, 0), far);
        for (ptrdiff_t v = 0; v < V; v++) reset(a, p * P + v, (p * V + v) * L, t);
      }
      team.barrier(&team);
      for (ptrdiff_t p = mine.begin; p < mine.end; p++) {
        product(a, p * P + 2, 1, t, q_of(a, 0), far);
        for (ptrdiff_t v = 0; v < V; v++) outputs(a, p * P + v, p * P + 2, v, t);
      }
      team.barrier(&team);
    }
    for (ptrdiff_t n = 0; n < a.n; n++)
      for (ptrdiff_t u = units.begin; u < units.end; u++) static_cast<T*>(a.hn)[n * a.h + u] = state(a, a.t, n)[u];
  }

  // The three panels of a pair, for the steps of the chunk that begins at t: sums = b_ih + b_hh + x * w_ih^T
  static void input_product(const Gru& a, ptrdiff_t pair, ptrdiff_t t, bool far) {
    ptrdiff_t steps = a.t - t < chunk(a) ? a.t - t : chunk(a), all = steps * a.n, p = pair * P;
    const T* bias = bias_of(a, packed_of(a)) + p * width;
    for (ptrdiff_t q = 0; q < P; q++)
      for (ptrdiff_t row = 0; row < all; row++)
        for (ptrdiff_t v = 0; v < V; v++)
          store<T>(sums_of(a, p + q, t) + row * width + v * L, load<T>(bias + q * width + v * L));
    bool even = a.n == 1 || a.x_t == a.n * a.x_n;  // equal distances from row to row: one product for all steps
    ptrdiff_t rows = even ? all : a.n, x_row = a.n == 1 ? a.x_t : a.x_n, panel = chunk(a) * a.n * width;
    for (ptrdiff_t row = 0; row < all; row += rows)
      add_products<V, T>(sums_of(a, p, t) + row * width, panel, width, rows,
                         static_cast<const T*>(a.x) + (t + row / a.n) * a.x_t, x_row,
                         w_ih_of(a, packed_of(a)) + p * a.i * width, a.i * width, a.i, P, far);
  }

  // Panels p .. p + count: sums += x * w_hh^T, x [n, h] dense
  static void product(const Gru& a, ptrdiff_t p, ptrdiff_t count, ptrdiff_t t, const T* x, bool far) {
    add_products<V, T>(sums_of(a, p, t), chunk(a) * a.n * width, width, a.n, x, a.h,
                       w_hh_of(a, packed_of(a)) + p * a.h * width, a.h * width, a.h, count, far);
  }

  static T* kept_of(const Gru& a, ptrdiff_t t, ptrdiff_t n) {
    return static_cast<T*>(a.gates) + t * a.gates_t + n * 4 * a.h;
  }

  // Units u .. u + lanes, whose sums stand in panel p: r, z and q = r . h. At steps that are not valid q is 0, since
  // what x holds there must not come near the others.
  static void reset(const Gru& a, ptrdiff_t p, ptrdiff_t u, ptrdiff_t t) {
    ptrdiff_t count = a.h - u;
    for (ptrdiff_t n = 0; n < a.n && count > 0; n++) {
      T* s = sums_of(a, p, t) + n * width;
      bool valid = is_valid(a, t, n);
      vec<T> r = sigmoid<T>(load<T>(s)), z = sigmoid<T>(load<T>(s + L)),
             q = r * load_lanes<T>(state(a, t, n) + u, count);
      if (!valid) r = z = q = vec<T>{};
      store<T>(s + L, z);
      store_lanes<T>(q_of(a, n) + u, q, count);
      if (!a.gates) continue;
      store_lanes<T>(kept_of(a, t, n) + u, r, count);
      store_lanes<T>(kept_of(a, t, n) + a.h + u, z, count);
      store_lanes<T>(kept_of(a, t, n) + 3 * a.h + u, q, count);
    }
  }

  // Vector v of a pair: z stands in panel p, the sum of n in panel of_n.
  static void outputs(const Gru& a, ptrdiff_t p, ptrdiff_t of_n, ptrdiff_t v, ptrdiff_t t) {
    ptrdiff_t u = (of_n / P * V + v) * L, count = a.h - u;
    for (ptrdiff_t n = 0; n < a.n && count > 0; n++) {
      bool valid = is_valid(a, t, n);
      vec<T> z = load<T>(sums_of(a, p, t) + n * width + L);
      vec<T> value = tanh<T>(load<T>(sums_of(a, of_n, t) + n * width + v * L));
      vec<T> before = load_lanes<T>(state(a, t, n) + u, count), after = value + z * (before - value);
      store_lanes<T>(state(a, t + 1, n) + u, valid ? after : before, count);
      T* y = static_cast<T*>(a.y) + t * a.y_t + n * a.y_n + u;
      store_lanes<T>(y, valid ? after : vec<T>{}, count);
      if (a.gates) store_lanes<T>(kept_of(a, t, n) + 2 * a.h + u, valid ? value : vec<T>{}, count);
    }
  }
};
