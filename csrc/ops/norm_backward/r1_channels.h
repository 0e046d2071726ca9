// Idea:  neighbouring channels in the lanes. Every piece of the rows gets its own sums of dy and of dy * h, the pieces
//        are added up in one order, and dx = k1 * dy + k2 * (x - mean) + k3 with three numbers per channel.
// Since: r0_naive walks over everything five times, with a stride of all channels.
// Why:   x and dy are read twice, and written once. Means over a group are sums over its channels of the channels'
// sums,
//        so batch, instance and group norm differ in nothing but those few numbers.
// Price: channels side by side; few of them fill vectors only where several places can be read as one row. Four
//        meetings of the team.
#pragma once

template <class T>
struct norm_backward_r1_channels : Plain<Norm> {
  static constexpr bool epilogue = true;
  static constexpr ptrdiff_t L = lanes<T>;
  static constexpr int panel = 4;

  static const char* supports(const Norm& a) {
    return a.c > 1 && (a.x_c != 1 || a.y_c != 1 || (a.dx && a.dx_c != 1))
               ? "needs channels-last arrays (x_c = y_c = dx_c = 1)"
               : nullptr;
  }

  // [images, 4, width] mean, rstd, scale and shift; [images, chunks, 2, width] sums of dy and dy * h; [images, 3,
  // width] k1 to k3
  static size_t scratch_bytes(const Norm& a, int) {
    NormPieces p(a, L);
    return size_t(p.images * (4 + p.chunks * 2 + 3) * p.width) * sizeof(T);
  }

  static void run(const Norm& a, const Team& team) noexcept {
    NormPieces p(a, L);
    T* stats = static_cast<T*>(a.workspace.scratch);
    T* parts = stats + p.images * 4 * p.width;
    T* tables = parts + p.images * p.chunks * 2 * p.width;
    fill_stats(a, p, stats, team);
    team.barrier(&team);
    if (a.activation) sum_pieces<true>(a, p, stats, parts, team);
    else sum_pieces<false>(a, p, stats, parts, team);
    team.barrier(&team);
    join_chunks(p, parts, team);
    team.barrier(&team);
    affine(a, p, parts, team);
    if (!a.dx || a.n * a.s * a.c == 0) return;
    make_tables(a, p, stats, parts, tables, team);
    team.barrier(&team);
    if (a.activation) apply<true>(a, p, stats, tables, team);
    else apply<false>(a, p, stats, tables, team);
  }

  // Mean, rstd, and the forward pass's scale and shift of every channel of every image; 0 behind the last channel.
  static void fill_stats(const Norm& a, const NormPieces& p, T* stats, const Team& team) noexcept {
    const T* mean = static_cast<const T*>(a.mean);
    const T* var = static_cast<const T*>(a.var);
    ptrdiff_t vectors = p.width / L;
    Range items = share(p.images * vectors, team);
    for (ptrdiff_t i = items.begin; i < items.end; i++) {
      ptrdiff_t image = i / vectors, c0 = i % vectors * L, group_width = a.c / a.groups;
      T m[L], v[L], w[L], b[L];
      for (ptrdiff_t k = 0; k < L; k++) {
        ptrdiff_t channel = p.fold > 1 ? (c0 + k) % a.c : c0 + k;
        ptrdiff_t set = (a.over_n ? 0 : image * a.groups) + channel / group_width;
        m[k] = c0 + k < p.c ? mean[set] : T(0);
        v[k] = c0 + k < p.c ? var[set] + T(a.eps) : T(1);
        w[k] = c0 + k < p.c && a.weight ? static_cast<const T*>(a.weight)[channel] : T(1);
        b[k] = c0 + k < p.c && a.bias ? static_cast<const T*>(a.bias)[channel] : T(0);
      }
      T* table = stats + image * 4 * p.width + c0;
      vec<T> rstd = reciprocal_root<T>(load<T>(v));
      store<T>(table, load<T>(m));
      store<T>(table + p.width, rstd);
      store<T>(table + 2 * p.width, rstd * load<T>(w));
      store<T>(table + 3 * p.width, load<T>(b));
    }
  }

  // dy where ReLU let something through. The forward pass rounds in the same places, so it is the same question.
  static inline __attribute__((always_inline)) vec<T> passed(vec<T> dy, vec<T> from_mean, vec<T> scale, vec<T> shift) {
    vec<T> y = from_mean * scale + shift;
    return y <= T(0) ? vec<T>{} : dy;
  }

  template <bool clips>
  static void sum_pieces(const Norm& a, const NormPieces& p, const T* stats, T* parts, const Team& team) noexcept {
    Range items = share(p.images * p.chunks * p.slabs, team);
    for (ptrdiff_t i = items.begin; i < items.end; i++) {
      ptrdiff_t piece = i / p.slabs, image = piece / p.chunks, c0 = i % p.slabs * p.slab;
      sum_piece<clips>(a, p, image, p.chunk(piece % p.chunks), c0, NormPieces::min(c0 + p.slab, p.c),
                       stats + image * 4 * p.width, parts + piece * 2 * p.width);
    }
  }

