"""Losses of margins and likelihoods: by their formulas in NumPy, as torch's, and gradients by differences."""

import copy
import math

import numpy as np
import pytest

import loopnest
import loopnest.nn.functional as F
from loopnest import nn, tensor
from loopnest.autograd import gradcheck
from loopnest.planning import NotPlannable

RNG = np.random.default_rng(0)
A, B, C = (RNG.normal(size=(4, 5)) for _ in range(3))
SIGNS = RNG.choice([-1, 1], size=(4, 5))
BITS = (SIGNS > 0).astype(np.int64)
COUNTS = RNG.poisson(2.0, size=(4, 5))
CLASSES = np.array([0, 3, 4, 3])
LABELS = np.array([[1, 3, -1, 2, 2], [-1, 0, 1, 2, 3], [4, 4, 2, -1, 0], [0, 1, 2, 3, 4]])
W = RNG.uniform(0.5, 2.0, 5)
VAR = RNG.uniform(0.1, 2.0, size=(4, 5))
ROWS = np.arange(4)


def softplus(x):
    return np.log1p(np.exp(x))


def multi_margin(x, y, p, margin, w):
    z = np.maximum(0, margin - x[ROWS, y][:, None] + x) ** p * w[y][:, None]
    z[ROWS, y] = 0
    return z.sum(1) / x.shape[1]


def multilabel_margin(x, rows):
    found = []
    for scores, row in zip(x, rows, strict=True):
        labels = row[: list(row).index(-1)] if -1 in row else row
        others = [i for i in range(len(scores)) if i not in labels]
        found.append(sum(max(0, 1 - scores[j] + scores[i]) for j in labels for i in others) / len(scores))
    return np.array(found)


def stirling(k):
    k = np.maximum(k, 1)
    return np.where(k > 1, k * np.log(k) - k + 0.5 * np.log(2 * math.pi * k), 0)


def cosine(a, b):
    return (a * b).sum(1) / np.sqrt(((a * a).sum(1) + 1e-12) * ((b * b).sum(1) + 1e-12))


# The arrays that are differentiated, the others, the name, its options, and the formula of all losses.
LOSSES = {
    "ranking": (
        (A, B),
        (SIGNS,),
        "margin_ranking_loss",
        {"margin": 0.3},
        lambda a, b, s: np.maximum(0, -s * (a - b) + 0.3),
    ),
    "hinge": (
        (A,),
        (SIGNS,),
        "hinge_embedding_loss",
        {"margin": 0.7},
        lambda a, s: np.where(s == 1, a, np.maximum(0, 0.7 - a)),
    ),
    "cosine": (
        (A, B),
        (SIGNS[:, 0],),
        "cosine_embedding_loss",
        {"margin": -0.2},
        lambda a, b, s: np.where(s == 1, 1 - cosine(a, b), np.maximum(0, cosine(a, b) + 0.2)),
    ),
    "soft margin": ((A,), (SIGNS * 1.0,), "soft_margin_loss", {}, lambda a, s: softplus(-s * a)),
    "multi margin": (
        (A,),
        (CLASSES,),
        "multi_margin_loss",
        {"margin": 0.8, "weight": W},
        lambda a, y: multi_margin(a, y, 1, 0.8, W),
    ),
    "multi margin 2": (
        (A,),
        (CLASSES,),
        "multi_margin_loss",
        {"p": 2},
        lambda a, y: multi_margin(a, y, 2, 1.0, np.ones(5)),
    ),
    "labels": ((A,), (LABELS,), "multilabel_margin_loss", {}, multilabel_margin),
    "soft labels": (
        (A,),
        (BITS,),
        "multilabel_soft_margin_loss",
        {"weight": W},
        lambda a, t: (W * (t * softplus(-a) + (1 - t) * softplus(a))).mean(1),
    ),
    "triplet": (
        (A, B, C),
        (),
        "triplet_margin_with_distance_loss",
        {"margin": 2.0, "distance_function": lambda x, y: ((x - y) ** 2).sum(-1)},
        lambda a, b, c: np.maximum(0, 2 + ((a - b) ** 2).sum(1) - ((a - c) ** 2).sum(1)),
    ),
    "triplet swap": (
        (A, B, C),
        (),
        "triplet_margin_with_distance_loss",
        {"swap": True},
        lambda a, b, c: np.maximum(
            0,
            1
            + np.linalg.norm(a - b + 1e-6, axis=1)
            - np.minimum(np.linalg.norm(a - c + 1e-6, axis=1), np.linalg.norm(b - c + 1e-6, axis=1)),
        ),
    ),
    "poisson": ((A,), (COUNTS * 1.0,), "poisson_nll_loss", {}, lambda a, k: np.exp(a) - k * a),
    "poisson full": (
        (VAR,),
        (COUNTS * 1.0,),
        "poisson_nll_loss",
        {"log_input": False, "full": True, "eps": 0.01},
        lambda a, k: a - k * np.log(a + 0.01) + stirling(k),
    ),
    "gauss": (
        (A, B, VAR),
        (),
        "gaussian_nll_loss",
        {"eps": 1e-3},
        lambda a, b, v: 0.5 * (np.log(v) + (a - b) ** 2 / v),
    ),
    "gauss full": (
        (A, B, VAR[:, 0]),
        (),
        "gaussian_nll_loss",
        {"full": True},
        lambda a, b, v: 0.5 * (np.log(2 * math.pi * v[:, None]) + (a - b) ** 2 / v[:, None]),
    ),
}
REDUCE = {"none": lambda each: each, "mean": np.mean, "sum": np.sum}


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def of(convert, value, dtype):
    if not isinstance(value, np.ndarray):
        return value
    return convert(value.astype(dtype) if value.dtype.kind == "f" else value)


