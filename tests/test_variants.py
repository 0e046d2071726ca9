"""Recurrent layers that PyTorch lacks: the reference's numbers, and gradients against central differences."""

import numpy as np
import pytest
from loopnest.engine import scan

import loopnest
from loopnest import nn, reference
from loopnest.autograd import gradcheck

T, N, X, H = 5, 3, 4, 6
REAL = {"dtype": np.float64}


def random(*shape: int, seed: int = 0) -> loopnest.Tensor:
    return loopnest.tensor(np.random.default_rng(seed).standard_normal(shape), requires_grad=True)


def weights(layer: nn.Module) -> dict[str, np.ndarray]:
    """All parameters, made random (gains and shifts of norms too)."""
    rng = np.random.default_rng(7)
    with loopnest.no_grad():
        for p in layer.parameters():
            p.data = loopnest.tensor(rng.standard_normal(tuple(p.shape)) * 0.5)
    return {k: v.detach().numpy() for k, v in layer.state_dict().items()}


def near(a, b) -> bool:
    return bool((np.abs(np.asarray(a) - b) <= 1e-12 * (1 + np.abs(b))).all())


def check_gradients(layer: nn.Module, *inputs: loopnest.Tensor) -> None:
    names = [name for name, _ in layer.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in layer.parameters()]

    def run(*args):
        for name, value in zip(names, args[len(inputs) :], strict=True):
            owner, _, last = name.rpartition(".")
            place = getattr(layer, owner) if owner else layer
            place._parameters[last] = place.__dict__[last] = value
        output, state = layer(*args[: len(inputs)])
        return (output, *state) if isinstance(state, tuple) else (output, state)

    assert gradcheck(lambda *args: sum((o * o).sum() for o in run(*args)), (*inputs, *values))


LSTMS = [
    {},
    {"peephole": True},
    {"coupled": True},
    {"peephole": True, "coupled": True, "clip": 0.3},
    {"layer_norm": True},
    {"zoneout": (0.2, 0.1)},
    {"peephole": True, "layer_norm": True, "learn_initial": True, "zoneout": (0.5, 0.0)},
]


@pytest.mark.parametrize("options", LSTMS, ids=str)
def test_variant_lstm(options):
    layer = nn.VariantLSTM(X, H, **options, **REAL).eval()
    w, x = weights(layer), random(T, N, X)
    start = [np.broadcast_to(w[k], (N, H)) if k in w else None for k in ("h_0", "c_0")]
    norms = None
    if options.get("layer_norm"):
        norms = [(w[f"norm_{k}.weight"], w[f"norm_{k}.bias"]) for k in ("ih", "hh", "cell")]
    expected = reference.lstm_variant(
        x.detach().numpy(),
        w["weight_ih"],
        w["weight_hh"],
        w["bias"],
        *start,
        peephole=w.get("peephole"),
        coupled=options.get("coupled", False),
        clip=options.get("clip"),
        norms=norms,
        zoneout=options.get("zoneout", (0.0, 0.0)),
    )
    y, (h, c) = layer(x)
    assert all(near(a.detach().numpy(), b) for a, b in zip((y, h, c), expected, strict=True))
    check_gradients(layer, x)


def test_the_plain_variants_are_the_plain_layers():
    variant, plain = nn.VariantLSTM(X, H, **REAL), nn.LSTM(X, H, **REAL)
    w = weights(variant)
    zero = np.zeros(4 * H)
    plain.load_state_dict(
        {
            "weight_ih_l0": w["weight_ih"],
            "weight_hh_l0": w["weight_hh"],
            "bias_ih_l0": w["bias"],
            "bias_hh_l0": zero,
        }
    )
    assert near(variant(random(T, N, X))[0].detach().numpy(), plain(random(T, N, X))[0].detach().numpy())
    variant, plain = nn.VariantGRU(X, H, **REAL), nn.GRU(X, H, **REAL)
    w = weights(variant)
    other = np.concatenate([np.zeros(2 * H), w["bias_n"]])
    plain.load_state_dict(
        {
            "weight_ih_l0": w["weight_ih"],
            "weight_hh_l0": w["weight_hh"],
            "bias_ih_l0": w["bias"],
            "bias_hh_l0": other,
        }
    )
    assert near(variant(random(T, N, X))[0].detach().numpy(), plain(random(T, N, X))[0].detach().numpy())


