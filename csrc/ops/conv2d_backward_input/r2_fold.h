// Idea:  outputs times taps: hold M outputs of a row x V vectors of a row of taps (kw x input channels, side by side as
//        in dx) in registers, sum over output channels and kh, then fold: add each output's taps into the row of dx
//        where they overlap.
// Since: r1_pack: scatter along the width instead of gather; the sums of a whole block of outputs live in registers.
// Why:   M x V independent sums keep the FMAs busy and each load of weights counts M times (see simd/block.h). Along
//        the width neither stride nor padding needs a test: a row of dx with its margins is a buffer, the margins are
//        dropped. Taps and channels share the lanes, so that 5 taps x 6 channels fill 30 lanes of 32, not 6 of 16.
// Price: adding to the buffer, once per kh * oc multiply-adds; the buffer is copied to dx.
#pragma once

template <class T>
struct conv2d_backward_input_r2_fold : Plain<Conv2d> {
  static constexpr int L = lanes<T>, W = block_vectors * L;

  // Input channels are done in chunks, so that the weights of one chunk (kh * kw * group_oc * chunk numbers) stay in
  // L2 while all rows pass: 512 KB is a quarter to a half of it on today's cores. A chunk sees the taps of one kernel
  // row as `segments` stretches of `width` numbers: with dilation 1 they touch and are one.
  struct Plan {
    ptrdiff_t group_ic, group_oc, chunk, chunks;  // chunks per group; the last may be narrower
    ptrdiff_t segments, taps;                     // segments * taps = kw
    ptrdiff_t images;                             // side by side in a block, where rows are short
    ptrdiff_t columns;                            // of the row buffer, margins included
    ptrdiff_t copies, copy_size;                  // of the row buffer, see `block`

    explicit Plan(const Conv2d& a) {
      group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
      ptrdiff_t fit = ptrdiff_t(512 * 1024 / sizeof(T)) / (a.kh * a.kw * group_oc);
      chunk = group_ic <= fit ? group_ic : fit > W ? fit / W * W : W;
      if (chunk > group_ic) chunk = group_ic;
      chunks = (group_ic + chunk - 1) / chunk;
      segments = a.dilation_w == 1 ? 1 : a.kw;
      taps = a.kw / segments;
      images = a.ow <= block_rows / 2 && a.n > 1 ? 2 : 1;
      ptrdiff_t reached = (a.ow - 1) * a.stride_w + (a.kw - 1) * a.dilation_w + 1, kept = a.pad_w + a.iw;
      columns = reached > kept ? reached : kept;
      ptrdiff_t step = a.stride_w * channels(chunks - 1), block = taps * chunk < L ? taps * chunk : W;
      copies = 1;
      while (step < L && copies * step < block && copies < 16) copies *= 2;
      copy_size = (columns * chunk + W + 15) / 16 * 16;  // W: the last block may hang over
    }
    ptrdiff_t channels(ptrdiff_t c) const { return group_ic - c * chunk < chunk ? group_ic - c * chunk : chunk; }
    // packed: [groups, chunks] of [segments, blocks of V vectors, kh, group_oc, V * L]
    ptrdiff_t packed(const Conv2d& a, ptrdiff_t channels) const {
      return segments * ((taps * channels + L - 1) / L * L) * a.kh * group_oc;
    }
    ptrdiff_t packed_group(const Conv2d& a) const {
      return (chunks - 1) * packed(a, chunk) + packed(a, channels(chunks - 1));
    }
  };

