"""Sums, order and spread by their NumPy twins and as torch's; gradients against differences."""

import numpy as np
import pytest

import loopnest
from loopnest import tensor
from loopnest.autograd import gradcheck

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 5))
HOLES = np.where(RNG.random(X.shape) < 0.2, np.nan, X)
WHOLE = RNG.integers(0, 4, (6, 7))
nan = float("nan")

# name: (input, call, what NumPy says)
CASES = {
    "nansum": (HOLES, lambda f, x: f.nansum(x, 1), lambda a: np.nansum(a, 1)),
    "nansum all": (HOLES, lambda f, x: f.nansum(x), np.nansum),
    "nanmean": (
        HOLES,
        lambda f, x: f.nanmean(x, (0, 2), True),
        lambda a: np.nanmean(a, (0, 2), keepdims=True),
    ),
    "nanmedian": (HOLES, lambda f, x: f.nanmedian(x), lambda a: np.nanquantile(a, 0.5, method="lower")),
    "nanmedian 1": (
        HOLES,
        lambda f, x: f.nanmedian(x, 0)[0],
        lambda a: np.nanquantile(a, 0.5, 0, method="lower"),
    ),
    "kthvalue": (X, lambda f, x: f.kthvalue(x, 2, 1)[0], lambda a: np.sort(a, 1)[:, 1]),
    "msort": (X, lambda f, x: f.msort(x), lambda a: np.sort(a, 0)),
    "aminmax": (X, lambda f, x: f.aminmax(x, dim=1)[1], lambda a: a.max(1)),
    "cummax": (X, lambda f, x: f.cummax(x, 1)[0], lambda a: np.maximum.accumulate(a, 1)),
    "cummin": (X, lambda f, x: f.cummin(x, -1)[0], lambda a: np.minimum.accumulate(a, -1)),
    "logcumsumexp": (X, lambda f, x: f.logcumsumexp(x, 1), lambda a: np.log(np.cumsum(np.exp(a), 1))),
    "quantile": (X, lambda f, x: f.quantile(x, 0.3, 1), lambda a: np.quantile(a, 0.3, 1)),
    "quantile all": (X, lambda f, x: f.quantile(x, 0.9), lambda a: np.quantile(a, 0.9)),
    "nanquantile": (
        HOLES,
        lambda f, x: f.nanquantile(x, 0.6, 2, True),
        lambda a: np.nanquantile(a, 0.6, 2, keepdims=True),
    ),
    "var_mean": (X, lambda f, x: f.var_mean(x, 1, correction=0)[0], lambda a: a.var(1)),
    "std_mean": (X, lambda f, x: f.std_mean(x)[0], lambda a: a.std(ddof=1)),
    "trace": (X[0], lambda f, x: f.trace(x), np.trace),
    "diff": (X, lambda f, x: f.diff(x, 2, 1), lambda a: np.diff(a, 2, 1)),
    "diff prepend": (
        X,
        lambda f, x: f.diff(x, prepend=x, append=x),
        lambda a: np.diff(np.concatenate([a] * 3, -1)),
    ),
    "cov": (X[0], lambda f, x: f.cov(x), np.cov),
    "corrcoef": (X[0], lambda f, x: f.corrcoef(x), np.corrcoef),
    "dist": (
        X,
        lambda f, x: f.dist(x, x.flip((0,)), 3),
        lambda a: (np.abs(a - a[::-1]) ** 3).sum() ** (1 / 3),
    ),
    "trapezoid": (
        X,
        lambda f, x: f.trapezoid(x, dx=0.3, dim=1),
        lambda a: 0.3 * (a[:, 1:] + a[:, :-1]).sum(1) / 2,
    ),
    "cumulative_trapezoid": (
        X,
        lambda f, x: f.cumulative_trapezoid(x),
        lambda a: np.cumsum((a[..., 1:] + a[..., :-1]) / 2, -1),
    ),
    "renorm": (
        X,
        lambda f, x: f.renorm(x, 2, 1, 2.0),
        lambda a: a * np.minimum(1, 2 / (np.sqrt((a * a).sum((0, 2), keepdims=True)) + 1e-7)),
    ),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_as_numpy(name, dtype):
    a, call, right = CASES[name]
    y = call(loopnest, tensor(a.astype(dtype).T.copy()).permute(*range(a.ndim)[::-1]))
    assert y.dtype == dtype
    rtol = 1e-4 if dtype == np.float32 else 1e-12
    expected = right(a)
    assert y.shape == np.shape(expected)
    np.testing.assert_allclose(y.numpy(), expected, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", CASES)
def test_as_torch(name):
    torch = pytest.importorskip("torch")
    a, call, _ = CASES[name]
    x, z = tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
    ours, theirs = call(loopnest, x), call(torch, z)
    np.testing.assert_allclose(ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-12, atol=1e-12)
    g = RNG.normal(size=ours.shape)
    ours.backward(tensor(g))
    theirs.backward(torch.tensor(g))
    np.testing.assert_allclose(x.grad.numpy(), z.grad.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", [n for n in CASES if CASES[n][0] is not HOLES])
def test_gradient(name):
    a, call, _ = CASES[name]
    assert gradcheck(lambda x: call(loopnest, x), tensor(a, requires_grad=True))


def test_quantiles_of_several_parts_and_kinds():
    x = tensor(X)
    for kind in ("linear", "lower", "higher", "nearest", "midpoint"):
        q = np.array([0.0, 0.25, 0.5, 1.0])
        y = loopnest.quantile(x, tensor(q), 1, interpolation=kind)
        np.testing.assert_allclose(y.numpy(), np.quantile(X, q, 1, method=kind), rtol=1e-12)
    assert loopnest.quantile(x, tensor(q), keepdim=True).shape == (4, 1, 1, 1)
    holes = loopnest.quantile(tensor(HOLES), 0.5, 1).numpy()
    np.testing.assert_array_equal(np.isnan(holes), np.isnan(HOLES).any(1))
    assert np.isnan(loopnest.nanquantile(tensor([nan, nan]), 0.5).item())
    for call in (
        lambda: loopnest.quantile(x, 1.5),
        lambda: loopnest.quantile(x, 0.5, interpolation="cubic"),
        lambda: loopnest.quantile(x[:0], 0.5),
    ):
        with pytest.raises(ValueError, match="quantile"):
            call()
    with pytest.raises(TypeError, match="float"):
        loopnest.quantile(tensor([1, 2]), 0.5)


def test_indices():
    x = tensor(WHOLE)
    values, places = loopnest.mode(x, 1)
    for row, value, place in zip(WHOLE, values.numpy(), places.numpy(), strict=True):
        counts = np.bincount(row)
        assert value == counts.argmax() and place == np.flatnonzero(row == value)[-1]
    values, places = loopnest.cummax(x, 0)
    np.testing.assert_array_equal(np.take_along_axis(WHOLE, places.numpy(), 0), values.numpy())
    assert loopnest.cummin(tensor([2.0, nan, 1.0, nan]), 0)[1].tolist() == [0, 1, 1, 3]
    values, places = loopnest.kthvalue(x, 3, 0, keepdim=True)
    assert values.shape == places.shape == (1, 7)
    np.testing.assert_array_equal(np.take_along_axis(WHOLE, places.numpy(), 0), values.numpy())
    low, high = loopnest.aminmax(x)
    assert (low.item(), high.item()) == (WHOLE.min(), WHOLE.max())
    with pytest.raises(ValueError, match="kthvalue"):
        loopnest.kthvalue(x, 8, 1)


def test_equal_elements_share_the_median_s_gradient():
    x = tensor([1.0, 2.0, 2.0, 5.0], requires_grad=True)
    x.median().backward()
    assert x.grad.tolist() == [0, 0.5, 0.5, 0]
    y = tensor([2.0, nan, 2.0], requires_grad=True)
    loopnest.nanmedian(y).backward()
    assert y.grad.tolist() == [0.5, 0, 0.5]


def test_weighted_covariance():
    counts, weights = RNG.integers(0, 4, 5), RNG.uniform(0.5, 2, 5)
    for options in ({"fweights": counts}, {"aweights": weights}, {"fweights": counts, "aweights": weights}):
        ours = loopnest.cov(tensor(X[0]), **{k: tensor(v) for k, v in options.items()})
        np.testing.assert_allclose(ours.numpy(), np.cov(X[0], **options), rtol=1e-12)
    assert loopnest.cov(tensor(X[0, 0])).shape == () == loopnest.cov(tensor(X[0, :1])).shape
    np.testing.assert_allclose(loopnest.cov(tensor(X[0]), correction=0).numpy(), np.cov(X[0], ddof=0))


def test_counting():
    x = tensor(X)
    for low, high in ((-1, 2), (0, 0)):
        counts = loopnest.histc(x, 7, low, high)
        expected = np.histogram(X, 7, (low, high) if low else None)[0]
        np.testing.assert_array_equal(counts.numpy(), expected)
    assert loopnest.histc(loopnest.ones(3), 2).tolist() == [0, 3]
    with pytest.raises(ValueError, match="histc"):
        loopnest.histc(x, 0)
    kept, inverse, counts = loopnest.unique_consecutive(tensor([3, 3, 1, 1, 1, 3]), True, True)
    assert (kept.tolist(), inverse.tolist(), counts.tolist()) == ([3, 1, 3], [0, 0, 1, 1, 1, 2], [2, 3, 1])
    rows = loopnest.unique_consecutive(tensor([[1, 2], [1, 2], [0, 2]]), dim=0)
    assert rows.tolist() == [[1, 2], [0, 2]]
    assert loopnest.unique_consecutive(tensor(np.zeros(0))).shape == (0,)


def test_places_among_sorted_numbers():
    rows, wanted = np.sort(X, -1), RNG.normal(size=(3, 4, 2))
    for right in (False, True):
        at = loopnest.searchsorted(tensor(rows), tensor(wanted), right=right)
        assert at.dtype == np.int64
        np.testing.assert_array_equal(at.numpy(), (rows[..., None, :] < wanted[..., None]).sum(-1))
    edges = tensor([1.0, 3.0, 5.0])
    assert loopnest.searchsorted(edges, 3.0).item() == 1
    assert loopnest.searchsorted(edges, tensor([3.0]), side="right", out_int32=True).dtype == np.int32
    assert loopnest.bucketize(tensor([[3.0, 9.0]]), edges, right=True).tolist() == [[2, 3]]
    unsorted, order = tensor([5.0, 1.0, 3.0]), tensor([1, 2, 0])
    assert loopnest.searchsorted(unsorted, tensor([4.0]), sorter=order).tolist() == [2]
    assert loopnest.isin(tensor([1, 2]), 2).tolist() == [False, True]
    assert loopnest.isin(tensor([1, 2]), tensor([2, 7]), invert=True).tolist() == [True, False]
    for call in (
        lambda: loopnest.searchsorted(tensor(rows), tensor(wanted[0])),
        lambda: loopnest.searchsorted(edges, 1.0, side="middle"),
        lambda: loopnest.bucketize(edges, tensor(rows)),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()


def test_nothing_and_one_number():
    none, one = tensor(np.zeros((0, 3))), tensor(np.array(2.0))
    assert loopnest.nansum(none, 0).tolist() == [0, 0, 0] and loopnest.cummax(none, 0)[0].shape == (0, 3)
    assert loopnest.diff(none, dim=0).shape == (0, 3) and loopnest.logcumsumexp(none, 1).shape == (0, 3)
    for call in (loopnest.nansum, lambda x: loopnest.mode(x)[0], lambda x: loopnest.cummin(x, 0)[0]):
        assert call(one).item() == 2
    assert loopnest.quantile(one, 0.3).item() == 2 and loopnest.logcumsumexp(one, 0).item() == 2


def test_other_mistakes_are_told():
    x = tensor(X)
    for call in (
        lambda: loopnest.trace(x),
        lambda: loopnest.diff(tensor(1.0)),
        lambda: loopnest.diff(x, -1),
        lambda: loopnest.cov(x),
        lambda: loopnest.trapezoid(x, tensor(np.ones(3))),
        lambda: loopnest.nanmedian(x[:0]),
    ):
        with pytest.raises(ValueError):
            call()
    with pytest.raises(TypeError, match="nanmean"):
        loopnest.nanmean(tensor([1, 2]))