@pytest.mark.parametrize("reduction", REDUCE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_formula(name, dtype, reduction):
    inputs, others, function, options, formula = LOSSES[name]
    options = {k: of(tensor, v, dtype) for k, v in options.items()}
    given = [of(tensor, a, dtype) for a in inputs + others]
    y = getattr(F, function)(*given, **options, reduction=reduction)
    assert y.dtype == dtype
    expected = REDUCE[reduction](formula(*inputs, *others))
    rtol = 1e-5 if dtype == np.float32 else 1e-8  # of 1e-12 in the cosine, and of eps
    np.testing.assert_allclose(y.numpy(), expected, rtol=rtol, atol=rtol)
    every_other = [tensor(np.repeat(t.numpy(), 2, -1))[..., ::2] for t in given]
    np.testing.assert_array_equal(
        getattr(F, function)(*every_other, **options, reduction=reduction).numpy(), y.numpy()
    )


@pytest.mark.parametrize("name", LOSSES)
def test_gradient(name):
    inputs, others, function, options, _ = LOSSES[name]
    options = {k: of(tensor, v, np.float64) for k, v in options.items()}
    rest = [tensor(a) for a in others]
    assert gradcheck(
        lambda *x: getattr(F, function)(*x, *rest, **options, reduction="none"),
        [tensor(a, requires_grad=True) for a in inputs],
    )


@pytest.mark.parametrize("name", LOSSES)
def test_as_torch(torch, name):
    """Where the slope jumps as well: whole numbers meet the margins exactly."""
    inputs, others, function, options, _ = LOSSES[name]
    inputs = [np.round(a) + 1.0 if a is VAR else np.round(a) for a in inputs]
    found = []
    for functions, make in ((F, tensor), (torch.nn.functional, torch.tensor)):
        x = [make(a, requires_grad=True) for a in inputs]
        given = {k: of(make, v, np.float64) for k, v in options.items()} | {"reduction": "sum"}
        y = getattr(functions, function)(*x, *(make(a) for a in others), **given)
        y.backward()
        found.append([y.detach().numpy(), *(t.grad.numpy() for t in x)])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-7)


MODULES = {
    "MarginRankingLoss": ({"margin": 0.3}, (A, B, SIGNS)),
    "HingeEmbeddingLoss": ({"margin": 0.7}, (A, SIGNS)),
    "CosineEmbeddingLoss": ({"margin": 0.1}, (A, B, SIGNS[:, 0])),
    "SoftMarginLoss": ({"reduction": "sum"}, (A, SIGNS)),
    "MultiMarginLoss": ({"p": 2, "weight": W}, (A, CLASSES)),
    "MultiLabelMarginLoss": ({"reduction": "none"}, (A, LABELS)),
    "MultiLabelSoftMarginLoss": ({"weight": W}, (A, BITS)),
    "TripletMarginWithDistanceLoss": ({"swap": True, "margin": 0.5}, (A, B, C)),
    "PoissonNLLLoss": ({"full": True, "reduction": "sum"}, (A, COUNTS)),
    "GaussianNLLLoss": ({"full": True, "eps": 0.5}, (A, B, VAR)),
}


@pytest.mark.parametrize("name", MODULES)
def test_modules_are_torchs(torch, name):
    options, arrays = MODULES[name]
    ours, theirs = (
        getattr(n, name)(**{k: of(make, v, np.float64) for k, v in options.items()})
        for n, make in ((nn, tensor), (torch.nn, torch.tensor))
    )
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    y, z = (m(*map(make, arrays)) for m, make in ((ours, tensor), (theirs, torch.tensor)))
    np.testing.assert_allclose(y.numpy(), z.numpy(), rtol=1e-6)
    again = copy.deepcopy(ours)
    again.load_state_dict(ours.state_dict())
    np.testing.assert_array_equal(again(*map(tensor, arrays)).numpy(), y.numpy())


