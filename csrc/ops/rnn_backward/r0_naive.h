// Idea:  the formulas as they stand: backward through the steps of each sequence, then one dot product per gradient.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: a chain of dependent adds for each number, most of them along columns, a whole row apart.
#pragma once

template <class T>
struct rnn_backward_r0_naive : Plain<RnnBackward> {
  using A = RnnBackward;

  // d' of all steps [t, n, h], and of each sequence dh [n, h].
  static size_t scratch_bytes(const A& a, int) { return size_t((a.t + 1) * a.n * a.h) * sizeof(T); }
  static T* d_of(const A& a, ptrdiff_t t, ptrdiff_t n) {
    return static_cast<T*>(a.workspace.scratch) + (t * a.n + n) * a.h;
  }

  static void run(const A& a, const Team& team) noexcept {
    Range batch = share(a.n, team);
    for (ptrdiff_t n = batch.begin; n < batch.end; n++) sequence(a, n);
    team.barrier(&team);
    inputs(a, team);
    weights(a, team);
  }

  static void sequence(const A& a, ptrdiff_t n) {
    const T* dhn = static_cast<const T*>(a.dhn);  // [n, h] or null
    const T* w_hh = static_cast<const T*>(a.w_hh);
    T* dh = d_of(a, a.t, n);
    for (ptrdiff_t u = 0; u < a.h; u++) dh[u] = dhn ? dhn[n * a.h + u] : T(0);
    for (ptrdiff_t t = a.t - 1; t >= 0; t--) {
      T* d = d_of(a, t, n);
      bool valid = is_valid(a, t, n);
      for (ptrdiff_t u = 0; u < a.h; u++) d[u] = valid ? unit(a, t, n, u, dh[u]) : T(0);
      for (ptrdiff_t u = 0; u < a.h && valid; u++) {
        dh[u] = T(0);
        for (ptrdiff_t j = 0; j < a.h; j++) dh[u] += d[j] * w_hh[j * a.h + u];
      }
    }
    for (ptrdiff_t u = 0; u < a.h && a.dh0; u++) static_cast<T*>(a.dh0)[n * a.h + u] = dh[u];
  }

  // d' of one unit
  static T unit(const A& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u, T dh) {
    T y = static_cast<const T*>(a.y)[t * a.y_t + n * a.y_n + u];
    if (a.dy) dh += static_cast<const T*>(a.dy)[t * a.dy_t + n * a.dy_n + u];
    return !a.relu ? dh * (1 - y * y) : y > 0 ? dh : T(0);
  }

  static void inputs(const A& a, const Team& team) {
    if (!a.dx) return;
    const T* w_ih = static_cast<const T*>(a.w_ih);
    Range rows = share(a.t * a.n, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t t = row / a.n, n = row % a.n;
      for (ptrdiff_t k = 0; k < a.i; k++) {
        T s = T(0);
        for (ptrdiff_t j = 0; j < a.h; j++) s += d_of(a, t, n)[j] * w_ih[j * a.i + k];
        static_cast<T*>(a.dx)[t * a.dx_t + n * a.dx_n + k] = s;
      }
    }
  }

  static void weights(const A& a, const Team& team) {
    const T* x = static_cast<const T*>(a.x);
    Range rows = share(a.h, team);
    for (ptrdiff_t j = rows.begin; j < rows.end; j++) {
      for (ptrdiff_t k = 0; k < a.i && a.dw_ih; k++)
        static_cast<T*>(a.dw_ih)[j * a.i + k] =
            sum(a, j, [&](ptrdiff_t t, ptrdiff_t n) { return x[t * a.x_t + n * a.x_n + k]; });
      for (ptrdiff_t k = 0; k < a.h && a.dw_hh; k++)
        static_cast<T*>(a.dw_hh)[j * a.h + k] = sum(a, j, [&](ptrdiff_t t, ptrdiff_t n) {
          const T* h = state_before<T>(a, t, n);
          return h ? h[k] : T(0);
        });
      if (a.db) static_cast<T*>(a.db)[j] = sum(a, j, [](ptrdiff_t, ptrdiff_t) { return T(1); });
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
