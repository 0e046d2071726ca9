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


cdef inline ndarray channels_last(ndarray a):
    """`a` (4 axes), copied if its channels are not side by side: the fast rungs want them so."""
    if cnp.PyArray_DIMS(a)[1] == 1 or cnp.PyArray_STRIDES(a)[1] == cnp.PyArray_ITEMSIZE(a):
        return a
    cdef ndarray out = make_channels_last(dtype_of(a), <const int64_t*>cnp.PyArray_DIMS(a))
    copy_into(out, a)
    return out


cdef ndarray need_4d(const char* op, Tensor input, bint* unbatched):
    """The array of an image batch (N, C, H, W); one image (C, H, W) gets an N of 1."""
    cdef ndarray x = settled(input)
    unbatched[0] = cnp.PyArray_NDIM(x) == 3
    if not unbatched[0] and cnp.PyArray_NDIM(x) != 4:
        raise ValueError(f"{op.decode()}: expected input of 4 axes (N, C, H, W) or 3 axes (C, H, W), got "
                         f"{cnp.PyArray_NDIM(x)} axes: {input.shape}")
    return x


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
        rows = keep_x.reshape((-1, cnp.PyArray_DIMS(keep_x)[rank - 1]) if cnp.PyArray_SIZE(keep_x)
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
# Pools

cdef const char** pool_names = ["max_pool2d", "avg_pool2d"]
cdef const char** pool_backward_names = ["max_pool2d_backward", "avg_pool2d_backward"]
cdef const Ladder* pool_ladder[2][2]
cdef const Ladder* pool_backward_ladder[2][2]


@cython.final
@cython.no_gc
cdef class Pool2dBackward(Node):
    """kept0 is the places of the maxima, as taps (bytes) or as indices; None for the average."""

    cdef Pool2dOptions options
    cdef int64_t x_shape[4]
    cdef bint average

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef Pool2d a
        cdef Array dy, dx
        cdef Error e
        cdef int64_t y_shape[4]
        cdef ndarray out
        cdef const char* op = pool_backward_names[self.average]
        g = channels_last(g)
        g = read(op, "grad_output", g, dy)
        out = make_channels_last(dy.dtype, self.x_shape)
        read(op, "result", out, dx)
        if (not api.pool2d_check(op, a, self.x_shape, self.options, y_shape, e)
                or not api.pool2d_place_x(op, a, dx, e) or not api.pool2d_place_y(op, a, dy, e)):
            raise_error(e)
        if not self.average:
            place_maxima(op, a, self.kept0)
        run_kernel(api, op, pool_backward_ladder[self.average], dy.dtype, &a)
        return run.send(self.edge0, out)

    def name(self):
        return "AvgPool2dBackward" if self.average else "MaxPool2dBackward"


cdef int place_maxima(const char* op, Pool2d& a, ndarray places) except -1:
    cdef Array indices
    cdef Error e
    cdef bint done
    if cnp.PyArray_ITEMSIZE(places) == 1:
        done = api.pool2d_place_taps(op, a, <uint8_t*>cnp.PyArray_DATA(places), e)
    else:
        read(op, "indices", places, indices)
        done = api.pool2d_place_indices(op, a, indices, e)
    if not done:
        raise_error(e)
    return 0


cdef object pool2d(Tensor input, Pool2dOptions& o, bint average, bint return_indices):
    cdef const char* op = pool_names[average]
    cdef Pool2d a
    cdef Array x, y
    cdef Error e
    cdef int64_t y_shape[4]
    cdef ndarray keep, out, places = None
    cdef Pool2dBackward node
    cdef Tensor result
    cdef bint recorded = grad_mode and wants(input)
    keep = read(op, "input", settled(input), x)
    if not api.pool2d_check(op, a, x.shape, o, y_shape, e) or not api.pool2d_place_x(op, a, x, e):
        raise_error(e)
    keep = read(op, "input", channels_last(keep), x)
    out = make_channels_last(x.dtype, y_shape)
    read(op, "result", out, y)
    if not api.pool2d_place_x(op, a, x, e) or not api.pool2d_place_y(op, a, y, e):
        raise_error(e)
    if not average and (return_indices or recorded):
        if return_indices or o.kernel_size[0] * o.kernel_size[1] >= no_tap:
            places = make_channels_last(I64, y_shape)
        else:
            places = make_bytes(cnp.PyArray_SIZE(out))
        place_maxima(op, a, places)
    run_kernel(api, op, pool_ladder[average], x.dtype, &a)
    result = wrap(out)
    if recorded:
        node = Pool2dBackward.__new__(Pool2dBackward)
        node.options = o
        node.average = average
        memcpy(node.x_shape, x.shape, sizeof(node.x_shape))
        node.edge0 = edge_of(input)
        node.kept0 = places
        record(node, result)
    return (result, wrap(places)) if return_indices else result


def max_pool2d(Tensor input not None, kernel_size, stride=None, padding=0, dilation=1, bint ceil_mode=False,
               bint return_indices=False):
    """The largest element of each window, as torch.nn.functional.max_pool2d.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        kernel_size, stride, padding, dilation: int or pair; stride is kernel_size if it is left out.
    Returns:
        (N, C, H_out, W_out), or with return_indices also the places of the maxima in their planes, int64.
    """
    cdef Pool2dOptions o
    cdef bint unbatched
    cdef Tensor bare
    need_4d("max_pool2d", input, &unbatched)
    if unbatched:
        out = max_pool2d(unsqueeze(input, 0), kernel_size, stride, padding, dilation, ceil_mode,
                         return_indices)
        return (squeeze(out[0], 0), squeeze(out[1], 0)) if return_indices else squeeze(out, 0)
    pair_of(kernel_size, o.kernel_size, "max_pool2d", "kernel_size")
    pair_of(kernel_size if stride is None or stride == () or stride == [] else stride, o.stride, "max_pool2d",
            "stride")
    pair_of(padding, o.padding, "max_pool2d", "padding")
    pair_of(dilation, o.dilation, "max_pool2d", "dilation")
    o.ceil_mode = ceil_mode
    # Dilated windows can lie in padding alone, and ReLU would make 0 of their -inf.
    if not return_indices and o.dilation[0] == 1 and o.dilation[1] == 1:
        bare = before_relu(input)
        if bare is not None:
            return after_relu(input, pool2d(bare, o, False, False))
    return pool2d(input, o, False, return_indices)


def avg_pool2d(Tensor input not None, kernel_size, stride=None, padding=0, bint ceil_mode=False,
               bint count_include_pad=True, divisor_override=None):
    """The mean of each window, as torch.nn.functional.avg_pool2d.

    Args:
        input: (N, C, H, W) or (C, H, W), float32 or float64.
        kernel_size, stride, padding: int or pair; stride is kernel_size if it is left out.
        count_include_pad: padding counts as zeros. divisor_override: divide by this instead.
    """
    cdef Pool2dOptions o
    cdef bint unbatched
    cdef int64_t divisor[2]
    need_4d("avg_pool2d", input, &unbatched)
    if unbatched:
        return squeeze(avg_pool2d(unsqueeze(input, 0), kernel_size, stride, padding, ceil_mode,
                                  count_include_pad, divisor_override), 0)
    pair_of(kernel_size, o.kernel_size, "avg_pool2d", "kernel_size")
    pair_of(kernel_size if stride is None or stride == () or stride == [] else stride, o.stride, "avg_pool2d",
            "stride")
    pair_of(padding, o.padding, "avg_pool2d", "padding")
    o.ceil_mode = ceil_mode
    o.count_include_pad = count_include_pad
    if divisor_override is not None:
        pair_of(divisor_override, divisor, "avg_pool2d", "divisor_override")
        if divisor[0] == 0:
            raise ValueError("avg_pool2d: divisor_override must not be 0")
        o.divisor_override = divisor[0]
    return pool2d(input, o, True, False)


# ------------------------------------------------------------------------------------------------------------
# cross_entropy

cdef const Ladder* cross_entropy_ladder[2]
cdef const Ladder* cross_entropy_backward_ladder[2]


cdef ndarray collapse(const char* name, ndarray a, int first, Array& out):
    """Describes `a` with its axes from `first` on merged into one (of length 1 if there are none)."""
    cdef int i, last
    cdef int64_t length = 1, step = 0
    cdef bint mergeable = True
    if cnp.PyArray_NDIM(a) < first:
        a = a.reshape(shape_of(a) + (1,) * (first - cnp.PyArray_NDIM(a)))
    a = read("cross_entropy", name, a, out)
    for i in range(out.rank - 1, first - 1, -1):
        if out.shape[i] == 1:
            continue
        if step == 0:
            step = out.stride[i]
        elif out.stride[i] != step * length:
            mergeable = False
        length *= out.shape[i]
    if not mergeable:
        return collapse(name, numpy.ascontiguousarray(a), first, out)
    out.rank = first + 1
    out.shape[first] = length
    out.stride[first] = step
    return a


@cython.final
@cython.no_gc
cdef class CrossEntropyBackward(Node):
    """kept0 is the logits, kept1 the logarithms of the sums of exponentials."""

    cdef CrossEntropy args
    cdef ndarray target, weight, logits
    cdef int dtype
    cdef bint reduced
    cdef double divisor  # the sum of the rows' weights, for the mean; otherwise 1

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef CrossEntropy a = self.args
        cdef Array dlogits, dloss
        cdef ndarray out, keep
        cdef double upstream64
        cdef float upstream32
        out = make_as(self.kept0)
        if cnp.PyArray_NDIM(out) > 3 and collapse("input", out, 2, dlogits) is not out:
            out = make(self.dtype, cnp.PyArray_NDIM(out), <const int64_t*>cnp.PyArray_DIMS(out))
        place_logits("result", out, dlogits)
        if dlogits.shape[0] != a.n or dlogits.shape[1] != a.c or dlogits.shape[2] != a.s:
            raise ValueError("cross_entropy: the input's array was given another shape before backward")
        a.dlogits = dlogits.data
        a.dlogits_n, a.dlogits_c, a.dlogits_s = dlogits.stride[0], dlogits.stride[1], dlogits.stride[2]
        if self.reduced:
            upstream64 = g.item() / self.divisor if self.divisor != 0 else float("nan")
            upstream32 = upstream64
            a.dloss = &upstream32 if self.dtype == F32 else <void*>&upstream64
            a.dloss_n = a.dloss_s = 0
        else:
            keep = collapse("grad_output", g if cnp.PyArray_NDIM(self.kept0) > 1 else g.reshape(1), 1, dloss)
            if dloss.dtype != self.dtype or dloss.shape[0] != a.n or dloss.shape[1] != a.s:
                raise ValueError(f"cross_entropy: expected a gradient of {a.n} x {a.s} rows, got shape "
                                 f"{shape_of(g)}")
            a.dloss = dloss.data
            a.dloss_n, a.dloss_s = dloss.stride[0], dloss.stride[1]
        run_kernel(api, "cross_entropy_backward", cross_entropy_backward_ladder, self.dtype, &a)
        return run.send(self.edge0, out)

    cdef int release(self) except -1:
        self.target = self.weight = self.logits = None
        return Node.release(self)


cdef ndarray place_logits(const char* name, ndarray a, Array& out):
    """(N, C, ...) as (N, C, S); (C) as (1, C, 1)."""
    if cnp.PyArray_NDIM(a) == 1:
        a = a.reshape((1, -1) if cnp.PyArray_SIZE(a) else (1, 0))
    return collapse(name, a, 2, out)


def cross_entropy(Tensor input not None, Tensor target not None, Tensor weight=None, size_average=None,
                  ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0):
    """Softmax, logarithm and negative log-likelihood in one, as torch.nn.functional.cross_entropy.

    Args:
        input: logits (N, C), (C) or (N, C, d1, ...), float32 or float64.
        target: classes (N), () or (N, d1, ...) of an integer dtype; or probabilities of input's shape.
        weight: (C), a factor for each class. ignore_index: targets of this value count for nothing.
        reduction: "mean" (over the rows' weights), "sum" or "none".
    """
    cdef ndarray logits = settled(input), classes = settled(target)
    cdef ndarray weights = None, loss, lse, row_weight = None
    cdef Array x, t, w
    cdef Array* pw = NULL
    cdef CrossEntropy a
    cdef Error e
    cdef CrossEntropyBackward node
    cdef Tensor out
    cdef int64_t rows[2]
    cdef int64_t ignored[2]
    cdef bint mean = reduction == "mean"
    cdef double divisor = 1, total
    if not mean and reduction not in ("sum", "none"):
        raise ValueError(f"cross_entropy: expected reduction 'mean', 'sum' or 'none', got {reduction!r}")
    if size_average is not None or reduce is not None:
        raise ValueError("cross_entropy: size_average and reduce are gone: use reduction")
    if cnp.PyArray_NDIM(logits) == 0 or cnp.PyArray_NDIM(logits) > 8:
        raise ValueError(f"cross_entropy: expected input of shape (N, C), (C) or (N, C, d1, ...), got "
                         f"{input.shape}")
    if cnp.PyArray_ISFLOAT(classes):
        return soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    if cnp.PyArray_TYPE(classes) != cnp.NPY_INT64:
        if classes.dtype.kind not in "iu":
            raise TypeError(f"cross_entropy: expected target of dtype int64, got {classes.dtype}")
        classes = classes.astype(numpy.int64)
    expected = input.shape[:1] + input.shape[2:] if cnp.PyArray_NDIM(logits) > 1 else ()
    if shape_of(classes) != expected:
        raise ValueError(f"cross_entropy: expected target of shape {expected}, got {target.shape} (input "
                         f"{input.shape})")
    pair_of(ignore_index, ignored, "cross_entropy", "ignore_index")
    logits = place_logits("input", logits, x)
    classes = collapse("target", classes if cnp.PyArray_NDIM(classes) else classes.reshape(1), 1, t)
    if weight is not None:
        weights = read_dense("cross_entropy", "weight", settled(weight), w)
        pw = &w
    if not api.cross_entropy_check(a, x, t, pw, ignored[0], label_smoothing, e):
        raise_error(e)
    if a.c == 0 and a.n * a.s > 0:
        raise ValueError(f"cross_entropy: there are no classes (input {input.shape})")
    rows[0], rows[1] = a.n, a.s
    loss, lse = make(x.dtype, 2, rows), make(x.dtype, 2, rows)
    a.loss, a.lse = cnp.PyArray_DATA(loss), cnp.PyArray_DATA(lse)
    if mean:
        row_weight = make(x.dtype, 2, rows)
        a.row_weight = cnp.PyArray_DATA(row_weight)
    run_kernel(api, "cross_entropy", cross_entropy_ladder, x.dtype, &a)
    if reduction == "none":
        out = wrap(loss.reshape(expected))
    else:
        total = dense_sum(x.dtype, a.loss, a.n * a.s)
        if mean:
            divisor = dense_sum(x.dtype, a.row_weight, a.n * a.s)
            total = total / divisor if divisor != 0 else float("nan")
        loss = make(x.dtype, 0, rows)
        if x.dtype == F32:
            (<float*>cnp.PyArray_DATA(loss))[0] = <float>total
        else:
            (<double*>cnp.PyArray_DATA(loss))[0] = total
        out = wrap(loss)
    if grad_mode and wants(input):
        node = CrossEntropyBackward.__new__(CrossEntropyBackward)
        node.args = a
        node.dtype = x.dtype
        node.logits, node.target, node.weight = logits, classes, weights
        node.reduced = reduction != "none"
        node.divisor = divisor
        node.edge0 = edge_of(input)
        keep0(node, input)
        node.kept1 = lse
        if weight is not None and weights is settled(weight):
            node.version2 = version_of(weight)
            node.seen2 = node.version2.value
        record(node, out)
    return out


cdef Tensor soft_cross_entropy(Tensor input, Tensor target, Tensor weight, str reduction, double smooth):
    """cross_entropy with a probability for each class as its target."""
    if input.shape != target.shape:
        raise ValueError(f"cross_entropy: expected target of input's shape {input.shape}, got {target.shape}")
    cdef int axis = 0 if cnp.PyArray_NDIM(settled(input)) == 1 else 1
    cdef Tensor scores = log_softmax(input, axis), wanted = target
    if not 0 <= smooth <= 1:
        raise ValueError(f"cross_entropy: expected label_smoothing in [0, 1], got {smooth}")
    if smooth > 0:
        wanted = wanted * (1 - smooth) + smooth / input.shape[axis]
    if weight is not None:
        if weight.shape != (input.shape[axis],):
            raise ValueError(f"cross_entropy: expected weight of shape {(input.shape[axis],)}, got "
                             f"{weight.shape}")
        scores = scores * reshape(weight, (-1,) + (1,) * (cnp.PyArray_NDIM(settled(input)) - axis - 1))
    cdef Tensor loss = -(scores * wanted)
    if reduction == "none":
        return summed(loss, axis, False, False)
    rows = input.numel() // max(1, input.shape[axis])
    cdef Tensor total = summed(loss, None, False, False)
    return total / rows if reduction == "mean" and rows else total


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
