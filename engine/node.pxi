# Nodes: what the tape is made of. Part of tape.pyx.

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
    if t.gate is not None and t.requires:
        return gate_of(t)
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
