"""Alpha dropout keeps mean and variance; bilinear layers are their formula and torch's."""

import copy

import numpy as np
import pytest

import loopnest
import loopnest.nn.functional as F
from loopnest import nn, tensor
from loopnest.autograd import gradcheck
from loopnest.planning import NotPlannable

RNG = np.random.default_rng(0)
LOWEST = -1.7580993408473766


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_alpha_dropout_is_its_formula(p, dtype):
    loopnest.manual_seed(1)
    x = RNG.normal(size=(300, 200)).astype(dtype)
    given = tensor(x.T.copy(), requires_grad=True)
    y = F.alpha_dropout(given.T, p, training=True)
    a = ((1 - p) * (1 + LOWEST**2 * p)) ** -0.5
    y.sum().backward()
    slopes = given.grad.numpy().T
    stays = slopes > 0
    np.testing.assert_allclose(slopes[stays], a, rtol=1e-6)
    assert not slopes[~stays].any() and abs(stays.mean() - (1 - p)) < 0.01
    expected = a * np.where(stays, x, LOWEST) - a * LOWEST * p
    assert y.dtype == dtype
    np.testing.assert_allclose(y.detach().numpy(), expected, rtol=1e-5, atol=1e-5)
    assert abs(float(y.mean())) < 0.05 and abs(float(y.std()) - 1) < 0.05


def test_feature_alpha_dropout_takes_whole_channels():
    y = F.feature_alpha_dropout(loopnest.ones(50, 40, 3, 2), 0.4, training=True).numpy()
    assert (y == y[:, :, :1, :1]).all() and len(np.unique(y)) == 2
    assert abs((y[:, :, 0, 0] == y.max()).mean() - 0.6) < 0.05
    with pytest.raises(ValueError, match="N, C"):
        F.feature_alpha_dropout(loopnest.ones(5), 0.4, training=True)


@pytest.mark.parametrize("kind", [nn.AlphaDropout, nn.FeatureAlphaDropout])
def test_where_nothing_is_dropped(kind):
    x = tensor(RNG.normal(size=(3, 4)))
    assert kind(0.5).eval()(x) is x and kind(0.0)(x) is x
    assert not kind(1.0)(x).numpy().any()
    assert kind()(x[:0]).shape == (0, 4)
    assert F.alpha_dropout(x) is x and F.feature_alpha_dropout(x) is x  # training is False, as in torch
    layer = copy.deepcopy(kind(0.3))
    assert layer.p == 0.3 and repr(layer) == f"{kind.__name__}(p=0.3, inplace=False)"
    np.testing.assert_array_equal(loopnest.compile(kind().eval(), x)(x).numpy(), x.numpy())
    with pytest.raises(NotPlannable):
        loopnest.compile(lambda x: F.alpha_dropout(x, 0.5, training=True), x)
    for bad in (1.5, -0.1, float("nan")):
        with pytest.raises(ValueError, match="probability"):
            kind(bad)
    with pytest.raises(TypeError, match="float"):
        kind()(tensor([[1, 2]]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rest", [(), (4,), (2, 3), (0,)])
@pytest.mark.parametrize("bias", [True, False])
def test_bilinear_is_its_formula(rest, bias, dtype):
    x, y = (RNG.normal(size=(n, *rest)).astype(dtype) for n in (3, 5))
    layer = nn.Bilinear(3, 5, 4, bias=bias, dtype=dtype)
    z = layer(tensor(x).movedim(0, -1), tensor(y).movedim(0, -1))
    w, b = layer.weight.detach().numpy(), layer.bias.detach().numpy() if bias else 0
    expected = np.einsum("i...,oij,j...->...o", x, w, y) + b
    assert z.dtype == dtype and z.shape == (*rest, 4)
    rtol = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(z.detach().numpy(), expected, rtol=rtol, atol=rtol)


def test_bilinear_gradient():
    given = [tensor(RNG.normal(size=s), requires_grad=True) for s in ((2, 3), (2, 4), (5, 3, 4), (5,))]
    assert gradcheck(F.bilinear, given)


def test_bilinear_is_torchs():
    torch = pytest.importorskip("torch")
    ours, theirs = nn.Bilinear(3, 5, 4), torch.nn.Bilinear(3, 5, 4)
    assert repr(ours) == repr(theirs) and ours.state_dict().keys() == theirs.state_dict().keys()
    ours.load_state_dict(theirs.state_dict())
    x, y = RNG.normal(size=(6, 3)).astype("f"), RNG.normal(size=(6, 5)).astype("f")
    expected = theirs(torch.tensor(x), torch.tensor(y)).detach().numpy()
    np.testing.assert_allclose(ours(tensor(x), tensor(y)).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_bilinear_compiled_and_copied():
    layer = nn.Bilinear(3, 5, 4).eval()
    x, y = tensor(RNG.normal(size=(6, 3)).astype("f")), tensor(RNG.normal(size=(6, 5)).astype("f"))
    fast = loopnest.compile(layer, x, y)
    np.testing.assert_allclose(fast(x, y).numpy(), layer(x, y).detach().numpy(), rtol=1e-5, atol=1e-6)
    again = copy.deepcopy(layer)
    np.testing.assert_array_equal(again(x, y).detach().numpy(), layer(x, y).detach().numpy())


def test_bilinear_starts_in_bounds():
    layer = nn.Bilinear(100, 5, 40)
    for p in (layer.weight, layer.bias):
        assert 0.09 < np.abs(p.detach().numpy()).max() <= 0.1


def test_bilinear_mistakes_are_told():
    layer, x, y = nn.Bilinear(3, 5, 4), loopnest.ones(2, 3), loopnest.ones(2, 5)
    for call in (
        lambda: layer(y, x),
        lambda: layer(x, y[:1]),
        lambda: layer(x, y[0]),
        lambda: F.bilinear(x, y, loopnest.ones(3, 5)),
        lambda: nn.Bilinear(0, 1, 1),
    ):
        with pytest.raises(ValueError, match="expected"):
            call()
