#include "arrays.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "../arena.h"

namespace loopnest {
namespace {

// F32, F64, I64 or -1.
int known_dtype(const py::dtype& d) {
  if (d.byteorder() != '=' && d.byteorder() != '|') return -1;
  if (d.kind() == 'f' && d.itemsize() == 4) return F32;
  if (d.kind() == 'f' && d.itemsize() == 8) return F64;
  if (d.kind() == 'i' && d.itemsize() == 8) return I64;
  return -1;
}

int64_t size_of(int dtype) { return dtype == F32 ? 4 : 8; }

bool is_aligned(const py::array& a, int64_t size) {
  if (reinterpret_cast<uintptr_t>(a.data()) % size_t(size)) return false;
  for (int i = 0; i < a.ndim(); i++)
    if (a.strides(i) % size) return false;
  return true;
}

}  // namespace

void raise(const Error& error) {
  switch (error.kind) {
    case Error::Type:
      throw py::type_error(error.text);
    case Error::Index:
      throw py::index_error(error.text);
    case Error::Memory:
      PyErr_SetString(PyExc_MemoryError, error.text);
      throw py::error_already_set();
    default:
      throw py::value_error(error.text);
  }
}

Array Inputs::read(const char* name, py::handle object) {
  if (!py::isinstance<py::array>(object))
    throw py::type_error(std::string(op_) + ": expected " + name + " to be a NumPy array, got " +
                         std::string(py::str(py::type::of(object).attr("__name__"))));
  py::array a = py::reinterpret_borrow<py::array>(object);
  int dtype = known_dtype(a.dtype());
  if (dtype < 0)
    throw py::type_error(std::string(op_) + ": expected " + name +
                         " of dtype float32 or float64 (int64 for indices), got " + std::string(py::str(a.dtype())));
  if (a.ndim() > max_rank)
    throw py::value_error(std::string(op_) + ": expected " + name + " of at most " + std::to_string(max_rank) +
                          " axes, got " + std::to_string(a.ndim()));
  int64_t size = size_of(dtype);
  if (!is_aligned(a, size)) a = py::reinterpret_steal<py::array>(a.attr("copy")().release());
  keep.append(a);
  Array out;
  out.data = const_cast<void*>(a.data());
  out.dtype = dtype;
  out.rank = int(a.ndim());
  for (int i = 0; i < out.rank; i++) {
    out.shape[i] = a.shape(i);
    out.stride[i] = a.strides(i) / size;
  }
  return out;
}

Array Inputs::read_dense(const char* name, py::handle object) {
  if (!py::isinstance<py::array>(object)) return read(name, object);
  py::array a = py::reinterpret_borrow<py::array>(object);
  if (!(a.flags() & py::array::c_style)) a = py::reinterpret_steal<py::array>(a.attr("copy")().release());
  return read(name, a);
}

py::array make_array(int dtype, int rank, const int64_t* shape, const std::vector<int>& order, Array& out) {
  out = Array{};
  out.dtype = dtype;
  out.rank = rank;
  std::vector<int> axes = order;
  for (int i = int(axes.size()); i < rank; i++) axes.push_back(i);
  int64_t step = 1;
  for (int i = rank; i-- > 0;) {
    int axis = axes[size_t(i)];
    out.shape[axis] = shape[axis];
    out.stride[axis] = step;
    step *= shape[axis] > 0 ? shape[axis] : 1;
  }
  int64_t size = size_of(dtype);
  out.data = arena_allocate(size_t(step * size));
  if (!out.data) {
    Error e;
    fail(e, Error::Memory, "no memory for a result of %lld bytes", (long long)(step * size));
    raise(e);
  }
  py::capsule owner(out.data, [](void* memory) { arena_release(memory); });
  std::vector<py::ssize_t> lengths(out.shape, out.shape + rank), strides;
  for (int i = 0; i < rank; i++) strides.push_back(out.stride[i] * size);
  py::dtype type = dtype == F32   ? py::dtype::of<float>()
                   : dtype == F64 ? py::dtype::of<double>()
                                  : py::dtype::of<int64_t>();
  return py::array(type, lengths, strides, out.data, owner);
}

py::array make_like(const Array& x, Array& out) {
  std::vector<int> order;
  for (int i = 0; i < x.rank; i++) order.push_back(i);
  auto size = [&](int axis) { return std::abs(x.stride[axis]); };
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return size(a) > size(b); });
  return make_array(x.dtype, x.rank, x.shape, order, out);
}

}  // namespace loopnest
