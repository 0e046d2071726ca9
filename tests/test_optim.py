"""Optimizers: trajectories, state and options as PyTorch's (skipped where it is not there), bad input."""

import copy

import numpy as np
import pytest

import loopnest
from loopnest import nn, optim
from loopnest.optim import lr_scheduler
from loopnest.optim import optimizer as machinery
from loopnest.optim.swa_utils import AveragedModel, get_ema_avg_fn, get_ema_multi_avg_fn, update_bn

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
    "rmsprop": ("RMSprop", {}),
    "rmsprop centered": ("RMSprop", {"centered": True, "momentum": 0.9, "weight_decay": 0.1, "alpha": 0.9}),
    "rmsprop maximize": ("RMSprop", {"lr": 0.001, "momentum": 0.5, "maximize": True, "eps": 1e-3}),
    "adagrad": ("Adagrad", {}),
    "adagrad options": ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "maximize": True}),
    "adagrad initial": ("Adagrad", {"initial_accumulator_value": 0.5, "eps": 1e-4}),
    "adadelta": ("Adadelta", {}),
    "adadelta options": ("Adadelta", {"lr": 0.1, "rho": 0.5, "eps": 1e-3, "weight_decay": 0.1}),
    "adadelta maximize": ("Adadelta", {"maximize": True}),
    "asgd": ("ASGD", {}),
    "asgd options": ("ASGD", {"lr": 0.1, "lambd": 0.2, "alpha": 0.6, "t0": 2, "weight_decay": 0.1}),
    "asgd maximize": ("ASGD", {"t0": 0, "maximize": True}),
    "nadam": ("NAdam", {}),
    "nadam options": ("NAdam", {"lr": 0.1, "betas": (0.5, 0.9), "weight_decay": 0.1, "momentum_decay": 0.1}),
    "nadam decoupled": ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    "radam": ("RAdam", {}),
    "radam options": ("RAdam", {"lr": 0.1, "betas": (0.5, 0.9), "weight_decay": 0.1, "eps": 1e-3}),
    "radam short": ("RAdam", {"betas": (0.9, 0.5), "maximize": True}),
    "radam decoupled": ("RAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    "adamax": ("Adamax", {}),
    "adamax options": ("Adamax", {"lr": 0.1, "betas": (0.5, 0.9), "weight_decay": 0.1, "eps": 1e-3}),
    "adamax maximize": ("Adamax", {"maximize": True, "weight_decay": 0.1}),
    "rprop": ("Rprop", {}),
    "rprop options": ("Rprop", {"lr": 0.1, "etas": (0.3, 1.7), "step_sizes": (1e-3, 0.2), "maximize": True}),
    "adafactor": ("Adafactor", {}),
    "adafactor options": ("Adafactor", {"lr": 0.3, "beta2_decay": -0.5, "eps": (1e-3, 2.0), "d": 2.0}),
    "adafactor decay": ("Adafactor", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    "adamw options": ("AdamW", {"lr": 0.1, "weight_decay": 0.5, "amsgrad": True, "maximize": True}),
}


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def pairs(torch, dtype=np.float32):
    """The same parameters on both sides; one is large."""
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=s).astype(dtype) for s in ((3, 4), (5,), (16391,), (2, 3, 4, 5), ())]
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
def test_20_steps_as_torch(torch, request, name, dtype):
    kind, options = OPTIONS[name]
    ours, theirs = pairs(torch, dtype)
    before = torch.get_default_dtype()
    torch.set_default_dtype(
        theirs[0].dtype
    )  # NAdam's product of momenta has it, whatever the parameters have
    request.addfinalizer(lambda: torch.set_default_dtype(before))
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


