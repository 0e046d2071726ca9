"""Sums over all gradients of a network, for clipping: one pass each, in double precision."""

import numpy

cimport numpy as cnp
from libc.stdint cimport int64_t

from .kernels cimport F32, F64, dtype_of
from .tape cimport Tensor, Version, settle_all, settled, version_of

ctypedef cnp.ndarray ndarray

cnp.import_array()

cdef extern from "loops/clip.h" namespace "loopnest::loops" nogil:
    double sum_of_squares(int dtype, const void* a, int64_t n)
    void multiply_by(int dtype, void* a, int64_t n, double factor)


cdef bint plain(ndarray a) noexcept:
    """Without gaps, in any order: then every element is met by one loop."""
    return (cnp.PyArray_ISALIGNED(a) and (cnp.PyArray_IS_C_CONTIGUOUS(a) or cnp.PyArray_IS_F_CONTIGUOUS(a))
            and dtype_of(a) in (F32, F64))


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
