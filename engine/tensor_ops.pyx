"""Tensor operations under PyTorch's names that need no kernel of their own: NumPy computes, the tape records.

The names and their meaning are torch's. `attach` at the end makes methods of those that are methods there:
extension types take no attributes from Python, so that is done here, in one place.
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


# ------------------------------------------------------------------------------------------------------------
# Functions of one variable

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
      >>> loopnest.log10(loopnest.tensor([1.0, 1000.0]))
      tensor([0., 3.])
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


# ------------------------------------------------------------------------------------------------------------
# Two variables

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


# ------------------------------------------------------------------------------------------------------------
# Products; matmul itself stands in arithmetic.pxi

cdef int need_rank(str op, str name, Tensor t, int rank) except -1:
    if cnp.PyArray_NDIM(settled(t)) != rank:
        raise ValueError(f"{op}: expected {name} of {rank} axes, got shape {t.shape}")
    return 0


def mm(Tensor input not None, Tensor mat2 not None):
    """The product of two matrices, (m, k) by (k, n); ValueError for anything else.

    Example:
      >>> import loopnest
      >>> loopnest.mm(loopnest.tensor([[1.0, 2.0]]), loopnest.tensor([[3.0], [4.0]]))
      tensor([[11.]])
    """
    need_rank("mm", "input", input, 2)
    need_rank("mm", "mat2", mat2, 2)
    return matmul(input, mat2)


def bmm(Tensor input not None, Tensor mat2 not None):
    """(b, m, k) by (b, k, n), matrix by matrix; ValueError for anything else.

    Example:
      >>> import loopnest
      >>> loopnest.bmm(loopnest.ones(5, 2, 3), loopnest.ones(5, 3, 4)).shape
      (5, 2, 4)
    """
    need_rank("bmm", "input", input, 3)
    need_rank("bmm", "mat2", mat2, 3)
    if input.shape[0] != mat2.shape[0]:
        raise ValueError(f"bmm: expected as many matrices in both, got {input.shape} and {mat2.shape}")
    return matmul(input, mat2)


def mv(Tensor input not None, Tensor vec not None):
    """A matrix times a vector, (m, k) by (k) -> (m); ValueError for anything else.

    Example:
      >>> import loopnest
      >>> loopnest.mv(loopnest.tensor([[1.0, 2.0], [3.0, 4.0]]), loopnest.tensor([1.0, 1.0]))
      tensor([3., 7.])
    """
    need_rank("mv", "input", input, 2)
    need_rank("mv", "vec", vec, 1)
    return matmul(input, vec)


def dot(Tensor input not None, Tensor other not None):
    """The sum of the products of two vectors, (k) by (k); ValueError for anything else.

    Example:
      >>> import loopnest
      >>> loopnest.dot(loopnest.tensor([1.0, 2.0]), loopnest.tensor([3.0, 4.0]))
      tensor(11.)
    """
    need_rank("dot", "input", input, 1)
    need_rank("dot", "other", other, 1)
    return matmul(input, other)


def outer(Tensor input not None, Tensor vec2 not None):
    """(m) by (n) -> (m, n), every product; ValueError for anything but vectors.

    Example:
      >>> import loopnest
      >>> loopnest.outer(loopnest.tensor([1.0, 2.0]), loopnest.tensor([3.0, 4.0]))
      tensor([[3., 4.],
              [6., 8.]])
    """
    need_rank("outer", "input", input, 1)
    need_rank("outer", "vec2", vec2, 1)
    return unsqueeze(input, 1) * unsqueeze(vec2, 0)


cdef object labels_of(str equation, tuple operands):
    """The labels of each operand and of the result, "..." replaced by capitals that nobody uses."""
    text = equation.replace(" ", "")
    left, arrow, right = text.partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise ValueError(f"einsum: {equation!r} has {len(terms)} operands, got {len(operands)}")
    for c in text.replace("...", "").replace("->", "").replace(",", ""):
        if not (c.isascii() and c.isalpha()):
            raise ValueError(f"einsum: expected letters, commas, '...' and '->', got {c!r} in {equation!r}")
    spare = [c for c in "ZYXWVUTSRQPONMLKJIHGFEDCBAzyxwvutsrqponmlkjihgfedcba" if c not in text]
    longest = 0
    for term, x in zip(terms, operands):
        if "..." in term:
            longest = max(longest, x.ndim - len(term.replace("...", "")))
    spare = "".join(spare[:longest])[::-1]
    found = []
    for i, (term, x) in enumerate(zip(terms, operands)):
        hidden = x.ndim - len(term.replace("...", "")) if "..." in term else 0
        term = term.replace("...", spare[len(spare) - hidden:] if hidden > 0 else "")
        if len(term) != x.ndim:
            raise ValueError(f"einsum: operand {i} of {equation!r} has shape {x.shape}")
        found.append(term)
    if arrow:
        out = right.replace("...", spare)
        missing = [c for c in out if not any(c in term for term in found)]
        if missing or len(set(out)) != len(out):
            raise ValueError(f"einsum: the result of {equation!r} repeats a label or has one of its own")
    else:  # as NumPy: the hidden axes, then in the order of the alphabet what stands there once
        out = spare + "".join(sorted(c for c in set(left.replace("...", "")) if c.isalpha()
                                     and left.count(c) == 1))
    return found, out


cdef Tensor onto(Tensor x, str have, str want):
    """x with its axes in the order of `want`; axes that `have` lacks get length 1."""
    order = [have.index(c) for c in want if c in have]
    x = permute(x, order) if order != list(range(len(order))) else x
    for i, c in enumerate(want):
        if c not in have:
            x = unsqueeze(x, i)
    return x


def einsum(str equation, *operands):
    """Sums of products by the labels of the axes, as numpy.einsum: "bij,bjk->bik" is bmm.

    Pairs are multiplied from left to right, each as one (batched) matrix product on the gemm kernel. Knows
    implicit results, "..." and labels repeated in one operand (diagonals).

    Example:
      >>> import loopnest
      >>> loopnest.einsum("ij,j->i", loopnest.tensor([[1.0, 2.0], [3.0, 4.0]]), loopnest.tensor([1.0, 1.0]))
      tensor([3., 7.])
    """
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = tuple(operands[0])
    operands = tuple([tensor_of(x) for x in operands])
    terms, out = labels_of(equation, operands)
    ready = []
    length = {}
    for x, term in zip(operands, terms):
        for c in sorted(set(term)):
            while term.count(c) > 1:  # the diagonal goes to the end
                first = term.index(c)
                second = term.index(c, first + 1)
                x = diagonal(x, 0, first, second)
                term = "".join([t for k, t in enumerate(term) if k not in (first, second)]) + c
        for c, n in zip(term, x.shape):
            if length.get(c, 1) != 1 and n != 1 and length[c] != n:
                raise ValueError(f"einsum: label {c!r} of {equation!r} is {length[c]} and {n}")
            length[c] = max(length.get(c, 1), n)
        ready.append((x, term))
    x, have = ready[0]
    for k in range(1, len(ready)):
        later = set(out).union(*[set(term) for _, term in ready[k + 1:]])
        x, have = _contract(x, have, ready[k][0], ready[k][1], later)
    drop = tuple([i for i, c in enumerate(have) if c not in out])
    if drop:
        x = x.sum(drop)
        have = "".join([c for c in have if c in out])
    return onto(x, have, out)


def _contract(x, a, y, b, later):
    """x with labels a times y with labels b, summed over the labels that nobody needs later."""
    def alone(t, mine, other):
        drop = tuple([i for i, c in enumerate(mine) if c not in other and c not in later])
        return (t.sum(drop), "".join([c for c in mine if c in other or c in later])) if drop else (t, mine)

    x, a = alone(x, a, b)
    y, b = alone(y, b, a)
    for c in a:  # an axis of length 1 against a longer one is no matrix product: let it broadcast
        if c in b and x.shape[a.index(c)] != y.shape[b.index(c)]:
            every = a + "".join([d for d in b if d not in a])
            z = onto(x, a, every) * onto(y, b, every)
            drop = tuple([i for i, d in enumerate(every) if d not in later])
            return (z.sum(drop) if drop else z), "".join([d for d in every if d in later])
    batch = [c for c in a if c in b and c in later]
    inner = [c for c in a if c in b and c not in later]
    rows = [c for c in a if c not in b]
    columns = [c for c in b if c not in a]

    def size(t, mine, labels):
        n = 1
        for c in labels:
            n *= t.shape[mine.index(c)]
        return n

    sizes = [x.shape[a.index(c)] for c in batch + rows] + [y.shape[b.index(c)] for c in columns]
    n = size(x, a, batch), size(x, a, rows), size(x, a, inner), size(y, b, columns)
    left = onto(x, a, "".join(batch + rows + inner))
    right = onto(y, b, "".join(batch + inner + columns))
    if batch:
        left, right = reshape(left, (n[0], n[1], n[2])), reshape(right, (n[0], n[2], n[3]))
    else:
        left, right = reshape(left, (n[1], n[2])), reshape(right, (n[2], n[3]))
    return reshape(matmul(left, right), tuple(sizes)), "".join(batch + rows + columns)


# ------------------------------------------------------------------------------------------------------------
# Reductions

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


# ------------------------------------------------------------------------------------------------------------
# Order

cdef Tensor taken(Tensor x, ndarray at, int axis, str title):
    """The elements at `at` along an axis; no place may be named twice in a row."""
    cdef tuple shape = shape_of(settled(x))

    def grad(g):
        dx = numpy.zeros(shape, g.dtype)
        numpy.put_along_axis(dx, at, g, axis)
        return (dx,)

    return close(title, numpy.take_along_axis(settled(x), at, axis), (x,), grad, ())


cdef ndarray order_of(ndarray a, int axis, bint descending):
    """Places in (falling) order, equal elements in their own order, NaN as the largest."""
    if not descending:
        return numpy.argsort(a, axis, kind="stable")
    at = numpy.argsort(numpy.flip(a, axis), axis, kind="stable")
    return numpy.ascontiguousarray(numpy.flip(a.shape[axis] - 1 - at, axis))


def sort(Tensor input not None, int dim=-1, bint descending=False, bint stable=True):
    """(values, indices) in order along dim; equal elements stay in their order, NaN counts as the largest.

    Example:
      >>> import loopnest
      >>> loopnest.sort(loopnest.tensor([3, 1, 2]))
      (values=tensor([1, 2, 3]), indices=tensor([1, 2, 0]))
    """
    cdef int axis = axis_of(input, dim, 0)
    if cnp.PyArray_NDIM(settled(input)) == 0:
        return Extreme((input.clone(), wrap(numpy.asarray(0))))
    cdef ndarray at = order_of(settled(input), axis, descending)
    return Extreme((taken(input, at, axis, "SortBackward"), wrap(at)))


def argsort(Tensor input not None, int dim=-1, bint descending=False, bint stable=True):
    """The indices that sort gives, int64.

    Example:
      >>> import loopnest
      >>> loopnest.argsort(loopnest.tensor([3, 1, 2]))
      tensor([1, 2, 0])
    """
    return sort(input.detach(), dim, descending, stable)[1]


cdef ndarray best_of(ndarray a, int axis, int64_t k, bint largest):
    """The places of the k largest or smallest floats along an axis, best first; k is at most most_best."""
    cdef ndarray rows = numpy.ascontiguousarray(numpy.moveaxis(a, axis, -1))
    cdef int last = cnp.PyArray_NDIM(a) - 1
    cdef int64_t n = cnp.PyArray_DIMS(rows)[last]
    cdef ndarray out = numpy.empty(shape_of(rows)[:-1] + (k,), numpy.int64)
    if not cnp.PyArray_ISALIGNED(rows):
        rows = rows.copy()
    best_places(dtype_of(rows), cnp.PyArray_DATA(rows), cnp.PyArray_SIZE(rows) // n, n, k, largest,
                <int64_t*>cnp.PyArray_DATA(out))
    return numpy.moveaxis(out, -1, axis)


def topk(Tensor input not None, k, int dim=-1, bint largest=True, bint sorted=True):
    """(values, indices) of the k largest (or smallest) elements along dim, in falling (rising) order.

    Example:
      >>> import loopnest
      >>> loopnest.topk(loopnest.tensor([3, 1, 2]), 2)
      (values=tensor([3, 2]), indices=tensor([0, 2]))
    """
    cdef int axis = axis_of(input, dim, 0)
    cdef ndarray a = settled(input)
    if cnp.PyArray_NDIM(a) == 0:
        return sort(input)
    length = a.shape[axis]
    if not 0 <= k <= length:
        raise ValueError(f"topk: expected k in 0 ... {length} (input {input.shape}, dim {dim}), got {k}")
    if k <= most_best and (dtype_of(a) == F32 or dtype_of(a) == F64) and cnp.PyArray_SIZE(a):
        at = best_of(a, axis, k, largest)
    elif 0 < 8 * k < length:  # only what can be among them is put in order
        near = numpy.argpartition(a, length - k if largest else k - 1, axis)
        near = numpy.sort(numpy.take(near, range(length - k, length) if largest else range(k), axis), axis)
        at = numpy.take_along_axis(near, order_of(numpy.take_along_axis(a, near, axis), axis, largest), axis)
    else:
        at = numpy.take(order_of(a, axis, largest), range(k), axis)
    return Extreme((taken(input, at, axis, "TopkBackward"), wrap(at)))


def unique(input, bint sorted=True, bint return_inverse=False, bint return_counts=False, dim=None):
    """The different elements (slices along dim) in rising order; on request where each element of the input
    stands among them, and how often each appears.

    Example:
      >>> import loopnest
      >>> loopnest.unique(loopnest.tensor([3, 1, 3]))
      tensor([1, 3])
    """
    a = array_of(input)
    if not (return_inverse or return_counts):
        return wrap(numpy.unique(a, axis=dim))
    found = list(numpy.unique(a, return_inverse=return_inverse, return_counts=return_counts, axis=dim))
    if return_inverse:  # NumPy 1 gives it flat
        found[1] = found[1].reshape(shape_of(a) if dim is None else -1)
    return tuple([wrap(numpy.asarray(f)) for f in found])


def bincount(input, weights=None, int minlength=0):
    """How often each of 0, 1, 2 ... appears (or the sum of its weights), at least minlength of them.

    Example:
      >>> import loopnest
      >>> loopnest.bincount(loopnest.tensor([0, 2, 2]))
      tensor([1, 0, 2])
    """
    w = None if weights is None else array_of(weights)
    return wrap(numpy.bincount(array_of(input), w, minlength))


def nonzero(Tensor input not None, bint as_tuple=False):
    """The places that are not 0, one row each; or, as_tuple, one tensor per axis.

    Example:
      >>> import loopnest
      >>> loopnest.nonzero(loopnest.tensor([[0, 5], [6, 0]]))
      tensor([[0, 1],
              [1, 0]])
    """
    at = numpy.nonzero(settled(input))
    return tuple([wrap(i) for i in at]) if as_tuple else wrap(numpy.stack(at, 1))


# ------------------------------------------------------------------------------------------------------------
# Elements by index

cdef ndarray index_array(str op, object index):
    cdef ndarray at = array_of(index)
    if at.dtype.kind not in "iu":
        raise TypeError(f"{op}: expected an index of dtype int64, got {at.dtype}")
    return at.astype(numpy.int64, copy=recording())  # its owner may change it before backward


cdef int in_range(str op, ndarray at, object length) except -1:
    if cnp.PyArray_SIZE(at) and (at.min() < 0 or at.max() >= length):
        bad = at[(at < 0) | (at >= length)].reshape(-1)[0]
        raise IndexError(f"{op}: index {bad} is out of range for an axis of length {length}")
    return 0


cdef tuple places(str op, Tensor x, int axis, ndarray at):
    """The index tuple that NumPy needs for `at` along an axis."""
    cdef tuple shape = shape_of(settled(x))
    if at.ndim != len(shape):
        raise ValueError(f"{op}: expected an index of {len(shape)} axes as input {shape}, got {shape_of(at)}")
    for i, n in enumerate(shape):
        if i != axis and at.shape[i] > n:
            raise ValueError(f"{op}: expected an index of at most {n} along dim {i} (input {shape}), got "
                             f"{shape_of(at)}")
    if len(shape):
        in_range(op, at, shape[axis])
    grid = numpy.ogrid[tuple([slice(n) for n in shape_of(at)])] if len(shape) else ()
    return tuple([at if i == axis else g for i, g in enumerate(grid)])


cdef ndarray added_at(tuple shape, tuple at, ndarray g, bint distinct):
    """Zeros of a shape with g added at the places."""
    dx = numpy.zeros(shape, g.dtype)
    if distinct:
        dx[at] = g
    else:
        numpy.add.at(dx, at, g)
    return dx


def gather(Tensor input not None, int dim, index):
    """out[i][j][k] = input[index[i][j][k]][j][k] for dim 0, and so on; as torch.gather.

    The result has the index's shape. IndexError for an index out of range.

    Example:
      >>> import loopnest
      >>> loopnest.gather(loopnest.tensor([[1, 2], [3, 4]]), 1, loopnest.tensor([[0], [1]]))
      tensor([[1],
              [4]])
    """
    cdef ndarray at = index_array("gather", index)
    cdef int axis = axis_of(input, dim, 0)
    cdef tuple where = places("gather", input, axis, at), shape = shape_of(settled(input))
    cdef bint distinct = not shape or at.shape[axis] == 1
    return close("GatherBackward", numpy.asarray(settled(input)[where]), (input,),
                 lambda g: (added_at(shape, where, g, distinct),), ())


def scatter_add(Tensor input not None, int dim, index, src):
    """input with src[i][j][k] added at [index[i][j][k]][j][k] for dim 0, and so on; a new tensor.

    Example:
      >>> import loopnest
      >>> loopnest.scatter_add(loopnest.zeros(3), 0, loopnest.tensor([0, 0, 2]), loopnest.ones(3))
      tensor([2., 0., 1.])
    """
    cdef ndarray at = index_array("scatter_add", index)
    cdef Tensor source = tensor_of(src)
    cdef tuple where = places("scatter_add", input, axis_of(input, dim, 0), at)
    cdef ndarray piece = source_piece("scatter_add", source, at, input)
    cdef tuple shape = shape_of(settled(source))
    out = settled(input).copy()
    numpy.add.at(out, where, piece)
    return close("ScatterAddBackward", out, (input, source),
                 lambda g: (g, padded(numpy.asarray(g[where]), shape)), ())


def scatter(Tensor input not None, int dim, index, src=None, value=None):
    """input with src[i][j][k] (or one number, src or value) put at [index[i][j][k]][j][k] for dim 0, and so
    on; new.

    Example:
      >>> import loopnest
      >>> loopnest.scatter(loopnest.zeros(3), 0, loopnest.tensor([2, 0]), loopnest.tensor([5.0, 7.0]))
      tensor([7., 0., 5.])
    """
    if (src is None) == (value is None):
        raise ValueError("scatter: expected either src or value")
    src = value if src is None else src
    cdef ndarray at = index_array("scatter", index)
    cdef tuple where = places("scatter", input, axis_of(input, dim, 0), at)
    cdef Tensor source = tensor_of(src)
    cdef tuple shape = shape_of(settled(source))
    cdef bint number = not isinstance(src, Tensor)
    out = settled(input).copy()
    out[where] = settled(source) if number else source_piece("scatter", source, at, input)

    def grads(g):
        rest = g.copy()
        rest[where] = 0
        return rest, None if number else padded(numpy.asarray(g[where]), shape)

    return close("ScatterBackward", out, (input, source), grads, ())


cdef ndarray source_piece(str op, Tensor source, ndarray at, Tensor x):
    """The part of src that the index looks at."""
    cdef ndarray a = settled(source)
    if a.ndim != at.ndim or numpy.any(numpy.array(shape_of(a)) < numpy.array(shape_of(at))):
        raise ValueError(f"{op}: expected src of at least the index's shape {shape_of(at)}, got "
                         f"{shape_of(a)}")
    if a.dtype != settled(x).dtype:
        raise TypeError(f"{op}: input is {settled(x).dtype} but src is {a.dtype}")
    return numpy.asarray(a[tuple([slice(n) for n in shape_of(at)])])


cdef ndarray padded(ndarray g, tuple shape):
    """g with zeros behind it up to a shape."""
    if shape_of(g) == shape:
        return g
    out = numpy.zeros(shape, g.dtype)
    out[tuple([slice(n) for n in shape_of(g)])] = g
    return out


def index_select(Tensor input not None, int dim, index):
    """The slices `index` (1 axis) along dim; a copy. IndexError for an index out of range.

    Example:
      >>> import loopnest
      >>> loopnest.index_select(loopnest.tensor([[1, 2], [3, 4]]), 1, loopnest.tensor([1, 1]))
      tensor([[2, 2],
              [4, 4]])
    """
    cdef ndarray at = index_array("index_select", index)
    cdef int axis = axis_of(input, dim, 0)
    if at.ndim > 1:
        raise ValueError(f"index_select: expected an index of 1 axis, got {shape_of(at)}")
    in_range("index_select", at, input.shape[axis] if input.ndim else 1)
    return getitem(input, (slice(None),) * axis + (at.reshape(-1),)) if input.ndim else input.clone()


def index_add(Tensor input not None, int dim, index, Tensor source not None, alpha=1):
    """input with the slices of source added at `index` (1 axis) along dim; a new tensor.

    Example:
      >>> import loopnest
      >>> loopnest.index_add(loopnest.zeros(3), 0, loopnest.tensor([0, 0]), loopnest.tensor([1.0, 2.0]))
      tensor([3., 0., 0.])
    """
    cdef ndarray at = index_array("index_add", index)
    cdef int axis = axis_of(input, dim, 0)
    if at.ndim != 1:
        raise ValueError(f"index_add: expected an index of 1 axis, got {shape_of(at)}")
    in_range("index_add", at, input.shape[axis])
    where = (slice(None),) * axis + (at,)
    out = settled(input).copy()
    added = settled(source) if alpha == 1 else settled(source) * settled(source).dtype.type(alpha)
    try:
        numpy.add.at(out, where, added)
    except ValueError:
        raise ValueError(f"index_add: source {source.shape} does not fit {at.size} slices of input "
                         f"{input.shape} along dim {dim}") from None
    return close("IndexAddBackward", out, (input, source),
                 lambda g: (g, g[where] if alpha == 1 else g[where] * g.dtype.type(alpha)), ())


def masked_select(Tensor input not None, mask):
    """The elements where mask holds, in one row. TypeError for a mask that is not bool.

    Example:
      >>> import loopnest
      >>> x = loopnest.tensor([[1, 2], [3, 4]])
      >>> loopnest.masked_select(x, x > 2)
      tensor([3, 4])
    """
    cdef ndarray where = array_of(mask)
    if where.dtype.kind != "b":
        raise TypeError(f"masked_select: expected a mask of dtype bool, got {where.dtype}")
    shape = numpy.broadcast_shapes(shape_of(settled(input)), shape_of(where))
    return getitem(input if input.shape == shape else expand(input, shape), numpy.broadcast_to(where, shape))


def take_along_dim(Tensor input not None, indices, int dim):
    """As gather, with axes of length 1 of the index repeated.

    Example:
      >>> import loopnest
      >>> x = loopnest.tensor([[3, 1], [2, 4]])
      >>> loopnest.take_along_dim(x, x.argsort(1), 1)
      tensor([[1, 3],
              [2, 4]])
    """
    cdef ndarray at = index_array("take_along_dim", indices)
    cdef int axis = axis_of(input, dim, 0)
    shape = list(numpy.broadcast_shapes(*[tuple([1 if i == axis else n for i, n in enumerate(s)])
                                          for s in (input.shape, shape_of(at))]))
    shape[axis] = at.shape[axis]
    return gather(input, dim, wrap(numpy.broadcast_to(at, shape)))


# ------------------------------------------------------------------------------------------------------------
# Shape

def narrow(Tensor input not None, int dim, start, length):
    """The slices start ... start + length - 1 along dim, a view. IndexError where they do not fit.

    Example:
      >>> import loopnest
      >>> loopnest.narrow(loopnest.arange(6), 0, 2, 3)
      tensor([2, 3, 4])
    """
    cdef int axis = axis_of(input, dim, 0)
    whole = input.shape[axis]
    start = start + whole if start < 0 else start
    if not (0 <= start <= whole and 0 <= length <= whole - start):
        raise IndexError(f"narrow: {length} slices from {start} on do not fit into dim {dim} of "
                         f"{input.shape}")
    return getitem(input, (slice(None),) * axis + (slice(start, start + length),))


def select(Tensor input not None, int dim, index):
    """The slice `index` along dim, without that axis; a view.

    Example:
      >>> import loopnest
      >>> loopnest.select(loopnest.tensor([[1, 2], [3, 4]]), 1, 0)
      tensor([1, 3])
    """
    return getitem(input, (slice(None),) * axis_of(input, dim, 0) + (index,))


def movedim(Tensor input not None, source, destination):
    """The axes `source` at the places `destination`, the others in their order; a view.

    Example:
      >>> import loopnest
      >>> loopnest.movedim(loopnest.zeros(2, 3, 4), 0, -1).shape
      (3, 4, 2)
    """
    first = [axis_of(input, d, 0) for d in ((source,) if isinstance(source, int) else source)]
    last = [axis_of(input, d, 0) for d in ((destination,) if isinstance(destination, int) else destination)]
    if len(first) != len(last) or len(set(first)) != len(first) or len(set(last)) != len(last):
        raise ValueError(f"movedim: expected as many different axes in both, got {source} and {destination}")
    order = [i for i in range(input.ndim) if i not in first]
    for to, axis in sorted_pairs(last, first):
        order.insert(to, axis)
    return permute(input, order)


cdef list sorted_pairs(list a, list b):
    pairs = list(zip(a, b))
    pairs.sort()
    return pairs


def unflatten(Tensor input not None, int dim, sizes):
    """An axis split into several; one of the sizes may be -1. ValueError if they do not make its length.

    Example:
      >>> import loopnest
      >>> loopnest.unflatten(loopnest.zeros(2, 12), 1, (3, -1)).shape
      (2, 3, 4)
    """
    cdef int axis = axis_of(input, dim, 0)
    shape = input.shape
    sizes = list(sizes)
    known = int(numpy.prod([n for n in sizes if n != -1], dtype=numpy.int64))
    if sizes.count(-1) == 1 and known and shape[axis] % known == 0:
        sizes[sizes.index(-1)] = shape[axis] // known
    if int(numpy.prod(sizes, dtype=numpy.int64)) != shape[axis] or -1 in sizes:
        raise ValueError(f"unflatten: {tuple(sizes)} does not make {shape[axis]}, dim {dim} of {shape}")
    return reshape(input, shape[:axis] + tuple(sizes) + shape[axis + 1:])


def roll(Tensor input not None, shifts, dims=None):
    """Elements moved along dims, those that fall out at the end come in at the beginning; a copy.

    Example:
      >>> import loopnest
      >>> loopnest.roll(loopnest.arange(4), 1)
      tensor([3, 0, 1, 2])
    """
    if dims is None:
        axes = None
        if not isinstance(shifts, int):
            raise ValueError("roll: expected dims for more than one shift")
    else:
        axes = tuple([axis_of(input, d, 0) for d in ((dims,) if isinstance(dims, int) else dims)])
        shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
        if len(shifts) != len(axes):
            raise ValueError(f"roll: expected as many shifts as dims, got {shifts} and {dims}")
    back = -shifts if axes is None else tuple([-s for s in shifts])
    return close("RollBackward", numpy.roll(settled(input), shifts, axes), (input,),
                 lambda g: (numpy.roll(g, back, axes),), ())


def repeat(Tensor input not None, *sizes):
    """The tensor sizes[i] times along axis i; new axes come first. A copy.

    Example:
      >>> import loopnest
      >>> loopnest.tensor([1, 2]).repeat(2, 2)
      tensor([[1, 2, 1, 2],
              [1, 2, 1, 2]])
    """
    times = tuple(sizes[0]) if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes
    cdef tuple shape = shape_of(settled(input))
    if len(times) < len(shape):
        raise ValueError(f"repeat: expected at least {len(shape)} sizes (input {shape}), got {times}")
    whole = (1,) * (len(times) - len(shape)) + shape

    def grad(g):
        split = []
        for t, n in zip(times, whole):
            split += [t, n]
        return (g.reshape(split).sum(tuple(range(0, 2 * len(whole), 2))).reshape(shape),)

    return close("RepeatBackward", numpy.tile(settled(input), times), (input,), grad, ())


def tile(Tensor input not None, dims):
    """As repeat; missing sizes are 1.

    Example:
      >>> import loopnest
      >>> loopnest.tile(loopnest.tensor([[1, 2]]), (2,))
      tensor([[1, 2, 1, 2]])
    """
    times = (dims,) if isinstance(dims, int) else tuple(dims)
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


def repeat_interleave(Tensor input not None, repeats, dim=None):
    """Each element (slice) along dim `repeats` times, one after the other.

    Example:
      >>> import loopnest
      >>> loopnest.repeat_interleave(loopnest.tensor([1, 2]), 2)
      tensor([1, 1, 2, 2])
    """
    x = reshape(input, -1) if dim is None else input
    axis = 0 if dim is None else axis_of(x, dim, 0)
    counts = array_of(repeats)
    at = numpy.repeat(numpy.arange(x.shape[axis]), counts)
    return index_select(x, axis, wrap(at))


def diagonal(Tensor input not None, int offset=0, int dim1=0, int dim2=1):
    """The diagonal of two axes, as a new last axis; a copy. offset > 0 lies above, < 0 below.

    Example:
      >>> import loopnest
      >>> loopnest.diagonal(loopnest.tensor([[1, 2], [3, 4]]))
      tensor([1, 4])
    """
    cdef int a = axis_of(input, dim1, 0), b = axis_of(input, dim2, 0)
    cdef tuple shape = shape_of(settled(input))
    if a == b:
        raise ValueError(f"diagonal: expected two different axes, got {dim1} and {dim2}")

    def grad(g):
        dx = numpy.zeros(shape, g.dtype)
        diagonal_of(dx, offset, a, b)[...] = g
        return (dx,)

    cdef Tensor out = close("DiagonalBackward", diagonal_of(settled(input), offset, a, b), (input,), grad, ())
    out.version = shared_version(input)
    return out


cdef ndarray diagonal_of(ndarray x, int offset, int a, int b):
    """NumPy's diagonal, as writable as x."""
    view = numpy.diagonal(x, offset, a, b)
    if x.flags.writeable:
        view.flags.writeable = True
    return view


