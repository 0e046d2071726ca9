"""Copies of arrays from one order of the axes to another."""

cimport numpy as cnp


cdef int copy_into(cnp.ndarray out, cnp.ndarray a) except -1
cdef cnp.ndarray in_c_order(cnp.ndarray a)
cdef cnp.ndarray shaped(cnp.ndarray a, object shape)
