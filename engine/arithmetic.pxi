# Arithmetic. Arrays of one float dtype and one layout take the short way (a plain loop); everything else is
# NumPy's, with PyTorch's rules for dtypes.

cdef tuple ufuncs = (numpy.add, numpy.subtract, numpy.multiply, numpy.divide)  # by ADD, SUB, MUL, DIV
cdef tuple loop_names = ("Add", "Sub", "Mul", "Div")
cdef object float32 = numpy.dtype(numpy.float32)


cdef object promoted(ndarray a, ndarray b):
    """The dtype of a op b as PyTorch has it: bool < int < float; an array outranks a 0-d one."""
    cdef object kind = wider(a.dtype, b.dtype)
    if (a.ndim == 0) != (b.ndim == 0) and rank_of(a.dtype) == rank_of(b.dtype):
        return b.dtype if a.ndim == 0 else a.dtype
    return kind


cdef int rank_of(object dtype) except -1:
    """0, 1, 2 for bool, whole numbers, floats."""
    cdef int rank = "bif".find(dtype.kind.replace("u", "i"))
    if rank < 0:
        raise TypeError(f"expected tensors of numbers, got {dtype}")
    return rank


def wider(a, b):
    """The dtype of two arrays' dtypes: bool < int < float, whatever their bits."""
    if a == b:
        return a
    cdef int first = rank_of(a), second = rank_of(b)
    return numpy.promote_types(a, b) if first == second else a if first > second else b


cdef ndarray operand(Tensor t, object other):
    """The other side of an operator, for NumPy: numbers stay weak, arrays are promoted as PyTorch does."""
    if isinstance(other, (bool, int, float, numpy.generic)):
        if isinstance(other, (float, numpy.floating)) and not cnp.PyArray_ISFLOAT(settled(t)):
            return numpy.asarray(other, float32)
        if settled(t).dtype.kind == "b" and not isinstance(other, (bool, numpy.bool_)):
            return numpy.asarray(other, numpy.int64)
        return numpy.asarray(other, settled(t).dtype)
    cdef ndarray b = array_of(other)
    return b.astype(promoted(settled(t), b), copy=False)


cdef ndarray broadcasted(int op, ndarray a, ndarray b):
    """a op b of one float dtype, repeated where shapes differ; None if they do not fit each other. The result
    lies in memory as whichever of both has its shape and is no repeated view; otherwise in C order."""
    cdef Axes axes
    cdef ndarray out
    cdef int i, rank_a = cnp.PyArray_NDIM(a), rank_b = cnp.PyArray_NDIM(b)
    cdef bint like_a, like_b
    cdef int64_t length_a, length_b
    cdef int dtype
    cdef const void* pa
    cdef const void* pb
    cdef void* po
    axes.rank = max(rank_a, rank_b)
    if axes.rank == 0 or axes.rank > max_rank:
        return None
    like_a, like_b = rank_a == axes.rank and not repeated(a), rank_b == axes.rank and not repeated(b)
    for i in range(axes.rank):
        length_a = cnp.PyArray_DIMS(a)[i - axes.rank + rank_a] if i >= axes.rank - rank_a else 1
        length_b = cnp.PyArray_DIMS(b)[i - axes.rank + rank_b] if i >= axes.rank - rank_b else 1
        axes.shape[i] = length_b if length_a == 1 else length_a
        like_a = like_a and length_a == axes.shape[i]
        like_b = like_b and length_b == axes.shape[i]
    if not place(a, 0, axes) or not place(b, 1, axes):
        return None
    out = make_as(a) if like_a else make_as(b) if like_b else make(dtype_of(a), axes.rank, axes.shape)
    place(out, 2, axes)
    dtype, pa, pb, po = dtype_of(a), cnp.PyArray_DATA(a), cnp.PyArray_DATA(b), cnp.PyArray_DATA(out)
    if cnp.PyArray_SIZE(out) > 4096:
        with nogil:
            broadcast(dtype, op, pa, pb, po, axes)
    elif cnp.PyArray_SIZE(out):
        broadcast(dtype, op, pa, pb, po, axes)
    return out