cdef Tensor triangle(Tensor x, int diagonal, object f, str title):
    if x.ndim < 2:
        raise ValueError(f"{title}: expected a tensor of at least 2 axes, got {x.shape}")
    return close(title, f(settled(x), diagonal), (x,), lambda g: (f(g, diagonal),), ())


def tril(Tensor input not None, int diagonal=0):
    """The lower triangle of the last two axes, zeros above; the diagonal may be moved up.

    Example:
      >>> import loopnest
      >>> loopnest.tril(loopnest.ones(2, 2))
      tensor([[1., 0.],
              [1., 1.]])
    """
    return triangle(input, diagonal, numpy.tril, "TrilBackward")


def triu(Tensor input not None, int diagonal=0):
    """The upper triangle of the last two axes, zeros below; the diagonal may be moved up.

    Example:
      >>> import loopnest
      >>> loopnest.triu(loopnest.ones(2, 2), 1)
      tensor([[0., 1.],
              [0., 0.]])
    """
    return triangle(input, diagonal, numpy.triu, "TriuBackward")


def unfold(Tensor input not None, int dimension, size, step):
    """Windows of `size` along an axis, `step` apart, as a new last axis: Tensor.unfold.

    ValueError where no window fits.

    Example:
      >>> import loopnest
      >>> loopnest.arange(5).unfold(0, 3, 2)
      tensor([[0, 1, 2],
              [2, 3, 4]])
    """
    cdef int axis = axis_of(input, dimension, 0)
    cdef tuple shape = shape_of(settled(input))
    if not 0 < size <= shape[axis] or step < 1:
        raise ValueError(f"unfold: windows of {size} every {step} do not fit dim {dimension} of {shape}")
    windows = numpy.lib.stride_tricks.sliding_window_view(settled(input), size, axis)
    every = (slice(None),) * axis + (slice(None, None, step),)

    def grad(g):
        dx = numpy.zeros(shape, g.dtype)
        for i in range(size):
            at = (slice(None),) * axis + (slice(i, i + (g.shape[axis] - 1) * step + 1, step),)
            dx[at] += g[..., i]
        return (dx,)

    return close("UnfoldBackward", windows[every], (input,), grad, ())


