// dL/dw of a 3 x 3 convolution by way of Winograd's F(M x M, 3 x 3): what its rungs share.
//
//   y = A^T [(G g G^T) * (B^T d B)] A  (conv2d/winograd.h)  is linear in g, so for a tile e of M x M of dy
//   dg = G^T [ sum over tiles of (A e A^T) * (B^T d B) ] G
//
// Over the tiles each of the (M+2)^2 points is a matrix product, whose sums stay where they are until the last tile:
//
//   s[point][ic, oc] += sum over tiles of v[point][tile, ic] * e[point][tile, oc]
#pragma once
#include "../conv2d/winograd.h"
#include "r2_tile.h"

// One-dimensional transforms, the transposes of those in Points: A, from M numbers of dy, and G^T, to three of dw.
template <int M>
struct GradientPoints;

template <>
struct GradientPoints<2> {
  // A: 1 0 | 1 1 | 1 -1 | 0 1
  template <class T, class D, class P>
  static inline __attribute__((always_inline)) void gradient(D e, P put) {
    put(Int<0>{}, e(0));
    put(Int<1>{}, e(0) + e(1));
    put(Int<2>{}, e(0) - e(1));
    put(Int<3>{}, e(1));
  }
  // G^T: 1 1/2 1/2 0 | 0 1/2 -1/2 0 | 0 1/2 1/2 1
  template <class T, class D, class P>
  static inline __attribute__((always_inline)) void weight(D s, P put) {
    auto even = T(0.5) * (s(1) + s(2));
    put(Int<0>{}, s(0) + even);
    put(Int<1>{}, T(0.5) * (s(1) - s(2)));
    put(Int<2>{}, even + s(3));
  }
};

template <>
struct GradientPoints<4> {
  static constexpr double a = Points<4>::a, b = Points<4>::b, a2 = a * a, b2 = b * b;
  // A: 1 0 0 0 | 1/a +-1 a +-a2 | 1/b +-1 b +-b2 | 0 0 0 1
  template <class T, class D, class P>
  static inline __attribute__((always_inline)) void gradient(D e, P put) {
    auto even_a = T(1 / a) * e(0) + T(a) * e(2), odd_a = e(1) + T(a2) * e(3);
    auto even_b = T(1 / b) * e(0) + T(b) * e(2), odd_b = e(1) + T(b2) * e(3);
    put(Int<0>{}, e(0));
    put(Int<1>{}, even_a + odd_a);
    put(Int<2>{}, even_a - odd_a);
    put(Int<3>{}, even_b + odd_b);
    put(Int<4>{}, even_b - odd_b);
    put(Int<5>{}, e(3));
  }
  // G^T, with ca = 1 / (2 a2 - 2 b2), cb = -ca: 1 / (a2 b2), ca / a, ca / a, cb / b, cb / b, 0 | 0, ca, -ca, cb, -cb, 0
  // | 0, ca a, ca a, cb b, cb b, 1
  template <class T, class D, class P>
  static inline __attribute__((always_inline)) void weight(D s, P put) {
    constexpr double ca = 0.5 / (a2 - b2), cb = 0.5 / (b2 - a2);
    auto even_a = s(1) + s(2), odd_a = s(1) - s(2), even_b = s(3) + s(4), odd_b = s(3) - s(4);
    put(Int<0>{}, T(1 / (a2 * b2)) * s(0) + T(ca / a) * even_a + T(cb / b) * even_b);
    put(Int<1>{}, T(ca) * odd_a + T(cb) * odd_b);
    put(Int<2>{}, s(5) + T(ca * a) * even_a + T(cb * b) * even_b);
  }
};

// line: of 1 x 3 weights by F(M, 3) along the width only.
template <class T, int M, bool line = false>
struct WinogradGradient {
  using Forward = Winograd<T, M, line>;
  using Point = GradientPoints<M>;
  using Direct = conv2d_backward_weight_r2_tile<T>;
  static constexpr int N = M + 2, L = lanes<T>, pad = 64 / int(sizeof(T));
  static constexpr int high = Forward::high, N_h = Forward::N_h, taps_h = Forward::taps_h;  // rows of dy, x, weights
  static constexpr int points = Forward::points, taps = Forward::taps;
  // Channels of a chunk: 36 * 64 * 64, or 6 * 160 * 160, sums are 600 KB of L2.
  static constexpr ptrdiff_t widest = line ? 160 : 64;
  static constexpr ptrdiff_t block_bytes = isa_registers == 32 ? 3 << 18 : 3 << 17;  // v and e of a block of tiles
  static constexpr ptrdiff_t least_block = 64;  // tiles of a block: sums are loaded and stored for each
  static constexpr ptrdiff_t least_part = 96;   // tiles of a part: a tenth of its time goes to finish its sums

