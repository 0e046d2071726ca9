"""Functions of numbers, element by element, that need no kernel: torch's names; NumPy computes, the tape
records. Most are methods of Tensor as well, and in place with a _ behind the name (in_place.py).

Numbers of one function stand in one row of a table: what it is, an example, its formula, its slopes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopnest.engine import custom, tape, tensor_ops
from loopnest.engine.tape import Tensor
from loopnest.functions import methods

Array = NDArray[Any]


def quiet() -> Any:
    """NumPy's warnings of infinities and NaN switched off: they are results like others."""
    return np.errstate(all="ignore")


def _named(
    function: Callable[..., Any], name: str, text: str, example: str, result: str
) -> Callable[..., Any]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""{text}

    Example:
      >>> import loopnest
      >>> {example}
      {result}
    """
    return function


# ---- one variable: name -> (text, example's numbers, their results, formula, slope) ----

ERF = np.frompyfunc(math.erf, 1, 1)
ERFC = np.frompyfunc(math.erfc, 1, 1)
LGAMMA = np.frompyfunc(lambda x: math.inf if math.isinf(x) or x <= 0 == x % 1 else math.lgamma(x), 1, 1)


def _by_python(f: Any) -> Callable[[Array], Array]:
    """A function of the math module: exact, but number by number."""
    return lambda a: np.asarray(f(a.astype(np.float64)), np.float64)


def erfinv_of(a: Array) -> Array:
    """Halley's iteration on erf, from an approximation by logarithms (Winitzki 2008)."""
    x = a.astype(np.float64)
    inside = np.abs(x) < 1
    z = np.where(inside, x, 0)
    logs = np.log1p(-z * z)
    half = 2 / (math.pi * 0.147) + logs / 2
    y = np.sign(z) * np.sqrt(np.sqrt(half * half - logs / 0.147) - half)
    for _ in range(4):  # towards 1, the difference to 1 is what is exact
        left = np.asarray(ERFC(np.abs(y)), np.float64) - (1 - np.abs(z))
        step = np.sign(z) * left * (-math.sqrt(math.pi) / 2) * np.exp(y * y)
        y = y - step / (1 + y * step)
    return np.where(inside, y, np.where(np.abs(x) == 1, np.copysign(np.inf, x), np.nan))


def digamma_of(a: Array) -> Array:
    """The series for large x, after steps of psi(x) = psi(x + 1) - 1 / x; reflected where x < 0."""
    given = a.astype(np.float64)
    x = np.where(given < 0, 1 - given, given)
    found = np.zeros_like(x)
    for _ in range(10):
        small = x < 10
        found = np.where(small, found - 1 / x, found)
        x = np.where(small, x + 1, x)
    z = 1 / (x * x)
    tail = z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z * (1 / 240 - z * (1 / 132 - z * 691 / 32760)))))
    found = found + np.log(x) - 0.5 / x - tail
    mirrored = np.where(given == np.floor(given), np.nan, found - math.pi / np.tan(math.pi * given))
    found = np.where(given < 0, mirrored, found)
    return np.where(given == 0, np.copysign(np.inf, -given), found)


def trigamma_of(a: Array) -> Array:
    """The slope of digamma, in the same way."""
    given = a.astype(np.float64)
    x = np.where(given < 0.5, 1 - given, given)
    found = np.zeros_like(x)
    for _ in range(10):
        small = x < 10
        found = np.where(small, found + 1 / (x * x), found)
        x = np.where(small, x + 1, x)
    z = 1 / (x * x)
    tail = z * (1 / 6 - z * (1 / 30 - z * (1 / 42 - z * (1 / 30 - z * 5 / 66))))
    found = found + 1 / x + z / 2 + tail / x
    return np.where(given < 0.5, (math.pi / np.sin(math.pi * given)) ** 2 - found, found)


def _sinc_slope(a: Array) -> Array:
    x = math.pi * a
    return np.where(a == 0, 0, (x * np.cos(x) - np.sin(x)) / np.where(a == 0, 1, x * a))


