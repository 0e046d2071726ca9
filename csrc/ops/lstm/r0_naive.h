// Idea:  the formula as it stands: for every step, sequence and hidden unit, four dot products, then the gates.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: a chain of dependent adds for each gate, and all weights are read again for each sequence and step.
#pragma once

template <class T>
struct lstm_r0_naive : Plain<Lstm> {
  static void run(const Lstm& a, const Team& team) noexcept {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    const T* c0 = static_cast<const T*>(a.c0);  // [n, h] or null
    T* y = static_cast<T*>(a.y);                // [t, n, h]
    T* hn = static_cast<T*>(a.hn);              // [n, h]
    T* cn = static_cast<T*>(a.cn);              // [n, h]
    Range batch = share(a.n, team);             // sequences do not know of each other
    for (ptrdiff_t n = batch.begin; n < batch.end; n++) {
      T* c = cn + n * a.h;
      for (ptrdiff_t u = 0; u < a.h; u++) {
        c[u] = c0 ? c0[n * a.h + u] : T(0);
        hn[n * a.h + u] = h0 ? h0[n * a.h + u] : T(0);
      }
      for (ptrdiff_t t = 0; t < a.t; t++) {
        T *h = hn + n * a.h, *now = y + t * a.y_t + n * a.y_n;  // h[t-1], h[t]
        bool valid = is_valid(a, t, n);
        for (ptrdiff_t u = 0; u < a.h; u++) now[u] = valid ? unit(a, t, n, u, h, c[u]) : T(0);
        for (ptrdiff_t u = 0; u < a.h && valid; u++) h[u] = now[u];
        if (!valid) nothing(a, t, n);
      }
    }
  }

  static void nothing(const Lstm& a, ptrdiff_t t, ptrdiff_t n) {
    for (ptrdiff_t u = 0; u < 4 * a.h && a.gates; u++) static_cast<T*>(a.gates)[t * a.gates_t + n * 4 * a.h + u] = T(0);
    for (ptrdiff_t u = 0; u < a.h && a.cells; u++) static_cast<T*>(a.cells)[t * a.cells_t + n * a.h + u] = T(0);
  }

  // h[t] of unit u in sequence n; c is c[t-1] before and c[t] after.
  static T unit(const Lstm& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t u, const T* h, T& c) {
    T i = scalar_sigmoid<T>(sum(a, t, n, 0 * a.h + u, h));
    T f = scalar_sigmoid<T>(sum(a, t, n, 1 * a.h + u, h));
    T g = scalar_tanh<T>(sum(a, t, n, 2 * a.h + u, h));
    T o = scalar_sigmoid<T>(sum(a, t, n, 3 * a.h + u, h));
    c = f * c + i * g;
    if (a.gates) {
      T* gates = static_cast<T*>(a.gates) + t * a.gates_t + n * 4 * a.h + u;
      gates[0] = i, gates[a.h] = f, gates[2 * a.h] = g, gates[3 * a.h] = o;
    }
    if (a.cells) static_cast<T*>(a.cells)[t * a.cells_t + n * a.h + u] = c;
    return o * scalar_tanh<T>(c);
  }

  // Row j of the weights: (x[t] * w_ih^T + b_ih + h * w_hh^T + b_hh)[n, j]
  static T sum(const Lstm& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t j, const T* h) {
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