  // Channels in chunks, so that a chunk's sums stay in L2 while all tiles pass. Where that makes less than 8 pieces of
  // work the tiles are cut into parts, which have sums of their own that are added up afterwards. Both depend on the
  // shape alone, so an element is the same sum for any team.
  struct Plan {
    ptrdiff_t ic, oc, ic_vectors, oc_vectors;  // of a group
    ptrdiff_t ic_chunks, oc_chunks, parts;
    ptrdiff_t v_row, e_row;  // channels of a chunk, at the most
    ptrdiff_t down, right, tiles, block;
    ptrdiff_t v_plane, e_plane, s_point;  // sizes in numbers; padded, or the points of a tile would share a cache set
    explicit Plan(const Conv2d& a) {
      ic = a.ic / a.groups, oc = a.oc / a.groups;
      ic_vectors = ceil_div(ic, L), oc_vectors = ceil_div(oc, L);
      ic_chunks = ceil_div(ic, widest), oc_chunks = ceil_div(oc, widest);
      v_row = ceil_div(ic_vectors, ic_chunks) * L, e_row = ceil_div(oc_vectors, oc_chunks) * L;
      down = ceil_div(a.oh, high), right = ceil_div(a.ow, M), tiles = a.n * down * right;
      ptrdiff_t chunks = a.groups * ic_chunks * oc_chunks, wanted = ceil_div(8, chunks), most = tiles / least_part;
      parts = most < 1 ? 1 : wanted < most ? wanted : most;
      block = block_bytes / (points * (v_row + e_row) * ptrdiff_t(sizeof(T)));
      if (block < least_block) block = least_block;
      if (block > ceil_div(tiles, parts)) block = ceil_div(tiles, parts);
      v_plane = odd(block * v_row), e_plane = odd(block * e_row), s_point = odd(v_row * e_row);
    }
    static ptrdiff_t odd(ptrdiff_t size) { return (ceil_div(size, pad) | 1) * pad; }
    ptrdiff_t member() const {  // v, e, s, and zeros; `finish` uses v's place for all taps of each input channel
      ptrdiff_t v = points * v_plane, least = taps * v_row * L;
      return (v > least ? v : least) + points * (e_plane + s_point) + (v_row > e_row ? v_row : e_row) + pad;
    }
    // Of one part: [groups][vectors of output channels][ic][taps][L]
    ptrdiff_t part(const Conv2d& a) const { return a.groups * oc_vectors * ic * taps * L; }
    ptrdiff_t sums(const Conv2d& a) const { return parts > 1 ? parts * part(a) : 0; }
  };

  static size_t scratch_bytes(const Conv2d& a, int threads) {
    Plan p(a);
    return size_t(p.sums(a) + threads * p.member()) * sizeof(T);
  }

  // What one piece of work needs to know: a chunk of channels of a group.
  struct Piece {
    const T* x;                                   // [n, ih, iw, ic of the chunk]
    const T* y;                                   // [n, oh, ow, oc of the chunk]
    ptrdiff_t group, ic, oc, ic_count, oc_count;  // first channels in the group, and how many
    Range tiles;
    Piece(const Conv2d& a, const Plan& p, ptrdiff_t item) {
      ptrdiff_t part = item % p.parts, o = item / p.parts % p.oc_chunks, i = item / p.parts / p.oc_chunks % p.ic_chunks;
      group = item / p.parts / p.oc_chunks / p.ic_chunks;
      tiles = {p.tiles * part / p.parts, p.tiles * (part + 1) / p.parts};
      ic = p.ic_vectors * i / p.ic_chunks * L, oc = p.oc_vectors * o / p.oc_chunks * L;
      ptrdiff_t ic_end = p.ic_vectors * (i + 1) / p.ic_chunks * L, oc_end = p.oc_vectors * (o + 1) / p.oc_chunks * L;
      ic_count = (ic_end < p.ic ? ic_end : p.ic) - ic, oc_count = (oc_end < p.oc ? oc_end : p.oc) - oc;
      x = static_cast<const T*>(a.x) + (group * p.ic + ic) * a.x_c;
      y = static_cast<const T*>(a.y) + (group * p.oc + oc) * a.y_c;
    }
  };

