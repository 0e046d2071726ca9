// Idea:  hold a block of dw in registers, M rows (a stretch of kw x input channels, side by side as in x) x V vectors
//        of output channels, while the pixels pass: each brings V vectors of dy and M numbers of x.
// Since: r1_vec: M x V sums instead of one, pixels in chunks that stay in L1, dy and x copied where they lie badly.
// Why:   M x V independent sums keep the FMAs busy, and 16 loads feed 28 of them (see simd/block.h). With few input
//        channels the block spans several taps: 3 channels x 5 taps still make 15 rows.
// Price: blocks that span taps must treat the columns where only some of them meet the image apart.
#pragma once
#include "../conv2d/parts.h"

template <class T>
struct conv2d_backward_weight_r2_tile : Plain<Conv2d> {
  static constexpr int L = lanes<T>;

  struct Plan {
    ptrdiff_t group_ic, group_oc;
    ptrdiff_t vectors, W;                 // of output channels in a block, and how many channels these are
    ptrdiff_t oc_blocks;                  // of W output channels, per group of the convolution
    ptrdiff_t most;                       // rows of a block: twice as many if they have one vector each
    ptrdiff_t batch;                      // blocks of output channels that are summed in one pass over the pixels
    bool join;                            // whether a block of rows may span taps
    ptrdiff_t segments, taps, width;      // a kernel row is `segments` stretches of taps * group_ic = width numbers
    ptrdiff_t row_blocks;                 // blocks of at most `most` rows in a segment
    ptrdiff_t images, rows;               // of a chunk of pixels: whole images, or rows of one image
    ptrdiff_t x_rows;                     // rows of x that a chunk's image needs, at most
    bool copy_x, copy_y;                  // whether x must be copied, and dy even where its channels fill vectors
    ptrdiff_t sums_size, y_size, x_size;  // scratch of one member: sums of one block of output channels, copies

    explicit Plan(const Conv2d& a) {
      group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
      vectors = group_oc <= L ? 1 : block_vectors, W = vectors * L;
      oc_blocks = (group_oc + W - 1) / W;
      most = block_rows * block_vectors / vectors;
      // Few channels: let blocks span taps, which are neighbours if pixels are.
      join = a.dilation_w == 1 && a.kw > 1 && group_ic < 2 * block_rows;
      segments = join ? 1 : a.kw, taps = join ? a.kw : 1, width = taps * group_ic;
      row_blocks = (width + most - 1) / most;
      // A chunk's dy and the stretch of x that a block reads should stay in L1 while all taps pass: 128 pixels x
      // 2 vectors (or 256 x 1) of 64 bytes = 16 KB of dy and 7 KB of x, half of it. Fewer pixels would load and store
      // the sums more often: 28 of each, against 128 x 14 cycles.
      ptrdiff_t pixels = 256 / vectors;
      images = a.oh * a.ow <= pixels ? pixels / (a.oh * a.ow) : 1;
      if (images > a.n) images = a.n;
      rows = images > 1 || pixels / a.ow >= a.oh ? a.oh : pixels / a.ow > 1 ? pixels / a.ow : 1;
      x_rows = (rows - 1) * a.stride_h + (a.kh - 1) * a.dilation_h + 1;
      if (x_rows > a.ih) x_rows = a.ih;
      // Copied: what does not lie well. Pixels that are a multiple of 512 bytes apart crowd into few sets of L1, and a
      // stretch of 14 of many channels would use a third of its cache lines.
      copy_x = !join || a.x_c != 1 || a.x_w != group_ic;
      copy_y = a.y_c != 1 || a.y_w % 128 == 0;
      sums_size = a.kh * segments * row_blocks * most * W;
      y_size = images * rows * a.ow * W;
      x_size = copy_x ? (images * x_rows * a.iw * group_ic + 15) / 16 * 16 : 0;
      // As many sums as take 1 MB, about half of L2: x is then read, and copied, once for all of them. All rounds the
      // same size.
      ptrdiff_t all = a.groups * oc_blocks;
      batch = ptrdiff_t((1 << 20) / sizeof(T)) / sums_size;
      batch = batch < 1 ? 1 : batch > all ? all : batch;
      batch = ceil_div(all, ceil_div(all, batch));
    }
    ptrdiff_t blocks(const Conv2d& a) const { return row_blocks * a.kh * segments; }  // per block of output channels
    ptrdiff_t scratch() const { return batch * sums_size + y_size + x_size; }
    Range block(ptrdiff_t b) const { return {width * b / row_blocks, width * (b + 1) / row_blocks}; }
  };

