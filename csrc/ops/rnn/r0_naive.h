// Idea:  the formula as it stands: for every step, sequence and hidden unit two dot products, then the function.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: a chain of dependent adds for each unit, and all weights are read again for each sequence and step.
#pragma once

template <class T>
struct rnn_r0_naive : Plain<Rnn> {
  static void run(const Rnn& a, const Team& team) noexcept {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    Range batch = share(a.n, team);             // sequences do not know of each other
    for (ptrdiff_t n = batch.begin; n < batch.end; n++) {
      T* h = static_cast<T*>(a.hn) + n * a.h;  // the state
      for (ptrdiff_t u = 0; u < a.h; u++) h[u] = h0 ? h0[n * a.h + u] : T(0);
      for (ptrdiff_t t = 0; t < a.t; t++) {
        T* y = static_cast<T*>(a.y) + t * a.y_t + n * a.y_n;
        bool valid = is_valid(a, t, n);
        for (ptrdiff_t u = 0; u < a.h; u++) y[u] = valid ? unit(a, sum(a, t, n, u, h)) : T(0);
        for (ptrdiff_t u = 0; u < a.h && valid; u++) h[u] = y[u];
      }
    }
  }

  static T unit(const Rnn& a, T s) { return !a.relu ? scalar_tanh<T>(s) : s < 0 ? T(0) : s; }

  // Row j of the weights: (x[t] * w_ih^T + b_ih + h * w_hh^T + b_hh)[n, j]
  static T sum(const Rnn& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t j, const T* h) {
    const T* x = static_cast<const T*>(a.x) + t * a.x_t + n * a.x_n;
    const T* w_ih = static_cast<const T*>(a.w_ih) + j * a.i;
    const T* w_hh = static_cast<const T*>(a.w_hh) + j * a.h;
    T s = T(0);
    if (a.b_ih) s += static_cast<const T*>(a.b_ih)[j];
    if (a.b_hh) s += static_cast<const T*>(a.b_hh)[j];
    for (ptrdiff_t k = 0; k < a.i; k++) s += x[k] * w_ih[k];
    for (ptrdiff_t k = 0; k < a.h; k++) s += h[k] * w_hh[k];
    return s;
  }
};
