# Versions of memory, and results that wait. Part of tape.pyx.

@cython.final
@cython.no_gc
@cython.freelist(256)
cdef class Version:
    """Counts the in-place changes of some memory; shared by all Tensors that look at it (views, detach)."""


cdef Version version_of(Tensor t):
    if t.version is None:
        t.version = Version.__new__(Version)
    return t.version


cdef Version shared_version(Tensor t):
    """The version for another Tensor that looks at the memory of t."""
    cdef Version version = version_of(t)
    version.shared = True
    return version


cdef bint seen_by_others(Tensor t) noexcept:
    """May another Tensor, or NumPy, look at the memory of t? (An array that a node has kept counts too.)"""
    if t.version is None or not (t.version.shared or t.version.exposed):
        return False
    cdef PyObject* held = <PyObject*>t.held
    cdef PyObject* base = cnp.PyArray_BASE(t.held)
    if Py_REFCNT(<object>held) > 1:
        return True
    return base != NULL and cnp.PyArray_Check(<object>base) and Py_REFCNT(<object>base) > 1


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
    settle(t)  # a sealed one does not wait
    version_of(t).exposed = True
    return t.held


cdef int bump(Tensor t) except -1:
    """The memory of t was changed."""
    cdef Version version = version_of(t)
    version.value += 1
    return 0


@cython.final
@cython.no_gc
cdef class Sealed(Later):
    """Instead of numbers that nobody may have: whoever asks is refused."""

    cdef object refuse

    cdef ndarray compute(self, bint relu):
        raise self.refuse()


def _sealed(kind, Tensor like not None, refuse):
    """A tensor of the class `kind` that lies as `like`. Whatever reads its numbers raises what refuse()
    gives: so nothing can be made of it unseen (planning/trace.py)."""
    cdef Tensor t = Tensor.__new__(kind)
    cdef Sealed later = Sealed.__new__(Sealed)
    t.held = settled(like)
    later.refuse = refuse
    t.later = later
    return t