def meshgrid(*tensors, str indexing="ij"):
    """Every combination of coordinates, one tensor per axis; indexing "ij" (rows first) or "xy".

    Example:
      >>> import loopnest
      >>> loopnest.meshgrid(loopnest.arange(2), loopnest.arange(2))
      (tensor([[0, 0],
              [1, 1]]), tensor([[0, 1],
              [0, 1]]))
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    return tuple([wrap(a.copy()) for a in numpy.meshgrid(*[array_of(t) for t in given], indexing=indexing)])


# ------------------------------------------------------------------------------------------------------------
# New tensors

def linspace(start, end, steps, dtype=None):
    """`steps` numbers from start to end, both included, evenly spaced; float32 unless dtype says otherwise.

    Example:
      >>> import loopnest
      >>> loopnest.linspace(0, 1, 5)
      tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    if steps < 0:
        raise ValueError(f"linspace: expected at least 0 steps, got {steps}")
    return wrap(numpy.linspace(float(start), float(end), steps).astype(dtype or numpy.float32))


def eye(n, m=None, dtype=None):
    """Ones on the diagonal of an (n, m) matrix, zeros elsewhere; m is n, dtype float32 unless given.

    Example:
      >>> import loopnest
      >>> loopnest.eye(2)
      tensor([[1., 0.],
              [0., 1.]])
    """
    return wrap(numpy.eye(n, m, dtype=dtype or numpy.float32))