  static size_t scratch_bytes(const Conv2d& a, int threads) {
    return sizeof(T) * size_t(threads) * size_t(Plan(a).scratch());
  }

  // Outputs o with 0 <= o * stride - pad + k * dilation < in.
  static Range meeting(ptrdiff_t k, ptrdiff_t dilation, ptrdiff_t pad, ptrdiff_t stride, ptrdiff_t in, ptrdiff_t out) {
    ptrdiff_t low = pad - k * dilation, high = in + pad - k * dilation;
    ptrdiff_t begin = low > 0 ? low : 0, end = high > 0 ? high : 0;
    if (stride != 1) begin = (begin + stride - 1) / stride, end = (end + stride - 1) / stride;
    return {begin, end < out ? end : out};
  }

  // A box of pixels in two arrays.
  struct Pixels {
    const T* x;
    const T* y;
    ptrdiff_t n, h, w;                       // how many
    ptrdiff_t x_n, x_h, x_w, y_n, y_h, y_w;  // steps
  };

  // sums[m, V * L] += sum over pixels of x[pixel, m] * y[pixel, V * L]
  template <int M, int V>
  static __attribute__((noinline)) void block(const Pixels& p, T* sums) noexcept {
    constexpr int U = M * V < 8 ? 2 : 1;  // fewer than 8 sums: two pixels at a time, to cover the FMA's latency
    Block<M, V, T> b[U];
    if (p.w > 16)  // the sums, needed at the end, and perhaps not near; a column at the edge is done too soon for that
#pragma GCC unroll 32
      for (int m = 0; m < M * V; m++) __builtin_prefetch(sums + m * L);
    for (int u = 0; u < U; u++)
#pragma GCC unroll 32
      for (int m = 0; m < M; m++)
        for (int v = 0; v < V; v++) b[u].sum[m][v] = vec<T>{};
    for (ptrdiff_t n = 0; n < p.n; n++)
      for (ptrdiff_t h = 0; h < p.h; h++) {
        const T* x = p.x + n * p.x_n + h * p.x_h;
        const T* y = p.y + n * p.y_n + h * p.y_h;
        ptrdiff_t w = 0;
        for (; w + U <= p.w; w += U)
          for (int u = 0; u < U; u++, x += p.x_w, y += p.y_w) pixel(b[u], x, y);
        for (; w < p.w; w++, x += p.x_w, y += p.y_w) pixel(b[0], x, y);
      }
#pragma GCC unroll 32
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
#pragma GCC unroll 32
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

  // Pixels of y: rows [oh, oh + rows) of images [n, n + images); they meet rows [ih, ih + x_rows) of x.
  struct Chunk {
    ptrdiff_t n, images, oh, rows, ih, x_rows;

    Chunk(const Conv2d& a, const Plan& p, ptrdiff_t n, ptrdiff_t oh) : n(n), oh(oh) {
      images = a.n - n < p.images ? a.n - n : p.images;
      rows = a.oh - oh < p.rows ? a.oh - oh : p.rows;
      ih = oh * a.stride_h - a.pad_h;
      ptrdiff_t end = ih + (rows - 1) * a.stride_h + (a.kh - 1) * a.dilation_h + 1;
      if (ih < 0) ih = 0;
      if (end > a.ih) end = a.ih;
      x_rows = end > ih ? end - ih : 0;
    }
  };

  // x and dy of the next chunk, asked for while this one is done: dy is read a vector or two of a pixel at a time,
  // which no CPU foresees. (8 images of 56x56, 64 -> 64 channels by 1x1: a third of the time without.)
  struct Ahead {
    static constexpr ptrdiff_t line = 64;
    struct Stretch {
      const char* at = nullptr;
      ptrdiff_t step = 0, size = 0;  // bytes from pixel to pixel, and of a pixel
      ptrdiff_t left = 0, some = 0;  // pixels, and how many at a time

      Stretch() = default;
      Stretch(const T* first, ptrdiff_t step_w, ptrdiff_t channels, ptrdiff_t pixels, ptrdiff_t times)
          : at(reinterpret_cast<const char*>(first)),
            step(step_w * ptrdiff_t(sizeof(T))),
            size(channels * ptrdiff_t(sizeof(T))),
            left(pixels) {
        if (step == size) left = left * step / line, step = size = line;
        some = ceil_div(left, times);
      }
      void fetch() noexcept {
        for (ptrdiff_t i = 0; i < some && left > 0; i++, left--, at += step)
          for (ptrdiff_t b = 0; b < size; b += line) __builtin_prefetch(at + b, 0, 2);
      }
    };
    Stretch x, y;
    void fetch() noexcept { x.fetch(), y.fetch(); }
  };

  // The output channels of blocks [first, last), in `times` parts. Only of arrays without gaps.
  static Ahead ahead(const Conv2d& a, const Plan& p, const Chunk& c, ptrdiff_t first, ptrdiff_t last,
                     ptrdiff_t times) noexcept {
    Ahead next;
    ptrdiff_t group = first / p.oc_blocks, groups = (last - 1) / p.oc_blocks - group + 1;
    if (a.x_c == 1 && a.x_h == a.iw * a.x_w && (c.images == 1 || a.x_n == a.ih * a.x_h))
      next.x = {static_cast<const T*>(a.x) + c.n * a.x_n + c.ih * a.x_h + group * p.group_ic, a.x_w,
                groups * p.group_ic, c.images == 1 ? c.x_rows * a.iw : c.images * a.ih * a.iw, times};
    if (a.y_c == 1 && a.y_h == a.ow * a.y_w && (c.images == 1 || a.y_n == a.oh * a.y_h)) {
      ptrdiff_t oc = group * p.group_oc + first % p.oc_blocks * p.W;
      ptrdiff_t end = (last - 1) / p.oc_blocks * p.group_oc + ((last - 1) % p.oc_blocks + 1) * p.W;
      next.y = {static_cast<const T*>(a.y) + c.n * a.y_n + c.oh * a.y_h + oc, a.y_w, (end < a.oc ? end : a.oc) - oc,
                c.images * c.rows * a.ow, times};
    }
    return next;
  }

  // A chunk's part of dbias, while its dy is near: V vectors of output channels.
  template <int V>
  static void add_bias(const Pixels& p, ptrdiff_t count, T* bias) noexcept {
    constexpr int U = 4 / V;  // an add takes four cycles
    vec<T> sum[U][V] = {};
    for (ptrdiff_t n = 0; n < p.n; n++)
      for (ptrdiff_t h = 0; h < p.h; h++) {
        const T* y = p.y + n * p.y_n + h * p.y_h;
        ptrdiff_t w = 0;
        for (; w + U <= p.w; w += U)
          UNROLL for (int u = 0; u < U; u++, y += p.y_w) UNROLL for (int v = 0; v < V; v++) sum[u][v] +=
              load<T>(y + v * L);
        for (; w < p.w; w++, y += p.y_w) UNROLL for (int v = 0; v < V; v++) sum[0][v] += load<T>(y + v * L);
      }
    UNROLL for (int v = 0; v < V; v++) {
      ptrdiff_t n = count - v * L < L ? count - v * L : L;
      for (int u = 1; u < U; u++) sum[0][v] += sum[u][v];
      store_n<T>(bias + v * L, load_n<T>(bias + v * L, n) + sum[0][v], n);
    }
  }

  // add: to what dw holds, and leave the bias alone, for sums over several arrays.
  static void run(const Conv2d& a, const Team& team, bool add = false) noexcept {
    Plan p(a);
    T* sums = static_cast<T*>(a.workspace.scratch) + team.rank * p.scratch();  // [batch, blocks, most, W]
    T* y_copy = sums + p.batch * p.sums_size;
    T* x_copy = y_copy + p.y_size;
    ptrdiff_t blocks = p.blocks(a);
    ptrdiff_t bytes = a.n * (a.ic * a.ih * a.iw + a.oc * a.oh * a.ow) * ptrdiff_t(sizeof(T));
    bool far = bytes > (isa_registers == 16 ? 1 << 18 : 1 << 23);
    Range mine = share(a.groups * p.oc_blocks * blocks, team);
    // A round for each batch of blocks of output channels that is partly mine.
    for (ptrdiff_t begin = mine.begin, end; begin < mine.end; begin = end) {
      ptrdiff_t first = begin / blocks, last = first + p.batch;
      end = last * blocks < mine.end ? last * blocks : mine.end;
      for (ptrdiff_t i = 0; i < (last - first) * p.sums_size; i += L) store<T>(sums + i, vec<T>{});
      auto part = [&](ptrdiff_t ocb) {  // the blocks [begin, end) that belong to ocb
        ptrdiff_t from = begin - ocb * blocks, to = end - ocb * blocks;
        return Range{from > 0 ? from : 0, to < blocks ? to : blocks};
      };
      // A block of output channels has one member's part of dbias: his who has its first block.
      auto bias = [&](ptrdiff_t ocb) {
        bool here = a.bias && !add && part(ocb).begin == 0;
        ptrdiff_t oc = ocb / p.oc_blocks * p.group_oc + ocb % p.oc_blocks * p.W;
        return here ? static_cast<T*>(a.bias) + oc : nullptr;
      };
      for (ptrdiff_t ocb = first; ocb * blocks < end; ocb++)
        if (T* b = bias(ocb)) {
          ptrdiff_t rest = p.group_oc - ocb % p.oc_blocks * p.W;
          for (ptrdiff_t i = 0; i < rest && i < p.W; i++) b[i] = 0;
        }
      for (ptrdiff_t n = 0; n < a.n; n += p.images)
        for (ptrdiff_t oh = 0; oh < a.oh; oh += p.rows) {
          Chunk chunk(a, p, n, oh);
          Ahead next;
          if (far) {
            ptrdiff_t rows = ceil_div(end - begin, a.kh * p.segments);  // of blocks, which all ask for some
            bool below = oh + p.rows < a.oh;
            if (below || n + p.images < a.n)
              next = ahead(a, p, below ? Chunk(a, p, n, oh + p.rows) : Chunk(a, p, n + p.images, 0), first,
                           (end - 1) / blocks + 1, rows);
          }
          for (ptrdiff_t ocb = first; ocb * blocks < end; ocb++) {
            bool new_group = ocb == first || ocb % p.oc_blocks == 0;
            if (p.copy_x && new_group) copy_x(a, p, ocb / p.oc_blocks, chunk, x_copy);
            add_chunk(a, p, part(ocb), ocb, chunk, sums + (ocb - first) * p.sums_size, y_copy, x_copy, bias(ocb), next);
          }
        }
      for (ptrdiff_t ocb = first; ocb * blocks < end; ocb++)
        write(a, p, part(ocb), ocb, sums + (ocb - first) * p.sums_size, add);
    }
  }

  // Channels that do not fill their vectors are read with the next pixel's first ones, whose sums nobody looks at; if
  // there is something to read: `end` is that of the chunk's first vectors. (8 channels, 3x3 taps of 3: a copy of dy
  // takes twice as long as the sums.)
  static bool reaches(const Conv2d& a, const Chunk& c, const T* end) noexcept {
    if (a.y_n < 0 || a.y_h < 0 || a.y_w < 0) return false;
    end += (c.images - 1) * a.y_n + (c.rows - 1) * a.y_h + (a.ow - 1) * a.y_w;
    const T* last = static_cast<const T*>(a.y) + (a.n - 1) * a.y_n + (a.oh - 1) * a.y_h + (a.ow - 1) * a.y_w + a.oc;
    return end <= last;
  }

  // A chunk of pixels, into the sums of the blocks `part` of one block of output channels.
  static void add_chunk(const Conv2d& a, const Plan& p, Range part, ptrdiff_t ocb, const Chunk& c, T* sums, T* y_copy,
                        const T* x_copy, T* bias, Ahead& next) noexcept {
    ptrdiff_t group = ocb / p.oc_blocks, oc = ocb % p.oc_blocks * p.W,
              count = p.group_oc - oc < p.W ? p.group_oc - oc : p.W;
    ptrdiff_t vectors = (count + L - 1) / L;
    Pixels box = {};
    box.n = c.images;
    box.y = static_cast<const T*>(a.y) + c.n * a.y_n + (group * p.group_oc + oc) * a.y_c + c.oh * a.y_h;
    box.y_n = a.y_n, box.y_h = a.y_h, box.y_w = a.y_w;
    if (p.copy_y || (count != vectors * L && !reaches(a, c, box.y + vectors * L))) {
      copy_y(a, c, box.y, count, vectors * L, y_copy);
      box.y = y_copy, box.y_w = vectors * L, box.y_h = a.ow * box.y_w, box.y_n = c.rows * box.y_h;
    }
    if (bias) {
      Pixels all = box;
      all.h = c.rows, all.w = a.ow;
      if (vectors == block_vectors) add_bias<block_vectors>(all, count, bias);
      else add_bias<1>(all, count, bias);
    }
    ptrdiff_t taps = a.kh * p.segments;
    for (ptrdiff_t b = part.begin / taps; b * taps < part.end; b++) {
      next.fetch();
      Range m = p.block(b), stretch = p.join ? Range{0, p.group_ic} : m;
      ptrdiff_t first_tap = m.begin / p.group_ic, last_tap = (m.end - 1) / p.group_ic;
      Pixels q = box;  // x at row 0, column -pad, and so that the block's first row is x[m.begin]
      if (p.copy_x) {
        q.x_w = stretch.end - stretch.begin, q.x_h = a.iw * q.x_w, q.x_n = c.x_rows * q.x_h;
        q.x = x_copy + stretch.begin * (c.images * c.x_rows * a.iw) - stretch.begin - c.ih * q.x_h;
      } else {
        q.x_w = a.x_w, q.x_h = a.x_h, q.x_n = a.x_n;
        q.x = static_cast<const T*>(a.x) + c.n * q.x_n + group * p.group_ic;
      }
      q.x -= a.pad_w * q.x_w;
      ptrdiff_t x_h = q.x_h;
      q.x_h *= a.stride_h;
      for (ptrdiff_t kh = 0; kh < a.kh; kh++) {
        Range oh = meeting(kh, a.dilation_h, a.pad_h, a.stride_h, a.ih, a.oh);
        if (oh.begin < c.oh) oh.begin = c.oh;
        if (oh.end > c.oh + c.rows) oh.end = c.oh + c.rows;
        if (oh.begin >= oh.end) continue;
        q.h = oh.end - oh.begin;
        q.y = box.y + (oh.begin - c.oh) * q.y_h;
        const T* x = q.x;
        q.x += (oh.begin * a.stride_h - a.pad_h + kh * a.dilation_h) * x_h;
        for (ptrdiff_t segment = 0; segment < p.segments; segment++) {
          ptrdiff_t i = (b * a.kh + kh) * p.segments + segment;
          if (i >= part.begin && i < part.end)
            add_block(a, p, segment, m, {segment + first_tap, segment + last_tap}, q, vectors, sums + i * p.most * p.W);
        }
        q.x = x;
      }
    }
  }

  // Rows [m.begin, m.end) of a segment, from taps kw.begin .. kw.end (the last one included). Columns where all of
  // these meet the image go as one box of pixels; each other column goes with those rows whose taps do.
  static void add_block(const Conv2d& a, const Plan& p, ptrdiff_t segment, Range m, Range kw, const Pixels& q,
                        ptrdiff_t vectors, T* sums) noexcept {
    Range first = meeting(kw.begin, a.dilation_w, a.pad_w, a.stride_w, a.iw, a.ow);
    Range last = kw.end == kw.begin ? first : meeting(kw.end, a.dilation_w, a.pad_w, a.stride_w, a.iw, a.ow);
    Range all = {first.begin, last.end};                     // of all taps: a later tap meets earlier columns
    if (all.begin >= all.end) all = {first.end, first.end};  // none: every column goes apart
    auto add = [&](Range ow, Range rows) {
      if (ow.begin >= ow.end || rows.begin >= rows.end) return;
      Pixels box = q;
      box.w = ow.end - ow.begin;
      box.y += ow.begin * q.y_w;
      box.x += (ow.begin * a.stride_w + segment * a.dilation_w) * q.x_w + rows.begin;
      box.x_w *= a.stride_w;
      if (box.x_h == box.w * box.x_w && box.y_h == box.w * box.y_w) box.w *= box.h, box.h = 1;  // rows touch: one row
      if (box.w == 1) box.w = box.h, box.x_w = box.x_h, box.y_w = box.y_h, box.h = 1;           // one column: as a row
      if (box.h == 1 && box.w == 1) box.w = box.n, box.x_w = box.x_n, box.y_w = box.y_n, box.n = 1;
      if (box.h == 1 && box.x_n == box.w * box.x_w && box.y_n == box.w * box.y_w) box.w *= box.n, box.n = 1;
      T* out = sums + (rows.begin - m.begin) * vectors * L;
      if (vectors == block_vectors) block_of<block_rows, block_vectors>(rows.end - rows.begin, box, out);
      else block_of<2 * block_rows, 1>(rows.end - rows.begin, box, out);
    };
    add(all, m);
    for (ptrdiff_t ow = last.begin; ow < first.end; ow++) {
      if (ow == all.begin && all.begin < all.end) {
        ow = all.end - 1;
        continue;
      }
      Range rows = {m.end, m.begin};
      for (ptrdiff_t k = kw.begin; k <= kw.end; k++) {
        ptrdiff_t iw = ow * a.stride_w - a.pad_w + k * a.dilation_w;
        if (iw < 0 || iw >= a.iw) continue;
        ptrdiff_t low = (k - segment) * p.group_ic, high = low + p.group_ic;
        if (low < m.begin) low = m.begin;
        if (high > m.end) high = m.end;
        if (low < rows.begin) rows.begin = low;
        if (high > rows.end) rows.end = high;
      }
      add({ow, ow + 1}, rows);
    }
  }

  // dy of a chunk, [pixels, size], zeros beyond the last of `count` channels.
  static void copy_y(const Conv2d& a, const Chunk& c, const T* y, ptrdiff_t count, ptrdiff_t size, T* out) noexcept {
    for (ptrdiff_t n = 0; n < c.images; n++)
      for (ptrdiff_t h = 0; h < c.rows; h++)
        for (ptrdiff_t w = 0; w < a.ow; w++, out += size) {
          const T* from = y + n * a.y_n + h * a.y_h + w * a.y_w;
          if (a.y_c == 1) {
            if (size > L) store<T>(out, load<T>(from));
            store<T>(out + size - L, load_n<T>(from + size - L, count - size + L));
          } else {
            for (ptrdiff_t i = 0; i < size; i++) out[i] = i < count ? from[i * a.y_c] : T(0);
          }
        }
  }

  // x of a chunk. Blocks that span taps need whole pixels, [pixels, group_ic]; for the others each stretch of channels
  // apart, [row blocks][pixels, rows of the block], so that a block reads nothing but its own.
  static void copy_x(const Conv2d& a, const Plan& p, ptrdiff_t group, const Chunk& c, T* out) noexcept {
    const T* x = static_cast<const T*>(a.x) + c.n * a.x_n + group * p.group_ic * a.x_c + c.ih * a.x_h;
    ptrdiff_t pixels = c.images * c.x_rows * a.iw;
    for (ptrdiff_t n = 0; n < c.images; n++)
      for (ptrdiff_t h = 0; h < c.x_rows; h++) {
        const T* row = x + n * a.x_n + h * a.x_h;
        ptrdiff_t first = (n * c.x_rows + h) * a.iw;  // of the row's pixels
        if (!p.join && a.x_c == 1) {
          stretches_of<2 * block_rows>((p.width - 1) / p.row_blocks + 1, p, row, a.x_w, a.iw, first, pixels, out);
          continue;
        }
        for (ptrdiff_t b = 0; b < (p.join ? 1 : p.row_blocks); b++) {
          Range m = p.join ? Range{0, p.group_ic} : p.block(b);
          ptrdiff_t size = m.end - m.begin;
          copy_of<2 * block_rows>(size, row + m.begin * a.x_c, a.x_w, a.x_c, a.iw,
                                  out + pixels * m.begin + first * size);
        }
      }
  }

  // A row of pixels to the stretches of all blocks, pixel by pixel, so that x is read front to back (512 channels of
  // 28x28: block by block 0.2 ms more of 1.6). Blocks have M or M - 1 rows, known to the compiler, since these are
  // short.
  template <int M>
  static void stretches_of(ptrdiff_t m, const Plan& p, const T* x, ptrdiff_t x_w, ptrdiff_t count, ptrdiff_t first,
                           ptrdiff_t pixels, T* out) noexcept {
    if (m < M) {
      if constexpr (M > 1) stretches_of<M - 1>(m, p, x, x_w, count, first, pixels, out);
      return;
    }
    for (ptrdiff_t w = first; w < first + count; w++, x += x_w) {
      const T* from = x;
      T* to = out;
      // The rest of width * b / row_blocks, which says where a block has one row more.
      for (ptrdiff_t b = 0, rest = 0; b < p.row_blocks; b++) {
        rest += p.width - (M - 1) * p.row_blocks;
        if (rest >= p.row_blocks) {
          __builtin_memcpy(to + w * M, from, M * sizeof(T));
          from += M, to += M * pixels, rest -= p.row_blocks;
        } else {
          if constexpr (M > 1) __builtin_memcpy(to + w * (M - 1), from, (M - 1) * sizeof(T));
          from += M - 1, to += (M - 1) * pixels;
        }
      }
    }
  }

  // [pixels, M], strides x_w and x_c, to dense; M known to the compiler, since stretches are short.
  template <int M>
  static void copy_of(ptrdiff_t m, const T* x, ptrdiff_t x_w, ptrdiff_t x_c, ptrdiff_t pixels, T* out) noexcept {
    if (m < M) {
      if constexpr (M > 1) copy_of<M - 1>(m, x, x_w, x_c, pixels, out);
    } else if (x_c == 1) {
      for (ptrdiff_t w = 0; w < pixels; w++) __builtin_memcpy(out + w * M, x + w * x_w, M * sizeof(T));
    } else {
      for (ptrdiff_t w = 0; w < pixels; w++)
        for (int i = 0; i < M; i++) out[w * M + i] = x[w * x_w + i * x_c];
    }
  }

  // The finished sums, to where dw wants them. In PyTorch's order a filter's weights are neighbours: where all taps of
  // the channels are here, squares of lanes are turned.
  static void write(const Conv2d& a, const Plan& p, Range part, ptrdiff_t ocb, const T* sums, bool add) noexcept {
    ptrdiff_t taps = a.kh * p.segments, first = (part.begin + taps - 1) / taps * taps, last = part.end / taps * taps;
    bool dense = !p.join && a.w_w == 1 && a.w_h == a.kw && a.w_i == a.kh * a.kw;
    if (!dense || first >= last) return write_lanes(a, p, part, ocb, sums, add);
    if (part.begin < first) write_lanes(a, p, {part.begin, first}, ocb, sums, add);
    write_squares(a, p, {first / taps, last / taps}, ocb, sums, add);
    if (last < part.end) write_lanes(a, p, {last, part.end}, ocb, sums, add);
  }

  // Whole blocks of channels: the numbers [ic, kh, kw] of a filter, a vector at a time of as many filters.
  static void write_squares(const Conv2d& a, const Plan& p, Range blocks, ptrdiff_t ocb, const T* sums,
                            bool add) noexcept {
    ptrdiff_t oc = ocb % p.oc_blocks * p.W, count = p.group_oc - oc < p.W ? p.group_oc - oc : p.W;
    ptrdiff_t size = (count + L - 1) / L * L, taps = a.kh * p.segments;
    ptrdiff_t ic = p.block(blocks.begin).begin, end = p.block(blocks.end - 1).end;
    T* filters = static_cast<T*>(a.w) + (ocb / p.oc_blocks * p.group_oc + oc) * a.w_o;
    Range m = p.block(blocks.begin);
    for (ptrdiff_t first = ic * taps, b = blocks.begin, c = ic, tap = 0; first < end * taps; first += L) {
      ptrdiff_t n = end * taps - first < L ? end * taps - first : L;
      const T* from[L] = {};
      for (ptrdiff_t i = 0; i < n; i++) {
        from[i] = sums + (b * taps + tap) * p.most * p.W + (c - m.begin) * size;
        if (++tap < taps) continue;
        tap = 0, c++;
        if (c == m.end && b + 1 < blocks.end) m = p.block(++b);
      }
      for (ptrdiff_t v = 0; v < size; v += L) {
        vec<T> row[L];
        UNROLL for (int i = 0; i < L; i++) row[i] = i < n ? load<T>(from[i] + v) : vec<T>{};
        transpose<T>(row);
        UNROLL for (int i = 0; i < L; i++) {
          if (v + i >= count) break;
          T* to = filters + (v + i) * a.w_o + first;
          if (n == L) store<T>(to, add ? load<T>(to) + row[i] : row[i]);
          else store_n<T>(to, add ? load_n<T>(to, n) + row[i] : row[i], n);
        }
      }
    }
  }

  // Any layout of dw, and blocks of some taps: lane by lane, since the filters of two lanes may be far apart.
  static void write_lanes(const Conv2d& a, const Plan& p, Range part, ptrdiff_t ocb, const T* sums, bool add) noexcept {
    ptrdiff_t oc = ocb % p.oc_blocks * p.W, count = p.group_oc - oc < p.W ? p.group_oc - oc : p.W;
    ptrdiff_t size = (count + L - 1) / L * L, taps = a.kh * p.segments;
    ptrdiff_t line = a.w_i > 0 && a.w_i < 16 ? 16 / a.w_i : 1;  // input channels in a cache line of 16 numbers
    T* filters = static_cast<T*>(a.w) + (ocb / p.oc_blocks * p.group_oc + oc) * a.w_o;
    for (ptrdiff_t b = part.begin / taps; b * taps < part.end; b++) {
      Range m = p.block(b);
      for (ptrdiff_t j = 0; j < count; j++) {
        T* filter = filters + j * a.w_o;
        for (ptrdiff_t i = m.begin; i < m.end && !p.join; i += line)  // four filters ahead: they are far away
          __builtin_prefetch(filter + 4 * a.w_o + i * a.w_i, 1);
        for (ptrdiff_t kh = 0; kh < a.kh; kh++)
          for (ptrdiff_t segment = 0; segment < p.segments; segment++) {
            ptrdiff_t block = (b * a.kh + kh) * p.segments + segment;
            if (block < part.begin || block >= part.end) continue;
            const T* from = sums + block * p.most * p.W + j;
            for (ptrdiff_t i = m.begin, end; i < m.end; i = end) {  // tap by tap
              ptrdiff_t tap = p.join ? i / p.group_ic : 0, first = tap * p.group_ic;
              end = first + p.group_ic < m.end ? first + p.group_ic : m.end;
              T* w = filter + kh * a.w_h + (segment + tap) * a.w_w - first * a.w_i;
              if (add)
                for (ptrdiff_t k = i; k < end; k++) w[k * a.w_i] += from[(k - m.begin) * size];
              else
                for (ptrdiff_t k = i; k < end; k++) w[k * a.w_i] = from[(k - m.begin) * size];
            }
          }
      }
    }
  }
};
