# Shape: views share their memory and its version counter with what they look at.

cdef struct Layout:
    int dtype
    int rank
    bint in_order  # C order
    int64_t shape[8]
    int64_t strides[8]  # in bytes


cdef Layout layout_of(ndarray a):
    """What a new array like `a` would look like: for gradients of what need not be kept. `a` is float."""
    cdef Layout out
    cdef int i
    if cnp.PyArray_NDIM(a) > 8:
        raise ValueError(f"expected a tensor of at most 8 axes, got {cnp.PyArray_NDIM(a)}")
    if dtype_of(a) != F32 and dtype_of(a) != F64:
        raise TypeError(f"expected a tensor of float32 or float64, got {a.dtype}")
    out.dtype = dtype_of(a)
    out.rank = cnp.PyArray_NDIM(a)
    out.in_order = cnp.PyArray_IS_C_CONTIGUOUS(a) or repeated(a)
    for i in range(out.rank):
        out.shape[i] = cnp.PyArray_DIMS(a)[i]
        out.strides[i] = cnp.PyArray_STRIDES(a)[i]
    return out


cdef ndarray make_with(Layout& layout):
    if layout.in_order:
        return make(layout.dtype, layout.rank, layout.shape)
    cdef bint single = layout.dtype == F32
    return make_in_order(cnp.NPY_FLOAT if single else cnp.NPY_DOUBLE, 4 if single else 8, layout.rank,
                         layout.shape, layout.strides)


cdef Tensor view_of(Tensor base, ndarray a):
    cdef Tensor out = wrap(a)
    out.version = shared_version(base)
    return out


@cython.final
@cython.no_gc
cdef class ViewBackward(Node):
    """A reshape, whatever its name: the gradient gets the input's shape back."""

    cdef tuple shape

    cdef int replay(self, ndarray g, Run run) except -1:
        return run.send(self.edge0, shaped(g, self.shape))


cdef Tensor reshaped(Tensor x, ndarray a):
    """`a` is x's array in another shape."""
    cdef Tensor out = view_of(x, a)
    cdef ViewBackward node
    if grad_mode and wants(x):
        node = ViewBackward.__new__(ViewBackward)
        node.shape = shape_of(settled(x))
        node.edge0 = edge_of(x)
        record(node, out)
    return out


def reshape(Tensor input not None, shape):
    """As torch.reshape: a view if the memory allows it, otherwise a copy in C order; -1 is what is left over.

    ValueError if the numbers of elements differ.

    Example:
      >>> import loopnest
      >>> loopnest.reshape(loopnest.arange(6), (2, -1))
      tensor([[0, 1, 2],
              [3, 4, 5]])
    """
    if not isinstance(shape, (int, tuple, list)) and hasattr(shape, "__index__"):
        shape = operator.index(shape)
    try:
        return reshaped(input, shaped(settled(input), shape))
    except (ValueError, TypeError):
        raise ValueError(f"shape {shape} is invalid for input of shape {input.shape}") from None


cdef Tensor view(Tensor x, object shape):
    if isinstance(shape, (type, numpy.dtype)) and not (isinstance(shape, type)
                                                       and issubclass(shape, (tuple, list))):
        return as_dtype(x, numpy.dtype(shape))
    cdef Tensor out = reshape(x, shape)
    if x.numel() > 0 and not numpy.may_share_memory(settled(out), settled(x)):
        raise ValueError(f"view size {shape} is not compatible with the memory of a tensor of shape "
                         f"{x.shape} and strides {x.stride()}; use reshape()")
    return out


cdef Tensor as_dtype(Tensor x, object dtype):
    """The same bytes read as another dtype."""
    if dtype == settled(x).dtype:
        return view_of(x, settled(x)) if not (grad_mode and wants(x)) else reshaped(x, settled(x))
    if dtype.kind not in "fiub":
        raise TypeError(f"view: expected a dtype of numbers, got {dtype}")
    try:
        return view_of(x, settled(x).view(dtype))
    except ValueError as error:
        raise ValueError(f"view: {x.dtype} of shape {x.shape} cannot be read as {dtype}: {error}") from None


