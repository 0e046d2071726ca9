// Idea:  hold a block of dw in registers, M rows (a stretch of kw x input channels, side by side as in x) x V vectors of
//        output channels, while the pixels pass: each brings V vectors of dy and M numbers of x.
// Since: r1_vec: M x V sums instead of one, pixels in chunks that stay in L1, dy and x copied where they do not lie well.
// Why:   M x V independent sums keep the FMAs busy, and 16 loads feed 28 of them (see simd/block.h). With few input
//        channels the block spans several taps, so that 3 channels x 5 taps still make a block of 14 or 15 rows.
// Price: blocks that span taps must treat the columns where only some of them meet the image apart.
#pragma once

template <class T>
struct conv2d_backward_weight_r2_tile : Plain<Conv2d> {
  static constexpr int L = lanes<T>, W = block_vectors * L;

  struct Plan {
    ptrdiff_t group_ic, group_oc;
    ptrdiff_t oc_blocks;                // of W output channels, per group
    bool copy_x, copy_y;                // whether x (any block) and dy (full blocks) must be copied
    ptrdiff_t segments, taps, width;    // a kernel row is `segments` stretches of taps * group_ic = width numbers
    ptrdiff_t row_blocks;               // blocks of at most block_rows in a segment
    ptrdiff_t images, rows;             // of a chunk of pixels: whole images, or rows of one image
    ptrdiff_t x_rows;                   // rows of x that a chunk's image needs
    ptrdiff_t sums_size, y_size, x_size;  // scratch of one member

    explicit Plan(const Conv2d& a) {
      group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
      oc_blocks = (group_oc + W - 1) / W;
      // A chunk: 256 pixels x 2 vectors of 64 bytes = 32 KB of dy, two thirds of L1; fewer would load and store sums
      // more often: 28 of each per chunk and block, against 256 x 14 cycles.
      ptrdiff_t pixels = 256;
      images = a.oh * a.ow <= pixels ? pixels / (a.oh * a.ow) : 1;
      if (images > a.n) images = a.n;
      rows = images > 1 || pixels / a.ow >= a.oh ? a.oh : pixels / a.ow > 1 ? pixels / a.ow : 1;
      // Few channels: let blocks span taps. That needs pixels side by side.
      bool join = a.dilation_w == 1 && a.kw > 1 && group_ic < 2 * block_rows;
      segments = join ? 1 : a.kw, taps = join ? a.kw : 1, width = taps * group_ic;
      row_blocks = (width + block_rows - 1) / block_rows;
      copy_x = a.x_c != 1 || (join && a.x_w != group_ic);
      copy_y = a.y_c != 1;
      x_rows = (rows - 1) * a.stride_h + (a.kh - 1) * a.dilation_h + 1;
      if (x_rows > a.ih) x_rows = a.ih;
      sums_size = a.kh * segments * row_blocks * block_rows * W;
      y_size = images * rows * a.ow * W;
      x_size = copy_x ? (images * x_rows * a.iw * group_ic + 15) / 16 * 16 : 0;
    }
    ptrdiff_t blocks(const Conv2d& a) const { return a.kh * segments * row_blocks; }  // per block of output channels
  };

  static size_t scratch_bytes(const Conv2d& a, int threads) {
    Plan p(a);
    return sizeof(T) * size_t(threads) * size_t(p.sums_size + p.y_size + p.x_size);
  }

  // Outputs o with 0 <= o * stride - pad + k * dilation < in.
  static Range meeting(ptrdiff_t k, ptrdiff_t dilation, ptrdiff_t pad, ptrdiff_t stride, ptrdiff_t in, ptrdiff_t out) {
    ptrdiff_t low = pad - k * dilation, high = in + pad - k * dilation;
    ptrdiff_t begin = low > 0 ? (low + stride - 1) / stride : 0, end = high > 0 ? (high + stride - 1) / stride : 0;
    return {begin, end < out ? end : out};
  }

