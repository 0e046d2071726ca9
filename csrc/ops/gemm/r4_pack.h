// Idea:  b is packed once, in the order in which it is read; everything is cut so that it stays in a cache.
// Since: r3_tile copies b in every call, walks all of k at once, and does what is left of the rows one by one.
// Why:   per step of k a block reads 2 vectors of b (from L2, in order, so they arrive in time) and one number for
//        each of its rows (from a copy in L1: rows 4096 bytes apart would all fall into one set of L1).
// Price: `prepare` moves all of b, and three sizes have to be chosen; the sums behind them stand below.
#pragma once

template <class T>
struct gemm_r4_pack : Plain<Gemm> {
  static constexpr ptrdiff_t L = lanes<T>, width = block_vectors * L;

  // k is cut into equal pieces of at most 384, from k alone, so that a sum never depends on the team. L1 has at least
  // 32 KB: rows of a 14 * 384 * 4 = 21 KB (AVX2: 6 rows, 9 KB), and b streams through the rest.
  static constexpr ptrdiff_t depth_most = 384;
  static ptrdiff_t depth_of(const Gemm& g) {
    ptrdiff_t pieces = (g.k + depth_most - 1) / depth_most;
    return pieces ? (g.k + pieces - 1) / pieces : 0;
  }
  // A part of b, depth x 384 columns = 576 KB at most, stays in L2 (1 MB or more) while all rows of a pass by.
  static constexpr ptrdiff_t panels_most = 384 / width > 0 ? 384 / width : 1;

  static ptrdiff_t panels_of(const Gemm& g) { return (g.n + width - 1) / width; }
  // The last panel is half as wide if that holds all its columns: 10 classes are one vector of 16, not two.
  static ptrdiff_t padded(const Gemm& g) { return (g.n + L - 1) / L * L; }

  // ---- packed b: [part of k][panel][k in the part][columns of the panel]; columns beyond n are 0 ----

  static size_t packed_bytes(const Gemm& g) { return size_t(g.k) * padded(g) * sizeof(T); }

  static void prepare(const Gemm& g, void* packed, const Team& team) noexcept {
    ptrdiff_t depth = depth_of(g);
    Range panels = share(panels_of(g), team);
    for (ptrdiff_t k = 0; k < g.k; k += depth)
      for (ptrdiff_t p = panels.begin; p < panels.end; p++) {
        ptrdiff_t part = g.k - k < depth ? g.k - k : depth, n = p * width;
        ptrdiff_t columns = padded(g) - n < width ? padded(g) - n : width;
        T* to = static_cast<T*>(packed) + k * padded(g) + n * part;
        for (ptrdiff_t v = 0; v < columns; v += L) pack_columns(g, k, n + v, part, to + v, columns);
      }
  }

  // One vector's columns [n, n + L), `part` steps of k; the rows that are written lie `step` apart.
  static void pack_columns(const Gemm& g, ptrdiff_t k, ptrdiff_t n, ptrdiff_t part, T* to, ptrdiff_t step) {
    const T* b = static_cast<const T*>(g.b) + k * g.b_k + n * g.b_n;
    ptrdiff_t count = g.n - n < L ? g.n - n : L, i = 0;
    if constexpr (L > 1)
      if (g.b_k == 1)  // a transposed matrix, as in linear: squares of L x L are turned in registers
        for (; i + L <= part; i += L) {
          vec<T> square[L];
#pragma GCC unroll 16
          for (int j = 0; j < L; j++) square[j] = j < count ? load<T>(b + j * g.b_n + i) : vec<T>{};
          transpose<T>(square);
#pragma GCC unroll 16
          for (int j = 0; j < L; j++) store<T>(to + (i + j) * step, square[j]);
        }
    for (; i < part; i++) store<T>(to + i * step, load_strided<T>(b + i * g.b_k, g.b_n, count));
  }

  // ---- the product ----

