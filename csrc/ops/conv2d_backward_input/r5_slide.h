// Idea:  depthwise, stride 2, column by column of dy: each vector of dy is loaded once for a kernel row and meets all
//        its taps.
// Since: r3_depthwise loaded dy anew for each tap, and went down the whole of w and dy for each column at the edges.
// Why:   half of the taps meet a column of dx: which ones is known to the compiler. 8 columns of dx under 3 taps need
//        5 + 3 loads for 12 multiply-adds, not 12 + 3. A column of dy outside the image is left out.
// Price: compiled for kernels 3, 5 and 7 wide and stride 2 only (stride 1 is r8_slide_phases'); blocks are 8 columns
//        wide, however many count.
#pragma once

template <class T>
struct conv2d_backward_input_r5_slide : Plain<Conv2d> {
  static constexpr int L = lanes<T>, P = 8;           // 8 sums cover an FMA's latency (4 cycles x 2 a cycle)
  static constexpr ptrdiff_t slice = 16;              // vectors of channels that pass a strip together
  static constexpr ptrdiff_t strip_bytes = 24 << 10;  // dy of a row of blocks under the kernel: half an L1
  static constexpr ptrdiff_t stream_bytes = 4 << 20;  // dx from here on goes past the caches

  static const char* supports(const Conv2d& a) {
    if (a.groups != a.ic || a.oc != a.ic) return "needs one input and one output channel per group";
    if (a.x_c != 1 || a.y_c != 1) return "needs channels-last arrays (x_c = y_c = 1)";
    if (a.ic < L) return "needs a vector full of channels";
    if (a.kw != 3 && a.kw != 5 && a.kw != 7) return "needs a kernel 3, 5 or 7 wide";
    if (a.stride_w != 2 || a.dilation_w != 1) return "needs stride 2 and dilation 1 along the width";
    return nullptr;
  }

  // Vectors of channels; the last one overlaps its neighbour rather than being short.
  static ptrdiff_t vectors(const Conv2d& a) { return (a.ic + L - 1) / L; }
  static ptrdiff_t channel(const Conv2d& a, ptrdiff_t v) { return (v + 1) * L <= a.ic ? v * L : a.ic - L; }