  template <bool clips>
  static void sum_piece(const Norm& a, const NormPieces& p, ptrdiff_t image, Range rows, ptrdiff_t c0, ptrdiff_t c1,
                        const T* stats, T* part) noexcept {
    for (ptrdiff_t c = c0; c < c1; c += L) store<T>(part + c, vec<T>{}), store<T>(part + p.width + c, vec<T>{});
    ptrdiff_t step = 64;  // rows summed in registers before they go to the piece's sum: two short sums round less
    for (ptrdiff_t r = rows.begin; r < rows.end; r += step) {
      ptrdiff_t count = NormPieces::min(step, rows.end - r), c = c0;
      const T* x = static_cast<const T*>(a.x) + image * p.x_n + r * p.x_s;
      const T* dy = static_cast<const T*>(a.y) + image * p.y_n + r * p.y_s;
      auto whole = [](const T* q) { return load<T>(q); };
      for (; c + panel * L <= c1; c += panel * L)
        sum_block<panel, clips>(x + c, p.x_s, dy + c, p.y_s, count, stats + c, part + c, p.width, whole);
      for (; c + L <= c1; c += L)
        sum_block<1, clips>(x + c, p.x_s, dy + c, p.y_s, count, stats + c, part + c, p.width, whole);
      auto some = [n = c1 - c](const T* q) { return load_n<T>(q, n); };
      if (c < c1) sum_block<1, clips>(x + c, p.x_s, dy + c, p.y_s, count, stats + c, part + c, p.width, some);
    }
  }

  template <int V, bool clips, class Load>
  static inline __attribute__((always_inline)) void sum_block(const T* x, ptrdiff_t x_s, const T* dy, ptrdiff_t y_s,
                                                              ptrdiff_t count, const T* stats, T* part, ptrdiff_t width,
                                                              Load load_x) {
    vec<T> mean[V], scale[V], shift[V], sum[V] = {}, product[V] = {};
    UNROLL for (int v = 0; v < V; v++) {
      mean[v] = load<T>(stats + v * L);
      scale[v] = load<T>(stats + 2 * width + v * L);
      shift[v] = load<T>(stats + 3 * width + v * L);
    }
    for (ptrdiff_t r = 0; r < count; r++, x += x_s, dy += y_s) UNROLL for (int v = 0; v < V; v++) {
        vec<T> g = load_x(dy + v * L), d = load_x(x + v * L) - mean[v];
        if constexpr (clips) g = passed(g, d, scale[v], shift[v]);
        sum[v] += g;
        product[v] += g * d;
      }
    UNROLL for (int v = 0; v < V; v++) {
      store<T>(part + v * L, load<T>(part + v * L) + sum[v]);
      T* h = part + width + v * L;
      store<T>(h, load<T>(h) + product[v] * load<T>(stats + width + v * L));
    }
  }

  // The sums of an image into those of its first chunk.
  static void join_chunks(const NormPieces& p, T* parts, const Team& team) noexcept {
    ptrdiff_t vectors = 2 * p.width / L, step = 2 * p.width;
    Range items = share(p.images * vectors, team);
    for (ptrdiff_t i = items.begin; i < items.end; i++) {
      T* first = parts + i / vectors * p.chunks * step + i % vectors * L;
      vec<T> sum = load<T>(first);
      for (ptrdiff_t k = 1; k < p.chunks; k++) sum += load<T>(first + k * step);
      store<T>(first, sum);
    }
  }

  static vec<T> over_images(const NormPieces& p, const T* part) {
    vec<T> sum{};
    for (ptrdiff_t i = 0; i < p.images; i++) sum += load<T>(part + i * p.chunks * 2 * p.width);
    return sum;
  }

  static void affine(const Norm& a, const NormPieces& p, const T* parts, const Team& team) noexcept {
    if (p.fold > 1) return affine_folded(a, p, parts, team);
    Range vectors = share(p.width / L, team);
    for (ptrdiff_t i = vectors.begin; i < vectors.end; i++) {
      ptrdiff_t c = i * L, n = NormPieces::min(L, a.c - c);
      if (a.dbias) store_n<T>(static_cast<T*>(a.dbias) + c, over_images(p, parts + c), n);
      if (a.dweight) store_n<T>(static_cast<T*>(a.dweight) + c, over_images(p, parts + p.width + c), n);
    }
  }

  static void affine_folded(const Norm& a, const NormPieces& p, const T* parts, const Team& team) noexcept {
    Range channels = share(a.c, team);
    for (ptrdiff_t c = channels.begin; c < channels.end; c++) {
      T db = 0, dw = 0;
      for (ptrdiff_t i = 0; i < p.images; i++)
        for (ptrdiff_t k = c; k < p.c; k += a.c) {
          db += parts[i * p.chunks * 2 * p.width + k];
          dw += parts[i * p.chunks * 2 * p.width + p.width + k];
        }
      if (a.dbias) static_cast<T*>(a.dbias)[c] = db;
      if (a.dweight) static_cast<T*>(a.dweight)[c] = dw;
    }
  }

