"""Optimizers: trajectories, state and options as PyTorch's (skipped where it is not there), bad input."""

import copy

import numpy as np
import pytest

import loopnest
from loopnest import nn, optim
from loopnest.optim import optimizer as machinery

OPTIONS = {
    "sgd": ("SGD", {"lr": 0.1}),
    "sgd momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "sgd dampening": ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    "sgd nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "sgd maximize": ("SGD", {"lr": 0.1, "momentum": 0.5, "maximize": True, "weight_decay": 0.1}),
    "adam": ("Adam", {}),
    "adam options": ("Adam", {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    "adam amsgrad": ("Adam", {"lr": 0.01, "amsgrad": True}),
    "adam maximize": ("Adam", {"maximize": True, "weight_decay": 0.1, "amsgrad": True}),
    "adamw": ("AdamW", {}),
    "adamw options": ("AdamW", {"lr": 0.1, "weight_decay": 0.5, "amsgrad": True, "maximize": True}),
}


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def pairs(torch, dtype=np.float32):
    """The same parameters on both sides; one is larger than a block."""
    rng = np.random.default_rng(1)
    arrays = [
        rng.normal(size=s).astype(dtype) for s in ((3, 4), (5,), (machinery.BLOCK + 7,), (2, 3, 4, 5), ())
    ]
    return [nn.Parameter(a.copy()) for a in arrays], [torch.nn.Parameter(torch.tensor(a)) for a in arrays]


def give_gradients(rng, ours, theirs, torch):
    for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
        g = np.asarray(rng.normal(size=tuple(p.shape)) * 10.0 ** rng.integers(-3, 2), p.dtype)
        p.grad = loopnest.tensor(np.asfortranarray(g) if i == 3 else g)  # gradients come in any layout
        q.grad = torch.tensor(g)


def compare(ours, theirs):
    for p, q in zip(ours, theirs, strict=True):
        a, b = p.detach().numpy(), q.detach().numpy()
        # A step rounds about ten times; the results of two orders of rounding drift apart by about that.
        assert np.abs(a - b).max() <= 200 * np.finfo(a.dtype).eps * max(1.0, np.abs(b).max())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPTIONS)
def test_20_steps_as_torch(torch, name, dtype):
    kind, options = OPTIONS[name]
    ours, theirs = pairs(torch, dtype)
    a, b = getattr(optim, kind)(ours, **options), getattr(torch.optim, kind)(theirs, **options)
    rng = np.random.default_rng(2)
    for _ in range(20):
        give_gradients(rng, ours, theirs, torch)
        a.step()
        b.step()
    compare(ours, theirs)


@pytest.mark.parametrize("name", OPTIONS)
def test_state_moves_both_ways(torch, name):
    """Ten steps; then each side goes on with the other's state."""
    kind, options = OPTIONS[name]
    ours, theirs = pairs(torch)
    a, b = getattr(optim, kind)(ours, **options), getattr(torch.optim, kind)(theirs, **options)
    rng = np.random.default_rng(2)
    for step in range(20):
        if step == 10:
            from_torch, from_loopnest = b.state_dict(), a.state_dict()
            assert from_loopnest["state"].keys() == from_torch["state"].keys()
            for number, kept in from_loopnest["state"].items():
                assert {k for k, v in kept.items() if v is not None} == {
                    k for k, v in from_torch["state"][number].items() if v is not None
                }
                from_loopnest["state"][number] = {
                    k: torch.tensor(v.numpy()) if isinstance(v, loopnest.Tensor) else v
                    for k, v in kept.items()
                }
            a, b = getattr(optim, kind)(ours), getattr(torch.optim, kind)(theirs)
            a.load_state_dict(from_torch)
            b.load_state_dict(from_loopnest)
        give_gradients(rng, ours, theirs, torch)
        a.step()
        b.step()
    compare(ours, theirs)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW"])
def test_defaults_as_torch(torch, kind):
    ours, theirs = pairs(torch)
    a = getattr(optim, kind)(ours).param_groups[0]
    b = getattr(torch.optim, kind)(theirs).param_groups[0]
    assert {k: v for k, v in a.items() if k != "params"} == {
        k: v for k, v in b.items() if k not in ("params", *machinery.IMPLEMENTATION)
    }


@pytest.mark.parametrize("name", OPTIONS)
def test_resume_is_exact(name):
    kind, options = OPTIONS[name]

    def go_on(p, opt, rng, steps):
        for _ in range(steps):
            p.grad = loopnest.tensor(rng.normal(size=(4, 5)).astype(np.float32))
            opt.step()

    p = nn.Parameter(np.ones((4, 5), np.float32))
    opt, rng = getattr(optim, kind)([p], **options), np.random.default_rng(0)
    go_on(p, opt, rng, 5)
    q = nn.Parameter(p.detach().numpy().copy())
    other = getattr(optim, kind)([q])
    other.load_state_dict(copy.deepcopy(opt.state_dict()))
    rng2 = copy.deepcopy(rng)
    go_on(p, opt, rng, 5)
    go_on(q, other, rng2, 5)
    np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())


def test_groups_and_add_param_group():
    a, b, c = (nn.Parameter(np.ones(2, np.float32)) for _ in range(3))
    opt = optim.SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.1)
    opt.add_param_group({"params": [c], "lr": 0.25, "momentum": 0.9})
    assert [g["lr"] for g in opt.param_groups] == [0.1, 0.5, 0.25]
    for p in (a, b, c):
        p.grad = loopnest.tensor(np.ones(2, np.float32))
    opt.step()
    assert [float(p.detach().numpy()[0]) for p in (a, b, c)] == pytest.approx([0.9, 0.5, 0.75])
    opt.param_groups[0]["lr"] = 1.0
    opt.step()
    assert float(a.detach().numpy()[0]) == pytest.approx(-0.1)
    assert repr(opt).startswith("SGD (\nParameter Group 0\n    dampening: 0\n    lr: 1.0")