cdef ndarray combine(int op, ndarray a, ndarray b):
    """a op b as a new array."""
    cdef ndarray out
    cdef int64_t n
    cdef int dtype
    cdef const void* pa
    cdef const void* pb
    cdef void* po
    if plain_float(a) and plain_float(b) and dtype_of(a) == dtype_of(b) and same_layout(a, b):
        dtype = dtype_of(a)
        out = make_as(a)
        n = cnp.PyArray_SIZE(a)
        pa, pb, po = cnp.PyArray_DATA(a), cnp.PyArray_DATA(b), cnp.PyArray_DATA(out)
        if n > 4096:
            with nogil:
                arrays(dtype, op, pa, pb, po, n)
        else:
            arrays(dtype, op, pa, pb, po, n)
        return out
    if plain_float(a) and plain_float(b) and dtype_of(a) == dtype_of(b):
        out = broadcasted(op, a, b)
        if out is not None:
            return out
    kind = promoted(a, b)
    if op == DIV and kind.kind != "f":
        kind = float32
    if op == SUB and kind.kind == "b":
        raise TypeError("subtraction of bool tensors is not supported; use ^")
    try:
        return numpy.asarray(ufuncs[op](a.astype(kind, copy=False), b.astype(kind, copy=False)))
    except ValueError:
        raise ValueError(f"the shapes {shape_of(a)} and {shape_of(b)} do not fit each other") from None


cdef tuple shape_of(ndarray a):
    return tuple([cnp.PyArray_DIMS(a)[i] for i in range(cnp.PyArray_NDIM(a))])


cdef ndarray scale(int op, bint swapped, ndarray a, double s):
    """a op s, or s op a; a is float."""
    cdef ndarray out
    cdef int64_t n
    cdef int dtype
    cdef const void* pa
    cdef void* po
    if plain_float(a) and is_dense(a):
        dtype = dtype_of(a)
        out = make_as(a)
        n = cnp.PyArray_SIZE(a)
        pa, po = cnp.PyArray_DATA(a), cnp.PyArray_DATA(out)
        if n > 4096:
            with nogil:
                scalar(dtype, op, swapped, pa, s, po, n)
        else:
            scalar(dtype, op, swapped, pa, s, po, n)
        return out
    b = numpy.asarray(s, a.dtype)
    return numpy.asarray(ufuncs[op](b, a) if swapped else ufuncs[op](a, b))


cdef ndarray fit(ndarray g, tuple shape, object dtype):
    """The gradient of something that was broadcast (and converted): summed over the axes that are new."""
    cdef int extra = cnp.PyArray_NDIM(g) - len(shape)
    axes = tuple(range(extra)) + tuple([i + extra for i, n in enumerate(shape)
                                        if n == 1 and cnp.PyArray_DIMS(g)[i + extra] != 1])
    if axes:
        g = reduced(SUM, g, axes, False, 1) if reducible(g) else numpy.asarray(numpy.sum(g, axis=axes))
        g = g.reshape(shape)
    return g.astype(dtype, copy=False)