  // A box of pixels in two arrays.
  struct Pixels {
    const T* x;
    const T* y;
    ptrdiff_t n, h, w;                  // how many
    ptrdiff_t x_n, x_h, x_w, y_n, y_h, y_w;  // steps
  };

  // sums[m, V * L] += sum over pixels of x[pixel, m] * y[pixel, V * L]
  template <int M, int V>
  static __attribute__((noinline)) void block(const Pixels& p, T* sums) noexcept {
    constexpr int U = M * V < 8 ? 2 : 1;  // fewer than 8 sums: two pixels at a time, to cover the FMA's latency
    Block<M, V, T> b[U] = {};
    for (ptrdiff_t n = 0; n < p.n; n++)
      for (ptrdiff_t h = 0; h < p.h; h++) {
        const T* x = p.x + n * p.x_n + h * p.x_h;
        const T* y = p.y + n * p.y_n + h * p.y_h;
        ptrdiff_t w = 0;
        for (; w + U <= p.w; w += U)
          for (int u = 0; u < U; u++, x += p.x_w, y += p.y_w) pixel(b[u], x, y);
        for (; w < p.w; w++, x += p.x_w, y += p.y_w) pixel(b[0], x, y);
      }
    for (int m = 0; m < M; m++)
      for (int v = 0; v < V; v++) {
        vec<T> sum = b[0].sum[m][v];
        for (int u = 1; u < U; u++) sum += b[u].sum[m][v];
        T* out = sums + (m * V + v) * L;
        store<T>(out, load<T>(out) + sum);
      }
  }

  template <int M, int V>
  static inline __attribute__((always_inline)) void pixel(Block<M, V, T>& b, const T* x, const T* y) {
    vec<T> yv[V];
    for (int v = 0; v < V; v++) yv[v] = load<T>(y + v * L);
    for (int m = 0; m < M; m++) {
      T xm = x[m];
      for (int v = 0; v < V; v++) b.sum[m][v] += xm * yv[v];
    }
  }

  template <int M, int V>
  static void block_of(ptrdiff_t m, const Pixels& p, T* sums) noexcept {
    if (m == M) block<M, V>(p, sums);
    else if constexpr (M > 1) block_of<M - 1, V>(m, p, sums);
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    Plan p(a);
    T* sums = static_cast<T*>(a.workspace.scratch) + team.rank * (p.sums_size + p.y_size + p.x_size);
    T* y_copy = sums + p.sums_size;
    T* x_copy = y_copy + p.y_size;
    ptrdiff_t blocks = p.blocks(a);
    Range mine = share(a.groups * p.oc_blocks * blocks, team);
    // One round for each block of output channels that is at least partly mine.
    for (ptrdiff_t begin = mine.begin, end; begin < mine.end; begin = end) {
      ptrdiff_t ocb = begin / blocks, group = ocb / p.oc_blocks, oc = ocb % p.oc_blocks * W;
      end = (ocb + 1) * blocks < mine.end ? (ocb + 1) * blocks : mine.end;
      Range part = {begin - ocb * blocks, end - ocb * blocks};
      ptrdiff_t count = p.group_oc - oc < W ? p.group_oc - oc : W;
      for (ptrdiff_t i = part.begin * block_rows * W; i < part.end * block_rows * W; i += L) store<T>(sums + i, vec<T>{});
      for (ptrdiff_t n = 0; n < a.n; n += p.images)
        for (ptrdiff_t oh = 0; oh < a.oh; oh += p.rows)
          add_chunk(a, p, part, group, group * p.group_oc + oc, count, n, oh, sums, y_copy, x_copy);
      write(a, p, part, group * p.group_oc + oc, count, sums);
    }
    bias_gradient<T>(a, team);
  }