  // packed: [vectors, kh, kw, L]
  static size_t packed_bytes(const Conv2d& a) { return size_t(vectors(a) * a.kh * a.kw * L) * sizeof(T); }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    Range mine = share(vectors(a), team);
    for (ptrdiff_t v = mine.begin; v < mine.end; v++) {
      T* to = static_cast<T*>(packed) + v * a.kh * a.kw * L;
      for (ptrdiff_t c = 0; c < L; c++) {
        const T* w = static_cast<const T*>(a.w) + (channel(a, v) + c) * a.w_o;
        T* lane = to + c;
        for (ptrdiff_t kh = 0; kh < a.kh; kh++)
          for (ptrdiff_t kw = 0; kw < a.kw; kw++, lane += L) *lane = w[kh * a.w_h + kw * a.w_w];
      }
    }
  }

  // The kernel rows that meet row ih of dx: kh = first_kh + i * step_kh, at rows first_oh + i * step_oh of dy.
  struct Meeting {
    ptrdiff_t count = 0, first_kh = 0, step_kh = 1, first_oh = 0, step_oh = 0;

    Meeting(const Conv2d& a, ptrdiff_t ih) {
      for (ptrdiff_t kh = 0; kh < a.kh; kh++) {
        ptrdiff_t t = ih + a.pad_h - kh * a.dilation_h, oh = a.stride_h == 1 ? t : t / a.stride_h;
        if (t < 0 || oh * a.stride_h != t || oh >= a.oh) continue;
        if (count == 0) first_kh = kh, first_oh = oh;
        if (count == 1) step_kh = kh - first_kh, step_oh = oh - first_oh;
        count++;
      }
    }
  };

  struct Tile {
    const T* y;  // the first column of dy that meets it, of the first row that does
    ptrdiff_t y_h;
    const T* w;  // of the first kernel row that meets it
    ptrdiff_t w_h;
    ptrdiff_t rows;  // kernel rows
    T* x;            // its first column
    Range columns;   // of dy that exist
    ptrdiff_t count;
    Range vectors;
    bool stream;
  };

  // P columns of dx from iw on, iw + pad = S * m + F. Column p gets tap k of column m + j of dy if p + F = j * S + k.
  template <int KW, int S, int F>
  static constexpr int first_column = -((KW - 1 - F) / S);
  template <int KW, int S, int F>
  static constexpr int column_count = (P - 1 + F) / S - first_column<KW, S, F> + 1;

  template <int KW, int S, int F, bool edge>
  static void tile(const Conv2d& a, const Tile& t) noexcept {
    ptrdiff_t x_w = a.x_w, y_w = a.y_w, w_vector = a.kh * KW * L;
    const T* wv = t.w;
    for (ptrdiff_t v = t.vectors.begin; v < t.vectors.end; v++, wv += w_vector) {
      ptrdiff_t c = channel(a, v);
      vec<T> sum[P], start = a.bias ? load<T>(static_cast<const T*>(a.bias) + c) : vec<T>{};
      UNROLL for (int p = 0; p < P; p++) sum[p] = start;
      const T *row = t.y + c, *w = wv;
      for (ptrdiff_t i = 0; i < t.rows; i++, row += t.y_h, w += t.w_h) {
        vec<T> tap[KW];
        UNROLL for (int k = 0; k < KW; k++) tap[k] = load<T>(w + k * L);
        const T* y = row;
        UNROLL for (int n = 0; n < column_count<KW, S, F>; n++) {
          if (!edge || (n >= t.columns.begin && n < t.columns.end)) {
            vec<T> yv = load<T>(y);
            UNROLL for (int p = 0; p < P; p++) {
              int k = p + F - (n + first_column<KW, S, F>)*S;
              if (k >= 0 && k < KW) sum[p] += yv * tap[k];
            }
          }
          y += y_w;
          asm("" : "+r"(y));  // one pointer that moves on, not a register for each column
        }
      }
      T* x = t.x + c;
      if (edge) {
        UNROLL for (int p = 0; p < P; p++) if (p < t.count) store<T>(x + p * x_w, sum[p]);
      } else if (t.stream && c == v * L) {
        UNROLL for (int p = 0; p < P; p++) stream<T>(x + p * x_w, sum[p]);
      } else {
        UNROLL for (int p = 0; p < P; p++) store<T>(x + p * x_w, sum[p]);
      }
    }
  }

  template <int KW, int S, int F>
  static void rows(const Conv2d& a, const Team& team) noexcept {
    ptrdiff_t slices = (vectors(a) + slice - 1) / slice, tiles = (a.iw + P - 1) / P;
    ptrdiff_t bytes = a.kh * P / S * (vectors(a) < slice ? a.ic : slice * L) * ptrdiff_t(sizeof(T));
    ptrdiff_t strip = strip_bytes / bytes > 1 ? strip_bytes / bytes : 1;
    bool past = a.n * a.ih * a.iw * a.ic * ptrdiff_t(sizeof(T)) >= stream_bytes &&
                (uintptr_t(a.x) | uintptr_t(a.x_n | a.x_h | a.x_w) * sizeof(T)) % sizeof(vec<T>) == 0;
    Range mine = share(a.n * slices * a.ih, team);
    for (ptrdiff_t begin = mine.begin, end; begin < mine.end; begin = end) {
      end = (begin / a.ih + 1) * a.ih < mine.end ? (begin / a.ih + 1) * a.ih : mine.end;
      ptrdiff_t part = begin / a.ih, n = part / slices, first = part % slices;
      Tile t;
      t.vectors = {vectors(a) * first / slices, vectors(a) * (first + 1) / slices};
      t.stream = past;
      for (ptrdiff_t left = 0; left < tiles; left += strip)
        for (ptrdiff_t ih = begin - part * a.ih; ih < end - part * a.ih; ih++) {
          Meeting meet(a, ih);
          t.rows = meet.count, t.y_h = meet.step_oh * a.y_h, t.w_h = meet.step_kh * KW * L;
          t.w = static_cast<const T*>(a.workspace.packed) + (t.vectors.begin * a.kh + meet.first_kh) * KW * L;
          for (ptrdiff_t i = left; i < tiles && i < left + strip; i++) {
            ptrdiff_t iw = i * P, ow = (iw + a.pad_w) / S + first_column<KW, S, F>;
            t.count = a.iw - iw < P ? a.iw - iw : P;
            t.columns = {-ow, a.ow - ow};
            t.y = static_cast<const T*>(a.y) + n * a.y_n + meet.first_oh * a.y_h + ow * a.y_w;
            t.x = static_cast<T*>(a.x) + n * a.x_n + ih * a.x_h + iw * a.x_w;
            if (t.columns.begin > 0 || t.columns.end < column_count<KW, S, F> || t.count < P)
              tile<KW, S, F, true>(a, t);
            else tile<KW, S, F, false>(a, t);
          }
        }
    }
    if (past) stream_end();
  }

  template <int KW>
  static void strides(const Conv2d& a, const Team& team) noexcept {
    if (a.pad_w % 2 == 0) rows<KW, 2, 0>(a, team);
    else rows<KW, 2, 1>(a, team);
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    if (a.kw == 3) strides<3>(a, team);
    else if (a.kw == 5) strides<5>(a, team);
    else strides<7>(a, team);
  }
};
