"""The activations beyond relu, sigmoid and tanh (one operator: csrc/ops/activation), softmax, log_softmax."""

import numpy

cimport cython
cimport numpy as cnp
from cpython.ref cimport Py_REFCNT
from libc.stdint cimport int64_t

from .arena cimport make_as, owns_memory
from .copying cimport copy_into
from .kernels cimport (Array, Error, KernelApi, Ladder, Map, Softmax, kernel_api, raise_error, read,
                       run_kernel)
from .tape cimport Node, Run, Tensor, edge_of, keep0, record, recording, settled, wants, wrap

ctypedef cnp.ndarray ndarray

cnp.import_array()
cdef KernelApi* api = kernel_api()
cdef const Ladder* activation_ladder[2]
cdef const Ladder* activation_backward_ladder[2]
cdef const Ladder* softmax_ladder[2]
cdef const Ladder* softmax_backward_ladder[2]

# In the order of csrc/ops/map/map.h.
FUNCTIONS = ("leaky_relu", "elu", "silu", "gelu", "gelu_tanh", "softplus", "hardtanh", "hardsigmoid",
             "hardswish", "mish", "logsigmoid", "threshold", "hardshrink", "softshrink", "softsign",
             "tanhshrink", "nonpositive", "huber", "square", "absolute")


cdef bint lies_as(ndarray a, ndarray b) noexcept:
    """Same shape, dtype and strides."""
    cdef int i, rank = cnp.PyArray_NDIM(a)
    if rank != cnp.PyArray_NDIM(b) or cnp.PyArray_TYPE(a) != cnp.PyArray_TYPE(b):
        return False
    for i in range(rank):
        if (cnp.PyArray_DIMS(a)[i] != cnp.PyArray_DIMS(b)[i]
                or cnp.PyArray_DIMS(a)[i] > 1 and cnp.PyArray_STRIDES(a)[i] != cnp.PyArray_STRIDES(b)[i]):
            return False
    return True


@cython.final
@cython.no_gc
cdef class ActivationBackward(Node):
    """kept0 is x."""

    cdef int64_t function
    cdef double parameter[3]

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef const char* op = "activation_backward"
        cdef Map a
        cdef Array x, dy, dx
        cdef Error e
        cdef ndarray _x, _g, out
        # A gradient that nobody else looks at is overwritten: its memory is in the cache.
        out = g if Py_REFCNT(g) == 1 and owns_memory(g) and lies_as(g, self.kept0) else make_as(self.kept0)
        _x = read(op, "input", self.kept0, x)
        _g = read(op, "grad_output", g, dy)
        read(op, "result", out, dx)
        if not api.activation_check(op, a, self.function, self.parameter, x, &dy, dx, e):
            raise_error(e)
        run_kernel(api, op, activation_backward_ladder, x.dtype, &a)
        return run.send(self.edge0, out)

    def name(self):
        return FUNCTIONS[self.function].title().replace("_", "") + "Backward"


def activation(Tensor input not None, int64_t function, double p0=0, double p1=0, double p2=0):
    """FUNCTIONS[function] of every element; its parameters as csrc/ops/map/map.h lists them."""
    cdef const char* op = "activation"
    cdef Map a
    cdef Array x, y
    cdef Error e
    cdef ndarray keep, out
    cdef double parameter[3]
    cdef ActivationBackward node
    cdef Tensor result
    parameter[0], parameter[1], parameter[2] = p0, p1, p2
    keep = read(op, "input", settled(input), x)
    out = make_as(keep)
    read(op, "result", out, y)
    if not api.activation_check(op, a, function, parameter, x, NULL, y, e):
        raise_error(e)
    run_kernel(api, op, activation_ladder, x.dtype, &a)
    result = wrap(out)
    if recording() and wants(input):
        node = ActivationBackward.__new__(ActivationBackward)
        node.function = function
        node.parameter[0], node.parameter[1], node.parameter[2] = p0, p1, p2
        node.edge0 = edge_of(input)
        keep0(node, input)
        record(node, result)
    return result


# ------------------------------------------------------------------------------------------------------------
# softmax

