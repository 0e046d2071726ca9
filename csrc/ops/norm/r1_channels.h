// Idea:  neighbouring channels in the lanes. Every piece of the rows gets its own mean and sum of squared distances,
//        block by block while a block is in L1 (two walks over it), and the pieces are put together afterwards.
// Since: r0_naive walks three times over each set.
// Why:   one walk over memory for the statistics and one for the result, and no sum of squares that cancels: mean and
//        M2 of two parts are joined by Chan's formula, M2 = M2a + M2b + (mb - ma)^2 * na * nb / (na + nb).
//        Batch, instance and group norm differ only in which pieces are put together.
// Price: channels side by side. Few channels fill vectors only where several places can be read as one row, whose
//        copies of a channel are put together too. Three meetings of the team.
// Source: Chan, Golub and LeVeque, "Algorithms for computing the sample variance", 1983.
#pragma once

template <class T>
struct norm_r1_channels : Plain<Norm> {
  static constexpr bool epilogue = true;
  static constexpr ptrdiff_t L = lanes<T>;
  static constexpr int panel = 4;  // vectors of channels summed together: 4 additions in flight hide their latency

  static const char* supports(const Norm& a) {
    return a.c > 1 && (a.x_c != 1 || a.y_c != 1) ? "needs channels-last arrays (x_c = y_c = 1)" : nullptr;
  }

  // [images, chunks, 2, width] mean and M2 of the pieces; then [images, 3, width] mean, scale and shift.
  static size_t scratch_bytes(const Norm& a, int) {
    NormPieces p(a, L);
    return size_t(p.images * (p.chunks * 2 + 3) * p.width) * sizeof(T);
  }

  static void run(const Norm& a, const Team& team) noexcept {
    if (a.n * a.s * a.c == 0) return;
    NormPieces p(a, L);
    T* parts = static_cast<T*>(a.workspace.scratch);
    T* tables = parts + p.images * p.chunks * 2 * p.width;
    if (!a.given) {
      Range items = share(p.images * p.chunks * p.slabs, team);
      for (ptrdiff_t i = items.begin; i < items.end; i++) {
        ptrdiff_t piece = i / p.slabs, c0 = i % p.slabs * p.slab;
        ptrdiff_t c1 = NormPieces::min(c0 + p.slab, p.c);
        sum_piece(a, p, piece / p.chunks, p.chunk(piece % p.chunks), c0, c1, parts + piece * 2 * p.width);
      }
      team.barrier(&team);
      join_chunks(p, parts, team);
      if (p.fold > 1 || (a.over_n ? p.images > 1 : a.groups < a.c)) team.barrier(&team);
    }
    make_tables(a, p, parts, tables, team);
    if (!a.y) return;
    team.barrier(&team);
    apply(a, p, tables, team);
  }

  // ---- the statistics of one piece ----

  static void sum_piece(const Norm& a, const NormPieces& p, ptrdiff_t image, Range rows, ptrdiff_t c0, ptrdiff_t c1,
                        T* part) noexcept {
    const T* x = static_cast<const T*>(a.x) + image * p.x_n;
    ptrdiff_t step = p.block_rows(c1 - c0);
    if (rows.begin >= rows.end)
      for (ptrdiff_t c = c0; c < c1; c += L) store<T>(part + c, vec<T>{}), store<T>(part + p.width + c, vec<T>{});
    for (ptrdiff_t r = rows.begin; r < rows.end; r += step) {
      ptrdiff_t count = NormPieces::min(step, rows.end - r), before = r - rows.begin, c = c0;
      const T* block = x + r * p.x_s;
      auto whole = [](const T* q) { return load<T>(q); };
      for (; c + panel * L <= c1; c += panel * L)
        sum_block<panel>(block + c, p.x_s, count, before, part + c, p.width, whole);
      for (; c + L <= c1; c += L) sum_block<1>(block + c, p.x_s, count, before, part + c, p.width, whole);
      auto some = [n = c1 - c](const T* q) { return load_n<T>(q, n); };
      if (c < c1) sum_block<1>(block + c, p.x_s, count, before, part + c, p.width, some);
    }
  }