ONE: dict[str, tuple[str, str, str, Callable[[Array], Any], Callable[[Array], Any]]] = {
    "tan": ("The tangent, in radians.", "0, 1", "0.0000, 1.5574", np.tan, lambda a: 1 + np.tan(a) ** 2),
    "asin": (
        "The angle whose sine this is, -pi/2 to pi/2; NaN outside of -1 ... 1.",
        "0, 1",
        "0.0000, 1.5708",
        np.arcsin,
        lambda a: 1 / np.sqrt(1 - a * a),
    ),
    "acos": (
        "The angle whose cosine this is, 0 to pi; NaN outside of -1 ... 1.",
        "1, 0",
        "0.0000, 1.5708",
        np.arccos,
        lambda a: -1 / np.sqrt(1 - a * a),
    ),
    "atan": (
        "The angle whose tangent this is, -pi/2 to pi/2.",
        "0, 1",
        "0.0000, 0.7854",
        np.arctan,
        lambda a: 1 / (1 + a * a),
    ),
    "sinh": ("The hyperbolic sine.", "0, 1", "0.0000, 1.1752", np.sinh, np.cosh),
    "cosh": ("The hyperbolic cosine.", "0, 1", "1.0000, 1.5431", np.cosh, np.sinh),
    "asinh": (
        "The inverse of the hyperbolic sine.",
        "0, 1",
        "0.0000, 0.8814",
        np.arcsinh,
        lambda a: 1 / np.sqrt(1 + a * a),
    ),
    "acosh": (
        "The inverse of the hyperbolic cosine; NaN below 1.",
        "1, 2",
        "0.0000, 1.3170",
        np.arccosh,
        lambda a: 1 / np.sqrt(a * a - 1),
    ),
    "atanh": (
        "The inverse of the hyperbolic tangent; NaN outside of -1 ... 1.",
        "0, 0.5",
        "0.0000, 0.5493",
        np.arctanh,
        lambda a: 1 / (1 - a * a),
    ),
    "exp2": ("2 to the power x.", "0, 3", "1., 8.", np.exp2, lambda a: np.exp2(a) * math.log(2)),
    "erf": (
        "The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.",
        "0, 1",
        "0.0000, 0.8427",
        _by_python(ERF),
        lambda a: 2 / math.sqrt(math.pi) * np.exp(-a * a),
    ),
    "erfc": (
        "1 - erf(x), exact where that is small.",
        "0, 1",
        "1.0000, 0.1573",
        _by_python(ERFC),
        lambda a: -2 / math.sqrt(math.pi) * np.exp(-a * a),
    ),
    "erfinv": (
        "The number whose error function this is; NaN outside of -1 ... 1.",
        "0, 0.5",
        "0.0000, 0.4769",
        erfinv_of,
        lambda a: math.sqrt(math.pi) / 2 * np.exp(erfinv_of(a) ** 2),
    ),
    "lgamma": (
        "The logarithm of the absolute value of the gamma function.",
        "1, 4",
        "0.0000, 1.7918",
        _by_python(LGAMMA),
        digamma_of,
    ),
    "digamma": (
        "The slope of lgamma.",
        "1, 2",
        "-0.5772,  0.4228",
        digamma_of,
        trigamma_of,
    ),
    "sinc": ("sin(pi x) / (pi x), 1 at 0.", "0, 0.5", "1.0000, 0.6366", np.sinc, _sinc_slope),
    "deg2rad": ("Degrees as radians.", "180, 90", "3.1416, 1.5708", np.deg2rad, lambda a: math.pi / 180),
    "rad2deg": ("Radians as degrees.", "0, 1", " 0.0000, 57.2958", np.rad2deg, lambda a: 180 / math.pi),
    "frac": (
        "What is left of x without its whole part; it has the sign of x.",
        "1.5, -1.5",
        " 0.5000, -0.5000",
        lambda a: a - np.trunc(a),
        lambda a: 1.0,
    ),
}


def _of_one(name: str) -> Callable[[Tensor], Tensor]:
    text, given, result, f, slope = ONE[name]
    title = name.capitalize() + "Backward"

    def function(input: Tensor) -> Tensor:
        a = custom.numbers(input)
        a = a if a.dtype.kind == "f" else a.astype(np.float32)
        with quiet():
            y = np.asarray(f(a), a.dtype)

        def grad(g: Array, a: Array) -> tuple[Array]:
            with quiet():
                return (np.asarray(g * slope(a), a.dtype),)

        return custom.recorded(title, y, (input,), grad, (input,))

    example = f"loopnest.{name}(loopnest.tensor([{given}]))"
    return _named(function, name, text, example, f"tensor([{result}])")