@pytest.mark.parametrize("name", MODULES)
def test_compiled_or_refused(name):
    options, arrays = MODULES[name]
    module = getattr(nn, name)(**{k: of(tensor, v, np.float64) for k, v in options.items()})
    given = [tensor(a) for a in arrays]
    try:
        y = loopnest.compile(module.eval())(*given)
    except NotPlannable:
        return
    np.testing.assert_allclose(y.numpy(), module(*given).numpy(), rtol=1e-12)


@pytest.mark.parametrize("name", MODULES)
def test_no_samples(name):
    options, arrays = MODULES[name]
    given = {k: of(tensor, v, np.float64) for k, v in options.items()} | {"reduction": "none"}
    each = getattr(nn, name)(**given)(*(tensor(a[:0]) for a in arrays))
    assert each.shape[0] == 0
    given["reduction"] = "sum"
    assert getattr(nn, name)(**given)(*(tensor(a[:0]) for a in arrays)).item() == 0


def test_one_sample_without_an_axis_for_it():
    one = F.multi_margin_loss(tensor(A[0]), tensor(np.array(3)), reduction="none")
    assert one.shape == ()
    many = F.multi_margin_loss(tensor(A), tensor(np.full(4, 3)), reduction="none")
    np.testing.assert_allclose(one.item(), many[0].item(), rtol=1e-12)
    one = F.multilabel_margin_loss(tensor(A[0]), tensor(LABELS[0]), reduction="none")
    assert one.shape == ()
    np.testing.assert_allclose(one.item(), multilabel_margin(A, LABELS)[0], rtol=1e-12)


def test_a_variance_below_eps_gets_its_gradient():
    var = tensor([0.0, 1e-9, 2.0], requires_grad=True)
    F.gaussian_nll_loss(tensor([1.0, 2.0, 0.0]), loopnest.zeros(3), var, eps=0.5, reduction="sum").backward()
    v = np.array([0.5, 0.5, 2.0])
    expected = 0.5 * (1 / v - np.array([1.0, 4.0, 0.0]) / v**2)
    np.testing.assert_allclose(var.grad.numpy(), expected, rtol=1e-6)


X, Y = tensor(A), tensor(B)
WRONG = {
    "axes": (ValueError, lambda: F.margin_ranking_loss(X, Y[0], tensor(SIGNS))),
    "reduction": (ValueError, lambda: F.hinge_embedding_loss(X, tensor(SIGNS), reduction="most")),
    "older": (ValueError, lambda: F.soft_margin_loss(X, tensor(SIGNS), size_average=True)),
    "whole numbers": (TypeError, lambda: F.soft_margin_loss(tensor(SIGNS), tensor(SIGNS))),
    "array": (TypeError, lambda: F.hinge_embedding_loss(A, tensor(SIGNS))),
    "cosine": (ValueError, lambda: F.cosine_embedding_loss(X, Y, tensor(SIGNS))),
    "p": (ValueError, lambda: F.multi_margin_loss(X, tensor(CLASSES), p=3)),
    "module p": (ValueError, lambda: nn.MultiMarginLoss(p=0)),
    "weight": (ValueError, lambda: F.multi_margin_loss(X, tensor(CLASSES), weight=tensor(W[:3]))),
    "class": (IndexError, lambda: F.multi_margin_loss(X, tensor(CLASSES + 1))),
    "class dtype": (TypeError, lambda: F.multi_margin_loss(X, tensor(CLASSES * 1.0))),
    "classes": (ValueError, lambda: F.multi_margin_loss(X, tensor(CLASSES[:3]))),
    "label": (IndexError, lambda: F.multilabel_margin_loss(X, tensor(LABELS - 1))),
    "labels": (ValueError, lambda: F.multilabel_margin_loss(X, tensor(LABELS[:, :4]))),
    "no class": (ValueError, lambda: F.multilabel_soft_margin_loss(X[0, 0], X[0, 0])),
    "margin": (ValueError, lambda: nn.TripletMarginWithDistanceLoss(margin=0.0)),
    "triplet axes": (ValueError, lambda: F.triplet_margin_with_distance_loss(X, Y, Y[0])),
    "variance": (ValueError, lambda: F.gaussian_nll_loss(X, Y, tensor(-VAR))),
    "variance shape": (ValueError, lambda: F.gaussian_nll_loss(X, Y, tensor(VAR[:3]))),
    "eps": (ValueError, lambda: nn.GaussianNLLLoss(eps=0.0)),
}


@pytest.mark.parametrize("name", WRONG)
def test_mistakes_are_told(name):
    kind, call = WRONG[name]
    with pytest.raises(kind, match=r"expected|not supported"):
        call()