cdef int axis_of(Tensor x, int dim, int extra) except -1:
    """A dim as an axis from 0 on; extra = 1 where a new axis may stand behind the last one."""
    cdef int rank = cnp.PyArray_NDIM(settled(x)) + extra, least = 1 if rank == 0 else rank
    if dim < -least or dim >= least:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-least}, {least - 1}], but "
                         f"got {dim})")
    return dim + rank if dim < 0 and rank > 0 else dim if rank > 0 else 0


def flatten(Tensor input not None, int start_dim=0, int end_dim=-1):
    """One axis instead of the axes start_dim ... end_dim; a view where memory allows it.

    Example:
      >>> import loopnest
      >>> loopnest.flatten(loopnest.zeros(2, 3, 4), 1).shape
      (2, 12)
    """
    cdef int first = axis_of(input, start_dim, 0), last = axis_of(input, end_dim, 0)
    if first > last:
        raise ValueError(f"flatten: start_dim {start_dim} comes after end_dim {end_dim} (input "
                         f"{input.shape})")
    cdef tuple shape = input.shape
    if len(shape) == 0:
        return reshaped(input, settled(input).reshape(1))
    cdef int64_t size = 1
    cdef int i
    for i in range(first, last + 1):
        size *= <int64_t>cnp.PyArray_DIMS(settled(input))[i]
    return reshaped(input, shaped(settled(input), shape[:first] + (size,) + shape[last + 1:]))


def squeeze(Tensor input not None, dim=None):
    """Without the axes of length 1: all of them, or those that dim names (an axis or several). A view.

    Example:
      >>> import loopnest
      >>> loopnest.squeeze(loopnest.zeros(1, 3, 1)).shape
      (3,)
    """
    cdef tuple shape = input.shape
    if dim is None:
        return reshaped(input, settled(input).reshape([n for n in shape if n != 1]))
    axes = {axis_of(input, d, 0) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))}
    lengths = [n for i, n in enumerate(shape) if n != 1 or i not in axes]
    return reshaped(input, settled(input).reshape(lengths))


def unsqueeze(Tensor input not None, int dim):
    """A new axis of length 1 at the place dim, a view.

    Example:
      >>> import loopnest
      >>> loopnest.unsqueeze(loopnest.zeros(3), 0).shape
      (1, 3)
    """
    cdef int axis = axis_of(input, dim, 1)
    return reshaped(input, numpy.expand_dims(settled(input), axis))


@cython.final
@cython.no_gc
cdef class PermuteBackward(Node):
    cdef object back

    cdef int replay(self, ndarray g, Run run) except -1:
        return run.send(self.edge0, g.transpose(self.back))


cdef Tensor permuted(Tensor x, object order):
    cdef Tensor out = view_of(x, settled(x).transpose(order))
    cdef PermuteBackward node
    if grad_mode and wants(x):
        node = PermuteBackward.__new__(PermuteBackward)
        node.back = tuple([order.index(i) for i in range(len(order))])
        node.edge0 = edge_of(x)
        record(node, out)
    return out


def permute(Tensor input not None, dims):
    """The axes in the order dims, a view; every axis once, ValueError otherwise.

    Example:
      >>> import loopnest
      >>> loopnest.permute(loopnest.zeros(2, 3, 4), (2, 0, 1)).shape
      (4, 2, 3)
    """
    order = [axis_of(input, d, 0) for d in dims]
    if sorted(order) != list(range(input.ndim)):
        raise ValueError(f"permute: expected every axis of a tensor of shape {input.shape} once, got "
                         f"{tuple(dims)}")
    return permuted(input, order)


def transpose(Tensor input not None, int dim0, int dim1):
    """Two axes exchanged, a view. IndexError for an axis that does not exist.

    Example:
      >>> import loopnest
      >>> loopnest.transpose(loopnest.zeros(2, 3, 4), 0, 2).shape
      (4, 3, 2)
    """
    cdef int a = axis_of(input, dim0, 0), b = axis_of(input, dim1, 0)
    order = list(range(cnp.PyArray_NDIM(settled(input))))
    if order:
        order[a], order[b] = order[b], order[a]
    return permuted(input, order)


cdef Tensor transpose_all(Tensor x):
    return permuted(x, list(range(cnp.PyArray_NDIM(settled(x))))[::-1])