@cython.final
@cython.no_gc
cdef class ArithmeticBackward(Node):
    """a op b. kept0 is a, kept1 is b, as far as needed; shapes are kept if something was broadcast."""

    cdef int op
    cdef tuple shape0, shape1
    cdef object dtype0, dtype1

    cdef int give(self, Run run, object edge, ndarray g, tuple shape, object dtype) except -1:
        return run.send(edge, g if shape is None else fit(g, shape, dtype))

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef ndarray g0
        if self.op == ADD:
            if self.edge0 is not None:
                self.give(run, self.edge0, g, self.shape0, self.dtype0)
            if self.edge1 is not None:
                self.give(run, self.edge1, g, self.shape1, self.dtype1)
        elif self.op == SUB:
            if self.edge0 is not None:
                self.give(run, self.edge0, g, self.shape0, self.dtype0)
            if self.edge1 is not None:
                self.give(run, self.edge1, scale(MUL, False, g, -1), self.shape1, self.dtype1)
        elif self.op == MUL:
            if self.edge0 is not None:
                self.give(run, self.edge0, combine(MUL, g, self.kept1), self.shape0, self.dtype0)
            if self.edge1 is not None:
                self.give(run, self.edge1, combine(MUL, g, self.kept0), self.shape1, self.dtype1)
        else:
            g0 = combine(DIV, g, self.kept1)
            if self.edge1 is not None:  # d(a / b)/db = -a / b^2
                self.give(run, self.edge1, scale(MUL, False, combine(DIV, combine(MUL, g0, self.kept0),
                                                                     self.kept1), -1),
                          self.shape1, self.dtype1)
            if self.edge0 is not None:
                self.give(run, self.edge0, g0, self.shape0, self.dtype0)
        return 0

    def name(self):
        return loop_names[self.op] + "Backward"


cdef Later added(Tensor a, Tensor b):
    """What computes a + b where a is still to be computed (a norm's result and a residual), or None."""
    if b.later is not None:
        settle(b)
    if (a.later is None or b.node is None or not untouched(b) or dtype_of(a.held) != dtype_of(b.held)
            or not same_layout(a.held, b.held)):
        return None
    return a.later.plus(b.held)


cdef Tensor arithmetic(int op, Tensor a, Tensor b):
    cdef ndarray x, y
    cdef Tensor out
    cdef Later later = None
    cdef ArithmeticBackward node
    if op == ADD and grad_mode and (a.later is not None or b.later is not None):
        later = added(a, b) if a.later is not None else added(b, a)
    if later is None:
        x, y = settled(a), settled(b)
        out = wrap(combine(op, x, y))
    else:
        x, y = a.held, b.held
        out = wrap(x)
        wait_for(out, later)
    if not grad_mode or not (wants(a) or wants(b)):
        return out
    node = ArithmeticBackward.__new__(ArithmeticBackward)
    node.op = op
    node.edge0 = edge_of(a)
    node.edge1 = edge_of(b)
    if (op == MUL or op == DIV) and node.edge1 is not None:
        keep0(node, a)
    if (op == MUL and node.edge0 is not None) or op == DIV:
        keep1(node, b)
    if not (same_shape(x, y) and cnp.PyArray_TYPE(x) == cnp.PyArray_TYPE(y)):
        node.shape0, node.shape1 = shape_of(x), shape_of(y)
        node.dtype0, node.dtype1 = x.dtype, y.dtype
    record(node, out)
    return out


@cython.final
@cython.no_gc
cdef class ScalarBackward(Node):
    """a op s, or s op a. kept0 is a where s / a needs it."""

    cdef int op
    cdef bint swapped
    cdef double s

    cdef int replay(self, ndarray g, Run run) except -1:
        if self.op == ADD or (self.op == SUB and not self.swapped):
            run.send(self.edge0, g)
        elif self.op == SUB:
            run.send(self.edge0, scale(MUL, False, g, -1))
        elif self.op == MUL or not self.swapped:
            run.send(self.edge0, scale(self.op, False, g, self.s))
        else:  # d(s / a)/da = -s / a^2
            run.send(self.edge0, scale(MUL, False, combine(DIV, combine(DIV, g, self.kept0), self.kept0),
                                       -self.s))
        return 0

    def name(self):
        return loop_names[self.op] + "Backward"


