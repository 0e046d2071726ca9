"""Losses: values and gradients as torch's and against differences in float64; CTC against all paths."""

import itertools
import warnings

import numpy as np
import pytest

import loopnest
import loopnest.nn.functional as F
from loopnest import nn, tensor
from loopnest.autograd import gradcheck

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(4, 3, 2)), RNG.normal(size=(4, 3, 2))
P = RNG.uniform(0.05, 0.95, (4, 3, 2))
T = RNG.uniform(0.05, 0.95, (4, 3, 2))
W, PW = RNG.uniform(0.5, 2, (3, 2)), RNG.uniform(0.5, 2, (2,))
CLASSES = RNG.integers(0, 3, (4, 2))
SOME = np.where(CLASSES == 1, -100, CLASSES)
CW = np.array([0.5, 2.0, 1.0])


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


# Input, target (4, 3, 2), and a call with the functions f of either library and its way t to make tensors.
LOSSES = {
    "mse": (X, Y, lambda f, x, y, t: f.mse_loss(x, y)),
    "mse sum": (X, Y, lambda f, x, y, t: f.mse_loss(x, y, reduction="sum")),
    "mse none": (X, Y, lambda f, x, y, t: f.mse_loss(x, y, reduction="none")),
    "l1": (X, Y, lambda f, x, y, t: f.l1_loss(x, y)),
    "smooth l1": (X, Y, lambda f, x, y, t: f.smooth_l1_loss(x, y, beta=0.7)),
    "smooth l1 beta 0": (X, Y, lambda f, x, y, t: f.smooth_l1_loss(x, y, beta=0.0)),
    "huber": (X, Y, lambda f, x, y, t: f.huber_loss(x, y, delta=0.7)),
    "mse weight": (X, Y, lambda f, x, y, t: f.mse_loss(x, y, weight=t(np.abs(Y)))),
    "mse weight sum": (X, Y, lambda f, x, y, t: f.mse_loss(x, y, reduction="sum", weight=t(np.abs(Y)))),
    "l1 weight": (X, Y, lambda f, x, y, t: f.l1_loss(x, y, weight=t(np.abs(Y)))),
    "l1 weight none": (X, Y, lambda f, x, y, t: f.l1_loss(x, y, reduction="none", weight=t(np.abs(Y)))),
    "huber weight": (X, Y, lambda f, x, y, t: f.huber_loss(x, y, weight=t(np.abs(Y)))),
    "huber none": (X, Y, lambda f, x, y, t: f.huber_loss(x, y, reduction="none", delta=2.0)),
    "bce": (P, T, lambda f, x, y, t: f.binary_cross_entropy(x, y)),
    "bce weight": (P, T, lambda f, x, y, t: f.binary_cross_entropy(x, y, t(W), reduction="sum")),
    "bce logits": (X, T, lambda f, x, y, t: f.binary_cross_entropy_with_logits(x, y)),
    "bce logits pos": (
        X * 5,
        T,
        lambda f, x, y, t: f.binary_cross_entropy_with_logits(x, y, t(W), pos_weight=t(PW), reduction="none"),
    ),
    "kl": (X, T, lambda f, x, y, t: f.kl_div(x, y, reduction="sum")),
    "kl batchmean": (X, T, lambda f, x, y, t: f.kl_div(x, y, reduction="batchmean")),
    "kl log": (X, Y, lambda f, x, y, t: f.kl_div(x, y, reduction="batchmean", log_target=True)),
    "soft cross entropy": (X, T, lambda f, x, y, t: f.cross_entropy(x, y)),
    "soft cross entropy all": (
        X,
        T,
        lambda f, x, y, t: f.cross_entropy(x, y, t(CW), label_smoothing=0.1, reduction="sum"),
    ),
}
CLASSED = {
    "nll": lambda f, x, t: f.nll_loss(f.log_softmax(x, dim=1), t(CLASSES)),
    "nll weight": lambda f, x, t: f.nll_loss(f.log_softmax(x, dim=1), t(CLASSES), t(CW)),
    "nll ignore": lambda f, x, t: f.nll_loss(f.log_softmax(x, dim=1), t(SOME), t(CW), reduction="sum"),
    "nll none": lambda f, x, t: f.nll_loss(f.log_softmax(x, dim=1), t(SOME), reduction="none"),
    "nll one": lambda f, x, t: f.nll_loss(x[0, :, 0], t(np.array(2))),
    "cross entropy": lambda f, x, t: f.cross_entropy(x, t(SOME), t(CW), label_smoothing=0.2),
}


