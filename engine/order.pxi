# Order: sorted, the first few, the different ones, those that are not 0. Part of tensor_ops.pyx.

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
