// Winograd's convolution F(M x M, 3 x 3): what its rungs share, for conv2d and both of its backward passes.
//
//   y = A^T [ sum over ic of (G g G^T) * (B^T d B) ] A          (Lavin and Gray 2016, "Fast Algorithms for
//                                                                Convolutional Neural Networks", equation 12)
//
// d is a tile of (M+2) x (M+2) inputs, g the 3 x 3 weights of a pair of channels, y a tile of M x M outputs, * goes
// element by element. Over the channels each of the (M+2)^2 elements, called points here, is a matrix product:
//
//   m[point][tile, oc] = sum over ic of v[point][tile, ic] * u[point][ic, oc]
//
// It is the polynomial product by evaluation and interpolation: at 0, 1, -1 and infinity for M = 2; at 0, a, -a, b, -b
// and infinity for M = 4. A tile takes (M+2)^2 multiplications for a pair of channels instead of 9 M^2:
//   M = 2: 16 instead of 36, 2.25 times fewer        M = 4: 36 instead of 144, 4 times fewer
#pragma once
#include "parts.h"

// One-dimensional transforms. From d(0) .. d(N-1) to put(Int<0>, value) .. put(Int<..>, value); what the caller does
// not look at is not computed. All are sums whose terms are no further apart than their coefficients: see
// winograd_bound in reference/bound.py, which counts their roundings.
template <int M>
struct Points;

template <>
struct Points<2> {
  static constexpr int N = 4;
  // B^T: 1 0 -1 0 | 0 1 1 0 | 0 -1 1 0 | 0 -1 0 1
  template <class T, class D, class P>
  static inline __attribute__((always_inline)) void input(D d, P put) {
    put(Int<0>{}, d(0) - d(2));
    put(Int<1>{}, d(2) + d(1));
    put(Int<2>{}, d(2) - d(1));
    put(Int<3>{}, d(3) - d(1));
  }
  // G: 1 0 0 | 1/2 1/2 1/2 | 1/2 -1/2 1/2 | 0 0 1
  template <class T, class D, class P>
  static inline __attribute__((always_inline)) void weight(D g, P put) {
    auto even = T(0.5) * (g(0) + g(2)), odd = T(0.5) * g(1);
    put(Int<0>{}, g(0));
    put(Int<1>{}, even + odd);
    put(Int<2>{}, even - odd);
    put(Int<3>{}, g(2));
  }
  // A^T: 1 1 1 0 | 0 1 -1 1
  template <class T, class D, class P>
  static inline __attribute__((always_inline)) void output(D m, P put) {
    put(Int<0>{}, m(0) + (m(1) + m(2)));
    put(Int<1>{}, m(3) + (m(1) - m(2)));
  }
};

template <>
struct Points<4> {
  static constexpr int N = 6;
  // With 1 and 2, as in the paper, the error is 3 times larger. Found by trying all pairs of sixteenths (64 input
  // channels, random numbers): root of the mean square of the error, largest error, of the largest output:
  //   1, 2: 1.2e-6, 2.7e-6    1/2, 1: 1.3e-6, 2.9e-6    3/4, 3/2: 6.2e-7, 9.8e-7    5/8, 3/2: 5.9e-7, 9.1e-7
  static constexpr double a = 0.625, b = 1.5, a2 = a * a, b2 = b * b;
  // B^T: a2 b2, 0, -a2 - b2, 0, 1, 0 | 0, -+ a b2, -b2, +- a, 1, 0 | 0, -+ a2 b, -a2, +- b, 1, 0 | 0, a2 b2, 0, -a2 -
  // b2, 0, 1
  template <class T, class D, class P>
  static inline __attribute__((always_inline)) void input(D d, P put) {
    auto even_a = d(4) - T(b2) * d(2), odd_a = d(3) - T(b2) * d(1);
    auto even_b = d(4) - T(a2) * d(2), odd_b = d(3) - T(a2) * d(1);
    put(Int<0>{}, d(4) - T(a2 + b2) * d(2) + T(a2 * b2) * d(0));
    put(Int<1>{}, even_a + T(a) * odd_a);
    put(Int<2>{}, even_a - T(a) * odd_a);
    put(Int<3>{}, even_b + T(b) * odd_b);
    put(Int<4>{}, even_b - T(b) * odd_b);
    put(Int<5>{}, d(5) - T(a2 + b2) * d(3) + T(a2 * b2) * d(1));
  }
  // G: 1 / (a2 b2), 0, 0 | (1 / a, +-1, a) / (2 a2 - 2 b2) | (1 / b, +-1, b) / (2 b2 - 2 a2) | 0, 0, 1
  template <class T, class D, class P>
  static inline __attribute__((always_inline)) void weight(D g, P put) {
    constexpr double ca = 0.5 / (a2 - b2), cb = 0.5 / (b2 - a2);
    auto even_a = T(ca / a) * g(0) + T(ca * a) * g(2), odd_a = T(ca) * g(1);
    auto even_b = T(cb / b) * g(0) + T(cb * b) * g(2), odd_b = T(cb) * g(1);
    put(Int<0>{}, T(1 / (a2 * b2)) * g(0));
    put(Int<1>{}, even_a + odd_a);
    put(Int<2>{}, even_a - odd_a);
    put(Int<3>{}, even_b + odd_b);
    put(Int<4>{}, even_b - odd_b);
    put(Int<5>{}, g(2));
  }
  // A^T: 1 1/a 1/a 1/b 1/b 0 | 0 1 -1 1 -1 0 | 0 a a b b 0 | 0 a2 -a2 b2 -b2 1
  template <class T, class D, class P>
  static inline __attribute__((always_inline)) void output(D m, P put) {
    auto even_a = m(1) + m(2), odd_a = m(1) - m(2), even_b = m(3) + m(4), odd_b = m(3) - m(4);
    put(Int<0>{}, m(0) + T(1 / a) * even_a + T(1 / b) * even_b);
    put(Int<1>{}, odd_a + odd_b);
    put(Int<2>{}, T(a) * even_a + T(b) * even_b);
    put(Int<3>{}, m(5) + T(a2) * odd_a + T(b2) * odd_b);
  }
};

