# Tensor. Part of tape.pyx.

cdef ndarray nothing = numpy.empty(0, numpy.float32)


cdef Tensor wrap(ndarray a):
    cdef Tensor t = Tensor.__new__(Tensor)
    t.held = a
    return t


cdef ndarray array_of(object value):
    """Any input as an array; Python's floats become float32 and ints int64, as in torch.tensor."""
    if isinstance(value, Tensor):
        return settled(<Tensor>value)
    if isinstance(value, (numpy.ndarray, numpy.generic)):
        return numpy.asarray(value)
    if isinstance(value, (list, tuple)) and any(isinstance(v, Tensor) for v in value):
        value = [v.item() if isinstance(v, Tensor) and v.numel() == 1 else array_of(v) for v in value]
    cdef ndarray a = numpy.asarray(value)
    if a.dtype.kind not in "fiub":
        raise TypeError(f"tensor: expected numbers, got an array of dtype {a.dtype}")
    if a.dtype == numpy.float64 and not isinstance(value, numpy.ndarray) and not _holds_float64(value):
        a = a.astype(numpy.float32)
    return a


def _holds_float64(value):
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, (numpy.ndarray, numpy.generic)) and value.dtype == numpy.float64


cdef int need_grad_dtype(ndarray a) except -1:
    if not cnp.PyArray_ISFLOAT(a):
        raise RuntimeError(f"only Tensors of floating point dtype can require gradients, got {a.dtype}")
    return 0


