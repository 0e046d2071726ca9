"""Results as NumPy arrays whose memory comes from the kernels' arena: 64-byte aligned, and given back to it,
still warm, when the last array that looks at it is gone."""

cimport cython
cimport numpy as cnp
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from .kernels cimport F32, F64, KernelApi, bytes_of, kernel_api

cdef extern from "numpy/arrayobject.h":
    ctypedef struct PyTypeObject:
        pass
    PyTypeObject PyArray_Type
    cnp.ndarray PyArray_NewFromDescr(PyTypeObject* subtype, PyObject* descr, int rank, cnp.npy_intp* shape,
                                     cnp.npy_intp* strides, void* data, int flags, PyObject* like)
    PyObject* PyArray_DescrFromType(int number)
    cnp.ndarray PyArray_NewLikeArray(cnp.ndarray prototype, int order, PyObject* descr, int subok)

cnp.import_array()
cdef KernelApi* api = kernel_api()


@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class Block:
    """The owner of one block: the `base` of the array that uses it."""

    def __dealloc__(self):
        api.release(self.memory)


cdef cnp.ndarray make_with_strides(int number, int rank, const int64_t* shape, const int64_t* strides,
                                   int64_t count, int64_t size):
    """strides in bytes, of a dense array of `count` elements of `size` bytes; number: the dtype's."""
    cdef Block block = Block.__new__(Block)
    block.memory = api.allocate(count * size)
    if block.memory == NULL:
        raise MemoryError(f"no memory for a result of {count * size} bytes")
    # NewFromDescr takes over the reference to the dtype, set_array_base makes its own to the block.
    cdef cnp.ndarray a = PyArray_NewFromDescr(
        &PyArray_Type, PyArray_DescrFromType(number), rank, <cnp.npy_intp*>shape, <cnp.npy_intp*>strides,
        block.memory, cnp.NPY_ARRAY_WRITEABLE | cnp.NPY_ARRAY_ALIGNED, NULL)
    cnp.set_array_base(a, block)
    return a


cdef int64_t fill_strides(int rank, const int64_t* shape, const int* order, int64_t size,
                          int64_t* strides) except -1:
    """Strides for the axes `order`, outermost first (null: as they come). Returns the number of elements, 1
    if empty."""
    cdef int64_t count = 1
    cdef int i, axis
    for i in range(rank - 1, -1, -1):
        axis = order[i] if order != NULL else i
        strides[axis] = count * size
        if shape[axis] > 1:
            if count > (<int64_t>1 << 44) // shape[axis]:
                raise MemoryError("a result of over 2**44 elements")
            count *= shape[axis]
    return count


cdef inline int number_of(int dtype) noexcept:
    return cnp.NPY_FLOAT if dtype == F32 else cnp.NPY_DOUBLE if dtype == F64 else cnp.NPY_INT64


cdef cnp.ndarray make(int dtype, int rank, const int64_t* shape):
    """A new array (contents undefined) in C order. rank is at most max_rank."""
    cdef int64_t strides[8]
    cdef int64_t size = bytes_of(dtype)
    cdef int64_t count = fill_strides(rank, shape, NULL, size, strides)
    return make_with_strides(number_of(dtype), rank, shape, strides, count, size)


cdef cnp.ndarray make_bytes(int64_t count):
    """A new array (contents undefined) of `count` numbers of 8 bits."""
    cdef int64_t step = 1
    return make_with_strides(cnp.NPY_UINT8, 1, &count, &step, count, 1)


cdef cnp.ndarray make_channels_last(int dtype, const int64_t* shape):
    """A new array of shape (N, C, H, W) with C innermost in memory."""
    return make_channels_innermost(dtype, 4, shape)


cdef cnp.ndarray make_channels_innermost(int dtype, int rank, const int64_t* shape):
    """A new array of shape (N, C, ...), 3 to 5 axes, with C innermost in memory."""
    cdef int* order = [0, 2, 3, 4, 1]
    cdef int64_t strides[5]
    cdef int64_t size = bytes_of(dtype)
    order[rank - 1] = 1
    cdef int64_t count = fill_strides(rank, shape, order, size, strides)
    return make_with_strides(number_of(dtype), rank, shape, strides, count, size)


cdef cnp.ndarray make_as(cnp.ndarray a):
    """A new dense array with a's shape and dtype (any), its axes in memory in the same order as a's."""
    cdef int rank = cnp.PyArray_NDIM(a)
    cdef const int64_t* shape = <const int64_t*>cnp.PyArray_DIMS(a)
    cdef int64_t size = cnp.PyArray_ITEMSIZE(a)
    cdef int64_t strides[8]
    cdef int64_t count
    if rank > 8 or not cnp.PyArray_ISNUMBER(a) and not cnp.PyArray_ISBOOL(a):
        return PyArray_NewLikeArray(a, cnp.NPY_KEEPORDER, NULL, 0)
    if cnp.PyArray_IS_C_CONTIGUOUS(a):
        count = fill_strides(rank, shape, NULL, size, strides)
        return make_with_strides(cnp.PyArray_TYPE(a), rank, shape, strides, count, size)
    return make_in_order(cnp.PyArray_TYPE(a), size, rank, shape, <const int64_t*>cnp.PyArray_STRIDES(a))


cdef cnp.ndarray make_in_order(int typenum, int64_t size, int rank, const int64_t* shape, const int64_t* old):
    """A new dense array of numbers of `size` bytes; its axes lie in the order of the strides `old`."""
    cdef int i, j, place
    cdef int64_t strides[8]
    cdef int order[8]
    cdef int64_t count
    # Insertion sort: falling strides; axes of length 1 stay where they are, and others pass them.
    for i in range(rank):
        place = i
        for j in range(i - 1, -1, -1):
            if shape[i] == 1 or shape[order[j]] > 1 and abs(old[order[j]]) >= abs(old[i]):
                break
            if shape[order[j]] > 1:
                place = j
        for j in range(i, place, -1):
            order[j] = order[j - 1]
        order[place] = i
    count = fill_strides(rank, shape, order, size, strides)
    return make_with_strides(typenum, rank, shape, strides, count, size)


cdef bint owns_memory(cnp.ndarray a) noexcept:
    """True if the memory belongs to `a` alone, and not to a base. Views of `a` hold a reference to `a`."""
    cdef PyObject* base = cnp.PyArray_BASE(a)
    if not cnp.PyArray_ISWRITEABLE(a):
        return False
    if base == NULL:
        return cnp.PyArray_CHKFLAGS(a, cnp.NPY_ARRAY_OWNDATA)
    return type(<object>base) is Block


def empty(tuple shape, dtype=None, bint channels_last=False):
    """A NumPy array of the arena with undefined contents.

    Args:
        shape: at most 8 lengths.
        dtype: float32 (default), float64 or int64.
        channels_last: for 4 axes (N, C, H, W): C innermost in memory.
    """
    import numpy
    cdef int64_t lengths[8]
    cdef int i
    name = numpy.dtype(dtype or numpy.float32).name
    if name not in ("float32", "float64", "int64"):
        raise TypeError(f"empty: expected dtype float32, float64 or int64, got {name}")
    if len(shape) > 8:
        raise ValueError(f"empty: expected at most 8 axes, got {len(shape)}")
    for i, length in enumerate(shape):
        if length < 0:
            raise ValueError(f"empty: expected lengths of at least 0, got shape {shape}")
        lengths[i] = length
    cdef int kind = {"float32": 0, "float64": 1, "int64": 2}[name]
    if channels_last and len(shape) == 4:
        return make_channels_last(kind, lengths)
    return make(kind, len(shape), lengths)
