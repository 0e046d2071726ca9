"""Embedding's options and EmbeddingBag: by their formulas, as torch's, and gradients against differences."""

import copy
import itertools

import numpy as np
import pytest

import loopnest
import loopnest.nn.functional as F
from loopnest import nn, tensor
from loopnest.autograd import gradcheck
from loopnest.planning import NotPlannable

RNG = np.random.default_rng(0)
TABLE = RNG.normal(size=(7, 3))
FLAT = np.array([4, 2, 4, 3, 6, 6, 0, 2])
EDGES = np.array([0, 3, 3, 7, 8])  # the second of four bags is empty
ROWS = RNG.integers(0, 7, size=(4, 5))
FACTORS = RNG.normal(size=8)
REDUCE = {"sum": np.sum, "mean": np.mean, "max": np.max}


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def bags(at, edges, mode, padding=None, factors=None, table=TABLE):
    """Bag by bag."""
    found = np.zeros((len(edges) - 1, table.shape[1]))
    for b, (low, high) in enumerate(itertools.pairwise(edges)):
        keep = [m for m in range(low, high) if at[m] != padding]
        rows = table[at[keep]] * (1 if factors is None else factors[keep][:, None])
        if keep:
            found[b] = REDUCE[mode](rows, axis=0)
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("padding", [None, 6, -5])
@pytest.mark.parametrize("mode", REDUCE)
def test_formula(mode, padding, dtype):
    table, left_out = tensor(TABLE.astype(dtype)), None if padding is None else padding % 7
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    for offsets, last in ((EDGES[:-1], False), (EDGES, True)):
        y = F.embedding_bag(
            tensor(FLAT), table, tensor(offsets), mode=mode, include_last_offset=last, padding_idx=padding
        )
        assert y.dtype == dtype
        np.testing.assert_allclose(y.numpy(), bags(FLAT, EDGES, mode, left_out), rtol=rtol, atol=rtol)
    y = F.embedding_bag(tensor(ROWS.T.copy().T.astype(np.int32)), table, mode=mode, padding_idx=padding)
    expected = bags(ROWS.ravel(), np.arange(5) * 5, mode, left_out)
    np.testing.assert_allclose(y.numpy(), expected, rtol=rtol, atol=rtol)


@pytest.mark.parametrize("padding", [None, 2])
def test_factors(padding):
    y = F.embedding_bag(
        tensor(FLAT),
        tensor(TABLE),
        tensor(EDGES[:-1]),
        mode="sum",
        per_sample_weights=tensor(FACTORS),
        padding_idx=padding,
    )
    np.testing.assert_allclose(y.numpy(), bags(FLAT, EDGES, "sum", padding, FACTORS), rtol=1e-12)
    w = RNG.normal(size=ROWS.shape)
    y = F.embedding_bag(tensor(ROWS), tensor(TABLE), mode="sum", per_sample_weights=tensor(w))
    expected = bags(ROWS.ravel(), np.arange(5) * 5, "sum", None, w.ravel())
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("padding", [None, 6])
@pytest.mark.parametrize("mode", REDUCE)
def test_gradient(mode, padding):
    options = {"mode": mode, "padding_idx": padding}
    table, offsets = tensor(TABLE, requires_grad=True), tensor(EDGES[:-1])
    assert gradcheck(lambda w: F.embedding_bag(tensor(FLAT), w, offsets, **options), table)
    assert gradcheck(lambda w: F.embedding_bag(tensor(ROWS), w, mode=mode), table)


def test_gradient_of_factors():
    given = [tensor(TABLE, requires_grad=True), tensor(FACTORS, requires_grad=True)]
    at, offsets = tensor(FLAT), tensor(EDGES[:-1])
    assert gradcheck(lambda w, f: F.embedding_bag(at, w, offsets, mode="sum", per_sample_weights=f), given)


