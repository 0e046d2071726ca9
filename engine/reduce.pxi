# Reductions: of floats by the kernel, of everything else by NumPy. And softmax.

cdef const Ladder* reduce_ladder[2]


cdef ndarray reduced(int function, ndarray a, object axes, bint keepdim, double divisor):
    """A float array's sum / divisor, largest or smallest along `axes` (None: all), by the kernel. The axes
    that are left lie in memory in the order that they have in a; in C order if a repeats numbers."""
    cdef const char* op = "reduce"
    cdef Reduce r
    cdef Array x, y
    cdef Error e
    cdef int64_t shape[8]
    cdef int64_t old[8]
    cdef int i, at = 0
    cdef bint drop[8]
    cdef bint repeats = repeated(a)
    cdef ndarray out
    a = read(op, "input", a, x)
    for i in range(x.rank):
        drop[i] = axes is None
    if axes is not None:
        for i in axes:
            drop[i] = True
    for i in range(x.rank):
        if keepdim or not drop[i]:
            shape[at], old[at] = 1 if drop[i] else x.shape[i], 8 - i if repeats else x.stride[i]
            at += 1
    out = make_in_order(cnp.PyArray_TYPE(a), cnp.PyArray_ITEMSIZE(a), at, shape, old)
    y.data, y.dtype, y.rank = cnp.PyArray_DATA(out), x.dtype, x.rank
    at = 0
    for i in range(x.rank):
        y.shape[i] = 1 if drop[i] else x.shape[i]
        y.stride[i] = 0 if drop[i] else cnp.PyArray_STRIDES(out)[at] // cnp.PyArray_ITEMSIZE(a)
        at += keepdim or not drop[i]
    if not api.reduce_check(r, function, divisor, x, y, e):
        raise_error(e)
    run_kernel(api, op, reduce_ladder, x.dtype, &r)
    return out


cdef bint reducible(ndarray a) noexcept:
    """Does the kernel take it?"""
    return cnp.PyArray_NDIM(a) <= max_rank and (dtype_of(a) == F32 or dtype_of(a) == F64)


cdef ndarray shared_among_equals(ndarray a, ndarray y, ndarray g):
    """The gradient of a, of whose largest or smallest elements y the gradient is g: equal ones share it, as
    in PyTorch. y and g have the reduced axes at length 1; all three are of one float dtype, aligned."""
    cdef ndarray out = make_as(a), share = make_as(y)
    cdef Axes axes
    cdef int i, dtype = dtype_of(a)
    cdef int64_t m = cnp.PyArray_SIZE(y)
    if cnp.PyArray_SIZE(a) == 0:
        return out
    if cnp.PyArray_NDIM(a) == 0:
        return g.copy()
    if not same_layout(g, y):
        g = copy_as(g, y)
    axes.rank = cnp.PyArray_NDIM(a)
    for i in range(axes.rank):
        axes.shape[i] = cnp.PyArray_DIMS(a)[i]
    place(a, 0, axes)
    place(y, 1, axes)
    place(out, 2, axes)
    cdef const void* from_a = cnp.PyArray_DATA(a)
    cdef const void* from_y = cnp.PyArray_DATA(y)
    cdef const void* from_g = cnp.PyArray_DATA(g)
    cdef void* into_share = cnp.PyArray_DATA(share)
    cdef void* into = cnp.PyArray_DATA(out)
    with nogil:
        share_equal(dtype, from_a, from_y, from_g, into_share, m, into, axes)
    return out


cdef object dims_of(Tensor x, object dim):
    """None, or a tuple of axes."""
    if dim is None:
        return None
    axes = tuple([axis_of(x, d, 0) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))])
    if len(set(axes)) != len(axes):
        raise ValueError(f"an axis appears twice in dim={dim}")
    if not axes or cnp.PyArray_NDIM(settled(x)) == 0:
        return None
    return axes


cdef object one_dim(Tensor x, object dim):
    if dim is None or cnp.PyArray_NDIM(settled(x)) == 0:
        return None
    return axis_of(x, dim, 0)


@cython.final
@cython.no_gc
cdef class SumBackward(Node):
    """Every summed element gets the gradient of its sum (times `factor`: 1, or 1 / count for the mean)."""

    cdef Layout layout
    cdef tuple shape  # with the summed axes at length 1
    cdef double factor

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef ndarray dx = make_with(self.layout)
        if self.factor != 1:
            g = scale(MUL, False, g, self.factor)
        copy_into(dx, g.reshape(self.shape) if cnp.PyArray_NDIM(g) else g)
        return run.send(self.edge0, dx)


