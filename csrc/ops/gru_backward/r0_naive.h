// Idea:  the formulas as they stand: backward through the steps of each sequence, then one dot product per gradient.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: a chain of dependent adds for each number, most of them along columns, a whole row apart.
#pragma once

template <class T>
struct gru_backward_r0_naive : Plain<GruBackward> {
  using A = GruBackward;

  // d' of all steps [t, n, 4h] in the order r z n q, and of each sequence dh [n, h].
  static size_t scratch_bytes(const A& a, int) { return size_t((4 * a.t + 1) * a.n * a.h) * sizeof(T); }
  static T* d_of(const A& a, ptrdiff_t t, ptrdiff_t n) {
    return static_cast<T*>(a.workspace.scratch) + (t * a.n + n) * 4 * a.h;
  }
  static const T* gates_of(const A& a, ptrdiff_t t, ptrdiff_t n) {
    return static_cast<const T*>(a.gates) + t * a.gates_t + n * 4 * a.h;
  }
  static const T* w_hh_of(const A& a, ptrdiff_t j) { return static_cast<const T*>(a.w_hh) + j * a.h; }

  static void run(const A& a, const Team& team) noexcept {
    Range batch = share(a.n, team);
    for (ptrdiff_t n = batch.begin; n < batch.end; n++) sequence(a, n);
    team.barrier(&team);
    inputs(a, team);
    weights(a, team);
  }

  static void sequence(const A& a, ptrdiff_t n) {
    const T* dhn = static_cast<const T*>(a.dhn);  // [n, h] or null
    T* dh = static_cast<T*>(a.workspace.scratch) + (4 * a.t * a.n + n) * a.h;
    for (ptrdiff_t u = 0; u < a.h; u++) dh[u] = dhn ? dhn[n * a.h + u] : T(0);
    for (ptrdiff_t t = a.t - 1; t >= 0; t--) {
      if (is_valid(a, t, n)) step(a, t, n, dh);
      else
        for (ptrdiff_t u = 0; u < 4 * a.h; u++) d_of(a, t, n)[u] = T(0);
    }
    for (ptrdiff_t u = 0; u < a.h && a.dh0; u++) static_cast<T*>(a.dh0)[n * a.h + u] = dh[u];
  }

  // dh is that of h[t] as the later steps gave it, and becomes that of h[t-1].
  static void step(const A& a, ptrdiff_t t, ptrdiff_t n, T* dh) {
    const T *gates = gates_of(a, t, n), *before = state_before<T>(a, t, n);
    const T* dy = a.dy ? static_cast<const T*>(a.dy) + t * a.dy_t + n * a.dy_n : nullptr;
    ptrdiff_t h = a.h;
    T* d = d_of(a, t, n);
    for (ptrdiff_t u = 0; u < h; u++) {
      T z = gates[h + u], v = gates[2 * h + u], arrived = dh[u] + (dy ? dy[u] : T(0));
      d[2 * h + u] = arrived * (1 - z) * (1 - v * v);
      d[h + u] = arrived * ((before ? before[u] : T(0)) - v) * z * (1 - z);
      dh[u] = arrived * z;
    }
    for (ptrdiff_t u = 0; u < h; u++) {
      T r = gates[u], q = gates[3 * h + u], dq = d[2 * h + u] * r;
      if (a.before) dq = through(a, d, 2, 3, u);
      T dr = a.before ? dq * (before ? before[u] : T(0)) : d[2 * h + u] * q;
      d[3 * h + u] = dq;
      d[u] = dr * r * (1 - r);
    }
    for (ptrdiff_t u = 0; u < h; u++) dh[u] += through(a, d, 0, 2, u) + hidden(a, d, u, gates[u]);
  }

  // [d' of the row blocks first .. end] * w_hh, column u
  static T through(const A& a, const T* d, ptrdiff_t first, ptrdiff_t end, ptrdiff_t u) {
    T s = T(0);
    for (ptrdiff_t j = first * a.h; j < end * a.h; j++) s += d[j] * w_hh_of(a, j)[u];
    return s;
  }

  // What dh[t-1] gets by way of n.
  static T hidden(const A& a, const T* d, ptrdiff_t u, T r) {
    if (a.before) return d[3 * a.h + u] * r;
    T s = T(0);
    for (ptrdiff_t j = 0; j < a.h; j++) s += d[3 * a.h + j] * w_hh_of(a, 2 * a.h + j)[u];
    return s;
  }

  static void inputs(const A& a, const Team& team) {
    if (!a.dx) return;
    const T* w_ih = static_cast<const T*>(a.w_ih);
    Range rows = share(a.t * a.n, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t t = row / a.n, n = row % a.n;
      for (ptrdiff_t k = 0; k < a.i; k++) {
        T s = T(0);
        for (ptrdiff_t j = 0; j < 3 * a.h; j++) s += d_of(a, t, n)[j] * w_ih[j * a.i + k];
        static_cast<T*>(a.dx)[t * a.dx_t + n * a.dx_n + k] = s;
      }
    }
  }

  // Row j of the weights' gradients. In that of w_hh, the rows of n have another left or right side than the others.
  static void weights(const A& a, const Team& team) {
    const T* x = static_cast<const T*>(a.x);
    Range rows = share(3 * a.h, team);
    for (ptrdiff_t j = rows.begin; j < rows.end; j++) {
      bool of_n = j >= 2 * a.h;
      ptrdiff_t hidden = of_n && !a.before ? j + a.h : j;
      for (ptrdiff_t k = 0; k < a.i && a.dw_ih; k++)
        static_cast<T*>(a.dw_ih)[j * a.i + k] =
            sum(a, j, [&](ptrdiff_t t, ptrdiff_t n) { return x[t * a.x_t + n * a.x_n + k]; });
      for (ptrdiff_t k = 0; k < a.h && a.dw_hh; k++)
        static_cast<T*>(a.dw_hh)[j * a.h + k] = sum(a, hidden, [&](ptrdiff_t t, ptrdiff_t n) {
          if (of_n && a.before) return gates_of(a, t, n)[3 * a.h + k];
          const T* h = state_before<T>(a, t, n);
          return h ? h[k] : T(0);
        });
      if (a.db_ih) static_cast<T*>(a.db_ih)[j] = sum(a, j, [](ptrdiff_t, ptrdiff_t) { return T(1); });
      if (a.db_hh) static_cast<T*>(a.db_hh)[j] = sum(a, hidden, [](ptrdiff_t, ptrdiff_t) { return T(1); });
    }
  }

  // Sum over all valid steps of all sequences of d'[t, n, j] * value(t, n)
  template <class F>
  static T sum(const A& a, ptrdiff_t j, F value) {
    T s = T(0);
    for (ptrdiff_t t = 0; t < a.t; t++)
      for (ptrdiff_t n = 0; n < a.n; n++)
        if (is_valid(a, t, n)) s += d_of(a, t, n)[j] * value(t, n);
    return s;
  }
};
