// Idea:  b is packed once, in the order in which it is read; k and n are cut so that a part of b stays in a cache.
// Since: r3_tile copies b in every call, walks all of k at once, and does what is left of the rows one by one.
// Why:   per step of k a block reads 2 vectors of b (from L2, in order, so they arrive in time) and one number for
//        each of its rows; that keeps both FMA units busy. What is left of the rows is spread over all tiles.
// Price: `prepare` moves all of b, and three sizes have to be chosen; the sums behind them stand below.
#pragma once

template <class T>
struct gemm_r4_pack : Plain<Gemm> {
  static constexpr bool epilogue = true;
  static const char* supports(const Gemm& g) {
    return (g.activation || g.add) && g.c_n != 1 ? "an epilogue wants rows of c that lie side by side (c_n = 1)"
                                                 : nullptr;
  }
  static constexpr ptrdiff_t L = lanes<T>, width = block_vectors * L;

  // k is cut into equal pieces, by k alone, so that a sum never depends on the team. A block's rows of a are then at
  // most 14 * 512 * 4 = 28 KB (AVX2: 6 rows, 12 KB) and stay in L1 while the panels of b pass by.
  static constexpr ptrdiff_t depth_most = 512;
  static ptrdiff_t depth_of(const Gemm& g) {
    ptrdiff_t pieces = (g.k + depth_most - 1) / depth_most;
    return pieces ? (g.k + pieces - 1) / pieces : 0;
  }
  // A part of b that stays in L2 while all rows of a pass by: 512 * 512 * 4 = 1 MB, for AVX2 and SSE half of that.
  // Found by trying 256 to 768 columns where L2 has 2 MB: 384 and 512 were best, 768 was 5 % slower for n = 1024.
  static constexpr ptrdiff_t panels_most = (isa_registers == 32 ? 512 : 256) / width;

  static ptrdiff_t panels_of(const Gemm& g) { return (g.n + width - 1) / width; }
  // The last panel is half as wide if that holds all its columns: 10 classes are one vector of 16, not two.
  static ptrdiff_t padded(const Gemm& g) { return (g.n + L - 1) / L * L; }

  // ---- packed b: [piece of k][panel][k in the piece][columns of the panel]; columns beyond n are 0 ----

  static size_t packed_bytes(const Gemm& g) { return size_t(g.k) * padded(g) * sizeof(T); }

  static void prepare(const Gemm& g, void* packed, const Team& team) noexcept {
    ptrdiff_t depth = depth_of(g);
    Range panels = share(panels_of(g), team);
    for (ptrdiff_t k = 0; k < g.k; k += depth) {
      // Along the memory of b: transposed (as in linear), a panel at a time; otherwise a few rows at a time through
      // all panels, since the rows of one panel lie far apart: 0.7 instead of 1.2 ms for 1024 x 1024.
      ptrdiff_t part = g.k - k < depth ? g.k - k : depth, strip = g.b_k == 1 ? part : 16;
      for (ptrdiff_t s = 0; s < part; s += strip)
        for (ptrdiff_t p = panels.begin; p < panels.end; p++) {
          ptrdiff_t n = p * width, columns = padded(g) - n < width ? padded(g) - n : width;
          T* to = static_cast<T*>(packed) + k * padded(g) + n * part + s * columns;
          ptrdiff_t steps = part - s < strip ? part - s : strip;
          for (ptrdiff_t v = 0; v < columns; v += L)
            pack_columns<T>(static_cast<const T*>(g.b) + (k + s) * g.b_k + (n + v) * g.b_n, g.b_k, g.b_n, steps,
                            g.n - n - v, to + v, columns);
        }
    }
  }

  // ---- the product ----

  // Room for each member to copy its rows of a where reading them in place would be slow, see rows_by_panels.
  static constexpr ptrdiff_t row_step = depth_most + 16;  // 2112 bytes: copied rows fall into different sets of L1
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
          if (k + part == g.k) {  // the sums are whole
            ptrdiff_t n = p * width, columns = p_end * width < g.n ? (p_end - p) * width : g.n - n;
            finish_sums<T>(g, static_cast<T*>(g.c) + m * g.c_m + n, 1, 0, m_end - m, g.c_m, columns);
          }
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
    ptrdiff_t k, depth;  // k in [k, k + depth)
    ptrdiff_t m;         // first row
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
    if (g.a_k != 1) {
      // a does not lie along k (a transposed matrix, as for the gradient of a weight): into the order [k][row].
      for (ptrdiff_t k = 0; k < p.depth; k++)
        if (g.a_m == 1) __builtin_memcpy(p.copy + k * M, a + k * g.a_k, M * sizeof(T));
        else
          for (ptrdiff_t m = 0; m < M; m++) p.copy[k * M + m] = a[m * g.a_m + k * g.a_k];
      return panels<M, M>(p, p.copy, 1);
    }
    ptrdiff_t a_row = g.a_m;
    if (M > 8 && a_row * ptrdiff_t(sizeof(T)) % 4096 == 0 && p.panel_end - p.panel >= 4) {
      // Rows 4096 bytes apart all fall into one set of L1, which has room for 8 to 12. Any other rows are read in
      // place, which is up to 7 % faster than a copy.
      for (ptrdiff_t m = 0; m < M; m++) __builtin_memcpy(p.copy + m * row_step, a + m * a_row, p.depth * sizeof(T));
      a = p.copy;
      a_row = row_step;
    }
    panels<M, 1>(p, a, a_row);
  }

  // Few rows have few sums: then several panels are taken together, so that at least 8 sums are under way.
  template <int M>
  static constexpr int together = M == 1   ? 4
                                  : M <= 3 ? 2
                                           : 1;

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

  // c = sums, + c if this is not the first piece of k or the caller wants it, + bias with the first piece
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
