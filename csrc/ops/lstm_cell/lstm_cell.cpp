// The checks of lstm_cell and its backward pass, and their work.
#include "lstm_cell.h"

#include "../../check.h"
#include "check.h"

namespace loopnest {
namespace {

// `got` is [m, columns] with its rows' numbers side by side, of the dtype of `first`.
bool check_rows(const char* op, const char* name, const Array& got, const char* first, const Array& like, int64_t m,
                int64_t columns, Error& e) {
  int64_t wanted[2] = {m, columns};
  if (!check_dtype(op, name, got, first, like.dtype, e) || !check_shape(op, name, got, 2, wanted, e)) return false;
  if (columns > 1 && m > 0 && got.stride[1] != 1)
    return fail(e, Error::Value, "%s: expected the numbers of a row of %s side by side (stride 1), got stride %lld", op,
                name, (long long)got.stride[1]);
  return true;
}

// The shape of everything from that of four gates.
bool check_gates(const char* op, const char* name, const Array& gates, LstmCell& a, Error& e) {
  if (!check_float(op, name, gates, e) || !check_rank(op, name, gates, 2, "(M, 4 * H)", e)) return false;
  if (gates.shape[1] % 4)
    return fail(e, Error::Value, "%s: expected %s of shape (M, 4 * H), got (%lld, %lld)", op, name,
                (long long)gates.shape[0], (long long)gates.shape[1]);
  a = LstmCell{};
  a.m = gates.shape[0], a.h = gates.shape[1] / 4;
  return check_rows(op, name, gates, name, gates, a.m, 4 * a.h, e);
}

}  // namespace

bool lstm_cell_check(LstmCell& a, const Array& sums, const Array* more, const Array* c0, const Array* gates,
                     const Array& c, const Array& y, Error& e) {
  const char* op = "lstm_cell";
  if (!check_gates(op, "sums", sums, a, e)) return false;
  if (more && !check_rows(op, "more", *more, "sums", sums, a.m, 4 * a.h, e)) return false;
  if (c0 && !check_rows(op, "c0", *c0, "sums", sums, a.m, a.h, e)) return false;
  if (gates && !check_rows(op, "gates", *gates, "sums", sums, a.m, 4 * a.h, e)) return false;
  if (!check_rows(op, "c", c, "sums", sums, a.m, a.h, e) || !check_rows(op, "y", y, "sums", sums, a.m, a.h, e))
    return false;
  a.sums = sums.data, a.sums_m = sums.stride[0];
  if (more) a.more = more->data, a.more_m = more->stride[0];
  if (c0) a.c0 = c0->data, a.c0_m = c0->stride[0];
  if (gates) a.gates = gates->data, a.gates_m = gates->stride[0];
  a.c = c.data, a.c_m = c.stride[0];
  a.y = y.data, a.y_m = y.stride[0];
  return true;
}

bool lstm_cell_backward_check(LstmCell& a, const Array& gates, const Array* c0, const Array& c, const Array* dy,
                              const Array* dc, const Array& dsums, const Array* dc0, Error& e) {
  const char* op = "lstm_cell_backward";
  if (!check_gates(op, "gates", gates, a, e)) return false;
  if (!check_rows(op, "c", c, "gates", gates, a.m, a.h, e)) return false;
  if (c0 && !check_rows(op, "c0", *c0, "gates", gates, a.m, a.h, e)) return false;
  if (dy && !check_rows(op, "grad_y", *dy, "gates", gates, a.m, a.h, e)) return false;
  if (dc && !check_rows(op, "grad_c", *dc, "gates", gates, a.m, a.h, e)) return false;
  if (!check_rows(op, "grad_sums", dsums, "gates", gates, a.m, 4 * a.h, e)) return false;
  if (dc0 && !check_rows(op, "grad_c0", *dc0, "gates", gates, a.m, a.h, e)) return false;
  a.gates = gates.data, a.gates_m = gates.stride[0];
  a.c = c.data, a.c_m = c.stride[0];
  if (c0) a.c0 = c0->data, a.c0_m = c0->stride[0];
  if (dy) a.dy = dy->data, a.dy_m = dy->stride[0];
  if (dc) a.dc = dc->data, a.dc_m = dc->stride[0];
  a.dsums = dsums.data, a.dsums_m = dsums.stride[0];
  if (dc0) a.dc0 = dc0->data, a.dc0_m = dc0->stride[0];
  return true;
}

Work lstm_cell_work(const LstmCell& a, Dtype dtype) {
  double units = double(a.m) * double(a.h);
  int arrays = 4 + (a.more ? 4 : 0) + (a.c0 ? 1 : 0) + (a.gates ? 4 : 0) + 2;
  return {units * 64, units * arrays * (dtype == F64 ? 8 : 4)};
}

Work lstm_cell_backward_work(const LstmCell& a, Dtype dtype) {
  double units = double(a.m) * double(a.h);
  int arrays = 4 + 1 + (a.c0 ? 1 : 0) + (a.dy ? 1 : 0) + (a.dc ? 1 : 0) + 4 + (a.dc0 ? 1 : 0);
  return {units * 36, units * arrays * (dtype == F64 ? 8 : 4)};
}

}  // namespace loopnest
