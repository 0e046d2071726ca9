# Changes in place: recorded where the tape sees them, refused where it cannot. Part of tape.pyx.

cdef bint on_tape(Tensor t, object other) except -1:
    """Does `t op= other` have to be recorded? A leaf is an error."""
    if not grad_mode:
        return False
    if t.requires and t.node is None:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    return t.node is not None or (isinstance(other, Tensor) and wants(<Tensor>other))


cdef int need_alone(Tensor t) except -1:
    """Another tensor that looks at t's memory would not see a change that is recorded."""
    if seen_by_others(t):
        raise RuntimeError("in-place changes are recorded only where nobody else looks at the memory: this "
                           "tensor is a view, or has one; make a new tensor, or use no_grad() or detach()")
    return 0


def become(Tensor t not None, Tensor new not None):
    """t, whose numbers (and place on the tape) are now those of `new`, a result that nobody else has.

    Where the tape sees it, what t was stays as it is for the nodes that have kept it.
    """
    if not on_tape(t, new):
        return t.copy_(new)
    need_alone(t)
    return take_over(t, new)


cdef Tensor take_over(Tensor t, Tensor new):
    if not same_shape(new.held, t.held):
        raise ValueError(f"an in-place operation keeps its shape {t.shape}, the result has {new.shape}")
    if cnp.PyArray_TYPE(new.held) != cnp.PyArray_TYPE(t.held):
        if new.dtype.kind == "f" and t.dtype.kind != "f":
            raise TypeError(f"an in-place operation keeps its dtype {t.dtype}, the result has {new.dtype}")
        new = cast(new, t.dtype)
    if t.later is not None:
        forget(t.later)
    t.held, t.node, t.version, t.later, new.later = new.held, new.node, new.version, new.later, None
    if t.later is not None:
        t.later.tensor = <PyObject*>t
    return t


cdef int need_in_place(Tensor t, object value) except -1:
    settle_all()
    if not grad_mode:
        return 0
    if t.requires and t.node is None:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    if t.node is not None or (isinstance(value, Tensor) and wants(<Tensor>value)):
        raise RuntimeError("in-place changes are not recorded on the tape: make a new tensor, or use "
                           "no_grad() or detach()")
    return 0


cdef Tensor change(Tensor t, int op, object other):
    """t op= other"""
    if on_tape(t, other):
        new = operate(op, t, other, False)
        if new is NotImplemented:
            raise TypeError(f"expected a number, an array or a tensor, got {type(other).__name__}")
        need_alone(t)
        return take_over(t, new)
    need_in_place(t, other)
    cdef ndarray a = operand(t, other)
    ufuncs[op](settled(t), a, out=settled(t), casting="same_kind")
    bump(t)
    return t


cdef int place_at(ndarray a, object index, ndarray value) except -1:
    """a[index] = value; leading axes of length 1 of value may be too many, as in PyTorch."""
    there = numpy.ndim(a[index])
    while value.ndim > there and value.shape[0] == 1:
        value = value.reshape(shape_of(value)[1:])
    try:
        a[index] = value
    except ValueError:
        raise ValueError(f"a value of shape {shape_of(value)} does not fit the place of shape "
                         f"{numpy.shape(a[index])} in a tensor of shape {shape_of(a)}") from None
    return 0


cdef int put(Tensor t, object index, Tensor value) except -1:
    """t[index] = value, recorded; in t's own memory if no node has kept it."""
    need_alone(t)
    settle_all()
    cdef bint own = owns_memory(t.held) and held_once(<PyObject*>t.held)
    cdef ndarray a = t.held if own else copy_as(t.held, t.held)
    cdef tuple shape = shape_of(settled(value))
    dtype = value.dtype
    place_at(a, index, settled(value))
    index = own_index(index)

    def grads(g):
        rest = g.copy()
        rest[index] = 0
        piece = numpy.asarray(g[index])
        return rest, fit(piece.reshape((1,) * (len(shape) - piece.ndim) + shape_of(piece)), shape, dtype)

    take_over(t, close("IndexPutBackward", a, (t, value), grads, ()))
    return 0