  // Each member copies the rows of a that it works on: [row][k], or [k][row] if a does not lie along k.
  static constexpr ptrdiff_t row_step = depth_most + 16;  // 1600 bytes: neighbouring rows fall into different sets of L1
  static constexpr ptrdiff_t copy_size = row_step * block_rows;
  static size_t scratch_bytes(const Gemm&, int threads) { return size_t(threads) * copy_size * sizeof(T); }

  static void run(const Gemm& g, const Team& team) noexcept {
    T* copy = static_cast<T*>(g.workspace.scratch) + team.rank * copy_size;
    Range rows, panels;
    divide(g, team, rows, panels);
    ptrdiff_t depth = depth_of(g), count = rows.end - rows.begin, tiles = (count + block_rows - 1) / block_rows;
    if (panels.begin == panels.end) return;
    for (ptrdiff_t k = 0; k < g.k || k == 0; k += depth) {
      ptrdiff_t part = g.k - k < depth ? g.k - k : depth;
      for (ptrdiff_t p = panels.begin; p < panels.end; p += panels_most) {
        ptrdiff_t p_end = panels.end - p < panels_most ? panels.end : p + panels_most;
        for (ptrdiff_t t = 0; t < tiles; t++) {
          // Equal tiles: 64 rows are 13 13 13 13 12, not 14 14 14 14 8.
          ptrdiff_t m = rows.begin + count * t / tiles, m_end = rows.begin + count * (t + 1) / tiles;
          tile<block_rows>({g, k, part, m, p, p_end, copy}, int(m_end - m));
        }
      }
      if (g.k == 0) break;  // one round, so that c gets its bias or zeros
    }
  }

  // The team as a grid of rows x panels: the one whose largest share is smallest. Fewer than 4 rows take as long as
  // 4, because then b's way from the cache sets the pace; among equals the fewest cuts through the rows win.
  static void divide(const Gemm& g, const Team& team, Range& rows, Range& panels) {
    ptrdiff_t best = 0, down = 1;
    for (ptrdiff_t d = 1; d <= team.size; d++) {
      if (team.size % d) continue;
      ptrdiff_t m = (g.m + d - 1) / d, across = team.size / d, p = (panels_of(g) + across - 1) / across;
      ptrdiff_t cost = (m < 4 ? 4 : m) * p;
      if (d == 1 || cost < best) {
        best = cost;
        down = d;
      }
    }
    int across = int(team.size / down);
    rows = share(g.m, {team.rank / across, int(down), nullptr, nullptr});
    panels = share(panels_of(g), {team.rank % across, across, nullptr, nullptr});
  }

  struct Piece {
    const Gemm& g;
    ptrdiff_t k, depth;           // this part of k
    ptrdiff_t m;                  // first row
    ptrdiff_t panel, panel_end;
    T* copy;
  };

  template <int M>
  static void tile(const Piece& p, int rows) {
    if (rows == M) return rows_by_panels<M>(p);
    if constexpr (M > 1) tile<M - 1>(p, rows);
  }

  template <int M>
  static __attribute__((noinline)) void rows_by_panels(const Piece& p) {
    const Gemm& g = p.g;
    const T* a = static_cast<const T*>(g.a) + p.m * g.a_m + p.k * g.a_k;  // [M, depth]
    if (g.a_k == 1) {
      ptrdiff_t step = g.a_m;
      if (M > 1 && p.panel_end - p.panel > 1) {
        for (ptrdiff_t m = 0; m < M; m++) __builtin_memcpy(p.copy + m * row_step, a + m * g.a_m, p.depth * sizeof(T));
        a = p.copy;
        step = row_step;
      }
      panels<M, 1>(p, a, step);
    } else {
      for (ptrdiff_t k = 0; k < p.depth; k++)
        for (ptrdiff_t m = 0; m < M; m++) p.copy[k * M + m] = a[m * g.a_m + k * g.a_k];
      panels<M, M>(p, p.copy, 1);
    }
  }

