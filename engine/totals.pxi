# Along axes: the largest, products, norms, running sums. Part of tensor_ops.pyx; sums are in reduce.pxi.

cdef tuple axes_of(Tensor x, object dim):
    """The axes that `dim` names: None and () are all of them."""
    cdef int rank = cnp.PyArray_NDIM(settled(x))
    if dim is None or dim == ():
        return tuple(range(rank))
    axes = tuple([axis_of(x, d, 0) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))])
    if len(set(axes)) != len(axes):
        raise ValueError(f"an axis appears twice in dim={dim}")
    return axes if rank else ()


cdef ndarray spread(ndarray g, tuple axes, bint keepdim):
    """A reduction's gradient with the reduced axes back, at length 1."""
    return g if keepdim or not axes else numpy.expand_dims(g, axes)


cdef Tensor furthest(Tensor x, object dim, bint keepdim, int function, str title):
    cdef tuple axes = axes_of(x, dim)
    for i in axes:
        if x.shape[i] == 0:
            raise IndexError(f"{title}: the reduced axis {i} of input {x.shape} has no elements")
    cdef Tensor bare = before_relu(x) if function == AMAX else None
    if bare is not None:
        return after_relu(x, furthest(bare, dim, keepdim, function, title))
    cdef ndarray whole = settled(x)
    if reducible(whole):
        y = reduced(function, whole, axes, True, 1)
    else:
        y = numpy.asarray((numpy.max if function == AMAX else numpy.min)(whole, axis=axes, keepdims=True))

    kept = y.copy() if recording() and wants(x) else y  # whoever has the result may change it

    def grad(g, a):
        return (shared_among_equals(a, kept, spread(g, axes, keepdim)),)

    result = y if keepdim else numpy.asarray(y.squeeze(axes))
    return close(title, result, (x,), grad, (x,))


def amax(Tensor input not None, dim=None, bint keepdim=False):
    """The largest element along dim (an axis, several, or all); equal ones share the gradient.

    Example:
      >>> import loopnest
      >>> loopnest.amax(loopnest.tensor([[1.0, 5.0], [7.0, 3.0]]), 1)
      tensor([5., 7.])
    """
    return furthest(input, dim, keepdim, AMAX, "AmaxBackward")


def amin(Tensor input not None, dim=None, bint keepdim=False):
    """The smallest element along dim (an axis, several, or all); equal ones share the gradient.

    Example:
      >>> import loopnest
      >>> loopnest.amin(loopnest.tensor([[1.0, 5.0], [7.0, 3.0]]), (0, 1))
      tensor(1.)
    """
    return furthest(input, dim, keepdim, AMIN, "AminBackward")


def prod(Tensor input not None, dim=None, bint keepdim=False):
    """The product along one axis, or of all elements. Zeros are no trouble for the gradient.

    Whole numbers give int64; TypeError for several axes.

    Example:
      >>> import loopnest
      >>> loopnest.prod(loopnest.tensor([[1, 2], [3, 4]]), 1)
      tensor([ 2, 12])
    """
    cdef tuple axes = axes_of(input, dim)
    cdef tuple shape = shape_of(settled(input))
    if isinstance(dim, (tuple, list)):
        raise TypeError(f"prod: expected dim to be one axis or None, got {dim!r}")
    kind = numpy.int64 if settled(input).dtype.kind in "iub" else settled(input).dtype
    y = numpy.asarray(numpy.prod(settled(input), axis=axes, keepdims=keepdim, dtype=kind))

    def grad(g, a):
        flat = a.reshape(1, -1) if dim is None or not axes else numpy.moveaxis(a, axes[0], -1)
        before, after = numpy.ones_like(flat), numpy.ones_like(flat)
        numpy.cumprod(flat[..., :-1], -1, out=before[..., 1:])
        after[..., :-1] = numpy.cumprod(flat[..., :0:-1], -1)[..., ::-1]
        others = before * after  # the product of all but one
        others = others.reshape(shape) if dim is None or not axes else numpy.moveaxis(others, -1, axes[0])
        return (numpy.asarray(spread(g, axes, keepdim) * others, a.dtype),)

    return close("ProdBackward", y, (input,), grad, (input,))


def logsumexp(Tensor input not None, dim, bint keepdim=False):
    """log(sum of exp(x)) along dim (an axis or several), without overflow.

    Example:
      >>> import loopnest
      >>> loopnest.logsumexp(loopnest.tensor([1000.0, 1000.0]), 0)
      tensor(1000.6932)
    """
    cdef tuple axes = axes_of(input, dim)
    a = as_float(input)
    with quiet():
        top = a.max(axes, keepdims=True, initial=-numpy.inf)
        top = numpy.where(numpy.isfinite(top), top, a.dtype.type(0))
        whole = numpy.log(numpy.exp(a - top).sum(axes, keepdims=True)) + top

    def grad(g, a):
        at = numpy.where(whole == -numpy.inf, a.dtype.type(0), whole)
        with quiet():
            return (numpy.asarray(spread(g, axes, keepdim) * numpy.exp(a - at), a.dtype),)

    result = numpy.array(whole if keepdim else whole.squeeze(axes))  # a copy, which its owner may change
    return close("LogsumexpBackward", result, (input,), grad, (input,))


