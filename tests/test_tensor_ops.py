"""Tensor operations: values and gradients as torch's, gradients against differences in float64, bad input."""

import numpy as np
import pytest

import loopnest
from loopnest import Tensor, tensor
from loopnest.autograd import gradcheck


def leaf(*shape, seed=0, low=-1.0, high=1.0):
    return tensor(np.random.default_rng(seed).uniform(low, high, shape), requires_grad=True)


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


AT = np.array([[[0, 1, 1, 0]], [[2, 0, 2, 1]]])
MASK = np.arange(24).reshape(2, 3, 4) % 3 == 0

# Every one runs on loopnest and on torch: `lib` is the module, x has shape (2, 3, 4).
ONE = {
    "sin": lambda lib, x: x.sin(),
    "cos": lambda lib, x: lib.cos(x),
    "log1p": lambda lib, x: x.log1p(),
    "expm1": lambda lib, x: x.expm1(),
    "log2": lambda lib, x: (x + 2).log2(),
    "log10": lambda lib, x: (x + 2).log10(),
    "rsqrt": lambda lib, x: (x + 2).rsqrt(),
    "reciprocal": lambda lib, x: (x + 2).reciprocal(),
    "sign": lambda lib, x: x.sign() * x,
    "floor": lambda lib, x: (x * 5).floor() * x,
    "round": lambda lib, x: (x * 5).round() * x,
    "maximum": lambda lib, x: lib.maximum(x, x.flip(0)),
    "minimum": lambda lib, x: lib.minimum(x, x[:1] * 0.5),
    "masked_fill": lambda lib, x: x.masked_fill(lib.from_numpy(MASK), -2.0),
    "masked_select": lambda lib, x: x.masked_select(lib.from_numpy(MASK[0])),
    "mask index": lambda lib, x: x[lib.from_numpy(MASK)],
    "where": lambda lib, x: lib.where(lib.from_numpy(MASK), x, x * 2),
    "amax": lambda lib, x: x.amax((0, 2)),
    "amin": lambda lib, x: x.amin(1, keepdim=True),
    "amax all": lambda lib, x: x.amax(),
    "prod": lambda lib, x: x.prod(),
    "prod 1": lambda lib, x: x.prod(1),
    "prod keepdim": lambda lib, x: x.prod(-1, keepdim=True),
    "logsumexp": lambda lib, x: x.logsumexp(1),
    "logsumexp keepdim": lambda lib, x: lib.logsumexp(x * 200, (0, 2), keepdim=True),
    "norm": lambda lib, x: x.norm(),
    "norm 1": lambda lib, x: x.norm(1, dim=1),
    "norm 3": lambda lib, x: x.norm(3, dim=2, keepdim=True),
    "norm inf": lambda lib, x: x.norm(float("inf")),
    "sum": lambda lib, x: x.sum((0, 1)),
    "mean": lambda lib, x: x.mean((1, 2), keepdim=True),
    "var": lambda lib, x: x.var((0, 2)),
    "std": lambda lib, x: x.std(1, unbiased=False),
    "cumsum": lambda lib, x: x.cumsum(1),
    "sort": lambda lib, x: x.sort(1)[0],
    "sort descending": lambda lib, x: x.sort(descending=True)[0],
    "argsort": lambda lib, x: x.gather(2, x.argsort(2)),
    "topk": lambda lib, x: x.topk(2)[0],
    "topk smallest": lambda lib, x: x.topk(2, 1, largest=False)[0],
    "gather": lambda lib, x: x.gather(1, lib.from_numpy(AT)),
    "gather one": lambda lib, x: x.gather(2, lib.from_numpy(AT[..., :1].repeat(3, 1))),
    "scatter_add": lambda lib, x: x.scatter_add(1, lib.from_numpy(AT), x[:, :1] * 2),
    "scatter": lambda lib, x: x.scatter(1, lib.from_numpy(AT), x[:, :1] * 2),
    "scatter number": lambda lib, x: x.scatter(1, lib.from_numpy(AT), 3.0),
    "index_select": lambda lib, x: x.index_select(2, lib.from_numpy(np.array([3, 0, 3]))),
    "index_add": lambda lib, x: x.index_add(1, lib.from_numpy(np.array([2, 2])), x[:, :2], alpha=3),
    "int arrays": lambda lib, x: x[lib.from_numpy(np.array([0, 1])), lib.from_numpy(np.array([2, -1]))],
    "repeated arrays": lambda lib, x: x[lib.from_numpy(np.array([1, 1, 0])), :, 2],
    "arrays apart": lambda lib, x: x[lib.from_numpy(np.array([0, 1])), :, lib.from_numpy(np.array([2, 2]))],
    "array and int": lambda lib, x: x[1, lib.from_numpy(np.array([0, 2, 0]))],
    "narrow": lambda lib, x: x.narrow(2, 1, 2),
    "select": lambda lib, x: x.select(1, -1),
    "movedim": lambda lib, x: x.movedim((0, 1), (2, 0)),
    "unflatten": lambda lib, x: x.unflatten(2, (2, -1)),
    "swapaxes": lambda lib, x: x.swapaxes(0, 2),
    "roll": lambda lib, x: x.roll((1, -2), (0, 2)),
    "roll all": lambda lib, x: x.roll(5),
    "repeat": lambda lib, x: x.repeat(2, 1, 3, 1),
    "tile": lambda lib, x: x.tile((2, 1)),
    "repeat_interleave": lambda lib, x: x.repeat_interleave(2, 1),
    "diagonal": lambda lib, x: x.diagonal(1, 1, 2),
    "tril": lambda lib, x: x.tril(-1),
    "triu": lambda lib, x: x.triu(1),
    "unfold": lambda lib, x: x.unfold(2, 3, 1),
    "einsum bmm": lambda lib, x: lib.einsum("bij,bkj->bik", x, x * 2),
    "einsum implicit": lambda lib, x: lib.einsum("bij,bkj", x, x),
    "einsum sum": lambda lib, x: lib.einsum("bij->j", x),
    "einsum trace": lambda lib, x: lib.einsum("bii->b", x[:, :, :3]),
    "einsum diagonal": lambda lib, x: lib.einsum("bii->bi", x[:, :, :3]),
    "einsum outer": lambda lib, x: lib.einsum("i,j->ij", x[0, 0], x[1, 1]),
    "einsum three": lambda lib, x: lib.einsum("bij,bkj,k->ik", x, x, x[0, :, 0]),
    "einsum dots": lambda lib, x: lib.einsum("...ij,...kj->...ik", x, x[:1]),
    "einsum only one": lambda lib, x: lib.einsum("bij,kj->i", x, x[0]),
    "einsum permute": lambda lib, x: lib.einsum("bij->jib", x),
    "einsum all": lambda lib, x: lib.einsum("bij,bij->", x, x),
    "bmm": lambda lib, x: lib.bmm(x, x.transpose(1, 2)),
    "mv": lambda lib, x: lib.mv(x[0], x[1, 0]),
    "dot": lambda lib, x: lib.dot(x[0, 0], x[1, 1]),
    "outer": lambda lib, x: lib.outer(x[0, 0], x[1, :, 0]),
}