// line: F(M, 3) along the width only, for 1 x 3 weights: the same loops, with tiles one row high.
template <class T, int M, bool line = false>
struct Winograd {
  using Point = Points<M>;
  static constexpr int N = Point::N, L = lanes<T>;
  static constexpr int high = line ? 1 : M, N_h = line ? 1 : N, taps_h = line ? 1 : 3;  // rows: of y, of x, of weights
  static constexpr int points = N_h * N, taps = taps_h * 3;
  // Vectors of output channels in a panel. 32 registers: 6 rows x 4 vectors + 4 + 1 = 29, 10 loads for 24
  // multiply-adds; 16 registers: 6 x 2 + 2 + 1 = 15.
  static constexpr int most = isa_registers == 32 ? 4 : 2, pad = 64 / int(sizeof(T));
  // v and m of a block of tiles: most of an L2 cache of 2 MB; with 16 registers of one of 512 KB (Zen 3: 16 to 32
  // channels 1.04 to 1.1 times faster than with 1.25 MB, 64 and more the same).
  static constexpr ptrdiff_t block_bytes = isa_registers == 32 ? 5 << 18 : 3 << 17;
  static constexpr ptrdiff_t least_tiles = 48;  // each number of u is used this often when it comes from far
  template <int V>
  static constexpr ptrdiff_t point_depth = 256 / V;  // ic of a part of u: 16 KB
  static constexpr ptrdiff_t far_bytes = 1 << 20;    // u from here on leaves L2 between two calls
  static constexpr ptrdiff_t raw_bytes = 20 << 20;   // larger u are made where they are used ...
  static constexpr ptrdiff_t raw_part = 64;          // ... for 64 inputs and a panel: 36 * 64 * 64 * 4 = 590 KB
  static constexpr ptrdiff_t raw_tiles = 64;         // ... and as many tiles, to be worth it
  static constexpr ptrdiff_t fresh_tiles = 256;      // from w itself: at most so many

  // A convolution with stride 1 of 3 x 3 weights, whichever operator it came from.
  struct Job {
    const T* x;     // [n, ic, ih, iw]
    const T* w;     // [groups, oc, ic, 3, 3] of one group's channels
    const T* bias;  // [groups, oc] or null
    T* y;           // [n, oc, oh, ow]
    const T* packed;
    T* scratch;
    ptrdiff_t n, groups, ic, oc, ih, iw, oh, ow;  // channels of one group
    ptrdiff_t pad_h, pad_w;                       // may be negative: the first rows and columns are then not read
    ptrdiff_t x_n, x_c, x_h, x_w;
    ptrdiff_t w_g, w_o, w_i, w_h, w_w;
    ptrdiff_t y_n, y_c, y_h, y_w;
    const T* add;  // epilogue (simd/epilogue.h): lies as y does, or null
    int64_t activation;
    bool raw_allowed;  // see raw()
    bool once;         // these weights serve one call: Workspace's
    ptrdiff_t spill;   // numbers that may be written behind a tile's channels in v

    // Tiles of the output.
    ptrdiff_t down() const { return ceil_div(oh, high); }
    ptrdiff_t right() const { return ceil_div(ow, M); }
    ptrdiff_t tiles() const { return n * down() * right(); }

    // Output channels in panels of 1 to `most` vectors that differ by at most one: 5 vectors are 3 + 2, because a panel
    // of one vector loads as many numbers of v as one of four.
    ptrdiff_t vectors() const { return ceil_div(oc, L); }
    ptrdiff_t panels() const { return ceil_div(vectors(), most); }
    ptrdiff_t first_vector(ptrdiff_t panel) const { return vectors() * panel / panels(); }
    int panel_vectors(ptrdiff_t panel) const { return int(first_vector(panel + 1) - first_vector(panel)); }

    // Packed weights are u, ready to be multiplied, if that stays in or near L2: [groups][panel][point][ic][vectors of
    // the panel * L], and after each point `pad` numbers. Without them the points of a pair of channels, which are
    // written together, could all fall into the same set of the cache. Larger weights are only brought into the order
    // of the panels, [groups][panel][ic][9][vectors * L], and transformed in parts while a block of tiles is done: 9
    // numbers come from L3 instead of 36, and packing, which training does in every step, writes 9.
    bool large() const { return points * ic * vectors() * L * ptrdiff_t(sizeof(T)) > raw_bytes; }
    bool raw() const { return raw_allowed && large() && !fresh(); }
    // Weights of one call are not packed if few blocks of tiles use them: each block makes their points from w itself,
    // a part at a time, and they do not go through memory. (256 channels on 14x14 by F(4x4), Zen 3: packing 2.2 ms and
    // the rest 1.3, now 1.4 together; 64 on 56x56 0.14 and 1.0, now 1.1.)
    bool fresh() const { return raw_allowed && once && tiles() <= fresh_tiles; }
    bool made() const { return raw() || fresh(); }  // u is made where it is used
    ptrdiff_t u_point(int panel_vectors) const { return (made() ? raw_part : ic) * panel_vectors * L + pad; }
    ptrdiff_t u_panel(ptrdiff_t panel) const {
      return made() ? taps * first_vector(panel) * ic * L : points * (first_vector(panel) * ic * L + panel * pad);
    }
    ptrdiff_t u_group() const { return u_panel(panels()); }

