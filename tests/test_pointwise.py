"""Element-wise functions: by Python's math and as torch's, gradients against differences, and in place."""

import math

import numpy as np
import pytest

import loopnest
from loopnest import tensor
from loopnest.autograd import gradcheck
from loopnest.functions import in_place, pointwise

RNG = np.random.default_rng(0)
# Where the function is smooth, and what Python says.
ONE = {
    "tan": (-1.4, 1.4, math.tan),
    "asin": (-0.9, 0.9, math.asin),
    "acos": (-0.9, 0.9, math.acos),
    "atan": (-3, 3, math.atan),
    "sinh": (-3, 3, math.sinh),
    "cosh": (-3, 3, math.cosh),
    "asinh": (-3, 3, math.asinh),
    "acosh": (1.1, 3, math.acosh),
    "atanh": (-0.9, 0.9, math.atanh),
    "exp2": (-3, 3, lambda x: 2.0**x),
    "erf": (-3, 3, math.erf),
    "erfc": (-3, 3, math.erfc),
    "erfinv": (-0.99, 0.99, None),
    "lgamma": (0.1, 20, math.lgamma),
    "digamma": (0.1, 20, None),
    "sinc": (-3, 3, lambda x: math.sin(math.pi * x) / (math.pi * x)),
    "deg2rad": (-400, 400, math.radians),
    "rad2deg": (-7, 7, math.degrees),
    "frac": (0.1, 0.9, lambda x: x - math.trunc(x)),
    "logit": (0.1, 0.9, lambda x: math.log(x / (1 - x))),
}
TWO = {
    "atan2": math.atan2,
    "hypot": math.hypot,
    "copysign": math.copysign,
    "fmod": math.fmod,
    "fmax": max,
    "fmin": min,
    "xlogy": lambda x, y: x * math.log(y),
    "logaddexp": lambda x, y: math.log(math.exp(x) + math.exp(y)),
    "logaddexp2": lambda x, y: math.log2(2**x + 2**y),
    "remainder": lambda x, y: x - y * math.floor(x / y),
    "float_power": pow,
    "ldexp": lambda x, y: x * 2**y,
}
WHOLE = {
    "gcd": math.gcd,
    "lcm": math.lcm,
    "bitwise_and": lambda x, y: x & y,
    "bitwise_or": lambda x, y: x | y,
    "bitwise_xor": lambda x, y: x ^ y,
    "bitwise_left_shift": lambda x, y: x << y,
    "bitwise_right_shift": lambda x, y: x >> y,
    "fmod": lambda x, y: int(math.fmod(x, y)),
    "floor_divide": lambda x, y: x // y,
    "remainder": lambda x, y: x % y,
}


def by_python(f, *arrays):
    return np.frompyfunc(f, len(arrays), 1)(*arrays).astype(np.float64)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ONE)
def test_of_one(name, dtype):
    low, high, right = ONE[name]
    a = RNG.uniform(low, high, (40, 3)).astype(dtype)
    y = getattr(loopnest, name)(tensor(a.T.copy()).T)
    assert y.dtype == dtype and y.shape == a.shape
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    if right is not None:
        np.testing.assert_allclose(y.numpy(), by_python(right, a.astype(float)), rtol=rtol, atol=rtol)
    np.testing.assert_array_equal(getattr(tensor(a), name)().numpy(), y.numpy())
    if name != "logit":
        assert getattr(loopnest, name)(tensor([1])).dtype == np.float32  # whole numbers
    assert getattr(loopnest, name)(tensor(a[:0])).shape == (0, 3)
    assert getattr(loopnest, name)(tensor(a[0, 0])).shape == ()


@pytest.mark.parametrize("name", ONE)
def test_gradient_of_one(name):
    low, high, _ = ONE[name]
    x = tensor(RNG.uniform(low, high, (3, 4)), requires_grad=True)
    assert gradcheck(getattr(loopnest, name), x)


