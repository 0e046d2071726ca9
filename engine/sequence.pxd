"""What other modules of recurrent layers take from sequence."""

from libc.stdint cimport int64_t

cimport numpy as cnp


cdef cnp.ndarray in_time_order(cnp.ndarray a, bint reverse)
cdef cnp.ndarray part_of(cnp.ndarray a, int d, int64_t hidden)
cdef cnp.ndarray features_dense(cnp.ndarray a)
cdef cnp.ndarray new_output(int dtype, int64_t t, int64_t n, int64_t width, bint batch_first)
cdef cnp.ndarray new_like(cnp.ndarray a, int dtype)
cdef tuple shape_of(cnp.ndarray a)
