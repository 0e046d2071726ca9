// Idea:  where the last axis is kept, neighbouring outputs lie side by side: one in each lane, four vectors at a time.
// Since: r1_rows needs the last axis to be reduced.
// Why:   nothing is folded over lanes. Narrow outputs take several rows at once instead of several vectors, so that
//        there are always eight chains of additions.
// Price: walks along the reduced axes have a stride. Sums go through the three levels of r1_rows.
#pragma once

template <class T>
struct reduce_r2_columns : Plain<Reduce> {
  static constexpr ptrdiff_t L = lanes<T>, chains = 8, widest = 4, level = 64;
  static constexpr int last = reduce_rank - 1;

  static const char* supports(const Reduce& a) {
    return a.reduced[last] ? "needs the last axis, which is innermost in memory, to be kept" : nullptr;
  }

  static void run(const Reduce& a, const Team& team) noexcept {
    reductions::with_function(a, [&](auto function) {
      using F = decltype(function);
      reductions::Axes kept(a, false, last), reduced(a, true, last);
      ptrdiff_t width = a.shape[last], blocks = (width + widest * L - 1) / (widest * L);
      Range items = share(kept.count * blocks, team);
      for (ptrdiff_t item = items.begin; item < items.end; item++) {
        ptrdiff_t k = item / blocks, begin = item % blocks * widest * L;
        ptrdiff_t end = begin + widest * L < width ? begin + widest * L : width;
        const T* x = static_cast<const T*>(a.x) + kept.offset(k, kept.x_step);
        T* y = static_cast<T*>(a.y) + kept.offset(k, kept.y_step);
        for (ptrdiff_t i = begin; i < end;) i += columns<F>(a, reduced, x, y, i, end - i);
      }
    });
  }

  // As many of the n columns from i on as fill whole vectors (1, 2 or 4), or what is left of one: how many it were.
  template <class F>
  static ptrdiff_t columns(const Reduce& a, const reductions::Axes& reduced, const T* x, T* y, ptrdiff_t i,
                           ptrdiff_t n) {
    x += i * a.x_stride[last], y += i * a.y_stride[last];
    bool dense = a.x_stride[last] == 1;
    if (dense && n >= 4 * L) return block<F, 4, true>(a, reduced, x, y, 4 * L);
    if (dense && n >= 2 * L) return block<F, 2, true>(a, reduced, x, y, 2 * L);
    if (dense && n >= L) return block<F, 1, true>(a, reduced, x, y, L);
    return block<F, 1, false>(a, reduced, x, y, n < L ? n : L);
  }

  template <class F, int B, bool whole>
  static __attribute__((noinline)) ptrdiff_t block(const Reduce& a, const reductions::Axes& reduced, const T* x, T* y,
                                                   ptrdiff_t n) noexcept {
    constexpr ptrdiff_t U = chains / B;  // rows at once
    const vec<T> none = broadcast<T>(F::template none<T>);
    ptrdiff_t x_i = a.x_stride[last], y_i = a.y_stride[last];
    auto get = [=](const T* p) { return whole ? load<T>(p) : load_strided<T>(p, x_i, n); };
    vec<T> mid[B], high[B];
    for (int b = 0; b < B; b++) mid[b] = high[b] = none;
    // The rows of all reduced axes: `inner` along the last of them, `outer` along the others.
    ptrdiff_t inner = reduced.rank ? reduced.length[reduced.rank - 1] : 1;
    ptrdiff_t step = reduced.rank ? reduced.x_step[reduced.rank - 1] : 0, spilled = 0;
    for (ptrdiff_t outer = 0; outer < reduced.count; outer += inner) {
      const T* row = x + reduced.offset(outer, reduced.x_step);
      for (ptrdiff_t r = 0; r < inner;) {
        vec<T> low[U][B];
        for (auto& line : low)
          for (vec<T>& v : line) v = none;
        ptrdiff_t stop = r + U * level < inner ? r + U * level : inner;
        for (; r + U <= stop; r += U)
          for (int u = 0; u < U; u++)
            for (int b = 0; b < B; b++) low[u][b] = F::join(low[u][b], get(row + (r + u) * step + b * L));
        for (; r < stop; r++)
          for (int b = 0; b < B; b++) low[0][b] = F::join(low[0][b], get(row + r * step + b * L));
        for (int b = 0; b < B; b++) {
          vec<T> v = low[0][b];
          for (int u = 1; u < U; u++) v = F::join(v, low[u][b]);
          mid[b] = F::join(mid[b], v);
        }
        if (++spilled % level == 0)
          for (int b = 0; b < B; b++) high[b] = F::join(high[b], mid[b]), mid[b] = none;
      }
    }
    T divisor = T(a.divisor);
    for (int b = 0; b < B; b++) {
      vec<T> v = F::join(high[b], mid[b]) / divisor;
      store_strided<T>(y + b * L * y_i, v, y_i, whole ? L : n);
    }
    return n;
  }
};