def expand(Tensor input not None, sizes):
    """A view with axes of length 1 repeated; -1 keeps a length, new axes come first.

    ValueError for sizes that do not fit.

    Example:
      >>> import loopnest
      >>> loopnest.expand(loopnest.tensor([[1], [2]]), (-1, 3))
      tensor([[1, 1, 1],
              [2, 2, 2]])
    """
    cdef tuple shape = input.shape
    sizes = tuple(sizes)
    extra = len(sizes) - len(shape)
    if extra < 0:
        raise ValueError(f"expand: {sizes} has fewer axes than the tensor of shape {shape}")
    full = tuple([shape[i - extra] if n == -1 and i >= extra else n for i, n in enumerate(sizes)])
    dtype = settled(input).dtype
    try:
        a = numpy.broadcast_to(settled(input), full)
    except ValueError:
        raise ValueError(f"expand: a tensor of shape {shape} cannot be expanded to {sizes}") from None
    cdef Tensor out = close("ExpandBackward", a, (input,), lambda g: (fit(g, shape, dtype),), ())
    out.version = shared_version(input)
    return out


cdef Tensor copied(Tensor x, str title, str order):
    cdef ndarray a = settled(x)
    a = copy_as(a, a) if order == "K" else in_c_order(a)
    return close(title, a, (x,), lambda g: (g,), ())


cdef Tensor cast(Tensor x, object dtype):
    dtype = numpy.dtype(dtype)
    if dtype.kind not in "fiub":
        raise TypeError(f"to: expected a dtype of numbers, got {dtype}")
    if dtype == settled(x).dtype:
        return x
    cdef ndarray a = settled(x).astype(dtype)
    if dtype.kind != "f":
        return wrap(a)
    before = settled(x).dtype
    return close("ToBackward", a, (x,), lambda g: (g.astype(before),), ())


cdef object _index(object index):
    """An index with its tensors as arrays."""
    if isinstance(index, Tensor):
        if index.ndim == 0 and index.dtype.kind in "iu":
            return index.item()  # a place, so that its slice is a view
        return settled(<Tensor>index)
    if isinstance(index, tuple):
        return tuple([_index(i) for i in index])
    if isinstance(index, list):
        return numpy.asarray([_index(i) for i in index]) if index else numpy.empty(0, numpy.int64)
    return index


cdef bint is_basic(object index) except -1:
    for i in index if isinstance(index, tuple) else (index,):
        if not (i is None or i is Ellipsis or isinstance(i, (int, slice, numpy.integer))
                and not isinstance(i, bool)):
            return False
    return True


cdef bint distinct(object index, tuple shape) except -1:
    """Does an index with arrays surely name no place twice? (numpy.add.at is ten times slower than =.)"""
    if isinstance(index, numpy.ndarray):
        index = (index,)
    if not isinstance(index, tuple):
        return False
    whole = [i for i in index if isinstance(i, numpy.ndarray)]
    if len(whole) == 1 and whole[0].dtype.kind == "b":
        return True
    if Ellipsis in [i for i in index if not isinstance(i, numpy.ndarray)] or None in [
            i for i in index if not isinstance(i, numpy.ndarray)]:
        return False
    lengths = [n for i, n in zip(index, shape) if isinstance(i, (numpy.ndarray, int, numpy.integer))]
    places = [numpy.asarray(i) for i in index if isinstance(i, (numpy.ndarray, int, numpy.integer))]
    if any([i.dtype.kind not in "iu" for i in places]):
        return False
    flat = numpy.zeros((), numpy.int64)
    for i, n in zip(places, lengths):
        flat = flat * n + numpy.where(i < 0, i + n, i)
    flat = numpy.sort(flat, None)
    return bool((flat[1:] != flat[:-1]).all())


cdef int sliced_axis(object index, int rank) except? -2:
    """The axis of the only array in an index that takes all of every other axis, or -1."""
    cdef int axis = -1, i
    if not isinstance(index, tuple) or len(index) > rank:
        return -1
    for i, part in enumerate(index):
        if isinstance(part, slice) and part == slice(None):
            continue
        if axis >= 0 or not isinstance(part, numpy.ndarray) or part.dtype.kind not in "iu" or not part.ndim:
            return -1
        axis = i
    return axis


