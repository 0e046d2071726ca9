// From arrays to the struct Map, for every elementwise operator.
#pragma once
#include "../../array.h"
#include "../../error.h"
#include "../../registry.h"
#include "map.h"

namespace loopnest {

// out = op(x), or out = op(y, dy) for the backward operators (dy not null). The caller has allocated `out` with x's
// shape, best with the order of axes that x has in memory.
bool map_check(const char* op, Map& a, const Array& x, const Array* dy, const Array& out, Error& error);

// The same for activation (dy null) and activation_backward (from x and dy).
bool activation_check(const char* op, Map& a, int64_t function, const double parameter[3], const Array& x,
                      const Array* dy, const Array& out, Error& error);

Work map_work(const Map& a, Dtype dtype, double flops_each, int arrays);

// Multiply-adds and the like per element, by the textbook formula; an exponential is counted as 10 operations.
inline Work relu_work(const Map& a, Dtype d) { return map_work(a, d, 1, 2); }
inline Work relu_backward_work(const Map& a, Dtype d) { return map_work(a, d, 1, 3); }
inline Work sigmoid_work(const Map& a, Dtype d) { return map_work(a, d, 12, 2); }
inline Work sigmoid_backward_work(const Map& a, Dtype d) { return map_work(a, d, 3, 3); }
inline Work tanh_work(const Map& a, Dtype d) { return map_work(a, d, 12, 2); }
inline Work tanh_backward_work(const Map& a, Dtype d) { return map_work(a, d, 3, 3); }
inline Work activation_work(const Map& a, Dtype d) { return map_work(a, d, 20, 2); }
inline Work activation_backward_work(const Map& a, Dtype d) { return map_work(a, d, 25, 3); }

}  // namespace loopnest