def both(torch, call, arrays, dtype):
    """Results and gradients on either side."""
    ours = [tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    convert = lambda a: tensor(a.astype(dtype) if a.dtype.kind == "f" else a)  # noqa: E731
    convert_torch = lambda a: torch.tensor(a.astype(dtype) if a.dtype.kind == "f" else a)  # noqa: E731
    y, z = call(F, *ours, convert), call(torch.nn.functional, *theirs, convert_torch)
    assert y.shape == tuple(z.shape) and y.dtype == dtype
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=rtol, atol=rtol)
    g = np.random.default_rng(1).normal(size=y.shape).astype(dtype)
    y.backward(tensor(g))
    z.backward(torch.tensor(g))
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=rtol, atol=rtol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LOSSES)
def test_as_torch(torch, name, dtype):
    x, y, call = LOSSES[name]
    both(torch, call, (x, y), dtype)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CLASSED)
def test_of_classes_as_torch(torch, name, dtype):
    both(torch, CLASSED[name], (X,), dtype)


@pytest.mark.parametrize("name", [*LOSSES, *CLASSED])
def test_gradient(name):
    if name in LOSSES:
        x, y, call = LOSSES[name]
        inputs = (tensor(x, requires_grad=True), tensor(y, requires_grad=True))
        assert gradcheck(lambda a, b: call(F, a, b, tensor), inputs)
    else:
        assert gradcheck(lambda a: CLASSED[name](F, a, tensor), tensor(X, requires_grad=True))


def test_extremes_give_no_nan(torch):
    x = np.array([-1e4, -100.0, 0.0, 100.0, 1e4], np.float32)
    for target in (0.0, 1.0, 0.3):
        both(
            torch,
            lambda f, a, t, y=target: f.binary_cross_entropy_with_logits(a, t(np.full(5, y))),
            (x,),
            np.float32,
        )
    p = np.array([0.0, 1.0, 0.0, 1.0], np.float32)
    y = np.array([0.0, 0.0, 1.0, 1.0], np.float32)
    both(torch, lambda f, a, t: f.binary_cross_entropy(a, t(y), reduction="none"), (p,), np.float32)


