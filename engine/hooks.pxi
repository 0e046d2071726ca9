# Hooks: what is done to a gradient on its way, what runs when that of a leaf is complete, and at the end of
# backward. Part of tape.pyx.

cdef dict hooked = {}  # the id of a leaf: (weak reference to it, {number of the hook: hook})


class HookHandle:
    """Takes a hook away again: by remove(), or at the end of a `with` block."""

    _count = 0

    def __init__(self, remove):
        self._remove, self.id = remove, HookHandle._count
        HookHandle._count += 1

    def remove(self):
        """Take the hook away; a second call does nothing."""
        self._remove(self.id)

    def __enter__(self):
        return self

    def __exit__(self, *ignored):
        self.remove()


cdef object add_hook(Tensor t, object hook):
    key = <size_t><PyObject*>t

    def remove(number):
        held = hooked.get(key)
        if held is not None and held[1].pop(number, None) is not None and not held[1]:
            del hooked[key]

    handle = HookHandle(remove)
    if key not in hooked:
        # The reference's callback forgets the hooks together with the tensor, before its id is used again.
        hooked[key] = weakref.ref(t, lambda _: hooked.pop(key, None)), {}
    hooked[key][1][handle.id] = hook
    return handle


@cython.final
@cython.no_gc
cdef class HookBackward(Node):
    """A leaf's gate: its gradient is complete here, and what the hooks make of it goes on to the leaf."""

    cdef list gate  # the leaf's

    def __dealloc__(self):
        if self.gate is not None:
            self.gate[1] = None

    cdef int replay(self, ndarray g, Run run) except -1:
        return run.send(self.edge0, g)


cdef HookBackward gate_of(Tensor leaf):
    """The node between a leaf with hooks and whatever uses it; one as long as any graph needs it. The leaf
    knows its address alone, and no longer than it lives: a reference would be a cycle."""
    global counter
    cdef HookBackward node
    if leaf.gate[1] is not None:
        return <HookBackward><PyObject*><size_t>leaf.gate[1]
    node = HookBackward.__new__(HookBackward)
    node.edge0, node.hooks, node.gate = leaf, leaf.gate[0], leaf.gate
    counter += 1
    node.number = counter
    leaf.gate[1] = <size_t><PyObject*>node
    return node


cdef object add_gradient_hook(Tensor t, object hook):
    cdef dict hooks
    if t.node is None:
        if t.gate is None:
            t.gate = [{}, None]
        hooks = t.gate[0]
    else:
        settle(t)
        if t.node.hooks is None:
            t.node.hooks = {}
        hooks = t.node.hooks
    handle = HookHandle(lambda number: hooks.pop(number, None))
    hooks[handle.id] = hook
    return handle


cdef ndarray through_hooks(dict hooks, ndarray g):
    """What the hooks make of a gradient, one after the other."""
    cdef ndarray new
    for hook in list(hooks.values()):
        result = hook(wrap(g))
        if result is None:
            continue
        new = array_of(result)
        if not same_shape(new, g):
            raise ValueError(f"register_hook: expected a gradient of shape {shape_of(g)} from the hook, got "
                             f"{shape_of(new)}")
        g = new.astype(g.dtype, copy=False)
    return g


cdef int run_hooks(object leaf) except -1:
    held = hooked.get(<size_t><PyObject*>leaf)
    if held is not None:
        for hook in list(held[1].values()):
            hook(leaf)
    return 0


@cython.final
@cython.no_gc
cdef class Watch:
    """Knows in one run backward which hooked leaves are complete, and what is to be called at its end.

    waiting: (number of the oldest node that sends to a leaf, leaf), the youngest first. Nodes are replayed by
    falling number, so a leaf is complete when no node is left that is as old as that one. This holds however
    often a node sends to its edges, or whether it does at all.
    """

    cdef list waiting, callbacks
    cdef Py_ssize_t fired
    cdef set arrived

    cdef int fire(self, long long number) except -1:
        """Runs the hooks of the leaves to which no node up to `number` sends."""
        while self.fired < len(self.waiting) and self.waiting[self.fired][0] > number:
            leaf = self.waiting[self.fired][1]
            self.fired += 1
            if <size_t><PyObject*>leaf in self.arrived:
                run_hooks(leaf)
        return 0


cdef list hooked_leaves(Node root):
    """What Watch waits for: the leaves with hooks behind root."""
    cdef dict oldest = {}
    cdef list waiting = [root]
    cdef unordered_set[Reference] seen
    cdef Node node
    while waiting:
        node = <Node>waiting.pop()
        for edge in (node.edge0, node.edge1, node.edge2, *(node.more or ())):
            if isinstance(edge, Node):
                if seen.insert(<PyObject*>edge).second:
                    waiting.append(edge)
            elif edge is not None:
                key = <size_t><PyObject*>edge
                if key in hooked and (key not in oldest or node.number < oldest[key][0]):
                    oldest[key] = node.number, edge
    return sorted(oldest.values(), key=lambda pair: -pair[0])


cdef int watched(Run run, Tensor root, ndarray g, bint retain) except -1:
    """The work of Tensor.backward where tensors have hooks."""
    global watch_now
    cdef PyObject* before = watch_now
    cdef Watch watch = Watch.__new__(Watch)
    watch.waiting = [(0, root)] if root.node is None else hooked_leaves(root.node)
    watch.callbacks, watch.arrived = [], set()
    watch_now = <PyObject*>watch
    try:
        run.send(root if root.node is None else root.node, g)
        g = None
        run.play(retain)
        watch.fire(-1)
        while watch.callbacks:
            watch.callbacks.pop(0)()
    finally:
        watch_now = before
    return 0


def queue_callback(callback):
    """Calls callback() at the end of the backward that is running in this thread, after all hooks.

    Raises RuntimeError if none is running. For hooks that start what has to be finished then.

    Example:
      >>> from loopnest import autograd, tensor
      >>> x = tensor([3.0], requires_grad=True)
      >>> hook = lambda leaf: autograd.queue_callback(lambda: print("done"))
      >>> handle = x.register_post_accumulate_grad_hook(hook)
      >>> (x * x).backward()
      done
    """
    if watch_now is NULL:
        raise RuntimeError("queue_callback: no backward is running in this thread; call it from a hook")
    (<Watch>watch_now).callbacks.append(callback)


def leaves_behind(Tensor t not None):
    """The leaves to whose `.grad` t.backward() would add, each once."""
    cdef list waiting, found = []
    cdef unordered_set[Reference] seen
    cdef Node node
    settle(t)
    if t.node is None:
        return [t] if t.requires else []
    waiting = [t.node]
    while waiting:
        node = <Node>waiting.pop()
        for edge in (node.edge0, node.edge1, node.edge2, *(node.more or ())):
            if edge is not None and seen.insert(<PyObject*>edge).second:
                (waiting if isinstance(edge, Node) else found).append(edge)
    return found