  // Joins the mean and M2 of `count` rows to those of the `before` rows that are in `part` already.
  template <int V, class Load>
  static inline __attribute__((always_inline)) void sum_block(const T* x, ptrdiff_t x_s, ptrdiff_t count,
                                                              ptrdiff_t before, T* part, ptrdiff_t width, Load load_x) {
    vec<T> sum[V] = {}, mean[V], m2[V] = {};
    for (ptrdiff_t r = 0; r < count; r++) UNROLL for (int v = 0; v < V; v++) sum[v] += load_x(x + r * x_s + v * L);
    UNROLL for (int v = 0; v < V; v++) mean[v] = sum[v] / T(count);
    for (ptrdiff_t r = 0; r < count; r++) UNROLL for (int v = 0; v < V; v++) {
        vec<T> d = load_x(x + r * x_s + v * L) - mean[v];
        m2[v] += d * d;
      }
    T fraction = T(count) / T(count + before);
    UNROLL for (int v = 0; v < V; v++) {
      if (before) {
        vec<T> old = load<T>(part + v * L), d = mean[v] - old;
        mean[v] = old + d * fraction;
        m2[v] += load<T>(part + width + v * L) + d * d * (T(before) * fraction);
      }
      store<T>(part + v * L, mean[v]);
      store<T>(part + width + v * L, m2[v]);
    }
  }

  // ---- from pieces to sets ----

  // Mean and M2 of the pieces in `parts`, whose counts are given, into the first of them.
  template <class Count>
  static void join(T* parts, ptrdiff_t pieces, ptrdiff_t step, ptrdiff_t width, Count count) noexcept {
    vec<T> mean{}, m2{};
    T total = 0;
    for (ptrdiff_t i = 0; i < pieces; i++) total += T(count(i));
    for (ptrdiff_t i = 0; i < pieces; i++) mean += load<T>(parts + i * step) * (T(count(i)) / total);
    for (ptrdiff_t i = 0; i < pieces; i++) {
      vec<T> d = load<T>(parts + i * step) - mean;
      m2 += load<T>(parts + i * step + width) + d * d * T(count(i));
    }
    store<T>(parts, mean);
    store<T>(parts + width, m2);
  }

  static void join_chunks(const NormPieces& p, T* parts, const Team& team) noexcept {
    ptrdiff_t vectors = p.width / L, step = 2 * p.width;
    if (p.chunks == 1) return;
    Range items = share(p.images * vectors, team);
    for (ptrdiff_t i = items.begin; i < items.end; i++)
      join(parts + i / vectors * p.chunks * step + i % vectors * L, p.chunks, step, p.width,
           [&](ptrdiff_t k) { return p.chunk(k).end - p.chunk(k).begin; });
  }

  // Mean and variance of the sets, written out, and as tables that every channel of an image can be looked up in.
  static void make_tables(const Norm& a, const NormPieces& p, T* parts, T* tables, const Team& team) noexcept {
    ptrdiff_t vectors = p.width / L, step = p.chunks * 2 * p.width;
    T* mean = static_cast<T*>(a.mean);
    T* var = static_cast<T*>(a.var);
    if (a.groups == a.c && a.centre && p.fold == 1) {  // batch and instance norm: a vector of sets at a time
      ptrdiff_t sets = a.over_n ? 1 : p.images;
      Range items = share(sets * vectors, team);
      for (ptrdiff_t i = items.begin; i < items.end; i++) {
        ptrdiff_t image = i / vectors, c = i % vectors * L, n = NormPieces::min(L, a.c - c);
        T* part = parts + image * step + c;
        if (a.over_n && p.images > 1 && !a.given)
          join(part, p.images, step, p.width, [&](ptrdiff_t) { return p.rows; });
        ptrdiff_t count = a.over_n ? p.images * p.rows : p.rows;
        vec<T> m = a.given ? load_n<T>(mean + image * a.c + c, n) : load<T>(part);
        vec<T> v = a.given ? load_n<T>(var + image * a.c + c, n) : load<T>(part + p.width) / T(count);
        if (!a.given) store_n<T>(mean + image * a.c + c, m, n), store_n<T>(var + image * a.c + c, v, n);
        for (ptrdiff_t to = image; to < (a.over_n ? p.images : image + 1); to++)
          fill_table(a, tables + to * 3 * p.width, p.width, c, n, m, v);
      }
      return;
    }
    // A set is a group of neighbouring channels, or, folded, the copies of one channel.
    ptrdiff_t count = p.fold > 1 ? p.fold : a.c / a.groups, apart = p.fold > 1 ? a.c : 1;
    Range items = share(p.images * a.groups, team);
    for (ptrdiff_t i = items.begin; i < items.end; i++) {
      ptrdiff_t image = i / a.groups, group = i % a.groups, first = p.fold > 1 ? group : group * count;
      if (!a.given)
        join_channels(a.centre, parts + image * step + first, p.width, count, apart, p.rows, mean[i], var[i]);
      T* table = tables + image * 3 * p.width;
      T rstd = get_lane<T>(reciprocal_root<T>(broadcast<T>(var[i] + T(a.eps))), 0);
      for (ptrdiff_t k = 0; k < count; k++) {
        ptrdiff_t c = first + k * apart, channel = p.fold > 1 ? group : c;
        table[c] = mean[i];
        table[p.width + c] = a.weight ? rstd * static_cast<const T*>(a.weight)[channel] : rstd;
        table[2 * p.width + c] = a.bias ? static_cast<const T*>(a.bias)[channel] : T(0);
      }
    }
  }

