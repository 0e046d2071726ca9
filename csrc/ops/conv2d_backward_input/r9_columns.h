// Idea:  all taps of all input channels side by side: each pixel of dy makes kh * kw * ic numbers, a row of a matrix
//        product; a place of dx is then the sum of those that fall on it.
// Since: r2_fold puts the taps of one kernel row side by side: of 4x4 taps x 3 channels 12 lanes of 16 work, four
// times.
//        Here 48 numbers fill three vectors.
// Why:   the product has blocks of 9 pixels x 3 vectors or 14 x 2 (simd/product.h). What falls on a stretch of `stride`
//        places lies side by side in the product, so a stretch takes kh / stride * kw / stride loads and one store; no
//        store is read again at once.
// Price: the product's rows go through L1: one load for each tap and place, masked where the stride does not divide
//        kw. Only for few channels, and undilated.
#pragma once

template <class T>
struct conv2d_backward_input_r9_columns : Plain<Conv2d> {
  static constexpr int L = lanes<T>;
  static constexpr int most = 8;  // taps in either direction that fall on one place

  struct Plan {
    ptrdiff_t columns, vectors, V;  // of the product; V of a panel, the last one may have fewer
    ptrdiff_t width;                // of a row of it in memory
    ptrdiff_t down, right;          // pixels of dy, in either direction, that fall on one place
    ptrdiff_t stretch, stretches;   // numbers of a stretch of dx; stretches in a row

    explicit Plan(const Conv2d& a) {
      columns = a.kh * a.kw * a.ic, vectors = ceil_div(columns, L);
      V = isa_registers == 32 && vectors % 3 == 0 ? 3 : vectors % 2 == 0 || isa_registers == 16 ? 2 : 1;
      if (V > vectors) V = vectors;
      width = vectors * L;
      down = ceil_div(a.kh, a.stride_h), right = ceil_div(a.kw, a.stride_w);
      stretch = a.stride_w * a.ic, stretches = ceil_div(a.pad_w + a.iw, a.stride_w);
    }
    ptrdiff_t ring(const Conv2d& a) const { return down * a.ow * width + L; }  // L: the last load may hang over
    ptrdiff_t row() const { return stretches * stretch + L; }
    ptrdiff_t scratch(const Conv2d& a) const { return (ring(a) + row() + stretch + 2 * L) / L * L; }
  };

  static const char* supports(const Conv2d& a) {
    if (a.groups != 1) return "does not know groups";
    if (a.dilation_h != 1 || a.dilation_w != 1) return "does not know dilation";
    if (a.ic >= L && L > 1) return "wants fewer input channels than a vector has lanes";
    if (a.kh > most * a.stride_h || a.kw > most * a.stride_w) return "wants kernels of at most 8 strides";
    return nullptr;
  }
  // Cycles for a pixel of dy, as found on a Xeon with AVX-512 (64 -> 3, 4x4, stride 2: 143, fold 194; 32 -> 1, 5x5,
  // stride 1: 119, fold 93). With 16 registers, as found on a Zen 3, a load costs more, twice as much again if the rows
  // of the product do not stay in L1 (32 -> 3, 3x3, stride 2: 150, fold 156; 16 -> 6, 5x5, stride 1: 610, fold 252).
  static double cycles(const Conv2d& a) {
    Plan p(a);
    double loads = double(p.down * p.right), vectors = double(ceil_div(p.stretch, L)), load = 3.5;
    double product = double(p.vectors * a.oc) / 2;
    if (isa_registers == 16) load = p.ring(a) * ptrdiff_t(sizeof(T)) > 24 << 10 ? 16 : 8, product *= 1.15;
    return product + double(a.stride_h) * vectors * (load * loads + 3);
  }
  static double fold_cycles(const Conv2d& a) {
    return double(a.kh * ceil_div(a.kw * a.ic, L)) * (0.6 * double(a.oc) + 5);
  }
  static const char* declines(const Conv2d& a) {
    if (conv2d_backward_input_r10_turned<T>::few_inputs(a)) return "few input channels: turned multiplies less";
    return cycles(a) < fold_cycles(a) ? nullptr : "the taps of a kernel row fill vectors as well: fold";
  }

  // packed: [panels][oc][vectors of the panel * L], the columns in the order [kh, kw, ic]
  static size_t packed_bytes(const Conv2d& a) {
    Plan p(a);
    return size_t(a.oc * p.width) * sizeof(T);
  }
  static void prepare(const Conv2d& a, void* packed, const Team& team) noexcept {
    Plan p(a);
    Range mine = share(a.oc, team);
    for (ptrdiff_t oc = mine.begin; oc < mine.end; oc++) {
      const T* w = static_cast<const T*>(a.w) + oc * a.w_o;
      T* to = nullptr;
      ptrdiff_t i = 0, left = 0;  // of the panel's numbers; a division for each would take longer than the rest
      auto put = [&](T value) {
        if (left == 0) {
          left = p.width - i < p.V * L ? p.width - i : p.V * L;
          to = static_cast<T*>(packed) + i * a.oc + oc * left;
        }
        *to++ = value, i++, left--;
      };
      for (ptrdiff_t kh = 0; kh < a.kh; kh++)
        for (ptrdiff_t kw = 0; kw < a.kw; kw++)
          for (ptrdiff_t ic = 0; ic < a.ic; ic++) put(w[ic * a.w_i + kh * a.w_h + kw * a.w_w]);
      while (i < p.width) put(T(0));
    }
  }
  static size_t scratch_bytes(const Conv2d& a, int threads) {
    return size_t(threads) * size_t(Plan(a).scratch(a)) * sizeof(T);
  }

