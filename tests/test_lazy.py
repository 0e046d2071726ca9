"""Lazy layers become ordinary ones at their first input, and nothing reads what is not there before."""

import copy
import pickle

import numpy as np
import pytest

import loopnest
import loopnest.nn.functional as F
from loopnest import nn, optim, tensor

CONVS = [f"{kind}{k}d" for kind in ("Conv", "ConvTranspose") for k in (1, 2, 3)]
NORMS = [f"{kind}{k}d" for kind in ("BatchNorm", "InstanceNorm") for k in (1, 2, 3)]


def arguments(name):
    return (4,) if name == "Linear" else (4, 3) if "Conv" in name else ()


def given(name, batch=2, dtype=np.float32):
    axes = int(name[-2]) if name[-1] == "d" else 0
    shape = (batch, 6, *(5,) * axes) if axes else (batch, 6)
    return tensor(np.random.default_rng(0).normal(size=shape).astype(dtype))


def made(name, **options):
    return getattr(nn, f"Lazy{name}")(*arguments(name), **options)


@pytest.mark.parametrize("name", ["Linear", *CONVS, *NORMS])
def test_the_first_input_makes_it_an_ordinary_layer(name):
    layer, x = made(name), given(name)
    before = dict(layer.named_parameters())
    loopnest.manual_seed(3)
    y = layer(x)
    assert type(layer) is getattr(nn, name)
    assert all(p is before[key] for key, p in layer.named_parameters())
    loopnest.manual_seed(3)
    more = {"affine": True, "track_running_stats": True} if "Instance" in name else {}
    channels = (6, *arguments(name))
    right = getattr(nn, name)(*channels, **more)
    assert repr(layer) == repr(right)
    np.testing.assert_array_equal(y.detach().numpy(), right(x).detach().numpy())
    state, expected = layer.state_dict(), right.state_dict()
    assert list(state) == list(expected)
    for key in state:
        np.testing.assert_array_equal(state[key].numpy(), expected[key].numpy())
        assert type(state[key]) is loopnest.Tensor
    y.sum().backward()
    assert all(p.grad is not None for p in layer.parameters())


@pytest.mark.parametrize("name", ["Linear", *CONVS, *NORMS])
def test_as_torch_before_and_after(name):
    torch = pytest.importorskip("torch")
    ours, theirs = made(name), getattr(torch.nn, f"Lazy{name}")(*arguments(name))
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    x = given(name)
    theirs(torch.tensor(x.numpy()))
    ours.load_state_dict(getattr(torch.nn, type(theirs).__name__).state_dict(theirs))
    assert ours.has_uninitialized_params() is False and type(ours) is getattr(nn, f"Lazy{name}")
    y, z = ours(x), theirs(torch.tensor(x.numpy()))
    np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), rtol=1e-4, atol=1e-5)
    assert repr(ours) == repr(theirs) and ours.state_dict().keys() == theirs.state_dict().keys()


