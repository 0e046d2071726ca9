"""One step of an optimiser over many parameters: one call of a kernel."""

import numpy

cimport numpy as cnp
from libcpp.vector cimport vector

from .kernels cimport F32, F64, KernelApi, Ladder, Update, UpdatePart, dtype_of, kernel_api, run_kernel
from .tape cimport Tensor, Version, settle_all, settled, version_of

ctypedef cnp.ndarray ndarray

cnp.import_array()
cdef KernelApi* api = kernel_api()
cdef const Ladder* ladders[5][2]
cdef tuple names = ("sgd_step", "adam_step", "rmsprop_step", "adagrad_step", "adadelta_step")
cdef const char** c_names = ["sgd_step", "adam_step", "rmsprop_step", "adagrad_step", "adadelta_step"]


cdef ndarray plain(ndarray a):
    """`a`, or a copy of it, in C order and aligned: what a kernel takes."""
    return a if cnp.PyArray_ISCARRAY(a) else numpy.require(a, None, "CAW")


def update(str op, list params, list states, dict numbers):
    """Takes one step for all parameters at once, in their own memory.

    Args:
        op: sgd_step, adam_step, rmsprop_step, adagrad_step or adadelta_step.
        params: Tensors of one dtype, each with a gradient of its shape.
        states: for each a tuple of up to 3 arrays or None: s0, s1, s2 of csrc/ops/update/update.h.
        numbers: the numbers of that contract that are not 0 (root: not 1).
    """
    cdef int which = names.index(op), dtype = -1, k
    cdef vector[UpdatePart] parts
    cdef UpdatePart part
    cdef Update a
    cdef Tensor param
    cdef Version version
    cdef ndarray p, g, s
    cdef void* at[3]
    cdef list held = [], strays = []
    settle_all()
    for param, kept in zip(params, states, strict=True):
        p, g = settled(param), settled(param.grad_tensor)
        if dtype < 0:
            dtype = dtype_of(p)
        if dtype not in (F32, F64) or dtype_of(p) != dtype or dtype_of(g) != dtype:
            raise TypeError(f"{op}: expected parameters and gradients of one dtype, float32 or float64, got "
                            f"{param.dtype} and {param.grad_tensor.dtype}")
        if param.grad_tensor.shape != param.shape:
            raise ValueError(f"{op}: expected a gradient of shape {param.shape}, as its parameter's, got "
                             f"{param.grad_tensor.shape}")
        if not cnp.PyArray_ISWRITEABLE(p):
            raise ValueError(f"{op}: a parameter of shape {param.shape} is read-only")
        p, g = plain(p), plain(g)
        if p is not settled(param):
            strays.append((param, p))  # lies otherwise in memory: changed in a copy, and put back
        for k in range(3):
            s = kept[k] if k < len(kept) else None
            at[k] = NULL
            if s is not None:
                if not cnp.PyArray_ISCARRAY(s) or dtype_of(s) != dtype or s.size != p.size:
                    raise ValueError(f"{op}: expected state {k} like its parameter of shape {param.shape}, "
                                     f"got shape {(<object>s).shape} of {s.dtype}")
                at[k] = cnp.PyArray_DATA(s)
        held.append((p, g, kept))
        part.p, part.grad, part.n = cnp.PyArray_DATA(p), cnp.PyArray_DATA(g), cnp.PyArray_SIZE(p)
        part.s0, part.s1, part.s2 = at[0], at[1], at[2]
        parts.push_back(part)
    if parts.empty():
        return
    a.parts, a.count = parts.data(), parts.size()
    a.lr, a.weight_decay, a.shrink = numbers["lr"], numbers.get("weight_decay", 0), numbers.get("shrink", 0)
    a.momentum, a.dampening = numbers.get("momentum", 0), numbers.get("dampening", 0)
    a.beta1, a.beta2, a.eps = numbers.get("beta1", 0), numbers.get("beta2", 0), numbers.get("eps", 0)
    a.root = numbers.get("root", 1)
    a.maximize, a.nesterov = numbers.get("maximize", False), numbers.get("nesterov", False)
    a.first, a.option = numbers.get("first", False), numbers.get("option", False)
    run_kernel(api, c_names[which], ladders[which], dtype, &a)
    for param, p in strays:
        numpy.copyto(settled(param), p)
    for param in params:
        version = version_of(param)
        version.value += 1