@pytest.mark.parametrize(
    "kind",
    sorted({kind for kind, _ in OPTIONS.values()}),
)
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
    for kind in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad"):
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
    "alpha": (ValueError, "alpha", lambda: optim.RMSprop(one(), alpha=1.5)),
    "centered": (TypeError, "centered", lambda: optim.RMSprop(one(), centered=1)),
    "lr_decay": (ValueError, "lr_decay", lambda: optim.Adagrad(one(), lr_decay=-1)),
    "rho": (ValueError, "rho", lambda: optim.Adadelta(one(), rho=-0.1)),
    "nadam betas": (ValueError, r"betas\[1\]", lambda: optim.NAdam(one(), betas=(0.9, 1.0))),
    "radam betas": (TypeError, "betas", lambda: optim.RAdam(one(), betas=0.9)),
    "lambd": (ValueError, "lambd", lambda: optim.ASGD(one(), lambd=-1.0)),
    "t0": (ValueError, "t0", lambda: optim.ASGD(one(), t0=float("nan"))),
    "momentum_decay": (ValueError, "momentum_decay", lambda: optim.NAdam(one(), momentum_decay=-1)),
    "decoupled": (TypeError, "decoupled", lambda: optim.RAdam(one(), decoupled_weight_decay=1)),
    "etas": (ValueError, "etas", lambda: optim.Rprop(one(), etas=(1.2, 0.5))),
    "step_sizes": (TypeError, "step_sizes", lambda: optim.Rprop(one(), step_sizes=1.0)),
    "beta2_decay": (ValueError, "beta2_decay", lambda: optim.Adafactor(one(), beta2_decay=0.1)),
    "d": (ValueError, "d >= 1", lambda: optim.Adafactor(one(), d=0.5)),
    "adafactor eps": (TypeError, "eps", lambda: optim.Adafactor(one(), eps=1e-3)),
    "adafactor eps 0": (ValueError, r"eps\[0\]", lambda: optim.Adafactor(one(), eps=(-1, 1e-3))),
    "adafactor eps 1": (TypeError, r"eps\[1\]", lambda: optim.Adafactor(one(), eps=(None, None))),
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


def test_adafactors_state_has_shapes_of_its_own():
    p = nn.Parameter(np.ones((2, 3, 4), np.float32))
    opt = optim.Adafactor([p, nn.Parameter(np.ones((0, 2)))])
    for param in opt.param_groups[0]["params"]:
        param.grad = loopnest.tensor(np.ones_like(param.detach().numpy()))
    opt.step()
    state = opt.state_dict()
    assert {k: np.shape(v) for k, v in state["state"][0].items()} == {
        "step": (),
        "row_var": (2, 3, 1),
        "col_var": (2, 1, 4),
    }
    state["state"][0]["row_var"] = np.ones((2, 3, 4))
    with pytest.raises(ValueError, match=r"row_var of shape \(2, 3, 1\) .* \(2, 3, 4\), got \(2, 3, 4\)"):
        opt.load_state_dict(state)


def test_gradient_of_another_shape():
    with pytest.raises(ValueError, match="shape"):
        one()[0].grad = loopnest.tensor(np.ones(3, np.float32))


def test_a_formula_of_ones_own_in_numpy():
    class Signs(optim.Optimizer):
        def __init__(self, params, lr):
            super().__init__(params, {"lr": lr, "weight_decay": 0, "maximize": False})

        def _update(self, group, state, value, grad):
            value -= group["lr"] * np.sign(grad)

    p = nn.Parameter(np.array([1.0, 1.0]))
    p.grad = loopnest.tensor(np.array([3.0, -5.0]))
    Signs([p], 0.5).step()
    assert p.tolist() == [0.5, 1.5]


def test_parameters_that_lie_otherwise_in_memory():
    """A step is the same for any layout, and stays in the parameter's memory."""
    a = np.arange(12.0, dtype=np.float32).reshape(3, 4)
    grad = np.cos(a)
    results = []
    for array in (a.copy(), np.asfortranarray(a), np.repeat(a, 2, 1)[:, ::2]):
        p = nn.Parameter(array)
        p.grad = loopnest.tensor(grad)
        optim.Adam([p], lr=0.1).step()
        assert np.shares_memory(p.detach().numpy(), array)
        results.append(p.detach().numpy().copy())
    assert (results[0] == results[1]).all() and (results[0] == results[2]).all()