def test_zero_grad_and_parameters_without_gradient():
    p, idle = nn.Parameter(np.ones(2, np.float32)), nn.Parameter(np.ones(2, np.float32))
    opt = optim.Adam([p, idle])
    p.grad = loopnest.tensor(np.ones(2, np.float32))
    opt.step()
    assert (idle.detach().numpy() == 1).all() and idle not in opt.state
    opt.zero_grad(set_to_none=False)
    assert p.grad.numpy().tolist() == [0, 0]
    opt.zero_grad()
    assert p.grad is None


def test_steps_stay_in_the_parameters_memory():
    for kind in ("SGD", "Adam", "AdamW"):
        p = nn.Parameter(np.ones((3, 4), np.float32))
        opt = getattr(optim, kind)([p], lr=0.1)
        view = p.detach().numpy()
        for layout in ("C", "F"):
            p.grad = loopnest.tensor(np.ones((3, 4), np.float32, layout))
            opt.step()
        assert p.detach().numpy() is view or np.shares_memory(p.detach().numpy(), view)
        assert (view < 0.95).all()


def test_step_is_seen_by_the_tape():
    """A step between forward and backward changes what backward needs: an error, as in PyTorch."""
    p = nn.Parameter(np.ones(3, np.float32))
    opt = optim.SGD([p], lr=0.1)
    loss = (p * p).sum()
    p.grad = loopnest.tensor(np.ones(3, np.float32))
    opt.step()
    with pytest.raises(RuntimeError, match="inplace"):
        loss.backward()


def test_closure():
    p = nn.Parameter(np.array([1.0]))
    opt = optim.SGD([p], lr=0.1)

    def closure():
        opt.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with loopnest.no_grad():
        assert float(opt.step(closure)) == 1.0
    assert float(p) == pytest.approx(0.8)


def test_named_parameters_are_welcome():
    net = nn.Linear(2, 2)
    ids = [id(p) for p in optim.SGD(net.named_parameters()).param_groups[0]["params"]]
    assert ids == [id(p) for p in net.parameters()]


def one():
    return [nn.Parameter(np.ones(2, np.float32))]


NAN = float("nan")
BAD = {
    "empty": (ValueError, "empty", lambda: optim.SGD([])),
    "one tensor": (TypeError, "iterable", lambda: optim.SGD(one()[0])),
    "numbers": (TypeError, "Tensors", lambda: optim.SGD([1, 2])),
    "twice": (ValueError, "twice", lambda: optim.SGD(one() * 2)),
    "non-leaf": (ValueError, "non-leaf", lambda: optim.SGD([one()[0] * 2])),
    "set": (TypeError, "set", lambda: optim.SGD([{"params": set(one())}])),
    "lr < 0": (ValueError, "lr", lambda: optim.SGD(one(), lr=-1)),
    "lr NaN": (ValueError, "lr", lambda: optim.Adam(one(), lr=NAN)),
    "lr text": (TypeError, "lr", lambda: optim.Adam(one(), lr="0.1")),
    "lr in a group": (ValueError, "lr", lambda: optim.SGD([{"params": one(), "lr": -1}])),
    "momentum": (ValueError, "momentum", lambda: optim.SGD(one(), momentum=-0.1)),
    "nesterov": (ValueError, "nesterov", lambda: optim.SGD(one(), nesterov=True)),
    "nesterov dampening": (
        ValueError,
        "nesterov",
        lambda: optim.SGD(one(), momentum=0.9, dampening=0.1, nesterov=True),
    ),
    "weight_decay": (ValueError, "weight_decay", lambda: optim.AdamW(one(), weight_decay=-1)),
    "beta 1": (ValueError, r"betas\[0\]", lambda: optim.Adam(one(), betas=(1.0, 0.9))),
    "beta NaN": (ValueError, r"betas\[1\]", lambda: optim.Adam(one(), betas=(0.9, NAN))),
    "betas": (TypeError, "betas", lambda: optim.Adam(one(), betas=0.9)),
    "eps": (ValueError, "eps", lambda: optim.Adam(one(), eps=-1)),
    "amsgrad": (TypeError, "amsgrad", lambda: optim.Adam(one(), amsgrad=1)),
    "group": (TypeError, "params", lambda: optim.Adam(one()).add_param_group({})),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_arguments(name):
    kind, text, make = BAD[name]
    with pytest.raises(kind, match=text):
        make()


def test_bad_state():
    opt = optim.Adam(one())
    p = opt.param_groups[0]["params"][0]
    p.grad = loopnest.tensor(np.ones(2, np.float32))
    opt.step()
    good = opt.state_dict()
    before = opt.state[p]["exp_avg"].copy()
    two = {**good, "param_groups": good["param_groups"] * 2}
    shape = {**good, "state": {0: {**good["state"][0], "exp_avg": np.ones(3)}}}
    stray = {**good, "state": {5: good["state"][0]}}
    rate = {**good, "param_groups": [{**good["param_groups"][0], "lr": -1}]}
    for bad in (two, shape, stray, rate):
        with pytest.raises(ValueError):
            opt.load_state_dict(bad)
    np.testing.assert_array_equal(opt.state[p]["exp_avg"], before)
    assert opt.param_groups[0]["lr"] == 1e-3


def test_gradient_of_another_shape():
    with pytest.raises(ValueError, match="shape"):
        one()[0].grad = loopnest.tensor(np.ones(3, np.float32))
