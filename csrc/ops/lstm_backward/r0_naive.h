// Idea:  the formulas as they stand: backward through the steps of each sequence, then one dot product per gradient.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: a chain of dependent adds for each number, most of them along columns, a whole row apart.
#pragma once

template <class T>
struct lstm_backward_r0_naive : Plain<LstmBackward> {
  // d' of all steps [t, n, 4h], and of each sequence dh and dc [n, h].
  static size_t scratch_bytes(const LstmBackward& a, int) { return size_t((4 * a.t + 2) * a.n * a.h) * sizeof(T); }
  static T* d_of(const LstmBackward& a, ptrdiff_t t, ptrdiff_t n) {
    return static_cast<T*>(a.workspace.scratch) + (t * a.n + n) * 4 * a.h;
  }

  static void run(const LstmBackward& a, const Team& team) noexcept {
    Range batch = share(a.n, team);
    for (ptrdiff_t n = batch.begin; n < batch.end; n++) sequence(a, n);
    team.barrier(&team);
    inputs(a, team);
    weights(a, team);
  }

  static void sequence(const LstmBackward& a, ptrdiff_t n) {
    const T* dhn = static_cast<const T*>(a.dhn);  // [n, h] or null
    const T* dcn = static_cast<const T*>(a.dcn);  // [n, h] or null
    const T* w_hh = static_cast<const T*>(a.w_hh);
    T* dh = static_cast<T*>(a.workspace.scratch) + (4 * a.t * a.n + n) * a.h;
    T* dc = dh + a.n * a.h;
    for (ptrdiff_t u = 0; u < a.h; u++) {
      dh[u] = dhn ? dhn[n * a.h + u] : T(0);
      dc[u] = dcn ? dcn[n * a.h + u] : T(0);
    }
    for (ptrdiff_t t = a.t - 1; t >= 0; t--) {
      T* d = d_of(a, t, n);
      if (!is_valid(a, t, n)) {
        for (ptrdiff_t j = 0; j < 4 * a.h; j++) d[j] = T(0);
        continue;
      }
      for (ptrdiff_t u = 0; u < a.h; u++) unit(a, t, n, u, dh[u], dc[u]);
      for (ptrdiff_t u = 0; u < a.h; u++) {
        dh[u] = T(0);
        for (ptrdiff_t j = 0; j < 4 * a.h; j++) dh[u] += d[j] * w_hh[j * a.h + u];
      }
    }
    for (ptrdiff_t u = 0; u < a.h; u++) {
      if (a.dh0) static_cast<T*>(a.dh0)[n * a.h + u] = dh[u];
      if (a.dc0) static_cast<T*>(a.dc0)[n * a.h + u] = dc[u];
    }
  }

  // d' of one unit; dc is that of c[t] as the later steps gave it, and becomes that of c[t-1].
  static void unit(const LstmBackward& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u, T dh, T& dc) {
    const T* gates = static_cast<const T*>(a.gates) + t * a.gates_t + n * 4 * a.h + u;
    const T* cells = static_cast<const T*>(a.cells) + n * a.h + u;
    const T* c0 = static_cast<const T*>(a.c0);
    if (a.dy) dh += static_cast<const T*>(a.dy)[t * a.dy_t + n * a.dy_n + u];
    T i = gates[0], f = gates[a.h], g = gates[2 * a.h], o = gates[3 * a.h];
    bool first = t == valid_steps(a, n).begin;
    T before = !first ? cells[(t - 1) * a.cells_t] : c0 ? c0[n * a.h + u] : T(0);  // c[t-1]
    T tanh_c = scalar_tanh<T>(cells[t * a.cells_t]);
    dc += dh * o * (1 - tanh_c * tanh_c);
    T* d = d_of(a, t, n) + u;
    d[0 * a.h] = dc * g * i * (1 - i);
    d[1 * a.h] = dc * before * f * (1 - f);
    d[2 * a.h] = dc * i * (1 - g * g);
    d[3 * a.h] = dh * tanh_c * o * (1 - o);
    dc *= f;
  }

  static void inputs(const LstmBackward& a, const Team& team) {
    if (!a.dx) return;
    const T* w_ih = static_cast<const T*>(a.w_ih);
    Range rows = share(a.t * a.n, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t t = row / a.n, n = row % a.n;
      for (ptrdiff_t k = 0; k < a.i; k++) {
        T s = T(0);
        for (ptrdiff_t j = 0; j < 4 * a.h; j++) s += d_of(a, t, n)[j] * w_ih[j * a.i + k];
        static_cast<T*>(a.dx)[t * a.dx_t + n * a.dx_n + k] = s;
      }
    }
  }

  static void weights(const LstmBackward& a, const Team& team) {
    Range rows = share(4 * a.h, team);
    for (ptrdiff_t j = rows.begin; j < rows.end; j++) {
      if (a.dw_ih)
        for (ptrdiff_t k = 0; k < a.i; k++)
          static_cast<T*>(a.dw_ih)[j * a.i + k] = sum(
              a, j, [&](ptrdiff_t t, ptrdiff_t n) { return static_cast<const T*>(a.x)[t * a.x_t + n * a.x_n + k]; });
      if (a.dw_hh)
        for (ptrdiff_t k = 0; k < a.h; k++)
          static_cast<T*>(a.dw_hh)[j * a.h + k] = sum(a, j, [&](ptrdiff_t t, ptrdiff_t n) {
            const T* h = state_before<T>(a, t, n);
            return h ? h[k] : T(0);
          });
      if (a.db) static_cast<T*>(a.db)[j] = sum(a, j, [](ptrdiff_t, ptrdiff_t) { return T(1); });
    }
  }

  // Sum over all valid steps of all sequences of d'[t, n, j] * value(t, n)
  template <class F>
  static T sum(const LstmBackward& a, ptrdiff_t j, F value) {
    T s = T(0);
    for (ptrdiff_t t = 0; t < a.t; t++)
      for (ptrdiff_t n = 0; n < a.n; n++)
        if (is_valid(a, t, n)) s += d_of(a, t, n)[j] * value(t, n);
    return s;
  }
};