  // ---- tiles ----

  // Rows A and B of the transformed tile of dy; e(i, k) loads.
  template <int A, int B, class D>
  static inline __attribute__((always_inline)) void two_rows(D e, T* out, ptrdiff_t plane) noexcept {
    vec<T> a[M], b[M];
    UNROLL for (int k = 0; k < M; k++)
        Point::template gradient<T>([&](int i) __attribute__((always_inline)) { return e(i, k); },
                                    [&](auto i, vec<T> value) __attribute__((always_inline)) {
                                      if constexpr (i.value == A) a[k] = value;
                                      if constexpr (i.value == B) b[k] = value;
                                    });
    T *to_a = out + A * N * plane, *to_b = out + B * N * plane;
    Point::template gradient<T>([&](int k) __attribute__((always_inline)) { return a[k]; },
                                [&](auto k, vec<T> value)
                                    __attribute__((always_inline)) { store<T>(to_a + k.value * plane, value); });
    Point::template gradient<T>([&](int k) __attribute__((always_inline)) { return b[k]; },
                                [&](auto k, vec<T> value)
                                    __attribute__((always_inline)) { store<T>(to_b + k.value * plane, value); });
  }
  template <class D>
  static inline __attribute__((always_inline)) void gradient_tile(D e, T* out, ptrdiff_t plane) noexcept {
    if constexpr (line) {
      vec<T> row[M];
      UNROLL for (int k = 0; k < M; k++) row[k] = e(0, k);
      Point::template gradient<T>([&](int k) __attribute__((always_inline)) { return row[k]; },
                                  [&](auto k, vec<T> value)
                                      __attribute__((always_inline)) { store<T>(out + k.value * plane, value); });
    } else {
      two_rows<0, N - 1>(e, out, plane);
      two_rows<1, 2>(e, out, plane);
      if constexpr (N == 6) two_rows<3, 4>(e, out, plane);
    }
  }

  // Where the H x S pixels of a tile lie whose first is (h, w); those outside the image are zeros.
  template <int H, int S>
  struct Table {
    const T* at[H][S];
    Table(const T* first, ptrdiff_t h, ptrdiff_t w, ptrdiff_t height, ptrdiff_t width, ptrdiff_t step_h,
          ptrdiff_t step_w, const T* zeros) {
      for (int i = 0; i < H; i++)
        for (int k = 0; k < S; k++) {
          bool inside = h + i >= 0 && h + i < height && w + k >= 0 && w + k < width;
          at[i][k] = inside ? first + i * step_h + k * step_w : zeros;
        }
    }
  };

  // A tile of `count` channels from `first`, whose first pixel is (h, w). transform(load, to): load(i, k) is a vector.
  template <int H, int S, class F>
  static inline __attribute__((always_inline)) void tile(const T* first, ptrdiff_t h, ptrdiff_t w, ptrdiff_t height,
                                                         ptrdiff_t width, ptrdiff_t step_h, ptrdiff_t step_w,
                                                         ptrdiff_t count, const T* zeros, T* to, F transform) noexcept {
    ptrdiff_t c = 0;
    bool whole = h >= 0 && w >= 0 && h + H <= height && w + S <= width;
    if (whole) {
      for (; c + L <= count; c += L)
        transform([=](int i, int k)
                      __attribute__((always_inline)) { return load<T>(first + c + i * step_h + k * step_w); },
                  to + c);
      if (c < count)
        transform(
            [=](int i, int k)
                __attribute__((always_inline)) { return load_n<T>(first + c + i * step_h + k * step_w, count - c); },
            to + c);
      return;
    }
    Table<H, S> table(first, h, w, height, width, step_h, step_w, zeros);
    for (; c + L <= count; c += L)
      transform([&](int i, int k) __attribute__((always_inline)) { return load<T>(table.at[i][k] + c); }, to + c);
    if (c < count)
      transform([&](int i, int k) __attribute__((always_inline)) { return load_n<T>(table.at[i][k] + c, count - c); },
                to + c);
  }

