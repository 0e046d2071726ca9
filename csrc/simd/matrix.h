// The loops around add_product (product.h) for a whole matrix whose columns are many panels:
//
//   c[m, n] = (c[m, n], or start[n], or 0) + sum over k of a[m, k] * b[k, n]
//
// A part of b, a piece of k and up to 8 panels, stays in the second-level cache while tiles of rows pass; a tile's rows
// stay in or near the first-level cache while the panels pass.
#pragma once

template <class T>
struct Matrix {
  static constexpr ptrdiff_t L = lanes<T>;
  static constexpr int most = isa_registers == 32 ? 4 : 2;  // 6 rows x 4 (2) vectors: 10 (8) loads for 24 (12) FMAs
  static constexpr ptrdiff_t depth_most = 512;              // c is loaded and stored for each piece of k
  static constexpr ptrdiff_t panels_most = 8;               // 8 x 64 columns x 512 x 4 = 1 MB, for AVX2 a quarter
  static constexpr ptrdiff_t tile_rows = 96;                // 96 x 512 x 4 = 192 KB
  static constexpr ptrdiff_t stream_bytes = 4 << 20;        // c from here on goes past the caches (found by trying)

  ptrdiff_t m, n, k;
  T* c;
  ptrdiff_t c_m;
  const T* start;  // [n] or null
  bool accumulate;
  Finish<T> epilogue;  // done in registers if it is simple, otherwise left to `finish` of run
  bool last;           // nobody works on c after its sums are whole
  ptrdiff_t part_depth = depth_most, part_panels = panels_most;  // of a part of b

  // ---- b in panels of 1 to `most` vectors that differ by at most one: 5 vectors are 3 + 2 ----
  // packed: [piece of k][panel][k of the piece][vectors of the panel * L], zeros beyond the last column

  ptrdiff_t vectors() const { return (n + L - 1) / L; }
  ptrdiff_t panels() const { return (vectors() + most - 1) / most; }
  ptrdiff_t column(ptrdiff_t panel) const { return vectors() * panel / panels() * L; }
  ptrdiff_t depth() const {  // of a piece
    ptrdiff_t pieces = (k + part_depth - 1) / part_depth;
    return pieces ? (k + pieces - 1) / pieces : 0;
  }
  size_t packed_bytes() const { return size_t(k) * size_t(vectors() * L) * sizeof(T); }

  // The panels [p.begin, p.end) of a piece of k, one behind the other. Along the memory of b: transposed (as in linear)
  // a panel at a time, otherwise a few rows at a time through all panels, since the rows of one lie far apart.
  void pack_part(const T* b, ptrdiff_t b_k, ptrdiff_t b_n, ptrdiff_t k0, ptrdiff_t part, Range p,
                 T* to) const noexcept {
    ptrdiff_t strip = b_k == 1 ? part : 16;
    for (ptrdiff_t s = 0; s < part; s += strip)
      for (ptrdiff_t panel = p.begin; panel < p.end; panel++) {
        ptrdiff_t from = column(panel), wide = column(panel + 1) - from, steps = part - s < strip ? part - s : strip;
        const T* first = b + (k0 + s) * b_k + from * b_n;
        T* there = to + (from - column(p.begin)) * part + s * wide;
        if (b_n == 1 && from + wide <= n && wide == most * L) {
          for (ptrdiff_t i = 0; i < steps; i++)
            UNROLL for (int v = 0; v < most; v++) store<T>(there + i * wide + v * L, load<T>(first + i * b_k + v * L));
        } else {
          for (ptrdiff_t v = 0; v < wide; v += L)
            pack_columns<T>(first + v * b_n, b_k, b_n, steps, n - from - v, there + v, wide);
        }
      }
  }

  void pack(const T* b, ptrdiff_t b_k, ptrdiff_t b_n, T* packed, const Team& team) const noexcept {
    Range mine = share(panels(), team);
    for (ptrdiff_t k0 = 0; mine.begin < mine.end && k0 < k; k0 += depth()) {
      ptrdiff_t part = k - k0 < depth() ? k - k0 : depth();
      pack_part(b, b_k, b_n, k0, part, mine, packed + k0 * vectors() * L + column(mine.begin) * part);
    }
  }

  // ---- the product ----

  // Numbers of scratch for each member, to copy a tile of a where it cannot be read in place.
  static constexpr ptrdiff_t copy_size = tile_rows * depth_most;

