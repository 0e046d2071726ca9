"""torch.nn.utils: normalised weights, parameters as one vector, clipping; as torch's, and gradients."""

import numpy as np
import pytest

import loopnest
from loopnest import nn
from loopnest.autograd import gradcheck

RNG = np.random.default_rng(0)
LAYERS = {
    "linear": (lambda n: n.Linear(3, 4), (5, 3)),
    "conv": (lambda n: n.Conv2d(2, 4, 3), (2, 2, 5, 5)),
    "transposed": (lambda n: n.ConvTranspose2d(2, 4, 3), (2, 2, 5, 5)),
}


# Recurrent layers, and those of their weights that are normalised.
RECURRENT = {
    "lstm": (lambda n: n.LSTM(3, 4, 2, bidirectional=True), ("weight_hh_l0", "weight_ih_l1_reverse")),
    "projected": (lambda n: n.LSTM(3, 4, proj_size=2), ("weight_hr_l0", "weight_ih_l0")),
    "gru": (lambda n: n.GRU(3, 4, 2), ("weight_hh_l0", "weight_hh_l1")),
    "rnn": (lambda n: n.RNN(3, 4, bias=False), ("weight_hh_l0",)),
    "cell": (lambda n: n.LSTMCell(3, 4), ("weight_hh", "weight_ih")),
}


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def train(library, layer, x, steps):
    """Outputs of a few steps, then of evaluation, and what the layer holds."""
    opt = library.optim.SGD(layer.parameters(), lr=0.1)
    results = []
    for step in range(steps + 1):
        layer.train(step < steps)
        y = layer(x)
        y = y[0] if isinstance(y, tuple) else y
        results.append(y.detach().numpy().copy())
        if step < steps:
            opt.zero_grad()
            (y * y).mean().backward()
            opt.step()
    return results + [value.detach().numpy() for value in layer.state_dict().values()]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("norm", ["weight_norm", "spectral_norm"])
@pytest.mark.parametrize("name", LAYERS)
def test_normalised_weights_as_torch(torch, name, norm, dim):
    make, shape = LAYERS[name]
    x = RNG.normal(size=shape).astype(np.float32)
    theirs = getattr(torch.nn.utils, norm)(make(torch.nn), dim=dim)
    ours = getattr(nn.utils, norm)(make(nn), dim=dim)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    a = train(loopnest, ours, loopnest.tensor(x), 4)
    b = train(torch, theirs, torch.tensor(x), 4)
    for p, q in zip(a, b, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-5)
    remove = "remove_" + norm
    getattr(nn.utils, remove)(ours)
    getattr(torch.nn.utils, remove)(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert isinstance(ours.weight, nn.Parameter) and not ours._forward_pre_hooks
    y = ours(loopnest.tensor(x)).detach().numpy()
    np.testing.assert_allclose(y, a[4], rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="not found"):
        getattr(nn.utils, remove)(ours)


@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("name", LAYERS)
def test_parametrized_weight_norm_as_torch(torch, name, dim):
    make, shape = LAYERS[name]
    x = RNG.normal(size=shape).astype(np.float32)
    theirs = torch.nn.utils.parametrizations.weight_norm(make(torch.nn), dim=dim)
    ours = nn.utils.parametrizations.weight_norm(make(nn), dim=dim)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    a = train(loopnest, ours, loopnest.tensor(x), 4)
    b = train(torch, theirs, torch.tensor(x), 4)
    for p, q in zip(a, b, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-5)
    with pytest.raises(RuntimeError, match="already"):
        nn.utils.parametrizations.weight_norm(ours)
    nn.utils.parametrizations.remove_weight_norm(ours)
    assert sorted(ours.state_dict()) == ["bias", "weight"]
    np.testing.assert_allclose(ours(loopnest.tensor(x)).detach().numpy(), a[4], rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("where", ["weight_norm", "spectral_norm", "parametrizations.weight_norm"])
@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent_layers_as_torch(torch, name, where):
    """Outputs and gradients, training, state_dict keys; then with all of them taken back."""
    make, weights = RECURRENT[name]
    x = RNG.normal(size=(5, 3) if name == "cell" else (5, 2, 3)).astype(np.float32)
    pairs = []
    for n in (nn, torch.nn):
        layer, module = make(n), n.utils
        *folder, norm = where.split(".")
        for weight in weights:
            getattr(getattr(module, folder[0]) if folder else module, norm)(layer, weight)
        pairs.append(layer)
    ours, theirs = pairs
    assert list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    a = train(loopnest, ours, loopnest.tensor(x), 4)
    b = train(torch, theirs, torch.tensor(x), 4)
    for p, q in zip(a, b, strict=True):
        np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-5)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-3, atol=1e-5)
    for weight in weights:
        if where.startswith("parametrizations"):
            nn.utils.parametrizations.remove_weight_norm(ours, weight)
            torch.nn.utils.parametrize.remove_parametrizations(theirs, weight)
        else:
            for n, layer in ((nn, ours), (torch.nn, theirs)):
                getattr(n.utils, "remove_" + where)(layer, weight)
        assert list(ours.state_dict()) == list(theirs.state_dict())
    assert sorted(ours.state_dict()) == sorted(make(nn).state_dict()) and not ours._forward_pre_hooks
    y = ours(loopnest.tensor(x))[0].detach().numpy()
    np.testing.assert_allclose(y, a[4], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("name", ["gru", "rnn", "projected"])
def test_steps_see_normalised_weights(name, before):
    """Each step has the weights of now, whatever was done since: normalising, training, taking it back."""
    make, weights = RECURRENT[name]
    layer, x = make(nn), loopnest.tensor(RNG.normal(size=(5, 2, 3)).astype(np.float32))

    def steps() -> np.ndarray:
        state, outputs = None, []
        for t in range(5):
            y, state = layer.step(x[t], state)
            outputs.append(y.numpy())
        return np.stack(outputs)

    if before:
        steps()
    for weight in weights:
        nn.utils.weight_norm(layer, weight)
    opt = loopnest.optim.SGD(layer.parameters(), lr=1.0)
    found = [steps()]
    layer(x)[0].sum().backward()
    opt.step()
    found.append(steps())  # no forward has made the weights since
    np.testing.assert_allclose(found[1], layer(x)[0].detach().numpy(), rtol=1e-5, atol=1e-6)
    assert np.abs(found[1] - found[0]).max() > 0.01 and layer.training
    for weight in weights:
        nn.utils.remove_weight_norm(layer, weight)
    np.testing.assert_allclose(steps(), found[1], rtol=1e-5, atol=1e-6)


def test_a_normalised_lstm_can_be_compiled():
    layer = nn.utils.weight_norm(nn.LSTM(3, 4), "weight_hh_l0").eval()
    x = loopnest.tensor(RNG.normal(size=(5, 2, 3)).astype(np.float32))
    y = loopnest.compile(layer, x)(x)[0]
    np.testing.assert_allclose(y.numpy(), layer(x)[0].detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.spectral_norm])
