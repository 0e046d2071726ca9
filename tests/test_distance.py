"""Lengths, angles, distances and the triplet loss: as torch's, and gradients against differences."""

import numpy as np
import pytest

import loopnest
import loopnest.nn.functional as F
from loopnest import nn, tensor
from loopnest.autograd import gradcheck

RNG = np.random.default_rng(0)
A, B, C = (RNG.normal(size=(4, 3)) for _ in range(3))
CUBE = RNG.normal(size=(2, 3, 4))

# The arrays, and a call with the functions of either library.
CALLS = {
    "normalize": ((A,), lambda f, a: f.normalize(a)),
    "normalize 1": ((CUBE,), lambda f, a: f.normalize(a, p=1, dim=-1)),
    "normalize 3": ((CUBE,), lambda f, a: f.normalize(a, p=3, dim=(0, 2))),
    "normalize inf": ((CUBE,), lambda f, a: f.normalize(a, p=float("inf"), dim=0)),
    "normalize eps": ((A,), lambda f, a: f.normalize(a, eps=2.0)),
    "cosine": ((A, B), lambda f, a, b: f.cosine_similarity(a, b)),
    "cosine 0": ((A, B), lambda f, a, b: f.cosine_similarity(a, b, dim=0)),
    "cosine broadcast": ((CUBE, CUBE[:1]), lambda f, a, b: f.cosine_similarity(a, b, dim=-1)),
    "cosine eps": ((A, B), lambda f, a, b: f.cosine_similarity(a, b, eps=1.5)),
    "distance": ((A, B), lambda f, a, b: f.pairwise_distance(a, b)),
    "distance 1": ((A, B), lambda f, a, b: f.pairwise_distance(a, b, p=1.0, keepdim=True)),
    "distance one": ((A[0], B[0]), lambda f, a, b: f.pairwise_distance(a, b, p=3.0)),
    "distance same": ((A, A), lambda f, a, b: f.pairwise_distance(a, b)),
    "triplet": ((A, B, C), lambda f, *x: f.triplet_margin_loss(*x)),
    "triplet sum": ((A, B, C), lambda f, *x: f.triplet_margin_loss(*x, margin=2.5, p=1, reduction="sum")),
    "triplet swap": ((A, B, C), lambda f, *x: f.triplet_margin_loss(*x, swap=True, reduction="none")),
    "triplet one": ((A[0], B[0], C[0]), lambda f, *x: f.triplet_margin_loss(*x, margin=5.0)),
}


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CALLS)
def test_as_torch(torch, name, dtype):
    arrays, call = CALLS[name]
    ours = [tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    y, z = call(F, *ours), call(torch.nn.functional, *theirs)
    assert y.shape == tuple(z.shape) and y.dtype == dtype
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=rtol, atol=rtol)
    if name == "cosine eps":
        return  # torch's gradient there is that of the norm, although eps took its place
    g = RNG.normal(size=y.shape).astype(dtype)
    y.backward(tensor(g))
    z.backward(torch.tensor(g))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=rtol, atol=10 * rtol)


@pytest.mark.parametrize("name", CALLS)
def test_gradient(name):
    arrays, call = CALLS[name]
    if name == "distance same":
        pytest.skip("a distance of 1e-6 is too curved for differences")
    assert gradcheck(lambda *x: call(F, *x), [tensor(a, requires_grad=True) for a in arrays])


def test_vectors_of_zeros_have_no_nan(torch):
    for call in (lambda f, a: f.normalize(a), lambda f, a: f.cosine_similarity(a, a + 1)):
        ours, theirs = loopnest.zeros(2, 3, requires_grad=True), torch.zeros(2, 3, requires_grad=True)
        call(F, ours).sum().backward()
        call(torch.nn.functional, theirs).sum().backward()
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-6)


def test_modules_do_as_functions(torch):
    for n, t in ((nn, tensor), (torch.nn, torch.tensor)):
        a, b, c = t(A), t(B), t(C)
        found = [
            n.CosineSimilarity(dim=0, eps=1e-3)(a, b),
            n.PairwiseDistance(1.0, keepdim=True)(a, b),
            n.TripletMarginLoss(2.0, swap=True, reduction="none")(a, b, c),
        ]
        if n is nn:
            ours = found
    for x, y in zip(ours, found, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-12)
    for bad in ({"margin": 0}, {"reduction": "most"}):
        with pytest.raises(ValueError):
            nn.TripletMarginLoss(**bad)
        with pytest.raises(ValueError):
            F.triplet_margin_loss(tensor(A), tensor(B), tensor(C), **bad)
