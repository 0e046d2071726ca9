"""torch.nn.utils.parametrize and skip_init: values, gradients, keys and errors as PyTorch's."""

import copy

import numpy as np
import pytest

import loopnest
from loopnest import nn
from loopnest.nn.utils import parametrize

RNG = np.random.default_rng(0)


def kinds(lib):
    """Parametrizations for a square weight: with an inverse, without one, of several tensors."""

    class Symmetric(lib.nn.Module):
        def forward(self, x):
            return x.triu() + x.triu(1).t()

        def right_inverse(self, x):
            return x.triu()

    class Double(lib.nn.Module):
        def forward(self, x):
            return x * 2

        def right_inverse(self, x):
            return x / 2

    class Shift(lib.nn.Module):
        def forward(self, x):
            return x + 1

        def right_inverse(self, x):
            return x - 1

    class Squared(lib.nn.Module):
        def forward(self, x):
            return x * x

    class Sum(lib.nn.Module):
        def forward(self, a, b):
            return a + b * 2

        def right_inverse(self, x):
            return x - 1, lib.ones_like(x) / 2

    class Learnt(lib.nn.Module):
        def __init__(self):
            super().__init__()
            self.gain = lib.nn.Parameter(lib.ones(1))

        def forward(self, x):
            return x * self.gain

    found = Symmetric, Double, Shift, Squared, Sum, Learnt
    return {kind.__name__.lower(): kind for kind in found}


def pair(torch, names, tensor="weight"):
    """The same layer on both sides, its tensor parametrized by each of `names` in turn."""
    layers = []
    weight, bias = RNG.normal(size=(3, 3)).astype("f"), RNG.normal(size=3).astype("f")
    for lib in (loopnest, torch):
        layer = lib.nn.Linear(3, 3)
        layer.load_state_dict({"weight": lib.tensor(weight), "bias": lib.tensor(bias)})
        for name in names:
            made = lib.nn.utils.parametrize.register_parametrization(layer, tensor, kinds(lib)[name]())
            assert made is layer
        layers.append(layer)
    return layers


STACKS = [
    ["symmetric"],
    ["squared"],
    ["sum"],
    ["learnt"],
    ["double", "symmetric"],
    ["sum", "double", "learnt"],
]


def same_state(ours, theirs, rtol=1e-6):
    a, b = ours.state_dict(), theirs.state_dict()
    assert list(a) == list(b)
    for key in a:
        np.testing.assert_allclose(a[key].numpy(), b[key].numpy(), rtol=rtol, atol=1e-6, err_msg=key)


@pytest.mark.parametrize("leave", [True, False])
@pytest.mark.parametrize("names", STACKS, ids="-".join)
def test_parametrizations_as_torch(torch, names, leave):
    """Keys and values at the start, results and state after training, and when they are taken back."""
    ours, theirs = pair(torch, names)
    same_state(ours, theirs)
    x, outputs = RNG.normal(size=(4, 3)).astype("f"), []
    for lib, layer in ((loopnest, ours), (torch, theirs)):
        assert [n for n, _ in layer.named_parameters()] == list(layer.state_dict())
        opt = lib.optim.SGD(layer.parameters(), lr=0.01)
        for _ in range(3):
            opt.zero_grad()
            y = layer(lib.tensor(x))
            (y * y).mean().backward()
            opt.step()
        outputs.append(layer(lib.tensor(x)).detach().numpy())
        assert type(layer).__name__ == "ParametrizedLinear" and isinstance(layer, lib.nn.Linear)
        made, remove = layer.parametrizations.weight, lib.nn.utils.parametrize.remove_parametrizations
        assert (made.is_tensor, made.ntensors, made.unsafe) == (
            "sum" not in names,
            1 + ("sum" in names),
            False,
        )
        if not leave and "sum" in names:
            with pytest.raises(ValueError):
                remove(layer, "weight", leave_parametrized=False)
        original = made.original if made.is_tensor else None
        remove(layer, "weight", leave or "sum" in names)
        assert type(layer) is lib.nn.Linear and isinstance(layer.weight, lib.nn.Parameter)
        assert original is None or layer.weight is original
        assert layer.weight.requires_grad and not hasattr(layer, "parametrizations")
    np.testing.assert_allclose(*outputs, rtol=1e-5, atol=1e-6)
    same_state(ours, theirs, 1e-5)
    if leave or "sum" in names:
        np.testing.assert_allclose(ours(loopnest.tensor(x)).detach().numpy(), outputs[0], rtol=1e-5)


