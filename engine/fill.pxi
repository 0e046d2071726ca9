# New tensors: in rows, at random, like others; the usual ones stand in create.pxi. Part of tensor_ops.pyx.

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