@pytest.mark.parametrize("name", ONE)
def test_gradient(name):
    assert gradcheck(lambda x: ONE[name](loopnest, x), leaf(2, 3, 4))


@pytest.mark.parametrize("name", ONE)
def test_as_torch(torch, name):
    x = leaf(2, 3, 4, seed=5)
    t = torch.tensor(x.detach().numpy(), requires_grad=True)
    y, z = ONE[name](loopnest, x), ONE[name](torch, t)
    assert y.shape == tuple(z.shape)
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-12, atol=1e-12)
    w = np.random.default_rng(1).normal(size=y.shape)
    y.backward(tensor(w))
    z.backward(torch.tensor(w))
    np.testing.assert_allclose(x.grad.numpy(), t.grad.numpy(), rtol=1e-11, atol=1e-12)


MATMUL = [
    ((2, 3, 4), (2, 4, 5)),
    ((2, 3, 4), (4, 5)),
    ((3, 4), (2, 4, 5)),
    ((2, 1, 3, 4), (3, 4, 2)),
    ((4,), (2, 4, 3)),
    ((2, 3, 4), (4,)),
    ((4,), (4,)),
    ((0, 3, 4), (0, 4, 5)),
    ((2, 3, 0), (2, 0, 5)),
    ((2, 0, 4), (4, 5)),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shapes", MATMUL, ids=str)
def test_matmul_as_numpy(shapes, dtype):
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=shapes[0]).astype(dtype), rng.normal(size=shapes[1]).astype(dtype)
    x, y = tensor(a, requires_grad=True), tensor(b, requires_grad=True)
    out = x @ y
    want = a @ b
    assert out.shape == want.shape and out.dtype == dtype
    limit = 8 * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b))
    assert (np.abs(out.detach().numpy() - want) <= limit).all()
    out.sum().backward()
    assert x.grad.shape == x.shape and y.grad.shape == y.shape


