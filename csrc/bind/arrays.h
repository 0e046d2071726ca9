// NumPy arrays on the pybind11 side: reading what comes in, making what goes out, raising what went wrong.
#pragma once
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <vector>

#include "../array.h"
#include "../error.h"

namespace loopnest {

namespace py = pybind11;

[[noreturn]] void raise(const Error& error);

// The arrays of one call. Keeps alive what it has read.
class Inputs {
 public:
  explicit Inputs(const char* op) : op_(op) {}

  // TypeError unless it is an ndarray of native float32, float64 or int64. An array whose elements do not lie on
  // multiples of their size (no NumPy routine makes such) is read through an aligned copy; strides of any sign are not
  // copied.
  Array read(const char* name, py::handle object);

  // As `read`, but what is not contiguous in C order is copied: for biases, which kernels want dense.
  Array read_dense(const char* name, py::handle object);

  py::list keep;

 private:
  const char* op_;
};

// A new array from the arena. `order` lists the axes from the outermost to the innermost in memory; empty: 0, 1, 2, ...
// Its contents are undefined. Strides of axes follow NumPy's; `out` describes it for the kernels.
py::array make_array(int dtype, int rank, const int64_t* shape, const std::vector<int>& order, Array& out);

// A dense array of x's shape, its axes in the order that x has in memory.
py::array make_like(const Array& x, Array& out);

// (N, C, H, W) with C innermost in memory.
inline py::array make_channels_last(int dtype, const int64_t shape[4], Array& out) {
  return make_array(dtype, 4, shape, {0, 2, 3, 1}, out);
}

}  // namespace loopnest