cdef int add_slices(ndarray out, int axis, ndarray at, ndarray g) except -1:
    """out[..., at[i], ...] += g[..., i, ...] along an axis, i ascending; at: one axis, counted from 0.

    The first slice of every place at once, then all second ones, and so on; numpy.add.at goes number by
    number, and takes many times as long (30 of 28 rows, 8 x 64 x 28 x 28: 15 ms and 1.6). Where a place has
    many, they are summed up first.
    """
    if not len(at):
        return 0
    cdef tuple before = (slice(None),) * axis
    order = numpy.argsort(at, kind="stable")
    place = at[order]
    starts = numpy.flatnonzero(numpy.concatenate(([True], place[1:] != place[:-1])))
    counts = numpy.diff(starts, append=len(place))
    if counts.max() > 8:
        out[before + (place[starts],)] += numpy.add.reduceat(g.take(order, axis), starts, axis)
        return 0
    turn = numpy.arange(len(place)) - numpy.repeat(starts, counts)
    for k in range(counts.max()):
        out[before + (place[turn == k],)] += g[before + (order[turn == k],)]
    return 0


cdef ndarray own_gradient(object edge, Run run):
    """The gradient that has arrived at an edge so far, if it may be added to in its own memory; or None."""
    cdef ndarray grad
    cdef Node node
    cdef Tensor leaf
    if isinstance(edge, Node):
        node = <Node>edge
        if (node.grad is None or node.run != run.number or node.mask is not None
                or not held_once(<PyObject*>node.grad)):
            return None
        grad = node.grad
    else:
        leaf = <Tensor>edge
        if leaf.grad_tensor is None or not held_once(<PyObject*>leaf.grad_tensor.held):
            return None
        grad = leaf.grad_tensor.held
    return grad if owns_memory(grad) else None


@cython.final
@cython.no_gc
cdef class SliceBackward(Node):
    """x[index], without arrays in the index. The slices of one array add their gradients to one array: all
    steps of a sequence, or all gates, cost one walk over it together, not one each."""

    cdef Layout layout
    cdef object index

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef ndarray whole = own_gradient(self.edge0, run)
        cdef Tensor leaf
        if whole is None:
            whole = make_with(self.layout)
            memset(cnp.PyArray_DATA(whole), 0, cnp.PyArray_NBYTES(whole))
            (<object>whole)[self.index] = g
            return run.send(self.edge0, whole)
        add_into(numpy.asarray((<object>whole)[self.index]), g)
        if isinstance(self.edge0, Tensor):
            leaf = <Tensor>self.edge0
            bump(leaf.grad_tensor)
            if watch_now is not NULL:
                (<Watch>watch_now).arrived.add(<size_t><PyObject*>leaf)
        return 0

    def name(self):
        return "IndexBackward"


cdef ndarray rows_of(object index, tuple shape):
    """The places, counted from 0, in one row, if the index is one array of whole numbers, for the first axis;
    otherwise None."""
    if isinstance(index, tuple) and len(index) == 1:
        index = index[0]
    if not isinstance(index, numpy.ndarray) or index.dtype.kind not in "iu" or not shape:
        return None
    flat = index.reshape(-1).astype(numpy.int64)
    return numpy.where(flat < 0, flat + shape[0], flat)


cdef ndarray rows_given(ndarray rows, ndarray g, tuple shape):
    """The gradient of x[rows], x of that shape."""
    cdef int64_t size[2]
    size[0] = shape[0]
    size[1] = 1
    for length in shape[1:]:
        size[1] *= length
    return rows_added(rows, g, size, -1).reshape(shape)


cdef object own_index(object index):
    """An index whose arrays nobody else can change before backward."""
    if isinstance(index, tuple):
        return tuple([own_index(i) for i in index])
    return index.copy() if isinstance(index, numpy.ndarray) else index


cdef object all_of(object index):
    """A basic index whose result is a view also where it names one element."""
    index = index if isinstance(index, tuple) else (index,)
    return tuple([i for i in index if i is not ...]) + (...,)