    // v: [point][tile of the block][ic + pad], and a plane's end padded for the same reason. With 16 registers, and so
    // smaller caches, rows get no pad that they do not need: of 16 channels half of v was pad (16 and 24 channels 1.1
    // to 1.4 times faster without).
    ptrdiff_t v_row() const {
      ptrdiff_t row = ceil_div(ic, L) * L;
      bool padded = isa_registers == 32 || row % (512 / ptrdiff_t(sizeof(T))) == 0;  // then there is room for `spill`
      return padded ? row + pad : ceil_div(ic + spill, L) * L;
    }
    ptrdiff_t v_plane(ptrdiff_t block) const {  // an odd number of lines, never fewer for more tiles
      return (ceil_div(block * v_row(), pad) | 1) * pad;
    }
    // m: [tile of the block][point][most * L]
    static constexpr ptrdiff_t m_point = most * L, m_tile = points * m_point + pad;

    // Tiles that are done together.
    ptrdiff_t block() const {
      if (raw()) return raw_tiles;
      ptrdiff_t fit = block_bytes / ((points * v_row() + m_tile) * ptrdiff_t(sizeof(T)));
      ptrdiff_t least = fresh() ? raw_tiles : least_tiles;
      return fit > least ? fit : least;
    }
    // Of a team whose members have v and m of their own.
    size_t scratch_bytes(int threads) const {
      ptrdiff_t all = ceil_div(tiles(), threads), count = block() < all ? block() : all;
      ptrdiff_t member = (points * v_plane(count) + count * m_tile + pad - 1) / pad * pad;
      return size_t(threads) * size_t(member) * sizeof(T);
    }
  };

  // How a team shares the work, and its scratch. Either each member has tiles of its own, or all do the same tiles:
  // each transforms some of them, they meet, and each takes some panels. The latter if weights are transformed on the
  // way, so that no two members do that for the same ones, or if they come from afar for few tiles. Either way an
  // output is the same sum.
  struct Plan {
    bool together;
    ptrdiff_t tiles;           // of a block, at the most
    ptrdiff_t plane, v, m, u;  // sizes in numbers
    Plan(const Job& j, int threads) {
      bool far = j.made() || (j.u_group() * ptrdiff_t(sizeof(T)) > Winograd::far_bytes && j.tiles() <= j.block());
      together = threads > 1 && far && (j.panels() % threads == 0 || j.panels() >= 4 * threads);
      ptrdiff_t all = together ? j.tiles() : ceil_div(j.tiles(), threads);
      tiles = j.block() < all ? j.block() : all;
      plane = j.v_plane(tiles);
      v = points * plane;
      m = (tiles * Job::m_tile + pad - 1) / pad * pad;
      u = j.made() ? points * j.u_point(most) : 0;
    }
    ptrdiff_t member() const { return (together ? 0 : v) + m + u; }
    ptrdiff_t first() const { return together ? v : 0; }  // of the members' own
  };
  static size_t scratch_bytes(const Job& j, int threads) {
    Plan plan(j, threads);
    return size_t(plan.first() + threads * plan.member()) * sizeof(T);
  }

  // ---- weights ----

  static size_t packed_bytes(const Job& j) { return j.fresh() ? 0 : size_t(j.groups * j.u_group()) * sizeof(T); }

  // An input of a panel at a time, so that lines are written whole.
  static void prepare(const Job& j, void* packed, const Team& team) noexcept {
    Range mine = share(j.groups * j.panels() * j.ic, team);
    for (ptrdiff_t item = mine.begin, end; item < mine.end; item = end) {
      ptrdiff_t whole = item / j.ic, g = whole / j.panels(), panel = whole % j.panels();
      end = (whole + 1) * j.ic < mine.end ? (whole + 1) * j.ic : mine.end;
      ptrdiff_t wide = j.panel_vectors(panel) * L, first = j.first_vector(panel) * L, ic = item - whole * j.ic;
      ptrdiff_t u_point = j.raw() ? wide : j.u_point(int(wide / L)), step = j.raw() ? taps * wide : wide;
      T* u = static_cast<T*>(packed) + g * j.u_group() + j.u_panel(panel);
      panel_filters(j, g, first, wide, {ic, ic + end - item}, u + ic * step, step, u_point, j.raw());
      for (int p = 0; end == (whole + 1) * j.ic && !j.raw() && p < points; p++)  // not needed, but never undefined
        for (ptrdiff_t i = 0; i < pad; i++) u[(p + 1) * u_point - pad + i] = 0;
    }
  }
  // Some inputs of a panel, `step` apart: whole lines.
  static __attribute__((noinline)) void panel_filters(const Job& j, ptrdiff_t g, ptrdiff_t first, ptrdiff_t wide,
                                                      Range inputs, T* u, ptrdiff_t step, ptrdiff_t u_point,
                                                      bool raw) noexcept {
    const T* w = j.w + g * j.w_g + first * j.w_o;
    for (ptrdiff_t ic = inputs.begin; ic < inputs.end; ic++, u += step)
      for (ptrdiff_t v = 0; v < wide; v += L) {
        ptrdiff_t left = j.oc - first - v;
        filters(j, w + v * j.w_o + ic * j.w_i, left < L ? left : L, u + v, u_point, raw);
      }
  }

  // ---- filters: the weights of one input and a vector of output channels ----

