# New tensors.

_generator = None


def default_generator():
    """The numpy.random.Generator behind rand, randn and dropout.

    Example:
      >>> from loopnest.random import default_generator
      >>> default_generator().random() < 1
      True
    """
    global _generator
    if _generator is None:
        _generator = numpy.random.default_rng()
    return _generator


def manual_seed(seed):
    """Starts the generator of rand, randn, dropout and initial weights anew; the same seed, the same numbers.

    Example:
      >>> import loopnest
      >>> first = [loopnest.manual_seed(3) and loopnest.rand(4).tolist() for _ in range(2)]
      >>> first[0] == first[1]
      True
    """
    global _generator
    _generator = numpy.random.default_rng(seed)
    return _generator


def tensor(data, dtype=None, device=None, bint requires_grad=False):
    """A new tensor with a copy of data. Floats become float32, ints int64; arrays keep their dtype.

    TypeError for what is no number; RuntimeError for requires_grad without a float dtype.

    Example:
      >>> import loopnest
      >>> loopnest.tensor([[1, 2], [3, 4]], dtype=loopnest.float32)
      tensor([[1., 2.],
              [3., 4.]])
    """
    on_cpu(device)
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
    """A tensor that shares the array's memory; TypeError for what is no array of numbers.

    Example:
      >>> import numpy as np, loopnest
      >>> a = np.zeros(3)
      >>> loopnest.from_numpy(a).add_(1)
      tensor([1., 1., 1.], dtype=float64)
      >>> a
      array([1., 1., 1.])
    """
    if not isinstance(array, numpy.ndarray):
        raise TypeError(f"from_numpy: expected a NumPy array, got {type(array).__name__}")
    if array.dtype.kind not in "fiub":
        raise TypeError(f"from_numpy: expected an array of numbers, got dtype {array.dtype}")
    return wrap(array)


def as_tensor(data, dtype=None, device=None):
    """As tensor, but without a copy where none is needed: arrays share their memory, a Tensor stays itself.

    Example:
      >>> import numpy as np, loopnest
      >>> a = np.zeros(3)
      >>> np.shares_memory(loopnest.as_tensor(a).numpy(), a)
      True
    """
    on_cpu(device)
    if isinstance(data, Tensor) and (dtype is None or data.dtype == dtype):
        return data
    cdef ndarray a = array_of(data)
    return wrap(a if dtype is None else a.astype(dtype, copy=False))


cdef tuple shape_from(tuple size):
    """What `*size` says: lengths, or one list of them."""
    if len(size) == 1 and not hasattr(size[0], "__index__"):
        size = tuple(size[0])
    size = tuple([operator.index(n) for n in size])
    for n in size:
        if n < 0:
            raise ValueError(f"expected lengths of at least 0, got shape {size}")
    return size


cdef int on_cpu(object device) except -1:
    """PyTorch's `device`: there is only the CPU."""
    if device is not None and str(device).partition(":")[0] != "cpu":
        raise ValueError(f"expected device 'cpu', got {device!r}")
    return 0


cdef Tensor finished(object array, bint requires_grad):
    cdef Tensor out = wrap(numpy.asarray(array))
    if requires_grad:
        need_grad_dtype(settled(out))
        out.requires = True
    return out


def zeros(*size, dtype=None, device=None, bint requires_grad=False):
    """Zeros of a size, float32 unless dtype says otherwise: zeros(2, 3) or zeros((2, 3)).

    Example:
      >>> import loopnest
      >>> loopnest.zeros(2, 3)
      tensor([[0., 0., 0.],
              [0., 0., 0.]])
    """
    on_cpu(device)
    return finished(numpy.zeros(shape_from(size), dtype or numpy.float32), requires_grad)


def ones(*size, dtype=None, device=None, bint requires_grad=False):
    """Ones of a size, float32 unless dtype says otherwise: ones(2, 3) or ones((2, 3)).

    Example:
      >>> import loopnest
      >>> loopnest.ones(2, dtype=loopnest.int64)
      tensor([1, 1])
    """
    on_cpu(device)
    return finished(numpy.ones(shape_from(size), dtype or numpy.float32), requires_grad)


def empty(*size, dtype=None, device=None, bint requires_grad=False):
    """Memory of a size, with whatever stands there; float32 unless dtype says otherwise.

    Example:
      >>> import loopnest
      >>> loopnest.empty(2, 3).shape
      (2, 3)
    """
    on_cpu(device)
    return finished(numpy.empty(shape_from(size), dtype or numpy.float32), requires_grad)