def full_like(Tensor input not None, fill_value, dtype=None):
    """Another tensor's shape and dtype, filled with a value.

    Example:
      >>> import loopnest
      >>> loopnest.full_like(loopnest.zeros(2), 7)
      tensor([7., 7.])
    """
    return wrap(numpy.full_like(settled(input), fill_value, dtype=dtype))


def one_hot(Tensor tensor not None, num_classes=-1):
    """Whole numbers as rows of zeros with a one: (...) -> (..., num_classes), int64.

    Example:
      >>> import loopnest
      >>> from loopnest.nn import functional as F
      >>> F.one_hot(loopnest.tensor([1, 0]), 3)
      tensor([[0, 1, 0],
              [1, 0, 0]])
    """
    cdef ndarray at = index_array("one_hot", tensor)
    classes = num_classes
    if classes == -1:
        if not cnp.PyArray_SIZE(at):
            raise ValueError("one_hot: the number of classes of an empty tensor must be given")
        classes = int(at.max()) + 1
    if cnp.PyArray_SIZE(at) and (at.min() < 0 or at.max() >= classes):
        raise ValueError(f"one_hot: expected classes in 0 ... {classes - 1}, got {at.min()} to {at.max()}")
    out = numpy.zeros((cnp.PyArray_SIZE(at), classes), numpy.int64)
    out[numpy.arange(cnp.PyArray_SIZE(at)), at.reshape(-1)] = 1
    return wrap(out.reshape(shape_of(at) + (classes,)))


