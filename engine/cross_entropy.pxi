# Softmax, logarithm and negative log-likelihood in one: a kernel. Part of losses.pyx.

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
        if out.shape[i] == 0:
            length, step, mergeable = 0, 0, True
            break
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

    cdef int describe(self, Tensor input, ndarray classes, Tensor weight, object ignore_index,
                      double label_smoothing) except -1:
        """The arguments of the kernel, but for where results go."""
        cdef Array x, t, w
        cdef Array* pw = NULL
        cdef Error e
        cdef int64_t ignored[2]
        pair_of(ignore_index, ignored, "cross_entropy", "ignore_index")
        self.logits = place_logits("input", settled(input), x)
        self.target = collapse("target", classes if cnp.PyArray_NDIM(classes) else classes.reshape(1), 1, t)
        if weight is not None:
            self.weight = read_dense("cross_entropy", "weight", settled(weight), w)
            pw = &w
        if not api.cross_entropy_check(self.args, x, t, pw, ignored[0], label_smoothing, e):
            raise_error(e)
        if self.args.c == 0 and self.args.n * self.args.s > 0:
            raise ValueError(f"cross_entropy: there are no classes (input {input.shape})")
        self.dtype = x.dtype
        return 0

    cdef ndarray compute(self, str reduction):
        """The losses of all rows (n, s), or their sum or mean; kept1 and the divisor on the way."""
        cdef int64_t rows[2]
        cdef ndarray loss, row_weight
        cdef double total
        rows[0], rows[1] = self.args.n, self.args.s
        loss, self.kept1 = make(self.dtype, 2, rows), make(self.dtype, 2, rows)
        self.args.loss, self.args.lse = cnp.PyArray_DATA(loss), cnp.PyArray_DATA(self.kept1)
        if reduction == "mean":
            row_weight = make(self.dtype, 2, rows)
            self.args.row_weight = cnp.PyArray_DATA(row_weight)
        run_kernel(api, "cross_entropy", cross_entropy_ladder, self.dtype, &self.args)
        self.reduced, self.divisor = reduction != "none", 1
        if not self.reduced:
            return loss
        total = dense_sum(self.dtype, self.args.loss, rows[0] * rows[1])
        if reduction == "mean":
            self.divisor = dense_sum(self.dtype, self.args.row_weight, rows[0] * rows[1])
            total = total / self.divisor if self.divisor != 0 else float("nan")
        loss = make(self.dtype, 0, rows)
        if self.dtype == F32:
            (<float*>cnp.PyArray_DATA(loss))[0] = <float>total
        else:
            (<double*>cnp.PyArray_DATA(loss))[0] = total
        return loss

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
    cdef CrossEntropyBackward node
    cdef ndarray classes, loss
    cdef Tensor out
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"cross_entropy: expected reduction 'mean', 'sum' or 'none', got {reduction!r}")
    if size_average is not None or reduce is not None:
        raise ValueError("cross_entropy: size_average and reduce are gone: use reduction")
    if not 1 <= cnp.PyArray_NDIM(settled(input)) <= 8:
        raise ValueError(f"cross_entropy: expected input of shape (N, C), (C) or (N, C, d1, ...), got "
                         f"{input.shape}")
    if cnp.PyArray_ISFLOAT(settled(target)):
        return soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    classes = classes_of(input, target)
    node = CrossEntropyBackward.__new__(CrossEntropyBackward)
    node.describe(input, classes, weight, ignore_index, label_smoothing)
    loss = node.compute(reduction)
    out = wrap(loss if node.reduced else loss.reshape(shape_of(classes)))
    if recording() and wants(input):
        node.edge0 = edge_of(input)
        keep0(node, input)
        if classes is settled(target):
            node.version1 = version_of(target)
            node.seen1 = node.version1.value
        if weight is not None and node.weight is settled(weight):
            node.version2 = version_of(weight)
            node.seen2 = node.version2.value
        record(node, out)
    return out


cdef ndarray classes_of(Tensor input, Tensor target):
    """The array of the target, int64: one class for each row of logits."""
    cdef ndarray classes = settled(target)
    if cnp.PyArray_TYPE(classes) != cnp.NPY_INT64:
        if classes.dtype.kind not in "iu":
            raise TypeError(f"cross_entropy: expected target of dtype int64, got {classes.dtype}")
        classes = classes.astype(numpy.int64)
    expected = input.shape[:1] + input.shape[2:] if input.ndim > 1 else ()
    if shape_of(classes) != expected:
        raise ValueError(f"cross_entropy: expected target of shape {expected}, got {target.shape} (input "
                         f"{input.shape})")
    return classes


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
        return loss.sum(axis)
    rows = input.numel() // max(1, input.shape[axis])
    cdef Tensor total = loss.sum()
    return total / rows if reduction == "mean" and rows else total
