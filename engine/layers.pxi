# What the kernels do. Every operator here: arrays -> check (csrc/ops/*/check.h) -> result from the arena ->
# run -> node.

cdef int pair_of(object value, int64_t* out, str op, str name) except -1:
    """An int, or two of them (a list or tuple of one counts as an int)."""
    try:
        if PyLong_CheckExact(value):
            out[0] = out[1] = value
        elif isinstance(value, (tuple, list)):
            if len(value) == 2:
                out[0], out[1] = value[0], value[1]
            elif len(value) == 1:
                out[0] = out[1] = value[0]
            else:
                raise ValueError(f"{op}: expected {name} to be one or two numbers, got {value!r}")
        else:
            out[0] = out[1] = value.__index__()
    except OverflowError:
        raise ValueError(f"{op}: {name} is too large: {value!r}") from None
    except (TypeError, AttributeError):
        raise TypeError(f"{op}: expected {name} to be whole numbers, got {value!r}") from None
    return 0


# ------------------------------------------------------------------------------------------------------------
# linear

@cython.final
@cython.no_gc
cdef class LinearBackward(Node):
    """y = x w^T + b over rows. kept0 is x as (rows, in), kept1 is w."""

    cdef tuple x_shape  # None if x has 2 axes

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef ndarray d
        if self.x_shape is not None:
            g = g.reshape((-1, cnp.PyArray_DIMS(g)[cnp.PyArray_NDIM(g) - 1]))
        if self.edge2 is not None:
            run.send(self.edge2, sum_rows(g))
        if self.edge1 is not None:
            run.send(self.edge1, multiply(cnp.PyArray_Transpose(g, NULL), self.kept0))
        if self.edge0 is not None:
            d = multiply(g, self.kept1)
            run.send(self.edge0, d if self.x_shape is None else d.reshape(self.x_shape))
        return 0


cdef ndarray sum_rows(ndarray a):
    """(m, n) -> (n)"""
    cdef Array x
    cdef int64_t n = cnp.PyArray_DIMS(a)[1]
    cdef ndarray block, out
    cdef void* pb
    cdef void* po
    a = read("linear", "grad_output", a, x)
    block, out = make(x.dtype, 1, &n), make(x.dtype, 1, &n)
    pb, po = cnp.PyArray_DATA(block), cnp.PyArray_DATA(out)
    with nogil:
        column_sums(x.dtype, x.data, x.shape[0], x.shape[1], x.stride[0], x.stride[1], pb, po)
    return out


def linear(Tensor input not None, Tensor weight not None, Tensor bias=None):
    """input * weight^T + bias, as torch.nn.functional.linear.

    Args:
        input: (..., in_features), float32 or float64.
        weight: (out_features, in_features). bias: (out_features).
    """
    cdef Gemm g
    cdef Array x, w, b
    cdef Array* pb = NULL
    cdef Error e
    cdef ndarray keep_x = settled(input), rows, keep_w, keep_b, y
    cdef int rank = cnp.PyArray_NDIM(keep_x)
    cdef int64_t y_shape[8]
    cdef LinearBackward node
    cdef Tensor out
    if rank == 0 or rank > 8:
        raise ValueError(f"linear: expected input of shape (..., in_features) and at most 8 axes, got "
                         f"{input.shape}")
    rows = keep_x
    if rank != 2:
        rows = shaped(keep_x, (-1, cnp.PyArray_DIMS(keep_x)[rank - 1]) if cnp.PyArray_SIZE(keep_x)
                      else (numpy.prod(input.shape[:-1], dtype=int), input.shape[-1]))
    keep_x = read("linear", "input", rows, x)
    keep_w = read("linear", "weight", settled(weight), w)
    if bias is not None:
        keep_b = read_dense("linear", "bias", settled(bias), b)
        pb = &b
    if not api.linear_check(g, x, w, pb, e):
        raise_error(e)
    memcpy(y_shape, cnp.PyArray_DIMS(settled(input)), rank * sizeof(int64_t))
    y_shape[rank - 1] = g.n
    y = make(x.dtype, rank, y_shape)
    g.c = cnp.PyArray_DATA(y)
    g.c_m, g.c_n = g.n, 1
    run_kernel(api, "gemm", gemm_ladder, x.dtype, &g)
    out = wrap(y)
    if grad_mode and (wants(input) or wants(weight) or (bias is not None and wants(bias))):
        node = LinearBackward.__new__(LinearBackward)
        node.edge0 = edge_of(input)
        node.edge1 = edge_of(weight)
        if bias is not None:
            node.edge2 = edge_of(bias)
        if node.edge1 is not None:
            keep0(node, input)
            node.kept0 = rows
        if node.edge0 is not None:
            keep1(node, weight)
        if rank != 2:
            node.x_shape = input.shape
        record(node, out)
    return out


# ------------------------------------------------------------------------------------------------------------
# relu, sigmoid, tanh

