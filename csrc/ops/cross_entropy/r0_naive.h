// Idea:  row by row: the largest logit, the sum of exponentials, the loss.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same. The largest logit is taken out first, because
//        exp(89) is already more than a float holds; then the largest exponential is exp(0) = 1.
// Price: a call to the C library, in double, for each class.
#pragma once

template <class T>
struct cross_entropy_r0_naive : Plain<CrossEntropy> {
  static void run(const CrossEntropy& a, const Team& team) noexcept {
    const T* logits = static_cast<const T*>(a.logits);  // [n, c, s]
    const T* weight = static_cast<const T*>(a.weight);  // [c] or null
    T* loss = static_cast<T*>(a.loss);                  // [n, s]
    T* lse = static_cast<T*>(a.lse);                    // [n, s] or null
    T* row_weight = static_cast<T*>(a.row_weight);      // [n, s] or null
    double smooth = a.label_smoothing / double(a.c);
    Range rows = share(a.n * a.s, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / a.s, s = row % a.s;
      const T* x = logits + n * a.logits_n + s * a.logits_s;
      double largest = -__builtin_inf(), sum = 0, spread = 0;
      for (ptrdiff_t c = 0; c < a.c; c++)
        if (x[c * a.logits_c] > largest) largest = x[c * a.logits_c];  // a NaN among them spoils the sum, as it should
      for (ptrdiff_t c = 0; c < a.c; c++) sum += __builtin_exp(x[c * a.logits_c] - largest);
      double log_sum = largest + __builtin_log(sum);
      if (lse) lse[row] = T(log_sum);

      int64_t t = a.target[n * a.target_n + s * a.target_s];
      bool ignored = t == a.ignore_index;
      if (row_weight) row_weight[row] = ignored ? T(0) : weight ? weight[t] : T(1);
      loss[row] = 0;
      if (ignored) continue;
      if (smooth != 0)
        for (ptrdiff_t c = 0; c < a.c; c++) spread += (weight ? weight[c] : 1) * (log_sum - x[c * a.logits_c]);
      double hit = (weight ? weight[t] : 1) * (log_sum - x[t * a.logits_c]);
      loss[row] = T((1 - a.label_smoothing) * hit + smooth * spread);
    }
  }
};