def test_parameters_at_different_steps(torch):
    """One that had no gradient at first is a step behind; float64 beside float32."""
    ours = [nn.Parameter(np.ones(n, t)) for n, t in ((3, np.float32), (3, np.float64), (2, np.float32))]
    theirs = [torch.nn.Parameter(torch.tensor(p.detach().numpy().copy())) for p in ours]
    a, b = optim.Adam(ours, 0.1), torch.optim.Adam(theirs, 0.1)
    for step in range(3):
        for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            g = np.full(p.shape, 0.5 + i + step, p.dtype)
            p.grad, q.grad = (None, None) if (i, step) == (2, 0) else (loopnest.tensor(g), torch.tensor(g))
        a.step()
        b.step()
    compare(ours, theirs)


# ---- schedules ----

SCHEDULES = {
    "lambda": lambda s, o: s.LambdaLR(o, lambda t: 0.95**t),
    "step": lambda s, o: s.StepLR(o, 3, 0.5),
    "multi": lambda s, o: s.MultiStepLR(o, [2, 5, 5], 0.5),
    "constant": lambda s, o: s.ConstantLR(o, 0.25, 4),
    "linear": lambda s, o: s.LinearLR(o, 0.1, 0.8, 5),
    "exponential": lambda s, o: s.ExponentialLR(o, 0.9),
    "cosine": lambda s, o: s.CosineAnnealingLR(o, 4, 0.01),
    "multiplicative": lambda s, o: s.MultiplicativeLR(o, [lambda t: 0.9 + t / 1000, lambda t: 0.99]),
    "polynomial": lambda s, o: s.PolynomialLR(o, 23, 1.7),
    "warm restarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 7, eta_min=0.01),
    "warm restarts longer": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, 2),
    "cyclic": lambda s, o: s.CyclicLR(o, 0.01, [0.3, 0.5], 7, 4),
    "cyclic 2": lambda s, o: s.CyclicLR(o, 0.01, 0.3, 5, mode="triangular2", base_momentum=0.7),
    "cyclic exp": lambda s, o: s.CyclicLR(o, 0.01, 0.3, 5, mode="exp_range", gamma=0.97),
    "cyclic own": lambda s, o: s.CyclicLR(
        o, 0.01, 0.3, 5, scale_fn=lambda x: 1 / (1 + x), scale_mode="iterations", cycle_momentum=False
    ),
    "chained": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.1, 9), s.CosineAnnealingLR(o, 30), s.ExponentialLR(o, 0.95)]
    ),
    "sequential": lambda s, o: s.SequentialLR(
        o, [s.LinearLR(o, 0.1, total_iters=3), s.CosineAnnealingLR(o, 5), s.ExponentialLR(o, 0.5)], [3, 8]
    ),
    "sequential from 0": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.5), s.LinearLR(o, 0.1, total_iters=3), s.ExponentialLR(o, 0.5)], [0, 5]
    ),
    "one cycle": lambda s, o: s.OneCycleLR(o, [0.5, 0.25], 60),
    "one cycle three": lambda s, o: s.OneCycleLR(
        o, 0.5, epochs=6, steps_per_epoch=10, anneal_strategy="linear", three_phase=True
    ),
}