cdef const char** map_names = ["relu", "sigmoid", "tanh"]
cdef const char** map_backward_names = ["relu_backward", "sigmoid_backward", "tanh_backward"]
cdef const Ladder* map_ladder[3][2]
cdef const Ladder* map_backward_ladder[3][2]


cdef ndarray map_grad(int op, ndarray keep_y, ndarray g, bint overwrite):
    """dL/dx from y and g = dL/dy; in g's own memory, if that may be overwritten."""
    cdef Map a
    cdef Array y, dy, dx
    cdef Error e
    cdef const char* name = map_backward_names[op]
    cdef ndarray out, keep_g = g
    out = g if overwrite and same_layout(g, keep_y) else make_as(keep_y)
    if cnp.PyArray_NDIM(g) > 6:
        keep_y, keep_g, out = keep_y.reshape(-1), g.reshape(-1), make(dtype_of(g), 1, [cnp.PyArray_SIZE(g)])
    keep_y = read(name, "output", keep_y, y)
    keep_g = read(name, "grad_output", keep_g, dy)
    read(name, "result", out, dx)
    if not api.map_check(name, a, y, &dy, dx, e):
        raise_error(e)
    run_kernel(api, name, map_backward_ladder[op], y.dtype, &a)
    return out if cnp.PyArray_NDIM(g) <= 6 else out.reshape(shape_of(g))


cdef ndarray relu_grad(ndarray y, ndarray g):
    """g where y is not <= 0, as a new array."""
    return map_grad(0, y, g, False)


@cython.final
@cython.no_gc
cdef class ActivationBackward(Node):
    """kept0 is y, the result: all three derivatives can be had from it.

    None for ReLU that only maxima have looked at: what they send is clipped (relu.pxi).
    """

    cdef int op
    cdef bint passes  # its input came from a node that `clips`

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef bint alone
        if self.passes and (<Node>self.edge0).grad is None:
            return run.send_clipped(self.edge0, g, self.kept0)
        if self.kept0 is None:
            return run.send(self.edge0, g)
        # A gradient that nobody else looks at is overwritten: its memory is in the cache.
        alone = Py_REFCNT(g) == 1 and owns_memory(g)
        return run.send(self.edge0, map_grad(self.op, self.kept0, g, alone))

    def name(self):
        return ("ReluBackward", "SigmoidBackward", "TanhBackward")[self.op]


cdef ndarray map_of(int op, ndarray keep, bint overwrite):
    """The function of every element; in the same memory, if that may be overwritten."""
    cdef Map a
    cdef Array x, y
    cdef Error e
    cdef ndarray out
    keep = read(map_names[op], "input", keep, x)
    out = keep if overwrite else make_as(keep)
    read(map_names[op], "result", out, y)
    if not api.map_check(map_names[op], a, x, NULL, y, e):
        raise_error(e)
    run_kernel(api, map_names[op], map_ladder[op], x.dtype, &a)
    return out


cdef Tensor activation(int op, Tensor input):
    cdef ndarray out
    cdef ActivationBackward node
    cdef Tensor result
    cdef bint passes = False
    if cnp.PyArray_NDIM(input.held) > 6:
        return reshape(activation(op, reshape(input, -1)), input.shape)
    if op == 0 and may_wait(input):
        return postponed_relu(input)
    if op == 0 and input.later is not None:
        passes = input.node is not None and input.node.clips()
        out = input.later.compute(True)
    else:
        out = map_of(op, settled(input), False)
    result = wrap(out)
    if grad_mode and wants(input):
        node = ActivationBackward.__new__(ActivationBackward)
        node.op = op
        node.passes = passes
        node.edge0 = edge_of(input)
        keep0(node, result)
        record(node, result)
    return result


def relu(Tensor input not None):
    """max(x, 0), element by element; NaN stays NaN.

    Example:
      >>> import loopnest
      >>> loopnest.relu(loopnest.tensor([-1.0, 2.0]))
      tensor([0., 2.])
    """
    return activation(0, input)


def sigmoid(Tensor input not None):
    """1 / (1 + exp(-x)), element by element.

    Example:
      >>> import loopnest
      >>> loopnest.sigmoid(loopnest.tensor([0.0, 2.0]))
      tensor([0.5000, 0.8808])
    """
    return activation(1, input)


def tanh(Tensor input not None):
    """The hyperbolic tangent, element by element.

    Example:
      >>> import loopnest
      >>> loopnest.tanh(loopnest.tensor([0.0, 1.0]))
      tensor([0.0000, 0.7616])
    """
    return activation(2, input)


# ------------------------------------------------------------------------------------------------------------
# embedding and dropout

cdef const Ladder* embedding_ladder[2]
cdef const Ladder* embedding_backward_ladder[2]


