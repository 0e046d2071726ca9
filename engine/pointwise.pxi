# Functions of one variable and of two, element by element. Part of tensor_ops.pyx.

cdef Tensor pointwise(str title, Tensor x, object f, object slope):
    """f(x), element by element; slope(g, x) is dL/dx."""
    with quiet():
        y = numpy.asarray(f(as_float(x)))

    def grad(g, a):
        with quiet():
            return (numpy.asarray(slope(g, a)),)

    return close(title, y, (x,), grad, (x,))


def sin(Tensor input not None):
    """The sine of every element, in radians.

    Example:
      >>> import loopnest
      >>> loopnest.sin(loopnest.tensor([0.0, 1.0]))
      tensor([0.0000, 0.8415])
    """
    return pointwise("SinBackward", input, numpy.sin, lambda g, a: g * numpy.cos(a))


def cos(Tensor input not None):
    """The cosine of every element, in radians.

    Example:
      >>> import loopnest
      >>> loopnest.cos(loopnest.tensor([0.0, 1.0]))
      tensor([1.0000, 0.5403])
    """
    return pointwise("CosBackward", input, numpy.cos, lambda g, a: -g * numpy.sin(a))


def log1p(Tensor input not None):
    """log(1 + x), exact for small x.

    Example:
      >>> import loopnest
      >>> loopnest.log1p(loopnest.tensor([0.0, 1.0]))
      tensor([0.0000, 0.6931])
    """
    return pointwise("Log1PBackward", input, numpy.log1p, lambda g, a: g / (1 + a))


def expm1(Tensor input not None):
    """exp(x) - 1, exact for small x.

    Example:
      >>> import loopnest
      >>> loopnest.expm1(loopnest.tensor([0.0, 1.0]))
      tensor([0.0000, 1.7183])
    """
    return pointwise("Expm1Backward", input, numpy.expm1, lambda g, a: g * numpy.exp(a))


def log2(Tensor input not None):
    """The logarithm to base 2 of every element.

    Example:
      >>> import loopnest
      >>> loopnest.log2(loopnest.tensor([1.0, 8.0]))
      tensor([0., 3.])
    """
    return pointwise("Log2Backward", input, numpy.log2, lambda g, a: g / (a * numpy.log(2).astype(a.dtype)))


def log10(Tensor input not None):
    """The logarithm to base 10 of every element.

    Example:
      >>> import loopnest
      >>> loopnest.log10(loopnest.tensor([1.0, 10.0]))
      tensor([0., 1.])
    """
    return pointwise("Log10Backward", input, numpy.log10,
                     lambda g, a: g / (a * numpy.log(10).astype(a.dtype)))


def rsqrt(Tensor input not None):
    """1 / sqrt(x), element by element.

    Example:
      >>> import loopnest
      >>> loopnest.rsqrt(loopnest.tensor([1.0, 4.0]))
      tensor([1.0000, 0.5000])
    """
    return pointwise("RsqrtBackward", input, lambda a: 1 / numpy.sqrt(a),
                     lambda g, a: g * (a.dtype.type(-0.5) / (a * numpy.sqrt(a))))


def reciprocal(Tensor input not None):
    """1 / x, element by element; inf at 0.

    Example:
      >>> import loopnest
      >>> loopnest.reciprocal(loopnest.tensor([1.0, 4.0]))
      tensor([1.0000, 0.2500])
    """
    return pointwise("ReciprocalBackward", input, lambda a: 1 / a, lambda g, a: -g / (a * a))


cdef Tensor stepped(str title, Tensor x, object f):
    """A function that is constant between its steps: its gradient is 0."""
    return close(title, numpy.asarray(f(settled(x))).astype(settled(x).dtype, copy=False), (x,),
                 lambda g: (numpy.zeros_like(g),), ())


def sign(Tensor input not None):
    """-1, 0 or 1, element by element; the gradient is 0.

    Example:
      >>> import loopnest
      >>> loopnest.sign(loopnest.tensor([-3.0, 0.0, 2.0]))
      tensor([-1.,  0.,  1.])
    """
    return stepped("SignBackward", input, numpy.sign)