cdef object source(object generator):
    """The numpy.random.Generator of a loopnest.Generator, of None, or itself."""
    if generator is None:
        return default_generator()
    return getattr(generator, "numpy", generator)


def rand_like(Tensor input not None, dtype=None):
    """Random numbers of the input's shape and dtype, uniform in [0, 1).

    Example:
      >>> import loopnest
      >>> loopnest.rand_like(loopnest.zeros(2, 3)).shape
      (2, 3)
    """
    kind = numpy.dtype(dtype or settled(input).dtype)
    return wrap(numpy.asarray(default_generator().random(input.shape, dtype=kind)))


def randn_like(Tensor input not None, dtype=None):
    """Random numbers of the input's shape and dtype, normal with mean 0 and variance 1.

    Example:
      >>> import loopnest
      >>> loopnest.randn_like(loopnest.zeros(2, 3)).shape
      (2, 3)
    """
    kind = numpy.dtype(dtype or settled(input).dtype)
    return wrap(numpy.asarray(default_generator().standard_normal(input.shape, dtype=kind)))


def bernoulli(Tensor input not None, generator=None):
    """1 with the probability that the input says, otherwise 0; of the input's shape and dtype.

    ValueError for probabilities outside [0, 1].

    Example:
      >>> import loopnest
      >>> loopnest.bernoulli(loopnest.tensor([0.0, 1.0]))
      tensor([0., 1.])
    """
    cdef ndarray p = as_float(input)
    if not bool(((p >= 0) & (p <= 1)).all()):
        raise ValueError("bernoulli: expected probabilities between 0 and 1")
    return wrap(numpy.asarray(source(generator).random(shape_of(p)) < p).astype(p.dtype))