  // Whether those of a pair of channels lie side by side, as in PyTorch's order, be it turned round.
  static bool side_by_side(const Job& j) { return (j.w_w == 1 || j.w_w == -1) && (line || j.w_h == 3 * j.w_w); }
  // As points, or if `raw` as they are, `u_point` apart. Tap (0, 0) of lane l's filter is at from[l] + offset; lanes
  // from `count` on are 0.
  static inline __attribute__((always_inline)) void filters(const Job& j, const T* const (&from)[L], ptrdiff_t offset,
                                                            ptrdiff_t count, T* u, ptrdiff_t u_point,
                                                            bool raw) noexcept {
    T kept[taps * L];
    ptrdiff_t back = j.w_w < 0 ? taps - 1 : 0, step = j.w_w < 0 ? -L : L;
    if (side_by_side(j)) {
      const T* row[L];
      UNROLL for (int l = 0; l < L; l++) row[l] = from[l] + offset - back;
      vec<T> tap[taps];
      load_columns<taps, T>(row, tap);
      UNROLL for (int l = 0; l < L; l++) __builtin_prefetch(row[l] + 8 * j.w_i);
      UNROLL for (int t = 0; t < taps; t++) store<T>(kept + t * L, tap[t]);
    } else {
      back = 0, step = L;
      for (int t = 0; t < taps; t++)
        for (ptrdiff_t l = 0; l < L; l++) kept[t * L + l] = from[l][offset + t / 3 * j.w_h + t % 3 * j.w_w];
    }
    for (int t = 0; count < L && t < taps; t++)
      for (ptrdiff_t l = count; l < L; l++) kept[t * L + l] = 0;
    const T* first = kept + back * L;
    if (raw) {
      for (int t = 0; t < taps; t++) store<T>(u + t * u_point, load<T>(first + t * step));
    } else {
      weights([=](int i, int k) __attribute__((always_inline)) { return load<T>(first + (i * 3 + k) * step); }, u,
              u_point);
    }
  }
  // Of `count` neighbouring output channels from w on.
  static void filters(const Job& j, const T* w, ptrdiff_t count, T* u, ptrdiff_t u_point, bool raw = false) noexcept {
    const T* from[L];
    UNROLL for (int l = 0; l < L; l++) from[l] = w + (l < count ? l : 0) * j.w_o;
    filters(j, from, 0, count, u, u_point, raw);
  }
  // The points of a vector of filters; g(i, k) loads.
  template <class G>
  static inline __attribute__((always_inline)) void weights(G load_g, T* u, ptrdiff_t u_point) noexcept {
    vec<T> g[taps_h][3], half[N_h][3];
    UNROLL for (int i = 0; i < taps_h; i++) UNROLL for (int k = 0; k < 3; k++) g[i][k] = load_g(i, k);
    UNROLL for (int k = 0; k < 3; k++) if constexpr (line) half[0][k] = g[0][k];
    else Point::template weight<T>([&](int i) __attribute__((always_inline)) { return g[i][k]; },
                                   [&](auto i, vec<T> v) __attribute__((always_inline)) { half[i.value][k] = v; });
    UNROLL for (int i = 0; i < N_h; i++) Point::template weight<T>(
        [&](int k) __attribute__((always_inline)) { return half[i][k]; },
        [&](auto k, vec<T> v) __attribute__((always_inline)) { store<T>(u + (i * N + k.value) * u_point, v); });
  }
  // Those of a part of the inputs of a panel, from packed weights that are not transformed yet.
  static void raw_weights(const T* w, ptrdiff_t ic, ptrdiff_t wide, T* u, ptrdiff_t u_point) noexcept {
    for (ptrdiff_t i = 0; i < ic; i++, w += taps * wide, u += wide)
      for (ptrdiff_t v = 0; v < wide; v += L)
        weights([=](int r, int k) __attribute__((always_inline)) { return load<T>(w + (r * 3 + k) * wide + v); }, u + v,
                u_point);
  }

  // ---- tiles ----

  // Rows A and B of the transformed tile; d(i, j) loads. Two rows at a time need 2 N + a few registers, all N would not
  // fit.
  template <int A, int B, class D>
  static inline __attribute__((always_inline)) void two_rows(D d, T* v, ptrdiff_t plane) noexcept {
    vec<T> a[N], b[N];
    UNROLL for (int j = 0; j < N; j++)
        Point::template input<T>([&](int i) __attribute__((always_inline)) { return d(i, j); },
                                 [&](auto i, vec<T> value) __attribute__((always_inline)) {
                                   if constexpr (i.value == A) a[j] = value;
                                   if constexpr (i.value == B) b[j] = value;
                                 });
    T *to_a = v + A * N * plane, *to_b = v + B * N * plane;
    Point::template input<T>([&](int j) __attribute__((always_inline)) { return a[j]; },
                             [&](auto k, vec<T> value)
                                 __attribute__((always_inline)) { store<T>(to_a + k.value * plane, value); });
    Point::template input<T>([&](int j) __attribute__((always_inline)) { return b[j]; },
                             [&](auto k, vec<T> value)
                                 __attribute__((always_inline)) { store<T>(to_b + k.value * plane, value); });
  }
  template <class D>
  static inline __attribute__((always_inline)) void input_tile(D d, T* v, ptrdiff_t plane) noexcept {
    if constexpr (line) {
      vec<T> row[N];
      UNROLL for (int k = 0; k < N; k++) row[k] = d(0, k);
      Point::template input<T>([&](int k) __attribute__((always_inline)) { return row[k]; },
                               [&](auto k, vec<T> value)
                                   __attribute__((always_inline)) { store<T>(v + k.value * plane, value); });
      return;
    } else {
      two_rows<0, N - 1>(d, v, plane);  // 0 and infinity
      two_rows<1, 2>(d, v, plane);
      if constexpr (N == 6) two_rows<3, 4>(d, v, plane);
    }
  }

