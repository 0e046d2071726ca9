# ReLU that waits: in the memory of what it is taken of, or behind a maximum. Part of tape.pyx.
#
# The largest of ReLU's results is ReLU of the largest element, and behind the maximum ReLU has a quarter of
# the numbers, or fewer. So ReLU waits, and a maximum takes what stands before it. The gradients are the same:
# a window without a positive element has none, and in every other the same element is the largest.


@cython.final
@cython.no_gc
cdef class ReluLater(Later):
    """ReLU of its tensor's `held`."""

    cdef ActivationBackward node

    cdef ndarray compute(self, bint relu):
        cdef Tensor t = <Tensor>self.tensor
        # What nobody else looks at is overwritten: half of the memory, and in the cache.
        cdef bint alone = not relu and held_once(<PyObject*>t.held) and owns_memory(t.held)
        cdef ndarray y = map_of(0, t.held, alone)
        if not relu:
            self.node.kept0 = y
            self.node.version0 = version_of(t)
            self.node.seen0 = self.node.version0.value
        return y


cdef Tensor postponed_relu(Tensor input):
    cdef ReluLater later = ReluLater.__new__(ReluLater)
    cdef ActivationBackward node = ActivationBackward.__new__(ActivationBackward)
    cdef Tensor result = wrap(input.held)
    node.edge0 = edge_of(input)
    later.node = node
    record(node, result)
    wait_for(result, later)
    return result


cdef bint may_wait(Tensor input) noexcept:
    return (grad_mode and wants(input) and input.later is None and untouched(input)
            and plain_float(input.held) and is_dense(input.held))


@cython.final
@cython.no_gc
cdef class ReluAfterBackward(Node):
    """ReLU behind a maximum in place of the one before it. kept0 is y."""

    cdef ActivationBackward before

    cdef int replay(self, ndarray g, Run run) except -1:
        cdef bint alone
        if self.before.kept0 is not None:  # somebody else has looked at its result: it clips all it is sent
            return run.send(self.edge0, g)
        alone = Py_REFCNT(g) == 1 and owns_memory(g)
        return run.send(self.edge0, map_grad(0, self.kept0, g, alone))

    def name(self):
        return (<Node>self.edge0).name()


cpdef Tensor before_relu(Tensor t):
    """What ReLU is to be taken of to make t, if that waits; its gradient goes to t's. None if it does not."""
    cdef Tensor x
    if type(t.later) is not ReluLater:
        return None
    x = wrap(t.held)
    x.node = t.node
    return x


cpdef Tensor after_relu(Tensor t, Tensor y):
    """ReLU of y, which is a maximum over before_relu(t): the maximum over t."""
    cdef ReluAfterBackward node = ReluAfterBackward.__new__(ReluAfterBackward)
    cdef Tensor result
    settle(y)
    cdef bint alone = held_once(<PyObject*>y.held) and owns_memory(y.held)
    result = wrap(map_of(0, y.held, alone))
    node.before = <ActivationBackward>t.node
    node.edge0 = y.node
    keep0(node, result)
    record(node, result)
    return result
