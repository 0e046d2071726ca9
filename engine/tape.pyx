"""Tensor and reverse-mode automatic differentiation over a tape.

A forward operator that has to be differentiated makes one Node: the edges to where its inputs came from, the
arrays that its backward needs, and a typed `replay`. `Tensor.backward` replays the nodes from the youngest to
the oldest; since a node is always younger than the nodes its inputs came from, this order needs no sorting
beforehand and no recursion.

The file is in parts, because it is one module for the compiler's sake (calls between the parts are C calls):
    tape.pyx          grad mode, nodes, the run backward, Tensor
    hooks.pxi         what runs when the gradient of a leaf is complete
    arithmetic.pxi    + - * / ** @ comparisons, exp log sqrt ...
    shape.pxi         reshape, permute, getitem, cat, stack ...
    reduce.pxi        sum, mean, largest and smallest; max, argmax, softmax by NumPy
    layers.pxi        what the kernels do: linear, pools, relu ..., cross_entropy, embedding; dropout
    create.pxi        tensor, zeros, rand ...
"""

import functools
import weakref

import numpy

cimport cython
cimport numpy as cnp
from cpython.long cimport PyLong_CheckExact
from cpython.object cimport PyObject
from cpython.ref cimport Py_DECREF, Py_INCREF, Py_REFCNT
from libc.stdint cimport int64_t, uint8_t, uint64_t
from libc.string cimport memcpy, memset
from libcpp.algorithm cimport pop_heap, push_heap
from libcpp.unordered_set cimport unordered_set
from libcpp.vector cimport vector

from .arena cimport make, make_as, make_bytes, make_channels_last, make_in_order, owns_memory
from .copying cimport copy_into, in_c_order, shaped
from .elementwise cimport (ADD, DIV, MUL, SUB, Axes, add_dense, add_strided, arrays, broadcast,
                           column_sums, dense_sum, fill_mask, scalar, share_equal)
from .kernels cimport (AMAX, AMIN, F32, F64, I64, SUM, Array, CrossEntropy, Embedding, Error, Gemm,
                       KernelApi, Ladder, Map, Pool2d, Pool2dOptions, Reduce, dtype_of, kernel_api, max_rank,
                       no_tap, raise_error, read, read_dense, run_kernel)

ctypedef cnp.ndarray ndarray

cnp.import_array()
cdef KernelApi* api = kernel_api()

# ------------------------------------------------------------------------------------------------------------
# Grad mode: each thread has its own.

cdef extern from *:
    """
    namespace { thread_local bool grad_mode = true; }
    """
    bint grad_mode


cdef bint recording() noexcept:
    return grad_mode


def is_grad_enabled():
    """True if operators record what they do (in this thread)."""
    return grad_mode


class _GradMode:
    """A context manager and decorator that sets the grad mode of this thread."""

    _mode = True

    def __new__(cls, function=None):
        self = super().__new__(cls)
        self._before = []
        return self if function is None else self(function)

    def __enter__(self):
        global grad_mode
        self._before.append(grad_mode)
        grad_mode = self._mode
        return self

    def __exit__(self, *ignored):
        global grad_mode
        grad_mode = self._before.pop()
        return False

    def __call__(self, function):
        kind = type(self)

        @functools.wraps(function)
        def within(*args, **kwargs):
            with kind():
                return function(*args, **kwargs)

        return within


class no_grad(_GradMode):
    """Operators inside do not record: `with no_grad():`, or `@no_grad()` above a function."""

    _mode = False


class enable_grad(_GradMode):
    """Operators inside record again, also within `no_grad`."""

    _mode = True


def set_grad_enabled(bint mode):
    """Sets the grad mode of this thread, and may be used as a context manager that puts the old mode back."""
    global grad_mode
    before = grad_mode
    context = (enable_grad if mode else no_grad)()
    context._before.append(before)
    grad_mode = mode
    return _Restore(context)


class _Restore:
    def __init__(self, context):
        self._context = context

    def __enter__(self):
        return None

    def __exit__(self, *ignored):
        return self._context.__exit__()


# ------------------------------------------------------------------------------------------------------------
# Nodes

@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class Version:
    """Counts the in-place changes of some memory; shared by all Tensors that look at it (views, detach)."""


cdef Version version_of(Tensor t):
    if t.version is None:
        t.version = Version.__new__(Version)
    return t.version


# ------------------------------------------------------------------------------------------------------------
# Later: results that are not computed before somebody looks at them, because the next operator may well
# compute its own in one go with them (ReLU, or residual and ReLU, with a norm's). Until then the tensor has
# the shape, the dtype and the strides of its `held`, an array that lies likewise, and nothing may change what
# is still to be read: whatever changes memory, or gives it out of the engine, calls settle_all() first.