def test_modules_do_as_functions(torch):
    pairs = [
        ("MSELoss", {}, X, Y),
        ("L1Loss", {"reduction": "sum"}, X, Y),
        ("SmoothL1Loss", {"beta": 0.5}, X, Y),
        ("HuberLoss", {"delta": 0.5}, X, Y),
        ("BCELoss", {"weight": W}, P, T),
        ("BCEWithLogitsLoss", {"pos_weight": PW}, X, T),
        ("KLDivLoss", {"reduction": "batchmean", "log_target": True}, X, Y),
        ("NLLLoss", {"weight": CW, "ignore_index": 1}, X, CLASSES),
        ("CrossEntropyLoss", {"weight": CW, "ignore_index": 1}, X, CLASSES),
    ]
    for name, options, x, y in pairs:
        ours = {k: tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        theirs = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        a, b = getattr(nn, name)(**ours), getattr(torch.nn, name)(**theirs)
        assert a.state_dict().keys() == b.state_dict().keys()
        np.testing.assert_allclose(
            float(a(tensor(x), tensor(y))), float(b(torch.tensor(x), torch.tensor(y))), rtol=1e-12
        )


def test_dice():
    x = tensor(RNG.normal(size=(2, 3, 4, 5)), requires_grad=True)
    classes = RNG.integers(0, 3, (2, 4, 5))
    hot = np.moveaxis(np.eye(3)[classes], -1, 1)
    p = np.exp(x.detach().numpy())
    p /= p.sum(1, keepdims=True)
    by_hand = 1 - (2 * (p * hot).sum((2, 3)) + 1) / (p.sum((2, 3)) + hot.sum((2, 3)) + 1)
    np.testing.assert_allclose(float(F.dice_loss(x, tensor(classes))), by_hand.mean(), rtol=1e-12)
    np.testing.assert_allclose(float(F.dice_loss(x, tensor(hot))), by_hand.mean(), rtol=1e-12)
    weighted = F.dice_loss(x, tensor(classes), weight=tensor(CW), reduction="none")
    np.testing.assert_allclose(weighted.detach().numpy(), by_hand @ CW / CW.sum(), rtol=1e-12)
    assert gradcheck(lambda x: F.dice_loss(x[:, :, :2, :2], tensor(classes[:, :2, :2])), x)
    one = tensor(RNG.normal(size=(2, 1, 3)), requires_grad=True)
    assert gradcheck(lambda x: nn.DiceLoss()(x, tensor(np.array([[0, 1, 1], [0, 0, 0]]))), one)


# ---- CTC ----


def collapse(path, blank):
    return tuple(k for k, _ in itertools.groupby(path) if k != blank)


def by_all_paths(lp, blank):
    """Every target's log probability, by going through all C^T paths."""
    sums = {}
    for path in itertools.product(range(lp.shape[1]), repeat=lp.shape[0]):
        p = np.exp(sum(lp[t, k] for t, k in enumerate(path)))
        sums[collapse(path, blank)] = sums.get(collapse(path, blank), 0.0) + p
    return {target: np.log(p) for target, p in sums.items()}


@pytest.mark.parametrize("blank", [0, 2])
def test_ctc_is_the_sum_over_all_paths(blank):
    lp = np.log(RNG.dirichlet(np.ones(3), 5))
    for target, log_p in by_all_paths(lp, blank).items():
        loss = F.ctc_loss(tensor(lp), tensor(np.array(target, np.int64)), [5], [len(target)], blank, "sum")
        assert abs(float(loss) + log_p) < 1e-12


CTC = {
    "lengths": ([7, 5, 6], [3, 2, 1], {}),
    "empty target": ([7, 5, 0], [3, 0, 0], {}),
    "sum": ([7, 7, 7], [3, 3, 3], {"reduction": "sum"}),
    "none": ([7, 6, 5], [1, 2, 3], {"reduction": "none"}),
    "blank": ([7, 6, 5], [1, 2, 3], {"blank": 4}),
    "zero infinity": ([7, 1, 2], [3, 3, 3], {"zero_infinity": True}),
    "infinity": ([7, 1, 2], [3, 3, 3], {"reduction": "none"}),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", CTC)
def test_ctc_as_torch(torch, name, packed, dtype):
    times, lengths, options = CTC[name]
    x = RNG.normal(size=(7, 3, 5)).astype(dtype)
    targets = np.array([[1, 1, 2], [3, 2, 2], [1, 3, 3]])
    if packed:
        targets = np.concatenate([row[:n] for row, n in zip(targets, lengths, strict=True)])
    ours, theirs = tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    y = F.ctc_loss(ours.log_softmax(2), tensor(targets), times, lengths, **options)
    z = torch.nn.functional.ctc_loss(
        theirs.log_softmax(2), torch.tensor(targets), torch.tensor(times), torch.tensor(lengths), **options
    )
    rtol = 1e-5 if dtype == np.float32 else 1e-11
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=rtol)
    y.sum().backward()
    z.sum().backward()
    fits = np.isfinite(theirs.grad.numpy())  # torch's gradient is NaN where the loss is infinite: ours is 0
    np.testing.assert_allclose(ours.grad.numpy()[fits], theirs.grad.numpy()[fits], rtol=rtol * 10, atol=rtol)
    assert np.isfinite(ours.grad.numpy()).all()


def test_ctc_gradient():
    x = tensor(RNG.normal(size=(6, 2, 4)), requires_grad=True)
    targets = tensor(np.array([[1, 1, 3], [2, 0, 0]]))
    assert gradcheck(lambda x: F.ctc_loss(x, targets, [6, 4], [3, 1], reduction="none"), x)
    assert gradcheck(lambda x: nn.CTCLoss()(x.log_softmax(2), targets, [6, 4], [3, 1]), x)


def test_ctc_of_one_sequence_and_of_certainty(torch):
    lp = np.full((4, 3), -np.inf)
    lp[np.arange(4), [0, 1, 1, 2]] = 0.0
    x = tensor(lp, requires_grad=True)
    loss = F.ctc_loss(x, tensor([1, 2]), 4, 2)
    assert float(loss) == 0.0 and loss.shape == ()
    loss.backward()
    assert np.isfinite(x.grad.numpy()).all()


@pytest.mark.parametrize("zero_infinity", [False, True])
@pytest.mark.parametrize(("target", "steps"), [([1], 2), ([1, 2], 2), ([1, 2], 3), ([1, 1], 3), ([1, 1], 2)])
def test_ctc_does_not_swallow_nan(torch, target, steps, zero_infinity):
    """NaN everywhere, and at every single place: NaN where torch has it, and then in the gradient too."""
    places = [..., *np.ndindex(steps, 3)]
    for place in places:
        lp = np.log(np.full((steps, 3), 1 / 3))
        lp[place] = np.nan
        x = tensor(lp, requires_grad=True)
        lengths = {"input_lengths": [steps], "target_lengths": [len(target)], "zero_infinity": zero_infinity}
        loss = F.ctc_loss(x.unsqueeze(1), tensor([target]), **lengths)
        theirs = torch.nn.functional.ctc_loss(
            torch.tensor(lp).unsqueeze(1), torch.tensor([target]), **lengths
        )
        np.testing.assert_allclose(loss.item(), theirs.item(), rtol=1e-12)
        loss.backward()
        assert np.isnan(x.grad.numpy()).any() == np.isnan(loss.item())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ctc_notices_that_its_input_was_changed(dtype):
    x = tensor(RNG.normal(size=(6, 1, 4)).astype(dtype), requires_grad=True)
    lp = x.log_softmax(2) * 1.0
    loss = F.ctc_loss(lp, tensor([[1, 2]]), [6], [2])
    with loopnest.no_grad():
        lp.mul_(2.0)
    with pytest.raises(RuntimeError, match="inplace"):
        loss.backward()


BAD_CTC = {
    "blank in target": (ValueError, lambda lp: F.ctc_loss(lp, tensor([[0]]), [4], [1])),
    "class": (ValueError, lambda lp: F.ctc_loss(lp, tensor([[3]]), [4], [1])),
    "blank": (ValueError, lambda lp: F.ctc_loss(lp, tensor([[1]]), [4], [1], blank=3)),
    "times": (ValueError, lambda lp: F.ctc_loss(lp, tensor([[1]]), [5], [1])),
    "lengths": (ValueError, lambda lp: F.ctc_loss(lp, tensor([[1]]), [4], [2])),
    "how many": (ValueError, lambda lp: F.ctc_loss(lp, tensor([[1]]), [4, 4], [1])),
    "packed": (ValueError, lambda lp: F.ctc_loss(lp, tensor([1, 2]), [4], [1])),
    "rank": (ValueError, lambda lp: F.ctc_loss(lp[0, 0], tensor([1]), [4], [1])),
    "float targets": (TypeError, lambda lp: F.ctc_loss(lp, tensor([[1.0]]), [4], [1])),
    "reduction": (ValueError, lambda lp: F.ctc_loss(lp, tensor([[1]]), [4], [1], reduction="most")),
}


@pytest.mark.parametrize("name", BAD_CTC)
def test_bad_ctc(name):
    kind, call = BAD_CTC[name]
    with pytest.raises(kind):
        call(loopnest.zeros(4, 1, 3).log_softmax(2))


BAD = {
    "mse shapes": (ValueError, lambda x: F.mse_loss(x, loopnest.zeros(4))),
    "mse dtypes": (TypeError, lambda x: F.mse_loss(x, x.double())),
    "mse ints": (TypeError, lambda x: F.mse_loss(x.long(), x.long())),
    "reduction": (ValueError, lambda x: F.l1_loss(x, x, reduction="average")),
    "beta": (ValueError, lambda x: F.smooth_l1_loss(x, x, beta=-1.0)),
    "delta": (ValueError, lambda x: F.huber_loss(x, x, delta=0.0)),
    "bce range": (ValueError, lambda x: F.binary_cross_entropy(x + 2, x)),
    "bce shape": (ValueError, lambda x: F.binary_cross_entropy(x, x[:1])),
    "bce weight": (ValueError, lambda x: F.binary_cross_entropy(x, x, loopnest.zeros(5))),
    "nll class": (IndexError, lambda x: F.nll_loss(x, tensor([0, 3]))),
    "nll target": (TypeError, lambda x: F.nll_loss(x, tensor([0.0, 1.0]))),
    "nll shape": (ValueError, lambda x: F.nll_loss(x, tensor([0]))),
    "nll weight": (ValueError, lambda x: F.nll_loss(x, tensor([0, 1]), loopnest.ones(2))),
    "dice target": (ValueError, lambda x: F.dice_loss(x, tensor([[0, 1, 1]]))),
    "size_average": (ValueError, lambda x: F.mse_loss(x, x, True)),
    "module": (ValueError, lambda x: nn.MSELoss(reduction="batchmean")),
    "soft shape": (ValueError, lambda x: F.cross_entropy(x, x[:1])),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    kind, call = BAD[name]
    with pytest.raises(kind):
        call(loopnest.full((2, 3), 0.5))


def test_a_target_that_broadcasts_is_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UserWarning, match="broadcast"):
            F.mse_loss(loopnest.zeros(4, 1), loopnest.zeros(4))


@pytest.mark.parametrize("shape", [(1, 2, 2, 0), (0, 3), (2, 3, 0, 0), (0, 3, 2)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy_of_no_places(torch, shape, reduction):
    rows = (shape[0], *shape[2:])
    x = loopnest.tensor(np.zeros(shape, np.float32), requires_grad=True)
    ours = F.cross_entropy(x, loopnest.tensor(np.zeros(rows, np.int64)), reduction=reduction)
    theirs = torch.nn.functional.cross_entropy(
        torch.zeros(shape), torch.zeros(rows, dtype=torch.int64), reduction=reduction
    )
    assert np.array_equal(ours.detach().numpy(), theirs.numpy(), equal_nan=True)
    ours.backward(loopnest.zeros(*ours.shape))
    assert x.grad.shape == shape


def test_binary_cross_entropy_takes_one_factor_and_no_target_outside(torch):
    x, t = np.array([0.3, -2.0, 1.0], np.float32), np.array([1.0, 0.0, 0.5], np.float32)
    ours = F.binary_cross_entropy_with_logits(*map(loopnest.tensor, (x, t)), pos_weight=loopnest.tensor(3.0))
    theirs = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(x), torch.tensor(t), pos_weight=torch.tensor(3.0)
    )
    assert abs(ours.item() - theirs.item()) < 1e-6
    for wrong in (2.0, -0.5, float("nan")):
        with pytest.raises(ValueError, match="target between 0 and 1"):
            F.binary_cross_entropy(loopnest.tensor([0.5]), loopnest.tensor([wrong]))


def test_weights_of_elements_have_the_inputs_shape():
    x = loopnest.zeros(2, 3)
    for loss in (F.mse_loss, F.l1_loss, F.huber_loss):
        with pytest.raises(ValueError, match="weight of input's shape"):
            loss(x, x, weight=loopnest.ones(3))
        with pytest.raises(TypeError, match="weight"):
            loss(x, x, weight=2.0)