def multinomial(Tensor input not None, num_samples, bint replacement=False, generator=None):
    """Places drawn with the probabilities (up to a factor) that the rows of the input say.

    Args:
        input: (classes) or (rows, classes), not negative, finite, not all 0.
        num_samples: how many per row; without replacement at most as many as there are chances above 0.
    Returns:
        int64, (num_samples) or (rows, num_samples).

    Example:
      >>> import loopnest
      >>> loopnest.multinomial(loopnest.tensor([0.0, 1.0, 0.0]), 3, replacement=True)
      tensor([1, 1, 1])
    """
    cdef ndarray p = as_float(input).astype(numpy.float64)
    if p.ndim not in (1, 2) or num_samples < 1:
        raise ValueError(f"multinomial: expected input of 1 or 2 axes and num_samples of at least 1, got "
                         f"{input.shape} and {num_samples}")
    rows = p.reshape(-1, p.shape[p.ndim - 1])
    if not bool((numpy.isfinite(rows) & (rows >= 0)).all()) or not bool((rows.sum(1) > 0).all()):
        raise ValueError("multinomial: expected finite weights >= 0 with a sum > 0 in every row")
    uniform = source(generator)
    if replacement or num_samples == 1:
        edges = numpy.cumsum(rows, 1)
        u = uniform.random((len(rows), num_samples)) * edges[:, -1:]
        at = numpy.stack([numpy.searchsorted(e, row, "right") for e, row in zip(edges, u)])
        last = numpy.array([numpy.flatnonzero(row)[-1] for row in rows])  # should rounding reach the end
        at = numpy.minimum(at, last[:, None])
    else:
        if bool(((rows > 0).sum(1) < num_samples).any()):
            raise ValueError(f"multinomial: fewer than {num_samples} weights above 0 to draw from without "
                             f"replacement")
        with quiet():  # the smallest of exponential waiting times (Efraimidis and Spirakis 2006)
            wait = uniform.exponential(size=shape_of(rows)) / rows
        at = numpy.argsort(wait, 1, kind="stable")[:, :num_samples]
    return wrap(at.astype(numpy.int64).reshape(shape_of(p)[:-1] + (num_samples,)))