def floor(Tensor input not None):
    """The next whole number below, element by element; the gradient is 0.

    Example:
      >>> import loopnest
      >>> loopnest.floor(loopnest.tensor([-1.5, 1.5]))
      tensor([-2.,  1.])
    """
    return stepped("FloorBackward", input, numpy.floor)


def ceil(Tensor input not None):
    """The next whole number above, element by element; the gradient is 0.

    Example:
      >>> import loopnest
      >>> loopnest.ceil(loopnest.tensor([-1.5, 1.5]))
      tensor([-1.,  2.])
    """
    return stepped("CeilBackward", input, numpy.ceil)


def trunc(Tensor input not None):
    """Every element without its fraction; the gradient is 0.

    Example:
      >>> import loopnest
      >>> loopnest.trunc(loopnest.tensor([-1.5, 1.5]))
      tensor([-1.,  1.])
    """
    return stepped("TruncBackward", input, numpy.trunc)


def round_(Tensor input not None, int decimals=0):
    """To the nearest whole number (or `decimals` places), halves to even; the gradient is 0.

    Example:
      >>> import loopnest
      >>> loopnest.round(loopnest.tensor([0.5, 1.5, 2.25]))
      tensor([0., 2., 2.])
    """
    return stepped("RoundBackward", input, lambda a: numpy.round(a, decimals))


cdef Tensor chosen(str title, object input, object other, object ufunc):
    """maximum or minimum: where both are equal, each gets half of the gradient, as in PyTorch."""
    cdef Tensor x = tensor_of(input), y = tensor_of(other)
    cdef tuple shape0 = shape_of(settled(x)), shape1 = shape_of(settled(y))
    kind, dtype0, dtype1 = promoted(settled(x), settled(y)), settled(x).dtype, settled(y).dtype
    try:
        a, b = settled(x).astype(kind, copy=False), settled(y).astype(kind, copy=False)
        result = numpy.asarray(ufunc(a, b))
    except ValueError:
        raise ValueError(f"the shapes {shape0} and {shape1} do not fit each other") from None

    def grads(g, a, b):
        same = a == b
        first = ~same & (ufunc(a, b) == a)
        half = numpy.where(same, g * g.dtype.type(0.5), 0)
        return (fit(numpy.asarray(numpy.where(first, g, half), g.dtype), shape0, dtype0),
                fit(numpy.asarray(numpy.where(first | same, half, g), g.dtype), shape1, dtype1))

    return close(title, result, (x, y), grads, (x, y))


def maximum(input, other):
    """The larger of two, element by element, both broadcast; NaN wins.

    Example:
      >>> import loopnest
      >>> loopnest.maximum(loopnest.tensor([1.0, 5.0]), loopnest.tensor([3.0, 2.0]))
      tensor([3., 5.])
    """
    return chosen("MaximumBackward", input, other, numpy.maximum)


def minimum(input, other):
    """The smaller of two, element by element, both broadcast; NaN wins.

    Example:
      >>> import loopnest
      >>> loopnest.minimum(loopnest.tensor([1.0, 5.0]), loopnest.tensor([3.0, 2.0]))
      tensor([1., 2.])
    """
    return chosen("MinimumBackward", input, other, numpy.minimum)


def masked_fill(Tensor input not None, mask, value):
    """`value` (one number) where mask holds, the input elsewhere; the mask is broadcast.

    TypeError for a mask that is not bool, ValueError for one that does not fit.

    Example:
      >>> import loopnest
      >>> x = loopnest.tensor([1.0, -2.0])
      >>> loopnest.masked_fill(x, x < 0, 0.0)
      tensor([1., 0.])
    """
    cdef ndarray where = array_of(mask)
    cdef Tensor filler = tensor_of(value)
    if where.dtype.kind != "b":
        raise TypeError(f"masked_fill: expected a mask of dtype bool, got {where.dtype}")
    if recording() and (wants(input) or wants(filler)):
        where = where.copy()
    if settled(filler).ndim != 0:
        raise ValueError(f"masked_fill: expected one value, got shape {filler.shape}")
    cdef tuple shape = shape_of(settled(input))
    dtype, filler_dtype = settled(input).dtype, settled(filler).dtype
    try:
        result = numpy.where(where, settled(filler).astype(dtype), settled(input))
    except ValueError:
        raise ValueError(f"masked_fill: a mask of shape {shape_of(where)} does not fit input of shape "
                         f"{shape}") from None

    def grads(g):
        return (fit(numpy.where(where, g.dtype.type(0), g), shape, dtype),
                numpy.asarray(numpy.where(where, g, g.dtype.type(0)).sum(), filler_dtype))

    return close("MaskedFillBackward", numpy.asarray(result), (input, filler), grads, ())


