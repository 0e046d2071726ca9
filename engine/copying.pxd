"""Copies of arrays from one order of the axes to another."""

cimport numpy as cnp

# What engine/plan.pyx wants to know while it records: of a copy (true if the plan has made it), and of arrays
# that are the same at every run, to keep them alive.
ctypedef bint (*OfCopy)(cnp.ndarray out, cnp.ndarray a) except -1
ctypedef int (*OfConstants)(list constants) except -1
cdef OfCopy recorded_copy
cdef OfConstants recorded_constants

cdef int copy_into(cnp.ndarray out, cnp.ndarray a) except -1
cdef cnp.ndarray in_c_order(cnp.ndarray a)
cdef cnp.ndarray shaped(cnp.ndarray a, object shape)
