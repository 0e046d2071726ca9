// Idea:  the formula as it stands: for every step, sequence and hidden unit the dot products, then the gates.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: a chain of dependent adds for each gate, and all weights are read again for each sequence and step.
#pragma once

template <class T>
struct gru_r0_naive : Plain<Gru> {
  // z and r . h[t-1] of each sequence: [n][2][h]
  static size_t scratch_bytes(const Gru& a, int) { return size_t(2 * a.n * a.h) * sizeof(T); }

  static void run(const Gru& a, const Team& team) noexcept {
    const T* h0 = static_cast<const T*>(a.h0);  // [n, h] or null
    Range batch = share(a.n, team);             // sequences do not know of each other
    for (ptrdiff_t n = batch.begin; n < batch.end; n++) {
      T* h = static_cast<T*>(a.hn) + n * a.h;  // the state
      for (ptrdiff_t u = 0; u < a.h; u++) h[u] = h0 ? h0[n * a.h + u] : T(0);
      for (ptrdiff_t t = 0; t < a.t; t++) {
        T* y = static_cast<T*>(a.y) + t * a.y_t + n * a.y_n;
        bool valid = is_valid(a, t, n);
        if (valid) step(a, t, n, h, y);
        else nothing(a, t, n, y);
        for (ptrdiff_t u = 0; u < a.h && valid; u++) h[u] = y[u];
      }
    }
  }

  static T* gates_of(const Gru& a, ptrdiff_t t, ptrdiff_t n) {
    return static_cast<T*>(a.gates) + t * a.gates_t + n * 4 * a.h;
  }

  // A step that is not valid.
  static void nothing(const Gru& a, ptrdiff_t t, ptrdiff_t n, T* y) {
    for (ptrdiff_t u = 0; u < a.h; u++) y[u] = T(0);
    for (ptrdiff_t u = 0; u < 4 * a.h && a.gates; u++) gates_of(a, t, n)[u] = T(0);
  }

  static void step(const Gru& a, ptrdiff_t t, ptrdiff_t n, const T* h, T* y) {
    T* z = static_cast<T*>(a.workspace.scratch) + 2 * n * a.h;
    T* q = z + a.h;  // at first r, then q, unit by unit
    for (ptrdiff_t u = 0; u < a.h; u++) {
      T r = scalar_sigmoid<T>(input_sum(a, t, n, u) + hidden_sum(a, u, h));
      z[u] = scalar_sigmoid<T>(input_sum(a, t, n, a.h + u) + hidden_sum(a, a.h + u, h));
      q[u] = a.before ? r * h[u] : hidden_sum(a, 2 * a.h + u, h);
      y[u] = r;
    }
    for (ptrdiff_t u = 0; u < a.h; u++) {
      T r = y[u], s = input_sum(a, t, n, 2 * a.h + u);
      T v = scalar_tanh<T>(s + (a.before ? hidden_sum(a, 2 * a.h + u, q) : r * q[u]));
      y[u] = v + z[u] * (h[u] - v);
      if (!a.gates) continue;
      T* gates = gates_of(a, t, n) + u;
      gates[0] = r, gates[a.h] = z[u], gates[2 * a.h] = v, gates[3 * a.h] = q[u];
    }
  }

  // Row j of the weights: (x[t] * w_ih^T + b_ih)[n, j] and (h * w_hh^T + b_hh)[n, j]
  static T input_sum(const Gru& a, ptrdiff_t t, ptrdiff_t n, ptrdiff_t j) {
    const T* x = static_cast<const T*>(a.x) + t * a.x_t + n * a.x_n;
    return dot(x, static_cast<const T*>(a.w_ih) + j * a.i, a.i, static_cast<const T*>(a.b_ih), j);
  }
  static T hidden_sum(const Gru& a, ptrdiff_t j, const T* h) {
    return dot(h, static_cast<const T*>(a.w_hh) + j * a.h, a.h, static_cast<const T*>(a.b_hh), j);
  }
  static T dot(const T* x, const T* w, ptrdiff_t depth, const T* bias, ptrdiff_t j) {
    T s = bias ? bias[j] : T(0);
    for (ptrdiff_t k = 0; k < depth; k++) s += x[k] * w[k];
    return s;
  }
};