cdef bint show(const char* name, ndarray a, int axis, Array& out) except -1:
    """(outer, d, inner): all axes whose steps in memory are longer than axis' are one, the shorter ones too.
    False if they cannot be."""
    cdef int rank = cnp.PyArray_NDIM(a), i, j, side
    cdef int order[8]
    cdef int64_t length[2]
    cdef int64_t step[2]
    cdef int64_t size
    read("softmax", name, a, out)
    for i in range(rank):
        if out.shape[i] == 1:
            out.stride[i] = 0  # whatever it was, it says nothing
    for i in range(rank):  # by falling steps
        j = i
        while j > 0 and abs(out.stride[order[j - 1]]) < abs(out.stride[i]):
            order[j] = order[j - 1]
            j -= 1
        order[j] = i
    length[0] = length[1] = 1
    step[0] = step[1] = 0
    side = 1
    for j in range(rank - 1, -1, -1):
        i = order[j]
        if i == axis:
            side = 0
            continue
        size = out.shape[i]
        if size == 1:
            continue
        if step[side] == 0:
            step[side] = out.stride[i]
        elif out.stride[i] != step[side] * length[side]:
            return False
        length[side] *= size
    size = out.shape[axis]
    out.stride[1] = out.stride[axis]
    out.rank = 3
    out.shape[0], out.shape[1], out.shape[2] = length[0], size, length[1]
    out.stride[0], out.stride[2] = step[0], step[1]
    return True


@cython.final
@cython.no_gc
cdef class SoftmaxBackward(Node):
    """kept0 is y."""

    cdef int axis
    cdef bint log

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef Softmax a
        cdef Array y, dy, dx
        cdef Error e
        cdef ndarray out
        if not lies_as(g, self.kept0) or not cnp.PyArray_ISALIGNED(g):
            out = make_as(self.kept0)
            copy_into(out, g)
            g = out
        out = make_as(self.kept0)
        if cnp.PyArray_SIZE(out) == 0:
            return run.send(self.edge0, out)
        show("output", self.kept0, self.axis, y)
        show("grad_output", g, self.axis, dy)
        show("result", out, self.axis, dx)
        if not api.softmax_backward_check(a, y, dy, dx, self.log, e):
            raise_error(e)
        run_kernel(api, "softmax_backward", softmax_backward_ladder, y.dtype, &a)
        return run.send(self.edge0, out)

    def name(self):
        return "LogSoftmaxBackward" if self.log else "SoftmaxBackward"


cdef Tensor along(Tensor input, object dim, bint log):
    cdef str op = "log_softmax" if log else "softmax"
    cdef Softmax a
    cdef Array x, y
    cdef Error e
    cdef ndarray keep = settled(input), out
    cdef int rank = cnp.PyArray_NDIM(keep), axis
    cdef SoftmaxBackward node
    cdef Tensor result
    if dim is None:  # PyTorch's old default
        dim = 0 if rank in (0, 1, 3) else 1
    if not isinstance(dim, (int, numpy.integer)) or isinstance(dim, bool):
        raise TypeError(f"{op}: expected dim to be a whole number, got {dim!r}")
    if not -max(rank, 1) <= dim < max(rank, 1):
        raise IndexError(f"{op}: expected dim in [{-max(rank, 1)}, {max(rank, 1) - 1}], got {dim}")
    if keep.dtype.kind in "biu":
        raise TypeError(f"{op}: expected input of dtype float32 or float64, got {keep.dtype}")
    if rank == 0:
        return (input * 0) if log else (input * 0 + 1)
    axis = dim if dim >= 0 else dim + rank
    if rank > 8:
        raise ValueError(f"{op}: expected input of at most 8 axes, got {rank}")
    out = make_as(keep)
    if not cnp.PyArray_ISALIGNED(keep) or not lies_as(keep, out):  # there are gaps in it
        copy_into(out, keep)
        keep, out = out, make_as(out)
    if cnp.PyArray_SIZE(keep):
        show("input", keep, axis, x)
        show("result", out, axis, y)
        if not api.softmax_check(a, x, y, log, e):
            raise_error(e)
        run_kernel(api, "softmax", softmax_ladder, x.dtype, &a)
    result = wrap(out)
    if recording() and wants(input):
        node = SoftmaxBackward.__new__(SoftmaxBackward)
        node.axis = axis
        node.log = log
        node.edge0 = edge_of(input)
        keep0(node, result)
        record(node, result)
    return result


def softmax(Tensor input not None, dim=None):
    """exp(x) / sum of exp(x) along dim, the largest x taken out first, so that nothing overflows."""
    return along(input, dim, False)


def log_softmax(Tensor input not None, dim=None):
    """x - log(sum of exp(x)) along dim."""
    return along(input, dim, True)