  struct Place {
    ptrdiff_t n, h, w;  // of a tile
  };
  static Place place(const Job& j, ptrdiff_t tile) {
    ptrdiff_t w = tile % j.right(), row = tile / j.right();
    return {row / j.down(), row % j.down() * high, w * M};
  }

  // Images of few channels that do not stay in L2: tiles are short pieces of many rows, which no CPU foresees. x and y
  // are asked for two tiles ahead. Zen 5, 32 images of 56x56, 16 -> 16 channels: 1.85 ms without, 1.43 with; 8 of
  // 96x96, 24 -> 24: 3.5 and 2.7; 12 -> 12 (3.5 MB): 1.32 and 0.83. On Zen 4 it costs 0 to 8 %.
  static constexpr ptrdiff_t leaves_near = 3 << 20, line_bytes = 64, most_lines = 2;
  static bool is_far(ptrdiff_t pixels, ptrdiff_t channels, ptrdiff_t step_c) {
    ptrdiff_t bytes = channels * ptrdiff_t(sizeof(T));
    return isa_registers == 32 && step_c == 1 && bytes <= most_lines * line_bytes && pixels * bytes >= leaves_near;
  }
  template <int H, int write>
  static inline __attribute__((always_inline)) void fetch(const T* tile, ptrdiff_t step_h, ptrdiff_t step_w,
                                                          ptrdiff_t channels) noexcept {
    for (ptrdiff_t c = 0; c < channels; c += line_bytes / ptrdiff_t(sizeof(T)))
      UNROLL for (int i = 0; i < H; i++) UNROLL for (int k = 0; k < M; k++)
          __builtin_prefetch(tile + i * step_h + (2 * M + k) * step_w + c, write);
  }

  static void inputs(const Job& j, const T* x, ptrdiff_t first, ptrdiff_t count, T* v, ptrdiff_t plane) noexcept {
    bool far = is_far(j.n * j.ih * j.iw, j.ic, j.x_c);
    for (ptrdiff_t t = 0; t < count; t++, v += j.v_row()) {
      Place at = place(j, first + t);
      ptrdiff_t ih = at.h - j.pad_h, iw = at.w - j.pad_w;
      bool whole = ih >= 0 && iw >= 0 && ih + N_h <= j.ih && iw + N <= j.iw && j.x_c == 1;
      const T* from = x + at.n * j.x_n + ih * j.x_h + iw * j.x_w;
      if (far) fetch<N_h, 0>(from, j.x_h, j.x_w, j.ic);
      ptrdiff_t c = 0;
      if (whole)
        for (; c + L <= j.ic; c += L)
          input_tile([=](int i, int k)
                         __attribute__((always_inline)) { return load<T>(from + c + i * j.x_h + k * j.x_w); },
                     v + c, plane);
      if (whole && c < j.ic && L > 1) {  // the last channels of, say, 12: 1.1 to 2 times faster than by input_edge
        input_tile([=, left = j.ic - c](int i, int k)
                       __attribute__((always_inline)) { return load_n<T>(from + c + i * j.x_h + k * j.x_w, left); },
                   v + c, plane);
        c += L;
      }
      for (; c < j.ic; c += L) input_edge(j, from + c * j.x_c, ih, iw, j.ic - c, v + c, plane);
    }
  }
  // A tile that hangs over the image, or whose channels do not fill a vector or lie apart.
  static __attribute__((noinline)) void input_edge(const Job& j, const T* x, ptrdiff_t ih, ptrdiff_t iw, ptrdiff_t left,
                                                   T* v, ptrdiff_t plane) noexcept {
    vec<T> d[N_h][N];
    for (int i = 0; i < N_h; i++)
      for (int k = 0; k < N; k++) {
        bool inside = ih + i >= 0 && ih + i < j.ih && iw + k >= 0 && iw + k < j.iw;
        d[i][k] = inside ? load_channels<T>(x + i * j.x_h + k * j.x_w, j.x_c, left) : vec<T>{};
      }
    input_tile([&](int i, int k) __attribute__((always_inline)) { return d[i][k]; }, v, plane);
  }

  template <class P>
  static inline __attribute__((always_inline)) void output_tile(const T* m, ptrdiff_t m_point, vec<T> bias,
                                                                P put) noexcept {
    vec<T> z[high][N];
    UNROLL for (int k = 0; k < N; k++) if constexpr (line) z[0][k] = load<T>(m + k * m_point);
    else Point::template output<T>([&](int i)
                                       __attribute__((always_inline)) { return load<T>(m + (i * N + k) * m_point); },
                                   [&](auto i, vec<T> value) __attribute__((always_inline)) { z[i.value][k] = value; });
    UNROLL for (int i = 0; i < high; i++) Point::template output<T>(
        [&](int k) __attribute__((always_inline)) { return z[i][k]; },
        [&](auto k, vec<T> value) __attribute__((always_inline)) { put(i, k.value, value + bias); });
  }

  // Whether y, which would not stay in the caches, goes past them, line by line. Emerald Rapids, time without by time
  // with: 64 -> 64 on 224x224 1.2, on 8 of 56x56 1.1, 128 -> 128 1.15, 48 -> 80 on 4 of 80x80 1.2; but 16 -> 16 on 64
  // of 32x32, where lines are asked for (is_far), 0.8.
  static constexpr ptrdiff_t stream_bytes = 4 << 20;
  static bool past(const Job& j) {
    ptrdiff_t pixels = j.n * j.oh * j.ow;
    return isa_registers == 32 && L * ptrdiff_t(sizeof(T)) >= 64 && j.y_c == 1 && !is_far(pixels, j.oc, j.y_c) &&
           pixels * j.groups * j.oc * ptrdiff_t(sizeof(T)) >= stream_bytes &&
           uintptr_t(j.y_n | j.y_h | j.y_w) * sizeof(T) % sizeof(vec<T>) == 0;
  }

