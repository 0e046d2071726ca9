"""Elements put, taken and rearranged: as NumPy and torch do, gradients against differences."""

import numpy as np
import pytest

import loopnest
from loopnest import tensor
from loopnest.autograd import gradcheck

RNG = np.random.default_rng(0)
X = RNG.normal(size=(3, 4, 5))
M, V = X[0], X[0, 0]
AT = np.array([2, 0])
TWICE = np.array([[0, 1, 1, 0], [2, 2, 2, 0], [1, 0, 1, 2]])
MASK = RNG.random(X.shape) < 0.4


def put_at(a, at, values, add=False):
    y = a.copy()
    if add:
        np.add.at(y, at, values)
    else:
        y[at] = values
    return y


def reduced(a, src, how, include):
    """scatter_reduce along dim 0 of a matrix, element by element."""
    y = a.copy()
    for row in range(a.shape[0]):
        for column in range(a.shape[1]):
            there = [src[i, column] for i in range(len(src)) if TWICE[i, column] == row]
            if there:
                there += [a[row, column]] if include else []
                y[row, column] = how(there)
    return y


# (differentiable arrays, call, what NumPy says)
CASES = {
    "take": ((X,), lambda f, i, x: f.take(x, i(AT)), lambda a: a.ravel()[AT]),
    "put": (
        (X, V[:2]),
        lambda f, i, x, s: x.put(i(AT), s),
        lambda a, s: put_at(a.reshape(-1), AT, s).reshape(a.shape),
    ),
    "put added": (
        (V, V[:3]),
        lambda f, i, x, s: x.put(i(np.array([1, 1, 4])), s, accumulate=True),
        lambda a, s: put_at(a, (np.array([1, 1, 4]),), s, True),
    ),
    "index_put": (
        (X, X[:2, 0]),
        lambda f, i, x, s: f.index_put(x, (i(AT), i(AT)), s),
        lambda a, s: put_at(a, (AT, AT), s),
    ),
    "index_put added": (
        (X, V),
        lambda f, i, x, s: f.index_put(x, (i(AT * 0), i(AT * 0)), s, accumulate=True),
        lambda a, s: put_at(a, (AT * 0, AT * 0), s, True),
    ),
    "index_put mask": (
        (X, V[0]),
        lambda f, i, x, s: f.index_put(x, (i(MASK),), s),
        lambda a, s: np.where(MASK, s, a),
    ),
    "index_fill": (
        (X,),
        lambda f, i, x: f.index_fill(x, 1, i(AT), 7.0),
        lambda a: put_at(a, (slice(None), AT), 7),
    ),
    "index_copy": (
        (X, X[:, :2] + 1),
        lambda f, i, x, s: f.index_copy(x, 1, i(AT), s),
        lambda a, s: put_at(a, (slice(None), AT), s),
    ),
    "masked_scatter": (
        (X, X + 1),
        lambda f, i, x, s: f.masked_scatter(x, i(MASK), s),
        lambda a, s: put_at(a, MASK, s.ravel()[: MASK.sum()]),
    ),
    "select_scatter": (
        (X, X[:, 0]),
        lambda f, i, x, s: f.select_scatter(x, s, 1, 2),
        lambda a, s: put_at(a, (slice(None), 2), s),
    ),
    "slice_scatter": (
        (X, X[..., :2]),
        lambda f, i, x, s: f.slice_scatter(x, s, -1, 1, 4, 2),
        lambda a, s: put_at(a, (..., slice(1, 4, 2)), s),
    ),
    "diagonal_scatter": (
        (M, V[:4]),
        lambda f, i, x, s: f.diagonal_scatter(x, s, 1),
        lambda a, s: put_at(a, (np.arange(4), np.arange(1, 5)), s),
    ),
    "where": ((X, X + 1), lambda f, i, x, y: x.where(i(MASK), y), lambda a, b: np.where(MASK, a, b)),
    "ravel": ((X,), lambda f, i, x: f.ravel(x), np.ravel),
    "t": ((M,), lambda f, i, x: f.t(x), np.transpose),
    "adjoint": ((X,), lambda f, i, x: f.adjoint(x), lambda a: a.swapaxes(-1, -2)),
    "broadcast": (
        (M, V),
        lambda f, i, x, y: f.broadcast_tensors(x, y)[1],
        lambda a, b: np.broadcast_to(b, a.shape),
    ),
    "atleast_2d": ((V,), lambda f, i, x: f.atleast_2d(x), np.atleast_2d),
    "atleast_3d": ((V, M), lambda f, i, x, y: f.atleast_3d(x, y)[0], lambda a, b: np.atleast_3d(a)),
    "tensor_split": ((X,), lambda f, i, x: f.tensor_split(x, 3, 1)[0], lambda a: np.array_split(a, 3, 1)[0]),
    "tensor_split at": ((V,), lambda f, i, x: f.tensor_split(x, (1, 3))[1], lambda a: a[1:3]),
    "hsplit": ((X,), lambda f, i, x: f.hsplit(x, 2)[1], lambda a: np.hsplit(a, 2)[1]),
    "dsplit": ((X,), lambda f, i, x: f.dsplit(x, (2,))[1], lambda a: np.dsplit(a, (2,))[1]),
    "dstack": ((V, V), lambda f, i, x, y: f.dstack((x, y)), lambda a, b: np.dstack((a, b))),
    "column_stack": ((V, V), lambda f, i, x, y: f.column_stack((x, y)), lambda a, b: np.column_stack((a, b))),
    "block_diag": (
        (M, V),
        lambda f, i, x, y: f.block_diag(x, y),
        lambda a, b: np.block([[a, np.zeros((4, 5))], [np.zeros((1, 5)), b[None]]]),
    ),
    "fliplr": ((X,), lambda f, i, x: f.fliplr(x), np.fliplr),
    "rot90": ((X,), lambda f, i, x: f.rot90(x, 1, (1, 2)), lambda a: np.rot90(a, 1, (1, 2))),
    "rot90 3": ((X,), lambda f, i, x: f.rot90(x, -1, (0, 2)), lambda a: np.rot90(a, -1, (0, 2))),
    "diag_embed": ((V,), lambda f, i, x: f.diag_embed(x, -2), lambda a: np.diag(a, -2)),
    "diagflat": ((M,), lambda f, i, x: f.diagflat(x, 1), lambda a: np.diagflat(a, 1)),
    "meshgrid": (
        (V, V[:2]),
        lambda f, i, x, y: f.meshgrid(x, y, indexing="xy")[1],
        lambda a, b: np.meshgrid(a, b)[1],
    ),
    "combinations": (
        (V,),
        lambda f, i, x: f.combinations(x, 3),
        lambda a: a[[[i, j, k] for i in range(5) for j in range(i + 1, 5) for k in range(j + 1, 5)]],
    ),
    "as_strided": (
        (V,),
        lambda f, i, x: f.as_strided(x, (3, 2), (1, 2)),
        lambda a: a[np.arange(3)[:, None] + np.arange(2) * 2],
    ),
}
HOW = {"sum": np.sum, "mean": np.mean, "prod": np.prod, "amax": np.max, "amin": np.min}