@pytest.mark.parametrize("shapes", [s for s in MATMUL if 0 not in s[0]], ids=str)
def test_matmul_gradient(shapes):
    assert gradcheck(lambda a, b: a @ b, (leaf(*shapes[0]), leaf(*shapes[1], seed=1)))


def test_matmul_of_views_and_negative_strides():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(4, 3, 2)), rng.normal(size=(5, 4, 2))
    x, y = loopnest.from_numpy(a.transpose(2, 1, 0)[::-1]), loopnest.from_numpy(b.transpose(2, 1, 0)[:, ::-1])
    np.testing.assert_allclose((x @ y).numpy(), x.numpy() @ y.numpy(), rtol=1e-13)


def test_matmul_rows_do_not_depend_on_the_batch():
    rng = np.random.default_rng(0)
    a, b = (rng.normal(size=s).astype(np.float32) for s in ((7, 9, 33), (7, 33, 17)))
    whole = (tensor(a) @ tensor(b)).numpy()
    for i in range(7):
        assert (whole[i] == (tensor(a[i : i + 1]) @ tensor(b[i : i + 1])).numpy()[0]).all()


def views(a: np.ndarray) -> list[np.ndarray]:
    """a's numbers in other orders of memory: C, channels innermost, Fortran, every second one, backwards."""
    wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
    wide[..., ::2] = a
    back = np.ascontiguousarray(a[::-1, ..., ::-1])[::-1, ..., ::-1]
    last = np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1)
    return [a, last, np.asfortranarray(a), wide[..., ::2], back]


REDUCTIONS = ["sum", "mean", "amax", "amin"]
DIMS = [(0,), (1,), (3,), (2, 3), (0, 2, 3), (1, 2), (0, 1, 2, 3), (3, 0)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(2, 3, 5, 4), (3, 33, 2, 70), (1, 1, 9, 1), (2, 40, 1, 1)])
def test_reductions_of_every_layout(shape, dtype):
    a = np.random.default_rng(0).normal(size=shape).astype(dtype)
    exact = a.astype(np.float64)
    for x in views(a):
        for dim in DIMS:
            for name in REDUCTIONS:
                for keepdim in (False, True):
                    y = getattr(loopnest.from_numpy(x), name)(dim, keepdim=keepdim)
                    want = getattr(np, name)(exact, axis=dim, keepdims=keepdim)
                    size = np.abs(exact).sum(axis=dim, keepdims=keepdim) if name in ("sum", "mean") else 0
                    assert y.shape == want.shape and y.dtype == dtype
                    assert (np.abs(y.numpy() - want) <= 150 * np.finfo(dtype).eps * size).all(), (dim, name)


