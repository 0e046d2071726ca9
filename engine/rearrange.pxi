# Slices, repetitions, triangles, windows; other changes of shape stand in shape.pxi. Part of tensor_ops.pyx.

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
