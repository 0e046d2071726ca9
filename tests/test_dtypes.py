"""The dtypes of results, as PyTorch has them; comparisons, remainders and powers at their edges."""

import numpy as np
import pytest

import loopnest

tensor = loopnest.tensor


def test_a_number_is_compared_in_the_dtype_of_the_tensor():
    x = tensor([0.1])
    assert (x == 0.1).tolist() == [True]
    assert (x > 0.1).tolist() == [False]
    assert (tensor([255], dtype=np.uint8) == -1).tolist() == [False]
    assert (tensor([1, 2]) > 1.5).tolist() == [False, True]


@pytest.mark.parametrize(
    "expression",
    [
        lambda m, x, i, b: m.cat([x, i]),
        lambda m, x, i, b: m.cat([i, x]),
        lambda m, x, i, b: m.stack([i, x]),
        lambda m, x, i, b: m.cat([b, i]),
        lambda m, x, i, b: i // 2.5,
        lambda m, x, i, b: i % 2.5,
        lambda m, x, i, b: 2 % x,
        lambda m, x, i, b: 7 // x,
        lambda m, x, i, b: True & b,
        lambda m, x, i, b: i.clamp(min=2.5),
        lambda m, x, i, b: x.clamp(min=x * 0 + 2),
        lambda m, x, i, b: i.sum(),
        lambda m, x, i, b: b.sum(),
        lambda m, x, i, b: x.sum(dtype=m.float64),
        lambda m, x, i, b: m.cat([m.zeros(0), x.reshape(1, 3)], 1),
        lambda m, x, i, b: x.view(m.int32),
    ],
)
def test_results_have_the_dtype_and_values_of_pytorch(torch, expression):
    ours, theirs = [
        expression(m, m.tensor([1.5, -2.0, 3.0]), m.tensor([1, 2, 3]), m.tensor([True, False, True]))
        for m in (loopnest, torch)
    ]
    assert str(ours.dtype) == str(theirs.dtype).removeprefix("torch.")
    assert ours.tolist() == theirs.tolist()


def test_sums_of_small_whole_numbers_are_int64():
    assert tensor([200, 100], dtype=np.uint8).sum().dtype == np.int64


def test_clamp_by_a_number_of_numpy_keeps_float32():
    assert tensor([1.0]).clamp(min=np.float64(0.5)).dtype == np.float32


@pytest.mark.parametrize(
    "f",
    [
        lambda m, x, y: x % y,
        lambda m, x, y: x % 0.7,
        lambda m, x, y: x.clamp(min=y),
        lambda m, x, y: x.clamp(y - 1, y),
        lambda m, x, y: x.std(0) + (y * 0 + 1).std(),
        lambda m, x, y: m.cat([x, m.tensor([1, 2]), y]),
    ],
)
def test_gradients_of_what_was_not_recorded_before(torch, f):
    found = []
    for m in (loopnest, torch):
        x, y = (m.tensor(v, requires_grad=True) for v in ([1.5, -2.0, 3.1], [0.6, 1.1, -0.4]))
        (f(m, x, y) * 3).sum().backward()
        found.append([[] if t.grad is None else t.grad.tolist() for t in (x, y)])
    for ours, theirs in zip(*found, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-6)


def test_a_zeroth_power_of_zero_has_no_slope():
    x, y = tensor([0.0], requires_grad=True), tensor([0.0], requires_grad=True)
    (x**y).sum().backward()
    assert x.grad.tolist() == [0] and y.grad.tolist() == [0]


def test_nll_loss_with_every_target_ignored_has_no_gradient():
    x = loopnest.zeros(2, 3, requires_grad=True)
    loopnest.nn.functional.nll_loss(x, tensor([-100, -100])).backward()
    assert x.grad.tolist() == [[0] * 3] * 2


def test_view_takes_whole_numbers_of_any_kind():
    x = tensor([1.5, 2.5], requires_grad=True)
    assert x.view(np.int64(2), 1).shape == (2, 1)
    assert x.view(np.int64(2)).tolist() == [1.5, 2.5]
    assert x.view(tensor(2)).requires_grad
