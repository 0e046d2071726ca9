"""Tensor operations under PyTorch's names that need no kernel of their own: NumPy computes, the tape records.

The names and their meaning are torch's. `attach` at the end makes methods of those that are methods there:
extension types take no attributes from Python, so that is done here, in one place. The parts:
    pointwise.pxi     sin, log1p, sign ...; maximum, masks, comparisons
    products.pxi      mm, bmm, outer, einsum
    totals.pxi        amax, prod, logsumexp, norm, cumsum, any
    order.pxi         sort, topk, unique, nonzero
    places.pxi        gather, scatter, index_select, masked_select
    rearrange.pxi     narrow, roll, repeat, diagonal, tril, unfold
    fill.pxi          linspace, eye, one_hot, bernoulli, multinomial, new_zeros
"""

import numpy

cimport numpy as cnp
from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from .arena cimport make_as
from .elementwise cimport best_places, cumulate, most_best
from .kernels cimport AMAX, AMIN, F32, F64, dtype_of
from .tape cimport (Tensor, after_relu, array_of, as_float, axis_of, before_relu, close, fit, getitem,
                    promoted, recording, reduced, reducible, settled, shape_of, shared_among_equals,
                    shared_version, tensor_of, wants, wrap)

from .tape import Extreme, default_generator, expand, matmul, permute, reshape, transpose, unsqueeze

ctypedef cnp.ndarray ndarray

cnp.import_array()


cdef object quiet():
    """NumPy's warnings of infinities and NaN switched off: they are results like others."""
    return numpy.errstate(all="ignore")


include "pointwise.pxi"
include "products.pxi"
include "totals.pxi"
include "order.pxi"
include "places.pxi"
include "rearrange.pxi"
include "fill.pxi"

cdef extern from "Python.h":
    ctypedef struct PyTypeObject:
        PyObject* tp_dict
    void PyType_Modified(PyTypeObject* type)


def attach(**functions):
    """Makes methods of Tensor: each function gets the tensor first."""
    cdef dict members = <dict>(<PyTypeObject*>Tensor).tp_dict
    members.update(functions)
    PyType_Modified(<PyTypeObject*>Tensor)


attach(
    sin=sin, cos=cos, log1p=log1p, expm1=expm1, log2=log2, log10=log10, rsqrt=rsqrt, reciprocal=reciprocal,
    sign=sign, floor=floor, ceil=ceil, trunc=trunc, round=round_,
    maximum=maximum, minimum=minimum, masked_fill=masked_fill, masked_select=masked_select,
    logical_and=logical_and, logical_or=logical_or, logical_xor=logical_xor, logical_not=logical_not,
    isnan=isnan, isinf=isinf, isfinite=isfinite, isclose=isclose, allclose=allclose, equal=equal,
    mm=mm, bmm=bmm, mv=mv, dot=dot, outer=outer,
    amax=amax, amin=amin, prod=prod, logsumexp=logsumexp, norm=norm, cumsum=cumsum, any=any_, all=all_,
    count_nonzero=count_nonzero, sort=sort, argsort=argsort, topk=topk, unique=unique, bincount=bincount,
    nonzero=nonzero, gather=gather, scatter=scatter, scatter_add=scatter_add, index_select=index_select,
    index_add=index_add, take_along_dim=take_along_dim, narrow=narrow, select=select, movedim=movedim,
    unflatten=unflatten, swapaxes=transpose, roll=roll, repeat=repeat, tile=tile,
    repeat_interleave=repeat_interleave, diagonal=diagonal, tril=tril, triu=triu, unfold=unfold,
    broadcast_to=expand, multinomial=multinomial, bernoulli=bernoulli,
    new_zeros=new_zeros, new_ones=new_ones, new_full=new_full, new_tensor=new_tensor,
)