def test_inverses_and_recurrences():
    x = np.array([-1, -0.999999, -0.5, 0, 1e-9, 0.3, 0.99999999, 1, 2])
    y = loopnest.erfinv(tensor(x)).numpy()
    np.testing.assert_allclose(by_python(math.erf, y[1:-2]), x[1:-2], rtol=1e-14, atol=1e-16)
    assert y[0] == -np.inf and y[-2] == np.inf and np.isnan(y[-1])
    z = np.array([-3.7, -0.5, 0.1, 0.5, 3, 50])
    up, down = loopnest.digamma(tensor(z + 1)).numpy(), loopnest.digamma(tensor(z)).numpy()
    np.testing.assert_allclose(up - down, 1 / z, rtol=1e-12)
    euler = -0.5772156649015329
    np.testing.assert_allclose(loopnest.digamma(tensor(np.array([1.0]))).item(), euler, rtol=1e-14)
    assert np.isnan(loopnest.digamma(tensor([-2.0])).item())
    assert loopnest.digamma(tensor([0.0, -0.0])).tolist() == [-np.inf, np.inf]
    assert loopnest.lgamma(tensor([0.0, -2.0, float("inf"), float("-inf")])).tolist() == [np.inf] * 4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", TWO)
def test_of_two(name, dtype):
    a, b = RNG.uniform(0.5, 3, (3, 1, 4)).astype(dtype), RNG.uniform(0.5, 3, (5, 1)).astype(dtype)
    y = getattr(loopnest, name)(tensor(a), tensor(b))
    assert y.shape == (3, 5, 4) and y.dtype == (np.float64 if name == "float_power" else dtype)
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    right = by_python(TWO[name], a.astype(float), b.astype(float))
    np.testing.assert_allclose(y.numpy(), right, rtol=rtol, atol=rtol)
    np.testing.assert_array_equal(getattr(tensor(a), name)(tensor(b)).numpy(), y.numpy())


@pytest.mark.parametrize("name", TWO)
def test_gradients_of_two(name):
    given = [tensor(RNG.uniform(0.6, 0.9, s), requires_grad=True) for s in ((3, 1, 2), (4, 1))]
    given[1].data.add_(0.35)  # apart from the first, so that no maximum changes sides
    assert gradcheck(getattr(loopnest, name), given)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint8])
@pytest.mark.parametrize("name", WHOLE)
def test_of_whole_numbers(name, dtype):
    a, b = RNG.integers(1, 12, (5, 1)).astype(dtype), RNG.integers(1, 4, 6).astype(dtype)
    y = getattr(loopnest, name)(tensor(a), tensor(b))
    assert y.dtype == dtype
    right = np.frompyfunc(WHOLE[name], 2, 1)(a.astype(object), b.astype(object)).astype(dtype)
    np.testing.assert_array_equal(y.numpy(), right)


def test_rounded_division():
    x, y = np.array([-7.0, 7.0, -6.0, 0.0]), np.array([2.0, -2.0, 3.0, 5.0])
    for dtype in (np.float64, np.int64):
        a, b = tensor(x.astype(dtype)), tensor(y.astype(dtype))
        assert loopnest.div(a, b, rounding_mode="trunc").tolist() == [-3, -3, -2, 0]
        assert a.div(b, rounding_mode="floor").tolist() == [-4, -4, -2, 0]
        assert a.floor_divide(b).dtype == dtype
        with pytest.raises(ValueError, match="rounding_mode"):
            a.div(b, rounding_mode="up")
    a, b = tensor(x, requires_grad=True), tensor(y, requires_grad=True)
    loopnest.div(a, b, rounding_mode="floor").sum().backward()
    assert not a.grad.numpy().any() and not b.grad.numpy().any()
    for call in (loopnest.fmod, loopnest.remainder, loopnest.floor_divide):
        with pytest.raises(ValueError, match="divided by 0"):
            call(tensor([1, 2]), 0)


def test_dtypes_of_two():
    whole, single, double = tensor([1, 2]), tensor([1.0, 2.0]), tensor(np.ones(2))
    assert loopnest.fmod(whole, 2).dtype == np.int64 and loopnest.fmod(whole, 2.0).dtype == np.float32
    assert loopnest.atan2(whole, whole).dtype == np.float32
    assert loopnest.fmod(single, double).dtype == np.float64
    assert loopnest.fmod(single, tensor(np.array(2.0))).dtype == np.float32  # a 0-d tensor yields
    assert loopnest.xlogy(2, single).dtype == np.float32
    assert loopnest.bitwise_and(tensor([True]), tensor([3])).dtype == np.int64
    with pytest.raises(TypeError, match="whole numbers"):
        loopnest.gcd(single, single)
    with pytest.raises(ValueError, match="do not fit"):
        loopnest.hypot(tensor(np.ones(3)), double)


