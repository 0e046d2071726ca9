// embedding: look rows up in a table; and its backward pass.
//
//   out[m, d] = table[index[m], d]
//
//   embedding            reads table, index            writes out
//   embedding_backward   reads out (= dL/dout), index  ADDS to table (= dL/dtable), which the caller has set to 0
//                        or to the gradient so far; rows that were not looked up stay as they are
//
// An index that occurs more than once gets the sum, added in the order of m: the same bits for any team.
// padding_idx: the row that gets no gradient, -1 for none. The forward pass reads it like any other row.
// Kernels rely on every index being in [0, v): the caller has checked (and has made negative indices an error).
#pragma once
#include "../../abi.h"

namespace loopnest {

struct Embedding {
  Workspace workspace;
  void* table;           // [v, d]
  const int64_t* index;  // [m]
  void* out;             // [m, d]
  int64_t v, d, m;
  int64_t table_v, table_d;
  int64_t index_m;
  int64_t out_m, out_d;
  int64_t padding_idx;
};

}  // namespace loopnest
