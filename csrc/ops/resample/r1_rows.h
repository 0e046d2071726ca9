// Idea:  row by row of y: the input rows that make it are mixed into one row first, as long vectors whatever the
//        channels are; then the columns of that row are mixed. A lone row of weight 1 is not copied but read in place.
// Since: r0_naive: 4 + 2 products for bilinear where r0_naive has 8, lanes over channels, and columns that follow each
//        other (the inside of a padded image) are copied in runs.
// Why:   padding is a few long copies, and interpolation reads each input a few times while it is in L1 or L2.
// Price: channels side by side. A row of scratch for each member. Few channels fill few lanes when columns are mixed.
#pragma once

template <class T>
struct resample_r1_rows : Plain<Resample> {
  static constexpr ptrdiff_t L = lanes<T>;

  static const char* supports(const Resample& a) {
    if (a.c > 1 && (a.x_c != 1 || a.y_c != 1)) return "needs channels-last arrays (x_c = y_c = 1)";
    return a.iw > 1 && a.x_w != a.c ? "needs rows without gaps (x_w = c)" : nullptr;
  }

  static ptrdiff_t row_size(const Resample& a) { return (a.iw * a.c + L - 1) / L * L; }
  static size_t scratch_bytes(const Resample& a, int threads) { return size_t(row_size(a) * threads) * sizeof(T); }

  static void run(const Resample& a, const Team& team) noexcept {
    T* buffer = static_cast<T*>(a.workspace.scratch) + row_size(a) * team.rank;  // [iw, c]
    Range rows = share(a.n * a.od * a.oh, team);
    for (ptrdiff_t row = rows.begin; row < rows.end; row++) {
      ptrdiff_t n = row / (a.od * a.oh), d = row / a.oh % a.od, h = row % a.oh;
      T* y = static_cast<T*>(a.y) + n * a.y_n + d * a.y_d + h * a.y_h;  // [ow, c]
      const T* source = lone_row(a, n, d, h);                           // [iw, c]
      if (!source) {
        if (a.begin_d[d] == a.begin_d[d + 1] || a.begin_h[h] == a.begin_h[h + 1]) {
          for (ptrdiff_t w = 0; w < a.ow; w++) fill(y + w * a.y_w, a.c, T(a.fill));
          continue;
        }
        mix_rows(a, n, d, h, buffer);
        source = buffer;
      }
      columns(a, source, y);
    }
  }

  // The one row that makes this row of y with weight 1, or null.
  static const T* lone_row(const Resample& a, ptrdiff_t n, ptrdiff_t d, ptrdiff_t h) {
    ptrdiff_t p = a.begin_d[d], q = a.begin_h[h];
    if (a.begin_d[d + 1] != p + 1 || a.begin_h[h + 1] != q + 1) return nullptr;
    if (static_cast<const T*>(a.weight_d)[p] * static_cast<const T*>(a.weight_h)[q] != 1) return nullptr;
    return static_cast<const T*>(a.x) + n * a.x_n + a.index_d[p] * a.x_d + a.index_h[q] * a.x_h;
  }

  static void mix_rows(const Resample& a, ptrdiff_t n, ptrdiff_t d, ptrdiff_t h, T* buffer) noexcept {
    ptrdiff_t size = a.iw * a.c;
    bool first = true;
    for (ptrdiff_t p = a.begin_d[d]; p < a.begin_d[d + 1]; p++)
      for (ptrdiff_t q = a.begin_h[h]; q < a.begin_h[h + 1]; q++) {
        T weight = static_cast<const T*>(a.weight_d)[p] * static_cast<const T*>(a.weight_h)[q];
        const T* x = static_cast<const T*>(a.x) + n * a.x_n + a.index_d[p] * a.x_d + a.index_h[q] * a.x_h;
        ptrdiff_t i = 0;
        for (; i + L <= size; i += L)
          store<T>(buffer + i, first ? load<T>(x + i) * weight : load<T>(buffer + i) + load<T>(x + i) * weight);
        if (i < size)
          store<T>(buffer + i, first ? load_n<T>(x + i, size - i) * weight
                                     : load<T>(buffer + i) + load_n<T>(x + i, size - i) * weight);
        first = false;
      }
  }

  static void columns(const Resample& a, const T* source, T* y) noexcept {
    const T* weight = static_cast<const T*>(a.weight_w);
    ptrdiff_t c = a.c, y_w = a.y_w, out_w = a.ow;
    for (ptrdiff_t w = 0; w < out_w;) {
      ptrdiff_t r = a.begin_w[w], taps = a.begin_w[w + 1] - r;
      if (taps == 0) {
        fill(y + w++ * y_w, c, T(a.fill));
      } else if (taps == 1 && weight[r] == 1) {
        ptrdiff_t run = 1;  // columns that follow each other in x and in y
        while (y_w == c && w + run < out_w && a.begin_w[w + run + 1] == r + run + 1 && weight[r + run] == 1 &&
               a.index_w[r + run] == a.index_w[r] + run)
          run++;
        copy(y + w * y_w, source + a.index_w[r] * c, run * c);
        w += run;
      } else if (c == 1) {
        T sum = weight[r] * source[a.index_w[r]];
        for (ptrdiff_t k = r + 1; k < r + taps; k++) sum += weight[k] * source[a.index_w[k]];
        y[w++ * y_w] = sum;
      } else if (taps == 2) {
        mix<2>(y + w++ * y_w, source, c, a.index_w + r, weight + r, 2);
      } else {
        mix<0>(y + w++ * y_w, source, c, a.index_w + r, weight + r, taps);
      }
    }
  }

  template <int fixed>  // taps, or 0: any number
  static inline __attribute__((always_inline)) void mix(T* y, const T* source, ptrdiff_t c, const int64_t* index,
                                                        const T* weight, ptrdiff_t taps) {
    for (ptrdiff_t i = 0; i < c; i += L) {
      ptrdiff_t n = c - i;
      auto get = [&](ptrdiff_t k) {
        return n >= L ? load<T>(source + index[k] * c + i) : load_n<T>(source + index[k] * c + i, n);
      };
      vec<T> sum = get(0) * weight[0];
      for (ptrdiff_t k = 1; k < (fixed ? fixed : taps); k++) sum += get(k) * weight[k];
      if (n >= L) store<T>(y + i, sum);
      else store_n<T>(y + i, sum, n);
    }
  }

  static void copy(T* y, const T* x, ptrdiff_t count) {
    ptrdiff_t i = 0;
    for (; i + L <= count; i += L) store<T>(y + i, load<T>(x + i));
    if (i < count) store_n<T>(y + i, load_n<T>(x + i, count - i), count - i);
  }

  static void fill(T* y, ptrdiff_t count, T value) {
    ptrdiff_t i = 0;
    for (; i + L <= count; i += L) store<T>(y + i, broadcast<T>(value));
    if (i < count) store_n<T>(y + i, broadcast<T>(value), count - i);
  }
};
