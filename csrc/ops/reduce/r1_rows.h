// Idea:  each output takes vectors along the last axis, into four registers of partial results.
// Since: r0_naive takes one number at a time, each after the last.
// Why:   four chains of vector additions hide their latency; memory is read front to back.
// Price: sums are made in float, so they go through three levels: 64 steps, 64 of those, and the rest, which keeps an
//        output of n numbers within 130 + n / (16384 lanes) roundings. Short rows feel the fold over the lanes.
#pragma once

template <class T>
struct reduce_r1_rows : Plain<Reduce> {
  static constexpr ptrdiff_t L = lanes<T>, chains = 4, level = 64;

  static const char* supports(const Reduce& a) {
    return a.reduced[reduce_rank - 1] ? nullptr : "needs the last axis, which is innermost in memory, to be reduced";
  }

  template <class F>
  struct Partial {
    vec<T> low[chains], mid, high;
    ptrdiff_t steps = 0, blocks = 0;

    Partial() {
      for (vec<T>& v : low) v = broadcast<T>(F::template none<T>);
      mid = high = low[0];
    }
    vec<T> drain() {
      vec<T> v = F::join(F::join(low[0], low[1]), F::join(low[2], low[3]));
      for (vec<T>& w : low) w = broadcast<T>(F::template none<T>);
      return v;
    }
    void spill() {
      mid = F::join(mid, drain());
      steps = 0;
      if (++blocks == level) high = F::join(high, mid), mid = broadcast<T>(F::template none<T>), blocks = 0;
    }
    vec<T> all() { return F::join(F::join(high, mid), drain()); }

    void row(const T* x, ptrdiff_t n, ptrdiff_t x_step) {
      if (x_step != 1) return strided_row(x, n, x_step);
      ptrdiff_t i = 0;
      while (n - i >= chains * L) {
        ptrdiff_t left = (n - i) / (chains * L), now = left < level - steps ? left : level - steps;
        for (ptrdiff_t end = i + now * chains * L; i < end; i += chains * L)
          for (ptrdiff_t c = 0; c < chains; c++) low[c] = F::join(low[c], load<T>(x + i + c * L));
        if ((steps += now) >= level) spill();
      }
      for (int c = 0; i + L <= n; i += L, c++) low[c] = F::join(low[c], load<T>(x + i));
      if (i < n) low[chains - 1] = F::join(low[chains - 1], filled(load_n<T>(x + i, n - i), n - i));
      if (++steps >= level) spill();
    }

    void strided_row(const T* x, ptrdiff_t n, ptrdiff_t x_step) {
      for (ptrdiff_t i = 0; i < n; i += L) {
        ptrdiff_t count = n - i < L ? n - i : L;
        low[0] = F::join(low[0], filled(load_strided<T>(x + i * x_step, x_step, count), count));
        if (++steps >= level) spill();
      }
    }

    // The lanes from n on do nothing to the result.
    static vec<T> filled(vec<T> v, ptrdiff_t n) {
      if (F::template none<T> == 0) return v;
      T lane[L];
      for (int i = 0; i < L; i++) lane[i] = T(i);
      return load<T>(lane) < T(n) ? v : broadcast<T>(F::template none<T>);
    }
  };

  static void run(const Reduce& a, const Team& team) noexcept {
    constexpr int last = reduce_rank - 1;
    reductions::with_function(a, [&](auto function) {
      using F = decltype(function);
      reductions::Axes kept(a, false, last), reduced(a, true, last);
      Range outputs = share(kept.count, team);
      for (ptrdiff_t k = outputs.begin; k < outputs.end; k++) {
        const T* x = static_cast<const T*>(a.x) + kept.offset(k, kept.x_step);
        Partial<F> partial;
        for (ptrdiff_t r = 0; r < reduced.count; r++)
          partial.row(x + reduced.offset(r, reduced.x_step), a.shape[last], a.x_stride[last]);
        T all = fold_lanes<T>(partial.all(), [](vec<T> p, vec<T> q) { return F::join(p, q); });
        static_cast<T*>(a.y)[kept.offset(k, kept.y_step)] = all / T(a.divisor);
      }
    });
  }
};
