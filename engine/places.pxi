# Elements by index. Part of tensor_ops.pyx.

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
