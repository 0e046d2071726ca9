// The checks of embedding and its backward pass, and their work.
#include "embedding.h"

#include "../../check.h"
#include "check.h"

namespace loopnest {
namespace {

bool place(const char* op, Embedding& a, const Array& index, const Array& table, int64_t padding_idx, Error& e) {
  if (!check_float(op, "weight", table, e) || !check_dtype(op, "input", index, "expected", I64, e) ||
      !check_rank(op, "weight", table, 2, "(num_embeddings, embedding_dim)", e) ||
      !check_rank(op, "input", index, 1, "(indices)", e))
    return false;
  a = Embedding{};
  a.v = table.shape[0], a.d = table.shape[1], a.m = index.shape[0];
  a.table = table.data;
  a.table_v = table.stride[0], a.table_d = table.stride[1];
  a.index = static_cast<const int64_t*>(index.data);
  a.index_m = index.stride[0];
  a.padding_idx = padding_idx;
  if (padding_idx < -1 || padding_idx >= a.v)
    return fail(e, Error::Value, "%s: expected padding_idx of 0 to %lld, got %lld", op, (long long)(a.v - 1),
                (long long)padding_idx);
  for (int64_t m = 0; m < a.m; m++) {
    int64_t i = a.index[m * a.index_m];
    if (i < 0 || i >= a.v)
      return fail(e, Error::Index, "%s: index %lld at position %lld is outside the table: expected 0 to %lld", op,
                  (long long)i, (long long)m, (long long)(a.v - 1));
  }
  int64_t out[2] = {a.m, a.d};
  return check_size(op, "an output", out, 2, e);
}

}  // namespace

bool embedding_check(Embedding& a, const Array& index, const Array& table, int64_t padding_idx, Error& e) {
  return place("embedding", a, index, table, padding_idx, e);
}

bool embedding_backward_check(Embedding& a, const Array& index, const Array& dout, const Array& dtable,
                              int64_t padding_idx, Error& e) {
  const char* op = "embedding_backward";
  if (!place(op, a, index, dtable, padding_idx, e)) return false;
  int64_t shape[2] = {a.m, a.d};
  if (!check_dtype(op, "grad_output", dout, "weight", dtable.dtype, e) ||
      !check_shape(op, "grad_output", dout, 2, shape, e))
    return false;
  a.out = dout.data;
  a.out_m = dout.stride[0], a.out_d = dout.stride[1];
  return true;
}

Work embedding_work(const Embedding& a, Dtype dtype) {
  double moved = double(a.m) * double(a.d);
  return {0, moved * 2 * (dtype == F64 ? 8 : 4)};
}

}  // namespace loopnest