cdef vector[Reference] waiting  # every Later whose tensor is not settled; borrowed


@cython.no_gc
cdef class Later:
    """How the array of a tensor is computed when it is asked for."""

    def __dealloc__(self):
        forget(self)

    cdef ndarray compute(self, bint relu):
        """The array; with `relu`, ReLU of it."""
        raise NotImplementedError

    cdef Later plus(self, ndarray other):
        """What computes this + other (of one layout), or None if that cannot be done in one go."""
        return None


cdef int forget(Later later) noexcept:
    cdef size_t i
    for i in range(waiting.size()):
        if waiting[i] == <PyObject*>later:
            waiting[i] = waiting.back()
            waiting.pop_back()
            break
    later.tensor = NULL
    return 0


cdef int wait_for(Tensor t, Later later) except -1:
    """The array of t is computed by `later`; t.held lies as it will."""
    later.tensor = <PyObject*>t
    t.later = later
    waiting.push_back(<PyObject*>later)
    return 0


cdef int settle(Tensor t) except -1:
    """Computes the array of t, if that is still to be done."""
    cdef Later later = t.later
    cdef ndarray a
    if later is None:
        return 0
    a = later.compute(False)
    if t.later is later:  # another thread may have been faster
        t.held = a
        t.later = None
        forget(later)
    return 0


cdef int settle_all() except -1:
    """Computes all that waits: memory is about to be changed, or to be given out."""
    cdef PyObject* tensor
    while not waiting.empty():
        tensor = (<Later>waiting.back()).tensor
        if Py_REFCNT(<object>tensor) == 0:  # on its way out, in another thread
            forget(<Later>waiting.back())
        else:
            settle(<Tensor>tensor)
    return 0


cdef bint untouched(Tensor t) noexcept:
    """Nobody can change the memory of t but by operators of the engine, all of which settle first."""
    return owns_memory(t.held) and not (t.version is not None and t.version.exposed)


cdef ndarray expose(Tensor t):
    """The array of t for the world outside, which may change it."""
    settle_all()
    version_of(t).exposed = True
    return t.held


cdef int bump(Tensor t) except -1:
    """The memory of t was changed."""
    cdef Version version = version_of(t)
    version.value += 1
    return 0


cdef long long counter = 0  # nodes and runs ever made; guarded by the GIL

# Nodes whose last reference is gone wait here, so that a chain of 20 000 of them is not freed by 20 000
# nested calls.
cdef vector[Reference] graveyard
cdef bint burying = False


cdef int bury(object edge) except -1:
    if edge is not None:
        Py_INCREF(edge)
        graveyard.push_back(<PyObject*>edge)
    return 0


@cython.no_gc
cdef class Node:
    """One operator on the tape.

    edge0 to edge2, and `more` if there are more than three: where the inputs came from: a Node, a leaf Tensor
    that requires grad, or None.
    kept0 to kept2: arrays that replay needs, with the version of their memory when they were kept.
    """

    def __dealloc__(self):
        global burying
        cdef PyObject* last
        e0, e1, e2 = self.edge0, self.edge1, self.edge2
        self.edge0 = self.edge1 = self.edge2 = None
        bury(e0)
        bury(e1)
        bury(e2)
        e0 = e1 = e2 = None
        if self.more is not None:
            edges, self.more = self.more, None
            for edge in edges:
                bury(edge)
            edge = edges = None
        if burying:
            return
        burying = True
        while not graveyard.empty():
            last = graveyard.back()
            graveyard.pop_back()
            Py_DECREF(<object>last)
        burying = False

    cdef int replay(self, ndarray g, Run run) except -1:
        """Sends the gradients of the inputs to the edges; g is the gradient of the output."""
        raise NotImplementedError

    cdef bint clips(self) noexcept:
        """Does replay_clipped cost less than ReLU's backward and replay?"""
        return False

    cdef int replay_clipped(self, ndarray g, ndarray y, Run run) except -1:
        """replay, where g does not count if ReLU's result y <= 0."""
        raise NotImplementedError

    cdef int check(self) except -1:
        """Nothing that was kept may have been freed or changed since."""
        if self.released:
            raise RuntimeError(
                "Trying to backward through the graph a second time: what it had kept was freed by the first "
                "time. Pass retain_graph=True to the first backward()")
        if ((self.version0 is not None and self.version0.value != self.seen0)
                or (self.version1 is not None and self.version1.value != self.seen1)
                or (self.version2 is not None and self.version2.value != self.seen2)):
            raise RuntimeError(
                f"one of the variables needed for gradient computation has been modified by an inplace "
                f"operation (kept by {type(self).__name__})")
        return 0

    cdef int release(self) except -1:
        """Frees what was kept."""
        if self.kept0 is not None or self.kept1 is not None or self.kept2 is not None:
            self.kept0 = self.kept1 = self.kept2 = None
            self.released = True
        return 0

    def __repr__(self):
        return f"<{self.name()}>"

    def name(self):
        return type(self).__name__