def by_scatter_reduce(how, include):
    return (
        (M[:3, :4], M[:3, :4] + 0.25),
        lambda f, i, x, s: f.scatter_reduce(x, 0, i(TWICE), s, how, include_self=include),
        lambda a, s: reduced(a, s, HOW[how], include),
    )


for how in HOW:
    for include in (True, False):
        CASES[f"scatter_reduce {how} {include}"] = by_scatter_reduce(how, include)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_as_numpy(name, dtype):
    arrays, call, right = CASES[name]
    given = [tensor(np.asarray(a).astype(dtype).T.copy()).permute(*range(np.ndim(a))[::-1]) for a in arrays]
    y = call(loopnest, tensor, *given)
    assert y.dtype == dtype
    np.testing.assert_allclose(y.numpy(), right(*arrays), rtol=1e-5 if dtype == np.float32 else 1e-12)


@pytest.mark.parametrize("name", CASES)
def test_gradient(name):
    arrays, call, _ = CASES[name]
    assert gradcheck(lambda *x: call(loopnest, tensor, *x), [tensor(a, requires_grad=True) for a in arrays])


@pytest.mark.parametrize("name", CASES)
def test_as_torch(name):
    torch = pytest.importorskip("torch")
    arrays, call, _ = CASES[name]
    if name in ("scatter_reduce amax False", "scatter_reduce amin False"):
        pytest.skip("torch shares the gradient with an element of input that does not take part")
    found = []
    for f, make in ((loopnest, tensor), (torch, torch.tensor)):
        given = [make(np.round(a), requires_grad=True) for a in arrays]  # equal and zero ones, too
        y = call(f, make, *given)
        (y * y).sum().backward()
        found.append([y.detach().numpy(), *(t.grad.numpy() for t in given if t.grad is not None)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


IN_PLACE = {
    "put_": (V, lambda f, x: (f.tensor([1]), f.tensor([9.0], dtype=f.float64))),
    "index_put_": (V, lambda f, x: ((f.tensor([1]),), f.tensor(9.0, dtype=f.float64))),
    "index_fill_": (M, lambda f, x: (0, f.tensor([1]), 4.0)),
    "index_copy_": (M, lambda f, x: (0, f.tensor([1]), x[:1] * 2)),
    "index_add_": (M, lambda f, x: (0, f.tensor([1, 1]), x[:2] * 2)),
    "masked_scatter_": (M, lambda f, x: (x > 0, x * 2)),
    "scatter_reduce_": (V, lambda f, x: (0, f.tensor([1, 1]), x[:2] * 2, "prod")),
    "scatter_": (V, lambda f, x: (0, f.tensor([1, 1]), 3.0)),
    "fill_diagonal_": (M, lambda f, x: (3.0,)),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place(name):
    torch = pytest.importorskip("torch")
    a, arguments = IN_PLACE[name]
    x, z = tensor(a.copy()), torch.tensor(a.copy())
    view = x.reshape(-1)
    assert getattr(x, name)(*arguments(loopnest, x)) is x
    getattr(z, name)(*arguments(torch, z))
    np.testing.assert_array_equal(x.numpy(), z.numpy())
    np.testing.assert_array_equal(view.numpy(), z.numpy().ravel())
    leaf, other = tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
    for f, t in ((loopnest, leaf), (torch, other)):
        y = t * 2
        getattr(y, name)(*arguments(f, t.detach()))
        (y * y).sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), other.grad.numpy(), rtol=1e-12)


def test_scatter_that_adds_or_multiplies():
    at = tensor([1, 1])
    assert loopnest.ones(3).scatter_(0, at, tensor([2.0, 3.0]), reduce="multiply").tolist() == [1, 6, 1]
    assert loopnest.ones(3).scatter_(0, at, value=2.0, reduce="add").tolist() == [1, 5, 1]
    with pytest.raises(ValueError, match="reduce"):
        loopnest.ones(3).scatter_(0, at, 2.0, reduce="mean")


@pytest.mark.parametrize("call", ["squeeze_", "unsqueeze_", "transpose_", "t_", "swapdims_"])
def test_another_shape_in_place(call):
    arguments = {"unsqueeze_": (1,), "transpose_": (0, 1), "swapdims_": (0, 1)}.get(call, ())
    a = RNG.normal(size=(1, 3))
    x = tensor(a.copy())
    alias = x.detach()
    right = getattr(x, call[:-1])(*arguments)
    assert getattr(x, call)(*arguments) is x and x.shape == right.shape
    x.fill_(7)
    assert (alias == 7).all()  # the memory is the same
    leaf = tensor(a, requires_grad=True)
    y = leaf * 2
    getattr(y, call)(*arguments)
    (y * y).sum().backward()
    np.testing.assert_allclose(leaf.grad.numpy(), 8 * a)
    with pytest.raises(RuntimeError, match="leaf"):
        getattr(leaf, call)(*arguments)


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("behind", [False, True], ids=["C order", "another order"])
@pytest.mark.parametrize("at", [[1, 0, 1, -1, 1], [[0, 3], [-4, 0]], [2] * 20 + [0], [3], []], ids=str)
def test_gradient_of_places_along_an_axis(axis, behind, at):
    """Places named once, a few times, often, from the end, and by an array of two axes; small integers, so
    that every order of addition gives the same."""
    x = RNG.integers(-4, 4, (3, 4, 5)).astype(np.float32)
    x = np.asfortranarray(x) if behind else x
    given, index = tensor(x, requires_grad=True), (slice(None),) * axis + (np.array(at, np.int64),)
    y = given[index]
    assert np.array_equal(y.detach().numpy(), x[index])
    g = RNG.integers(-4, 4, y.shape).astype(np.float32)
    y.backward(tensor(g))
    wanted = np.zeros_like(x)
    np.add.at(wanted, index, g)
    assert np.array_equal(given.grad.numpy(), wanted)


def test_indices_of_parts():
    assert loopnest.argwhere(tensor([[0, 1], [2, 0]])).tolist() == [[0, 1], [1, 0]]
    np.testing.assert_array_equal(loopnest.tril_indices(3, 4, 1).numpy(), np.stack(np.tril_indices(3, 1, 4)))
    np.testing.assert_array_equal(
        loopnest.triu_indices(3, 4, -1).numpy(), np.stack(np.triu_indices(3, -1, 4))
    )
    rows, columns = loopnest.unravel_index(tensor([3, 5]), (2, 3))
    assert (rows.tolist(), columns.tolist()) == ([1, 1], [0, 2])
    assert loopnest.broadcast_shapes((2, 1), 3, ()) == (2, 3)
    x, y = loopnest.cartesian_prod(tensor([1, 2]), tensor([3, 4])).t().tolist()
    assert (x, y) == ([1, 1, 2, 2], [3, 4, 3, 4])
    assert loopnest.vander(tensor([2, 3]), increasing=True).tolist() == [[1, 2], [1, 3]]
    assert loopnest.split_with_sizes(tensor(V), [2, 3])[1].shape == (3,)


def test_nothing_and_one_number():
    none, one = tensor(np.zeros((0, 3))), tensor(np.array(2.0))
    assert loopnest.index_fill(one, 0, tensor([0]), 5).item() == 5
    assert loopnest.scatter_reduce(one, 0, tensor(0), tensor(np.array(3.0)), "sum").item() == 5
    assert loopnest.take(none, tensor(np.zeros(0, np.int64))).shape == (0,)
    assert loopnest.masked_scatter(none, none > 0, none).shape == (0, 3)
    assert loopnest.tensor_split(none, 2)[1].shape == (0, 3) and loopnest.diagflat(none).shape == (0, 0)
    assert loopnest.block_diag().shape == (1, 0) and loopnest.combinations(one.reshape(1), 2).shape == (0, 2)


x, v = tensor(X), tensor(V)
WRONG = {
    "take": (IndexError, lambda: loopnest.take(x, tensor([60]))),
    "take floats": (TypeError, lambda: loopnest.take(x, tensor([0.0]))),
    "put": (ValueError, lambda: x.put(tensor([0]), tensor([1.0, 2.0]))),
    "fill": (IndexError, lambda: loopnest.index_fill(x, 1, tensor([4]), 0)),
    "fill dim": (IndexError, lambda: loopnest.index_fill(x, 3, tensor([0]), 0)),
    "copy": (ValueError, lambda: loopnest.index_copy(x, 1, tensor([0]), x)),
    "copy dtype": (TypeError, lambda: loopnest.index_copy(x, 1, tensor([0]), x[:, :1].float())),
    "index_put": (ValueError, lambda: loopnest.index_put(x, (tensor([0]),), loopnest.ones(7))),
    "mask": (TypeError, lambda: loopnest.masked_scatter(x, x, x)),
    "mask too many": (ValueError, lambda: loopnest.masked_scatter(x, x == x, x[0])),
    "reduce": (ValueError, lambda: loopnest.scatter_reduce(x, 0, tensor(TWICE), x, "median")),
    "reduce axes": (ValueError, lambda: loopnest.scatter_reduce(x, 0, tensor([0]), x, "sum")),
    "reduce index": (IndexError, lambda: loopnest.scatter_reduce(v, 0, tensor([5]), v, "sum")),
    "reduce large": (
        ValueError,
        lambda: loopnest.scatter_reduce(v, 0, tensor([0] * 6), v, "sum"),
    ),
    "select": (ValueError, lambda: loopnest.select_scatter(x, x, 0, 0)),
    "diagonal": (ValueError, lambda: loopnest.diagonal_scatter(x[0], x[0, 0])),
    "fill_diagonal_": (ValueError, lambda: tensor(X).fill_diagonal_(1)),
    "shapes": (ValueError, lambda: loopnest.broadcast_shapes((2,), (3,))),
    "sections": (ValueError, lambda: loopnest.tensor_split(x, 0)),
    "unequal": (ValueError, lambda: loopnest.hsplit(x, 3)),
    "vsplit": (ValueError, lambda: loopnest.vsplit(x[0, 0], 1)),
    "blocks": (ValueError, lambda: loopnest.block_diag(x)),
    "fliplr": (ValueError, lambda: loopnest.fliplr(x[0, 0])),
    "rot90": (ValueError, lambda: loopnest.rot90(x, 1, (0, 0))),
    "diag_embed": (ValueError, lambda: loopnest.diag_embed(x, 0, 1, 1)),
    "meshgrid": (ValueError, lambda: loopnest.meshgrid(x)),
    "indexing": (ValueError, lambda: loopnest.meshgrid(x[0, 0], indexing="yx")),
    "strided": (ValueError, lambda: loopnest.as_strided(x, (3,), (30,))),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_told(name):
    kind, call = WRONG[name]
    with pytest.raises(kind):
        call()