  // One row of dy times all taps.
  static void product(const Conv2d& a, const Plan& p, const T* y, T* to) noexcept {
    const T* packed = static_cast<const T*>(a.workspace.packed);
    for (ptrdiff_t first = 0; first < p.vectors; first += p.V)
      with_int<3>(p.vectors - first < p.V ? p.vectors - first : p.V, [&](auto v) {
        constexpr int V = decltype(v)::value;
        add_product<V>(to + first * L, p.width, V * L, a.ow, false, y, a.y_w, a.y_c, packed + first * L * a.oc, a.oc);
      });
  }

  // A tap row that falls on a row of dx: where its product begins, and the first of its taps' numbers in it.
  struct Meeting {
    const T* from[most];
    ptrdiff_t count = 0;
  };

  // Stretches of a row of dx that meet the same pixels of dy, [q.begin, q.end): those `t` in [right.begin, right.end)
  // stretches to the left.
  static void stretches(const Conv2d& a, const Plan& p, const Meeting& rows, Range q, Range right, const T* bias,
                        T* row) noexcept {
    const T* from[most * most];
    ptrdiff_t valid[most * most], count = 0;
    for (ptrdiff_t i = 0; i < rows.count; i++)
      for (ptrdiff_t t = right.end - 1; t >= right.begin; t--) {  // pixels of dy from left to right
        ptrdiff_t taps = a.kw - t * a.stride_w;
        from[count] = rows.from[i] + (q.begin - t) * p.width + t * p.stretch;
        valid[count++] = taps < a.stride_w ? taps * a.ic : p.stretch;
      }
    T* to = row + q.begin * p.stretch;
    for (ptrdiff_t i = 0, step = q.begin; step < q.end; step++, i += p.width, to += p.stretch)
      for (ptrdiff_t s = 0; s < p.stretch; s += L) {
        vec<T> sum = load<T>(bias + s);
        for (ptrdiff_t j = 0; j < count; j++) {
          vec<T> taps = load<T>(from[j] + i + s);
          if (valid[j] < p.stretch) taps = conv2d_backward_input_r2_fold<T>::first_lanes(taps, valid[j] - s);
          sum += taps;
        }
        store<T>(to + s, sum);  // what hangs over belongs to the next stretch, which comes after
      }
  }

  static void run(const Conv2d& a, const Team& team) noexcept {
    Plan p(a);
    T* ring = static_cast<T*>(a.workspace.scratch) + team.rank * p.scratch(a);  // [down, ow, width]
    T *row = ring + p.ring(a), *bias = row + p.row();                           // [stretches, stretch]; [stretch]
    for (ptrdiff_t i = 0; i < p.stretch + L; i++)
      bias[i] = a.bias && i < p.stretch ? static_cast<const T*>(a.bias)[i % a.ic] : T(0);
    Range mine = share(a.n * a.ih, team);
    ptrdiff_t image = -1, next = 0;  // rows of dy before `next` have been multiplied
    for (ptrdiff_t item = mine.begin; item < mine.end; item++) {
      ptrdiff_t n = item / a.ih, ih = item % a.ih, place = ih + a.pad_h;
      const T* y = static_cast<const T*>(a.y) + n * a.y_n;
      if (n != image) image = n, next = 0;
      ptrdiff_t low = ceil_div(place - a.kh + 1, a.stride_h), high = place / a.stride_h + 1;
      if (high > a.oh) high = a.oh;
      for (ptrdiff_t oh = next > low ? next : low; oh < high; oh++, next = oh) {
        T* to = ring + oh % p.down * a.ow * p.width;
        product(a, p, y + oh * a.y_h, to);
      }
      Meeting rows;
      for (ptrdiff_t oh = low; oh < high; oh++)
        rows.from[rows.count++] = ring + oh % p.down * a.ow * p.width + (place - oh * a.stride_h) * a.kw * a.ic;
      // Stretch q meets the pixels q - t. At the ends of the row some of them are missing.
      for (ptrdiff_t q = 0; q < p.stretches;) {
        Range right = {q - a.ow + 1 > 0 ? q - a.ow + 1 : 0, q + 1 < p.right ? q + 1 : p.right};
        ptrdiff_t end = q + 1;
        if (right.begin == 0 && right.end == p.right && end < a.ow) end = a.ow < p.stretches ? a.ow : p.stretches;
        stretches(a, p, rows, {q, end}, right, bias, row);
        q = end;
      }
      T* x = static_cast<T*>(a.x) + n * a.x_n + ih * a.x_h;
      conv2d_backward_input_r2_fold<T>::copy_row(a, a.ic, row + a.pad_w * a.ic, x);
    }
  }
};
