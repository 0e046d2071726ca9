"""Element-wise recurrences over time: each number has a sequence of its own, so a step is one vector loop.

    linear_scan   h[t] = f[t] * h[t-1] + b[t]                 (the state of SRU and QRNN)
    independent   h[t] = relu or tanh(x[t] + u * h[t-1])      (IndRNN)

Memory is the limit, two or three arrays read or written once; there is no ladder to climb. The backward pass
goes through the steps once more, forwards to find h again, so that nothing has to be kept but the inputs.
"""

import numpy

cimport numpy as cnp
from libc.stdint cimport int64_t

from .arena cimport make
from .kernels cimport dtype_of
from .tape cimport Tensor, close, settled

ctypedef cnp.ndarray ndarray

cnp.import_array()

cdef extern from "loops/scan.h" namespace "loopnest::loops" nogil:
    void linear(int dtype, const void* f, const void* b, const void* h0, void* h, int64_t t, int64_t m)
    void linear_backward(int dtype, const void* f, const void* h0, const void* h, const void* g, void* df,
                         void* db, void* dh0, int64_t t, int64_t m)
    void independent_forward(int dtype, const void* x, const void* u, const void* h0, void* h, bint relu,
                             int64_t t, int64_t n, int64_t w)
    void independent_backward(int dtype, const void* u, const void* h0, const void* h, const void* g,
                              void* dx, void* du, void* dh0, bint relu, int64_t t, int64_t n, int64_t w)


cdef void* data(ndarray a) noexcept:
    return NULL if a is None else cnp.PyArray_DATA(a)


cdef ndarray dense(str op, str name, Tensor t, tuple shape, object dtype):
    """The array of t, contiguous; ValueError and TypeError for another shape or dtype."""
    if t is None:
        return None
    a = settled(t)
    if a.dtype != dtype:
        raise TypeError(f"{op}: expected {name} of dtype {dtype}, got {a.dtype}")
    if tuple(t.shape) != shape:
        raise ValueError(f"{op}: expected {name} of shape {shape}, got {tuple(t.shape)}")
    a = numpy.ascontiguousarray(a)
    return a if a.flags.aligned else a.copy()


cdef object checked_dtype(str op, Tensor t, int least):
    dtype = settled(t).dtype
    if dtype != numpy.float32 and dtype != numpy.float64:
        raise TypeError(f"{op}: expected float32 or float64, got {dtype}")
    if settled(t).ndim < least:
        raise ValueError(f"{op}: expected at least {least} axes, time first, got {tuple(t.shape)}")
    return dtype


cdef ndarray new(ndarray a):
    return make(dtype_of(a), cnp.PyArray_NDIM(a), <const int64_t*>cnp.PyArray_DIMS(a))


cdef ndarray linear_forward(ndarray f, ndarray b, ndarray h0):
    cdef ndarray h = new(f)
    cdef int64_t t = cnp.PyArray_DIMS(f)[0], m = f.size // t if t else 0
    cdef int dtype = dtype_of(f)
    cdef void* p_f = data(f)
    cdef void* p_b = data(b)
    cdef void* p_h0 = data(h0)
    cdef void* p_h = data(h)
    with nogil:
        linear(dtype, p_f, p_b, p_h0, p_h, t, m)
    return h


def linear_scan(Tensor f not None, Tensor b not None, Tensor h0=None):
    """h[t] = f[t] * h[t-1] + b[t], element by element.

    Args:
        f, b: (T, ...), float32 or float64. h0: (...), or None: zeros.
    Returns:
        h (T, ...). Differentiable in all three.
    """
    dtype = checked_dtype("linear_scan", f, 1)
    shape = tuple(f.shape)
    h = linear_forward(dense("linear_scan", "f", f, shape, dtype), dense("linear_scan", "b", b, shape, dtype),
                       dense("linear_scan", "h0", h0, shape[1:], dtype))

    def grad(g, *kept):
        return linear_grad(g, [numpy.ascontiguousarray(k) for k in kept])

    kept = (f, b) if h0 is None else (f, b, h0)
    return close("LinearScanBackward", h, kept, grad, kept)