def two_groups(library, params, kind, **options):
    groups = [{"params": params[:1], "lr": 0.5}, {"params": params[1:]}]
    return getattr(library, kind)(groups, lr=0.1, **options)


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.filterwarnings("ignore")
def test_schedules_as_torch(torch, name, kind):
    options = {"momentum": 0.9} if kind == "SGD" else {}
    ours = [nn.Parameter(np.ones(1)) for _ in range(2)]
    a = two_groups(optim, ours, kind, **options)
    b = two_groups(torch.optim, [torch.nn.Parameter(torch.ones(1)) for _ in range(2)], kind, **options)
    s, t = SCHEDULES[name](lr_scheduler, a), SCHEDULES[name](torch.optim.lr_scheduler, b)
    for _ in range(50):
        for g, h in zip(a.param_groups, b.param_groups, strict=True):
            for key in ("lr", "momentum", "betas"):
                if key in g:
                    np.testing.assert_allclose(g[key], h[key], rtol=1e-9, atol=1e-15)
        assert s.get_last_lr() == [g["lr"] for g in a.param_groups]
        s.step()
        t.step()


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_goes_on_from_its_state(name):
    def make():
        opt = two_groups(optim, [nn.Parameter(np.ones(1)) for _ in range(2)], "SGD", momentum=0.9)
        return opt, SCHEDULES[name](lr_scheduler, opt)

    opt, schedule = make()
    for _ in range(17):
        schedule.step()
    other_opt, other = make()
    other_opt.load_state_dict(copy.deepcopy(opt.state_dict()))
    other.load_state_dict(copy.deepcopy(schedule.state_dict()))
    for _ in range(33):
        schedule.step()
        other.step()
        assert opt.param_groups[0]["lr"] == other_opt.param_groups[0]["lr"]
        assert opt.param_groups[0]["momentum"] == other_opt.param_groups[0]["momentum"]


PLATEAUS = [
    {},
    {"mode": "max", "patience": 0, "threshold": 0.1},
    {"patience": 1, "cooldown": 2, "min_lr": 0.02, "threshold_mode": "abs", "threshold": 0.05},
]


@pytest.mark.parametrize("options", PLATEAUS)
def test_plateau_as_torch(torch, options):
    a = optim.SGD([nn.Parameter(np.ones(1))], lr=0.1)
    b = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
    s = lr_scheduler.ReduceLROnPlateau(a, **options)
    t = torch.optim.lr_scheduler.ReduceLROnPlateau(b, **options)
    for loss in [1.0, 0.9, 0.95, 0.89, 0.9, 0.9, 0.9, float("nan"), 0.5, 0.5, *[0.6] * 14]:
        s.step(loopnest.tensor(loss, dtype=np.float64))
        t.step(loss)
        assert a.param_groups[0]["lr"] == pytest.approx(b.param_groups[0]["lr"], rel=1e-12)


def test_warm_restarts_take_parts_of_epochs(torch):
    for multiple in (1, 2, 3):
        a, b = optim.SGD(one(), lr=0.5), torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.5)
        s = lr_scheduler.CosineAnnealingWarmRestarts(a, 3, multiple, 0.01)
        t = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(b, 3, multiple, 0.01)
        for k in [*range(0, 60, 7), 12, 0, None, None, 5, None]:
            for each in (s, t):
                each.step() if k is None else each.step(k / 2)
            assert a.param_groups[0]["lr"] == pytest.approx(b.param_groups[0]["lr"], rel=1e-12)


def test_a_schedule_of_ones_own_as_in_torch(torch):
    found = []
    for library, params in ((optim, one()), (torch.optim, [torch.nn.Parameter(torch.ones(1))])):

        class Noam(library.lr_scheduler._LRScheduler):
            def get_lr(self):
                scale = min(self._step_count**-0.5, self._step_count * 4**-1.5)
                return [base * scale + self.last_epoch for base in self.base_lrs]

        sgd = library.SGD(params, lr=1.0)
        schedule, rates = Noam(sgd), []
        for _ in range(9):
            rates.append(sgd.param_groups[0]["lr"])
            sgd.step()
            schedule.step()
        found.append(rates)
    assert found[0] == found[1]


def test_rates_may_be_numpy_numbers():
    sgd = optim.SGD(one(), lr=0.1, momentum=0.9)
    for rate in (np.float32(0.5), np.array(0.5), np.array([0.5]), [0.5]):
        lr_scheduler.OneCycleLR(sgd, rate, 10)
        assert sgd.param_groups[0]["max_lr"] == 0.5