def norm(Tensor input not None, p=2, dim=None, bint keepdim=False):
    """(sum of |x|^p)^(1/p) along dim (an axis, several, or all); p may be inf. Its gradient at 0 is 0.

    ValueError for p <= 0.

    Example:
      >>> import loopnest
      >>> loopnest.norm(loopnest.tensor([3.0, 4.0])), loopnest.norm(loopnest.tensor([3.0, -4.0]), p=1)
      (tensor(5.), tensor(7.))
    """
    cdef tuple axes = axes_of(input, dim)
    p = float("inf") if p == "inf" else 2.0 if p is None or p == "fro" else float(p)
    if p == float("inf"):
        return amax(input.abs(), dim, keepdim)
    if p <= 0:
        raise ValueError(f"norm: expected p > 0 or inf, got {p}")
    a = as_float(input)
    size = numpy.abs(a)
    whole = numpy.sqrt((a * a).sum(axes, keepdims=True)) if p == 2 else (size ** a.dtype.type(p)).sum(
        axes, keepdims=True) ** a.dtype.type(1 / p)

    def grad(g, a):
        with quiet():
            unit = numpy.sign(a) if p == 1 else a / whole if p == 2 else numpy.sign(a) * (
                numpy.abs(a) / whole) ** a.dtype.type(p - 1)
        return (numpy.asarray(numpy.where(whole == 0, 0, unit) * spread(g, axes, keepdim), a.dtype),)

    result = numpy.array(whole if keepdim else whole.squeeze(axes))  # a copy, which its owner may change
    return close("NormBackward", result, (input,), grad, (input,))


cdef ndarray running_sums(ndarray a, int axis, bint back):
    """Sums of all elements up to each along an axis, or from its end on."""
    cdef int64_t outer = 1, inner = 1
    cdef ndarray out
    cdef int i
    if dtype_of(a) != F32 and dtype_of(a) != F64 or not cnp.PyArray_SIZE(a):
        kind = numpy.int64 if a.dtype.kind in "iub" else a.dtype
        a = numpy.flip(a, axis) if back else a
        a = numpy.cumsum(a, axis, dtype=kind)
        return numpy.flip(a, axis) if back else a
    if not (cnp.PyArray_IS_C_CONTIGUOUS(a) and cnp.PyArray_ISALIGNED(a)):
        a = a.copy()
    for i in range(axis):
        outer *= cnp.PyArray_DIMS(a)[i]
    for i in range(axis + 1, cnp.PyArray_NDIM(a)):
        inner *= cnp.PyArray_DIMS(a)[i]
    out = make_as(a)
    cumulate(dtype_of(a), cnp.PyArray_DATA(a), cnp.PyArray_DATA(out), outer, cnp.PyArray_DIMS(a)[axis],
             inner, back)
    return out


def cumsum(Tensor input not None, int dim):
    """Sums of all elements up to each, along dim; whole numbers give int64.

    Example:
      >>> import loopnest
      >>> loopnest.cumsum(loopnest.tensor([1, 2, 3]), 0)
      tensor([1, 3, 6])
    """
    cdef int axis = axis_of(input, dim, 0)
    cdef ndarray a = settled(input)
    if cnp.PyArray_NDIM(a) == 0:
        return input.clone()
    return close("CumsumBackward", running_sums(a, axis, False), (input,),
                 lambda g: (running_sums(g, axis, True),), ())


def count_nonzero(Tensor input not None, dim=None):
    """How many elements along dim (an axis, several, or all) are not 0; int64.

    Example:
      >>> import loopnest
      >>> loopnest.count_nonzero(loopnest.tensor([[0, 1], [2, 3]]), 0)
      tensor([1, 2])
    """
    return wrap(numpy.asarray(numpy.count_nonzero(settled(input), axis=axes_of(input, dim)), numpy.int64))


def any_(Tensor input not None, dim=None, bint keepdim=False):
    """True where at least one element along dim (an axis, several, or all) is not 0.

    Example:
      >>> import loopnest
      >>> loopnest.any(loopnest.tensor([[0, 1], [0, 0]]), 1)
      tensor([ True, False])
    """
    return wrap(numpy.asarray(numpy.any(settled(input), axis=axes_of(input, dim), keepdims=keepdim)))


def all_(Tensor input not None, dim=None, bint keepdim=False):
    """True where no element along dim (an axis, several, or all) is 0.

    Example:
      >>> import loopnest
      >>> loopnest.all(loopnest.tensor([[0, 1], [1, 1]]), 1)
      tensor([False,  True])
    """
    return wrap(numpy.asarray(numpy.all(settled(input), axis=axes_of(input, dim), keepdims=keepdim)))
