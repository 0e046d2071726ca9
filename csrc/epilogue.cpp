#include "epilogue.h"

#include <string.h>

#include "check.h"

namespace loopnest {
namespace {

struct Name {
  const char* name;
  Activation code;
};
const Name names[] = {{"relu", ActRelu},       {"relu6", ActRelu6}, {"silu", ActSilu},
                      {"sigmoid", ActSigmoid}, {"tanh", ActTanh},   {"gelu", ActGelu}};

}  // namespace

bool check_epilogue(const char* op, const char* activation, const Array* add, const Array& y, int64_t& code,
                    const void*& add_data, Error& e) {
  code = ActNone;
  add_data = nullptr;
  if (activation) {
    for (const Name& n : names)
      if (strcmp(n.name, activation) == 0) code = n.code;
    if (code == ActNone)
      return fail(e, Error::Value,
                  "%s: there is no activation \"%s\"; there are relu, relu6, silu, sigmoid, tanh, gelu", op,
                  activation);
  }
  if (!add) return true;
  if (!check_dtype(op, "residual", *add, "input", y.dtype, e) || !check_shape(op, "residual", *add, y.rank, y.shape, e))
    return false;
  bool empty = false;
  for (int i = 0; i < y.rank; i++) empty = empty || y.shape[i] == 0;
  for (int i = 0; i < y.rank && !empty; i++)
    if (y.shape[i] > 1 && add->stride[i] != y.stride[i])
      return fail(
          e, Error::Value,
          "%s: expected residual to lie in memory as the output does (images: channels-last): along axis %d its "
          "neighbours should be %lld elements apart, they are %lld",
          op, i, (long long)y.stride[i], (long long)add->stride[i]);
  add_data = add->data;
  return true;
}

}  // namespace loopnest
