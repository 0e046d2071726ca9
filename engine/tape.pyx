"""Tensor and reverse-mode automatic differentiation over a tape.

A forward operator that has to be differentiated makes one Node: the edges to where its inputs came from, the
arrays that its backward needs, and a typed `replay`. `Tensor.backward` replays the nodes from the youngest to
the oldest; since a node is always younger than the nodes its inputs came from, this order needs no sorting
beforehand and no recursion.

The file is in parts, because it is one module for the compiler's sake (calls between the parts are C calls):
    grad_mode.pxi     no_grad, enable_grad, set_grad_enabled
    later.pxi         versions of memory, results that wait until somebody looks at them
    node.pxi          Node, one operator on the tape, and its kinds: of several outputs, with a function
    backward.pxi      gradients added up on their way from node to node
    tensor.pxi        Tensor
    in_place.pxi      changes in place, and what they must not touch
    hooks.pxi         what runs when the gradient of a leaf is complete
    arithmetic.pxi    + - * / ** @ comparisons, exp log sqrt ...
    shape.pxi         reshape, permute, getitem, cat, stack ...
    reduce.pxi        sum, mean, largest and smallest; max, argmax, softmax by NumPy
    layers.pxi        what the kernels do: linear, relu ..., embedding; dropout
    pool.pxi          max_pool2d, avg_pool2d
    relu.pxi          ReLU that waits: behind a maximum, or in the memory of its input
    create.pxi        tensor, zeros, rand ...
"""

import functools
import inspect
import operator
import weakref
from copy import deepcopy

import numpy

cimport cython
cimport numpy as cnp
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_REFCNT
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset
from libcpp.algorithm cimport pop_heap, push_heap
from libcpp.unordered_set cimport unordered_set
from libcpp.vector cimport vector

from .arena cimport make, make_as, make_bytes, make_channels_last, make_in_order, owns_memory
from .copying cimport copy_into, in_c_order, shaped
from .elementwise cimport (ADD, DIV, MUL, SUB, Axes, add_dense, add_strided, arrays, broadcast, column_sums,
                           fill_mask, scalar, share_equal)
from .kernels cimport (AMAX, AMIN, F32, F64, I64, SUM, Array, Embedding, Error, Gemm, KernelApi, Ladder, Map,
                       Pool2d, Pool2dOptions, Reduce, bytes_of, dtype_of, kernel_api, max_rank, no_tap,
                       raise_error, read, read_dense, run_kernel)

ctypedef cnp.ndarray ndarray

cnp.import_array()
cdef KernelApi* api = kernel_api()

include "grad_mode.pxi"
include "later.pxi"
include "node.pxi"
include "backward.pxi"
include "tensor.pxi"
include "in_place.pxi"
include "hooks.pxi"
include "arithmetic.pxi"
include "shape.pxi"
include "reduce.pxi"
include "layers.pxi"
include "pool.pxi"
include "relu.pxi"
include "create.pxi"