def logical_and(input, other):
    """True where both are not 0, element by element, both broadcast.

    Example:
      >>> import loopnest
      >>> loopnest.logical_and(loopnest.tensor([0, 1, 2]), loopnest.tensor([1, 1, 0]))
      tensor([False,  True, False])
    """
    return wrap(numpy.asarray(numpy.logical_and(array_of(input), array_of(other))))


def logical_or(input, other):
    """True where at least one of both is not 0, element by element, both broadcast.

    Example:
      >>> import loopnest
      >>> loopnest.logical_or(loopnest.tensor([0, 1, 0]), loopnest.tensor([1, 1, 0]))
      tensor([ True,  True, False])
    """
    return wrap(numpy.asarray(numpy.logical_or(array_of(input), array_of(other))))


def logical_xor(input, other):
    """True where one of both is not 0 and the other is, element by element, both broadcast.

    Example:
      >>> import loopnest
      >>> loopnest.logical_xor(loopnest.tensor([0, 1, 0]), loopnest.tensor([1, 1, 0]))
      tensor([ True, False, False])
    """
    return wrap(numpy.asarray(numpy.logical_xor(array_of(input), array_of(other))))


def logical_not(input):
    """True where the input is 0.

    Example:
      >>> import loopnest
      >>> loopnest.logical_not(loopnest.tensor([0, 1]))
      tensor([ True, False])
    """
    return wrap(numpy.asarray(numpy.logical_not(array_of(input))))


def isnan(input):
    """True where the input is NaN.

    Example:
      >>> import loopnest
      >>> loopnest.isnan(loopnest.tensor([1.0, float("nan")]))
      tensor([False,  True])
    """
    return wrap(numpy.asarray(numpy.isnan(array_of(input))))


def isinf(input):
    """True where the input is inf or -inf.

    Example:
      >>> import loopnest
      >>> loopnest.isinf(loopnest.tensor([1.0, float("-inf")]))
      tensor([False,  True])
    """
    return wrap(numpy.asarray(numpy.isinf(array_of(input))))


def isfinite(input):
    """True where the input is neither infinite nor NaN.

    Example:
      >>> import loopnest
      >>> loopnest.isfinite(loopnest.tensor([1.0, float("inf")]))
      tensor([ True, False])
    """
    return wrap(numpy.asarray(numpy.isfinite(array_of(input))))


def isclose(input, other, double rtol=1e-5, double atol=1e-8, bint equal_nan=False):
    """True where |input - other| <= atol + rtol * |other|; with equal_nan also where both are NaN.

    Example:
      >>> import loopnest
      >>> loopnest.isclose(loopnest.tensor([1.0, 2.0]), loopnest.tensor([1.0, 2.1]))
      tensor([ True, False])
    """
    return wrap(numpy.asarray(numpy.isclose(array_of(input), array_of(other), rtol, atol, equal_nan)))


def allclose(input, other, double rtol=1e-5, double atol=1e-8, bint equal_nan=False):
    """True if |input - other| <= atol + rtol * |other| everywhere; a bool.

    Example:
      >>> import loopnest
      >>> loopnest.allclose(loopnest.tensor([1.0, 2.0]), loopnest.tensor([1.0, 2.1]), rtol=0.1)
      True
    """
    return bool(numpy.allclose(array_of(input), array_of(other), rtol, atol, equal_nan))


def equal(input, other):
    """True if shape and elements are equal; a bool.

    Example:
      >>> import loopnest
      >>> loopnest.equal(loopnest.tensor([1, 2]), loopnest.tensor([1, 2]))
      True
    """
    return bool(numpy.array_equal(array_of(input), array_of(other)))
