"""Copies of arrays from one order of the axes to another. NumPy goes along the result's rows and strides
through the source; here tiles of both stay in the cache (csrc/loops/copy.h)."""

import numpy

cimport numpy as cnp
from libc.stdint cimport int64_t

from .arena cimport make_in_order
from .elementwise cimport Axes, copy_axes

ctypedef cnp.ndarray ndarray

cnp.import_array()

cdef bint ASKS = numpy.lib.NumpyVersion(numpy.__version__) >= "2.1.0"  # has reshape(copy=False)


cdef bint plain(ndarray a) noexcept:
    """Numbers of 4 or 8 bytes, at multiples of their size, in at most 8 axes."""
    cdef int64_t size = cnp.PyArray_ITEMSIZE(a)
    return (0 < cnp.PyArray_NDIM(a) <= 8 and (size == 4 or size == 8) and cnp.PyArray_ISNUMBER(a)
            and not cnp.PyArray_ISCOMPLEX(a) and cnp.PyArray_ISALIGNED(a) and cnp.PyArray_ISNOTSWAPPED(a))


cdef int copy_into(ndarray out, ndarray a) except -1:
    """out[...] = a, as NumPy does it: a is repeated along axes that it lacks or has with length 1. The two
    share no memory."""
    cdef Axes axes
    cdef int rank = cnp.PyArray_NDIM(out), extra = rank - cnp.PyArray_NDIM(a), i
    cdef int64_t size = cnp.PyArray_ITEMSIZE(out)
    cdef const void* source
    cdef void* target
    if (extra < 0 or cnp.PyArray_TYPE(a) != cnp.PyArray_TYPE(out) or not plain(out) or not plain(a)
            or not cnp.PyArray_ISWRITEABLE(out)):
        return cnp.PyArray_CopyInto(out, a)
    axes.rank = rank
    for i in range(rank):
        axes.shape[i] = cnp.PyArray_DIMS(out)[i]
        axes.step[0][i] = axes.step[1][i] = 0
        axes.step[2][i] = cnp.PyArray_STRIDES(out)[i] // size
        if i < extra or cnp.PyArray_DIMS(a)[i - extra] == 1:
            continue
        if cnp.PyArray_DIMS(a)[i - extra] != axes.shape[i]:
            return cnp.PyArray_CopyInto(out, a)  # which says what is wrong
        axes.step[0][i] = cnp.PyArray_STRIDES(a)[i - extra] // size
    if cnp.PyArray_SIZE(out) == 0 or (recorded_copy != NULL and recorded_copy(out, a)):
        return 0
    source, target = cnp.PyArray_DATA(a), cnp.PyArray_DATA(out)
    if cnp.PyArray_SIZE(out) < 4096:
        copy_axes(size, source, target, axes)
        return 0
    with nogil:
        copy_axes(size, source, target, axes)
    return 0


cdef ndarray in_c_order(ndarray a):
    """A copy of `a` in C order."""
    cdef int64_t strides[8]
    cdef int i
    if not plain(a):
        return a.copy()
    for i in range(cnp.PyArray_NDIM(a)):
        strides[i] = 8 - i
    cdef ndarray out = make_in_order(cnp.PyArray_TYPE(a), cnp.PyArray_ITEMSIZE(a), cnp.PyArray_NDIM(a),
                                     <const int64_t*>cnp.PyArray_DIMS(a), strides)
    copy_into(out, a)
    return out


cdef ndarray shaped(ndarray a, object shape):
    """a.reshape(shape): a view if the memory allows it, otherwise a copy in C order."""
    if cnp.PyArray_IS_C_CONTIGUOUS(a) or not plain(a):
        return a.reshape(shape)
    try:
        return viewed(a, shape)
    except (ValueError, AttributeError):  # a copy is needed, or the shape does not fit
        return in_c_order(a).reshape(shape)


cdef object viewed(object a, object shape):
    """a.reshape(shape), but an error where it would have to copy."""
    if not ASKS:
        a = a.view()
        a.shape = shape
        return a
    return a.reshape(shape, copy=False)