cdef object operate(int op, Tensor a, object other, bint swapped):
    """a op other, or other op a if swapped."""
    cdef Tensor out
    cdef ScalarBackward node
    cdef double s
    if isinstance(other, Tensor):
        return arithmetic(op, <Tensor>other, a) if swapped else arithmetic(op, a, <Tensor>other)
    if isinstance(other, (float, int, numpy.generic)):
        if not cnp.PyArray_ISFLOAT(settled(a)):
            return arithmetic(op, wrap(operand(a, other)), a) if swapped else arithmetic(op, a,
                                                                                         wrap(operand(a,
                                                                                                      other)))
        s = other
        out = wrap(scale(op, swapped, settled(a), s))
        if grad_mode and wants(a):
            node = ScalarBackward.__new__(ScalarBackward)
            node.op = op
            node.swapped = swapped
            node.s = s
            node.edge0 = edge_of(a)
            if op == DIV and swapped:
                keep0(node, a)
            record(node, out)
        return out
    if isinstance(other, numpy.ndarray):
        return operate(op, a, wrap(other), swapped)
    return NotImplemented


cdef object compare(Tensor a, object other, object ufunc):
    """A bool tensor, element by element; False or NotImplemented for what cannot be compared."""
    if not isinstance(other, (Tensor, numpy.ndarray, numpy.generic, float, int)):
        return NotImplemented
    if isinstance(other, int):  # of any size: NumPy compares it as the whole number that it is
        return wrap(numpy.asarray(ufunc(settled(a), other)))
    cdef ndarray b = operand(a, other)
    kind = promoted(settled(a), b)
    try:
        return wrap(numpy.asarray(ufunc(settled(a).astype(kind, copy=False), b)))
    except ValueError:
        raise ValueError(f"the shapes {shape_of(a.held)} and {shape_of(b)} do not fit each other") from None


cdef object both(Tensor a, object other):
    """a and other as arrays of the dtype that PyTorch would compute with."""
    cdef Tensor b = other if isinstance(other, Tensor) else wrap(operand(a, other))
    kind = promoted(settled(a), settled(b))
    return b, settled(a).astype(kind, copy=False), settled(b).astype(kind, copy=False)