  // A panel of output channels, from oc on, of `count` tiles.
  static void outputs(const Job& j, T* y, const T* bias, ptrdiff_t oc, int vectors, ptrdiff_t first, ptrdiff_t count,
                      const T* m) noexcept {
    Finish<T> finish(j.activation, j.add, j.y);
    bool far = is_far(j.n * j.oh * j.ow, j.oc, j.y_c), beyond = past(j) && uintptr_t(y) % sizeof(vec<T>) == 0;
    for (ptrdiff_t t = 0; t < count; t++, m += Job::m_tile) {
      Place at = place(j, first + t);
      T* to = y + at.n * j.y_n + at.h * j.y_h + at.w * j.y_w + oc * j.y_c;
      if (far) fetch<high, 1>(to, j.y_h, j.y_w, vectors * L);
      ptrdiff_t rows = j.oh - at.h, columns = j.ow - at.w;
      for (int v = 0; v < vectors; v++, to += L * j.y_c) {
        ptrdiff_t left = j.oc - oc - v * L;
        vec<T> b = {};
        if (bias) b = load_channels<T>(bias + oc + v * L, 1, left);
        bool whole = rows >= high && columns >= M && left >= L && j.y_c == 1;
        if (whole && finish.adds && finish.simple)
          output_tile(m + v * L, Job::m_point, b, [=](int i, int k, vec<T> value) __attribute__((always_inline)) {
            T* at = to + i * j.y_h + k * j.y_w;
            store<T>(at, finish.clamp(value + load<T>(finish.add(at))));
          });
        else if (whole && finish.clamps && finish.simple)
          output_tile(m + v * L, Job::m_point, b, [=](int i, int k, vec<T> value) __attribute__((always_inline)) {
            store<T>(to + i * j.y_h + k * j.y_w, finish.clamp(value));
          });
        else if (whole && beyond && finish.nothing())
          output_tile(m + v * L, Job::m_point, b, [=](int i, int k, vec<T> value) __attribute__((always_inline)) {
            stream<T>(to + i * j.y_h + k * j.y_w, value);
          });
        else if (whole)
          output_tile(m + v * L, Job::m_point, b, [=](int i, int k, vec<T> value) __attribute__((always_inline)) {
            store<T>(to + i * j.y_h + k * j.y_w, value);
          });
        else output_edge(j, finish, to, rows, columns, left, b, m + v * L);
      }
      if (finish.simple) continue;
      T* tile = y + at.n * j.y_n + at.h * j.y_h + at.w * j.y_w + oc;
      ptrdiff_t left = j.oc - oc < vectors * L ? j.oc - oc : vectors * L;
      finish_outputs<T>(tile, j.add ? j.add + (tile - j.y) : nullptr, j.activation, rows < high ? rows : high, j.y_h,
                        columns < M ? columns : M, j.y_w, left);
    }
  }
  static __attribute__((noinline)) void output_edge(const Job& j, const Finish<T>& finish, T* y, ptrdiff_t rows,
                                                    ptrdiff_t columns, ptrdiff_t left, vec<T> bias,
                                                    const T* m) noexcept {
    vec<T> out[high][M];
    output_tile(m, Job::m_point, bias,
                [&](int i, int k, vec<T> value) __attribute__((always_inline)) { out[i][k] = value; });
    for (int i = 0; i < high && i < rows; i++)
      for (int k = 0; k < M && k < columns; k++) {
        T* at = y + i * j.y_h + k * j.y_w;
        vec<T> value = out[i][k];
        if (finish.adds && finish.simple) value += load_channels<T>(finish.add(at), j.y_c, left);
        if (finish.clamps && finish.simple) value = finish.clamp(value);
        store_channels<T>(at, j.y_c, value, left);
      }
  }

  // ---- all ----

  // m of one panel of `tiles` tiles.
  template <int V>
  static void products(const Job& j, ptrdiff_t g, ptrdiff_t panel, T* u, ptrdiff_t tiles, const T* v, ptrdiff_t plane,
                       T* m) noexcept {
    ptrdiff_t part = j.made() ? raw_part : j.ic;
    const T* packed = j.fresh() ? nullptr : j.packed + g * j.u_group() + j.u_panel(panel);
    for (ptrdiff_t ic = 0; ic < j.ic; ic += part) {
      ptrdiff_t depth = j.ic - ic < part ? j.ic - ic : part;
      if (j.raw()) raw_weights(packed + taps * ic * V * L, depth, V * L, u, j.u_point(V));
      if (j.fresh())
        panel_filters(j, g, j.first_vector(panel) * L, V * L, {ic, ic + depth}, u, V * L, j.u_point(V), false);
      const T* from = j.made() ? u : packed;
      for (int p = 0; p < points; p++)
        point<V>(m + p * Job::m_point, tiles, ic > 0, v + p * plane + ic, j.v_row(), from + p * j.u_point(V), depth);
    }
  }