@pytest.mark.parametrize("mode", REDUCE)
def test_as_torch(torch, mode):
    """Equal numbers too: the first largest one gets the gradient."""
    found = []
    for functions, make in ((F, tensor), (torch.nn.functional, torch.tensor)):
        table = make(np.round(TABLE), requires_grad=True)
        y = functions.embedding_bag(make(FLAT), table, make(EDGES[:-1]), mode=mode, padding_idx=0)
        z = functions.embedding_bag(make(ROWS), table, mode=mode)
        (y * y).sum().backward()
        (z * z).sum().backward()
        found.append([t.detach().numpy() for t in (y, z, table.grad)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("norm_type", [1.0, 2.0, 3.0])
def test_long_rows_are_shortened(torch, norm_type):
    table, other = tensor(TABLE.copy()), torch.tensor(TABLE.copy())
    options = {"max_norm": 1.2, "norm_type": norm_type}
    y = F.embedding(tensor(FLAT), table, **options)
    z = torch.nn.functional.embedding(torch.tensor(FLAT), other, **options)
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-12)
    np.testing.assert_allclose(table.numpy(), other.numpy(), rtol=1e-12)
    unseen = [1, 5]
    np.testing.assert_array_equal(table.numpy()[unseen], TABLE[unseen])
    layer = nn.EmbeddingBag(7, 3, max_norm=0.5, mode="sum")
    layer(tensor(ROWS))
    assert np.linalg.norm(layer.weight.detach().numpy()[np.unique(ROWS)], axis=1).max() < 0.5 + 1e-6


def test_shortening_is_seen_by_the_tape():
    table = tensor(TABLE.copy(), requires_grad=True)
    y = (table * table).sum()
    F.embedding(tensor(FLAT), table, max_norm=0.1)
    with pytest.raises(RuntimeError, match="inplace"):
        y.backward()


def test_gradients_by_frequency():
    table = tensor(TABLE, requires_grad=True)
    g = RNG.normal(size=(8, 3))
    F.embedding(tensor(FLAT), table, padding_idx=3, scale_grad_by_freq=True).backward(tensor(g))
    expected = np.zeros_like(TABLE)
    np.add.at(expected, FLAT, g)
    expected /= np.maximum(np.bincount(FLAT, minlength=7), 1)[:, None]
    expected[3] = 0
    np.testing.assert_allclose(table.grad.numpy(), expected, rtol=1e-12)
    table.grad = None
    for at, offsets in ((tensor(FLAT), tensor([0])), (tensor(FLAT[None]), None)):
        table.grad = None
        F.embedding_bag(at, table, offsets, mode="sum", scale_grad_by_freq=True).sum().backward()
        expected = np.repeat((np.bincount(FLAT, minlength=7) > 0)[:, None] * 1.0, 3, 1)
        np.testing.assert_allclose(table.grad.numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("mode", REDUCE)
def test_nothing_in_the_bags(mode):
    layer = nn.EmbeddingBag(7, 3, mode=mode, padding_idx=1, dtype="float64")
    none = tensor(np.zeros(0, np.int64))
    for y in (
        layer(none, tensor([0, 0])),
        layer(tensor(np.zeros((2, 0), np.int64))),
        layer(tensor([[1, 1], [1, 1]])),
    ):
        assert y.shape == (2, 3) and not y.detach().numpy().any()
        y.sum().backward()
    assert layer(tensor(np.zeros((0, 4), np.int64))).shape == (0, 3)
    assert nn.EmbeddingBag(7, 3, mode=mode)(tensor(np.zeros((2, 0), np.int64))).tolist() == [[0.0] * 3] * 2
    assert layer(none, none).shape == (0, 3)


@pytest.mark.parametrize("mode", REDUCE)
def test_layer_is_torchs(torch, mode):
    ours = nn.EmbeddingBag(7, 3, mode=mode, padding_idx=-2)
    theirs = torch.nn.EmbeddingBag(7, 3, mode=mode, padding_idx=-2)
    assert ours.state_dict().keys() == theirs.state_dict().keys() and ours.padding_idx == theirs.padding_idx
    assert not ours.weight.detach().numpy()[5].any()
    assert repr(ours).split(", ")[:2] == repr(theirs).split(", ")[:2]
    theirs.load_state_dict({k: torch.tensor(v.numpy()) for k, v in ours.state_dict().items()})
    y, z = ours(tensor(ROWS)), theirs(torch.tensor(ROWS))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-5, atol=1e-6)
    again = copy.deepcopy(ours)
    np.testing.assert_array_equal(again(tensor(ROWS)).detach().numpy(), y.detach().numpy())
    table = tensor(TABLE)
    ready = nn.EmbeddingBag.from_pretrained(table, mode=mode)
    assert not ready.weight.requires_grad
    np.testing.assert_allclose(
        ready(tensor(FLAT), tensor(EDGES[:-1])).numpy(), bags(FLAT, EDGES, mode), rtol=1e-12
    )


@pytest.mark.parametrize("mode", REDUCE)
def test_compiled(mode):
    layer = nn.EmbeddingBag(7, 3, mode=mode)
    fast = loopnest.compile(layer.eval(), tensor(ROWS))
    for at in (ROWS, (ROWS + 1) % 7):
        np.testing.assert_allclose(fast(tensor(at)).numpy(), layer(tensor(at)).detach().numpy(), rtol=1e-6)
    for refused in (nn.EmbeddingBag(7, 3, mode=mode, padding_idx=0), nn.EmbeddingBag(7, 3, max_norm=0.1)):
        with pytest.raises(NotPlannable):
            loopnest.compile(refused.eval(), tensor(ROWS))


AT, OFFSETS, W = tensor(FLAT), tensor(EDGES[:-1]), tensor(TABLE)
WRONG = {
    "outside": (IndexError, lambda: F.embedding_bag(tensor([[7]]), W)),
    "outside max": (IndexError, lambda: F.embedding_bag(tensor([7]), W, tensor([0]), mode="max")),
    "negative": (IndexError, lambda: F.embedding_bag(tensor([-1]), W, tensor([0]))),
    "offsets of rows": (ValueError, lambda: F.embedding_bag(tensor(ROWS), W, OFFSETS)),
    "no offsets": (ValueError, lambda: F.embedding_bag(AT, W)),
    "first offset": (ValueError, lambda: F.embedding_bag(AT, W, tensor([1, 2]))),
    "falling": (ValueError, lambda: F.embedding_bag(AT, W, tensor([0, 3, 2]))),
    "beyond": (ValueError, lambda: F.embedding_bag(AT, W, tensor([0, 9]))),
    "no last": (
        ValueError,
        lambda: F.embedding_bag(AT, W, tensor(EDGES[:0]), include_last_offset=True),
    ),
    "axes": (ValueError, lambda: F.embedding_bag(tensor(ROWS[None]), W)),
    "weight": (ValueError, lambda: F.embedding_bag(AT, W[0], OFFSETS)),
    "floats": (TypeError, lambda: F.embedding_bag(tensor(FACTORS), W, OFFSETS)),
    "float offsets": (TypeError, lambda: F.embedding_bag(AT, W, tensor([0.0]))),
    "mode": (ValueError, lambda: nn.EmbeddingBag(7, 3, mode="median")),
    "padding": (ValueError, lambda: F.embedding_bag(AT, W, OFFSETS, padding_idx=7)),
    "factors of a mean": (
        NotImplementedError,
        lambda: F.embedding_bag(AT, W, OFFSETS, per_sample_weights=tensor(FACTORS)),
    ),
    "factors": (
        ValueError,
        lambda: F.embedding_bag(AT, W, OFFSETS, mode="sum", per_sample_weights=tensor(FACTORS[1:])),
    ),
    "factors dtype": (
        TypeError,
        lambda: F.embedding_bag(
            AT, W, OFFSETS, mode="sum", per_sample_weights=tensor(FACTORS.astype(np.float32))
        ),
    ),
    "sparse": (ValueError, lambda: nn.EmbeddingBag(7, 3, sparse=True)),
    "frequency of max": (
        ValueError,
        lambda: F.embedding_bag(AT, W, OFFSETS, mode="max", scale_grad_by_freq=True),
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_told(name):
    kind, call = WRONG[name]
    with pytest.raises(kind):
        call()
