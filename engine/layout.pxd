"""How an array of any rank is shown to kernels that know (N, S, C): images, places, channels."""

cimport numpy as cnp
from libc.stdint cimport int64_t

from .arena cimport make_as
from .copying cimport copy_into
from .kernels cimport Array, read


cdef inline bint merge(Array& a, int first, int last, int64_t* length, int64_t* step) noexcept:
    """Axes first to last - 1 as one: how long it is, and how far apart neighbours are. False if they are not
    one."""
    cdef int i
    cdef bint begun = False
    length[0] = 1
    step[0] = 0
    for i in range(last - 1, first - 1, -1):
        if a.shape[i] == 1:
            continue
        if a.shape[i] == 0:
            length[0] = step[0] = 0
            return True
        if not begun:
            step[0] = a.stride[i]
            begun = True
        elif a.stride[i] != step[0] * length[0]:
            return False
        length[0] *= a.shape[i]
    return True


cdef inline bint show_channels(const char* op, const char* name, cnp.ndarray a, Array& out) except -1:
    """Describes (N, C, ...) as (N, S, C). False if its places cannot be one axis, or its channels are not
    side by side."""
    cdef int64_t places, step
    read(op, name, a, out)
    if cnp.PyArray_SIZE(a) and out.shape[1] > 1 and out.stride[1] != 1:
        return False
    if not merge(out, 2, out.rank, &places, &step):
        return False
    out.rank = 3
    out.shape[2] = out.shape[1]
    out.stride[2] = out.stride[1]
    out.shape[1] = places
    out.stride[1] = step
    return True


cdef inline cnp.ndarray new_channels_last(object shape, object dtype):
    """A new array of shape (N, C, ...) with C innermost in memory."""
    import numpy
    cdef int rank = len(shape)
    # Of this array only the order of its axes is looked at; its memory is never touched.
    like = numpy.empty((shape[0], *shape[2:], shape[1]), dtype)
    return make_as(like.transpose((0, rank - 1, *range(1, rank - 1))))


cdef inline cnp.ndarray to_channels_last(cnp.ndarray a):
    """A copy of (N, C, ...) with C innermost in memory."""
    cdef cnp.ndarray out = new_channels_last((<object>a).shape, a.dtype)
    copy_into(out, a)
    return out
