# New tensors.

_generator = None


def default_generator():
    """The numpy.random.Generator behind rand, randn and dropout."""
    global _generator
    if _generator is None:
        _generator = numpy.random.default_rng()
    return _generator


def manual_seed(seed):
    """Starts the generator of rand, randn and dropout anew."""
    global _generator
    _generator = numpy.random.default_rng(seed)
    return _generator


def tensor(data, dtype=None, bint requires_grad=False):
    """A new tensor with a copy of data. Floats become float32, ints int64; arrays keep their dtype."""
    cdef ndarray a = array_of(data)
    if dtype is not None:
        a = a.astype(dtype)
    cdef Tensor out = wrap(copy_as(a, a) if isinstance(data, (Tensor, numpy.ndarray)) or not a.flags.owndata
                           else a)
    if requires_grad:
        need_grad_dtype(settled(out))
        out.requires = True
    return out


def from_numpy(array):
    """A tensor that shares the array's memory."""
    if not isinstance(array, numpy.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"from_numpy: expected an array of numbers, got dtype {array.dtype}")
    return wrap(array)


def as_tensor(data, dtype=None):
    """As tensor, but without a copy where none is needed."""
    if isinstance(data, Tensor) and (dtype is None or data.dtype == dtype):
        return data
    cdef ndarray a = array_of(data)
    return wrap(a if dtype is None else a.astype(dtype, copy=False))


cdef tuple shape_from(tuple size):
    if len(size) == 1 and not isinstance(size[0], int):
        size = tuple(size[0])
    for n in size:
        if n < 0:
            raise ValueError(f"expected lengths of at least 0, got shape {size}")
    return size


cdef Tensor finished(object array, bint requires_grad):
    cdef Tensor out = wrap(numpy.asarray(array))
    if requires_grad:
        need_grad_dtype(settled(out))
        out.requires = True
    return out


def zeros(*size, dtype=None, bint requires_grad=False):
    return finished(numpy.zeros(shape_from(size), dtype or numpy.float32), requires_grad)


def ones(*size, dtype=None, bint requires_grad=False):
    return finished(numpy.ones(shape_from(size), dtype or numpy.float32), requires_grad)


def empty(*size, dtype=None, bint requires_grad=False):
    return finished(numpy.empty(shape_from(size), dtype or numpy.float32), requires_grad)


def full(size, fill_value, dtype=None, bint requires_grad=False):
    cdef ndarray value = array_of(fill_value)
    return finished(numpy.full(shape_from((size,)), value, dtype or value.dtype), requires_grad)


def zeros_like(Tensor input not None, dtype=None, bint requires_grad=False):
    return finished(numpy.zeros_like(settled(input), dtype=dtype), requires_grad)


def ones_like(Tensor input not None, dtype=None, bint requires_grad=False):
    return finished(numpy.ones_like(settled(input), dtype=dtype), requires_grad)


def empty_like(Tensor input not None, dtype=None, bint requires_grad=False):
    return finished(numpy.empty_like(settled(input), dtype=dtype), requires_grad)


def arange(start, end=None, step=1, dtype=None, bint requires_grad=False):
    """start, start + step, ... below end; arange(n) begins at 0. int64 if all are ints, otherwise float32."""
    if end is None:
        start, end = 0, start
    if dtype is None:
        dtype = numpy.int64 if all(isinstance(v, int) for v in (start, end, step)) else numpy.float32
    return finished(numpy.arange(start, end, step).astype(dtype), requires_grad)


cdef object chosen_generator(object generator):
    """The numpy.random.Generator of a loopnest.Generator, of None (the default one), or itself."""
    if generator is None:
        return default_generator()
    return getattr(generator, "numpy", generator)


def rand(*size, generator=None, dtype=None, bint requires_grad=False):
    """Uniform in [0, 1)."""
    return finished(chosen_generator(generator).random(shape_from(size), dtype=dtype or numpy.float32),
                    requires_grad)


def randn(*size, generator=None, dtype=None, bint requires_grad=False):
    """Normal, mean 0, variance 1."""
    numbers = chosen_generator(generator).standard_normal(shape_from(size), dtype=dtype or numpy.float32)
    return finished(numbers, requires_grad)


def randint(low, high=None, size=None, generator=None, dtype=None):
    """Whole numbers from low to below high, each as likely: randint([low,] high, size)."""
    if high is None or isinstance(high, (tuple, list)):
        low, high, size = 0, low, high if size is None else size
    size = () if size is None else size if isinstance(size, int) else tuple(size)
    numbers = chosen_generator(generator).integers(low, high, size)
    return finished(numbers.astype(dtype or numpy.int64), False)


def randperm(n, generator=None):
    """The numbers 0 to n - 1 in random order."""
    return finished(chosen_generator(generator).permutation(n), False)