  // Asks for a tile's first M columns: H rows of `count` channels. What lies outside the image is not worth a test.
  template <int H>
  static inline __attribute__((always_inline)) void fetch(const T* first, ptrdiff_t step_h, ptrdiff_t step_w,
                                                          ptrdiff_t count) noexcept {
    for (int i = 0; i < H; i++)
      for (int k = 0; k < M; k++)
        for (ptrdiff_t c = 0; c < count; c += pad) __builtin_prefetch(first + i * step_h + k * step_w + c);
  }

  static void transform(const Conv2d& a, const Plan& p, const Piece& piece, ptrdiff_t first, ptrdiff_t count, T* v,
                        T* e, const T* zeros) noexcept {
    bool far = Forward::is_far(a.n * a.ih * a.iw, a.ic, a.x_c) && Forward::is_far(a.n * a.oh * a.ow, a.oc, a.y_c);
    if (isa_registers == 16) far = piece.ic_count <= pad && piece.oc_count <= pad;
    for (ptrdiff_t t = 0; t < count; t++) {
      ptrdiff_t w = (first + t) % p.right * M, row = (first + t) / p.right, h = row % p.down * high, n = row / p.down;
      ptrdiff_t ih = h - a.pad_h, iw = w - a.pad_w;
      // Ten rows at a time are more than a CPU foresees, unless each brings many lines.
      if (far) {
        ptrdiff_t next = w + 2 * M;
        fetch<N_h>(piece.x + n * a.x_n + ih * a.x_h + (iw + 2 * M) * a.x_w, a.x_h, a.x_w, piece.ic_count);
        fetch<high>(piece.y + n * a.y_n + h * a.y_h + next * a.y_w, a.y_h, a.y_w, piece.oc_count);
      }
      tile<N_h, N>(piece.x + n * a.x_n + ih * a.x_h + iw * a.x_w, ih, iw, a.ih, a.iw, a.x_h, a.x_w, piece.ic_count,
                   zeros, v + t * p.v_row,
                   [&](auto d, T* to) __attribute__((always_inline)) { Forward::input_tile(d, to, p.v_plane); });
      tile<high, M>(piece.y + n * a.y_n + h * a.y_h + w * a.y_w, h, w, a.oh, a.ow, a.y_h, a.y_w, piece.oc_count, zeros,
                    e + t * p.e_row,
                    [&](auto d, T* to) __attribute__((always_inline)) { gradient_tile(d, to, p.e_plane); });
    }
  }

  // sums[R, V * L] += sum over `count` tiles of v[tile, R] * e[tile, V * L]. Everything comes from L2, so each step
  // asks for what is needed some steps later, and for the sums of the next block.
  template <int R, int V>
  static __attribute__((noinline)) void block(const T* v, ptrdiff_t v_row, const T* e, ptrdiff_t e_row, ptrdiff_t count,
                                              T* sums) noexcept {
    constexpr int ahead = 8;
    Block<R, V, T> b;
    clear_block(b);
    const T* next = sums + R * V * L;
    for (ptrdiff_t t = 0; t < count; t++, v += v_row, e += e_row, next += L) {
      __builtin_prefetch(v + ahead * v_row);
      UNROLL for (int k = 0; k < V; k++) __builtin_prefetch(e + ahead * e_row + k * L);
      __builtin_prefetch(next);
      vec<T> ev[V];
      UNROLL for (int k = 0; k < V; k++) ev[k] = load<T>(e + k * L);
#pragma GCC unroll 32
      for (int m = 0; m < R; m++) {
        T vm = v[m];
        UNROLL for (int k = 0; k < V; k++) b.sum[m][k] += vm * ev[k];
      }
    }
#pragma GCC unroll 32
    for (int m = 0; m < R; m++) UNROLL for (int k = 0; k < V; k++) {
        T* out = sums + (m * V + k) * L;
        store<T>(out, load<T>(out) + b.sum[m][k]);
      }
  }
  // s[point][vectors of output channels, two at a time][ic][vector or two] += those of a block of tiles.
  static void products(const Plan& p, const Piece& piece, ptrdiff_t count, const T* v, const T* e, T* s) noexcept {
    ptrdiff_t vectors = ceil_div(piece.oc_count, L);
    for (int point = 0; point < points; point++)
      for (ptrdiff_t o = 0; o < vectors; o += block_vectors) {
        ptrdiff_t wide = vectors - o < block_vectors ? vectors - o : block_vectors;
        ptrdiff_t blocks = ceil_div(piece.ic_count, block_rows * block_vectors / wide);
        for (ptrdiff_t b = 0; b < blocks; b++) {
          ptrdiff_t i = piece.ic_count * b / blocks, rows = piece.ic_count * (b + 1) / blocks - i;
          const T *from = v + point * p.v_plane + i, *with = e + point * p.e_plane + o * L;
          T* to = s + point * p.s_point + o * L * piece.ic_count + i * wide * L;
          if (wide == 1)
            with_int<block_rows * block_vectors>(
                rows, [&](auto m) { block<decltype(m)::value, 1>(from, p.v_row, with, p.e_row, count, to); });
          else
            with_int<block_rows>(
                rows, [&](auto m) { block<decltype(m)::value, 2>(from, p.v_row, with, p.e_row, count, to); });
        }
      }
  }