cdef tuple linear_grad(object gradient, list kept):
    cdef ndarray f = kept[0], b = kept[1], h0 = kept[2] if len(kept) > 2 else None
    cdef ndarray g = numpy.ascontiguousarray(gradient), df = new(f), db = new(f)
    cdef ndarray h = linear_forward(f, b, h0)
    cdef ndarray dh0 = numpy.zeros((<object>f).shape[1:], f.dtype)
    cdef int64_t t = cnp.PyArray_DIMS(f)[0], m = f.size // t if t else 0
    cdef int dtype = dtype_of(f)
    cdef void* p_f = data(f)
    cdef void* p_h0 = data(h0)
    cdef void* p_h = data(h)
    cdef void* p_g = data(g)
    cdef void* p_df = data(df)
    cdef void* p_db = data(db)
    cdef void* p_dh0 = data(dh0)
    with nogil:
        linear_backward(dtype, p_f, p_h0, p_h, p_g, p_df, p_db, p_dh0, t, m)
    return (df, db) if h0 is None else (df, db, dh0)


cdef ndarray independent_run(ndarray x, ndarray u, ndarray h0, bint relu):
    cdef ndarray h = new(x)
    cdef int64_t t = cnp.PyArray_DIMS(x)[0], n = cnp.PyArray_DIMS(x)[1], w = cnp.PyArray_DIMS(x)[2]
    cdef int dtype = dtype_of(x)
    cdef void* p_x = data(x)
    cdef void* p_u = data(u)
    cdef void* p_h0 = data(h0)
    cdef void* p_h = data(h)
    with nogil:
        independent_forward(dtype, p_x, p_u, p_h0, p_h, relu, t, n, w)
    return h


def independent(Tensor x not None, Tensor u not None, Tensor h0=None, str nonlinearity="relu"):
    """h[t] = act(x[t] + u * h[t-1]), act relu or tanh.

    Args:
        x: (T, N, H), float32 or float64. u: (H,). h0: (N, H), or None: zeros.
    Returns:
        h (T, N, H). Differentiable in all three.
    """
    if nonlinearity not in ("relu", "tanh"):
        raise ValueError(f'independent: expected nonlinearity "relu" or "tanh", got {nonlinearity!r}')
    dtype = checked_dtype("independent", x, 3)
    if settled(x).ndim != 3:
        raise ValueError(f"independent: expected x (T, N, H), got {tuple(x.shape)}")
    shape, relu = tuple(x.shape), nonlinearity == "relu"
    h = independent_run(dense("independent", "x", x, shape, dtype),
                        dense("independent", "u", u, shape[2:], dtype),
                        dense("independent", "h0", h0, shape[1:], dtype), relu)

    def grad(g, *kept):
        return independent_grad(g, relu, [numpy.ascontiguousarray(k) for k in kept])

    kept = (x, u) if h0 is None else (x, u, h0)
    return close("IndependentBackward", h, kept, grad, kept)


cdef tuple independent_grad(object gradient, bint relu, list kept):
    cdef ndarray x = kept[0], u = kept[1], h0 = kept[2] if len(kept) > 2 else None
    cdef ndarray g = numpy.ascontiguousarray(gradient), dx = new(x), du = new(u)
    cdef ndarray h = independent_run(x, u, h0, relu)
    cdef ndarray dh0 = numpy.empty((<object>x).shape[1:], x.dtype)
    cdef int64_t t = cnp.PyArray_DIMS(x)[0], n = cnp.PyArray_DIMS(x)[1], w = cnp.PyArray_DIMS(x)[2]
    cdef int dtype = dtype_of(x)
    cdef void* p_u = data(u)
    cdef void* p_h0 = data(h0)
    cdef void* p_h = data(h)
    cdef void* p_g = data(g)
    cdef void* p_dx = data(dx)
    cdef void* p_du = data(du)
    cdef void* p_dh0 = data(dh0)
    with nogil:
        independent_backward(dtype, p_u, p_h0, p_h, p_g, p_dx, p_du, p_dh0, relu, t, n, w)
    return (dx, du) if h0 is None else (dx, du, dh0)