tan, asin, acos, atan = map(_of_one, ("tan", "asin", "acos", "atan"))
sinh, cosh, asinh, acosh, atanh = map(_of_one, ("sinh", "cosh", "asinh", "acosh", "atanh"))
exp2, erf, erfc, erfinv, lgamma, digamma = map(
    _of_one, ("exp2", "erf", "erfc", "erfinv", "lgamma", "digamma")
)
sinc, deg2rad, rad2deg, frac = map(_of_one, ("sinc", "deg2rad", "rad2deg", "frac"))


def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)), the inverse of sigmoid; eps: x is held between eps and 1 - eps first.

    Example:
      >>> import loopnest
      >>> loopnest.logit(loopnest.tensor([0.5, 0.75]))
      tensor([0.0000, 1.0986])
    """
    x = input if eps is None else input.clamp(eps, 1 - eps)
    return tape.log(x / (1 - x))


def bitwise_not(input: Tensor) -> Tensor:
    """All bits of whole numbers the other way round; of bools, not.

    Example:
      >>> import loopnest
      >>> loopnest.bitwise_not(loopnest.tensor([0, 5]))
      tensor([-1, -6])
    """
    return ~input


def _asks(
    name: str, text: str, given: str, result: str, f: Callable[[Array], Any]
) -> Callable[[Tensor], Tensor]:
    def function(input: Tensor) -> Tensor:
        return Tensor(np.asarray(f(custom.numbers(input))))

    example = f"loopnest.{name}(loopnest.tensor([{given}]))"
    return _named(function, name, text, example, f"tensor([{result}])")


INFINITE = '1.0, float("-inf"), float("inf")'
isposinf = _asks("isposinf", "True where the input is inf.", INFINITE, "False, False,  True", np.isposinf)
isneginf = _asks("isneginf", "True where the input is -inf.", INFINITE, "False,  True, False", np.isneginf)
isreal = _asks("isreal", "True: there are no complex tensors.", "1.0", " True", np.isreal)
signbit = _asks("signbit", "True for negative numbers, -0.0 too.", "1.0, -0.0", "False,  True", np.signbit)


# ---- two variables, both broadcast: name -> (text, example's numbers, result, formula, slopes, floats) ----

Slopes = tuple[Callable[[Array, Array], Any], Callable[[Array, Array], Any]] | None


def _xlogy(a: Array, b: Array) -> Array:
    return np.where((a == 0) & ~np.isnan(b), 0, a * np.log(b))


def _whole(f: Callable[..., Any]) -> Callable[[Array, Array], Any]:
    """A function of whole numbers alone."""

    def of_whole(a: Array, b: Array) -> Any:
        if a.dtype.kind == "f":
            raise TypeError(f"expected whole numbers, got {a.dtype}")
        return f(a, b)

    return of_whole


TWO: dict[str, tuple[str, str, str, str, Callable[[Array, Array], Any], Slopes, bool]] = {
    "atan2": (
        "The angle of the point (other, input), -pi to pi: atan(input / other) in the right quadrant.",
        "1.0, -1.0",
        "1.0, -1.0",
        " 0.7854, -2.3562",
        np.arctan2,
        (lambda a, b: b / (a * a + b * b), lambda a, b: -a / (a * a + b * b)),
        True,
    ),
    "hypot": (
        "sqrt(input^2 + other^2).",
        "3.0",
        "4.0",
        "5.",
        np.hypot,
        (lambda a, b: a / np.hypot(a, b), lambda a, b: b / np.hypot(a, b)),
        True,
    ),
    "copysign": (
        "The size of input with the sign of other.",
        "1.0, -2.0",
        "-1.0, 3.0",
        "-1.,  2.",
        np.copysign,
        (lambda a, b: np.where(a == 0, 0, np.copysign(1, a) * np.copysign(1, b)), lambda a, b: 0.0),
        True,
    ),
    "fmod": (
        "input - other * trunc(input / other): the remainder with the sign of input.",
        "7.0, -7.0",
        "3.0, 3.0",
        " 1., -1.",
        np.fmod,
        (lambda a, b: 1.0, lambda a, b: -np.trunc(a / b)),
        False,
    ),
    "fmax": (
        "The larger of two; a number wins over NaN. If both are equal, input gets the gradient.",
        "1.0, 5.0",
        "3.0, 2.0",
        "3., 5.",
        np.fmax,
        (lambda a, b: (a >= b) | np.isnan(b), lambda a, b: ~((a >= b) | np.isnan(b))),
        False,
    ),
    "fmin": (
        "The smaller of two; a number wins over NaN. If both are equal, input gets the gradient.",
        "1.0, 5.0",
        "3.0, 2.0",
        "1., 2.",
        np.fmin,
        (lambda a, b: (a <= b) | np.isnan(b), lambda a, b: ~((a <= b) | np.isnan(b))),
        False,
    ),
    "xlogy": (
        "input * log(other); 0 where input is 0.",
        "0.0, 2.0",
        "0.0, 1.0",
        "0., 0.",
        _xlogy,
        (
            lambda a, b: np.where((a == 0) & (b <= 0), 0, np.log(b)),
            lambda a, b: a / b,
        ),
        True,
    ),
    "logaddexp": (
        "log(exp(input) + exp(other)), without overflow.",
        "0.0, 100.0",
        "0.0, 1.0",
        "  0.6931, 100.0000",
        np.logaddexp,
        (lambda a, b: np.exp(a - np.logaddexp(a, b)), lambda a, b: np.exp(b - np.logaddexp(a, b))),
        True,
    ),
    "logaddexp2": (
        "log2(2^input + 2^other), without overflow.",
        "1.0",
        "1.0",
        "2.",
        np.logaddexp2,
        (lambda a, b: np.exp2(a - np.logaddexp2(a, b)), lambda a, b: np.exp2(b - np.logaddexp2(a, b))),
        True,
    ),
    "heaviside": (
        "0 below 0, 1 above, and other where input is 0. It has no gradient.",
        "-1.0, 0.0, 2.0",
        "0.5, 0.5, 0.5",
        "0.0000, 0.5000, 1.0000",
        np.heaviside,
        None,
        False,
    ),
    "nextafter": (
        "The next number of the dtype from input towards other. It has no gradient.",
        "1.0",
        "2.0",
        "1.0000",
        np.nextafter,
        None,
        True,
    ),
    "gcd": ("The greatest common divisor of whole numbers.", "12", "18", "6", _whole(np.gcd), None, False),
    "lcm": ("The least common multiple of whole numbers.", "4", "6", "12", _whole(np.lcm), None, False),
    "bitwise_and": (
        "The bits that both whole numbers have.",
        "12",
        "10",
        "8",
        _whole(np.bitwise_and),
        None,
        False,
    ),
    "bitwise_or": (
        "The bits that one of both whole numbers has, or both.",
        "12",
        "10",
        "14",
        _whole(np.bitwise_or),
        None,
        False,
    ),
    "bitwise_xor": (
        "The bits that exactly one of both whole numbers has.",
        "12",
        "10",
        "6",
        _whole(np.bitwise_xor),
        None,
        False,
    ),
    "bitwise_left_shift": (
        "input * 2^other, of whole numbers.",
        "3",
        "2",
        "12",
        _whole(np.left_shift),
        None,
        False,
    ),
    "bitwise_right_shift": (
        "input / 2^other, rounded down, of whole numbers.",
        "12",
        "2",
        "3",
        _whole(np.right_shift),
        None,
        False,
    ),
}


def operands(input: Any, other: Any, floats: bool = False) -> tuple[Tensor, Tensor, np.dtype[Any]]:
    """Both as Tensors, and the dtype in which PyTorch would compute: bool < int < float; numbers and 0-d
    tensors yield to tensors of the same kind; floats: float32 for whole numbers."""
    if not isinstance(input, Tensor):
        other, input, kind = operands(other, input, floats)
        return input, other, kind
    if not isinstance(other, Tensor):
        other = Tensor(np.asarray(other, _of_number(input.dtype, other)))
    kind = tape.wider(input.dtype, other.dtype)
    if (input.ndim == 0) != (other.ndim == 0) and input.dtype.kind == other.dtype.kind:
        kind = other.dtype if input.ndim == 0 else input.dtype
    return input, other, np.dtype(np.float32) if floats and kind.kind != "f" else kind


def _of_number(kind: np.dtype[Any], number: Any) -> Any:
    """The dtype that a Python number takes beside a tensor."""
    if isinstance(number, np.ndarray):
        return number.dtype
    if isinstance(number, (float, np.floating)) and kind.kind != "f":
        return np.float32
    return np.int64 if kind.kind == "b" and not isinstance(number, (bool, np.bool_)) else kind


def _of_two(name: str) -> Callable[[Any, Any], Tensor]:
    text, given, given2, result, f, slopes, floats = TWO[name]
    title = name.capitalize() + "Backward"

    def function(input: Any, other: Any) -> Tensor:
        x, y, kind = operands(input, other, floats)
        a, b = custom.numbers(x).astype(kind, copy=False), custom.numbers(y).astype(kind, copy=False)
        if name == "fmod":
            _need_no_zero(name, y, kind)
        try:
            with quiet():
                found = np.asarray(f(a, b)).astype(kind, copy=False)
        except ValueError:
            raise ValueError(f"{name}: the shapes {x.shape} and {y.shape} do not fit each other") from None
        except TypeError as error:
            raise TypeError(f"{name}: {error}") from None

        def grads(g: Array, p: Array, q: Array) -> tuple[Array | None, Array | None]:
            assert slopes is not None
            p, q = p.astype(kind, copy=False), q.astype(kind, copy=False)
            with quiet():
                return custom.fitted(g * slopes[0](p, q), x), custom.fitted(g * slopes[1](p, q), y)

        if slopes is None:
            return Tensor(found)
        return custom.recorded(title, found, (x, y), grads, (x, y))

    example = f"loopnest.{name}(loopnest.tensor([{given}]), loopnest.tensor([{given2}]))"
    return _named(function, name, text, example, f"tensor([{result}])")


atan2, hypot, copysign, fmod, fmax, fmin = map(
    _of_two, ("atan2", "hypot", "copysign", "fmod", "fmax", "fmin")
)
xlogy, logaddexp, logaddexp2, heaviside, nextafter = map(
    _of_two, ("xlogy", "logaddexp", "logaddexp2", "heaviside", "nextafter")
)
gcd, lcm, bitwise_and, bitwise_or, bitwise_xor = map(
    _of_two, ("gcd", "lcm", "bitwise_and", "bitwise_or", "bitwise_xor")
)
bitwise_left_shift, bitwise_right_shift = map(_of_two, ("bitwise_left_shift", "bitwise_right_shift"))


def float_power(input: Any, exponent: Any) -> Tensor:
    """input ** exponent, computed and given in float64.

    Example:
      >>> import loopnest
      >>> loopnest.float_power(loopnest.tensor([4]), 0.5)
      tensor([2.], dtype=float64)
    """
    x, y, _ = operands(input, exponent)
    return x.to(np.float64) ** y.to(np.float64)


def ldexp(input: Tensor, other: Any) -> Tensor:
    """input * 2 ** other.

    Example:
      >>> import loopnest
      >>> loopnest.ldexp(loopnest.tensor([1.0, 3.0]), loopnest.tensor([1, 2]))
      tensor([ 2., 12.])
    """
    return input * 2.0 ** (other if isinstance(other, Tensor) else Tensor(np.asarray(other)))


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other, element by element; other is broadcast. Whole numbers give float32.

    rounding_mode: "trunc" rounds towards 0, "floor" down; whole numbers then stay whole, and there is no
    gradient.

    Example:
      >>> import loopnest
      >>> loopnest.div(loopnest.tensor([1, 2]), 4)
      tensor([0.2500, 0.5000])
      >>> loopnest.div(loopnest.tensor([-7, 7]), 2, rounding_mode="trunc")
      tensor([-3,  3])
    """
    if rounding_mode is None:
        return input / other
    if rounding_mode not in ("trunc", "floor"):
        raise ValueError(f"div: expected rounding_mode None, 'trunc' or 'floor', got {rounding_mode!r}")
    x, y, kind = operands(input, other)
    _need_no_zero("div", y, kind)
    a, b = custom.numbers(x).astype(kind, copy=False), custom.numbers(y).astype(kind, copy=False)
    with quiet():
        if rounding_mode == "floor":
            found = a // b
        else:
            found = np.trunc(a / b) if kind.kind == "f" else (a - np.fmod(a, b)) // b

    def none(g: Array) -> tuple[Array, Array]:
        return np.zeros(x.shape, x.dtype), np.zeros(y.shape, y.dtype)

    return custom.recorded("DivRoundedBackward", np.asarray(found, kind), (x, y), none)