def test_long_sums_are_exact_to_a_few_roundings():
    """A sum of n numbers one after the other would be off by about n / 2 units; levels keep it below 300."""
    x = np.full((3_000_000,), 0.1, np.float32)
    want = x.astype(np.float64).sum()
    for y in (
        tensor(x).sum(),
        tensor(x.reshape(1_000_000, 3)).sum(0).sum(),
        tensor(x.reshape(3, -1)).sum(1).sum(),
    ):
        assert abs(y.item() - want) <= 300 * np.finfo(np.float32).eps * want
    assert abs(tensor(x).mean().item() - 0.1) < 1e-6


@pytest.mark.parametrize("place", [0, 5, 40, 100, 129])
def test_nan_wins(place):
    x = np.arange(3 * 130, dtype=np.float32).reshape(3, 130)
    x[1, place] = np.nan
    for name in ("amax", "amin"):
        rows = getattr(tensor(x), name)(1).numpy()
        columns = getattr(tensor(x), name)(0).numpy()
        assert np.isnan(rows).tolist() == [False, True, False]
        assert np.isnan(columns).sum() == 1 and np.isnan(columns[place])
    assert np.isnan(tensor(x).max().item()) and np.isnan(tensor(x).sum().item())


def test_reductions_of_nothing():
    x = loopnest.zeros(0, 3)
    assert x.sum().item() == 0 and x.sum(0).tolist() == [0, 0, 0] and x.sum(1).shape == (0,)
    assert np.isnan(x.mean().item()) and np.isnan(x.mean(0).numpy()).all()
    with pytest.raises(IndexError, match="no elements"):
        x.amax(0)
    assert x.amax(1).shape == (0,)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "shapes",
    [
        ((2, 40, 5, 6), (40, 1, 1)),
        ((2, 3, 50, 6), (2, 3, 1, 1)),
        ((2, 3, 5, 6), (5, 6)),
        ((2, 3, 9, 9), (2, 1, 9, 1)),
        ((2, 1, 5, 6), (2, 3, 1, 6)),
        ((2, 3, 5, 6), (2, 3, 5, 6)),
        ((2, 200, 9, 9), (1, 200, 1, 1)),
        ((0, 3, 5, 6), (3, 1, 1)),
        ((7, 1), (1, 300)),
    ],
    ids=str,
)
def test_arithmetic_that_repeats_as_numpy(shapes, dtype):
    """Every pair of layouts gives NumPy's numbers, bit by bit; gradients keep their shapes."""
    rng = np.random.default_rng(0)
    first, second = (rng.uniform(0.5, 2, s).astype(dtype) for s in shapes)
    for a in views(first) if first.ndim == 4 else [first]:
        for b in views(second) if second.ndim == 4 else [second, second[::-1].copy()[::-1]]:
            x, y = loopnest.from_numpy(a), loopnest.from_numpy(b)
            for found, want in (
                *((x + y, a + b), (x - y, a - b), (x * y, a * b), (x / y, a / b)),
                *((y - x, b - a), (y / x, b / a)),
            ):
                assert found.dtype == dtype and np.array_equal(found.numpy(), want)
    x, y = tensor(first, requires_grad=True), tensor(second, requires_grad=True)
    (x * y).sum().backward()
    want = np.broadcast_to(second.astype(np.float64), np.broadcast_shapes(*shapes))
    axes = tuple(i for i, n in enumerate(x.shape) if n != want.shape[i])
    np.testing.assert_allclose(x.grad.numpy(), want.sum(axes, keepdims=True), rtol=1e-5)
    assert y.grad.shape == y.shape


