// Idea:  row by row: softmax minus the wanted distribution, times what comes from above.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same. Softmax is exp(logit - lse): the forward pass
//        kept the log-sum-exp, one number per row, instead of a softmax as large as the logits.
// Price: a call to the C library, in double, for each class.
#pragma once

template <class T>
struct cross_entropy_backward_r0_naive : Plain<CrossEntropy> {
  static void run(const CrossEntropy& a, const Team& team) noexcept {
    const T* logits = static_cast<const T*>(a.logits);  // [n, c, s]
    const T* weight = static_cast<const T*>(a.weight);  // [c] or null
    const T* lse = static_cast<const T*>(a.lse);        // [n, s]
    const T* dloss = static_cast<const T*>(a.dloss);    // [n, s]
    T* dlogits = static_cast<T*>(a.dlogits);            // [n, c, s]
    double smooth = a.label_smoothing / double(a.c), weights = 0;
    for (ptrdiff_t c = 0; c < a.c; c++) weights += weight ? weight[c] : 1;
    Range rows = share(a.n * a.s, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.s, s = row % a.s;
      const T* x = logits + n * a.logits_n + s * a.logits_s;
      T* dx = dlogits + n * a.dlogits_n + s * a.dlogits_s;
      int64_t t = a.target[n * a.target_n + s * a.target_s];
      if (t == a.ignore_index) {
        for (ptrdiff_t c = 0; c < a.c; c++) dx[c * a.dlogits_c] = 0;
        continue;
      }
      double scale = dloss[n * a.dloss_n + s * a.dloss_s];
      double hit = (1 - a.label_smoothing) * (weight ? weight[t] : 1), total = hit + smooth * weights;
      for (ptrdiff_t c = 0; c < a.c; c++) {
        double softmax = __builtin_exp(double(x[c * a.logits_c]) - lse[row]);
        double wanted = smooth * (weight ? weight[c] : 1) + (c == t ? hit : 0);
        dx[c * a.dlogits_c] = T(scale * (softmax * total - wanted));
      }
    }
  }
};
