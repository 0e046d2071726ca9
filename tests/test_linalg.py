"""Norms, inverses and determinants: by NumPy, as torch's, gradients against differences."""

import math

import numpy as np
import pytest

import loopnest
from loopnest import linalg, tensor
from loopnest.autograd import gradcheck

RNG = np.random.default_rng(0)
A, B, V = RNG.normal(size=(2, 3, 3)), RNG.normal(size=(2, 3, 4)), RNG.normal(size=3)
P = A @ A.swapaxes(1, 2) + np.eye(3)
inf = math.inf
CASES = {
    "vector_norm": ((B,), lambda f, x: f.linalg.vector_norm(x), lambda a: np.linalg.norm(a.ravel())),
    "vector_norm 3": (
        (B,),
        lambda f, x: f.linalg.vector_norm(x, 3, (0, 2)),
        lambda a: (np.abs(a) ** 3).sum((0, 2)) ** (1 / 3),
    ),
    "vector_norm -inf": ((B,), lambda f, x: f.linalg.vector_norm(x, -inf, 1), lambda a: np.abs(a).min(1)),
    "vector_norm -2": (
        (B,),
        lambda f, x: f.linalg.vector_norm(x, -2.0, 1),
        lambda a: (np.abs(a) ** -2).sum(1) ** -0.5,
    ),
    "matrix_norm": ((B,), lambda f, x: f.linalg.matrix_norm(x), lambda a: np.linalg.norm(a, axis=(1, 2))),
    "matrix_norm 1": ((B,), lambda f, x: f.linalg.matrix_norm(x, 1), lambda a: np.linalg.norm(a, 1, (1, 2))),
    "matrix_norm -inf": (
        (B,),
        lambda f, x: f.linalg.matrix_norm(x, -inf, keepdim=True),
        lambda a: np.linalg.norm(a, -inf, (1, 2), True),
    ),
    "norm": ((B,), lambda f, x: f.linalg.norm(x, dim=1), lambda a: np.linalg.norm(a, axis=1)),
    "norm all": ((B,), lambda f, x: f.linalg.norm(x), lambda a: np.linalg.norm(a.ravel())),
    "norm matrix": ((A[0],), lambda f, x: f.linalg.norm(x, inf), lambda a: np.linalg.norm(a, inf)),
    "norm pair": (
        (B,),
        lambda f, x: f.linalg.norm(x, "fro", (0, 2)),
        lambda a: np.linalg.norm(a, "fro", (0, 2)),
    ),
    "norm vector": ((V,), lambda f, x: f.linalg.norm(x, 1), lambda a: np.abs(a).sum()),
    "inv": ((A,), lambda f, x: f.linalg.inv(x), np.linalg.inv),
    "inverse": ((A[0],), lambda f, x: f.inverse(x), np.linalg.inv),
    "solve": ((A, B), lambda f, x, y: f.linalg.solve(x, y), np.linalg.solve),
    "solve vector": ((A[0], V), lambda f, x, y: f.linalg.solve(x, y), np.linalg.solve),
    "solve broadcast": (
        (A, B[0]),
        lambda f, x, y: f.linalg.solve(x, y[None]),
        lambda a, b: np.linalg.solve(a, b[None]),
    ),
    "det": ((A,), lambda f, x: f.linalg.det(x), np.linalg.det),
    "slogdet": ((A,), lambda f, x: f.linalg.slogdet(x)[1], lambda a: np.linalg.slogdet(a)[1]),
    "logdet": ((P,), lambda f, x: f.logdet(x), lambda a: np.linalg.slogdet(a)[1]),
    "cholesky": (
        (A,),
        lambda f, x: f.linalg.cholesky(x @ x.mT + f.eye(3, dtype=x.dtype)),
        lambda a: np.linalg.cholesky(P),
    ),
    "cholesky upper": (
        (A,),
        lambda f, x: f.linalg.cholesky(x @ x.mT + f.eye(3, dtype=x.dtype), upper=True),
        lambda a: np.linalg.cholesky(P).swapaxes(1, 2),
    ),
    "cross": ((A, A + 1), lambda f, x, y: f.linalg.cross(x, y), np.cross),
    "multi_dot": ((V, A[0], V), lambda f, x, y, z: f.linalg.multi_dot([x, y, z]), lambda x, y, z: x @ y @ z),
    "multi_dot 2": ((A[0], B[0]), lambda f, x, y: f.linalg.multi_dot([x, y]), lambda x, y: x @ y),
    "matrix_power": ((A,), lambda f, x: f.linalg.matrix_power(x, 3), lambda a: np.linalg.matrix_power(a, 3)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_as_numpy(name, dtype):
    arrays, call, right = CASES[name]
    given = [tensor(a.astype(dtype).T.copy()).permute(*range(a.ndim)[::-1]) for a in arrays]
    y = call(loopnest, *given)
    assert y.dtype == dtype
    rtol = 1e-3 if dtype == np.float32 else 1e-10
    np.testing.assert_allclose(y.numpy(), right(*arrays), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("name", CASES)
def test_gradient(name):
    arrays, call, _ = CASES[name]
    assert gradcheck(lambda *x: call(loopnest, *x), [tensor(a, requires_grad=True) for a in arrays])


@pytest.mark.parametrize("name", CASES)
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
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)


def test_where_the_determinant_is_zero():
    x = tensor(np.array([[1.0, 2.0], [2.0, 4.0]]), requires_grad=True)
    linalg.det(x).backward()
    np.testing.assert_allclose(x.grad.numpy(), [[4, -2], [-2, 1]], atol=1e-12)
    sign, logs = linalg.slogdet(x.detach())
    assert logs.item() < -30 or sign.item() == 0
    assert np.isnan(loopnest.logdet(tensor(np.diag([1.0, -1.0]))).item())
    assert linalg.slogdet(tensor(A)).sign.tolist() == np.sign(np.linalg.det(A)).tolist()
    assert linalg.vector_norm(tensor([0.0, 3.0]), 0).item() == 1
    assert linalg.inv(tensor(A[:0])).shape == (0, 3, 3) and linalg.det(tensor(A[:0])).shape == (0,)


def test_mistakes_are_told():
    x = tensor(A)
    for call in (
        lambda: linalg.inv(tensor(B)),
        lambda: linalg.inv(tensor(np.zeros((2, 2)))),
        lambda: linalg.solve(x, tensor(B[:, :2])),
        lambda: linalg.solve(tensor(np.zeros((2, 2))), tensor(np.ones(2))),
        lambda: linalg.cholesky(tensor(-np.eye(2))),
        lambda: linalg.matrix_norm(tensor(V)),
        lambda: linalg.matrix_norm(x, 3),
        lambda: linalg.norm(x, 3),
        lambda: linalg.norm(tensor(V), "fro", 0),
        lambda: linalg.multi_dot([x]),
    ):
        with pytest.raises(ValueError):
            call()
    for call in (
        lambda: linalg.det(tensor(np.eye(2, dtype=int))),
        lambda: linalg.solve(x, tensor(B).float()),
        lambda: linalg.vector_norm(tensor([1, 2])),
    ):
        with pytest.raises(TypeError, match="expected"):
            call()