def test_repeated_views_give_results_in_c_order():
    """As PyTorch's: what expand gives says nothing about the order of axes; view() goes on working."""
    x, y = loopnest.rand(3, 4).unsqueeze(0).expand(5, 3, 4), loopnest.rand(5, 3, 4)
    for z in (x + y, y * x, x - x, x.sum(2, keepdim=True), x.amax(2), x.expand(2, 5, 3, 4).mean(3)):
        assert z.is_contiguous()
    assert np.array_equal((x + y).view(15, 4).numpy(), (x.numpy() + y.numpy()).reshape(15, 4))
    assert np.allclose(x.sum(2).view(15).numpy(), x.numpy().sum(2).reshape(15))


@pytest.mark.parametrize("index", [[1, -1, 1, 0], [[2, 2], [0, -3]], []])
def test_gradient_of_rows_taken_by_number(torch, index):
    a = np.random.default_rng(0).normal(size=(3, 4, 2)).astype(np.float32)
    at = np.array(index, np.int64)
    x, t = tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
    for leaf, lib in ((x, loopnest), (t, torch)):
        y = leaf[lib.from_numpy(at)]
        (y * y).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), t.grad.numpy())


def test_cumsum_of_every_axis_and_layout(torch):
    for dtype in (np.float32, np.float64, np.int64):
        a = np.random.default_rng(0).integers(-9, 9, (3, 4, 5, 2)).astype(dtype)
        for x in views(a):
            for axis in range(4):
                y = loopnest.from_numpy(x).cumsum(axis)
                assert y.dtype == dtype and np.array_equal(y.numpy(), np.cumsum(a, axis))


def test_ties_share_the_gradient(torch):
    for name in ("maximum", "minimum"):
        a, b = tensor([1.0, 2.0, 3.0], requires_grad=True), tensor([1.0, 5.0, 0.0], requires_grad=True)
        s, t = (torch.tensor(v.tolist(), requires_grad=True) for v in (a, b))
        getattr(loopnest, name)(a, b).sum().backward()
        getattr(torch, name)(s, t).sum().backward()
        assert a.grad.tolist() == s.grad.tolist() and b.grad.tolist() == t.grad.tolist()


def test_prod_with_zeros(torch):
    for row in ([2.0, 0.0, 3.0], [0.0, 0.0, 3.0], [1.0, 2.0, 3.0]):
        x, t = tensor(row, requires_grad=True), torch.tensor(row, requires_grad=True)
        x.prod().backward()
        t.prod().backward()
        assert x.grad.tolist() == t.grad.tolist()


def test_logsumexp_of_infinities():
    inf = float("inf")
    x = tensor([[-inf, -inf], [0.0, -inf], [inf, 0.0]], requires_grad=True)
    y = x.logsumexp(1)
    assert y.tolist() == [-inf, 0.0, inf]
    y[:2].sum().backward()
    assert x.grad.tolist()[:2] == [[0.0, 0.0], [1.0, 0.0]]


def test_norm_at_zero_has_a_gradient():
    x = tensor([0.0, 0.0], requires_grad=True)
    x.norm().backward()
    assert x.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize("descending", [False, True])
def test_sort_is_stable_and_nan_is_largest(torch, descending):
    values = np.array([3, 1, np.nan, 1, 2, 3, np.nan, -np.inf], np.float32)
    ours, theirs = (
        tensor(values).sort(descending=descending),
        torch.tensor(values).sort(descending=descending, stable=True),
    )
    assert ours.indices.tolist() == theirs.indices.tolist()
    np.testing.assert_array_equal(ours.values.numpy(), theirs.values.numpy())


@pytest.mark.parametrize("largest", [False, True])
@pytest.mark.parametrize("k", [0, 1, 5, 100])
def test_topk_of_many(torch, k, largest):
    x = np.random.default_rng(0).permutation(3000).reshape(3, 1000).astype(np.float32)
    ours, theirs = tensor(x).topk(k, largest=largest), torch.tensor(x).topk(k, largest=largest)
    assert ours[0].tolist() == theirs[0].tolist() and ours[1].tolist() == theirs[1].tolist()


