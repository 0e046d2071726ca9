"""layer.step: T single steps are one call of T steps, whatever happens to the weights between them."""

import copy
import pickle

import numpy as np
import pytest

import loopnest
from loopnest import nn


def random(*shape: int, dtype=np.float32, seed: int = 0) -> loopnest.Tensor:
    return loopnest.tensor(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


def steps(layer: nn.LSTM, x: loopnest.Tensor, state=None):
    outputs = []
    for t in range(x.shape[0]):
        y, state = layer.step(x[t], state)
        outputs.append(y.numpy())
    return np.stack(outputs), state


KINDS = {
    "lstm": nn.LSTM,
    "gru": nn.GRU,
    "gru_before": lambda *args, **kw: nn.GRU(*args, reset="before", **kw),
    "rnn": nn.RNN,
    "rnn_relu": lambda *args, **kw: nn.RNN(*args, nonlinearity="relu", **kw),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", list(KINDS)[1:])
@pytest.mark.parametrize(("n", "i", "h", "layers"), [(1, 5, 7, 2), (3, 16, 33, 1), (17, 20, 24, 3)])
def test_steps_of_gru_and_rnn(kind, n, i, h, layers, dtype):
    layer = KINDS[kind](i, h, layers, dtype=dtype)
    x, h0 = random(6, n, i, dtype=dtype), random(layers, n, h, dtype=dtype, seed=1)
    for state in (None, h0):
        y, hn = layer(x, state)
        ys, hs = steps(layer, x, state)
        assert (ys == y.detach().numpy()).all() and (hs.numpy() == hn.detach().numpy()).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("n", "i", "h", "layers", "bias"), [(1, 5, 7, 1, True), (3, 16, 33, 2, False), (17, 20, 24, 2, True)]
)
def test_steps_are_the_sequence(n, i, h, layers, bias, dtype):
    lstm = nn.LSTM(i, h, layers, bias=bias, dtype=dtype)
    x = random(6, n, i, dtype=dtype)
    h0, c0 = random(layers, n, h, dtype=dtype, seed=1), random(layers, n, h, dtype=dtype, seed=2)
    for state in (None, (h0, c0)):
        y, (hn, cn) = lstm(x, state)
        ys, (hs, cs) = steps(lstm, x, state)
        assert (ys == y.detach().numpy()).all()
        assert (hs.numpy() == hn.detach().numpy()).all() and (cs.numpy() == cn.detach().numpy()).all()


def test_a_single_sequence():
    lstm = nn.LSTM(4, 6, 2)
    x = random(5, 4)
    y, (_, cn) = lstm(x)
    ys, (hs, cs) = steps(lstm, x)
    assert ys.shape == (5, 6) and hs.shape == cs.shape == (2, 6)
    assert (ys == y.detach().numpy()).all() and (cs.numpy() == cn.detach().numpy()).all()


@pytest.mark.parametrize("batch_first", [False, True])
def test_projected(batch_first):
    lstm = nn.LSTM(4, 6, 2, proj_size=3, batch_first=batch_first)
    x = random(5, 2, 4)
    y, (hn, cn) = lstm(x.transpose(0, 1) if batch_first else x)
    y = y.transpose(0, 1) if batch_first else y
    ys, (hs, cs) = steps(lstm, x)
    assert np.allclose(ys, y.detach().numpy(), atol=1e-6) and np.allclose(
        cs.numpy(), cn.detach().numpy(), atol=1e-6
    )
    assert hs.shape == (2, 2, 3) == tuple(hn.shape)


@pytest.mark.parametrize("layer", [nn.LSTM(4, 6), nn.LSTM(4, 6, proj_size=3, batch_first=True)], ids=repr)
def test_mistakes_are_the_same_with_a_projection(layer):
    x, (h, c) = random(2, 4), layer.step(random(2, 4))[1]
    for given in (x.clone().requires_grad_(), layer.weight_ih_l0[:2]):
        with pytest.raises(RuntimeError, match="not recorded"):
            layer.step(given)
    with pytest.raises(RuntimeError, match="not recorded"):
        layer.step(x, (h, c.clone().requires_grad_()))
    with loopnest.no_grad():
        assert not layer.step(x.clone().requires_grad_())[0].requires_grad
    with pytest.raises(TypeError, match=r"Tensor, got (numpy\.)?ndarray"):
        layer.step(x.numpy())
    with pytest.raises(ValueError, match=r"input_size = 4, got \(2, 5\)"):
        layer.step(random(2, 5))
    with pytest.raises(ValueError, match=r"\(N, I\) or \(I,\), one step, got \(1, 2, 4\)"):
        layer.step(random(1, 2, 4))


def test_steps_with_a_projection_are_without_dropout():
    lstm = nn.LSTM(4, 6, 2, dropout=0.5, proj_size=3)
    x = random(2, 4)
    y = lstm.step(x)[0].numpy()
    assert all((lstm.step(x)[0].numpy() == y).all() for _ in range(5)) and lstm.training
    assert (lstm.eval().step(x)[0].numpy() == y).all()


@pytest.mark.parametrize("make", [nn.LSTM, nn.GRU, nn.RNN])
def test_steps_with_a_weight_that_is_computed(make):
    layer = make(4, 6)
    kept = layer.weight_hh_l0
    del layer._parameters["weight_hh_l0"]
    layer.weight_hh_l0 = kept * 0.5
    x = random(5, 2, 4)
    assert (steps(layer, x)[0] == layer(x)[0].detach().numpy()).all()


def test_results_stay_and_states_are_not_written():
    lstm = nn.LSTM(3, 5)
    first, state = lstm.step(random(2, 3))
    kept = [a.numpy().copy() for a in (first, *state)]
    lstm.step(random(2, 3, seed=1), state)
    lstm.step(random(2, 3, seed=2), state)
    assert all((a.numpy() == b).all() for a, b in zip((first, *state), kept, strict=True))


def test_strided_input_and_states():
    lstm = nn.LSTM(4, 6)
    x = random(4, 3)
    wide = random(1, 3, 12)
    y, _ = lstm.step(x.transpose(0, 1), (wide[:, :, ::2], wide[:, :, 1::2]))
    expected, _ = lstm.step(
        loopnest.tensor(np.ascontiguousarray(x.numpy().T)),
        tuple(loopnest.tensor(np.ascontiguousarray(wide.numpy()[:, :, k::2])) for k in (0, 1)),
    )
    assert (y.numpy() == expected.numpy()).all()


def changes():
    def optimiser(lstm):
        lstm(random(2, 1, 4))[0].sum().backward()
        loopnest.optim.SGD(lstm.parameters(), lr=0.5).step()

    def loaded(lstm):
        lstm.load_state_dict({k: v.detach().numpy() * 2 for k, v in lstm.state_dict().items()})

    def assigned(lstm):
        lstm.weight_ih_l0 = nn.Parameter(random(24, 4))

    def data(lstm):
        lstm.bias_ih_l0.data = random(24, seed=5)

    def in_place(lstm):
        with loopnest.no_grad():
            lstm.weight_ih_l0.mul_(3.0)

    def counted(lstm):
        lstm.weight_ih_l0.detach().numpy()[...] = 0.25
        lstm.weight_ih_l0.bump_version()

    return [optimiser, loaded, assigned, data, in_place, counted]


@pytest.mark.parametrize("change", changes(), ids=lambda f: f.__name__)
def test_weights_that_change_are_packed_again(change):
    lstm, x = nn.LSTM(4, 6), random(1, 1, 4)
    before, _ = lstm.step(x[0])
    change(lstm)
    after, _ = lstm.step(x[0])
    assert (after.numpy() == lstm(x)[0].detach().numpy()[0]).all()
    assert not (after.numpy() == before.numpy()).all()


def test_copies_have_their_own_weights():
    lstm, x = nn.LSTM(4, 6), random(1, 4)
    before, _ = lstm.step(x)
    for other in (copy.deepcopy(lstm), pickle.loads(pickle.dumps(lstm))):
        assert (other.step(x)[0].numpy() == before.numpy()).all()
        with loopnest.no_grad():
            other.weight_ih_l0.mul_(2.0)
        assert not (other.step(x)[0].numpy() == before.numpy()).all()
    assert (lstm.step(x)[0].numpy() == before.numpy()).all()


def test_mistakes():
    lstm = nn.LSTM(4, 6)
    x, good = random(2, 4), random(1, 2, 6)
    with pytest.raises(ValueError, match=r"input_size = 4, got \(2, 5\)"):
        lstm.step(random(2, 5))
    with pytest.raises(ValueError, match="one step"):
        lstm.step(random(1, 2, 4))
    with pytest.raises(TypeError, match="float32"):
        lstm.step(random(2, 4, dtype=np.float64))
    with pytest.raises(ValueError, match=r"\(1, 2, 6\), got \(1, 3, 6\)"):
        lstm.step(x, (good, random(1, 3, 6)))
    with pytest.raises(TypeError, match="pair"):
        lstm.step(x, good)
    with pytest.raises(TypeError, match="Tensor"):
        lstm.step(x, (good, good.numpy()))
    with pytest.raises(RuntimeError, match="not recorded"):
        lstm.step(x.clone().requires_grad_())
    with pytest.raises(ValueError, match="one direction"):
        nn.LSTM(4, 6, bidirectional=True).step(x)


def test_a_state_of_denormals_is_flushed_and_the_process_is_left_alone():
    lstm = nn.LSTM(4, 6)
    with loopnest.no_grad():
        for p in lstm.parameters():
            p.zero_()
    small = np.full((1, 1, 6), 1e-39, np.float32)
    state = (loopnest.tensor(small), loopnest.tensor(small))
    assert (small * np.float32(0.5) != 0).all()
    _, (_, c) = lstm.step(random(1, 4), state)  # c = 0.5 * c[t-1], a denormal
    assert (c.numpy() == 0).all()
    assert (small * np.float32(0.5) != 0).all()  # the process's own mode still keeps denormals
    loopnest.set_flush_denormal(False)
    try:
        _, (_, c) = lstm.step(random(1, 4), state)
        assert (c.numpy() == np.float32(0.5) * small).all()
    finally:
        loopnest.set_flush_denormal(True)
