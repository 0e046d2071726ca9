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


cdef Tensor tensor_of(object value):
    return <Tensor>value if isinstance(value, Tensor) else wrap(array_of(value))


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

    The methods have PyTorch's names and semantics; there is only the CPU. A view shares its memory with the
    tensor, other results have memory of their own. Operators on tensors that require grad are recorded on the
    tape, and `backward` replays them. Methods whose names end in _ change the tensor in place; they raise
    RuntimeError where the tape would have to see new elements.

    Args:
        data: an array (whose memory is shared), a Tensor, or numbers.
        requires_grad: whether backward() shall leave a gradient in `.grad`.

    Example:
      >>> import loopnest
      >>> x = loopnest.Tensor([1.0, 2.0], requires_grad=True)
      >>> (x * x).sum().backward()
      >>> x.grad
      tensor([2., 4.])
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
                self.version = shared_version(data)
        if requires_grad:
            need_grad_dtype(self.held)
            self.requires = True

    # What it is

    @property
    def shape(self):
        """The lengths of the axes, a tuple of ints.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(2, 3).shape
          (2, 3)
        """
        return shape_of(self.held)

    @property
    def dtype(self):
        """The dtype of the elements, a numpy.dtype: loopnest.float32, float64, int64 and so on.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1.0, 2.0]).dtype
          dtype('float32')
        """
        return self.held.dtype

    @property
    def device(self):
        """Where the numbers are: always "cpu".

        Example:
          >>> import loopnest
          >>> loopnest.zeros(2).device
          'cpu'
        """
        return "cpu"

    @property
    def ndim(self):
        """How many axes there are.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(2, 3).ndim
          2
        """
        return cnp.PyArray_NDIM(self.held)

    @property
    def requires_grad(self):
        """True for a leaf that asks for a gradient, and for results of such leaves.

        It may be changed on leaves only, and be True only where they are floats; RuntimeError otherwise.

        Example:
          >>> import loopnest
          >>> x = loopnest.tensor([1.0], requires_grad=True)
          >>> x.requires_grad, (x * 2).requires_grad, x.detach().requires_grad
          (True, True, False)
        """
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
        """True if no operator on the tape made this tensor.

        Example:
          >>> import loopnest
          >>> x = loopnest.tensor([1.0], requires_grad=True)
          >>> x.is_leaf, (x * 2).is_leaf
          (True, False)
        """
        return self.node is None

    @property
    def grad_fn(self):
        """The node of the tape that made this tensor; None for a leaf.

        Example:
          >>> import loopnest
          >>> (loopnest.tensor([1.0], requires_grad=True) * 2).grad_fn is None
          False
        """
        return self.node

    @property
    def grad(self):
        """The gradient that backward() has added up, a Tensor of this shape and dtype, or None.

        It may be set, to None or to such a Tensor; ValueError or TypeError for another shape or dtype.

        Example:
          >>> import loopnest
          >>> x = loopnest.tensor([3.0], requires_grad=True)
          >>> (x * x).backward()
          >>> x.grad
          tensor([6.])
        """
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
        """The same memory, without the tape, and unseen by its version counter.

        Setting it gives the tensor other memory; that of a tensor with a grad_fn must keep shape and dtype.

        Example:
          >>> import loopnest
          >>> x = loopnest.tensor([1.0, 2.0], requires_grad=True)
          >>> x.data.mul_(10)
          tensor([10., 20.])
        """
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
        """All axes the other way round, a view.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(2, 3).T.shape
          (3, 2)
        """
        return transpose_all(self)

    @property
    def mT(self):
        """The last two axes exchanged, a view.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(4, 2, 3).mT.shape
          (4, 3, 2)
        """
        return self.transpose(-2, -1)

    def size(self, dim=None):
        """The shape, or the length of one axis.

        Example:
          >>> import loopnest
          >>> x = loopnest.zeros(2, 3)
          >>> x.size(), x.size(-1)
          ((2, 3), 3)
        """
        return self.shape if dim is None else self.shape[dim]

    def dim(self):
        """How many axes there are, as `ndim`.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(2, 3).dim()
          2
        """
        return cnp.PyArray_NDIM(self.held)

    def numel(self):
        """How many elements there are.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(2, 3).numel()
          6
        """
        return cnp.PyArray_SIZE(self.held)

    def nelement(self):
        """How many elements there are, as `numel`.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(2, 3).nelement()
          6
        """
        return cnp.PyArray_SIZE(self.held)

    def element_size(self):
        """Bytes of one element.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(2, 3).element_size()
          4
        """
        return cnp.PyArray_ITEMSIZE(self.held)

    def stride(self, dim=None):
        """Strides in elements: of every axis, or of one.

        Example:
          >>> import loopnest
          >>> x = loopnest.zeros(2, 3)
          >>> x.stride(), x.T.stride(0)
          ((3, 1), 1)
        """
        steps = tuple([s // self.held.itemsize for s in (<object>self.held).strides])
        return steps if dim is None else steps[dim]

    def is_contiguous(self):
        """True if the elements lie in memory without gaps in C order, the last axis fastest.

        Example:
          >>> import loopnest
          >>> x = loopnest.zeros(2, 3)
          >>> x.is_contiguous(), x.T.is_contiguous()
          (True, False)
        """
        return bool(cnp.PyArray_IS_C_CONTIGUOUS(self.held))

    def is_floating_point(self):
        """True for floats, such as float32 and float64.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(2).is_floating_point(), loopnest.arange(2).is_floating_point()
          (True, False)
        """
        return bool(cnp.PyArray_ISFLOAT(self.held))

    def data_ptr(self):
        """The address of the first element.

        Example:
          >>> import loopnest
          >>> x = loopnest.zeros(2, 3)
          >>> x[1].data_ptr() - x.data_ptr()
          12
        """
        return <size_t>cnp.PyArray_DATA(expose(self))

    def requires_grad_(self, bint requires_grad=True):
        """Sets `requires_grad` and returns the tensor itself.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(2).requires_grad_()
          tensor([0., 0.], requires_grad=True)
        """
        self.requires_grad = requires_grad
        return self

    # Out of the world of tensors

    def numpy(self):
        """The array itself; changes of it are changes of the tensor.

        RuntimeError if the tensor requires grad: use `detach().numpy()`.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1, 2]).numpy()
          array([1, 2])
        """
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
        """The only element as a Python number; ValueError if there is not exactly one.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([2.5]).item()
          2.5
        """
        if cnp.PyArray_SIZE(settled(self)) != 1:
            raise ValueError(f"only one element tensors can be converted to Python scalars, this one has "
                             f"shape {self.shape}")
        return settled(self).item()

    def tolist(self):
        """The elements as nested lists of Python numbers; without axes, one number.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([[1, 2], [3, 4]]).tolist()
          [[1, 2], [3, 4]]
        """
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
        attributes = getattr(self, "__dict__", None)  # of a subclass
        if attributes:
            copy.__dict__.update(deepcopy(attributes, memo))
        return copy

    # Backward

    def backward(self, gradient=None, bint retain_graph=False):
        """Adds d(self)/d(leaf) to `.grad` of every leaf that requires grad.

        Args:
            gradient: dL/d(self), of self's shape; may be left out if self has one element (then it is 1).
            retain_graph: keep what the nodes have kept, so that backward can run again.

        Example:
          >>> import loopnest
          >>> x = loopnest.tensor([1.0, 2.0], requires_grad=True)
          >>> (x * x).backward(loopnest.ones(2))
          >>> x.grad
          tensor([2., 4.])
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

    def register_hook(self, hook):
        """hook(gradient) runs in every backward when dL/d(self) is complete; a Tensor that it returns takes
        the gradient's place.

        For a leaf it counts for what uses the leaf from now on. Returns a handle; `handle.remove()` takes the
        hook away. RuntimeError for a tensor that does not require grad.

        Example:
          >>> import loopnest
          >>> x = loopnest.tensor([1.0, 2.0], requires_grad=True)
          >>> y = x * 3
          >>> handle = y.register_hook(lambda gradient: gradient * 10)
          >>> y.sum().backward()
          >>> x.grad
          tensor([30., 30.])
        """
        if self.node is None and not self.requires:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        return add_gradient_hook(self, hook)

    def register_post_accumulate_grad_hook(self, hook):
        """hook(self) runs in every backward when `.grad` of this leaf is complete; its result is ignored.

        It runs as soon as nothing in the graph can add to `.grad` any more, while the rest of backward is
        still to come, and only if something was added. Returns a handle; `handle.remove()` takes the hook
        away.

        Raises RuntimeError for a tensor that is no leaf or does not require grad.

        Example:
          >>> import loopnest
          >>> x = loopnest.tensor([3.0], requires_grad=True)
          >>> handle = x.register_post_accumulate_grad_hook(lambda leaf: print(leaf.grad.item()))
          >>> (x * x).backward()
          6.0
          >>> handle.remove()
        """
        if not self.requires or self.node is not None:
            raise RuntimeError("post accumulate grad hooks can only be registered on leaf tensors that "
                               "require grad")
        return add_hook(self, hook)

    def detach(self):
        """The same memory, without the tape: a view that does not require grad.

        Example:
          >>> import loopnest
          >>> x = loopnest.tensor([1.0], requires_grad=True)
          >>> (x * 2).detach()
          tensor([2.])
        """
        cdef Tensor out = wrap(settled(self))
        out.version = shared_version(self)
        return out

    def detach_(self):
        """Takes this tensor itself off the tape: it becomes a leaf that does not require grad.

        Example:
          >>> import loopnest
          >>> (loopnest.tensor([1.0], requires_grad=True) * 2).detach_()
          tensor([2.])
        """
        self.node = None
        self.requires = False
        return self

    def retain_grad(self):
        """Adds the gradient of this tensor to its `.grad` too, although it is not a leaf; asked for before or
        after it was used.

        Example:
          >>> import loopnest
          >>> x = loopnest.tensor([1.0, 2.0], requires_grad=True)
          >>> y = x * 3
          >>> y.retain_grad()
          >>> (y * y).sum().backward()
          >>> y.grad
          tensor([ 6., 12.])
        """
        if self.node is not None:
            settle(self)  # or a maximum would clip the gradient before it comes here
            self.node.keeper = weakref.ref(self)
        elif not self.requires:
            raise RuntimeError("can't retain_grad on a Tensor that has requires_grad=False")

    # In place. + - * / and elements that are set are recorded where the tape sees them (and what
    # functions.compositions adds); fill_, copy_, clamp_ and random numbers are refused there.

    def __setitem__(self, index, value):
        if on_tape(self, value):
            put(self, _index(index), tensor_of(value))
            return
        need_in_place(self, value)
        place_at(settled(self), _index(index), array_of(value))
        bump(self)

    def copy_(self, source):
        """Overwrites the elements with source's, which are broadcast and cast to this dtype; returns self.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(2, 2).copy_(loopnest.tensor([1.0, 2.0]))
          tensor([[1., 2.],
                  [1., 2.]])
        """
        need_in_place(self, source)
        cdef ndarray a = array_of(source)
        numpy.copyto(settled(self), a, casting="unsafe")
        bump(self)
        return self

    def fill_(self, value):
        """Overwrites every element with a value; returns self.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(3).fill_(7)
          tensor([7., 7., 7.])
        """
        need_in_place(self, value)
        settled(self).fill(array_of(value))
        bump(self)
        return self

    def zero_(self):
        """Overwrites every element with 0; returns self.

        Example:
          >>> import loopnest
          >>> loopnest.ones(3).zero_()
          tensor([0., 0., 0.])
        """
        return self.fill_(0)

    def add_(self, other, alpha=1):
        """self += alpha * other, in place; other is broadcast. Returns self.

        Example:
          >>> import loopnest
          >>> loopnest.ones(3).add_(2, alpha=10)
          tensor([21., 21., 21.])
        """
        return change(self, ADD, other if alpha == 1 else other * alpha)

    def sub_(self, other, alpha=1):
        """self -= alpha * other, in place; other is broadcast. Returns self.

        Example:
          >>> import loopnest
          >>> loopnest.ones(3).sub_(loopnest.tensor([1.0, 2.0, 3.0]))
          tensor([ 0., -1., -2.])
        """
        return change(self, SUB, other if alpha == 1 else other * alpha)

    def mul_(self, other):
        """self *= other, in place; other is broadcast. Returns self.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1.0, 2.0]).mul_(3)
          tensor([3., 6.])
        """
        return change(self, MUL, other)

    def div_(self, other):
        """self /= other, in place; other is broadcast. Returns self.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1.0, 2.0]).div_(4)
          tensor([0.2500, 0.5000])
        """
        return change(self, DIV, other)

    def clamp_(self, min=None, max=None):
        """Brings every element between min and max, in place; one of both may be None. Returns self.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([-2.0, 0.5, 2.0]).clamp_(-1, 1)
          tensor([-1.0000,  0.5000,  1.0000])
        """
        need_in_place(self, None)
        low, high = (None if v is None else operand(self, v) for v in (min, max))
        numpy.clip(settled(self), low, high, out=settled(self))
        bump(self)
        return self

    def uniform_(self, low=0.0, high=1.0):
        """Overwrites the elements with random numbers, uniform in [low, high); returns self.

        Example:
          >>> import loopnest
          >>> x = loopnest.zeros(100).uniform_(-1, 1)
          >>> (x >= -1).all().item(), (x < 1).all().item()
          (True, True)
        """
        need_in_place(self, None)
        settled(self)[...] = default_generator().uniform(low, high, self.shape)
        bump(self)
        return self

    def normal_(self, mean=0.0, std=1.0):
        """Overwrites the elements with random numbers of a normal distribution; returns self.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(2, 3).normal_(mean=0, std=0.1).shape
          (2, 3)
        """
        need_in_place(self, None)
        settled(self)[...] = default_generator().normal(mean, std, self.shape)
        bump(self)
        return self

    def bump_version(self):
        """Tells the tape that the memory was changed behind its back (optimisers write to the array).

        Example:
          >>> import loopnest
          >>> x = loopnest.zeros(2)
          >>> x.bump_version()
        """
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
        return change(self, ADD, other)

    def __isub__(self, other):
        return change(self, SUB, other)

    def __imul__(self, other):
        return change(self, MUL, other)

    def __itruediv__(self, other):
        return change(self, DIV, other)

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
        return floor_divide(self, other)

    def __rfloordiv__(self, other):
        return floor_divide(wrap(operand(self, other)), self)

    def __mod__(self, other):
        return remainder(self, other)

    def __rmod__(self, other):
        return remainder(wrap(operand(self, other)), self)

    def __invert__(self):
        return wrap(numpy.asarray(~settled(self)))

    def __and__(self, other):
        return bitwise(self, other, numpy.bitwise_and)

    def __or__(self, other):
        return bitwise(self, other, numpy.bitwise_or)

    def __xor__(self, other):
        return bitwise(self, other, numpy.bitwise_xor)

    def __rand__(self, other):
        return bitwise(self, other, numpy.bitwise_and)

    def __ror__(self, other):
        return bitwise(self, other, numpy.bitwise_or)

    def __rxor__(self, other):
        return bitwise(self, other, numpy.bitwise_xor)

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
        """self + alpha * other, element by element; other is broadcast: a Tensor, an array or a number.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1.0, 2.0]).add(loopnest.tensor([3.0, 4.0]), alpha=10)
          tensor([31., 42.])
        """
        return self + (other if alpha == 1 else other * alpha)

    def sub(self, other, alpha=1):
        """self - alpha * other, element by element; other is broadcast: a Tensor, an array or a number.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1.0, 2.0]).sub(1)
          tensor([0., 1.])
        """
        return self - (other if alpha == 1 else other * alpha)

    def mul(self, other):
        """self * other, element by element; other is broadcast: a Tensor, an array or a number.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1.0, 2.0]).mul(loopnest.tensor([[10.0], [100.0]]))
          tensor([[ 10.,  20.],
                  [100., 200.]])
        """
        return self * other

    def div(self, other):
        """self / other, element by element; other is broadcast. Whole numbers give float32.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1, 2]).div(4)
          tensor([0.2500, 0.5000])
        """
        return self / other

    def neg(self):
        """-self, element by element.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1.0, -2.0]).neg()
          tensor([-1.,  2.])
        """
        return -self

    def pow(self, exponent):
        """self ** exponent, element by element; the exponent is a number or a Tensor and is broadcast.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1.0, 2.0, 3.0]).pow(2)
          tensor([1., 4., 9.])
        """
        return power(self, exponent)

    def square(self):
        """self * self, element by element.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1.0, 2.0, 3.0]).square()
          tensor([1., 4., 9.])
        """
        return self * self

    def matmul(self, other):
        """The matrix product self @ other: matrices, batches of them (leading axes broadcast) and vectors.

        ValueError for shapes that do not fit, TypeError for two different dtypes.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([[1.0, 2.0], [3.0, 4.0]]).matmul(loopnest.tensor([1.0, 1.0]))
          tensor([3., 7.])
        """
        return matmul(self, tensor_of(other))

    def eq(self, other):
        """True where both are equal, element by element; other is broadcast.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1, 2, 3]).eq(2)
          tensor([False,  True, False])
        """
        return self == other

    def ne(self, other):
        """self != other, element by element, of dtype bool.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1, 2]).ne(1)
          tensor([False,  True])
        """
        return self != other

    def lt(self, other):
        """self < other, element by element, of dtype bool.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1, 2]).lt(2)
          tensor([ True, False])
        """
        return self < other

    def le(self, other):
        """self <= other, element by element, of dtype bool.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1, 2]).le(1)
          tensor([ True, False])
        """
        return self <= other

    def gt(self, other):
        """self > other, element by element, of dtype bool.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1, 2]).gt(1)
          tensor([False,  True])
        """
        return self > other

    def ge(self, other):
        """self >= other, element by element, of dtype bool.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1, 2]).ge(2)
          tensor([False,  True])
        """
        return self >= other

    def abs(self):
        """|x|, element by element; the gradient at 0 is 0.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([-1.0, 2.0]).abs()
          tensor([1., 2.])
        """
        return absolute(self)

    __abs__ = abs

    def exp(self):
        """e to the power of every element.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([0.0, 1.0]).exp()
          tensor([1.0000, 2.7183])
        """
        return exp(self)

    def log(self):
        """The natural logarithm of every element; -inf at 0, NaN below.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1.0, 10.0]).log()
          tensor([0.0000, 2.3026])
        """
        return log(self)

    def sqrt(self):
        """The square root of every element; NaN below 0.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([4.0, 9.0]).sqrt()
          tensor([2., 3.])
        """
        return sqrt(self)

    def relu(self):
        """max(x, 0), element by element; NaN stays NaN.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([-1.0, 2.0]).relu()
          tensor([0., 2.])
        """
        return relu(self)

    def sigmoid(self):
        """1 / (1 + exp(-x)), element by element.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([0.0, 2.0]).sigmoid()
          tensor([0.5000, 0.8808])
        """
        return sigmoid(self)

    def tanh(self):
        """The hyperbolic tangent of every element.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([0.0, 1.0]).tanh()
          tensor([0.0000, 0.7616])
        """
        return tanh(self)

    def clamp(self, min=None, max=None):
        """Every element brought between min and max; one of both may be None, ValueError for both.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([-2.0, 0.5, 2.0]).clamp(-1, 1)
          tensor([-1.0000,  0.5000,  1.0000])
        """
        return clamp(self, min, max)

    # Shape

    def __getitem__(self, index):
        return getitem(self, index)

    def reshape(self, *shape):
        """The same elements in another shape; -1 stands for what is left over. A view where memory allows it.

        ValueError if the numbers of elements differ.

        Example:
          >>> import loopnest
          >>> loopnest.arange(6).reshape(2, -1)
          tensor([[0, 1, 2],
                  [3, 4, 5]])
        """
        return reshape(self, shape[0] if len(shape) == 1 else shape)

    def view(self, *shape):
        """As reshape, but never a copy: ValueError where memory allows no view. view(dtype)
        reads the same bytes as another dtype.

        Example:
          >>> import loopnest
          >>> loopnest.arange(6).view(3, 2).shape
          (3, 2)
        """
        return view(self, shape[0] if len(shape) == 1 else shape)

    def view_as(self, Tensor other not None):
        """A view in the shape of another tensor.

        Example:
          >>> import loopnest
          >>> loopnest.arange(6).view_as(loopnest.zeros(2, 3)).shape
          (2, 3)
        """
        return view(self, other.shape)

    def reshape_as(self, Tensor other not None):
        """The same elements in the shape of another tensor.

        Example:
          >>> import loopnest
          >>> loopnest.arange(6).reshape_as(loopnest.zeros(2, 3)).shape
          (2, 3)
        """
        return reshape(self, other.shape)

    def flatten(self, int start_dim=0, int end_dim=-1):
        """One axis instead of the axes start_dim ... end_dim; a view where memory allows it.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(2, 3, 4).flatten(1).shape
          (2, 12)
        """
        return flatten(self, start_dim, end_dim)

    def transpose(self, int dim0, int dim1):
        """Two axes exchanged, a view. IndexError for an axis that does not exist.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(2, 3, 4).transpose(0, 2).shape
          (4, 3, 2)
        """
        return transpose(self, dim0, dim1)

    def t(self):
        """A matrix transposed, a view; fewer than 2 axes stay as they are, ValueError for more.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([[1, 2], [3, 4]]).t()
          tensor([[1, 3],
                  [2, 4]])
        """
        if cnp.PyArray_NDIM(settled(self)) > 2:
            raise ValueError(f"t() expects a tensor of at most 2 axes, got shape {self.shape}")
        return transpose_all(self)

    def permute(self, *dims):
        """The axes in another order, a view; every axis once, ValueError otherwise.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(2, 3, 4).permute(2, 0, 1).shape
          (4, 2, 3)
        """
        return permute(self, dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims)

    def squeeze(self, dim=None):
        """Without the axes of length 1: all of them, or those that dim names (an axis or several). A view.

        Example:
          >>> import loopnest
          >>> x = loopnest.zeros(1, 3, 1)
          >>> x.squeeze().shape, x.squeeze(0).shape
          ((3,), (3, 1))
        """
        return squeeze(self, dim)

    def unsqueeze(self, int dim):
        """A new axis of length 1 at the place dim, a view.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(3).unsqueeze(-1).shape
          (3, 1)
        """
        return unsqueeze(self, dim)

    def expand(self, *sizes):
        """Axes of length 1 repeated up to sizes, a view; -1 keeps a length, new axes come first.

        ValueError for sizes that do not fit. Gradients are added up over what is repeated.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([[1], [2]]).expand(-1, 3)
          tensor([[1, 1, 1],
                  [2, 2, 2]])
        """
        return expand(self, sizes[0] if len(sizes) == 1 and not isinstance(sizes[0], int) else sizes)

    def expand_as(self, Tensor other not None):
        """Axes of length 1 repeated up to the shape of another tensor, a view.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1, 2]).expand_as(loopnest.zeros(2, 2))
          tensor([[1, 2],
                  [1, 2]])
        """
        return expand(self, other.shape)

    def contiguous(self):
        """The tensor itself if its memory is in C order, otherwise a copy that is.

        Example:
          >>> import loopnest
          >>> loopnest.zeros(2, 3).T.contiguous().stride()
          (2, 1)
        """
        return self if cnp.PyArray_IS_C_CONTIGUOUS(settled(self)) else copied(self, "ContiguousBackward", "C")

    def clone(self):
        """A copy with memory of its own, in the same order; gradients pass through.

        Example:
          >>> import loopnest
          >>> x = loopnest.tensor([1, 2])
          >>> x.clone().zero_().tolist(), x.tolist()
          ([0, 0], [1, 2])
        """
        return copied(self, "CloneBackward", "K")

    def unbind(self, int dim=0):
        """The slices along an axis, which goes away; a tuple of views.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([[1, 2], [3, 4]]).unbind(1)
          (tensor([1, 3]), tensor([2, 4]))
        """
        return unbind(self, dim)

    def chunk(self, int chunks, int dim=0):
        """At most `chunks` pieces of one length along dim (the last one may be shorter); a tuple of views.

        Example:
          >>> import loopnest
          >>> [piece.tolist() for piece in loopnest.arange(5).chunk(2)]
          [[0, 1, 2], [3, 4]]
        """
        return chunk(self, chunks, dim)

    def split(self, split_size, int dim=0):
        """Pieces of split_size along an axis (the last one may be shorter), or of the sizes in a list; views.

        Example:
          >>> import loopnest
          >>> [piece.tolist() for piece in loopnest.arange(5).split([1, 4])]
          [[0], [1, 2, 3, 4]]
        """
        return split(self, split_size, dim)

    def flip(self, *dims):
        """The axes dims the other way round; a copy.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([[1, 2], [3, 4]]).flip(1)
          tensor([[2, 1],
                  [4, 3]])
        """
        return flip(self, dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims)

    # Reductions

    def sum(self, dim=None, bint keepdim=False, dtype=None):
        """The sum along dim (an axis, several, or all); keepdim leaves summed axes at length 1; dtype: of
        the sum.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([[1.0, 2.0], [3.0, 4.0]]).sum(0)
          tensor([4., 6.])
        """
        return summed(self if dtype is None else cast(self, dtype), dim, keepdim, False)

    def mean(self, dim=None, bint keepdim=False, dtype=None):
        """The mean along dim (an axis, several, or all); keepdim leaves them at length 1. TypeError for ints.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([[1.0, 2.0], [3.0, 4.0]]).mean(1)
          tensor([1.5000, 3.5000])
        """
        return summed(self if dtype is None else cast(self, dtype), dim, keepdim, True)

    def var(self, dim=None, bint unbiased=True, bint keepdim=False, correction=None):
        """The variance along dim (an axis, several, or all): squares of deviations over count - correction.

        Args:
            unbiased: correction is 1, otherwise 0; it does not count if correction is given.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1.0, 2.0, 3.0, 4.0]).var(correction=0)
          tensor(1.2500)
        """
        return variance(self, dim, keepdim, (1 if unbiased else 0) if correction is None else correction)

    def std(self, dim=None, bint unbiased=True, bint keepdim=False, correction=None):
        """The square root of `var`, with the same arguments.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1.0, 3.0]).std(unbiased=False)
          tensor(1.)
        """
        squares = self.var(dim, unbiased, keepdim, correction)
        return of_result("StdBackward", numpy.asarray(numpy.sqrt(settled(squares))), squares, _std_grad)

    def max(self, dim=None, bint keepdim=False):
        """The largest element; of two tensors: maximum; along dim a pair
        (values, indices), the first index where several are equal.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([[1, 5], [7, 3]]).max(1).indices
          tensor([1, 0])
        """
        return (self.maximum(dim) if isinstance(dim, (Tensor, numpy.ndarray))
                else extreme(self, dim, keepdim, True))

    def min(self, dim=None, bint keepdim=False):
        """The smallest element; of two tensors: minimum; along dim a pair
        (values, indices), the first index where several are equal.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([[1, 5], [7, 3]]).min(1).values
          tensor([1, 3])
        """
        return (self.minimum(dim) if isinstance(dim, (Tensor, numpy.ndarray))
                else extreme(self, dim, keepdim, False))

    def argmax(self, dim=None, bint keepdim=False):
        """The place of the largest element along dim, or in all of them in C order; int64, no gradient.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([[1, 5], [7, 3]]).argmax(1)
          tensor([1, 0])
        """
        return wrap(numpy.asarray(numpy.argmax(settled(self), axis=one_dim(self, dim), keepdims=keepdim)))

    def argmin(self, dim=None, bint keepdim=False):
        """The place of the smallest element along dim, or in all of them in C order; int64, no gradient.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([[1, 5], [7, 3]]).argmin()
          tensor(0)
        """
        return wrap(numpy.asarray(numpy.argmin(settled(self), axis=one_dim(self, dim), keepdims=keepdim)))

    def softmax(self, int dim):
        """exp(x) / sum of exp(x) along dim.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([0.0, 0.0]).softmax(0)
          tensor([0.5000, 0.5000])
        """
        return softmax(self, dim)

    def log_softmax(self, int dim):
        """The logarithm of softmax along dim, without overflow.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([0.0, 0.0]).log_softmax(0)
          tensor([-0.6931, -0.6931])
        """
        return log_softmax(self, dim)

    # Type

    def to(self, *args, dtype=None, **ignored):
        """to(dtype), to(other): the tensor in another dtype, or itself if it has that already.

        Devices and the like are accepted and ignored: there is only the CPU. Gradients pass between floats.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1.5, 2.5]).to(loopnest.int64)
          tensor([1, 2])
        """
        for arg in args:
            if isinstance(arg, Tensor):
                dtype = (<Tensor>arg).dtype
            elif not isinstance(arg, (bool, str)) or arg in ("float32", "float64", "int64"):
                dtype = arg
        return self if dtype is None else cast(self, dtype)

    def type(self, dtype):
        """The tensor in another dtype, as to(dtype).

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1, 2]).type(loopnest.float32)
          tensor([1., 2.])
        """
        return cast(self, dtype)

    def type_as(self, Tensor other not None):
        """The tensor in the dtype of another.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1, 2]).type_as(loopnest.zeros(1))
          tensor([1., 2.])
        """
        return cast(self, other.dtype)

    def float(self):
        """The tensor as float32.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1, 2]).float()
          tensor([1., 2.])
        """
        return cast(self, numpy.float32)

    def double(self):
        """The tensor as float64.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1, 2]).double()
          tensor([1., 2.], dtype=float64)
        """
        return cast(self, numpy.float64)

    def long(self):
        """The tensor as int64; fractions are cut off.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1.5, -1.5]).long()
          tensor([ 1, -1])
        """
        return cast(self, numpy.int64)

    def int(self):
        """The tensor as int32; fractions are cut off.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1.5, -1.5]).int()
          tensor([ 1, -1], dtype=int32)
        """
        return cast(self, numpy.int32)

    def bool(self):
        """The tensor as bool: True where it is not 0.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([0, 2]).bool()
          tensor([False,  True])
        """
        return cast(self, numpy.bool_)

    def cpu(self):
        """The tensor itself: there is only the CPU.

        Example:
          >>> import loopnest
          >>> loopnest.tensor([1, 2]).cpu()
          tensor([1, 2])
        """
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