  // m[tile, oc] (+)= sum over ic of v[tile, ic] * u[ic, oc] for one point and panel. As add_product (simd/product.h),
  // but u, which often comes from beyond L2 and is used for a few blocks of rows only, is fetched ahead whole: with 16
  // tiles 3 blocks of rows pass a part of u, and each must fetch 2 of the 4 vectors of a step. A part and the next one
  // fit into L1. (7x7x512 by F(2x2), 100 MB of other weights in between: 2.37 -> 1.62 ms; 14x14x256 by F(4x4): 1.08 ->
  // 0.91 ms. Fetched past L2, so that v stays there: 2 to 3 times slower, lines leave L1 before they are used.)
  template <int V>
  static void point(T* m, ptrdiff_t tiles, bool accumulate, const T* v, ptrdiff_t v_row, const T* u,
                    ptrdiff_t depth) noexcept {
    ptrdiff_t parts = ceil_div(depth, point_depth<V>), blocks = ceil_div(tiles, rows_for<V>);
    for (ptrdiff_t part = 0; part < parts; part++) {
      ptrdiff_t k = depth * part / parts, size = depth * (part + 1) / parts - k;
      const T *here = u + k * V * L, *ahead = here + size * V * L, *end = ahead + size * V * L;
      for_row_blocks<rows_for<V>>(tiles, [&](auto rows, ptrdiff_t first) {
        constexpr int R = decltype(rows)::value;
        Block<R, V, T> b;
        T* to = m + first * Job::m_tile;
        if (accumulate || k > 0) load_block(b, to, Job::m_tile);
        else clear_block(b);
        const T* x = v + first * v_row + k;
        if (blocks >= V || ahead >= end) {
          multiply_grid<1, R, 1>(b, x, 0, v_row, 1, here, size, ahead < end ? ahead : here, L);
          ahead += size * L;
        } else if (2 * blocks >= V) {
          multiply_grid<1, R, 2>(b, x, 0, v_row, 1, here, size, ahead, 2 * L);
          ahead += 2 * size * L;
        } else {
          multiply_grid<1, R, 4>(b, x, 0, v_row, 1, here, size, ahead, 4 * L);
          ahead += 4 * size * L;
        }
        store_block(b, to, Job::m_tile);
      });
    }
  }

  // One panel of a block of tiles, from transformed inputs to outputs.
  static void panel(const Job& j, ptrdiff_t g, ptrdiff_t panel, ptrdiff_t first, ptrdiff_t count, const T* v,
                    ptrdiff_t plane, T* m, T* u) noexcept {
    int vectors = j.panel_vectors(panel);
    if (vectors == 1) products<1>(j, g, panel, u, count, v, plane, m);
    else if (vectors == 2) products<2>(j, g, panel, u, count, v, plane, m);
    if constexpr (most == 4) {
      if (vectors == 3) products<3>(j, g, panel, u, count, v, plane, m);
      else if (vectors == 4) products<4>(j, g, panel, u, count, v, plane, m);
    }
    outputs(j, j.y + g * j.oc * j.y_c, j.bias ? j.bias + g * j.oc : nullptr, j.first_vector(panel) * L, vectors, first,
            count, m);
  }

  static void run(const Job& j, const Team& team) noexcept {
    Plan plan(j, team.size);
    T* own = j.scratch + plan.first() + team.rank * plan.member();
    T* v = plan.together ? j.scratch : own;
    T* m = plan.together ? own : own + plan.v;
    T* u = m + plan.m;
    Range tiles = plan.together ? Range{0, j.tiles()} : share(j.tiles(), team);
    ptrdiff_t size = tiles.end - tiles.begin, blocks = ceil_div(size, plan.tiles);
    for (ptrdiff_t block = 0; block < blocks; block++) {
      ptrdiff_t first = tiles.begin + size * block / blocks, count = tiles.begin + size * (block + 1) / blocks - first;
      for (ptrdiff_t g = 0; g < j.groups; g++) {
        const T* x = j.x + g * j.ic * j.x_c;
        Range panels = {0, j.panels()};
        if (plan.together) {
          if (block + g > 0) team.barrier(&team);  // all have read v
          Range mine = share(count, team);
          inputs(j, x, first + mine.begin, mine.end - mine.begin, v + mine.begin * j.v_row(), plan.plane);
          team.barrier(&team);
          panels = share(j.panels(), team);
        } else {
          inputs(j, x, first, count, v, plan.plane);
        }
        for (ptrdiff_t p = panels.begin; p < panels.end; p++) panel(j, g, p, first, count, v, plan.plane, m, u);
      }
    }
    if (past(j)) stream_end();
  }

  // ---- what it takes: cycles of one core that starts two multiply-adds of a vector per cycle, as found on a Xeon ----

  // The products, and bringing u from beyond L2 for every block of tiles, about 9 bytes a cycle: the longer of the two,
  // and with few tiles, which leave fetching ahead little time, the other one as well. (A network's weights come from
  // afar in every call, whatever a layer measured alone finds near.) A panel of one vector waits for its loads. To
  // transform a vector of a tile takes its sums, loads and stores.
  static double cycles(const Job& j) {
    double tiles = double(j.tiles()), vectors = double(j.vectors()), ic = double(j.ic);
    double storing = isa_registers == 32 ? 1 : 0;  // a sum; with 16 registers it is part of the factor
    double products = tiles * points * (ic / 2 * (j.vectors() == 1 ? 1.5 : 1.1) + storing) * vectors;
    double passes = double(ceil_div(j.tiles(), j.block())),
           fetching = passes * fetch_cycles(double(j.u_group()), double(j.groups));
    double in = line ? 40 : M == 4 ? 200 : 90, out = line ? 40 : M == 4 ? 160 : 70;
    if (isa_registers == 32 && !line)
      out += M == 4 ? 70 : 15;  // as found on Emerald Rapids with 3 to 12 input channels
    double transforms = tiles * (double(ceil_div(j.ic, L)) * in + vectors * out);
    if (line) transforms += tiles * ((j.ic % L ? 110 : 0) + (j.oc % L ? 110 : 0));  // a vector in part
    if (isa_registers < 32) transforms *= 1.3;  // a tile of sums does not stay in 16 registers
    if (j.raw()) transforms += passes * ic * vectors * (line ? 25 : M == 4 ? 170 : 60);
    if (j.once) transforms += ic * vectors * (j.fresh() ? passes * make_cycles : pack_cycles);
    double hidden = products < fetching ? products : fetching, share = 16 * passes / tiles;
    if (hidden > 0) transforms += hidden * (share < 1 ? share : 1);
    return double(j.groups) * ((products > fetching ? products : fetching) + transforms) + starting;
  }
  static constexpr double starting = isa_registers == 32 ? 2000 : 0;  // counts where there are some 16 tiles
  // Of one group's weights: near if those of all groups are.
  static double fetch_cycles(double weights, double groups = 1) {
    return weights * groups * sizeof(T) < (1 << 20) ? 0 : weights * sizeof(T) / 9;
  }

