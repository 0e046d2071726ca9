// Idea:  for every index, copy its row of the table, element by element.
// Since: this is the first rung.
// Why:   it is the definition; every other rung must compute the same.
// Price: one number at a time, although a row is a stretch of memory.
#pragma once

template <class T>
struct embedding_r0_naive : Plain<Embedding> {
  static void run(const Embedding& a, const Team& team) noexcept {
    const T* table = static_cast<const T*>(a.table);  // [v, d]
    T* out = static_cast<T*>(a.out);                  // [m, d]
    Range rows = share(a.m, team);
    for (ptrdiff_t m = rows.begin; m < rows.end; m++)
      for (ptrdiff_t d = 0; d < a.d; d++)
        out[m * a.out_m + d * a.out_d] = table[a.index[m * a.index_m] * a.table_v + d * a.table_d];
  }
};
