// Idea:  copy rows a vector at a time.
// Since: r0_naive moves one number at a time, unless the compiler adds a second copy of the loop for strides of 1.
// Why:   one load and one store for a whole register: memory sets the pace.
// Price: two loops instead of one. No faster where GCC has vectorised r0_naive, but it does not depend on that.
#pragma once

template <class T>
struct embedding_r1_vec : Plain<Embedding> {
  static void run(const Embedding& a, const Team& team) noexcept {
    constexpr ptrdiff_t L = lanes<T>;
    const T* table = static_cast<const T*>(a.table);  // [v, d]
    T* out = static_cast<T*>(a.out);                  // [m, d]
    bool dense = a.table_d == 1 && a.out_d == 1;
    Range rows = share(a.m, team);
    for (ptrdiff_t m = rows.begin; m < rows.end; m++) {
      const T* from = table + a.index[m * a.index_m] * a.table_v;
      T* to = out + m * a.out_m;
      ptrdiff_t d = 0;
      if (dense)
        for (; d + L <= a.d; d += L) store<T>(to + d, load<T>(from + d));
      for (; d < a.d; d += L) {
        ptrdiff_t count = a.d - d < L ? a.d - d : L;
        store_strided<T>(to + d * a.out_d, load_strided<T>(from + d * a.table_d, a.table_d, count), a.out_d, count);
      }
    }
  }
};
