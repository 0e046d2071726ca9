"""Products of vectors, matrices and batches: by NumPy, as torch's, and gradients against differences."""

import numpy as np
import pytest

import loopnest
from loopnest import tensor
from loopnest.autograd import gradcheck

RNG = np.random.default_rng(0)
B1, B2, M, V, W = (RNG.normal(size=s) for s in ((2, 3, 4), (2, 4, 5), (3, 4), (4,), (3,)))
SQUARE = RNG.normal(size=(2, 3, 3))


def distances(a, b, p):
    return (np.abs(a[..., :, None, :] - b[..., None, :, :]) ** p).sum(-1) ** (1 / p)


CASES = {
    "addmv": (
        (W, M, V),
        lambda f, i, m, v: f.addmv(i, m, v, beta=0.5, alpha=2),
        lambda i, m, v: 0.5 * i + 2 * m @ v,
    ),
    "addr": ((M, W, V), lambda f, i, v, w: f.addr(i, v, w, alpha=3), lambda i, v, w: i + 3 * np.outer(v, w)),
    "baddbmm": ((V[:1], B1, B2), lambda f, i, a, b: f.baddbmm(i, a, b), lambda i, a, b: i + a @ b),
    "addbmm": (
        (V[:1], B1, B2),
        lambda f, i, a, b: f.addbmm(i, a, b, beta=2),
        lambda i, a, b: 2 * i + (a @ b).sum(0),
    ),
    "inner": ((B1, M), lambda f, a, b: f.inner(a, b), np.inner),
    "tensordot": (
        (B1, B2),
        lambda f, a, b: f.tensordot(a, b, ([2, 0], [1, 0])),
        lambda a, b: np.tensordot(a, b, ([2, 0], [1, 0])),
    ),
    "tensordot 1": ((M, V), lambda f, a, b: f.tensordot(a, b, 1), lambda a, b: np.tensordot(a, b, 1)),
    "kron": ((M, B1[0, :2]), lambda f, a, b: f.kron(a, b), np.kron),
    "chain_matmul": (
        (M, B2[0], B2[0].T),
        lambda f, a, b, c: f.chain_matmul(a, b, c),
        lambda a, b, c: a @ b @ c,
    ),
    "matrix_power": ((SQUARE,), lambda f, a: f.matrix_power(a, 5), lambda a: np.linalg.matrix_power(a, 5)),
    "matrix_power 1": ((SQUARE,), lambda f, a: f.matrix_power(a, 1), lambda a: a),
    "cross": ((B1, B1 + 1), lambda f, a, b: f.cross(a, b, dim=1), lambda a, b: np.cross(a, b, axis=1)),
    "vdot": ((V, V + 1), lambda f, a, b: f.vdot(a, b), np.vdot),
    "ger": ((V, W), lambda f, a, b: f.ger(a, b), np.outer),
    "cdist": ((B1, B1[:, :2]), lambda f, a, b: f.cdist(a, b, 3.0), lambda a, b: distances(a, b, 3)),
    "pdist": ((M,), lambda f, a: f.pdist(a, 1.5), lambda a: distances(a, a, 1.5)[np.triu_indices(3, 1)]),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_as_numpy(name, dtype):
    arrays, call, right = CASES[name]
    given = [tensor(a.astype(dtype).T.copy()).permute(*range(a.ndim)[::-1]) for a in arrays]
    y = call(loopnest, *given)
    assert y.dtype == dtype
    rtol = 1e-4 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(y.numpy(), right(*arrays), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", CASES)
def test_gradient(name):
    arrays, call, _ = CASES[name]
    assert gradcheck(lambda *x: call(loopnest, *x), [tensor(a, requires_grad=True) for a in arrays])


@pytest.mark.parametrize("name", [n for n in CASES if n != "pdist"])
def test_as_torch(name):
    torch = pytest.importorskip("torch")
    arrays, call, _ = CASES[name]
    found = []
    for f, make in ((loopnest, tensor), (torch, torch.tensor)):
        given = [make(a, requires_grad=True) for a in arrays]
        y = call(f, *given)
        (y * y).sum().backward()
        found.append([y.detach().numpy(), *(t.grad.numpy() for t in given)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def test_what_counts_nothing_may_be_nan():
    nothing = tensor([float("nan")])
    assert loopnest.addmv(nothing, tensor(M), tensor(V), beta=0).isfinite().all()
    assert loopnest.matrix_power(tensor(SQUARE), 0).tolist() == [np.eye(3).tolist()] * 2
    assert loopnest.cdist(tensor(M), tensor(M), 0.0).tolist() == (4 * (1 - np.eye(3))).tolist()
    assert loopnest.pdist(tensor(M[:1])).shape == (0,)
    assert loopnest.cdist(tensor(M), tensor(M[:0])).shape == (3, 0)


def test_in_place():
    for name, given in (("addmv_", (M, V)), ("addr_", (W, V)), ("baddbmm_", (B1, B2)), ("addbmm_", (B1, B2))):
        given = [tensor(a) for a in given]
        right = getattr(loopnest, name[:-1])(tensor(np.ones(1)), *given)
        x = loopnest.ones_like(right)
        assert getattr(x, name)(*given) is x
        np.testing.assert_array_equal(x.numpy(), right.numpy())


def test_mistakes_are_told():
    m, v, b = tensor(M), tensor(V), tensor(B1)
    for call in (
        lambda: loopnest.addmv(v, v, v),
        lambda: loopnest.baddbmm(v, m, m),
        lambda: loopnest.tensordot(m, v, 2),
        lambda: loopnest.tensordot(m, m, 1),
        lambda: loopnest.chain_matmul(),
        lambda: loopnest.matrix_power(m, 2),
        lambda: loopnest.matrix_power(m[:, :3], -1),
        lambda: loopnest.cross(v, v),
        lambda: loopnest.cdist(m, tensor(W[None])),
        lambda: loopnest.cdist(m, m, -1.0),
        lambda: loopnest.pdist(b),
    ):
        with pytest.raises(ValueError):
            call()
