// Idea:  where a row of numbers is a set of its own (layer and RMS norm), walk over it twice in L1: first for the two
//        means, then for dx; dweight and dbias are added up on the way.
// Since: r1_channels puts pieces of rows together: nothing of that is needed here.
// Why:   one row, one member. The sums over the rows (dweight, dbias) are made for fixed pieces of 1/32 of the rows,
//        which the members share, and then added up in one order.
// Price: only for one group and s = 1. dweight and dbias of a piece are loaded and stored for every row.
#pragma once

template <class T>
struct norm_backward_r2_rows : Plain<Norm> {
  static constexpr ptrdiff_t L = lanes<T>;

  static const char* supports(const Norm& a) {
    if (a.groups != 1 || a.s != 1 || a.over_n || a.given)
      return "needs rows that are sets: one group, s = 1, statistics from x";
    return a.c > 1 && (a.x_c != 1 || a.y_c != 1 || (a.dx && a.dx_c != 1))
               ? "needs rows of neighbours (x_c = y_c = dx_c = 1)"
               : nullptr;
  }

  static ptrdiff_t pieces(const Norm& a) { return a.n / 16 < 1 ? 1 : a.n / 16 > 32 ? 32 : a.n / 16; }
  static ptrdiff_t width(const Norm& a) { return (a.c + L - 1) / L * L; }
  static size_t scratch_bytes(const Norm& a, int) {  // [pieces, 2, width] dweight and dbias
    return a.dweight || a.dbias ? size_t(pieces(a) * 2 * width(a)) * sizeof(T) : 0;
  }

  static void run(const Norm& a, const Team& team) noexcept {
    bool affine = a.dweight || a.dbias;
    T* parts = static_cast<T*>(a.workspace.scratch);
    bool past = goes_past<T>(a.dx, a.y, a.dx_n, a.n * a.c * sizeof(T));
    ptrdiff_t count = pieces(a), rows = (a.n + count - 1) / count, step = 2 * width(a);
    Range items = share(count, team);
    for (ptrdiff_t i = items.begin; i < items.end; i++) {
      T* part = parts + i * step;
      for (ptrdiff_t c = 0; affine && c < step; c += L) store<T>(part + c, vec<T>{});
      for (ptrdiff_t n = i * rows; n < (i + 1) * rows && n < a.n; n++) row(a, n, affine ? part : nullptr, past);
    }
    if (past) stream_end();
    if (!affine) return;
    team.barrier(&team);
    Range vectors = share(width(a) / L, team);
    for (ptrdiff_t v = vectors.begin; v < vectors.end; v++) {
      ptrdiff_t c = v * L, n = a.c - c < L ? a.c - c : L;
      vec<T> dw{}, db{};
      for (ptrdiff_t i = 0; i < count; i++)
        dw += load<T>(parts + i * step + c), db += load<T>(parts + i * step + step / 2 + c);
      if (a.dweight) store_n<T>(static_cast<T*>(a.dweight) + c, dw, n);
      if (a.dbias) store_n<T>(static_cast<T*>(a.dbias) + c, db, n);
    }
  }

  static vec<T> part_of(const T* p, ptrdiff_t c, ptrdiff_t k) { return k >= L ? load<T>(p + c) : load_n<T>(p + c, k); }

  static void row(const Norm& a, ptrdiff_t n, T* part, bool past) noexcept {
    const T* x = static_cast<const T*>(a.x) + n * a.x_n;   // [c]
    const T* dy = static_cast<const T*>(a.y) + n * a.y_n;  // [c]
    const T* weight = static_cast<const T*>(a.weight);     // [c] or null
    T mean = static_cast<const T*>(a.mean)[n], var = static_cast<const T*>(a.var)[n];
    T rstd = get_lane<T>(reciprocal_root<T>(broadcast<T>(var + T(a.eps))), 0);
    ptrdiff_t half = width(a);
    vec<T> sum_g[2] = {}, sum_gh[2] = {};  // two of each, so that additions need not wait
    auto first = [&](ptrdiff_t c, ptrdiff_t k, int at) __attribute__((always_inline)) {
      vec<T> g = part_of(dy, c, k), h = (part_of(x, c, k) - mean) * rstd;  // behind the end g is 0
      if (part) {
        store<T>(part + c, load<T>(part + c) + g * h);
        store<T>(part + half + c, load<T>(part + half + c) + g);
      }
      if (weight) g = g * part_of(weight, c, k);
      sum_g[at] += g;
      sum_gh[at] += g * h;
    };
    ptrdiff_t c = 0;
    for (; c + 2 * L <= a.c; c += 2 * L) first(c, L, 0), first(c + L, L, 1);
    for (; c < a.c; c += L) first(c, a.c - c, 0);
    if (!a.dx) return;
    T mean_g = a.centre ? add_lanes<T>(sum_g[0] + sum_g[1]) / T(a.c) : T(0);
    T mean_gh = add_lanes<T>(sum_gh[0] + sum_gh[1]) / T(a.c);
    T* dx = static_cast<T*>(a.dx) + n * a.dx_n;  // [c]
    T k2 = -rstd * rstd * mean_gh, k3 = -rstd * mean_g;
    for (c = 0; c < a.c; c += L) {
      ptrdiff_t k = a.c - c;
      vec<T> g = part_of(dy, c, k) * rstd;
      if (weight) g = g * part_of(weight, c, k);
      vec<T> result = g + ((part_of(x, c, k) - mean) * k2 + k3);
      if (k >= L) put<T>(dx + c, result, past);
      else store_n<T>(dx + c, result, k);
    }
  }
};