cdef int keep0(Node node, Tensor t) except -1:
    node.kept0 = settled(t)
    node.version0 = version_of(t)
    node.seen0 = node.version0.value
    return 0


cdef int keep1(Node node, Tensor t) except -1:
    node.kept1 = settled(t)
    node.version1 = version_of(t)
    node.seen1 = node.version1.value
    return 0


cdef int keep2(Node node, Tensor t) except -1:
    node.kept2 = settled(t)
    node.version2 = version_of(t)
    node.seen2 = node.version2.value
    return 0


cdef bint wants(Tensor t) noexcept:
    """Is there anything to differentiate behind t?"""
    return t.node is not None or t.requires


cdef object edge_of(Tensor t):
    if t.node is not None:
        return t.node
    return t if t.requires else None


cdef int record(Node node, Tensor out) except -1:
    global counter
    counter += 1
    node.number = counter
    out.node = node
    return 0


@cython.no_gc
cdef class Whole(Node):
    """A node of several outputs. Each output has a Part, which leaves its gradient in `arrived`."""

    cdef list take(self):
        """The gradients, one per output, None where none has come; they are forgotten here."""
        cdef list arrived = self.arrived
        self.arrived = None
        return arrived


@cython.final
@cython.no_gc
cdef class Part(Node):
    """One output of the Whole at edge0."""

    cdef int which, outputs

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef Whole whole = <Whole>self.edge0
        cdef bint first = whole.grad is None
        if first:  # of this run: what a run that failed has left is forgotten
            whole.arrived = [None] * self.outputs
        whole.arrived[self.which] = g
        if first:
            run.send(whole, g)  # wakes it; what it is sent does not matter
        return 0

    def name(self):
        return (<Node>self.edge0).name()


cdef int record_parts(Whole whole, tuple outputs) except -1:
    """Records the node and one Part for each of its outputs."""
    cdef Part part
    cdef int i
    record(whole, Tensor.__new__(Tensor))
    for i in range(len(outputs)):
        part = Part.__new__(Part)
        part.which, part.outputs = i, len(outputs)
        part.edge0 = whole
        record(part, <Tensor>outputs[i])
    return 0


@cython.no_gc
cdef class Closure(Node):
    """A node whose backward is a Python function: function(g, *kept) returns one gradient (or None) for each
    edge.
    For what is rarely in a hot loop."""

    cdef object function
    cdef str title

    cdef int replay(self, ndarray g, Run run) except -1:
        kept = [k for k in (self.kept0, self.kept1, self.kept2) if k is not None]
        cdef tuple grads = self.function(g, *kept)
        for edge, grad in zip(self.more, grads, strict=True):
            if edge is not None and grad is not None:
                run.send(edge, grad)
        return 0

    cdef int release(self) except -1:
        if self.function is None or self.kept0 is None:
            return 0
        self.function = None
        return Node.release(self)

    def name(self):
        return self.title


cdef Tensor close(str title, ndarray result, tuple inputs, object function, tuple kept):
    """Wraps a result that NumPy made and records it with a Closure. kept: up to 3 Tensors for function."""
    cdef Tensor out = wrap(result)
    cdef Closure node
    if not grad_mode:
        return out
    edges = tuple([edge_of(t) for t in inputs])
    for edge in edges:
        if edge is not None:
            break
    else:
        return out
    node = Closure.__new__(Closure)
    node.title = title
    node.function = function
    node.more = edges
    if len(kept) > 0:
        keep0(node, kept[0])
    if len(kept) > 1:
        keep1(node, kept[1])
    if len(kept) > 2:
        keep2(node, kept[2])
    record(node, out)
    return out


# ------------------------------------------------------------------------------------------------------------
# The run backward

cdef extern from *:
    """
    namespace { thread_local PyObject* watch_now = nullptr; }  // borrowed: `watched` in hooks.pxi holds it
    """
    PyObject* watch_now  # the Watch of the backward that runs in this thread; NULL if no tensor has hooks