  // Few rows have few sums: then several panels are taken together, so that at least 8 sums are under way.
  template <int M>
  static constexpr int together = M == 1 ? 4 : M <= 3 ? 2 : 1;

  template <int M, int K>  // K: a's distance from one k to the next, known to the compiler
  static inline __attribute__((always_inline)) void panels(const Piece& p, const T* a, ptrdiff_t a_row) {
    const Gemm& g = p.g;
    constexpr int G = together<M>;
    const T* w = static_cast<const T*>(g.workspace.packed) + p.k * padded(g) + p.panel * width * p.depth;
    ptrdiff_t panel = p.panel, full = g.n / width < p.panel_end ? g.n / width : p.panel_end;
    if constexpr (G > 1)
      for (; panel + G <= full; panel += G, w += G * width * p.depth) {
        Block<M, block_vectors, T> sums[G] = {};
        for (ptrdiff_t k = 0; k < p.depth; k++)
          for (int i = 0; i < G; i++)
            for (int v = 0; v < block_vectors; v++) {
              vec<T> wv = load<T>(w + (i * p.depth + k) * width + v * L);
              for (int m = 0; m < M; m++) sums[i].sum[m][v] += a[m * a_row + k * K] * wv;
            }
        for (int i = 0; i < G; i++) finish<M, block_vectors>(p, sums[i], (panel + i) * width);
      }
    for (; panel < p.panel_end; panel++, w += width * p.depth)
      if (g.n - panel * width > L) one_panel<M, block_vectors, K>(p, a, a_row, w, panel * width);
      else one_panel<M, 1, K>(p, a, a_row, w, panel * width);
  }

  template <int M, int V, int K>
  static inline __attribute__((always_inline)) void one_panel(const Piece& p, const T* a, ptrdiff_t a_row, const T* w,
                                                              ptrdiff_t n) {
    Block<M, V, T> sums{};
    multiply_add(sums, a, a_row, K, w, p.depth);
    finish<M, V>(p, sums, n);
  }

  // c = sums, + c if this is not the first part of k or the caller wants it, + bias with the first part
  template <int M, int V>
  static inline __attribute__((always_inline)) void finish(const Piece& p, const Block<M, V, T>& sums, ptrdiff_t n0) {
    const Gemm& g = p.g;
    T* c = static_cast<T*>(g.c) + p.m * g.c_m + n0 * g.c_n;
    const T* bias = p.k == 0 && g.bias ? static_cast<const T*>(g.bias) + n0 : nullptr;
    bool add = p.k > 0 || g.accumulate;
    if (g.c_n == 1 && g.n - n0 >= V * L) {
#pragma GCC unroll 2
      for (int v = 0; v < V; v++) {
        vec<T> start = bias ? load<T>(bias + v * L) : vec<T>{};
#pragma GCC unroll 16
        for (int m = 0; m < M; m++) {
          T* out = c + m * g.c_m + v * L;
          store<T>(out, add ? sums.sum[m][v] + start + load<T>(out) : sums.sum[m][v] + start);
        }
      }
    } else {  // the edge of c, or c lies crosswise: out of the registers, and on in a loop of its own
      Block<M, V, T> spilled = sums;
      finish_edge(g, &spilled.sum[0][0], M, V, c, bias, g.n - n0, add);
    }
  }

  static __attribute__((noinline)) void finish_edge(const Gemm& g, const vec<T>* sums, int rows, int vectors, T* c,
                                                    const T* bias, ptrdiff_t columns, bool add) {
    for (int m = 0; m < rows; m++)
      for (int v = 0; v < vectors; v++) {
        ptrdiff_t n = v * L, count = columns - n < L ? columns - n : L;
        T* out = c + m * g.c_m + n * g.c_n;
        vec<T> sum = sums[m * vectors + v];
        if (bias) sum += load_strided<T>(bias + n, 1, count);
        if (add) sum += load_strided<T>(out, g.c_n, count);
        store_strided<T>(out, sum, g.c_n, count);
      }
  }
};
