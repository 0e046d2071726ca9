// Idea:  a vector of classes at a time; the wanted class is put right afterwards.
// Since: r0_naive calls exp once for each class and asks of each whether it is the wanted one.
// Why:   exp as a polynomial in registers (simd/math.h), and no question inside the loop.
// Price: where classes are not neighbours in memory they are gathered and scattered one by one.
#pragma once

template <class T>
struct cross_entropy_backward_r1_vec : Plain<CrossEntropy> {
  static constexpr ptrdiff_t L = lanes<T>;

  static void run(const CrossEntropy& a, const Team& team) noexcept {
    const T* logits = static_cast<const T*>(a.logits);  // [n, c, s]
    const T* weight = static_cast<const T*>(a.weight);  // [c] or null
    const T* lse = static_cast<const T*>(a.lse);        // [n, s]
    const T* dloss = static_cast<const T*>(a.dloss);    // [n, s]
    T* dlogits = static_cast<T*>(a.dlogits);            // [n, c, s]
    T keep = T(1 - a.label_smoothing), smooth = T(a.label_smoothing / double(a.c));
    T weights = weight ? T(0) : T(a.c);
    for (ptrdiff_t c = 0; weight && c < a.c; c++) weights += weight[c];
    Range rows = share(a.n * a.s, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.s, s = row % a.s;
      const T* x = logits + n * a.logits_n + s * a.logits_s;
      T* dx = dlogits + n * a.dlogits_n + s * a.dlogits_s;
      int64_t t = a.target[n * a.target_n + s * a.target_s];
      bool ignored = t == a.ignore_index;
      T scale = ignored ? T(0) : dloss[n * a.dloss_n + s * a.dloss_s];
      T hit = ignored ? T(0) : keep * (weight ? weight[t] : T(1));
      T total = hit + smooth * weights;
      for (ptrdiff_t c = 0; c < a.c; c += L) {
        ptrdiff_t count = a.c - c < L ? a.c - c : L;
        vec<T> softmax = exp<T>(load_strided<T>(x + c * a.logits_c, a.logits_c, count) - lse[row]);
        vec<T> wanted = smooth * (weight ? load_strided<T>(weight + c, 1, count) : broadcast<T>(1));
        vec<T> gradient = ignored ? vec<T>{} : scale * (softmax * total - wanted);
        store_strided<T>(dx + c * a.dlogits_c, gradient, a.dlogits_c, count);
      }
      if (!ignored) {  // once more for the wanted class, before it is rounded: softmax near 1 minus 1 loses no digits
        vec<T> softmax = exp<T>(broadcast<T>(x[t * a.logits_c] - lse[row]));
        T wanted = smooth * (weight ? weight[t] : T(1)) + hit;
        dx[t * a.dlogits_c] = scale * (get_lane<T>(softmax, 0) * total - wanted);
      }
    }
  }
};