cdef bint is_dense(ndarray a) noexcept:
    """The elements fill their memory without gaps, in C order, Fortran order or channels-last."""
    cdef cnp.npy_intp* shape
    cdef cnp.npy_intp* strides
    cdef cnp.npy_intp size
    cdef int i, axis
    if cnp.PyArray_IS_C_CONTIGUOUS(a) or cnp.PyArray_IS_F_CONTIGUOUS(a):
        return True
    if cnp.PyArray_NDIM(a) < 3 or cnp.PyArray_SIZE(a) == 0:
        return False
    shape = cnp.PyArray_DIMS(a)
    strides = cnp.PyArray_STRIDES(a)
    size = cnp.PyArray_ITEMSIZE(a)
    for i in range(cnp.PyArray_NDIM(a)):  # channels, then the others from the last one on
        axis = 1 if i == 0 else 0 if i == cnp.PyArray_NDIM(a) - 1 else cnp.PyArray_NDIM(a) - i
        if shape[axis] > 1 and strides[axis] != size:
            return False
        size *= shape[axis]
    return True


cdef bint same_shape(ndarray a, ndarray b) noexcept:
    cdef int rank = cnp.PyArray_NDIM(a), i
    if rank != cnp.PyArray_NDIM(b):
        return False
    for i in range(rank):
        if cnp.PyArray_DIMS(a)[i] != cnp.PyArray_DIMS(b)[i]:
            return False
    return True


cdef bint same_layout(ndarray a, ndarray b) noexcept:
    """Same shape and same order of the elements in memory, without gaps: one loop can walk both."""
    cdef int i
    if not same_shape(a, b):
        return False
    if cnp.PyArray_IS_C_CONTIGUOUS(a) and cnp.PyArray_IS_C_CONTIGUOUS(b):
        return True
    for i in range(cnp.PyArray_NDIM(a)):
        if cnp.PyArray_DIMS(a)[i] > 1 and cnp.PyArray_STRIDES(a)[i] != cnp.PyArray_STRIDES(b)[i]:
            return False
    return is_dense(a)


cdef inline bint plain_float(ndarray a) noexcept:
    return cnp.PyArray_ISALIGNED(a) and (dtype_of(a) == F32 or dtype_of(a) == F64)


cdef bint repeated(ndarray a) noexcept:
    """Does it show the same numbers several times, as expand does?"""
    cdef int i
    for i in range(cnp.PyArray_NDIM(a)):
        if cnp.PyArray_DIMS(a)[i] > 1 and cnp.PyArray_STRIDES(a)[i] == 0:
            return True
    return False


cdef bint place(ndarray a, int number, Axes& axes) noexcept:
    """a's strides as those of array `number` of `axes`, whose rank and shape are known: repeated along axes
    that a lacks or has with length 1. False if a does not fit."""
    cdef int extra = axes.rank - cnp.PyArray_NDIM(a), i
    cdef int shift = 2 if dtype_of(a) == F32 else 3
    for i in range(axes.rank):
        axes.step[number][i] = 0
        if i >= extra and cnp.PyArray_DIMS(a)[i - extra] == axes.shape[i]:
            axes.step[number][i] = cnp.PyArray_STRIDES(a)[i - extra] >> shift
        elif i >= extra and cnp.PyArray_DIMS(a)[i - extra] != 1:
            return False
    return True


cdef int add_slice(ndarray a, ndarray into) noexcept:
    """into += a of one shape and float dtype, with any strides."""
    cdef Axes axes
    cdef int i
    axes.rank = cnp.PyArray_NDIM(a)
    for i in range(axes.rank):
        axes.shape[i] = cnp.PyArray_DIMS(a)[i]
        axes.step[1][i] = 0
    place(a, 0, axes)
    place(into, 2, axes)
    if cnp.PyArray_SIZE(a):
        add_strided(dtype_of(a), cnp.PyArray_DATA(a), cnp.PyArray_DATA(into), axes)
    return 0


cdef int add_into(ndarray into, ndarray a) except -1:
    """into += a, in place."""
    cdef int dtype
    cdef bint alike = plain_float(into) and plain_float(a) and dtype_of(a) == dtype_of(into)
    cdef int64_t n
    cdef const void* source
    cdef void* target
    if alike and same_layout(a, into):
        dtype = dtype_of(a)
        n = cnp.PyArray_SIZE(a)
        source = cnp.PyArray_DATA(a)
        target = cnp.PyArray_DATA(into)
        add_dense(dtype, source, target, n)
    elif alike and same_shape(a, into) and 0 < cnp.PyArray_NDIM(a) <= 8:
        add_slice(a, into)
    else:
        numpy.add(into, a, out=into)
    return 0


