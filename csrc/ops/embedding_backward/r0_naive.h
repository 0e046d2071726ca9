// Idea:  for every index, add its gradient to its row; a member of the team does so only for its own rows of the table.
// Since: this is the first rung.
// Why:   it is the definition. Two members never write to one row, so no locks are needed, and every row's sum is made
//        in the order of m, so the bits do not depend on the team.
// Price: everybody reads all indices, and one popular row leaves the others idle.
#pragma once

template <class T>
struct embedding_backward_r0_naive : Plain<Embedding> {
  static void run(const Embedding& a, const Team& team) noexcept {
    const T* dout = static_cast<const T*>(a.out);  // [m, d]
    T* dtable = static_cast<T*>(a.table);          // [v, d]
    Range rows = share(a.v, team);
    for (ptrdiff_t m = 0; m < a.m; m++) {
      int64_t v = a.index[m * a.index_m];
      if (v < rows.begin || v >= rows.end || v == a.padding_idx) continue;
      for (ptrdiff_t d = 0; d < a.d; d++) dtable[v * a.table_v + d * a.table_d] += dout[m * a.out_m + d * a.out_d];
    }
  }
};
