# Grad mode: each thread has its own. Part of tape.pyx.

cdef extern from *:
    """
    namespace { thread_local bool grad_mode = true; }
    """
    bint grad_mode


cdef bint recording() noexcept:
    return grad_mode


def is_grad_enabled():
    """True if operators record what they do (in this thread).

    Example:
      >>> import loopnest
      >>> with loopnest.no_grad():
      ...     loopnest.is_grad_enabled()
      False
    """
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
    """Operators inside do not record: `with no_grad():`, or `@no_grad()` above a function.

    Example:
      >>> import loopnest
      >>> x = loopnest.tensor([1.0], requires_grad=True)
      >>> with loopnest.no_grad():
      ...     (x * 2).requires_grad
      False
    """

    _mode = False


class enable_grad(_GradMode):
    """Operators inside record again, also within `no_grad`.

    Example:
      >>> import loopnest
      >>> x = loopnest.tensor([1.0], requires_grad=True)
      >>> with loopnest.no_grad(), loopnest.enable_grad():
      ...     (x * 2).requires_grad
      True
    """

    _mode = True


def set_grad_enabled(bint mode):
    """Sets the grad mode of this thread, and may be used as a context manager that puts the old mode back.

    Example:
      >>> import loopnest
      >>> with loopnest.set_grad_enabled(False):
      ...     loopnest.is_grad_enabled()
      False
    """
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