def full(size, fill_value, dtype=None, device=None, bint requires_grad=False):
    """A size filled with a value, in the value's dtype (float32, int64 or bool) unless dtype is given.

    Example:
      >>> import loopnest
      >>> loopnest.full((2, 2), 7)
      tensor([[7, 7],
              [7, 7]])
    """
    on_cpu(device)
    cdef ndarray value = array_of(fill_value)
    return finished(numpy.full(shape_from((size,)), value, dtype or value.dtype), requires_grad)


def zeros_like(Tensor input not None, dtype=None, device=None, bint requires_grad=False):
    """Zeros of another tensor's shape and dtype.

    Example:
      >>> import loopnest
      >>> loopnest.zeros_like(loopnest.tensor([1, 2]))
      tensor([0, 0])
    """
    on_cpu(device)
    return finished(numpy.zeros_like(settled(input), dtype=dtype), requires_grad)


def ones_like(Tensor input not None, dtype=None, device=None, bint requires_grad=False):
    """Ones of another tensor's shape and dtype.

    Example:
      >>> import loopnest
      >>> loopnest.ones_like(loopnest.tensor([1, 2]))
      tensor([1, 1])
    """
    on_cpu(device)
    return finished(numpy.ones_like(settled(input), dtype=dtype), requires_grad)


def empty_like(Tensor input not None, dtype=None, device=None, bint requires_grad=False):
    """Memory of another tensor's shape and dtype, with whatever stands there.

    Example:
      >>> import loopnest
      >>> loopnest.empty_like(loopnest.tensor([1, 2])).dtype
      dtype('int64')
    """
    on_cpu(device)
    return finished(numpy.empty_like(settled(input), dtype=dtype), requires_grad)


def arange(start, end=None, step=1, dtype=None, device=None, bint requires_grad=False):
    """start, start + step, ... below end; arange(n) begins at 0. int64 if all are ints, otherwise float32.

    Example:
      >>> import loopnest
      >>> loopnest.arange(1, 2, 0.25)
      tensor([1.0000, 1.2500, 1.5000, 1.7500])
    """
    on_cpu(device)
    if end is None:
        start, end = 0, start
    if dtype is None:
        whole = all(hasattr(v, "__index__") for v in (start, end, step))
        dtype = numpy.int64 if whole else numpy.float32
    return finished(numpy.arange(start, end, step).astype(dtype), requires_grad)


cdef object chosen_generator(object generator):
    """The numpy.random.Generator of a loopnest.Generator, of None (the default one), or itself."""
    if generator is None:
        return default_generator()
    return getattr(generator, "numpy", generator)


def rand(*size, generator=None, dtype=None, device=None, bint requires_grad=False):
    """Random numbers of a size, uniform in [0, 1); float32 unless dtype says otherwise.

    Args:
        generator: a loopnest.Generator instead of the default one, which manual_seed starts.

    Example:
      >>> import loopnest
      >>> x = loopnest.rand(2, 3)
      >>> x.shape, bool(x.max() < 1)
      ((2, 3), True)
    """
    on_cpu(device)
    return finished(chosen_generator(generator).random(shape_from(size), dtype=dtype or numpy.float32),
                    requires_grad)


def randn(*size, generator=None, dtype=None, device=None, bint requires_grad=False):
    """Random numbers of a size, normal with mean 0 and variance 1; float32 unless dtype says otherwise.

    Args:
        generator: a loopnest.Generator instead of the default one, which manual_seed starts.

    Example:
      >>> import loopnest
      >>> loopnest.randn(2, 3).shape
      (2, 3)
    """
    on_cpu(device)
    numbers = chosen_generator(generator).standard_normal(shape_from(size), dtype=dtype or numpy.float32)
    return finished(numbers, requires_grad)


def randint(low, high=None, size=None, generator=None, dtype=None, device=None):
    """Whole numbers from low to below high, each as likely: randint([low,] high, size). int64.

    Example:
      >>> import loopnest
      >>> x = loopnest.randint(1, 7, (100,))
      >>> x.min().item() >= 1, x.max().item() <= 6
      (True, True)
    """
    on_cpu(device)
    if high is None or isinstance(high, (tuple, list)):
        low, high, size = 0, low, high if size is None else size
    size = () if size is None else shape_from((size,))
    numbers = chosen_generator(generator).integers(low, high, size)
    return finished(numbers.astype(dtype or numpy.int64), False)


def randperm(n, generator=None, device=None):
    """The numbers 0 to n - 1 in random order, int64.

    Example:
      >>> import loopnest
      >>> sorted(loopnest.randperm(4).tolist())
      [0, 1, 2, 3]
    """
    on_cpu(device)
    return finished(chosen_generator(generator).permutation(operator.index(n)), False)
