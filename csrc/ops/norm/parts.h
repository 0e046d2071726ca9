// What the vector rungs of norm and norm_backward share: how the rows are cut into pieces, and vectors at a row's end.
#pragma once

// x as `images` of `rows` rows of c numbers, the rows of an image in `chunks` pieces. A piece is summed by one member;
// how many there are depends on the shape alone, so sums do not depend on the team.
struct NormPieces {
  ptrdiff_t images, rows;  // over a batch whose images follow each other all are one image
  ptrdiff_t fold, c;       // so many places are one row of c = fold * a.c channels: few channels fill whole vectors
  ptrdiff_t x_n, x_s;      // strides between images and rows
  ptrdiff_t y_n, y_s;
  ptrdiff_t dx_n, dx_s;
  ptrdiff_t chunks, chunk_rows;
  ptrdiff_t slabs, slab;  // pieces of a row: at most 512 channels
  ptrdiff_t width;        // c rounded up to whole vectors

  explicit NormPieces(const Norm& a, ptrdiff_t vector) noexcept {
    images = a.n, rows = a.s;
    x_n = a.x_n, x_s = a.x_s, y_n = a.y_n, y_s = a.y_s, dx_n = a.dx_n, dx_s = a.dx_s;
    bool follow = x_n == rows * x_s && y_n == rows * y_s && (!a.dx || dx_n == rows * dx_s);
    if (a.over_n && (follow || rows == 1)) {
      if (rows == 1) x_s = x_n, y_s = y_n, dx_s = dx_n;
      images = 1, rows = a.n * a.s;
    }
    fold = 1, c = a.c;
    ptrdiff_t places = 1;  // how many fill whole vectors
    while (places * c % vector) places++;
    bool alone = a.groups == a.c && a.centre && (images == 1 || !a.over_n);
    bool dense = x_s == c && y_s == c && (!a.dx || dx_s == c);
    // Four vectors at least, where the rows allow it: as many sums under way as hide an addition's latency.
    while (places * c < 4 * vector && rows % (2 * places) == 0) places *= 2;
    if (alone && dense && c < 4 * vector && places > 1 && rows % places == 0) {
      fold = places, c *= places, rows /= places;
      x_s = y_s = dx_s = c;
    }
    chunks = rows / 128 < 1 ? 1 : rows / 128 > 32 ? 32 : rows / 128;
    chunk_rows = (rows + chunks - 1) / chunks;
    width = (c + vector - 1) / vector * vector;
    slab = 512 / vector * vector;
    slabs = (width + slab - 1) / slab;
  }

  Range chunk(ptrdiff_t i) const { return {min(i * chunk_rows, rows), min((i + 1) * chunk_rows, rows)}; }
  static ptrdiff_t min(ptrdiff_t p, ptrdiff_t q) { return p < q ? p : q; }
  // Rows that are walked twice while they are in L1: 16 KB of floats.
  ptrdiff_t block_rows(ptrdiff_t channels) const { return 4096 / channels < 8 ? 8 : 4096 / channels; }
};

// Calls f for all items, the last ones first: a second walk over the rows begins where the first one ended, with what
// is still in L2. A few neighbours at a time run forwards, as prefetchers like it.
template <class F>
inline void from_the_end(Range items, F f) {
  constexpr ptrdiff_t together = 32;
  for (ptrdiff_t end = items.end, begin; end > items.begin; end = begin) {
    begin = end - together > items.begin ? end - together : items.begin;
    for (ptrdiff_t i = begin; i < end; i++) f(i);
  }
}

// Choices that a loop is compiled for.
struct Yes {
  static constexpr bool value = true;
};
struct No {
  static constexpr bool value = false;
};

// The first n lanes of v, 0 in the others.
template <class T>
inline vec<T> only_n(vec<T> v, ptrdiff_t n) {
  T lane[lanes<T>];
  for (int i = 0; i < lanes<T>; i++) lane[i] = T(i);
  return load<T>(lane) < T(n) ? v : vec<T>{};
}

template <class T>
inline vec<T> reciprocal_root(vec<T> v) {
  T lane[lanes<T>];
  store<T>(lane, v);
  for (int i = 0; i < lanes<T>; i++)
    lane[i] = T(1) / (sizeof(T) == 4 ? T(__builtin_sqrtf(float(lane[i]))) : T(__builtin_sqrt(double(lane[i]))));
  return load<T>(lane);
}

template <class T>
inline T add_lanes(vec<T> v) {
  return fold_lanes<T>(v, [](vec<T> p, vec<T> q) { return p + q; });
}