@cython.no_gc  # a tensor refers to nodes, and nodes to older tensors only: no cycles
@cython.freelist(256)
cdef class Tensor:
    """An array that knows where it came from: one NumPy array, and the node of the tape that made it.

    Args:
        data: an array (whose memory is shared), a Tensor, or numbers.
        requires_grad: whether backward() shall leave a gradient in `.grad`.
    """

    __array_priority__ = 1000  # NumPy arrays leave array + tensor to the Tensor

    def __cinit__(self):
        self.held = nothing

    def __init__(self, data=None, bint requires_grad=False):
        if self.node is not None:
            raise RuntimeError("a tensor cannot be initialised twice")
        if data is not None:
            self.held = array_of(data)
            if isinstance(data, Tensor):
                self.version = version_of(data)
        if requires_grad:
            need_grad_dtype(self.held)
            self.requires = True

    # What it is

    @property
    def shape(self):
        return shape_of(self.held)

    @property
    def dtype(self):
        return self.held.dtype

    @property
    def ndim(self):
        return cnp.PyArray_NDIM(self.held)

    @property
    def requires_grad(self):
        return self.requires or self.node is not None

    @requires_grad.setter
    def requires_grad(self, bint value):
        if self.node is not None:
            if value:
                return
            raise RuntimeError("you can only change requires_grad flags of leaf variables; use detach()")
        if value:
            need_grad_dtype(self.held)
        self.requires = value

    @property
    def is_leaf(self):
        return self.node is None

    @property
    def grad_fn(self):
        return self.node

    @property
    def grad(self):
        return self.grad_tensor

    @grad.setter
    def grad(self, Tensor value):
        if value is not None:
            settle(value)
            if not same_shape(value.held, self.held):
                raise ValueError(f"assigned grad has shape {value.shape}, the tensor has {self.shape}")
            if value.held.dtype != self.held.dtype:
                raise TypeError(f"assigned grad has dtype {value.dtype}, the tensor has {self.dtype}")
        self.grad_tensor = value

    @property
    def data(self):
        """The same memory, without the tape, and unseen by its version counter."""
        return wrap(expose(self))

    @data.setter
    def data(self, value):
        cdef ndarray a = array_of(value)
        if self.requires_grad:
            need_grad_dtype(a)
        if self.node is not None and not (same_shape(a, self.held) and a.dtype == self.held.dtype):
            raise ValueError(f"data of a tensor with a grad_fn must keep its shape {self.shape} and dtype "
                             f"{self.dtype}, got {shape_of(a)} and {a.dtype}")
        settle(self)
        self.held = a
        self.version = None

    @property
    def _version(self):
        return version_of(self).value

    @property
    def T(self):
        return transpose_all(self)

    @property
    def mT(self):
        return self.transpose(-2, -1)

    def size(self, dim=None):
        return self.shape if dim is None else self.shape[dim]

    def dim(self):
        return cnp.PyArray_NDIM(self.held)

    def numel(self):
        return cnp.PyArray_SIZE(self.held)

    def nelement(self):
        return cnp.PyArray_SIZE(self.held)

    def element_size(self):
        return cnp.PyArray_ITEMSIZE(self.held)

    def stride(self, dim=None):
        """Strides in elements."""
        steps = tuple([s // self.held.itemsize for s in (<object>self.held).strides])
        return steps if dim is None else steps[dim]

    def is_contiguous(self):
        return bool(cnp.PyArray_IS_C_CONTIGUOUS(self.held))

    def is_floating_point(self):
        return bool(cnp.PyArray_ISFLOAT(self.held))

    def data_ptr(self):
        return <size_t>cnp.PyArray_DATA(expose(self))

    def requires_grad_(self, bint requires_grad=True):
        self.requires_grad = requires_grad
        return self

    # Out of the world of tensors

    def numpy(self):
        """The array itself; changes of it are changes of the tensor."""
        if self.requires or self.node is not None:
            raise RuntimeError("Can't call numpy() on a Tensor that requires grad. Use "
                               "tensor.detach().numpy() instead.")
        return expose(self)

    def __array__(self, dtype=None, copy=None):
        if self.requires or self.node is not None:
            raise RuntimeError("Can't call numpy() on a Tensor that requires grad. Use "
                               "tensor.detach().numpy() instead.")
        if copy:
            return numpy.array(settled(self), dtype=dtype, copy=True)
        if dtype is None or dtype == self.held.dtype:
            return expose(self)
        if copy is False:
            raise ValueError(f"converting {settled(self).dtype} to {dtype} needs a copy")
        return settled(self).astype(dtype)

    def item(self):
        if cnp.PyArray_SIZE(settled(self)) != 1:
            raise ValueError(f"only one element tensors can be converted to Python scalars, this one has "
                             f"shape {self.shape}")
        return settled(self).item()

    def tolist(self):
        return settled(self).tolist()

    def __bool__(self):
        if cnp.PyArray_SIZE(settled(self)) != 1:
            raise ValueError(f"the truth of a tensor of shape {self.shape} is ambiguous; it needs exactly "
                             f"one element")
        return bool(settled(self).item())

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __index__(self):
        if settled(self).dtype.kind not in "iub":
            raise TypeError(f"only integer tensors of a single element can be converted to an index, got "
                            f"{self.dtype}")
        return int(self.item())

    def __repr__(self):
        return _represent(self)

    def __format__(self, spec):
        return format(self.item(), spec) if spec and self.numel() == 1 else format(repr(self), spec)

    def __len__(self):
        if cnp.PyArray_NDIM(self.held) == 0:
            raise TypeError("len() of a 0-d tensor")
        return cnp.PyArray_DIMS(self.held)[0]

    def __iter__(self):
        if cnp.PyArray_NDIM(self.held) == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __hash__(self):
        return hash(<size_t><PyObject*>self)

    def __contains__(self, value):
        return bool(numpy.any(settled(self) == array_of(value)))

    def __reduce__(self):
        if self.node is not None:
            raise RuntimeError("only leaf tensors can be pickled; use detach()")
        return _rebuild, (type(self), expose(self), self.requires, getattr(self, "__dict__", None))

    def __deepcopy__(self, memo):
        if self.node is not None:
            raise RuntimeError("only leaf tensors can be copied deeply; use detach().clone()")
        cdef Tensor copy = _rebuild(type(self), copy_as(settled(self), settled(self)), self.requires, None)
        if self.grad_tensor is not None:
            copy.grad_tensor = wrap(copy_as(settled(self.grad_tensor), settled(self.grad_tensor)))
        memo[id(self)] = copy
        return copy

    # Backward

    def backward(self, gradient=None, bint retain_graph=False):
        """Adds d(self)/d(leaf) to `.grad` of every leaf that requires grad.

        Args:
            gradient: dL/d(self), of self's shape; may be left out if self has one element (then it is 1).
            retain_graph: keep what the nodes have kept, so that backward can run again.
        """
        global counter
        cdef ndarray g
        cdef Run run
        if self.node is None and not self.requires:
            raise RuntimeError("this tensor does not require grad and does not have a grad_fn")
        settle(self)  # ReLU's gradient needs its result
        if gradient is None:
            if cnp.PyArray_SIZE(self.held) != 1:
                raise RuntimeError(f"grad can be implicitly created only for scalar outputs, got shape "
                                   f"{self.shape}; pass gradient=")
            g = make_as(self.held)
            cnp.PyArray_FillWithScalar(g, 1)
        else:
            g = array_of(gradient)
            if not same_shape(g, self.held):
                raise ValueError(f"backward: expected gradient of shape {self.shape}, got "
                                 f"{tuple(gradient.shape)}")
            g = g.astype(self.held.dtype, copy=False)
        run = Run.__new__(Run)
        counter += 1
        run.number = counter
        if hooked or watch_now is not NULL:
            watched(run, self, g, retain_graph)
            return
        run.send(self if self.node is None else self.node, g)
        g = None
        run.play(retain_graph)

    def register_post_accumulate_grad_hook(self, hook):
        """hook(self) runs in every backward when `.grad` of this leaf is complete; its result is ignored.

        It runs as soon as nothing in the graph can add to `.grad` any more, while the rest of backward is
        still to come, and only if something was added. Returns a handle; `handle.remove()` takes the hook
        away.

        Raises RuntimeError for a tensor that is no leaf or does not require grad.
        """
        if not self.requires or self.node is not None:
            raise RuntimeError("post accumulate grad hooks can only be registered on leaf tensors that "
                               "require grad")
        return add_hook(self, hook)

    def detach(self):
        """The same memory, without the tape."""
        cdef Tensor out = wrap(settled(self))
        out.version = version_of(self)
        return out

    def detach_(self):
        self.node = None
        self.requires = False
        return self

    def retain_grad(self):
        """Adds the gradient of this tensor to its `.grad` too, although it is not a leaf; asked for before or
        after it was used."""
        if self.node is not None:
            settle(self)  # or a maximum would clip the gradient before it comes here
            self.node.keeper = weakref.ref(self)
        elif not self.requires:
            raise RuntimeError("can't retain_grad on a Tensor that has requires_grad=False")

    # In place. Only what the tape does not see can be changed.

    def __setitem__(self, index, value):
        need_in_place(self, value)
        settled(self)[_index(index)] = array_of(value)
        bump(self)

    def copy_(self, source):
        need_in_place(self, source)
        cdef ndarray a = array_of(source)
        numpy.copyto(settled(self), a, casting="unsafe")
        bump(self)
        return self

    def fill_(self, value):
        need_in_place(self, value)
        settled(self).fill(array_of(value))
        bump(self)
        return self

    def zero_(self):
        return self.fill_(0)

    def add_(self, other, alpha=1):
        return change(self, numpy.add, other if alpha == 1 else array_of(other) * alpha)

    def sub_(self, other, alpha=1):
        return change(self, numpy.subtract, other if alpha == 1 else array_of(other) * alpha)

    def mul_(self, other):
        return change(self, numpy.multiply, other)

    def div_(self, other):
        return change(self, numpy.divide, other)

    def clamp_(self, min=None, max=None):
        need_in_place(self, None)
        numpy.clip(settled(self), min, max, out=settled(self))
        bump(self)
        return self

    def uniform_(self, low=0.0, high=1.0):
        need_in_place(self, None)
        settled(self)[...] = default_generator().uniform(low, high, self.shape)
        bump(self)
        return self

    def normal_(self, mean=0.0, std=1.0):
        need_in_place(self, None)
        settled(self)[...] = default_generator().normal(mean, std, self.shape)
        bump(self)
        return self

    def bump_version(self):
        """Tells the tape that the memory was changed behind its back (optimisers write to the array)."""
        bump(self)

    # Arithmetic

    def __add__(self, other):
        return operate(ADD, self, other, False)

    def __radd__(self, other):
        return operate(ADD, self, other, True)

    def __sub__(self, other):
        return operate(SUB, self, other, False)

    def __rsub__(self, other):
        return operate(SUB, self, other, True)

    def __mul__(self, other):
        return operate(MUL, self, other, False)

    def __rmul__(self, other):
        return operate(MUL, self, other, True)

    def __truediv__(self, other):
        return operate(DIV, self, other, False)

    def __rtruediv__(self, other):
        return operate(DIV, self, other, True)

    def __iadd__(self, other):
        return self + other if on_tape(self, other) else self.add_(other)

    def __isub__(self, other):
        return self - other if on_tape(self, other) else self.sub_(other)

    def __imul__(self, other):
        return self * other if on_tape(self, other) else self.mul_(other)

    def __itruediv__(self, other):
        return self / other if on_tape(self, other) else self.div_(other)

    def __neg__(self):
        return operate(MUL, self, -1, False)

    def __pos__(self):
        return self

    def __pow__(self, exponent, modulo):
        return power(self, exponent)

    def __rpow__(self, base, modulo):
        return power(base, self)

    def __matmul__(self, other):
        return matmul(self, tensor_of(other))

    def __rmatmul__(self, other):
        return matmul(tensor_of(other), self)

    def __floordiv__(self, other):
        return wrap(numpy.asarray(settled(self) // operand(self, other)))

    def __mod__(self, other):
        return wrap(numpy.asarray(settled(self) % operand(self, other)))

    def __invert__(self):
        return wrap(numpy.asarray(~settled(self)))

    def __and__(self, other):
        return wrap(numpy.asarray(settled(self) & array_of(other)))

    def __or__(self, other):
        return wrap(numpy.asarray(settled(self) | array_of(other)))

    def __xor__(self, other):
        return wrap(numpy.asarray(settled(self) ^ array_of(other)))

    def __eq__(self, other):
        return compare(self, other, numpy.equal)

    def __ne__(self, other):
        return compare(self, other, numpy.not_equal)

    def __lt__(self, other):
        return compare(self, other, numpy.less)

    def __le__(self, other):
        return compare(self, other, numpy.less_equal)

    def __gt__(self, other):
        return compare(self, other, numpy.greater)

    def __ge__(self, other):
        return compare(self, other, numpy.greater_equal)

    def add(self, other, alpha=1):
        return self + (other if alpha == 1 else other * alpha)

    def sub(self, other, alpha=1):
        return self - (other if alpha == 1 else other * alpha)

    def mul(self, other):
        return self * other

    def div(self, other):
        return self / other

    def neg(self):
        return -self

    def pow(self, exponent):
        return power(self, exponent)

    def square(self):
        return self * self

    def matmul(self, other):
        return matmul(self, tensor_of(other))

    mm = matmul

    def eq(self, other):
        return self == other

    def abs(self):
        return absolute(self)

    __abs__ = abs

    def exp(self):
        return exp(self)

    def log(self):
        return log(self)

    def sqrt(self):
        return sqrt(self)

    def relu(self):
        return relu(self)

    def sigmoid(self):
        return sigmoid(self)

    def tanh(self):
        return tanh(self)

    def clamp(self, min=None, max=None):
        return clamp(self, min, max)

    # Shape

    def __getitem__(self, index):
        return getitem(self, index)

    def reshape(self, *shape):
        return reshape(self, shape[0] if len(shape) == 1 else shape)

    def view(self, *shape):
        return view(self, shape[0] if len(shape) == 1 else shape)

    def view_as(self, Tensor other not None):
        return view(self, other.shape)

    def reshape_as(self, Tensor other not None):
        return reshape(self, other.shape)

    def flatten(self, int start_dim=0, int end_dim=-1):
        return flatten(self, start_dim, end_dim)

    def transpose(self, int dim0, int dim1):
        return transpose(self, dim0, dim1)

    def t(self):
        if cnp.PyArray_NDIM(settled(self)) > 2:
            raise ValueError(f"t() expects a tensor of at most 2 axes, got shape {self.shape}")
        return transpose_all(self)

    def permute(self, *dims):
        return permute(self, dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims)

    def squeeze(self, dim=None):
        return squeeze(self, dim)

    def unsqueeze(self, int dim):
        return unsqueeze(self, dim)

    def expand(self, *sizes):
        return expand(self, sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes)

    def expand_as(self, Tensor other not None):
        return expand(self, other.shape)

    def contiguous(self):
        return self if cnp.PyArray_IS_C_CONTIGUOUS(settled(self)) else copied(self, "ContiguousBackward", "C")

    def clone(self):
        return copied(self, "CloneBackward", "K")

    def unbind(self, int dim=0):
        return unbind(self, dim)

    def chunk(self, int chunks, int dim=0):
        return chunk(self, chunks, dim)

    def split(self, split_size, int dim=0):
        return split(self, split_size, dim)

    def flip(self, *dims):
        return flip(self, dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims)

    # Reductions

    def sum(self, dim=None, bint keepdim=False):
        return summed(self, dim, keepdim, False)

    def mean(self, dim=None, bint keepdim=False):
        return summed(self, dim, keepdim, True)

    def var(self, dim=None, bint unbiased=True, bint keepdim=False, correction=None):
        return variance(self, dim, keepdim, (1 if unbiased else 0) if correction is None else correction)

    def std(self, dim=None, bint unbiased=True, bint keepdim=False, correction=None):
        return sqrt(self.var(dim, unbiased, keepdim, correction))

    def max(self, dim=None, bint keepdim=False):
        return extreme(self, dim, keepdim, True)

    def min(self, dim=None, bint keepdim=False):
        return extreme(self, dim, keepdim, False)

    def argmax(self, dim=None, bint keepdim=False):
        return wrap(numpy.asarray(numpy.argmax(settled(self), axis=one_dim(self, dim), keepdims=keepdim)))

    def argmin(self, dim=None, bint keepdim=False):
        return wrap(numpy.asarray(numpy.argmin(settled(self), axis=one_dim(self, dim), keepdims=keepdim)))

    def any(self, dim=None):
        return wrap(numpy.asarray(numpy.any(settled(self), axis=one_dim(self, dim))))

    def all(self, dim=None):
        return wrap(numpy.asarray(numpy.all(settled(self), axis=one_dim(self, dim))))

    def norm(self):
        return sqrt((self * self).sum())

    def softmax(self, int dim):
        return softmax(self, dim)

    def log_softmax(self, int dim):
        return log_softmax(self, dim)

    # Type

    def to(self, *args, dtype=None, **ignored):
        """to(dtype), to(other); devices and the like are accepted and ignored: there is only the CPU."""
        for arg in args:
            if isinstance(arg, Tensor):
                dtype = (<Tensor>arg).dtype
            elif not isinstance(arg, (bool, str)) or arg in ("float32", "float64", "int64"):
                dtype = arg
        return self if dtype is None else cast(self, dtype)

    def type(self, dtype):
        return cast(self, dtype)

    def type_as(self, Tensor other not None):
        return cast(self, other.dtype)

    def float(self):
        return cast(self, numpy.float32)

    def double(self):
        return cast(self, numpy.float64)

    def long(self):
        return cast(self, numpy.int64)

    def int(self):
        return cast(self, numpy.int32)

    def bool(self):
        return cast(self, numpy.bool_)

    def cpu(self):
        return self


def _rebuild(kind, array, requires, attributes):
    cdef Tensor t = Tensor.__new__(kind)
    t.held = array
    t.requires = requires
    if attributes:
        t.__dict__.update(attributes)
    return t


def _represent(Tensor t not None):
    a = settled(t)
    parts = []
    options = {"separator": ", ", "prefix": "tensor(", "precision": 4, "suppress_small": False}
    if a.dtype.kind == "f":
        finite = a[numpy.isfinite(a)]
        whole = bool((finite == numpy.trunc(finite)).all()) and bool((numpy.abs(finite) < 1e8).all())
        options["floatmode"] = "maxprec" if whole else "fixed"
    text = numpy.array2string(a, threshold=1000, **options) if a.size else str(a.tolist())
    if a.size == 0 and a.ndim > 1:
        parts.append(f"size={t.shape}")
    if a.dtype not in (numpy.float32, numpy.int64, numpy.bool_) or (a.size == 0 and a.dtype != numpy.float32):
        parts.append(f"dtype={a.dtype}")
    if t.node is not None:
        parts.append(f"grad_fn={t.node!r}")
    elif t.requires:
        parts.append("requires_grad=True")
    return f"tensor({', '.join([text, *parts])})"


cdef bint on_tape(Tensor t, object other) except -1:
    """Would `t op= other` have to be recorded? Then Python's `t = t op other` does it. A leaf is an error."""
    if not grad_mode:
        return False
    if t.requires and t.node is None:
        raise RuntimeError("a leaf Variable that requires grad is being used in an in-place operation.")
    return t.node is not None or (isinstance(other, Tensor) and wants(<Tensor>other))


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


cdef Tensor change(Tensor t, object ufunc, object other):
    need_in_place(t, other)
    cdef ndarray a = operand(t, other)
    ufunc(settled(t), a, out=settled(t), casting="same_kind")
    bump(t)
    return t


cdef Tensor tensor_of(object value):
    return <Tensor>value if isinstance(value, Tensor) else wrap(array_of(value))