  static size_t packed_bytes(const Conv2d& a) { return sizeof(T) * size_t(a.groups * Plan(a).packed_group(a)); }
  static size_t scratch_bytes(const Conv2d& a, int threads) {
    Plan p(a);
    return sizeof(T) * size_t(threads) * size_t(p.images * p.copies * p.copy_size);
  }

  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    Plan p(a);
    Range mine = share(a.groups * p.chunks * p.group_oc, team);
    for (ptrdiff_t item = mine.begin; item < mine.end; item++) {
      // One output channel at a time: its weights are neighbours in PyTorch's order.
      ptrdiff_t oc = item % p.group_oc, c = item / p.group_oc % p.chunks, group = item / p.group_oc / p.chunks;
      ptrdiff_t channels = p.channels(c), width = p.taps * channels;
      const T* w = static_cast<const T*>(a.w) + (group * p.group_oc + oc) * a.w_o + c * p.chunk * a.w_i;
      T* out = static_cast<T*>(packed) + group * p.packed_group(a) + c * p.packed(a, p.chunk);
      for (ptrdiff_t s = 0; s < p.segments; s++)
        for (ptrdiff_t q = 0; q < width; q += W) {
          ptrdiff_t block = width - q <= W - L ? (width - q + L - 1) / L * L : W;
          for (ptrdiff_t kh = 0; kh < a.kh; kh++) {
            T* lanes_out = out + (kh * p.group_oc + oc) * block;
            for (ptrdiff_t i = 0, count; i < block; i += count) {  // tap by tap; beyond the last one, zeros
              ptrdiff_t tap = (q + i) / channels, ic = (q + i) % channels;
              count = block - i < channels - ic ? block - i : channels - ic;
              const T* from = w + ic * a.w_i + kh * a.w_h + (s + tap) * a.w_w;
              if (tap < p.taps)
                for (ptrdiff_t j = 0; j < count; j++) lanes_out[i + j] = from[j * a.w_i];
              else
                for (ptrdiff_t j = 0; j < count; j++) lanes_out[i + j] = 0;
            }
          }
          out += a.kh * p.group_oc * block;
        }
    }
  }

  // The kernel rows that meet input row ih, an arithmetic progression: where strides skip rows, so do taps.
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

  // What a block reads and writes. One struct, so that calls stay cheap.
  struct Task {
    const T* y;                    // first output [images, outputs, kernel rows, oc]
    ptrdiff_t y_n, y_w, y_h, y_c;  // steps; y_h to the next kernel row that meets
    const T* w;                    // [kernel rows, oc, V * L]
    ptrdiff_t w_h, kernel_rows, group_oc;
    T* row;  // [images, copies], then step_w for each output
    ptrdiff_t row_n, row_w, copies, copy_size;
    ptrdiff_t valid;  // lanes that are taps of this output; beyond them lies what another output's taps meet
  };

  // row[n, m] += sum over kernel rows and oc of y[n, m, oc] * w[oc, V * L], for N images x M outputs.
  // Neighbouring outputs overlap in the row. Adding a vector that straddles one stored a moment ago waits for the store
  // (some 15 cycles); so with few channels neighbours go to different copies of the row, added up at the end.
  template <int N, int M, int V>
  static __attribute__((noinline)) void block(const Task& t) noexcept {
    vec<T> sum[N][M][V];
    for (int n = 0; n < N; n++)
#pragma GCC unroll 32
      for (int m = 0; m < M; m++)
        for (int v = 0; v < V; v++) sum[n][m][v] = vec<T>{};
    // One pointer for each four outputs, reached by steps of 0, 1, 2, 3: x86 adds base + step inside the load. The
    // empty asm hides that the pointers are related, or the compiler keeps one base and 14 offsets, more than it has
    // registers.
    constexpr int P = (M + 3) / 4;
    ptrdiff_t y_c = t.y_c, step[4] = {0, t.y_w, 2 * t.y_w, 3 * t.y_w};
    for (ptrdiff_t r = 0; r < t.kernel_rows; r++) {
      const T* w = t.w + r * t.w_h;
      const T* y[N][P];
      for (int n = 0; n < N; n++)
        for (int p = 0; p < P; p++) {
          y[n][p] = t.y + r * t.y_h + n * t.y_n + 4 * p * t.y_w;
          asm("" : "+r"(y[n][p]));
        }
      for (ptrdiff_t oc = 0; oc < t.group_oc; oc++, w += V * L) {
        vec<T> wv[V];
        for (int v = 0; v < V; v++) wv[v] = load<T>(w + v * L);
        for (int n = 0; n < N; n++)
#pragma GCC unroll 32
          for (int m = 0; m < M; m++) {
            T ym = y[n][m / 4][step[m % 4]];
            for (int v = 0; v < V; v++) sum[n][m][v] += ym * wv[v];
          }
        for (int n = 0; n < N; n++)
          for (int p = 0; p < P; p++) y[n][p] += y_c;
      }
    }
    // v outside, so that an output's second vector does not meet its neighbour's first right after that was stored.
    T* row = t.row;
    ptrdiff_t row_n = t.row_n, row_w = t.row_w, mask = t.copies - 1, copy_size = t.copy_size;
    ptrdiff_t valid = t.valid;
#pragma GCC unroll 2
    for (int v = 0; v < V; v++)
      for (int n = 0; n < N; n++)
#pragma GCC unroll 32
        for (int m = 0; m < M; m++) {
          T* out = row + n * row_n + (m & mask) * copy_size + m * row_w + v * L;
          if (valid < V * L) sum[n][m][v] = first_lanes(sum[n][m][v], valid - v * L);
          store<T>(out, load<T>(out) + sum[n][m][v]);
        }
  }

  // Choose v in the first n lanes and 0 in the others: not "v * mask", inf * 0 would spoil the neighbour.
  static inline __attribute__((always_inline)) vec<T> first_lanes(vec<T> v, ptrdiff_t n) {
    if constexpr (L == 1) return n > 0 ? v : T(0);
    else {
      vec<T> lane;
      for (int i = 0; i < L; i++) lane[i] = T(i);  // a constant
      return lane < T(n) ? v : vec<T>{};
    }
  }

  template <int N, int M, int V>
  static void block_of(ptrdiff_t m, const Task& t) noexcept {
    if (m == M) block<N, M, V>(t);
    else if constexpr (M > 1) block_of<N, M - 1, V>(m, t);
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    Plan p(a);
    T* row = static_cast<T*>(a.workspace.scratch) + team.rank * p.images * p.copies * p.copy_size;
    ptrdiff_t batches = (a.n + p.images - 1) / p.images;
    // Weights first: all rows pass a chunk while its weights are in L2. Unless the weights of all chunks fit in
    // together: then a row is done for all of them, since neighbouring groups share its cache lines.
    ptrdiff_t parts = a.groups * p.chunks, rows = batches * a.ih;
    bool row_first = packed_bytes(a) <= 512 * 1024;
    Range items = share(parts * rows, team);
    for (ptrdiff_t item = items.begin; item < items.end; item++) {
      ptrdiff_t part = row_first ? item % parts : item / rows, r = row_first ? item / parts : item % rows;
      ptrdiff_t ih = r % a.ih, n = r / a.ih * p.images, c = part % p.chunks, group = part / p.chunks;
      ptrdiff_t images = a.n - n < p.images ? a.n - n : p.images, channels = p.channels(c), size = p.columns * channels;
      for (ptrdiff_t i = 0; i < images * p.copies; i++)
        for (ptrdiff_t j = 0; j < size; j += L) store<T>(row + i * p.copy_size + j, vec<T>{});
      if (a.bias)
        for (ptrdiff_t i = 0; i < images; i++)
          add_bias(static_cast<const T*>(a.bias) + group * p.group_ic + c * p.chunk, channels, size,
                   row + i * p.copies * p.copy_size);
      Meeting meet(a, ih);
      Task t;
      t.y = static_cast<const T*>(a.y) + n * a.y_n + group * p.group_oc * a.y_c + meet.first_oh * a.y_h;
      t.y_n = a.y_n, t.y_w = a.y_w, t.y_h = meet.step_oh * a.y_h, t.y_c = a.y_c;
      t.w = static_cast<const T*>(a.workspace.packed) + group * p.packed_group(a) + c * p.packed(a, p.chunk);
      t.kernel_rows = meet.count, t.group_oc = p.group_oc;
      t.row = row, t.row_n = p.copies * p.copy_size, t.row_w = a.stride_w * channels;
      t.copies = p.copies, t.copy_size = p.copy_size;
      if (meet.count > 0) add_taps(a, p, meet, images, channels, t);
      for (ptrdiff_t i = 0; i < images; i++) {
        T* mine = row + i * t.row_n;
        for (ptrdiff_t copy = 1; copy < p.copies; copy++)
          for (ptrdiff_t j = 0; j < size; j += L)
            store<T>(mine + j, load<T>(mine + j) + load<T>(mine + copy * p.copy_size + j));
        copy_row(a, channels, mine + a.pad_w * channels,
                 static_cast<T*>(a.x) + (n + i) * a.x_n + ih * a.x_h + (group * p.group_ic + c * p.chunk) * a.x_c);
      }
    }
  }

  // Everything that an input row gets, into the row buffer. `first`: at the first output of the row, the first weights.
  static void add_taps(const Conv2d& a, const Plan& p, const Meeting& meet, ptrdiff_t images, ptrdiff_t channels,
                       const Task& first) noexcept {
    ptrdiff_t width = p.taps * channels;
    const T* w = first.w;
    for (ptrdiff_t s = 0; s < p.segments; s++)
      for (ptrdiff_t q = 0; q < width; q += W) {
        ptrdiff_t rest = width - q, vectors = rest <= W - L ? (rest + L - 1) / L : block_vectors;
        Task t = first;
        t.valid = rest < vectors * L ? rest : vectors * L;
        t.w_h = p.group_oc * vectors * L;
        t.w = w + meet.first_kh * t.w_h;
        w += a.kh * t.w_h;
        t.w_h *= meet.step_kh;
        // Outputs that reach the image with at least one of the block's taps first_kw .. last_kw.
        ptrdiff_t first_kw = s + q / channels, last_kw = s + (q + t.valid - 1) / channels;
        ptrdiff_t low = a.pad_w - last_kw * a.dilation_w, high = a.iw + a.pad_w - first_kw * a.dilation_w;
        ptrdiff_t begin = low > 0 ? low : 0, end = high > 0 ? high : 0;
        if (a.stride_w != 1) begin = (begin + a.stride_w - 1) / a.stride_w, end = (end + a.stride_w - 1) / a.stride_w;
        if (end > a.ow) end = a.ow;
        if (begin >= end) continue;
        // As few blocks as possible, all of nearly the same size. One vector of sums each: twice as many outputs.
        ptrdiff_t most = vectors == block_vectors ? block_rows : 2 * block_rows;
        if (images == 2) most /= 2;
        ptrdiff_t blocks = (end - begin + most - 1) / most, ow = begin;
        for (ptrdiff_t left = blocks; left > 0; left--) {
          ptrdiff_t m = (end - ow) / left;
          t.y = first.y + ow * a.y_w;
          t.row = first.row + s * a.dilation_w * channels + q + ow * first.row_w;
          if (images == 2 && vectors == 2) block_of<2, block_rows / 2, 2>(m, t);
          else if (images == 2) block_of<2, block_rows, 1>(m, t);
          else if (vectors == 2) block_of<1, block_rows, 2>(m, t);
          else block_of<1, 2 * block_rows, 1>(m, t);
          ow += m;
        }
      }
  }

  // The first of a row's copies starts from the bias.
  static void add_bias(const T* bias, ptrdiff_t channels, ptrdiff_t size, T* row) noexcept {
    for (ptrdiff_t i = 0; i < size; i += channels)
      for (ptrdiff_t j = 0; j < channels; j++) row[i + j] = bias[j];
  }

  static void copy_row(const Conv2d& a, ptrdiff_t channels, const T* row, T* x) noexcept {
    if (a.x_c == 1) {
      bool dense = a.x_w == channels;  // then the whole row is one stretch
      ptrdiff_t pixels = dense ? 1 : a.iw, length = dense ? a.iw * channels : channels;
      for (ptrdiff_t i = 0; i < pixels; i++) {
        ptrdiff_t j = 0;
        for (; j + L <= length; j += L) store<T>(x + i * a.x_w + j, load<T>(row + i * channels + j));
        if (j < length) store_n<T>(x + i * a.x_w + j, load<T>(row + i * channels + j), length - j);
      }
    } else {
      for (ptrdiff_t j = 0; j < channels; j++)
        for (ptrdiff_t i = 0; i < a.iw; i++) x[i * a.x_w + j * a.x_c] = row[i * channels + j];
    }
  }
};