def test_keys_of_a_stack():
    layer = nn.Linear(2, 2, bias=False)
    for name in ("learnt", "learnt"):
        parametrize.register_parametrization(layer, "weight", kinds(loopnest)[name]())
    keys = ["original", "0.gain", "1.gain"]
    assert list(layer.state_dict()) == [f"parametrizations.weight.{key}" for key in keys]
    other = nn.Linear(2, 2, bias=False)
    for name in ("learnt", "learnt"):
        parametrize.register_parametrization(other, "weight", kinds(loopnest)[name]())
    other.load_state_dict(layer.state_dict())
    np.testing.assert_array_equal(other.weight.detach().numpy(), layer.weight.detach().numpy())


@pytest.mark.parametrize(
    "names", [["double"], ["sum"], ["double", "shift"], ["sum", "shift", "double"]], ids="-".join
)
def test_assigning_goes_back_through_the_inverses(torch, names):
    for lib, layer in zip((loopnest, torch), pair(torch, names), strict=True):
        before = list(layer.parameters())
        layer.weight = lib.ones(3, 3) * 4
        assert layer.weight.tolist() == [[4.0] * 3] * 3
        assert all(a is b for a, b in zip(before, layer.parameters(), strict=True))
    ours, _ = pair(torch, ["squared"])
    with pytest.raises(RuntimeError, match=r"Squared has no right_inverse"):
        ours.weight = loopnest.ones(3, 3)


def test_a_list_of_several_begins_at_the_last_inverse(torch):
    for lib in (loopnest, torch):
        modules = [kinds(lib)[name]() for name in ("double", "shift")]
        made = lib.nn.utils.parametrize.ParametrizationList(modules, lib.nn.Parameter(lib.ones(2) * 5))
        assert made.original.tolist() == [2.0, 2.0] and made().tolist() == [5.0, 5.0]


def test_an_assigned_tensor_stays_its_owners():
    layer = parametrize.register_parametrization(nn.Linear(2, 1, bias=False), "weight", Identity())
    mine = loopnest.ones(1, 2)
    layer.weight = mine
    layer.weight.sum().backward()
    loopnest.optim.SGD(layer.parameters(), lr=1.0).step()
    assert layer.weight.tolist() == [[0.0, 0.0]] and mine.tolist() == [[1.0, 1.0]]


class Identity(nn.Module):
    def forward(self, x):
        return x

    def right_inverse(self, x):
        return x


def test_a_buffer_and_the_bias(torch):
    for lib in (loopnest, torch):
        module, register = lib.nn.BatchNorm1d(3), lib.nn.utils.parametrize.register_parametrization
        register(module, "running_var", kinds(lib)["double"]())
        register(module, "bias", kinds(lib)["squared"]())
        is_parametrized = lib.nn.utils.parametrize.is_parametrized
        assert [is_parametrized(module, name) for name in ("running_var", "bias", "weight")] == [1, 1, 0]
        assert is_parametrized(module) and not is_parametrized(lib.nn.Linear(1, 1))
        assert "parametrizations.running_var.original" in dict(module.named_buffers())
        assert module.running_var.tolist() == [1.0] * 3
        lib.nn.utils.parametrize.remove_parametrizations(module, "running_var")
        assert "running_var" in dict(module.named_buffers()) and is_parametrized(module)
        assert lib.nn.utils.parametrize.type_before_parametrizations(module) is lib.nn.BatchNorm1d
        assert type(module).__name__ == "ParametrizedBatchNorm1d"


def test_training_mode_is_taken_over(torch):
    for lib in (loopnest, torch):
        layer, made = lib.nn.Linear(3, 3).eval(), kinds(lib)["double"]()
        lib.nn.utils.parametrize.register_parametrization(layer, "weight", made)
        assert not made.training
        layer.train()
        assert made.training
        layer.eval()
        lib.nn.utils.parametrize.register_parametrization(layer, "weight", second := kinds(lib)["double"]())
        assert not second.training