  // Of all taps for each output those that lie in the image.
  static double inside(const Job& j) {
    auto inside = [](ptrdiff_t out, ptrdiff_t in, ptrdiff_t pad) {
      double sum = 0;
      for (ptrdiff_t k = 0; k < 3; k++) {
        ptrdiff_t first = pad - k > 0 ? pad - k : 0, end = in + pad - k < out ? in + pad - k : out;
        if (end > first) sum += double(end - first);
      }
      return sum;
    };
    return double(j.n) * (line ? double(j.oh) : inside(j.oh, j.ih, j.pad_h)) * inside(j.ow, j.iw, j.pad_w);
  }
  // The same as `cycles` for conv2d_r5_pack, or, in 32 registers, for r10_taps, which does not wait for its loads.
  static double direct_cycles(const Job& j) {
    double seen = inside(j), ic = double(j.ic);
    bool taps_fit = isa_registers == 32 && !line;
    double slower = taps_fit ? 1.1 : j.vectors() == 1 ? 1.5 : 1.15;
    double products = seen * ic * double(j.vectors()) / 2 * slower;
    double fetching = fetch_cycles(taps * ic * double(j.vectors() * L), double(j.groups));
    double hidden = products < fetching ? products : fetching, share = 16 / (double(j.n) * double(j.oh * j.ow));
    double packing = j.once ? ic * double(j.vectors()) * direct_pack_cycles : 0;
    return double(j.groups) *
           ((products > fetching ? products : fetching) + hidden * (share < 1 ? share : 1) + packing);
  }
  // What a vector of filters takes if it serves one call: its points made in a near cache, its points packed, which is
  // their way to memory and back, or its weights packed. As found on Zen 3.
  static constexpr double make_cycles = line ? 60 : M == 4 ? 220 : 150, pack_cycles = line ? 100 : M == 4 ? 500 : 250;
  static constexpr double direct_pack_cycles = 25 * taps;

  // ---- conv2d ----

  // dx is a convolution of dy with the weights turned round; its padding is what theirs lacks.
  static Job input_gradient(const Conv2d& a) {
    Job j = job(a);
    ptrdiff_t w_i = j.w_i;
    j.x = static_cast<const T*>(a.y), j.y = static_cast<T*>(a.x), j.bias = static_cast<const T*>(a.bias);
    j.ic = a.oc / a.groups, j.oc = a.ic / a.groups;
    j.ih = a.oh, j.iw = a.ow, j.oh = a.ih, j.ow = a.iw;
    j.pad_h = taps_h - 1 - a.pad_h, j.pad_w = 2 - a.pad_w;
    j.x_n = a.y_n, j.x_c = a.y_c, j.x_h = a.y_h, j.x_w = a.y_w;
    j.y_n = a.x_n, j.y_c = a.x_c, j.y_h = a.x_h, j.y_w = a.x_w;
    j.w += (taps_h - 1) * a.w_h + 2 * a.w_w;
    j.w_i = j.w_o, j.w_o = w_i, j.w_h = -a.w_h, j.w_w = -a.w_w;
    j.add = nullptr, j.activation = ActNone;
    return j;
  }

  static const char* supports(const Conv2d& a) {
    if (a.kh != 3 || a.kw != 3) return "the kernel is not 3x3";
    if ((a.stride_h != 1 && a.oh > 1) || (a.stride_w != 1 && a.ow > 1)) return "the stride is not 1";
    if (a.dilation_h != 1 || a.dilation_w != 1) return "the kernel is dilated";
    if ((a.activation || a.add) && a.y_c != 1) return "an epilogue wants channels-last y (y_c = 1)";
    return nullptr;
  }

  static Job job(const Conv2d& a) {
    ptrdiff_t group_oc = a.oc / a.groups;
    return {static_cast<const T*>(a.x),
            static_cast<const T*>(a.w),
            static_cast<const T*>(a.bias),
            static_cast<T*>(a.y),
            static_cast<const T*>(a.workspace.packed),
            static_cast<T*>(a.workspace.scratch),
            a.n,
            a.groups,
            a.ic / a.groups,
            group_oc,
            a.ih,
            a.iw,
            a.oh,
            a.ow,
            a.pad_h,
            a.pad_w,
            a.x_n,
            a.x_c,
            a.x_h,
            a.x_w,
            group_oc * a.w_o,
            a.w_o,
            a.w_i,
            a.w_h,
            a.w_w,
            a.y_n,
            a.y_c,
            a.y_h,
            a.y_w,
            static_cast<const T*>(a.add),
            a.activation,
            true,
            a.workspace.once,
            0};
  }
};