cdef Tensor getitem(Tensor x, object index):
    index = _index(index)
    cdef bint basic = is_basic(index)
    found = settled(x)[index]
    if basic and not isinstance(found, numpy.ndarray):
        index = all_of(index)
        found = settled(x)[index]
    cdef ndarray a = numpy.asarray(found)
    cdef Tensor out
    cdef SliceBackward node
    cdef tuple shape = shape_of(settled(x))
    if not (grad_mode and wants(x)):
        return view_of(x, a) if basic else wrap(a)
    cdef Layout layout = layout_of(settled(x))
    if basic:
        node = SliceBackward.__new__(SliceBackward)
        node.layout, node.index = layout, index
        node.edge0 = edge_of(x)
        out = view_of(x, a)
        record(node, out)
        return out

    cdef ndarray rows = rows_of(index, shape)
    cdef int axis = -1
    if rows is None:
        index = own_index(index)
        axis = sliced_axis(index, len(shape))

    def grad(g):
        if rows is not None:
            return (rows_given(rows, g, shape),)
        dx = make_with(layout)
        dx.fill(0)
        if axis >= 0:
            at = index[axis]
            g = g.reshape((*shape[:axis], at.size, *shape[axis + 1:]))
            add_slices(dx, axis, numpy.where(at < 0, at + shape[axis], at).reshape(-1), g)
        elif distinct(index, shape):
            dx[index] = g
        else:
            numpy.add.at(dx, index, g)
        return (dx,)

    return close("IndexBackward", a, (x,), grad, ())


cdef list of_one_dtype(list arrays):
    """The arrays in the dtype that PyTorch would give them all."""
    cdef ndarray a, first = arrays[0]
    for a in arrays:
        if cnp.PyArray_TYPE(a) != cnp.PyArray_TYPE(first):
            break
    else:
        return arrays
    kind = functools.reduce(wider, [a.dtype for a in arrays])
    return [a.astype(kind, copy=False) for a in arrays]


cdef ndarray joined(list arrays, int axis):
    """The arrays one after the other along an axis, in the order of the first one's axes (of the first that
    has more than one place along this axis: the stride of a single one says nothing)."""
    cdef ndarray first = arrays[0], like = first, a, out
    cdef int64_t shape[8]
    cdef int rank = cnp.PyArray_NDIM(first), i
    cdef int64_t start = 0
    cdef bint alike = 0 < rank <= 8 and plain_float(first) and not repeated(first)
    for a in arrays:
        alike = alike and cnp.PyArray_NDIM(a) == rank and cnp.PyArray_TYPE(a) == cnp.PyArray_TYPE(first)
    if not alike:
        return numpy.concatenate(arrays, axis)
    for i in range(rank):
        shape[i] = cnp.PyArray_DIMS(first)[i]
    shape[axis] = 0
    for a in reversed(arrays):
        if cnp.PyArray_DIMS(a)[axis] > 1 and not repeated(a):
            like = a
    for a in arrays:
        for i in range(rank):
            if i != axis and cnp.PyArray_DIMS(a)[i] != shape[i]:
                return numpy.concatenate(arrays, axis)  # which says what is wrong
        shape[axis] += cnp.PyArray_DIMS(a)[axis]
    out = make_in_order(cnp.PyArray_TYPE(first), cnp.PyArray_ITEMSIZE(first), rank, shape,
                        <const int64_t*>cnp.PyArray_STRIDES(like))
    before = (slice(None),) * axis
    parts = []
    for a in arrays:
        parts.append((<object>out)[(*before, slice(start, start + cnp.PyArray_DIMS(a)[axis]))])
        start += cnp.PyArray_DIMS(a)[axis]
    if axis == 0 or cnp.PyArray_NBYTES(out) < 1 << 20:
        for part, a in zip(parts, arrays):
            copy_into(part, a)
        return out
    for i in range(shape[0]):  # sample by sample, so that a cache line is whole before it leaves the cache
        for part, a in zip(parts, arrays):
            copy_into(part[i], (<object>a)[i])
    return out


def cat(tensors, int dim=0):
    """Tensors one after the other along an axis that exists; ValueError for shapes that do not fit.

    Example:
      >>> import loopnest
      >>> loopnest.cat([loopnest.tensor([[1, 2]]), loopnest.tensor([[3, 4]])], 1)
      tensor([[1, 2, 3, 4]])
    """
    cdef tuple inputs = tuple([tensor_of(t) for t in tensors])
    if not inputs:
        raise ValueError("cat: expected at least one tensor")
    arrays = of_one_dtype([settled(<Tensor>t) for t in inputs])
    whole = [t for t in inputs if t.shape != (0,)] or list(inputs)  # as in torch, (0,) joins anything
    if len(whole) < len(inputs):
        return cast(cat(whole, dim), arrays[0].dtype)
    cdef int axis = axis_of(inputs[0], dim, 0)
    dtypes = [t.dtype for t in inputs]
    try:
        result = joined(arrays, axis)
    except ValueError:
        raise ValueError(f"cat: the shapes {[t.shape for t in inputs]} do not fit each other along dim "
                         f"{dim}") from None
    lengths = [t.shape[axis] for t in inputs]

    def grads(g):
        pieces = numpy.split(g, numpy.cumsum(lengths)[:-1], axis)
        return tuple([piece.astype(dtype, copy=False) for piece, dtype in zip(pieces, dtypes)])

    return close("CatBackward", result, inputs, grads, ())