def _need_no_zero(who: str, divisor: Tensor, kind: np.dtype[Any]) -> None:
    if kind.kind != "f" and not custom.numbers(divisor).all():
        raise ValueError(f"{who}: whole numbers are divided by 0")


def floor_divide(input: Any, other: Any) -> Tensor:
    """The largest whole number not above input / other; its gradient is 0. ValueError for whole numbers
    divided by 0.

    Example:
      >>> import loopnest
      >>> loopnest.floor_divide(loopnest.tensor([-7, 7]), 2)
      tensor([-4,  3])
    """
    return div(input, other, rounding_mode="floor")


def remainder(input: Any, other: Any) -> Tensor:
    """input - other * floor(input / other): it has the sign of other. ValueError for whole numbers divided
    by 0.

    Example:
      >>> import loopnest
      >>> loopnest.remainder(loopnest.tensor([-7.0, 7.0]), 3)
      tensor([2., 1.])
    """
    x, y, kind = operands(input, other)
    _need_no_zero("remainder", y, kind)
    return tape.remainder(x, y)


def positive(input: Tensor) -> Tensor:
    """The input itself; TypeError for bools.

    Example:
      >>> import loopnest
      >>> loopnest.positive(loopnest.tensor([-1.0]))
      tensor([-1.])
    """
    if input.dtype.kind == "b":
        raise TypeError("positive: expected numbers, got bool")
    return input