cdef ndarray sum_of(ndarray a, ndarray b):
    """a + b as a new array."""
    if plain_float(a) and plain_float(b) and dtype_of(a) == dtype_of(b) and same_layout(a, b):
        return combine(ADD, a, b)
    return numpy.asarray(a + b)


cdef ndarray copy_as(ndarray a, ndarray like):
    """A copy of a (of like's shape) with the dtype and the memory order of `like`."""
    cdef ndarray out = make_as(like)
    copy_into(out, a)
    return out


cdef inline bint held_once(PyObject* o) noexcept:
    """Is there one reference to o? Attributes go by way of a pointer: as objects they count twice."""
    return Py_REFCNT(<object>o) == 1


cdef int accumulate(Tensor leaf, ndarray g) except -1:
    """leaf.grad += g. The caller holds the only reference to g if g may be taken over as it is."""
    cdef Tensor now = leaf.grad_tensor
    if now is None:
        if Py_REFCNT(g) == 1 and owns_memory(g) and cnp.PyArray_TYPE(g) == cnp.PyArray_TYPE(settled(leaf)):
            leaf.grad_tensor = wrap(g)
        else:
            leaf.grad_tensor = wrap(copy_as(g, settled(leaf)))
    elif held_once(<PyObject*>now.held) and owns_memory(now.held):  # a gradient never waits to be computed
        add_into(now.held, g)
        if now.version is not None:
            now.version.value += 1
    else:
        now.held = sum_of(now.held, g)
        if now.version is not None:
            now.version.value += 1
    return 0


cdef int keep_grad(Node node, ndarray g) except -1:
    """Adds g to `.grad` of the tensor that retains it (Tensor.retain_grad), if that is still there."""
    cdef Tensor t = node.keeper()
    if t is None:
        return 0
    g = copy_as(g, g) if node.mask is None else relu_grad(node.mask, g)
    t.grad_tensor = wrap(g if t.grad_tensor is None else sum_of(settled(t.grad_tensor), g))
    return 0


@cython.final
@cython.no_gc
@cython.freelist(8)
cdef class Run:
    """One call of backward: the nodes whose gradient has begun to arrive, the youngest on top of a heap."""

    cdef int send(self, object edge, ndarray g) except -1:
        """Adds g to the gradient of whatever the edge leads to. g must not be written to afterwards."""
        cdef Node node
        if not isinstance(edge, Node):
            if watch_now is not NULL and edge is not None:
                (<Watch>watch_now).arrived.add(<size_t><PyObject*>edge)
            return accumulate(<Tensor>edge, g) if edge is not None else 0
        node = <Node>edge
        if node.grad is None:
            node.grad = g
            node.run = self.number
            Py_INCREF(node)
            self.heap.push_back(Entry(node.number, <PyObject*>node))
            push_heap(self.heap.begin(), self.heap.end())
            return 0
        if node.run != self.number:
            raise RuntimeError("two threads run backward through the same part of a graph at the same time")
        if node.mask is not None:
            node.grad, node.mask = relu_grad(node.mask, node.grad), None
        if held_once(<PyObject*>node.grad) and owns_memory(node.grad):
            add_into(node.grad, g)
        else:
            node.grad = sum_of(node.grad, g)
        return 0

    cdef int send_clipped(self, object edge, ndarray g, ndarray y) except -1:
        """Sends g where ReLU's result y is not <= 0. To a node that `clips` and has no gradient yet."""
        cdef Node node = <Node>edge
        self.send(node, g)
        node.mask = y
        return 0

    cdef int play(self, bint retain) except -1:
        cdef Node node
        cdef ndarray g, mask
        while not self.heap.empty():
            pop_heap(self.heap.begin(), self.heap.end())
            node = <Node>self.heap.back().second
            self.heap.pop_back()
            Py_DECREF(node)  # the local variable holds it now
            if watch_now is not NULL:
                (<Watch>watch_now).fire(node.number)
            g = node.grad
            node.grad = None
            node.check()
            if node.keeper is not None:
                keep_grad(node, g)
            if node.mask is None:
                node.replay(g, self)
            else:
                mask, node.mask = node.mask, None
                node.replay_clipped(g, mask, self)
            if not retain:
                node.release()
        return 0

    def __dealloc__(self):
        # After an error: forget the gradients that had not been used.
        cdef Node node
        while not self.heap.empty():
            node = <Node>self.heap.back().second
            self.heap.pop_back()
            node.grad = node.mask = None
            Py_DECREF(node)


# ------------------------------------------------------------------------------------------------------------
# Tensor

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


include "hooks.pxi"
include "arithmetic.pxi"
include "shape.pxi"
include "reduce.pxi"
include "layers.pxi"
include "relu.pxi"
include "create.pxi"
