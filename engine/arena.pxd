from libc.stdint cimport int64_t

cimport numpy as cnp


cdef class Block:
    cdef void* memory

cdef cnp.ndarray make(int dtype, int rank, const int64_t* shape)
cdef cnp.ndarray make_bytes(int64_t count)
cdef cnp.ndarray make_channels_last(int dtype, const int64_t* shape)
cdef cnp.ndarray make_channels_innermost(int dtype, int rank, const int64_t* shape)
cdef cnp.ndarray make_as(cnp.ndarray a)
cdef cnp.ndarray make_in_order(int typenum, int64_t size, int rank, const int64_t* shape, const int64_t* old)
cdef bint owns_memory(cnp.ndarray a) noexcept