def test_gradient_of_a_recurrent_layer(norm):
    layer = norm(nn.LSTM(2, 3).double(), "weight_hh_l0").eval()
    x = loopnest.tensor(RNG.normal(size=(3, 2, 2)))
    assert gradcheck(lambda *_: layer(x)[0], list(layer.parameters()))


@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.spectral_norm])
@pytest.mark.parametrize("make", [lambda: nn.Linear(3, 2), lambda: nn.ConvTranspose1d(2, 3, 2)])
def test_gradient(norm, make):
    layer = norm(make().double()).eval()  # evaluation: the vectors of spectral_norm stand still
    x = loopnest.tensor(RNG.normal(size=(2, 3) if isinstance(layer, nn.Linear) else (1, 2, 3)))
    assert gradcheck(lambda *_: layer(x), list(layer.parameters()))


def test_two_forwards_before_backward():
    """As GANs do: D(real) - D(fake)."""
    layer = nn.utils.spectral_norm(nn.Linear(3, 1))
    (layer(loopnest.ones(2, 3)) - layer(loopnest.zeros(2, 3))).sum().backward()
    assert layer.weight_orig.grad is not None


@pytest.mark.parametrize("norm", [nn.utils.weight_norm, nn.utils.spectral_norm])
def test_what_cannot_be_normalised(norm):
    with pytest.raises(ValueError, match="no parameter"):
        norm(nn.Linear(2, 2), "wait")
    with pytest.raises(ValueError, match="no parameter"):
        norm(nn.Linear(2, 2, bias=False), "bias")
    with pytest.raises(ValueError, match="'weight_hh_l1' in LSTM"):
        norm(nn.LSTM(2, 2), "weight_hh_l1")
    with pytest.raises(RuntimeError, match="'weight_hh_l0' of this LSTM is already"):
        norm(nn.utils.weight_norm(nn.LSTM(2, 2), "weight_hh_l0"), "weight_hh_l0")
    with pytest.raises(RuntimeError, match="already"):
        norm(nn.utils.weight_norm(nn.Linear(2, 2)))


def test_parameters_as_a_vector(torch):
    for n, ones in ((nn, loopnest.ones), (torch.nn, torch.ones)):
        layer = n.Linear(3, 2)
        vector = n.utils.parameters_to_vector(layer.parameters())
        assert tuple(vector.shape) == (8,) and vector.tolist()[6:] == layer.bias.tolist()
        (vector * vector).sum().backward()
        np.testing.assert_allclose(layer.weight.grad.numpy(), 2 * layer.weight.detach().numpy())
        weight, flat = layer.weight, ones(9)
        n.utils.vector_to_parameters(flat, layer.parameters())
        flat[0] = 5.0
        assert layer.weight is weight and weight.tolist() == [[5, 1, 1], [1, 1, 1]] and weight.requires_grad
        with pytest.raises(TypeError):
            n.utils.vector_to_parameters([1.0], layer.parameters())
    weight = nn.Linear(3, 2).weight
    with pytest.raises(ValueError, match="6 numbers"):
        nn.utils.vector_to_parameters(loopnest.ones(3), [weight])
    assert weight.shape == (2, 3)


def test_clipping_takes_torchs_arguments(torch):
    for n, tensor in ((nn, loopnest.tensor), (torch.nn, torch.tensor)):
        p = n.Parameter(tensor([3.0, -4.0]))
        (p * p).sum().backward()
        assert float(n.utils.clip_grad_norm_([p], 4.0, norm_type="inf", foreach=False)) == 8.0
        np.testing.assert_allclose(p.grad.numpy(), [3, -4], rtol=1e-6)
        n.utils.clip_grad_value_([p], 1.0, foreach=False)
        assert p.grad.tolist() == [1.0, -1.0]