concat = cat


def stack(tensors, int dim=0):
    """Tensors of one shape side by side along a new axis; ValueError for different shapes.

    Example:
      >>> import loopnest
      >>> loopnest.stack([loopnest.tensor([1, 2]), loopnest.tensor([3, 4])])
      tensor([[1, 2],
              [3, 4]])
    """
    cdef tuple inputs = tuple([tensor_of(t) for t in tensors])
    if not inputs:
        raise ValueError("stack: expected at least one tensor")
    cdef int axis = axis_of(inputs[0], dim, 1)
    dtypes = [t.dtype for t in inputs]
    try:
        result = numpy.stack(of_one_dtype([settled(<Tensor>t) for t in inputs]), axis)
    except ValueError:
        raise ValueError(f"stack: expected tensors of one shape, got {[t.shape for t in inputs]}") from None

    def grads(g):
        return tuple([piece.astype(dtype, copy=False)
                      for piece, dtype in zip(numpy.moveaxis(g, axis, 0), dtypes)])

    return close("StackBackward", result, inputs, grads, ())


def unbind(Tensor input not None, int dim=0):
    """The slices along an axis, which goes away; a tuple of views.

    Example:
      >>> import loopnest
      >>> loopnest.unbind(loopnest.tensor([[1, 2], [3, 4]]))
      (tensor([1, 2]), tensor([3, 4]))
    """
    cdef int axis = axis_of(input, dim, 0)
    before = (slice(None),) * axis
    return tuple([getitem(input, (*before, i)) for i in range(input.shape[axis])])


def split(Tensor input not None, split_size, int dim=0):
    """Pieces of split_size (the last one may be shorter), or of the sizes in a list; a tuple of views.

    Example:
      >>> import loopnest
      >>> [piece.tolist() for piece in loopnest.split(loopnest.arange(5), 2)]
      [[0, 1], [2, 3], [4]]
    """
    cdef int axis = axis_of(input, dim, 0)
    length = input.shape[axis]
    if isinstance(split_size, int):
        if split_size < 1:
            raise ValueError(f"split: expected a split_size of at least 1, got {split_size}")
        sizes = [min(split_size, length - i) for i in range(0, length, split_size)]
    else:
        sizes = list(split_size)
        if sum(sizes) != length:
            raise ValueError(f"split: the sizes {sizes} do not add up to the length {length} of dim {dim} "
                             f"(input {input.shape})")
    before = (slice(None),) * axis
    pieces, start = [], 0
    for n in sizes:
        pieces.append(getitem(input, (*before, slice(start, start + n))))
        start += n
    return tuple(pieces)


def chunk(Tensor input not None, int chunks, int dim=0):
    """At most `chunks` pieces of one length (the last one may be shorter); a tuple of views.

    Example:
      >>> import loopnest
      >>> [piece.tolist() for piece in loopnest.chunk(loopnest.arange(5), 2)]
      [[0, 1, 2], [3, 4]]
    """
    if chunks < 1:
        raise ValueError(f"chunk: expected at least 1 chunk, got {chunks}")
    length = input.shape[axis_of(input, dim, 0)]
    return split(input, max(1, -(-length // chunks)), dim)


def flip(Tensor input not None, dims):
    """The axes `dims` the other way round; a copy.

    Example:
      >>> import loopnest
      >>> loopnest.flip(loopnest.tensor([[1, 2], [3, 4]]), (0,))
      tensor([[3, 4],
              [1, 2]])
    """
    axes = tuple([axis_of(input, d, 0) for d in ((dims,) if isinstance(dims, int) else dims)])
    return close("FlipBackward", numpy.flip(settled(input), axes).copy(), (input,),
                 lambda g: (numpy.flip(g, axes),), ())