  // k1 = w * rstd, k2 = -rstd^2 * mean(g h), k3 = -rstd * mean(g)
  static void make_tables(const Norm& a, const NormPieces& p, const T* stats, const T* parts, T* tables,
                          const Team& team) noexcept {
    const T* weight = static_cast<const T*>(a.weight);
    // A set is a group of neighbouring channels, or, folded, the copies of one channel.
    ptrdiff_t members = p.fold > 1 ? p.fold : a.c / a.groups, apart = p.fold > 1 ? a.c : 1;
    ptrdiff_t step = p.chunks * 2 * p.width;
    T count = T(members) * T(p.rows) * T(a.over_n ? p.images : 1);
    Range items = share(p.images * a.groups, team);
    for (ptrdiff_t i = items.begin; i < items.end; i++) {
      ptrdiff_t image = i / a.groups, group = i % a.groups, first = p.fold > 1 ? group : group * members;
      auto weight_of = [&](ptrdiff_t c) { return weight ? weight[p.fold > 1 ? group : c] : T(1); };
      T mean_g = 0, mean_gh = 0;
      // Over a batch of several images the sum is taken over them all, and by the member of each of them.
      for (ptrdiff_t from = a.over_n ? 0 : image; !a.given && from < (a.over_n ? p.images : image + 1); from++)
        for (ptrdiff_t k = 0; k < members; k++) {
          ptrdiff_t c = first + k * apart;
          mean_g += parts[from * step + c] * weight_of(c);
          mean_gh += parts[from * step + p.width + c] * weight_of(c);
        }
      mean_g = a.centre ? mean_g / count : T(0), mean_gh /= count;
      for (ptrdiff_t k = 0; k < members; k++) {
        ptrdiff_t c = first + k * apart;
        T rstd = stats[image * 4 * p.width + p.width + c];
        T* table = tables + image * 3 * p.width + c;
        table[0] = weight_of(c) * rstd;
        table[p.width] = -rstd * rstd * mean_gh;
        table[2 * p.width] = -rstd * mean_g;
      }
    }
  }

  template <bool clips>
  static void apply(const Norm& a, const NormPieces& p, const T* stats, const T* tables, const Team& team) noexcept {
    constexpr ptrdiff_t step = 16;  // rows that share one look into the tables
    ptrdiff_t blocks = (p.rows + step - 1) / step;
    bool past = sizeof(vec<T>) == 64 && goes_past<T>(a.dx, a.y, p.dx_s | p.dx_n, a.n * a.s * a.c * sizeof(T));
    Range items = share(p.images * blocks, team);
    from_the_end(items, [&](ptrdiff_t i) {
      ptrdiff_t image = i / blocks, r = i % blocks * step, count = NormPieces::min(step, p.rows - r), c = 0;
      const T* x = static_cast<const T*>(a.x) + image * p.x_n + r * p.x_s;
      const T* dy = static_cast<const T*>(a.y) + image * p.y_n + r * p.y_s;
      T* dx = static_cast<T*>(a.dx) + image * p.dx_n + r * p.dx_s;
      const T* mean = stats + image * 4 * p.width;
      const T* table = tables + image * 3 * p.width;
      for (; c + panel * L <= p.c; c += panel * L)
        apply_block<panel, clips>(p, x + c, dy + c, dx + c, count, mean + c, table + c, L, past);
      for (; c < p.c; c += L)
        apply_block<1, clips>(p, x + c, dy + c, dx + c, count, mean + c, table + c, p.c - c, past);
    });
    if (past) stream_end();
  }

  template <int V, bool clips>
  static inline __attribute__((always_inline)) void apply_block(const NormPieces& p, const T* x, const T* dy, T* dx,
                                                                ptrdiff_t count, const T* mean, const T* table,
                                                                ptrdiff_t n, bool past) {
    ptrdiff_t x_s = p.x_s, y_s = p.y_s, dx_s = p.dx_s;
    vec<T> m[V], scale[V], shift[V], k1[V], k2[V], k3[V];
    UNROLL for (int v = 0; v < V; v++) {
      m[v] = load<T>(mean + v * L);
      scale[v] = load<T>(mean + 2 * p.width + v * L);
      shift[v] = load<T>(mean + 3 * p.width + v * L);
      k1[v] = load<T>(table + v * L);
      k2[v] = load<T>(table + p.width + v * L);
      k3[v] = load<T>(table + 2 * p.width + v * L);
    }
    for (ptrdiff_t r = 0; r < count; r++, x += x_s, dy += y_s, dx += dx_s) UNROLL for (int v = 0; v < V; v++) {
        vec<T> g = n >= L ? load<T>(dy + v * L) : load_n<T>(dy, n);
        vec<T> d = (n >= L ? load<T>(x + v * L) : load_n<T>(x, n)) - m[v];
        if constexpr (clips) g = passed(g, d, scale[v], shift[v]);
        if (n >= L) put<T>(dx + v * L, g * k1[v] + (d * k2[v] + k3[v]), past);
        else store_n<T>(dx, g * k1[v] + (d * k2[v] + k3[v]), n);
      }
  }
};
