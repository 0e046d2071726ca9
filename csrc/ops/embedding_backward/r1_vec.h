// Idea:  add rows a vector at a time, and share out columns instead of rows where there are enough of them.
// Since: in r0_naive one popular row (a blank, a full stop) is one member's work while the others wait.
// Why:   a column belongs to one member, who walks the indices in the order of m: no locks, the same bits for any team.
// Price: every member reads all indices; with few columns rows are shared as before.
#pragma once

template <class T>
struct embedding_backward_r1_vec : Plain<Embedding> {
  static void run(const Embedding& a, const Team& team) noexcept {
    constexpr ptrdiff_t L = lanes<T>;
    const T* dout = static_cast<const T*>(a.out);  // [m, d]
    T* dtable = static_cast<T*>(a.table);          // [v, d]
    constexpr ptrdiff_t grain = 16;                // 16 floats are a cache line: two members should not write to one
    Team alone{0, 1, nullptr, nullptr};
    bool by_columns = a.d >= grain * team.size;
    Range columns = share(a.d, by_columns ? team : alone, grain), rows = share(a.v, by_columns ? alone : team);
    bool dense = a.table_d == 1 && a.out_d == 1;
    for (ptrdiff_t m = 0; m < a.m; m++) {
      int64_t v = a.index[m * a.index_m];
      if (v < rows.begin || v >= rows.end || v == a.padding_idx) continue;
      const T* from = dout + m * a.out_m;
      T* to = dtable + v * a.table_v;
      ptrdiff_t d = columns.begin;
      if (dense)
        for (; d + L <= columns.end; d += L) store<T>(to + d, load<T>(to + d) + load<T>(from + d));
      for (; d < columns.end; d++) to[d * a.table_d] += from[d * a.out_d];
    }
  }
};