cdef Tensor summed(Tensor x, object dim, bint keepdim, bint mean):
    cdef ndarray a = settled(x), y
    cdef Tensor out
    cdef SumBackward node
    cdef int dtype, i
    cdef int64_t count
    if mean and not cnp.PyArray_ISFLOAT(a):
        raise TypeError(f"mean: expected a tensor of float32 or float64, got {a.dtype}")
    axes = dims_of(x, dim)
    count = 1
    for i in range(cnp.PyArray_NDIM(a)):
        if axes is None or i in axes:
            count *= <int64_t>cnp.PyArray_DIMS(a)[i]
    if reducible(a):
        y = reduced(SUM, a, axes, keepdim, count if mean else 1)
    else:
        whole = numpy.int64 if a.dtype.kind in "iub" else None
        y = numpy.asarray(numpy.sum(a, axis=axes, keepdims=keepdim, dtype=whole))
        if mean:
            with numpy.errstate(divide="ignore", invalid="ignore"):
                y = numpy.asarray(y / y.dtype.type(count))
    out = wrap(y)
    if grad_mode and wants(x):
        node = SumBackward.__new__(SumBackward)
        node.layout = layout_of(a)
        node.shape = tuple([1 if axes is None or i in axes else n for i, n in enumerate(x.shape)])
        node.factor = 1.0 / count if mean and count else 1
        node.edge0 = edge_of(x)
        record(node, out)
    return out


cdef Tensor variance(Tensor x, object dim, bint keepdim, object correction):
    cdef Tensor centred = x - summed(x, dim, True, True)
    axes = dims_of(x, dim)
    count = x.numel() if axes is None else int(numpy.prod([x.shape[i] for i in axes]))
    return summed(centred * centred, dim, keepdim, False) / max(count - correction, 0)


class Extreme(tuple):
    """What max and min along an axis return: values and indices, by name or in this order."""

    __slots__ = ()
    values = property(lambda self: self[0])
    indices = property(lambda self: self[1])

    def __repr__(self):
        return f"(values={self[0]!r}, indices={self[1]!r})"


cdef object extreme(Tensor x, object dim, bint keepdim, bint largest):
    cdef ndarray a = settled(x), at
    cdef tuple shape
    if cnp.PyArray_SIZE(a) == 0 and dim is None:
        raise ValueError(f"max or min of no elements (input {x.shape})")
    if dim is None:
        y = (reduced(AMAX if largest else AMIN, a, None, False, 1) if reducible(a)
             else numpy.asarray(a.max() if largest else a.min()))

        whole = y.copy() if grad_mode and wants(x) else y  # whoever has the result may change it

        def spread(g, a):
            ones = (1,) * a.ndim
            return (shared_among_equals(a, whole.reshape(ones), g.reshape(ones)),)

        return close("MaxBackward" if largest else "MinBackward", y, (x,), spread, (x,))
    axis = axis_of(x, dim, 0)
    if cnp.PyArray_NDIM(a) == 0:
        return Extreme((reshaped(x, a), wrap(numpy.asarray(0))))
    if a.shape[axis] == 0:
        raise IndexError(f"max or min along dim {dim} of no elements (input {x.shape})")
    at = numpy.expand_dims(numpy.argmax(a, axis) if largest else numpy.argmin(a, axis), axis)
    values = numpy.take_along_axis(a, at, axis)
    indices = at
    if not keepdim:
        values, indices = values.squeeze(axis), indices.squeeze(axis)
    shape = shape_of(a)

    def scatter(g):
        dx = numpy.zeros(shape, g.dtype)
        numpy.put_along_axis(dx, at, g if keepdim else numpy.expand_dims(g, axis), axis)
        return (dx,)

    return Extreme((close("MaxBackward" if largest else "MinBackward", values, (x,), scatter, ()),
                    wrap(indices)))


def softmax(Tensor input not None, int dim, dtype=None):
    """exp(x) / sum of exp(x) along dim; the largest element is taken out first, so that nothing overflows.

    Example:
      >>> import loopnest
      >>> loopnest.softmax(loopnest.tensor([0.0, 0.0]), 0)
      tensor([0.5000, 0.5000])
    """
    if dtype is not None:
        input = cast(input, dtype)
    cdef int axis = axis_of(input, dim, 0)
    cdef ndarray a = as_float(input)
    if cnp.PyArray_NDIM(a) == 0:
        axis = -1
        y = numpy.ones_like(a)
    elif cnp.PyArray_SIZE(a) == 0:
        y = a.copy()
    else:
        y = numpy.exp(a - a.max(axis, keepdims=True))
        y /= y.sum(axis, keepdims=True)

    def grad(g, y):
        if y.ndim == 0:
            return (numpy.zeros_like(y),)
        gy = g * y
        return (gy - y * gy.sum(axis, keepdims=True),)

    return of_result("SoftmaxBackward", y, input, grad)


def log_softmax(Tensor input not None, int dim, dtype=None):
    """x - log(sum of exp(x)) along dim.

    Example:
      >>> import loopnest
      >>> loopnest.log_softmax(loopnest.tensor([0.0, 0.0]), 0)
      tensor([-0.6931, -0.6931])
    """
    if dtype is not None:
        input = cast(input, dtype)
    cdef int axis = axis_of(input, dim, 0)
    cdef ndarray a = as_float(input)
    if cnp.PyArray_NDIM(a) == 0:
        y = numpy.zeros_like(a)
    elif cnp.PyArray_SIZE(a) == 0:
        y = a.copy()
    else:
        y = a - a.max(axis, keepdims=True)
        y -= numpy.log(numpy.exp(y).sum(axis, keepdims=True))

    def grad(g, y):
        if y.ndim == 0:
            return (numpy.zeros_like(y),)
        return (g - numpy.exp(y) * g.sum(axis, keepdims=True),)

    return of_result("LogSoftmaxBackward", y, input, grad)