  static void join_channels(bool centre, const T* part, ptrdiff_t width, ptrdiff_t count, ptrdiff_t apart,
                            ptrdiff_t rows, T& mean, T& var) noexcept {
    T sum = 0, m2 = 0;
    for (ptrdiff_t k = 0; k < count; k++) sum += part[k * apart];
    mean = centre ? sum / T(count) : T(0);
    for (ptrdiff_t k = 0; k < count; k++) {
      T d = part[k * apart] - mean;
      m2 += part[width + k * apart] + d * d * T(rows);
    }
    var = m2 / (T(rows) * T(count));
  }

  static void fill_table(const Norm& a, T* table, ptrdiff_t width, ptrdiff_t c, ptrdiff_t n, vec<T> m,
                         vec<T> v) noexcept {
    vec<T> scale = reciprocal_root<T>(v + T(a.eps));
    if (a.weight) scale = scale * load_n<T>(static_cast<const T*>(a.weight) + c, n);
    store<T>(table + c, m);
    store<T>(table + width + c, scale);
    store<T>(table + 2 * width + c, a.bias ? load_n<T>(static_cast<const T*>(a.bias) + c, n) : vec<T>{});
  }

  // ---- the result ----

  static void apply(const Norm& a, const NormPieces& p, const T* tables, const Team& team) noexcept {
    auto go = [&](auto adds, auto clips) { apply_all<adds.value, clips.value>(a, p, tables, team); };
    if (a.add) a.activation ? go(Yes{}, Yes{}) : go(Yes{}, No{});
    else a.activation ? go(No{}, Yes{}) : go(No{}, No{});
  }

  template <bool adds, bool clips>
  static void apply_all(const Norm& a, const NormPieces& p, const T* tables, const Team& team) noexcept {
    constexpr ptrdiff_t step = 16;  // rows that share one look into the tables
    ptrdiff_t blocks = (p.rows + step - 1) / step;
    bool past = sizeof(vec<T>) == 64 && goes_past<T>(a.y, a.x, p.y_s | p.y_n, a.n * a.s * a.c * sizeof(T));
    Range items = share(p.images * blocks, team);
    from_the_end(items, [&](ptrdiff_t i) {
      ptrdiff_t image = i / blocks, r = i % blocks * step, count = NormPieces::min(step, p.rows - r), c = 0;
      ptrdiff_t at = image * p.y_n + r * p.y_s;
      const T* x = static_cast<const T*>(a.x) + image * p.x_n + r * p.x_s;
      const T* add = adds ? static_cast<const T*>(a.add) + at : x;
      T* y = static_cast<T*>(a.y) + at;
      const T* table = tables + image * 3 * p.width;
      for (; c + panel * L <= p.c; c += panel * L)
        apply_block<panel, adds, clips>(x + c, p.x_s, add + c, y + c, p.y_s, count, table + c, p.width, L, past);
      for (; c < p.c; c += L)
        apply_block<1, adds, clips>(x + c, p.x_s, add + c, y + c, p.y_s, count, table + c, p.width, p.c - c, past);
    });
    if (past) stream_end();
  }

  template <int V, bool adds, bool clips>
  static inline __attribute__((always_inline)) void apply_block(const T* x, ptrdiff_t x_s, const T* add, T* y,
                                                                ptrdiff_t y_s, ptrdiff_t count, const T* table,
                                                                ptrdiff_t width, ptrdiff_t n, bool past) {
    vec<T> mean[V], scale[V], shift[V];
    UNROLL for (int v = 0; v < V; v++) {
      mean[v] = load<T>(table + v * L);
      scale[v] = load<T>(table + width + v * L);
      shift[v] = load<T>(table + 2 * width + v * L);
    }
    for (ptrdiff_t r = 0; r < count; r++, x += x_s, add += adds ? y_s : 0, y += y_s)
      UNROLL for (int v = 0; v < V; v++) {
        vec<T> z = ((n >= L ? load<T>(x + v * L) : load_n<T>(x, n)) - mean[v]) * scale[v] + shift[v];
        if constexpr (adds) z += n >= L ? load<T>(add + v * L) : load_n<T>(add, n);
        if constexpr (clips) z = z <= T(0) ? vec<T>{} : z;
        if (n >= L) put<T>(y + v * L, z, past);
        else store_n<T>(y, z, n);
      }
  }
};