@pytest.mark.parametrize("largest", [False, True])
def test_topk_of_ties_and_nan_along_every_axis(largest):
    """As the first k of a stable sort: equal elements in their own order, NaN as the largest."""
    for dtype in (np.float32, np.float64):
        x = np.random.default_rng(0).integers(0, 4, (5, 6, 7)).astype(dtype)
        x[x == 3] = np.nan
        for axis, view in ((0, x), (1, x[::-1]), (2, np.asfortranarray(x))):
            for k in (0, 1, 3, view.shape[axis]):
                values, places = loopnest.from_numpy(view).topk(k, axis, largest=largest)
                order = loopnest.from_numpy(view).argsort(axis, descending=largest).numpy()
                want = np.take(order, range(k), axis)
                np.testing.assert_array_equal(places.numpy(), want)
                np.testing.assert_array_equal(values.numpy(), np.take_along_axis(view, want, axis))


def test_index_gradient_counts_places_named_twice():
    x = leaf(3, 4)
    x[tensor([0, 0, -3]), tensor([1, 1, 1])].sum().backward()
    assert x.grad.numpy()[0, 1] == 3 and x.grad.numpy().sum() == 3


def test_one_hot_linspace_eye_and_others(torch):
    at = np.array([[0, 2], [1, 1]])
    import loopnest.nn.functional as F

    assert F.one_hot(tensor(at)).tolist() == torch.nn.functional.one_hot(torch.tensor(at)).tolist()
    assert F.one_hot(tensor(at), 4).shape == (2, 2, 4)
    np.testing.assert_allclose(
        loopnest.linspace(-1, 1, 7).numpy(), torch.linspace(-1, 1, 7).numpy(), atol=1e-7
    )
    assert loopnest.eye(2, 3).tolist() == torch.eye(2, 3).tolist()
    a, b = loopnest.meshgrid(loopnest.arange(2), loopnest.arange(3))
    c, d = torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")
    assert a.tolist() == c.tolist() and b.tolist() == d.tolist()
    assert loopnest.full_like(a, 7).tolist() == [[7] * 3] * 2
    assert tensor([1.0]).new_zeros(2, 3).shape == (2, 3)
    assert loopnest.bincount(tensor([0, 2, 2])).tolist() == [1, 0, 2]
    assert loopnest.nonzero(tensor([0, 3, 0, 1])).tolist() == [[1], [3]]
    assert loopnest.cumsum(tensor([1, 2, 3]), 0).tolist() == [1, 3, 6]
    assert loopnest.randint(5, (3,)).shape == (3,) and loopnest.randint(2, 5, (4, 1)).shape == (4, 1)


def test_random_numbers_repeat():
    g = loopnest.Generator().manual_seed(1)
    first = [
        f(generator=g).tolist()
        for f in (lambda **k: loopnest.rand(3, **k), lambda **k: loopnest.randperm(4, **k))
    ]
    g.manual_seed(1)
    assert [loopnest.rand(3, generator=g).tolist(), loopnest.randperm(4, generator=g).tolist()] == first
    state = loopnest.get_rng_state()
    a = loopnest.randn(4).tolist()
    loopnest.set_rng_state(state)
    assert loopnest.randn(4).tolist() == a
    with pytest.raises(ValueError, match="get_state"):
        loopnest.set_rng_state({"bit_generator": "MT"})