  // The chunk of pixels at (n0, oh0), into the sums of the blocks `part` for output channels [oc, oc + count).
  static void add_chunk(const Conv2d& a, const Plan& p, Range part, ptrdiff_t group, ptrdiff_t oc, ptrdiff_t count,
                        ptrdiff_t n0, ptrdiff_t oh0, T* sums, T* y_copy, T* x_copy) noexcept {
    ptrdiff_t images = a.n - n0 < p.images ? a.n - n0 : p.images, rows = a.oh - oh0 < p.rows ? a.oh - oh0 : p.rows;
    ptrdiff_t vectors = (count + L - 1) / L;
    Pixels box;
    box.n = images;
    box.y = static_cast<const T*>(a.y) + n0 * a.y_n + oc * a.y_c + oh0 * a.y_h;  // at (n0, oh0, 0)
    box.y_n = a.y_n, box.y_h = a.y_h, box.y_w = a.y_w;
    if (p.copy_y || count != vectors * L) {
      ptrdiff_t size = vectors * L;
      copy_y(a, box.y, images, rows, count, size, y_copy);
      box.y = y_copy, box.y_n = rows * a.ow * size, box.y_h = a.ow * size, box.y_w = size;
    }
    box.x = static_cast<const T*>(a.x) + n0 * a.x_n + group * p.group_ic * a.x_c;  // at (n0, 0, 0)
    box.x_n = a.x_n, box.x_h = a.x_h, box.x_w = a.x_w;
    if (p.copy_x) {
      ptrdiff_t first = oh0 * a.stride_h - a.pad_h, last = first + (rows - 1) * a.stride_h + (a.kh - 1) * a.dilation_h;
      if (first < 0) first = 0;
      if (last >= a.ih) last = a.ih - 1;
      ptrdiff_t x_rows = last >= first ? last - first + 1 : 0;
      copy_x(a, box.x + first * a.x_h, images, x_rows, p.group_ic, x_copy);
      box.x_w = p.group_ic, box.x_h = a.iw * box.x_w, box.x_n = x_rows * box.x_h;
      box.x = x_copy - first * box.x_h;
    }
    for (ptrdiff_t i = part.begin; i < part.end; i++) {
      ptrdiff_t b = i % p.row_blocks, segment = i / p.row_blocks % p.segments, kh = i / p.row_blocks / p.segments;
      Range oh = meeting(kh, a.dilation_h, a.pad_h, a.stride_h, a.ih, a.oh);
      if (oh.begin < oh0) oh.begin = oh0;
      if (oh.end > oh0 + rows) oh.end = oh0 + rows;
      if (oh.begin >= oh.end) continue;
      Pixels q = box;  // at column 0 of the first row that meets kh, and at kw = 0
      q.h = oh.end - oh.begin;
      q.y += (oh.begin - oh0) * q.y_h;
      q.x += (oh.begin * a.stride_h - a.pad_h + kh * a.dilation_h) * q.x_h - a.pad_w * q.x_w;
      q.x_h *= a.stride_h;
      Range m = {p.width * b / p.row_blocks, p.width * (b + 1) / p.row_blocks};
      add_block(a, p, segment, m, q, box.x_w, vectors, sums + i * block_rows * W);
    }
  }