@pytest.mark.parametrize(
    "options", [{}, {"layer_norm": True}, {"zoneout": 0.3, "learn_initial": True}], ids=str
)
def test_variant_gru(options):
    layer = nn.VariantGRU(X, H, **options, **REAL).eval()
    w, x = weights(layer), random(T, N, X)
    norms = None
    if options.get("layer_norm"):
        norms = [(w[f"norm_{k}.weight"], w[f"norm_{k}.bias"]) for k in ("ih", "hh")]
    h0 = np.broadcast_to(w["h_0"], (N, H)) if "h_0" in w else None
    expected = reference.gru_variant(
        x.detach().numpy(),
        w["weight_ih"],
        w["weight_hh"],
        w["bias"],
        w["bias_n"],
        h0,
        norms,
        options.get("zoneout", 0.0),
    )
    assert all(near(a.detach().numpy(), b) for a, b in zip(layer(x), expected, strict=True))
    check_gradients(layer, x)


OTHERS = {
    "mgu": (nn.MGU, {}, lambda x, w, s: reference.mgu(x, w["weight_ih"], w["weight_hh"], w["bias"], s)),
    "indrnn": (
        nn.IndRNN,
        {},
        lambda x, w, s: reference.indrnn(x, w["weight_ih"], w["weight_hh"], w["bias"], s),
    ),
    "indrnn_tanh": (
        nn.IndRNN,
        {"nonlinearity": "tanh"},
        lambda x, w, s: reference.indrnn(x, w["weight_ih"], w["weight_hh"], w["bias"], s, "tanh"),
    ),
    "sru": (nn.SRU, {}, lambda x, w, s: reference.sru(x, w["weight_ih"], w["bias"], s)),
    "qrnn": (nn.QRNN, {"kernel_size": 3}, lambda x, w, s: reference.qrnn(x, w["weight_ih"], w["bias"], s)),
}


@pytest.mark.parametrize("name", OTHERS)
@pytest.mark.parametrize("batch_first", [False, True])
def test_other_layers(name, batch_first):
    make, options, expected = OTHERS[name]
    layer = make(X, H, batch_first=batch_first, **options, **REAL)
    w, x, state = weights(layer), random(T, N, X), random(N, H, seed=3)
    y, last = expected(x.detach().numpy(), w, state.detach().numpy())
    given = x.transpose(0, 1) if batch_first else x
    got, end = layer(given, state)
    got = got.transpose(0, 1) if batch_first else got
    assert near(got.detach().numpy(), y) and near(end.detach().numpy(), last)
    if not batch_first:
        check_gradients(layer, x, state)


@pytest.mark.parametrize("make", [nn.MGU, nn.IndRNN, nn.SRU, nn.QRNN, nn.VariantGRU, nn.VariantLSTM])
def test_a_learnt_initial_state_gets_a_gradient(make):
    layer = make(X, H, learn_initial=True, **REAL)
    layer(random(T, N, X))[0].sum().backward()
    assert all(p.grad is not None and (p.grad.numpy() != 0).any() for p in layer.parameters())


def test_zoneout_keeps_units_and_variational_dropout_keeps_its_mask():
    loopnest.manual_seed(0)
    layer = nn.VariantLSTM(X, 50, zoneout=(0.5, 0.0), **REAL)
    y, _ = layer(random(4, 1, X))
    same = (y.detach().numpy()[1:] == y.detach().numpy()[:-1]).mean()
    assert 0.3 < same < 0.7
    layer = nn.VariantGRU(400, 1, dropout=0.5, **REAL)
    x = loopnest.tensor(np.ones((6, 1, 400)), requires_grad=True)
    layer(x)[0].sum().backward()
    dropped = (x.grad.numpy() == 0).all(axis=0)
    assert (dropped == (x.grad.numpy() == 0).any(axis=0)).all() and 0.3 < dropped.mean() < 0.7


def test_scans():
    f, b, h0 = random(T, N, H), random(T, N, H, seed=1), random(N, H, seed=2)
    h, expected = h0.detach().numpy(), []
    for t in range(T):
        h = f.detach().numpy()[t] * h + b.detach().numpy()[t]
        expected.append(h)
    assert near(scan.linear_scan(f, b, h0).detach().numpy(), np.stack(expected))
    assert gradcheck(scan.linear_scan, (f, b, h0))
    assert gradcheck(scan.linear_scan, (f, b))
    for kind in ("relu", "tanh"):
        assert gradcheck(lambda x, u, s, kind=kind: scan.independent(x, u, s, kind), (f, random(H), h0))
    assert scan.linear_scan(f[:0], b[:0]).shape == (0, N, H)
    with pytest.raises(ValueError, match=r"f of shape|b of shape \(5, 3, 6\), got \(5, 3, 5\)"):
        scan.linear_scan(f, random(T, N, 5))
    with pytest.raises(TypeError, match="float64"):
        scan.linear_scan(f, loopnest.tensor(np.zeros((T, N, H), np.float32)))
    with pytest.raises(ValueError, match=r"u of shape \(6,\)"):
        scan.independent(f, random(5))


ALL = [nn.VariantLSTM, nn.VariantGRU, nn.MGU, nn.IndRNN, nn.SRU, nn.QRNN]


