// The check of resample, and its work.
#include "resample.h"

#include "../../check.h"
#include "check.h"

namespace loopnest {
namespace {

bool check_taps(const char* op, const Taps& t, int64_t in, int64_t out, int dtype, Error& e) {
  int64_t begins = out + 1;
  if (!check_dtype(op, "begin", t.begin, "expected", I64, e) || !check_shape(op, "begin", t.begin, 1, &begins, e) ||
      !check_dtype(op, "index", t.index, "expected", I64, e) || !check_rank(op, "index", t.index, 1, "(taps)", e) ||
      !check_dtype(op, "weight", t.weight, "input", dtype, e) ||
      !check_shape(op, "weight", t.weight, 1, t.index.shape, e))
    return false;
  for (const Array* a : {&t.begin, &t.index, &t.weight})
    if (a->stride[0] != 1 && a->shape[0] > 1) return fail(e, Error::Value, "%s: expected contiguous tables", op);
  const int64_t* begin = static_cast<const int64_t*>(t.begin.data);
  const int64_t* index = static_cast<const int64_t*>(t.index.data);
  bool rising = begin[0] == 0 && begin[out] == t.index.shape[0];
  for (int64_t o = 0; o < out; o++) rising = rising && begin[o] <= begin[o + 1];
  if (!rising) return fail(e, Error::Value, "%s: expected begin to rise from 0 to the number of taps", op);
  for (int64_t i = 0; i < t.index.shape[0]; i++)
    if (index[i] < 0 || index[i] >= in)
      return fail(e, Error::Index, "%s: index %lld is outside an axis of length %lld", op, (long long)index[i],
                  (long long)in);
  return true;
}

}  // namespace

bool resample_check(const char* op, Resample& a, const Array& x, const Array& y, const Taps taps[3], double fill,
                    Error& e) {
  if (!check_float(op, "input", x, e) || !check_rank(op, "input", x, 5, "(N, C, D, H, W)", e) ||
      !check_dtype(op, "result", y, "input", x.dtype, e) || !check_rank(op, "result", y, 5, "(N, C, D, H, W)", e))
    return false;
  if (y.shape[0] != x.shape[0] || y.shape[1] != x.shape[1])
    return fail(e, Error::Value, "%s: expected a result of %lld images and %lld channels, got %s", op,
                (long long)x.shape[0], (long long)x.shape[1], shape_text(y).c_str());
  for (int i = 0; i < 3; i++)
    if (!check_taps(op, taps[i], x.shape[2 + i], y.shape[2 + i], x.dtype, e)) return false;
  a = Resample{};
  a.x = x.data, a.y = y.data, a.fill = fill;
  a.n = x.shape[0], a.c = x.shape[1];
  a.id = x.shape[2], a.ih = x.shape[3], a.iw = x.shape[4];
  a.od = y.shape[2], a.oh = y.shape[3], a.ow = y.shape[4];
  a.x_n = x.stride[0], a.x_c = x.stride[1], a.x_d = x.stride[2], a.x_h = x.stride[3], a.x_w = x.stride[4];
  a.y_n = y.stride[0], a.y_c = y.stride[1], a.y_d = y.stride[2], a.y_h = y.stride[3], a.y_w = y.stride[4];
  const int64_t** tables[3][2] = {{&a.begin_d, &a.index_d}, {&a.begin_h, &a.index_h}, {&a.begin_w, &a.index_w}};
  const void** weights[3] = {&a.weight_d, &a.weight_h, &a.weight_w};
  for (int i = 0; i < 3; i++) {
    *tables[i][0] = static_cast<const int64_t*>(taps[i].begin.data);
    *tables[i][1] = static_cast<const int64_t*>(taps[i].index.data);
    *weights[i] = taps[i].weight.data;
  }
  return true;
}

Work resample_work(const Resample& a, Dtype dtype) {
  double planes = double(a.n) * double(a.c), in = planes * double(a.id) * double(a.ih) * double(a.iw);
  double taps = planes * double(a.begin_d[a.od]) * double(a.begin_h[a.oh]) * double(a.begin_w[a.ow]);
  double out = planes * double(a.od) * double(a.oh) * double(a.ow);
  return {2 * taps, (in + out) * (dtype == F64 ? 8 : 4)};
}

}  // namespace loopnest
