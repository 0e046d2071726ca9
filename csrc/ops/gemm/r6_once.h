// Idea:  if b serves one call only, pack a part of it where it is used, into scratch that stays in a cache.
// Since: r5_wide packs all of b first: through memory and back, for a large one.
// Why:   for few rows packing takes longer than the product. A part of 32 KB is packed into L1 and used from there, so
//        that b costs its own way from memory and little more; for many rows the part of 1 MB stays in L2. Few rows
//        times a transposed b (linear) are dot products along k, and nothing is packed at all.
// Price: weights that serve many calls would be packed in each: unless it is asked for, only if workspace.once says so.
#pragma once

template <class T>
struct gemm_r6_once : Plain<Gemm> {
  static constexpr bool epilogue = true;
  using M = Matrix<T>;
  static constexpr ptrdiff_t few_rows = 16;
  static constexpr int L = lanes<T>, sums = isa_registers == 32 ? 16 : 8;  // of a block of dot products

  static const char* supports(const Gemm& g) { return gemm_r5_wide<T>::supports(g); }
  static const char* declines(const Gemm& g) {
    if (!g.workspace.once) return "weights are packed beforehand";
    return by_dots(g) ? nullptr : gemm_r5_wide<T>::declines(g);
  }

  // The same sums as r5_wide's, whatever the parts: c waits between them.
  static M matrix(const Gemm& g) {
    M matrix = gemm_r5_wide<T>::matrix(g);
    if (g.m > few_rows) return matrix;
    // Along the memory of b: 128 numbers of each of 64 columns, or 256 of each of 32 rows.
    matrix.part_depth = g.b_k == 1 ? 128 : 32, matrix.part_panels = g.b_k == 1 ? 1 : 4;
    return matrix;
  }

  // With 16 registers 8 rows take as long as packed (512 -> 1024, one row 37 us instead of 105, 8 rows 161 and 168).
  static constexpr ptrdiff_t most_dots = isa_registers == 32 ? few_rows : few_rows / 2;
  // Each block of 16 (8) dot products ends with so many sums over lanes, as many shuffles as packing a square takes.
  static bool by_dots(const Gemm& g) {
    return g.b_k == 1 && g.a_k == 1 && g.m <= most_dots && sums * g.m <= g.k && !g.accumulate;
  }

  // Numbers of scratch for each member: a part of b, and room for a tile of a.
  static ptrdiff_t part_size(const M& all) {
    return all.depth() * (all.panels() < all.part_panels ? all.panels() : all.part_panels) * M::most * L;
  }
  static ptrdiff_t scratch_size(const Gemm& g) {
    return by_dots(g) ? 0 : part_size(matrix(g)) + (g.a_k == 1 ? 0 : M::copy_size);
  }
  static size_t scratch_bytes(const Gemm& g, int threads) {
    return size_t(threads) * size_t(scratch_size(g)) * sizeof(T);
  }

  static void run(const Gemm& g, const Team& team) noexcept {
    if (by_dots(g)) return dot_products(g, team);
    M all = matrix(g);
    T* part = static_cast<T*>(g.workspace.scratch) + team.rank * scratch_size(g);
    T* copy = part + part_size(all);
    auto weights = [&](ptrdiff_t k, ptrdiff_t depth, Range panels, bool&) {
      all.pack_part(static_cast<const T*>(g.b), g.b_k, g.b_n, k, depth, panels, part);
      return static_cast<const T*>(part);
    };
    gemm_r5_wide<T>::product(all, g, team, weights, copy);
  }

  static void dot_products(const Gemm& g, const Team& team) noexcept {
    Range columns = share(g.n, team, sums);
    for (ptrdiff_t n = columns.begin; n < columns.end; n += sums) {
      ptrdiff_t count = columns.end - n < sums ? columns.end - n : sums, m = 0;
      for (; m + 4 <= g.m; m += 4) dots<4>(g, m, n, count);
      if (g.m - m >= 2) dots<2>(g, m, n, count), m += 2;
      if (m < g.m) dots<1>(g, m, n, count);
      finish_sums<T>(g, static_cast<T*>(g.c) + n, 1, 0, g.m, g.c_m, count);
    }
  }

  // Rows [m, m + R) times `count` columns from n on, at most `sums`: R rows x sums / R columns at a time.
  template <int R>
  static void dots(const Gemm& g, ptrdiff_t m, ptrdiff_t n, ptrdiff_t count) noexcept {
    constexpr int C = sums / R;
    const T *a = static_cast<const T*>(g.a) + m * g.a_m, *bias = static_cast<const T*>(g.bias);
    for (ptrdiff_t j = n; j < n + count; j += C) {
      const T* b[C];  // beyond the last column, that one again
      UNROLL for (int c = 0; c < C; c++) b[c] =
          static_cast<const T*>(g.b) + (j + c < n + count ? j + c : n + count - 1) * g.b_n;
      vec<T> sum[sums] = {};
      auto step = [&](ptrdiff_t k, auto get) __attribute__((always_inline)) {
        vec<T> row[R];
        UNROLL for (int r = 0; r < R; r++) row[r] = get(a + r * g.a_m + k);
        UNROLL for (int c = 0; c < C; c++) {
          vec<T> column = get(b[c] + k);
          UNROLL for (int r = 0; r < R; r++) sum[r * C + c] += row[r] * column;
        }
      };
      ptrdiff_t k = 0;
      for (; k + L <= g.k; k += L) step(k, [](const T* p) __attribute__((always_inline)) { return load<T>(p); });
      if (k < g.k) step(k, [&](const T* p) __attribute__((always_inline)) { return load_n<T>(p, g.k - k); });
      T whole[sums];
      add_lanes(sum, whole);
      for (int r = 0; r < R; r++)
        for (int c = 0; c < C && j + c < n + count; c++)
          static_cast<T*>(g.c)[(m + r) * g.c_m + j + c] = whole[r * C + c] + (bias ? bias[j + c] : T(0));
    }
  }

  // The lanes of each of these vectors added up: turned over the diagonal, L vectors at a time, that is a sum of
  // vectors.
  static inline __attribute__((always_inline)) void add_lanes(const vec<T> (&sum)[sums], T* to) noexcept {
    if constexpr (sums % L == 0 && L > 1) {
      UNROLL for (int s = 0; s < sums; s += L) {
        vec<T> square[L], total = {};
        UNROLL for (int i = 0; i < L; i++) square[i] = sum[s + i];
        transpose<T>(square);
        UNROLL for (int i = 0; i < L; i++) total += square[i];
        store<T>(to + s, total);
      }
    } else {
      for (int s = 0; s < sums; s++) to[s] = sum_lanes<T>(sum[s]);
    }
  }
};