  // ---- from sums to weights ----

  // G^T s G of one input channel: out[taps][L].
  static inline __attribute__((always_inline)) void weight_tile(const T* s, ptrdiff_t s_point, T* out) noexcept {
    vec<T> half[taps_h][N];
    UNROLL for (int k = 0; k < N; k++) if constexpr (line) half[0][k] = load<T>(s + k * s_point);
    else Point::template weight<T>(
        [&](int i) __attribute__((always_inline)) { return load<T>(s + (i * N + k) * s_point); },
        [&](auto i, vec<T> value) __attribute__((always_inline)) { half[i.value][k] = value; });
    UNROLL for (int i = 0; i < taps_h; i++) Point::template weight<T>(
        [&](int k) __attribute__((always_inline)) { return half[i][k]; },
        [&](auto k, vec<T> value) __attribute__((always_inline)) { store<T>(out + (i * 3 + k.value) * L, value); });
  }

  // The sums of a piece as weights: straight into dw, or, with parts, into `parts`, to be added up.
  static void finish(const Conv2d& a, const Plan& p, const Piece& piece, const T* s, T* parts, T* room,
                     bool add) noexcept {
    ptrdiff_t vectors = ceil_div(piece.oc_count, L);
    for (ptrdiff_t o = 0; o < vectors; o++) {
      ptrdiff_t first = o / block_vectors * block_vectors;
      ptrdiff_t wide = vectors - first < block_vectors ? vectors - first : block_vectors;
      const T* from = s + first * L * piece.ic_count + (o - first) * L;
      T* to = parts ? parts + ((piece.group * p.oc_vectors + piece.oc / L + o) * p.ic + piece.ic) * taps * L : room;
      for (ptrdiff_t i = 0; i < piece.ic_count; i++) weight_tile(from + i * wide * L, p.s_point, to + i * taps * L);
      if (!parts) write(a, p, piece.group, piece.oc + o * L, piece.ic, piece.ic_count, to, add);
    }
  }

  // [ic][taps][L] to where dw wants them. In PyTorch's order a filter's weights are neighbours: squares of lanes are
  // turned.
  static void write(const Conv2d& a, const Plan& p, ptrdiff_t group, ptrdiff_t oc, ptrdiff_t ic, ptrdiff_t ic_count,
                    const T* from, bool add) noexcept {
    T* w = static_cast<T*>(a.w) + (group * p.oc + oc) * a.w_o + ic * a.w_i;
    ptrdiff_t filters = p.oc - oc < L ? p.oc - oc : L, numbers = taps * ic_count;
    bool dense = a.w_w == 1 && (line || a.w_h == 3) && (a.w_i == taps || ic_count == 1);
    ptrdiff_t j = 0;
    for (; dense && j + L <= numbers; j += L) {
      vec<T> row[L];
      UNROLL for (int i = 0; i < L; i++) row[i] = load<T>(from + (j + i) * L);
      transpose<T>(row);
      UNROLL for (int i = 0; i < L; i++) {
        if (i >= filters) break;
        T* to = w + i * a.w_o + j;
        store<T>(to, add ? load<T>(to) + row[i] : row[i]);
      }
    }
    for (; j < numbers; j++)
      for (ptrdiff_t i = 0; i < filters; i++) {
        T& to = w[i * a.w_o + j / taps * a.w_i + j % taps / 3 * a.w_h + j % 3 * a.w_w];
        to = add ? to + from[j * L + i] : from[j * L + i];
      }
  }