def test_cached_computes_once(torch):
    for lib in (loopnest, torch):
        calls = []

        class Counted(lib.nn.Module):
            def forward(self, x, calls=calls):
                calls.append(1)
                return x * 1

        layer, p = lib.nn.Linear(2, 2), lib.nn.utils.parametrize
        p.register_parametrization(layer, "weight", Counted())
        calls.clear()
        with p.cached():
            with p.cached():
                layer(layer(lib.ones(1, 2))).sum().backward()
            assert layer.weight is layer.weight
        assert len(calls) == 1 and layer.parametrizations.weight.original.grad is not None
        assert layer.weight is not layer.weight and len(calls) == 3
        with p.cached():
            assert layer.weight is layer.weight and len(calls) == 4


@pytest.mark.parametrize("again", ["copy", "original"])
def test_copies_are_parametrized_apart(again):
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", kinds(loopnest)["double"]())
    twin = copy.deepcopy(layer)
    first, second = (twin, layer) if again == "copy" else (layer, twin)
    parametrize.remove_parametrizations(first, "weight")
    assert type(first) is nn.Linear and parametrize.is_parametrized(second, "weight")
    np.testing.assert_array_equal(first.weight.detach().numpy(), second.weight.detach().numpy())
    parametrize.register_parametrization(second, "bias", kinds(loopnest)["squared"]())
    assert (second.bias.detach().numpy() >= 0).all() and isinstance(first.bias, nn.Parameter)


class Gives(nn.Module):
    """Gives what it is told to, forwards and backwards."""

    def __init__(self, forward, back=lambda x: x):
        super().__init__()
        self.forward, self.right_inverse = forward, back


