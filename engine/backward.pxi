# The run backward: gradients are added up on their way from node to node. Part of tape.pyx.

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
            if node.hooks:
                if node.mask is not None:
                    g, node.mask = relu_grad(node.mask, g), None
                g = through_hooks(node.hooks, g)
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