def test_multinomial_draws_by_weight():
    loopnest.manual_seed(0)
    weights = tensor([[0.0, 1.0, 3.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    drawn = loopnest.multinomial(weights, 4000, replacement=True).numpy()
    share = (drawn[0] == 2).mean()
    assert (
        set(drawn[0]) == {1, 2} and (drawn[1] == 0).all() and abs(share - 0.75) < 5 * (0.1875 / 4000) ** 0.5
    )
    once = loopnest.multinomial(tensor(np.ones(6)), 6).numpy()
    assert sorted(once) == list(range(6))
    with pytest.raises(ValueError, match="without"):
        loopnest.multinomial(weights, 2)
    for bad in ([-1.0, 2.0], [0.0, 0.0], [float("nan"), 1.0]):
        with pytest.raises(ValueError, match="weights"):
            loopnest.multinomial(tensor(bad), 1)
    assert loopnest.bernoulli(tensor([0.0, 1.0])).tolist() == [0.0, 1.0]


BAD = {
    "matmul shapes": (ValueError, lambda x: x @ x),
    "matmul batch": (ValueError, lambda x: x @ loopnest.zeros(3, 4, 2)),
    "matmul dtype": (TypeError, lambda x: x @ x.double().transpose(1, 2)),
    "bmm rank": (ValueError, lambda x: loopnest.bmm(x[0], x[0])),
    "bmm batch": (ValueError, lambda x: loopnest.bmm(x, loopnest.zeros(1, 4, 2))),
    "gather axes": (ValueError, lambda x: x.gather(0, tensor([0]))),
    "gather range": (IndexError, lambda x: x.gather(2, loopnest.full_like(x, 4, dtype=np.int64))),
    "gather negative": (IndexError, lambda x: x.gather(2, loopnest.full_like(x, -1, dtype=np.int64))),
    "gather float": (TypeError, lambda x: x.gather(2, x)),
    "gather large": (ValueError, lambda x: x.gather(2, loopnest.zeros(3, 3, 4).long())),
    "scatter src": (ValueError, lambda x: x.scatter(1, tensor(AT), x[:, :, :2])),
    "index_select range": (IndexError, lambda x: x.index_select(0, tensor([2]))),
    "masked_fill int": (TypeError, lambda x: x.masked_fill(x.long(), 0)),
    "masked_fill shape": (ValueError, lambda x: x.masked_fill(tensor([True, False, True]), 0)),
    "masked_fill values": (ValueError, lambda x: x.masked_fill(x > 0, tensor([1.0, 2.0]))),
    "maximum": (ValueError, lambda x: x.maximum(tensor([1.0, 2.0, 3.0]))),
    "topk": (ValueError, lambda x: x.topk(5)),
    "dim": (IndexError, lambda x: x.sort(3)),
    "dim twice": (ValueError, lambda x: x.amax((0, -3))),
    "amax of nothing": (IndexError, lambda x: x[:, :0].amax(1)),
    "norm 0": (ValueError, lambda x: x.norm(0)),
    "narrow": (IndexError, lambda x: x.narrow(2, 3, 2)),
    "unflatten": (ValueError, lambda x: x.unflatten(2, (3, -1))),
    "roll": (ValueError, lambda x: x.roll((1, 2), (0,))),
    "repeat": (ValueError, lambda x: x.repeat(2, 2)),
    "tril": (ValueError, lambda x: x[0, 0].tril()),
    "unfold": (ValueError, lambda x: x.unfold(2, 5, 1)),
    "einsum operands": (ValueError, lambda x: loopnest.einsum("ij,jk", x)),
    "einsum rank": (ValueError, lambda x: loopnest.einsum("ij->i", x)),
    "einsum sizes": (ValueError, lambda x: loopnest.einsum("bij,bik->b", x, x[:, :2])),
    "einsum label": (ValueError, lambda x: loopnest.einsum("bij->k", x)),
    "einsum sign": (ValueError, lambda x: loopnest.einsum("b1j->b", x)),
    "one_hot": (ValueError, lambda x: loopnest.nn.functional.one_hot(tensor([5]), 3)),
    "one_hot float": (TypeError, lambda x: loopnest.nn.functional.one_hot(x)),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    kind, call = BAD[name]
    with pytest.raises(kind):
        call(loopnest.rand(2, 3, 4))


def test_methods_reach_subclasses_and_dir():
    assert "gather" in dir(Tensor)
    assert loopnest.nn.Parameter(np.ones((2, 2), np.float32)).sin().requires_grad


AS_FUNCTIONS = {
    "abs": lambda lib, x: lib.abs(x),
    "add": lambda lib, x: lib.add(x, x, alpha=3),
    "sub": lambda lib, x: lib.sub(x, 1, alpha=2),
    "mul": lambda lib, x: lib.mul(x, x),
    "div": lambda lib, x: lib.div(x, 4),
    "neg": lambda lib, x: lib.neg(x),
    "pow": lambda lib, x: lib.pow(x, 3),
    "rpow": lambda lib, x: lib.pow(2.0, x),
    "square": lambda lib, x: lib.square(x),
    "sum": lambda lib, x: lib.sum(x, (0, 2), keepdim=True),
    "mean": lambda lib, x: lib.mean(x),
    "var": lambda lib, x: lib.var(x, 1),
    "std": lambda lib, x: lib.std(x, unbiased=False),
    "max": lambda lib, x: lib.max(x, 1)[0],
    "max of two": lambda lib, x: lib.max(x, x.flip(1)),
    "min": lambda lib, x: lib.min(x),
    "min of two": lambda lib, x: lib.min(x, x.flip(1)),
    "argmax": lambda lib, x: lib.argmax(x, 2),
    "argmin": lambda lib, x: lib.argmin(x),
    "clone": lambda lib, x: lib.clone(x),
    "any": lambda lib, x: lib.any(x > 0.9, 1),
    "all": lambda lib, x: lib.all(x > -2),
    "round": lambda lib, x: lib.round(x * 3),
    "expand": lambda lib, x: lib.concat([x, x], 1),
    "dtypes": lambda lib, x: x.to(lib.long).to(lib.float).to(lib.bool).to(lib.int32).to(lib.double),
}


@pytest.mark.parametrize("name", AS_FUNCTIONS)
def test_functions_as_torch(torch, name):
    x = leaf(2, 3, 4, seed=5).detach()
    y, z = AS_FUNCTIONS[name](loopnest, x), AS_FUNCTIONS[name](torch, torch.tensor(x.numpy()))
    assert y.shape == tuple(z.shape)
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-12)


def slices(library, x, leaf):
    """Many slices of one array, beside other uses of it, and of a leaf."""
    y = x * 1.5
    steps = [y[t] * (t + 1) for t in range(4)]
    gates = [y[:, :, 2 * k : 2 * k + 2] for k in range(3)]
    total = (steps[0] * steps[1]).sum() + (steps[3] * 0.5).sum() + y.sum()
    total = total + (gates[0] * gates[2]).sum() + (y[::2, 1:] * y[1::2, :-1]).sum()
    total = total + y[1, 2, 3] * y[0, 0, 0] + y[..., 0].sum() + y[0, None, 1].sum() + leaf[..., 1] * leaf[0]
    return total + (leaf[1:3] * leaf[:2]).sum() + (y[3] + y[2]).sum()


@pytest.mark.parametrize("turned", [False, True])
def test_slices_add_up_in_one_gradient(turned):
    torch = pytest.importorskip("torch", reason="parity with PyTorch needs torch")
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(4, 5, 6)), rng.normal(size=4)
    if turned:
        a = np.ascontiguousarray(a.transpose(0, 2, 1)).transpose(0, 2, 1)
    x, leaf = loopnest.tensor(a, requires_grad=True), loopnest.tensor(b, requires_grad=True)
    x2, leaf2 = torch.tensor(a, requires_grad=True), torch.tensor(b, requires_grad=True)
    for _ in range(2):  # the second time gradients of leaves are there already
        ours, theirs = slices(loopnest, x, leaf), slices(torch, x2, leaf2)
        ours.backward()
        theirs.backward()
        assert np.isclose(ours.item(), theirs.item())
        assert np.allclose(x.grad.numpy(), x2.grad.numpy(), rtol=1e-12, atol=1e-12)
        assert np.allclose(leaf.grad.numpy(), leaf2.grad.numpy(), rtol=1e-12, atol=1e-12)