def floor_divide(Tensor input not None, other):
    """The largest whole number not above input / other; its gradient is 0."""
    other, a, b = both(input, other)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        return wrap(numpy.asarray(a // b))


def remainder(Tensor input not None, other):
    """input - other * floor(input / other): it has the sign of other."""
    cdef tuple shape0 = shape_of(settled(input)), shape1
    other, a, b = both(input, other)
    shape1 = shape_of(settled(<Tensor>other))
    dtype0, dtype1 = input.dtype, other.dtype
    with numpy.errstate(divide="ignore", invalid="ignore"):
        result = numpy.asarray(a % b)

    def grads(g, a, b):
        with numpy.errstate(divide="ignore", invalid="ignore"):
            return fit(g, shape0, dtype0), fit(numpy.asarray(-g * (a // b), g.dtype), shape1, dtype1)

    return close("RemainderBackward", result, (input, other), grads, (input, other))


cdef object bitwise(Tensor a, object other, object ufunc):
    other, x, y = both(a, other)
    return wrap(numpy.asarray(ufunc(x, y)))


cdef object power(object base, object exponent):
    cdef Tensor x, y
    cdef tuple shape0, shape1
    if isinstance(exponent, (float, int, numpy.generic)):
        x = <Tensor>base
        n = exponent
        if n == 2:
            return arithmetic(MUL, x, x)
        a = settled(x) if isinstance(n, (int, numpy.integer)) else as_float(x)

        def grad(g, a):
            if n == 0:
                return (numpy.zeros_like(g),)
            return (numpy.asarray(g * n * numpy.power(a, a.dtype.type(n - 1))),)

        return close("PowBackward", numpy.asarray(numpy.power(a, a.dtype.type(n))), (x,), grad, (x,))
    if not isinstance(exponent, Tensor) and not isinstance(exponent, numpy.ndarray):
        return NotImplemented
    x, y = tensor_of(base if isinstance(base, (Tensor, numpy.ndarray))
                     else operand(exponent, base)), tensor_of(exponent)
    kind = promoted(settled(x), settled(y))
    shape0, shape1 = shape_of(settled(x)), shape_of(settled(y))
    dtype0, dtype1 = settled(x).dtype, settled(y).dtype
    need0, need1 = wants(x), wants(y)
    result = numpy.asarray(numpy.power(settled(x).astype(kind), settled(y).astype(kind)))

    def grads(g, a, b):
        with numpy.errstate(divide="ignore", invalid="ignore"):  # 0^0 is 1 whatever stands for the first 0
            slope = numpy.where(b == 0, g.dtype.type(0), b * numpy.power(a, b - 1))
        g0 = fit(numpy.asarray(g * slope), shape0, dtype0) if need0 else None
        if not need1:
            return g0, None
        logs = numpy.log(numpy.where(a > 0, a, 1).astype(g.dtype))
        return g0, fit(numpy.asarray(g * numpy.power(a, b) * logs), shape1, dtype1)

    return close("PowBackward", result, (x, y), grads, (x, y))


@cython.final
@cython.no_gc
cdef class MatmulBackward(Node):
    """c = a b: dL/da = g b^T, dL/db = a^T g."""

    cdef int replay(self, ndarray g, Run run) except -1:
        if self.edge0 is not None:
            run.send(self.edge0, multiply(g, cnp.PyArray_Transpose(self.kept1, NULL)))
        if self.edge1 is not None:
            run.send(self.edge1, multiply(cnp.PyArray_Transpose(self.kept0, NULL), g))
        return 0


cdef const Ladder* gemm_ladder[2]


cdef ndarray multiply(ndarray a, ndarray b):
    """The matrix product of two matrices, by the kernel."""
    cdef Gemm g
    cdef Array x, y
    cdef Error e
    cdef int64_t shape[2]
    cdef ndarray out
    a, b = read("matmul", "input", a, x), read("matmul", "other", b, y)
    if not api.gemm_check(g, x, y, NULL, e):
        raise_error(e)
    shape[0], shape[1] = g.m, g.n
    out = make(x.dtype, 2, shape)
    g.c = cnp.PyArray_DATA(out)
    g.c_m, g.c_n = g.n, 1
    run_kernel(api, "gemm", gemm_ladder, x.dtype, &g)
    return out


# Where the matrices of a batch lie, for run_each.
cdef struct Batch:
    char* a
    char* b
    char* c
    int lead                # leading axes
    int64_t shape[8]
    int64_t step_a[8]       # in bytes
    int64_t step_b[8]
    int64_t step_c


cdef void place_matrices(void* args, int64_t i, void* data) noexcept nogil:
    cdef Gemm* g = <Gemm*>args
    cdef Batch* batch = <Batch*>data
    cdef int64_t rest = i, at_a = 0, at_b = 0
    cdef int d
    for d in range(batch.lead - 1, 0, -1):
        at_a += rest % batch.shape[d] * batch.step_a[d]
        at_b += rest % batch.shape[d] * batch.step_b[d]
        rest = rest // batch.shape[d]
    if batch.lead:
        at_a += rest * batch.step_a[0]
        at_b += rest * batch.step_b[0]
    g.a, g.b, g.c = batch.a + at_a, batch.b + at_b, batch.c + i * batch.step_c


cdef ndarray matrices(ndarray a, ndarray b):
    """(..., m, k) by (..., k, n): gemm matrix by matrix, and one in all where b is a single matrix."""
    cdef Gemm g
    cdef Array x, y, px, py
    cdef Error e
    cdef const Ladder* ladder
    cdef int64_t shape[8]
    cdef int64_t count = 1, size
    cdef int lead, d
    cdef bint good = True
    cdef ndarray out, flat
    cdef Batch batch
    if cnp.PyArray_NDIM(b) == 2 and cnp.PyArray_NDIM(a) > 2 and cnp.PyArray_SIZE(a):
        flat = shaped(a, (-1, cnp.PyArray_DIMS(a)[cnp.PyArray_NDIM(a) - 1]))
        out = multiply(flat, b)
        return out.reshape(shape_of(a)[:-1] + (cnp.PyArray_DIMS(b)[1],))
    first = numpy.broadcast_shapes(shape_of(a)[:-2], shape_of(b)[:-2])
    if len(first) > max_rank - 2:
        raise ValueError(f"matmul: expected at most {max_rank} axes, got {len(first) + 2}")
    a = read("matmul", "input", numpy.broadcast_to(a, first + shape_of(a)[-2:]), x)
    b = read("matmul", "other", numpy.broadcast_to(b, first + shape_of(b)[-2:]), y)
    lead = len(first)
    px, py = x, y
    px.rank = py.rank = 2
    for d in range(2):
        px.shape[d], px.stride[d] = x.shape[lead + d], x.stride[lead + d]
        py.shape[d], py.stride[d] = y.shape[lead + d], y.stride[lead + d]
    if not api.gemm_check(g, px, py, NULL, e):
        raise_error(e)
    for d in range(lead):
        shape[d] = x.shape[d]
        count *= shape[d]
    shape[lead], shape[lead + 1] = g.m, g.n
    out = make(x.dtype, lead + 2, shape)
    ladder = gemm_ladder[x.dtype]
    if ladder == NULL:
        ladder = gemm_ladder[x.dtype] = api.ladder("gemm", x.dtype, &e)
        if ladder == NULL:
            raise_error(e)
    size = bytes_of(x.dtype)
    g.c_m, g.c_n = g.n, 1
    batch.a, batch.b, batch.c = <char*>x.data, <char*>y.data, <char*>cnp.PyArray_DATA(out)
    batch.lead, batch.step_c = lead, g.m * g.n * size
    for d in range(lead):
        batch.shape[d], batch.step_a[d], batch.step_b[d] = shape[d], x.stride[d] * size, y.stride[d] * size
    if count:
        place_matrices(&g, 0, &batch)
        with nogil:
            good = api.run_each(ladder, &g, count, place_matrices, &batch, &e)
    if not good:
        raise_error(e)
    return out


@cython.final
@cython.no_gc
cdef class BatchedMatmulBackward(Node):
    """c = a b for every matrix; vectors stand as matrices of one row or column. kept0 is a, kept1 is b."""

    cdef tuple shape0, shape1  # of a and b with vectors as matrices

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef ndarray a = self.kept0, b = self.kept1, back
        cdef tuple was0 = shape_of(a), was1 = shape_of(b)
        a, b = a.reshape(self.shape0), b.reshape(self.shape1)
        g = g.reshape(self.full(g))
        if self.edge0 is not None:
            back = matrices(g, numpy.swapaxes(b, -1, -2))
            run.send(self.edge0, fit(back, self.shape0, back.dtype).reshape(was0))
        if self.edge1 is not None:
            if len(self.shape1) == 2 and len(self.shape0) > 2:  # one product sums over the batch as well
                back = multiply(cnp.PyArray_Transpose(a.reshape(-1, self.shape0[-1]), NULL),
                                g.reshape(-1, self.shape1[-1]))
            else:
                back = matrices(numpy.swapaxes(a, -1, -2), g)
            run.send(self.edge1, fit(back, self.shape1, back.dtype).reshape(was1))
        return 0

    cdef tuple full(self, ndarray g):
        """The result's shape with the axes that stand for vectors."""
        return numpy.broadcast_shapes(self.shape0[:-2], self.shape1[:-2]) + (self.shape0[-2], self.shape1[-1])

    def name(self):
        return "MatmulBackward"


def matmul(Tensor input not None, Tensor other not None):
    """The matrix product, as torch.matmul: matrices, batches of them (leading axes broadcast) and vectors.

    Floats go through the gemm ladder, matrix by matrix; whole numbers through NumPy.

    ValueError for shapes that do not fit, TypeError for two different dtypes.

    Example:
      >>> import loopnest
      >>> loopnest.matmul(loopnest.tensor([[1.0, 2.0], [3.0, 4.0]]), loopnest.tensor([[1.0], [1.0]]))
      tensor([[3.],
              [7.]])
    """
    cdef ndarray a = settled(input), b = settled(other)
    cdef MatmulBackward node
    cdef BatchedMatmulBackward many
    cdef Tensor out
    cdef tuple shape0 = shape_of(a), shape1 = shape_of(b)
    if cnp.PyArray_NDIM(a) == 2 and cnp.PyArray_NDIM(b) == 2 and cnp.PyArray_ISFLOAT(a):
        out = wrap(multiply(a, b))
        if grad_mode and (wants(input) or wants(other)):
            node = MatmulBackward.__new__(MatmulBackward)
            node.edge0 = edge_of(input)
            node.edge1 = edge_of(other)
            if node.edge1 is not None:
                keep0(node, input)
            if node.edge0 is not None:
                keep1(node, other)
            record(node, out)
        return out
    if a.ndim == 0 or b.ndim == 0:
        raise ValueError(f"matmul: expected tensors of at least 1 axis, got shapes {input.shape} and "
                         f"{other.shape}")
    if a.dtype != b.dtype:
        raise TypeError(f"matmul: input is {a.dtype} but other is {b.dtype}; convert one of them with to()")
    row, column = a.ndim == 1, b.ndim == 1
    full0 = (1,) + shape0 if row else shape0
    full1 = shape1 + (1,) if column else shape1
    try:
        if full0[-1] != full1[-2]:
            raise ValueError
        whole = numpy.broadcast_shapes(full0[:-2], full1[:-2]) + (full0[-2], full1[-1])
    except ValueError:
        raise ValueError(f"matmul: the shapes {shape0} and {shape1} do not fit each other") from None
    if not cnp.PyArray_ISFLOAT(a):
        return wrap(numpy.asarray(numpy.matmul(a, b)))
    final = whole[:-2] + (() if row else whole[-2:-1]) + (() if column else whole[-1:])
    out = wrap(matrices(a.reshape(full0), b.reshape(full1)).reshape(final))
    if grad_mode and (wants(input) or wants(other)):
        many = BatchedMatmulBackward.__new__(BatchedMatmulBackward)
        many.edge0, many.edge1 = edge_of(input), edge_of(other)
        many.shape0, many.shape1 = full0, full1
        keep0(many, input)
        keep1(many, other)
        record(many, out)
    return out


mm = matmul


# Functions of one variable by NumPy

cdef ndarray as_float(Tensor t):
    return settled(t) if cnp.PyArray_ISFLOAT(settled(t)) else settled(t).astype(float32)


cdef Tensor of_result(str title, ndarray y, Tensor x, object grad):
    """y = f(x) with dL/dx = grad(g, y)."""
    cdef Tensor out = wrap(y)
    cdef Closure node
    if not grad_mode or not wants(x):
        return out
    node = Closure.__new__(Closure)
    node.title = title
    node.function = grad
    node.more = (edge_of(x),)
    keep0(node, out)
    record(node, out)
    return out


def exp(Tensor input not None):
    """e to the power of every element.

    Example:
      >>> import loopnest
      >>> loopnest.exp(loopnest.tensor([0.0, 1.0]))
      tensor([1.0000, 2.7183])
    """
    return of_result("ExpBackward", numpy.asarray(numpy.exp(as_float(input))), input, lambda g,
                     y: (numpy.asarray(g * y),))


def sqrt(Tensor input not None):
    """The square root of every element; NaN below 0.

    Example:
      >>> import loopnest
      >>> loopnest.sqrt(loopnest.tensor([4.0, 9.0]))
      tensor([2., 3.])
    """
    with numpy.errstate(invalid="ignore"):
        y = numpy.asarray(numpy.sqrt(as_float(input)))
    return of_result("SqrtBackward", y, input, _sqrt_grad)


def _std_grad(g, y):
    """sqrt's, but 0 where all elements are equal."""
    with numpy.errstate(divide="ignore", invalid="ignore"):
        return (numpy.asarray(numpy.where(y == 0, y.dtype.type(0), g / (2 * y))),)


def _sqrt_grad(g, y):
    with numpy.errstate(divide="ignore", invalid="ignore"):
        return (numpy.asarray(g / (2 * y)),)


def log(Tensor input not None):
    """The natural logarithm of every element; -inf at 0, NaN below.

    Example:
      >>> import loopnest
      >>> loopnest.log(loopnest.tensor([1.0, 10.0]))
      tensor([0.0000, 2.3026])
    """
    with numpy.errstate(divide="ignore", invalid="ignore"):
        y = numpy.asarray(numpy.log(as_float(input)))
    return close("LogBackward", y, (input,), _log_grad, (input,))


def _log_grad(g, x):
    with numpy.errstate(divide="ignore", invalid="ignore"):
        return (numpy.asarray(g / x),)


cdef Tensor absolute(Tensor x):
    return close("AbsBackward", numpy.asarray(numpy.abs(settled(x))), (x,), lambda g,
                 a: (numpy.asarray(g * numpy.sign(a)),), (x,))


def clamp(Tensor input not None, min=None, max=None):
    """Between min and max; the gradient is 1 inside and at the bounds, 0 outside.

    One of both may be None; ValueError if both are.

    Example:
      >>> import loopnest
      >>> loopnest.clamp(loopnest.tensor([-2.0, 0.5, 2.0]), min=0)
      tensor([0.0000, 0.5000, 2.0000])
    """
    if min is None and max is None:
        raise ValueError("clamp: expected min or max, got neither")
    if isinstance(min, Tensor) or isinstance(max, Tensor):
        return clamp_between(input, min, max)
    if isinstance(min, float) or isinstance(max, float):
        input = input if cnp.PyArray_ISFLOAT(settled(input)) else cast(input, float32)
    low, high = (None if v is None else operand(input, v).copy() for v in (min, max))

    def grad(g, a):
        inside = numpy.ones(a.shape, bool)
        if low is not None:
            inside &= a >= low
        if high is not None:
            inside &= a <= high
        return (numpy.asarray(numpy.where(inside, g, 0), a.dtype),)

    result = numpy.asarray(numpy.clip(settled(input), low, high))
    return close("ClampBackward", result, (input,), grad, (input,))


cdef Tensor clamp_between(Tensor x, object low, object high):
    """clamp by tensors: the gradient of what is outside goes to the bound that took its place."""
    for bound, beyond in ((low, numpy.less), (high, numpy.greater)):
        if bound is not None:
            bound = tensor_of(bound)
            kind = promoted(settled(x), settled(<Tensor>bound))
            x, bound = cast(x, kind), cast(bound, kind)
            x = where(compare(x, bound, beyond), bound, x)
    return x


def where(condition, input=None, other=None):
    """Elements of input where condition holds, of other elsewhere, all three broadcast; without
    both, the places where it holds, one tensor of indices per axis.

    Example:
      >>> import loopnest
      >>> x = loopnest.tensor([-1.0, 2.0])
      >>> loopnest.where(x > 0, x, 0.0)
      tensor([0., 2.])
    """
    if input is None and other is None:
        return tuple([wrap(at) for at in numpy.nonzero(array_of(condition))])
    cdef Tensor x = tensor_of(input), y = tensor_of(other)
    cdef ndarray mask = array_of(condition).astype(bool)
    kind = promoted(settled(x), settled(y))
    result = numpy.asarray(numpy.where(mask, settled(x), settled(y))).astype(kind, copy=False)
    cdef tuple shape0 = shape_of(settled(x)), shape1 = shape_of(settled(y))
    dtype0, dtype1 = settled(x).dtype, settled(y).dtype

    def grads(g):
        zero = numpy.zeros((), g.dtype)
        return fit(numpy.where(mask, g, zero), shape0, dtype0), fit(numpy.where(mask, zero, g), shape1,
                                                                    dtype1)

    return close("WhereBackward", result, (x, y), grads, ())
