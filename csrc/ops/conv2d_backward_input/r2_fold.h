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
    ptrdiff_t columns;                            // of the row buffer, margins included

    explicit Plan(const Conv2d& a) {
      group_ic = a.ic / a.groups, group_oc = a.oc / a.groups;
      ptrdiff_t fit = ptrdiff_t(512 * 1024 / sizeof(T)) / (a.kh * a.kw * group_oc);
      chunk = group_ic <= fit ? group_ic : fit > W ? fit / W * W : W;
      chunks = (group_ic + chunk - 1) / chunk;
      segments = a.dilation_w == 1 ? 1 : a.kw;
      taps = a.kw / segments;
      ptrdiff_t reached = (a.ow - 1) * a.stride_w + (a.kw - 1) * a.dilation_w + 1, kept = a.pad_w + a.iw;
      columns = reached > kept ? reached : kept;
    }
    ptrdiff_t channels(ptrdiff_t c) const { return group_ic - c * chunk < chunk ? group_ic - c * chunk : chunk; }
    ptrdiff_t padded(ptrdiff_t channels) const { return (taps * channels + L - 1) / L * L; }
    // packed: [groups, chunks] of [segments, blocks of V vectors, kh, group_oc, V * L]
    ptrdiff_t packed(const Conv2d& a, ptrdiff_t channels) const { return segments * padded(channels) * a.kh * group_oc; }
    ptrdiff_t packed_group(const Conv2d& a) const {
      return (chunks - 1) * packed(a, chunk) + packed(a, channels(chunks - 1));
    }
    ptrdiff_t row_size() const { return (columns * chunk + W + 15) / 16 * 16; }  // W: the last block may hang over
  };

  static size_t packed_bytes(const Conv2d& a) { return sizeof(T) * size_t(a.groups * Plan(a).packed_group(a)); }
  static size_t scratch_bytes(const Conv2d& a, int threads) {
    return sizeof(T) * size_t(threads) * size_t(Plan(a).row_size());
  }

  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    Plan p(a);
    Range mine = share(a.groups * p.chunks, team);
    for (ptrdiff_t item = mine.begin; item < mine.end; item++) {
      ptrdiff_t group = item / p.chunks, c = item % p.chunks, channels = p.channels(c), width = p.taps * channels;
      const T* w = static_cast<const T*>(a.w) + group * p.group_oc * a.w_o + c * p.chunk * a.w_i;
      T* out = static_cast<T*>(packed) + group * p.packed_group(a) + c * p.packed(a, p.chunk);
      for (ptrdiff_t s = 0; s < p.segments; s++)
        for (ptrdiff_t q = 0; q < width; q += W) {
          ptrdiff_t block = width - q <= W - L ? (width - q + L - 1) / L * L : W;
          for (ptrdiff_t kh = 0; kh < a.kh; kh++)
            for (ptrdiff_t oc = 0; oc < p.group_oc; oc++)
              for (ptrdiff_t i = q; i < q + block; i++)
                *out++ = i < width ? w[oc * a.w_o + i % channels * a.w_i + kh * a.w_h + (s + i / channels) * a.w_w] : T(0);
        }
    }
  }

  // The kernel rows that meet input row ih, an arithmetic progression: where strides skip rows, so do taps.
  struct Meeting {
    ptrdiff_t count = 0, first_kh = 0, step_kh = 1, first_oh = 0, step_oh = 0;

    Meeting(const Conv2d& a, ptrdiff_t ih) {
      for (ptrdiff_t kh = 0; kh < a.kh; kh++) {
        ptrdiff_t t = ih + a.pad_h - kh * a.dilation_h;
        if (t < 0 || t % a.stride_h || t / a.stride_h >= a.oh) continue;
        if (count == 0) first_kh = kh, first_oh = t / a.stride_h;
        if (count == 1) step_kh = kh - first_kh, step_oh = t / a.stride_h - first_oh;
        count++;
      }
    }
  };

  // row[m * row_step ...] += sum over the meeting kernel rows and oc of y[m, oc] * w[oc, V * L], for M outputs.
  // Only `valid` lanes are added: beyond them lie the taps of the next output, and inf * 0 would spoil them.
  template <int M, int V>
  static __attribute__((noinline)) void block(const T* y, ptrdiff_t y_kh, ptrdiff_t y_w, ptrdiff_t y_c, const T* w,
                                              ptrdiff_t w_kh, ptrdiff_t kernel_rows, ptrdiff_t group_oc, T* row,
                                              ptrdiff_t row_step, ptrdiff_t valid) noexcept {
    Block<M, V, T> b = {};
    for (ptrdiff_t r = 0; r < kernel_rows; r++) multiply_add(b, y + r * y_kh, y_w, y_c, w + r * w_kh, group_oc);
    if (valid == V * L) {
      for (int m = 0; m < M; m++)
        for (int v = 0; v < V; v++) {
          T* out = row + m * row_step + v * L;
          store<T>(out, load<T>(out) + b.sum[m][v]);
        }
    } else {
      vec<T> keep[V];
      for (int v = 0; v < V; v++) keep[v] = first_lanes(valid - v * L);
      for (int m = 0; m < M; m++)
        for (int v = 0; v < V; v++) {
          T* out = row + m * row_step + v * L;
          store<T>(out, load<T>(out) + (keep[v] != T(0) ? b.sum[m][v] : vec<T>{}));
        }
    }
  }

  static vec<T> first_lanes(ptrdiff_t n) {  // 1 in the first n lanes, 0 in the others
    T ones[L];
    for (int i = 0; i < L; i++) ones[i] = i < n ? T(1) : T(0);
    return load<T>(ones);
  }

  template <int M, int V, class... Args>
  static void block_of(ptrdiff_t m, Args... args) noexcept {
    if (m == M) block<M, V>(args...);
    else if constexpr (M > 1) block_of<M - 1, V>(m, args...);
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    Plan p(a);
    T* row = static_cast<T*>(a.workspace.scratch) + team.rank * p.row_size();  // [columns, channels of the chunk]
    Range items = share(a.groups * p.chunks * a.n * a.ih, team);
    for (ptrdiff_t item = items.begin; item < items.end; item++) {
      ptrdiff_t n = item / a.ih % a.n, ih = item % a.ih;
      ptrdiff_t c = item / (a.n * a.ih) % p.chunks, group = item / (a.n * a.ih) / p.chunks;
      ptrdiff_t channels = p.channels(c);
      const T* w = static_cast<const T*>(a.workspace.packed) + group * p.packed_group(a) + c * p.packed(a, p.chunk);
      const T* y = static_cast<const T*>(a.y) + n * a.y_n + group * p.group_oc * a.y_c;
      T* x = static_cast<T*>(a.x) + n * a.x_n + ih * a.x_h + (group * p.group_ic + c * p.chunk) * a.x_c;
      for (ptrdiff_t i = 0; i < p.columns * channels; i += L) store<T>(row + i, vec<T>{});
      add_taps(a, p, Meeting(a, ih), channels, w, y, row);
      copy_row(a, channels, row + a.pad_w * channels, x);
    }
  }

  // Everything that input row gets, into the row buffer.
  static void add_taps(const Conv2d& a, const Plan& p, const Meeting& meet, ptrdiff_t channels, const T* w, const T* y,
                       T* row) noexcept {
    if (meet.count == 0) return;
    ptrdiff_t width = p.taps * channels, row_step = a.stride_w * channels;
    for (ptrdiff_t s = 0; s < p.segments; s++)
      for (ptrdiff_t q = 0; q < width; q += W) {
        ptrdiff_t rest = width - q, vectors = rest <= W - L ? (rest + L - 1) / L : block_vectors;
        ptrdiff_t valid = rest < vectors * L ? rest : vectors * L;
        // Outputs that reach the image with at least one of the block's taps first_kw .. last_kw.
        ptrdiff_t first_kw = s + q / channels, last_kw = s + (q + valid - 1) / channels;
        ptrdiff_t low = a.pad_w - last_kw * a.dilation_w, high = a.iw + a.pad_w - first_kw * a.dilation_w;
        ptrdiff_t begin = low > 0 ? (low + a.stride_w - 1) / a.stride_w : 0;
        ptrdiff_t end = high > 0 ? (high + a.stride_w - 1) / a.stride_w : 0;
        if (end > a.ow) end = a.ow;
        ptrdiff_t w_kh = p.group_oc * vectors * L, y_kh = meet.step_oh * a.y_h;
        const T* wb = w + meet.first_kh * w_kh;
        const T* yb = y + meet.first_oh * a.y_h;
        T* out = row + s * a.dilation_w * channels + q;
        // As many blocks as needed, all of nearly the same size.
        ptrdiff_t blocks = (end - begin + block_rows - 1) / block_rows;
        for (ptrdiff_t i = 0; i < blocks; i++) {
          ptrdiff_t ow = begin + (end - begin) * i / blocks, m = begin + (end - begin) * (i + 1) / blocks - ow;
          if (vectors == block_vectors)
            block_of<block_rows, block_vectors>(m, yb + ow * a.y_w, y_kh, a.y_w, a.y_c, wb, w_kh * meet.step_kh,
                                                meet.count, p.group_oc, out + ow * row_step, row_step, valid);
          else
            block_of<block_rows, 1>(m, yb + ow * a.y_w, y_kh, a.y_w, a.y_c, wb, w_kh * meet.step_kh, meet.count,
                                    p.group_oc, out + ow * row_step, row_step, valid);
        }
        w += a.kh * w_kh;
      }
  }

  static void copy_row(const Conv2d& a, ptrdiff_t channels, const T* row, T* x) noexcept {
    if (a.x_c == 1 && (a.x_w == channels || channels >= L)) {
      bool dense = a.x_w == channels;  // then the whole row is one stretch
      ptrdiff_t pixels = dense ? 1 : a.iw, length = dense ? a.iw * channels : channels;
      for (ptrdiff_t i = 0; i < pixels; i++) {
        ptrdiff_t j = 0;
        for (; j + L <= length; j += L) store<T>(x + i * a.x_w + j, load<T>(row + i * channels + j));
        if (j < length) store_n<T>(x + i * a.x_w + j, load<T>(row + i * channels + j), length - j);
      }
    } else {
      for (ptrdiff_t i = 0; i < a.iw; i++)
        for (ptrdiff_t j = 0; j < channels; j++) x[i * a.x_w + j * a.x_c] = row[i * channels + j];
    }
  }
};