def test_nan_and_infinity():
    nan, inf = float("nan"), float("inf")
    x, y = tensor([nan, 1.0, nan]), tensor([2.0, nan, nan])
    assert loopnest.fmax(x, y).tolist()[:2] == [2, 1] and loopnest.fmin(x, y).tolist()[:2] == [2, 1]
    assert loopnest.logaddexp(tensor([1000.0, -inf]), tensor([1000.0, -inf])).tolist()[1] == -inf
    assert loopnest.xlogy(tensor([0.0, 0.0]), tensor([0.0, -1.0])).tolist() == [0, 0]
    special = tensor([inf, -inf, nan, -0.0])
    assert loopnest.isposinf(special).tolist() == [True, False, False, False]
    assert loopnest.isneginf(special).tolist() == [False, True, False, False]
    assert loopnest.signbit(special).tolist()[1::2] == [True, True]


def test_comparisons_and_other_names():
    x, y = tensor([1, 2, 3]), tensor([2, 2, 2])
    for name, right in (("eq", [0, 1, 0]), ("ne", [1, 0, 1]), ("lt", [1, 0, 0]), ("le", [1, 1, 0])):
        assert getattr(loopnest, name)(x, y).tolist() == [bool(b) for b in right]
    assert loopnest.greater(x, 2).tolist() == [False, False, True] == x.greater(2).tolist()
    assert loopnest.greater_equal(x, y).tolist() == [False, True, True]
    assert loopnest.arcsin is loopnest.asin and loopnest.true_divide is loopnest.div
    assert loopnest.bitwise_not(tensor([True, False])).tolist() == [False, True]
    assert loopnest.positive(x) is x and (-x).absolute().tolist() == [1, 2, 3]
    assert loopnest.multiply(x, y).tolist() == [2, 4, 6] and x.subtract(y, alpha=2).tolist() == [-3, -2, -1]
    assert x.negative().tolist() == [-1, -2, -3]
    with pytest.raises(TypeError):
        loopnest.positive(tensor([True]))


@pytest.mark.parametrize("name", [*ONE, "ceil", "sin", "square", "reciprocal", "log1p"])
def test_in_place(name):
    low, high, _ = ONE.get(name, (0.1, 3, None))
    a = RNG.uniform(low, high, (3, 4))
    x = tensor(a.copy())
    view, right = x[1], getattr(tensor(a), name)()
    assert getattr(x, f"{name}_")() is x
    np.testing.assert_array_equal(x.numpy(), right.numpy())
    np.testing.assert_array_equal(view.numpy(), right.numpy()[1])  # in its own memory
    leaf = tensor(a, requires_grad=True)
    y = leaf * 1
    getattr(y, f"{name}_")()
    y.sum().backward()
    other = tensor(a, requires_grad=True)
    getattr(other * 1, name)().sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), other.grad.numpy(), rtol=1e-12)
    with pytest.raises(RuntimeError):
        getattr(leaf, f"{name}_")()


def test_in_place_keeps_the_dtype():
    assert tensor([1, 2]).eq_(2).dtype == np.int64
    assert tensor([4.0]).div_(3, rounding_mode="trunc").tolist() == [1]
    assert tensor([7.0]).div_(2).tolist() == [3.5]
    with pytest.raises(TypeError, match="dtype"):
        tensor([1, 2]).atan2_(tensor([1.0, 2.0]))


@pytest.mark.parametrize("name", [*pointwise.ONE, *pointwise.TWO])
def test_as_torch_at_whole_numbers(name):
    """Where slopes jump."""
    torch = pytest.importorskip("torch")
    two = name in pointwise.TWO
    whole = name in ("gcd", "lcm") or name.startswith("bitwise")
    if name == "digamma":
        pytest.skip("poles")
    arrays = [np.arange(-2.0, 3.0)]
    if two:
        arrays = [a.ravel() for a in np.meshgrid(arrays[0], np.array([1.0, 2.0]))]
    arrays = [np.abs(a) if "shift" in name else a for a in arrays]
    found = []
    for f, make in ((loopnest, tensor), (torch, torch.tensor)):
        given = [make(a.astype(np.int64)) if whole else make(a, requires_grad=True) for a in arrays]
        y = getattr(f, name)(*given)
        if y.requires_grad and name not in ("nextafter", "heaviside"):
            y.sum().backward()
        found.append([y.detach().numpy(), *(t.grad.numpy() for t in given if t.grad is not None)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


def test_every_method_that_was_attached_is_one():
    for name in (*pointwise.NAMES, *in_place._methods()):
        assert callable(getattr(loopnest.Tensor, name))