def test_a_sequence_within_a_sequence_begins_at_its_beginning():
    sgd = optim.SGD([nn.Parameter(np.ones(1))], lr=1.0)
    s = lr_scheduler
    inner = s.SequentialLR(sgd, [s.ConstantLR(sgd, 0.5, 2), s.ExponentialLR(sgd, 0.5)], [2])
    outer = s.SequentialLR(sgd, [inner, s.ConstantLR(sgd, 0.25, 9)], [4])
    rates = []
    for _ in range(6):
        rates.append(sgd.param_groups[0]["lr"])
        outer.step()
    assert rates == [0.5, 0.5, 1.0, 0.5, 0.25, 0.25]


BAD_SCHEDULES = {
    "no optimizer": (TypeError, lambda o: lr_scheduler.StepLR(3, 1)),
    "step_size": (ValueError, lambda o: lr_scheduler.StepLR(o, 0)),
    "start": (ValueError, lambda o: lr_scheduler.LinearLR(o, 0.0)),
    "milestones": (ValueError, lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.StepLR(o, 1)], [3])),
    "cycle": (ValueError, lambda o: lr_scheduler.OneCycleLR(o, 0.1)),
    "restarts": (ValueError, lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 0)),
    "cyclic": (ValueError, lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.2, mode="round")),
    "cyclic momentum": (ValueError, lambda o: lr_scheduler.CyclicLR(optim.Adagrad(one()), 0.1, 0.2)),
    "chain": (ValueError, lambda o: lr_scheduler.ChainedScheduler([])),
    "chain plateau": (
        ValueError,
        lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.ReduceLROnPlateau(o)]),
    ),
    "chain other": (
        ValueError,
        lambda o: lr_scheduler.ChainedScheduler([lr_scheduler.StepLR(o, 1)], optim.SGD(one())),
    ),
    "functions": (ValueError, lambda o: lr_scheduler.MultiplicativeLR(o, [abs, abs])),
    "groups": (ValueError, lambda o: lr_scheduler.OneCycleLR(o, [0.1, 0.2], 10)),
    "plateau": (ValueError, lambda o: lr_scheduler.ReduceLROnPlateau(o, "down")),
    "go on": (KeyError, lambda o: lr_scheduler.StepLR(o, 1, last_epoch=3)),
}


@pytest.mark.parametrize("name", BAD_SCHEDULES)
def test_bad_schedules(name):
    kind, make = BAD_SCHEDULES[name]
    with pytest.raises(kind):
        make(optim.SGD(one(), 0.1))


# ---- averages ----


@pytest.mark.parametrize("how", ["mean", "ema", "multi"])
def test_averaged_model_as_torch(torch, how):
    from torch.optim import swa_utils

    def options(ema, multi):
        return {"mean": {}, "ema": {"avg_fn": ema(0.9)}, "multi": {"multi_avg_fn": multi(0.9)}}[how]

    ours, theirs = nn.Linear(3, 2), torch.nn.Linear(3, 2)
    a = AveragedModel(ours, **options(get_ema_avg_fn, get_ema_multi_avg_fn))
    b = swa_utils.AveragedModel(theirs, **options(swa_utils.get_ema_avg_fn, swa_utils.get_ema_multi_avg_fn))
    assert a.state_dict().keys() == b.state_dict().keys()
    rng = np.random.default_rng(0)
    for _ in range(4):
        for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
            w = rng.normal(size=p.shape).astype(np.float32)
            p.data, q.data = loopnest.tensor(w), torch.tensor(w)
        a.update_parameters(ours)
        b.update_parameters(theirs)
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-6, atol=1e-7)
    assert int(a.n_averaged) == 4
    x = loopnest.ones(1, 3)
    assert a(x).shape == (1, 2)
    update_bn([x], a)
    for make in (get_ema_avg_fn, get_ema_multi_avg_fn):
        with pytest.raises(ValueError, match="decay"):
            make(2.0)
