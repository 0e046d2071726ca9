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

        return _steps_within(kind, function) if inspect.isgeneratorfunction(function) else within


def _steps_within(kind, function):
    """A generator function whose own steps run in a grad mode, and what is between them in the caller's."""
    @functools.wraps(function)
    def steps(*args, **kwargs):
        generator = function(*args, **kwargs)
        step, given = generator.send, None
        while True:
            with kind():
                try:
                    value = step(given)
                except StopIteration as end:
                    return end.value
            try:
                step, given = generator.send, (yield value)
            except GeneratorExit:
                with kind():
                    generator.close()
                raise
            except BaseException as error:
                step, given = generator.throw, error

    return steps


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
    """Sets the grad mode of this thread, until a `with` block that it opens ends; a decorator as well.

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


def inference_mode(mode=True):
    """no_grad under PyTorch's other name (there is no faster one); inference_mode(False) is enable_grad.

    Example:
      >>> import loopnest
      >>> with loopnest.inference_mode():
      ...     loopnest.is_grad_enabled()
      False
    """
    if callable(mode):
        return no_grad(mode)
    return no_grad() if mode else enable_grad()


class _Restore:
    def __init__(self, context):
        self._context = context

    def __enter__(self):
        return None

    def __exit__(self, *ignored):
        return self._context.__exit__()

    def __call__(self, function):
        kind = type(self._context)
        self._context.__exit__()
        return kind()(function)