def rsub(input: Tensor, other: Any, *, alpha: float = 1) -> Tensor:
    """other - alpha * input.

    Example:
      >>> import loopnest
      >>> loopnest.rsub(loopnest.tensor([1.0, 2.0]), 10)
      tensor([9., 8.])
    """
    return other - (input if alpha == 1 else input * alpha)


def _comparison(name: str, text: str, result: str) -> Callable[[Tensor, Any], Tensor]:
    def function(input: Tensor, other: Any) -> Tensor:
        found: Tensor = getattr(Tensor, name)(input, other)
        return found

    example = f"loopnest.{name}(loopnest.tensor([1, 2, 3]), 2)"
    return _named(function, name, f"True where input {text} other, which is broadcast.", example, result)


eq = _comparison("eq", "equals", "tensor([False,  True, False])")
ne = _comparison("ne", "does not equal", "tensor([ True, False,  True])")
lt = _comparison("lt", "is less than", "tensor([ True, False, False])")
le = _comparison("le", "is at most", "tensor([ True,  True, False])")
gt = _comparison("gt", "is greater than", "tensor([False, False,  True])")
ge = _comparison("ge", "is at least", "tensor([False,  True,  True])")

# PyTorch's other names.
arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh = asinh, acosh, atanh
fix, sgn, divide, true_divide = tensor_ops.trunc, tensor_ops.sign, div, div
absolute, negative, multiply, subtract = methods.abs, methods.neg, methods.mul, methods.sub
less, less_equal, greater, greater_equal, not_equal = lt, le, gt, ge, ne

NAMES = (
    *(*ONE, *TWO, "logit", "bitwise_not", "isposinf", "isneginf", "isreal", "signbit", "float_power"),
    *("ldexp", "div", "floor_divide", "remainder", "positive", "arcsin", "arccos", "arctan", "arctan2"),
    *("arcsinh", "arccosh", "arctanh", "fix", "sgn", "divide", "true_divide"),
    *("absolute", "negative", "multiply", "subtract"),
    *("less", "less_equal", "greater", "greater_equal", "not_equal"),
)
tensor_ops.attach(**{name: globals()[name] for name in NAMES})
