"""Sums over all gradients of a network, for clipping: one pass each, in double precision."""

import numpy

cimport numpy as cnp
from libc.stdint cimport int64_t

from .kernels cimport dtype_of
from .tape cimport Tensor, Version, settle_all, settled, version_of

ctypedef cnp.ndarray ndarray

cnp.import_array()

cdef extern from *:
    """
    namespace {
    // Sum of squares; eight sums side by side, so that no addition waits for the one before.
    template <class T>
    double squares(const T* a, int64_t n) {
      double s[8] = {};
      int64_t i = 0;
      for (; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++) s[k] += double(a[i + k]) * a[i + k];
      for (; i < n; i++) s[0] += double(a[i]) * a[i];
      return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
    }

    template <class T>
    void times(T* a, int64_t n, T factor) {
      for (int64_t i = 0; i < n; i++) a[i] *= factor;
    }

    double sum_of_squares(int dtype, const void* a, int64_t n) {
      return dtype == 0 ? squares((const float*)a, n) : squares((const double*)a, n);
    }
    void multiply_by(int dtype, void* a, int64_t n, double factor) {
      if (dtype == 0) times((float*)a, n, (float)factor);
      else times((double*)a, n, factor);
    }
    }  // namespace
    """
    double sum_of_squares(int dtype, const void* a, int64_t n) nogil
    void multiply_by(int dtype, void* a, int64_t n, double factor) nogil


cdef bint plain(ndarray a) noexcept:
    """Without gaps, in any order: then every element is met by one loop."""
    return (cnp.PyArray_ISALIGNED(a) and (cnp.PyArray_IS_C_CONTIGUOUS(a) or cnp.PyArray_IS_F_CONTIGUOUS(a))
            and dtype_of(a) in (0, 1))


def square_sum(list gradients):
    """The sum of the squares of all elements of all Tensors, float."""
    cdef double total = 0
    cdef Tensor t
    cdef ndarray a
    for t in gradients:
        a = settled(t)
        if plain(a):
            total += sum_of_squares(dtype_of(a), cnp.PyArray_DATA(a), cnp.PyArray_SIZE(a))
        else:
            total += float(numpy.square(a, dtype=numpy.float64).sum())
    return total


def scale(list gradients, double factor):
    """Multiplies all Tensors in place."""
    cdef Tensor t
    cdef Version version
    cdef ndarray a
    settle_all()
    for t in gradients:
        a = settled(t)
        if plain(a) and cnp.PyArray_ISWRITEABLE(a):
            multiply_by(dtype_of(a), cnp.PyArray_DATA(a), cnp.PyArray_SIZE(a), factor)
        else:
            numpy.multiply(a, a.dtype.type(factor), out=a)
        version = version_of(t)
        version.value += 1