@cython.final
@cython.no_gc
cdef class EmbeddingBackward(Node):
    cdef ndarray indices  # (m)
    cdef int64_t shape[2]
    cdef int64_t padding_idx

    cdef int replay(self, ndarray g, Run run) except -1:
        return run.send(self.edge0, rows_added(self.indices, g, self.shape, self.padding_idx))


cdef ndarray rows_added(ndarray indices, ndarray g, const int64_t* shape, int64_t padding_idx):
    """A new matrix of that shape: zeros, and the rows of g added where `indices` (m), int64, says; none at
    padding_idx."""
    cdef const char* op = "embedding_backward"
    cdef Embedding a
    cdef Array index, dout, dtable
    cdef Error e
    cdef ndarray table, keep
    keep = read(op, "grad_output", g.reshape((cnp.PyArray_DIMS(indices)[0], shape[1])), dout)
    table = make(dout.dtype, 2, shape)
    memset(cnp.PyArray_DATA(table), 0, cnp.PyArray_NBYTES(table))
    read(op, "input", indices, index)
    read(op, "weight", table, dtable)
    if not api.embedding_backward_check(a, index, dout, dtable, padding_idx, e):
        raise_error(e)
    run_kernel(api, op, embedding_backward_ladder, dout.dtype, &a)
    return table


def embedding(Tensor input not None, Tensor weight not None, padding_idx=None):
    """Rows of a table, as torch.nn.functional.embedding.

    Args:
        input: indices of any shape, of an integer dtype. weight: (num_embeddings, embedding_dim).
        padding_idx: the row that gets no gradient; negative ones count from the end.
    Returns:
        (*input.shape, embedding_dim)
    """
    cdef ndarray indices = settled(input), keep_w, out
    cdef Embedding a
    cdef Array index, table
    cdef Error e
    cdef int64_t padding[2]
    cdef int64_t shape[8]
    cdef int rank = cnp.PyArray_NDIM(indices), i
    cdef EmbeddingBackward node
    cdef Tensor result
    if rank > 7:
        raise ValueError(f"embedding: expected input of at most 7 axes, got {input.shape}")
    if cnp.PyArray_TYPE(indices) != cnp.NPY_INT64:
        if indices.dtype.kind not in "iu":
            raise TypeError(f"embedding: expected input of dtype int64, got {indices.dtype}")
        indices = indices.astype(numpy.int64)
    if rank != 1:
        indices = indices.reshape(-1)
    indices = read("embedding", "input", indices, index)
    keep_w = read("embedding", "weight", settled(weight), table)
    padding[0] = -1
    if padding_idx is not None:
        pair_of(padding_idx, padding, "embedding", "padding_idx")
        if padding[0] < 0 and table.rank == 2:
            padding[0] += table.shape[0]
        if padding[0] < 0:
            raise ValueError(f"embedding: padding_idx {padding_idx} is outside a table of shape "
                             f"{weight.shape}")
    if not api.embedding_check(a, index, table, padding[0], e):
        raise_error(e)
    for i in range(rank):
        shape[i] = cnp.PyArray_DIMS(settled(input))[i]
    shape[rank] = a.d
    out = make(table.dtype, rank + 1, shape)
    a.out = cnp.PyArray_DATA(out)
    a.out_m, a.out_d = a.d, 1
    run_kernel(api, "embedding", embedding_ladder, table.dtype, &a)
    result = wrap(out)
    if grad_mode and wants(weight):
        node = EmbeddingBackward.__new__(EmbeddingBackward)
        node.indices = indices if indices is not settled(input) else indices.copy()
        node.shape[0], node.shape[1] = a.v, a.d
        node.padding_idx = padding[0]
        node.edge0 = edge_of(weight)
        record(node, result)
    return result


cdef ndarray dropout_mask(ndarray a, double p):
    """0 with probability p, otherwise 1 / (1 - p), for each element of a (float): its shape, dtype and
    layout. One number of the generator is the seed of all."""
    cdef ndarray mask = make_as(a)
    cdef uint64_t seed = default_generator().bit_generator.random_raw()
    cdef uint64_t zeros = <uint64_t>(p * 4294967296.0 + 0.5)
    cdef int dtype = dtype_of(mask)
    cdef int64_t n = cnp.PyArray_SIZE(mask)
    cdef void* out = cnp.PyArray_DATA(mask)
    with nogil:
        fill_mask(dtype, seed, zeros, 1 / (1 - p) if p < 1 else 0, out, n)
    return mask


def dropout(Tensor input not None, double p=0.5, bint training=True):
    """Zeroes each element with probability p and divides the others by 1 - p, if training."""
    if not 0 <= p <= 1:
        raise ValueError(f"dropout: expected a probability p in [0, 1], got {p}")
    if not training or p == 0:
        return input
    if not plain_float(settled(input)):
        raise TypeError(f"dropout: expected input of float32 or float64, got {input.dtype}")
    return arithmetic(MUL, input, wrap(dropout_mask(settled(input), p)))
