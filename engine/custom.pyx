"""Nodes of the tape whose forward and backward are written in Python: for what NumPy computes in
python/loopnest, and for autograd.Function. A node costs some microseconds more than those of the engine."""

import numpy

cimport cython
cimport numpy as cnp

from .tape cimport (Run, Tensor, Whole, close, edge_of, fit, record_parts, recording, settled, shared_version,
                    wants, wrap)

ctypedef cnp.ndarray ndarray

cnp.import_array()


def numbers(Tensor input not None):
    """The array of a tensor, only to be read: unlike Tensor.numpy(), also of one that requires grad, and
    results that wait go on waiting."""
    return settled(input)


def recorded(str title, result, tuple inputs, function, tuple kept=()):
    """`result`, an array, as a Tensor that came from the Tensors `inputs`.

    function(g, *arrays of kept) gives a tuple: for each input its gradient, an array of its shape and dtype,
    or None; g is the gradient of the result. kept: up to 3 Tensors that must not change until then; what
    function refers to itself must not either. `title` is the node's name.
    """
    return close(title, numpy.asarray(result), inputs, function, kept)


def fitted(g, Tensor like not None):
    """A gradient summed over the axes along which `like` was broadcast, in its dtype."""
    return fit(numpy.asarray(g), (<object>like).shape, like.dtype)


def sealed_as(Tensor sealed not None, ndarray array not None, bint opened):
    """Gives a sealed tensor (tape._sealed) another array, with its shape and dtype; opened: its numbers may
    be had from now on."""
    sealed.held = array
    if opened:
        sealed.later = sealed.version = None


def look_as(Tensor t not None, Tensor view not None):
    """t, which now looks at its memory, and stands on the tape, as its own view does: an in-place operation
    that changes the shape alone. RuntimeError for a leaf that requires grad."""
    if recording() and t.requires and t.node is None:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    t.held, t.node, t.version, t.later = settled(view), view.node, view.version, None
    return t


def retains(Tensor t not None):
    """Has Tensor.retain_grad been called?"""
    return t.node is not None and t.node.keeper is not None


@cython.no_gc
cdef class Several(Whole):
    """A node of several results; function([g, ...]) gets None for those that have no gradient."""

    cdef object function
    cdef str title

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef tuple grads = self.function(self.take())
        for edge, grad in zip(self.more, grads, strict=True):
            if edge is not None and grad is not None:
                run.send(edge, grad)
        return 0

    cdef int release(self) except -1:
        self.function = None
        self.released = True
        return 0

    def name(self):
        return self.title


cdef Tensor another(object result):
    """A new Tensor of an array, or of another Tensor's memory."""
    if not isinstance(result, Tensor):
        return wrap(numpy.asarray(result))
    cdef Tensor out = wrap(settled(<Tensor>result))
    out.version = shared_version(<Tensor>result)
    return out


def recorded_all(str title, tuple results, tuple inputs, function, tuple differentiable):
    """As `recorded`, for a tuple of arrays, or of Tensors, in whose memory the results then are; only those
    where `differentiable` says so have a gradient. What function refers to must not refer to the results, or
    neither is ever freed."""
    cdef tuple outputs = tuple([another(r) for r in results])
    cdef Several node
    cdef tuple edges
    if not recording() or not any(differentiable):
        return outputs
    edges = tuple([edge_of(t) if wants(t) else None for t in inputs])
    if not any([edge is not None for edge in edges]):
        return outputs
    node = Several.__new__(Several)
    node.title, node.function, node.more = title, function, edges
    record_parts(node, tuple([out for out, yes in zip(outputs, differentiable) if yes]))
    return outputs