@pytest.mark.parametrize("name", ["Linear", "Conv2d", "BatchNorm1d"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype(name, dtype):
    for layer in (made(name).to(dtype=dtype), made(name, dtype=dtype)):
        assert layer.weight.dtype == dtype
        assert layer(given(name, dtype=dtype)).dtype == dtype
        assert {p.dtype for p in layer.parameters()} == {np.dtype(dtype)}


@pytest.mark.parametrize("name", CONVS + [n for n in NORMS if "Instance" in n])
def test_one_sample_without_an_axis_for_it(name):
    layer, right = made(name), given(name)
    y = layer(right[0])
    assert type(layer) is getattr(nn, name) and y.shape == layer(right).shape[1:]


def test_no_batch_norm_without_anything_to_learn():
    layer = nn.LazyBatchNorm2d(affine=False, track_running_stats=False)
    assert not layer.state_dict() and layer(given("BatchNorm2d")).shape == (2, 6, 5, 5)
    assert layer.num_features == 6
    no_bias = nn.LazyBatchNorm1d(bias=False)
    no_bias(given("Linear"))
    assert list(no_bias.state_dict()) == ["weight", "running_mean", "running_var", "num_batches_tracked"]
    linear = nn.LazyLinear(3, bias=False)
    assert linear(given("Linear")).shape == (2, 3) and list(linear.state_dict()) == ["weight"]


def test_an_optimizer_may_come_first():
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    adam = optim.Adam(net.parameters(), lr=0.1)
    adam.zero_grad()
    adam.step()  # nothing to do yet
    x = given("Conv2d")
    first = None
    for _ in range(5):
        loss = F.mse_loss(net(x), loopnest.ones(2, 2))
        first = first or loss.item()
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss.item() < first / 2


USES = {
    "arithmetic": lambda p: p + 1,
    "other side": lambda p: loopnest.ones(2) * p,
    "matmul": lambda p: loopnest.ones(2, 2) @ p,
    "shape": lambda p: p.shape,
    "size": lambda p: p.size(),
    "numel": lambda p: p.numel(),
    "ndim": lambda p: p.ndim,
    "len": len,
    "numpy": lambda p: p.numpy(),
    "data": lambda p: p.data,
    "init": lambda p: nn.init.ones_(p),
    "linear": lambda p: F.linear(loopnest.ones(2, 2), p),
    "vector": lambda p: nn.utils.parameters_to_vector([p]),
    "index": lambda p: p[0],
    "sum": lambda p: p.sum(),
    "fill": loopnest.no_grad()(lambda p: p.fill_(0)),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", ["weight", "running_mean"])
def test_what_has_no_numbers_cannot_be_used(kind, use):
    param = getattr(nn.LazyBatchNorm2d(), kind)
    assert repr(param).startswith("<Uninitialized") and param.requires_grad is (kind == "weight")
    for error in (ValueError, RuntimeError):
        with pytest.raises(error, match="lazy layer"):
            USES[use](param)


def test_state_dicts():
    lazy, other, ready = nn.LazyLinear(3), nn.LazyLinear(3), nn.Linear(5, 3)
    lazy.load_state_dict(other.state_dict())
    assert lazy.has_uninitialized_params()
    with pytest.raises(ValueError, match="without a shape"):
        ready.load_state_dict(lazy.state_dict())
    lazy.load_state_dict(ready.state_dict())
    assert lazy.weight.shape == (3, 5) and isinstance(lazy, nn.LazyLinear)
    x = given("Linear")[:, :5]
    np.testing.assert_array_equal(lazy(x).detach().numpy(), ready(x).detach().numpy())
    with pytest.raises(ValueError, match="lazy layer"):
        np.asarray(other.state_dict()["weight"])
    some = nn.LazyLinear(3)
    some.load_state_dict({"bias": ready.bias}, strict=False)  # what was loaded stays
    some(x)
    np.testing.assert_array_equal(some.bias.detach().numpy(), ready.bias.detach().numpy())
    assert some.weight.detach().numpy().any()
    assigned = nn.LazyLinear(3)
    assigned.load_state_dict(ready.state_dict(), assign=True)
    np.testing.assert_array_equal(assigned(x).detach().numpy(), ready(x).detach().numpy())


def test_a_failed_load_changes_nothing():
    net = nn.Sequential(nn.LazyLinear(3), nn.Linear(3, 2))
    with pytest.raises(ValueError, match="size mismatch"):
        net.load_state_dict(nn.Sequential(nn.Linear(5, 3), nn.Linear(3, 3)).state_dict())
    assert net[0].has_uninitialized_params()


@pytest.mark.parametrize("how", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_copies_are_lazy_too(how):
    layer = nn.LazyConv2d(4, 3, dtype="float64")
    layer.weight.requires_grad_(False)
    again = how(layer)
    assert again.has_uninitialized_params() and again.weight.dtype == np.float64
    assert not again.weight.requires_grad and again.bias.requires_grad
    again(given("Conv2d", dtype=np.float64))
    assert layer.has_uninitialized_params() and not again.weight.requires_grad


def test_materialize():
    p, b = nn.UninitializedParameter(requires_grad=False), nn.UninitializedBuffer()
    for t, kind in ((p, nn.Parameter), (b, loopnest.Tensor)):
        t.materialize((2, 3), dtype=np.float64)
        assert isinstance(t, kind) and t.shape == (2, 3) and t.dtype == np.float64 and not t.requires_grad
        t.fill_(1)
        assert t.sum().item() == 6


def test_hooks_see_the_ordinary_layer():
    layer, seen = nn.LazyLinear(3), []
    layer.register_forward_hook(lambda module, args, out: seen.append((type(module), out.shape)))
    layer(input=given("Linear"))
    assert seen == [(nn.Linear, (2, 3))]


def test_compiled():
    net = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    x = given("Conv2d")
    net(x)
    fast = loopnest.compile(net.eval(), x)
    np.testing.assert_allclose(fast(x).numpy(), net(x).detach().numpy(), rtol=1e-4, atol=1e-5)
    new = nn.Sequential(nn.LazyLinear(3)).eval()
    x = given("Linear")
    fast = loopnest.compile(new, x)
    np.testing.assert_allclose(fast(x).numpy(), new(x).detach().numpy(), rtol=1e-5, atol=1e-6)


def test_mistakes_are_told():
    wrong = {
        "axes": lambda: nn.LazyConv2d(4, 3)(loopnest.ones(2, 3)),
        "groups": lambda: nn.LazyConv2d(4, 3, groups=4)(loopnest.ones(1, 6, 5, 5)),
        "norm": lambda: nn.LazyBatchNorm2d()(loopnest.ones(2, 3)),
        "no features": lambda: nn.LazyLinear(3)(loopnest.ones(())),
        "argument": lambda: nn.LazyConv1d(0, 3),
        "zero": lambda: nn.Linear(0, 3),
        "zero channels": lambda: nn.Conv2d(0, 3, 3),
    }
    for call in wrong.values():
        with pytest.raises(ValueError, match="expected"):
            call()
    layer = nn.LazyConv2d(4, 3)
    with pytest.raises(ValueError, match="axes"):
        layer(loopnest.ones(2, 3))
    assert layer(loopnest.ones(3, 5, 5)).shape == (4, 3, 3)  # a failed call leaves it lazy