BAD = {
    "name": ("'wait'", "wait", lambda x: x, lambda x: x),
    "no bias": ("'bias'", "bias", lambda x: x, lambda x: x),
    "no tensor": ("Tensor from a parametrization, got 3", "weight", lambda x: 3, lambda x: x),
    "shape": (r"\(2, 3\) of float32 .* got \(3,\)", "weight", lambda x: x.sum(0), lambda x: x),
    "dtype": ("got .* of float64", "weight", lambda x: x.to(np.float64), lambda x: x),
    "inverse": ("sequence of Tensors, got 'text'", "weight", lambda x: x, lambda x: "text"),
    "inverse dtype": ("float32, got float64", "weight", lambda x: x, lambda x: x.to(np.float64)),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit(name):
    text, tensor, forward, back = BAD[name]
    layer = nn.Linear(3, 2, bias=False)
    before = layer.state_dict()["weight"].clone().tolist()
    with pytest.raises(ValueError, match=text):
        parametrize.register_parametrization(layer, tensor, Gives(forward, back))
    assert type(layer) is nn.Linear and list(layer.state_dict()) == ["weight"]
    assert layer.weight.tolist() == before


def test_what_does_not_fit_a_second_time():
    layer = parametrize.register_parametrization(nn.Linear(3, 2), "weight", Identity())
    for forward, back in ((lambda x: x.sum(0), lambda x: x), (lambda x: x, lambda x: x.sum(0))):
        with pytest.raises(ValueError, match=r"got \(3,\) of float32; pass unsafe=True"):
            parametrize.register_parametrization(layer, "weight", Gives(forward, back))
    assert len(layer.parametrizations.weight) == 1
    parametrize.register_parametrization(layer, "weight", Gives(lambda x: x.sum(0)), unsafe=True)
    assert layer.weight.shape == (3,) and layer.parametrizations.weight.unsafe
    with pytest.raises(ValueError, match="'bias'"):
        parametrize.remove_parametrizations(layer, "bias")
    with pytest.raises(ValueError, match="at least one"):
        parametrize.ParametrizationList([], loopnest.ones(1))


def test_an_inverse_that_changes_its_mind():
    answers = [lambda x: (x, x), lambda x: (x,), lambda x: (x, x.to(np.float64)), lambda x: x]
    module = Gives(lambda a, b: a, lambda x: answers[0](x))
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", module)
    before = layer.weight.tolist()
    for _ in range(3):
        del answers[0]
        with pytest.raises(ValueError, match="expected Tensors of float32, float32, got"):
            layer.weight = loopnest.ones(2, 2)
    assert layer.weight.tolist() == before


def test_a_parametrized_layer_compiles_and_steps():
    x = loopnest.tensor(RNG.normal(size=(5, 2, 3)).astype(np.float32))
    lstm = nn.LSTM(3, 4).eval()
    lstm.step(x[0])  # packs the weights
    lstm = parametrize.register_parametrization(lstm, "weight_hh_l0", kinds(loopnest)["squared"]())
    whole = lstm(x)[0].detach().numpy()
    np.testing.assert_allclose(loopnest.compile(lstm, x)(x)[0].numpy(), whole, rtol=1e-5, atol=1e-6)
    state, outputs = None, []
    for t in range(5):
        y, state = lstm.step(x[t], state)
        outputs.append(y.numpy())
    np.testing.assert_allclose(np.stack(outputs), whole, rtol=1e-5, atol=1e-6)


def test_weight_norm_is_a_parametrization(torch):
    for lib in (loopnest, torch):
        layer = lib.nn.utils.parametrizations.weight_norm(lib.nn.Linear(3, 2))
        assert lib.nn.utils.parametrize.is_parametrized(layer, "weight")
        layer.weight = lib.tensor([[3.0, 4.0, 0.0], [0.0, 0.0, 2.0]])
        assert layer.parametrizations.weight.original0.tolist() == [[5.0], [2.0]]
        lib.nn.utils.parametrize.remove_parametrizations(layer, "weight")
        np.testing.assert_allclose(layer.weight.detach().numpy(), [[3, 4, 0], [0, 0, 2]], rtol=1e-6)
    with pytest.raises(ValueError, match="weight_norm of 'weight' not found"):
        nn.utils.parametrizations.remove_weight_norm(layer := nn.Linear(2, 2))
    nn.utils.weight_norm(layer)
    with pytest.raises(RuntimeError, match="of this Linear is already"):
        nn.utils.parametrizations.weight_norm(layer)
    with pytest.raises(RuntimeError, match="of this Linear is already"):
        nn.utils.weight_norm(nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)))


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("Linear", (3, 2), {}),
        ("Conv2d", (3, 4, 3), {"bias": False, "device": "cpu"}),
        ("LSTM", (3, 4), {"num_layers": 2, "dtype": "float64"}),
        ("Embedding", (5, 3), {"padding_idx": 0}),
        ("BatchNorm2d", (3,), {}),
    ],
)
def test_skip_init(torch, name, args, kwargs):
    """Shapes and dtypes as PyTorch's; no random number is drawn."""
    loopnest.manual_seed(3)
    drawn = loopnest.rand(2).tolist()
    loopnest.manual_seed(3)
    layer = nn.utils.skip_init(getattr(nn, name), *args, **kwargs)
    assert loopnest.rand(2).tolist() == drawn
    assert type(layer) is getattr(nn, name)
    theirs = {**kwargs, "dtype": torch.float64} if "dtype" in kwargs else kwargs
    other = getattr(torch.nn, name)(*args, **theirs)  # its skip_init refuses an LSTM
    shown = [(key, tuple(v.shape), str(v.dtype)) for key, v in layer.state_dict().items()]
    expected = [(k, tuple(v.shape), str(v.dtype)[len("torch.") :]) for k, v in other.state_dict().items()]
    assert shown == expected
    if hasattr(layer, "reset_parameters"):
        layer.reset_parameters()  # its class has it as ever
    layer.load_state_dict(getattr(nn, name)(*args, **kwargs).state_dict())


def test_what_skip_init_does_not_take(torch):
    for n in (nn, torch.nn):
        with pytest.raises((TypeError, RuntimeError)):
            n.utils.skip_init(int)
        with pytest.raises((ValueError, RuntimeError), match="device"):
            n.utils.skip_init(n.ReLU)