  // Rows [m.begin, m.end) of a segment. Columns where all of the block's taps meet the image go as one box of pixels;
  // each other column goes with those rows whose taps do.
  static void add_block(const Conv2d& a, const Plan& p, ptrdiff_t segment, Range m, const Pixels& q, ptrdiff_t x_w,
                        ptrdiff_t vectors, T* sums) noexcept {
    ptrdiff_t first_kw = segment + m.begin / p.group_ic, last_kw = segment + (m.end - 1) / p.group_ic;
    Range first = meeting(first_kw, a.dilation_w, a.pad_w, a.stride_w, a.iw, a.ow);
    Range last = meeting(last_kw, a.dilation_w, a.pad_w, a.stride_w, a.iw, a.ow);
    Range all = {first.begin, last.end};  // of all taps: a later tap meets earlier columns
    if (all.begin >= all.end) all = {first.end, first.end};  // none: every column goes apart
    auto add = [&](Range ow, Range rows) {
      if (ow.begin >= ow.end || rows.begin >= rows.end) return;
      Pixels box = q;
      box.w = ow.end - ow.begin;
      box.y += ow.begin * q.y_w;
      box.x += (ow.begin * a.stride_w + segment * a.dilation_w) * x_w + rows.begin;
      box.x_w = a.stride_w * x_w;
      T* out = sums + (rows.begin - m.begin) * vectors * L;
      if (vectors == block_vectors) block_of<block_rows, block_vectors>(rows.end - rows.begin, box, out);
      else block_of<block_rows, 1>(rows.end - rows.begin, box, out);
    };
    add(all, m);
    for (ptrdiff_t ow = last.begin; ow < first.end; ow++) {
      if (ow == all.begin && all.begin < all.end) {
        ow = all.end - 1;
        continue;
      }
      Range rows = {m.end, m.begin};
      for (ptrdiff_t kw = first_kw; kw <= last_kw; kw++) {
        ptrdiff_t iw = ow * a.stride_w - a.pad_w + kw * a.dilation_w;
        if (iw < 0 || iw >= a.iw) continue;
        ptrdiff_t low = (kw - segment) * p.group_ic, high = low + p.group_ic;
        if (low < m.begin) low = m.begin;
        if (high > m.end) high = m.end;
        if (low < rows.begin) rows.begin = low;
        if (high > rows.end) rows.end = high;
      }
      add({ow, ow + 1}, rows);
    }
  }

  static void copy_y(const Conv2d& a, const T* y, ptrdiff_t images, ptrdiff_t rows, ptrdiff_t count, ptrdiff_t size,
                     T* out) noexcept {
    for (ptrdiff_t n = 0; n < images; n++)
      for (ptrdiff_t h = 0; h < rows; h++)
        for (ptrdiff_t w = 0; w < a.ow; w++, out += size) {
          const T* from = y + n * a.y_n + h * a.y_h + w * a.y_w;
          for (ptrdiff_t i = 0; i < size; i++) out[i] = i < count ? from[i * a.y_c] : T(0);
        }
  }

  static void copy_x(const Conv2d& a, const T* x, ptrdiff_t images, ptrdiff_t rows, ptrdiff_t channels,
                     T* out) noexcept {
    for (ptrdiff_t n = 0; n < images; n++)
      for (ptrdiff_t h = 0; h < rows; h++)
        for (ptrdiff_t w = 0; w < a.iw; w++)
          for (ptrdiff_t i = 0; i < channels; i++) *out++ = x[n * a.x_n + h * a.x_h + w * a.x_w + i * a.x_c];
  }

  // The finished sums, lane by lane, to where dw wants them.
  static void write(const Conv2d& a, const Plan& p, Range part, ptrdiff_t oc, ptrdiff_t count, const T* sums) noexcept {
    ptrdiff_t size = (count + L - 1) / L * L;
    for (ptrdiff_t i = part.begin; i < part.end; i++) {
      ptrdiff_t b = i % p.row_blocks, segment = i / p.row_blocks % p.segments, kh = i / p.row_blocks / p.segments;
      ptrdiff_t begin = p.width * b / p.row_blocks, end = p.width * (b + 1) / p.row_blocks;
      for (ptrdiff_t m = begin; m < end; m++) {
        T* w = static_cast<T*>(a.w) + oc * a.w_o + m % p.group_ic * a.w_i + kh * a.w_h +
               (segment + m / p.group_ic) * a.w_w;
        const T* from = sums + i * block_rows * W + (m - begin) * size;
        for (ptrdiff_t j = 0; j < count; j++) w[j * a.w_o] = from[j];
      }
    }
  }
};
