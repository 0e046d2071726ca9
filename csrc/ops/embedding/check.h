// From arrays to the struct Embedding.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "embedding.h"

namespace loopnest {

// out = embedding(table, index), index (M) of int64, collapsed to one axis by the caller; every index is checked.
// padding_idx: -1 for none. Fills in everything but out.
bool embedding_check(Embedding& a, const Array& index, const Array& table, int64_t padding_idx, Error& error);

// dtable += scattered dout. dtable is the caller's, already holding zeros or the gradient so far.
bool embedding_backward_check(Embedding& a, const Array& index, const Array& dout, const Array& dtable,
                              int64_t padding_idx, Error& error);

Work embedding_work(const Embedding& a, Dtype dtype);
inline Work embedding_backward_work(const Embedding& a, Dtype dtype) { return embedding_work(a, dtype); }

}  // namespace loopnest