def new_zeros(Tensor self not None, *size, dtype=None):
    """Zeros of a size, of this tensor's dtype: new_zeros(2, 3) or new_zeros((2, 3)).

    Example:
      >>> import loopnest
      >>> loopnest.tensor([1]).new_zeros(2)
      tensor([0, 0])
    """
    shape = size[0] if len(size) == 1 else size
    return wrap(numpy.zeros(shape, dtype or settled(self).dtype))


def new_ones(Tensor self not None, *size, dtype=None):
    """Ones of a size, of this tensor's dtype: new_ones(2, 3) or new_ones((2, 3)).

    Example:
      >>> import loopnest
      >>> loopnest.tensor([1]).new_ones(2)
      tensor([1, 1])
    """
    shape = size[0] if len(size) == 1 else size
    return wrap(numpy.ones(shape, dtype or settled(self).dtype))


def new_full(Tensor self not None, size, fill_value, dtype=None):
    """A size filled with a value, of this tensor's dtype.

    Example:
      >>> import loopnest
      >>> loopnest.tensor([1]).new_full((2,), 7)
      tensor([7, 7])
    """
    return wrap(numpy.full(size, fill_value, dtype or settled(self).dtype))


def new_tensor(Tensor self not None, data, dtype=None):
    """A copy of data, of this tensor's dtype.

    Example:
      >>> import loopnest
      >>> loopnest.tensor([1.0]).new_tensor([1, 2])
      tensor([1., 2.])
    """
    return wrap(array_of(data).astype(dtype or settled(self).dtype))


# ------------------------------------------------------------------------------------------------------------
# Methods

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