  // The parts, one after the other; a member has vectors of output channels, 16 input channels at a time.
  static void add_parts(const Conv2d& a, const Plan& p, const T* parts, T* room, const Team& team, bool add) noexcept {
    constexpr ptrdiff_t step = 16;
    ptrdiff_t blocks = ceil_div(p.ic, step), size = p.part(a);
    Range items = share(a.groups * p.oc_vectors * blocks, team);
    for (ptrdiff_t item = items.begin; item < items.end; item++) {
      ptrdiff_t ic = item % blocks * step, vector = item / blocks, count = p.ic - ic < step ? p.ic - ic : step;
      const T* from = parts + (vector * p.ic + ic) * taps * L;
      for (ptrdiff_t j = 0; j < count * taps * L; j += L) {
        vec<T> sum = load<T>(from + j);
        for (ptrdiff_t part = 1; part < p.parts; part++) sum += load<T>(from + part * size + j);
        store<T>(room + j, sum);
      }
      write(a, p, vector / p.oc_vectors, vector % p.oc_vectors * L, ic, count, room, add);
    }
  }

  // add: to what dw holds, and leave the bias alone, for sums over several arrays.
  static void run(const Conv2d& a, const Team& team, bool add = false) noexcept {
    Plan p(a);
    T* parts = static_cast<T*>(a.workspace.scratch);
    T* e = parts + p.sums(a) + team.rank * p.member();
    T* s = e + points * p.e_plane;
    T* zeros = s + points * p.s_point;
    T* v = zeros + (p.v_row > p.e_row ? p.v_row : p.e_row) + pad;
    for (ptrdiff_t i = 0; i < (p.v_row > p.e_row ? p.v_row : p.e_row); i++) zeros[i] = 0;
    Range items = share(a.groups * p.ic_chunks * p.oc_chunks * p.parts, team);
    for (ptrdiff_t item = items.begin; item < items.end; item++) {
      Piece piece(a, p, item);
      for (ptrdiff_t i = 0; i < points * p.s_point; i += L) store<T>(s + i, vec<T>{});
      ptrdiff_t size = piece.tiles.end - piece.tiles.begin, blocks = ceil_div(size, p.block);
      for (ptrdiff_t b = 0; b < blocks; b++) {
        ptrdiff_t first = piece.tiles.begin + size * b / blocks;
        ptrdiff_t count = piece.tiles.begin + size * (b + 1) / blocks - first;
        transform(a, p, piece, first, count, v, e, zeros);
        products(p, piece, count, v, e, s);
      }
      finish(a, p, piece, s, p.parts > 1 ? parts + item % p.parts * p.part(a) : nullptr, v, add);
    }
    if (p.parts > 1) {
      team.barrier(&team);
      add_parts(a, p, parts, v, team, add);
    }
    if (!add) bias_gradient<T>(a, team);
  }

  // ---- when ----

  static const char* supports(const Conv2d& a) {
    if (const char* reason = Forward::supports(a)) return reason;
    return a.x_c != 1 || a.y_c != 1 ? "needs channels-last x and dy (x_c = y_c = 1)" : nullptr;
  }

  // Cycles of one core that starts two multiply-adds of a vector per cycle, as found on a Xeon.
  static double cycles(const Conv2d& a) {
    Plan p(a);
    double tiles = double(p.tiles), ic = double(p.ic), vectors = double(p.oc_vectors);
    double x = line ? 50 : M == 4 ? 300 : 110, dy = line ? 50 : M == 4 ? 250 : 90, dw = line ? 20 : M == 4 ? 90 : 50;
    if (isa_registers == 16 && !line) dw = M == 4 ? 350 : 170;  // as found on a Zen 3
    double transforms = double(p.ic_vectors * p.oc_chunks) * x + double(p.oc_vectors * p.ic_chunks) * dy;
    double ends = double(p.parts) * ic * vectors * dw;
    return double(a.groups) * (tiles * (points * ic * vectors / 2 * 1.2 + transforms) + ends);
  }

  static const char* declines(const Conv2d& a) {
    if (a.precision >= Exact) return "the precision setting is \"exact\": only sums of the formula's products";
    if (M == 4 && a.precision >= High) return "the precision setting is \"high\": F(2x2, 3x3) at most";
    return cycles(a) < Forward::direct_cycles(Forward::job(a)) ? nullptr
                                                               : "the transforms would cost more than they save";
  }
};