@pytest.mark.parametrize("learn_initial", [False, True])
@pytest.mark.parametrize("make", ALL)
def test_layers_can_change_their_dtype(make, learn_initial):
    layer = make(X, H, learn_initial=learn_initial)
    x = random(T, N, X)
    narrow = layer(x.float())[0].detach().numpy()
    wide = layer.double()(x)[0].detach().numpy()
    assert wide.dtype == np.float64 and (np.abs(wide - narrow) <= 1e-5).all()
    assert layer.float()(x.float())[0].detach().numpy().dtype == np.float32


@pytest.mark.parametrize("make", ALL)
def test_reset_parameters_resets_all(make):
    options = {"layer_norm": True} if make in (nn.VariantLSTM, nn.VariantGRU) else {}
    layer = make(X, H, learn_initial=True, **options)
    loopnest.manual_seed(1)
    layer.reset_parameters()
    fresh = {k: v.numpy().copy() for k, v in layer.state_dict().items()}
    for p in layer.parameters():
        p.data.fill_(7.0)
    loopnest.manual_seed(1)
    layer.reset_parameters()
    assert all((v.numpy() == fresh[k]).all() for k, v in layer.state_dict().items())
    assert all((v == 0).all() for k, v in fresh.items() if k in ("h_0", "c_0"))
    assert all((v == 1).all() for k, v in fresh.items() if k.startswith("norm") and k.endswith("weight"))


def test_repr_shows_the_options():
    assert repr(nn.VariantLSTM(3, 4)) == "VariantLSTM(3, 4)"
    lstm = nn.VariantLSTM(3, 4, True, peephole=True, coupled=True, clip=0.5, zoneout=(0.1, 0.2), dropout=0.3)
    for part in ("batch_first=True", "peephole=True", "coupled=True", "clip=0.5", "zoneout=(0.1, 0.2)"):
        assert part in repr(lstm)
    assert "dropout=0.3" in repr(lstm)
    gru = repr(nn.VariantGRU(3, 4, layer_norm=True, zoneout=0.1, learn_initial=True))
    assert "learn_initial=True, layer_norm=True, zoneout=0.1" in gru
    assert repr(nn.IndRNN(3, 4, nonlinearity="tanh")) == "IndRNN(3, 4, nonlinearity='tanh')"
    assert repr(nn.QRNN(3, 4, 5, True)) == "QRNN(3, 4, batch_first=True, kernel_size=5)"


MISTAKES = {
    "zoneout float": (TypeError, "pair", lambda: nn.VariantLSTM(3, 4, zoneout=0.1)),
    "zoneout one": (ValueError, "zoneout of 2", lambda: nn.VariantLSTM(3, 4, zoneout=(0.1,))),
    "zoneout three": (ValueError, "zoneout of 2", lambda: nn.VariantLSTM(3, 4, zoneout=(0.1, 0.1, 0.1))),
    "zoneout above": (ValueError, "zoneout", lambda: nn.VariantLSTM(3, 4, zoneout=(0.1, 1.1))),
    "zoneout gru": (TypeError, "zoneout", lambda: nn.VariantGRU(3, 4, zoneout=(0.1, 0.1))),
    "dropout": (ValueError, "dropout", lambda: nn.VariantGRU(3, 4, dropout=1.5)),
    "clip text": (TypeError, "clip", lambda: nn.VariantLSTM(3, 4, clip="a")),
    "clip nan": (ValueError, "clip above 0", lambda: nn.VariantLSTM(3, 4, clip=float("nan"))),
    "peephole": (TypeError, "peephole", lambda: nn.VariantLSTM(3, 4, peephole=2)),
    "layer_norm": (TypeError, "layer_norm", lambda: nn.VariantLSTM(3, 4, layer_norm="no")),
    "layer_norm gru": (TypeError, "layer_norm", lambda: nn.VariantGRU(3, 4, layer_norm=1)),
    "coupled": (TypeError, "coupled", lambda: nn.VariantLSTM(3, 4, coupled=None)),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_arguments_are_checked(name):
    kind, text, call = MISTAKES[name]
    with pytest.raises(kind, match=text):
        call()


def test_mistakes():
    layer = nn.MGU(X, H)
    with pytest.raises(ValueError, match="I = 4, got"):
        layer(loopnest.tensor(np.zeros((2, 3, 5), np.float32)))
    with pytest.raises(ValueError, match=r"\(N, H\) = \(3, 6\)"):
        layer(loopnest.tensor(np.zeros((2, 3, 4), np.float32)), loopnest.tensor(np.zeros((1, 6), np.float32)))
    with pytest.raises(ValueError, match="clip above 0"):
        nn.VariantLSTM(X, H, clip=0.0)
    with pytest.raises(ValueError, match="relu"):
        nn.IndRNN(X, H, nonlinearity="sigmoid")