  // weights(k, depth, panels): where this part of b lies, packed, and whether more of it lies behind.
  // rows(m, count, k, depth, row, step): where the tile of a lies, and how far its rows and steps of k are apart.
  // finish(m, count, n, columns): these elements of c are whole.
  template <class Weights, class Rows, class Finish>
  void run(const Team& team, Weights weights, Rows rows, Finish finish) const noexcept {
    Range down, across;
    divide(team, down, across);
    ptrdiff_t count = down.end - down.begin, tiles = (count + tile_rows - 1) / tile_rows;
    if (across.begin == across.end || count == 0) return;
    for (ptrdiff_t k0 = 0; k0 < k || k0 == 0; k0 += depth()) {
      ptrdiff_t part = k - k0 < depth() ? k - k0 : depth();
      for (Range p = {across.begin, 0}; p.begin < across.end; p.begin = p.end) {
        p.end = across.end - p.begin < part_panels ? across.end : p.begin + part_panels;
        bool more = false;
        const T* b = weights(k0, part, p, more);
        for (ptrdiff_t t = 0; t < tiles; t++) {
          ptrdiff_t first = down.begin + count * t / tiles, size = down.begin + count * (t + 1) / tiles - first;
          ptrdiff_t row, step;
          const T* a = rows(first, size, k0, part, row, step);
          for (ptrdiff_t panel = p.begin; panel < p.end; panel++) {
            // A tile is new to the caches for its first panel: then the next rows are asked for, if they lie in a line.
            bool fresh = panel == p.begin && row == part && step == 1;
            add_panel(panel, k0, part, first, size, a, row, step, b + (column(panel) - column(p.begin)) * part,
                      {!fresh && (more || panel + 1 < p.end), fresh ? down.end - first - size : -size});
          }
          ptrdiff_t columns = (column(p.end) < n ? column(p.end) : n) - column(p.begin);
          if (k0 + part == k) finish(first, size, column(p.begin), columns);
        }
      }
      if (k == 0) break;  // one round, so that c gets its start
    }
    if (past()) stream_end();
  }

  // With b packed beforehand.
  template <class Rows, class Finish>
  void run(const Team& team, const T* packed, Rows rows, Finish finish) const noexcept {
    auto weights = [&](ptrdiff_t k0, ptrdiff_t part, Range p, bool& more) {
      more = p.end < panels() || k0 + part < k;
      return packed + k0 * vectors() * L + column(p.begin) * part;
    };
    run(team, weights, rows, finish);
  }

  bool past() const {
    return last && k <= part_depth && !accumulate && m * n * ptrdiff_t(sizeof(T)) >= stream_bytes &&
           (uintptr_t(c) | uintptr_t(c_m * ptrdiff_t(sizeof(T)))) % sizeof(vec<T>) == 0;
  }

  void add_panel(ptrdiff_t panel, ptrdiff_t k0, ptrdiff_t part, ptrdiff_t first, ptrdiff_t size, const T* a,
                 ptrdiff_t row, ptrdiff_t step, const T* b, Ahead wanted) const noexcept {
    ptrdiff_t from = column(panel), columns = n - from;
    bool here = k0 + part == k && epilogue.simple && !epilogue.nothing();
    with_int<most>((column(panel + 1) - from) / L, [&](auto v) {
      add_product<decltype(v)::value, T, product_far>(c + first * c_m + from, c_m, columns, size, accumulate || k0 > 0,
                                                      a, row, step, b, part, wanted, start ? start + from : nullptr,
                                                      past(), here ? &epilogue : nullptr);
    });
  }

  // The team as a grid of rows x panels: the one whose largest share is smallest. Fewer than 4 rows take as long as
  // 4, because then b's way from the cache sets the pace; among equals the fewest cuts through the rows win.
  void divide(const Team& team, Range& rows, Range& across) const {
    ptrdiff_t best = 0, down = 1;
    for (ptrdiff_t d = 1; d <= team.size; d++) {
      if (team.size % d) continue;
      ptrdiff_t high = (m + d - 1) / d, right = team.size / d, wide = (panels() + right - 1) / right;
      ptrdiff_t cost = (high < 4 ? 4 : high) * wide;
      if (d == 1 || cost < best) best = cost, down = d;
    }
    int right = int(team.size / down);
    rows = share(m, {team.rank / right, int(down), nullptr, nullptr});
    across = share(panels(), {team.rank % right, right, nullptr, nullptr});
  }
};
