"""loopnest.stream: T calls with one step are one call with T steps. And truncated backpropagation."""

import numpy as np
import pytest

import loopnest
from loopnest import nn, optim


def random(*shape: int, seed: int = 0, dtype=np.float64) -> loopnest.Tensor:
    return loopnest.tensor(np.random.default_rng(seed).standard_normal(shape).astype(dtype))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("single", [False, True])
def test_a_stack_of_causal_convolutions(single, dtype):
    model = nn.Sequential(
        nn.Conv1d(3, 6, 3, padding="causal", dtype=dtype),
        nn.Sequential(nn.GELU(), nn.Conv1d(6, 6, 4, padding="causal", dilation=5, groups=2, dtype=dtype)),
        nn.Dropout(0.5),
        nn.Tanh(),
        nn.Conv1d(6, 2, 2, padding=((40, 0),), dilation=40, bias=False, dtype=dtype),
        nn.Conv1d(2, 4, 1, dtype=dtype),
    ).eval()
    x = random(*(() if single else (2,)), 3, 150, dtype=dtype)  # longer than a buffer
    expected = model(x).detach().numpy()
    s = loopnest.stream(model)
    got = np.stack([s(x[..., t]).numpy() for t in range(150)], axis=-1)
    near = 1e-5 if dtype == np.float32 else 1e-13  # sums of at most 18 products of numbers near 1, thrice
    assert got.shape == expected.shape and (np.abs(got - expected) <= near).all()


def test_recurrent_layers_and_what_stands_between_them():
    embedding, lstm, norm, gru, head = (
        nn.Embedding(9, 5),
        nn.LSTM(5, 7, 2),
        nn.LayerNorm(7),
        nn.GRU(7, 6),
        nn.Linear(6, 3),
    )
    s = loopnest.stream(nn.Sequential(embedding, lstm, norm, gru, head))
    index = loopnest.tensor(np.random.default_rng(0).integers(0, 9, (12, 2)))
    expected = head(gru(norm(lstm(embedding(index))[0]))[0]).detach().numpy()
    got = np.stack([s(index[t]).numpy() for t in range(12)])
    assert (np.abs(got - expected) <= 1e-5).all()


def test_a_recurrent_layer_alone_has_the_same_bits():
    for layer in (nn.LSTM(4, 6), nn.GRU(4, 6, 2), nn.RNN(4, 6)):
        x, s = random(7, 3, 4, dtype=np.float32), loopnest.stream(layer)
        assert (np.stack([s(x[t]).numpy() for t in range(7)]) == layer(x)[0].detach().numpy()).all()


def test_states_can_be_kept_and_put_back():
    model = nn.Sequential(nn.Conv1d(3, 4, 3, padding="causal"), nn.LSTM(4, 5))
    x = random(9, 2, 3, dtype=np.float32)
    s, other = loopnest.stream(model), loopnest.stream(model)
    for t in range(4):
        s(x[t])
    kept = s.state
    first = [s(x[t]).numpy() for t in range(4, 9)]
    s.state = kept
    other.state = kept
    for t in range(4, 9):
        assert (s(x[t]).numpy() == first[t - 4]).all() and (other(x[t]).numpy() == first[t - 4]).all()
    s.reset()
    fresh = loopnest.stream(model)
    assert (s(x[0]).numpy() == fresh(x[0]).numpy()).all()


def test_a_module_of_ones_own():
    class Sum(nn.Module):
        def step(self, x, state):
            total = x if state is None else state + x
            return total, total

    s = loopnest.stream(nn.Sequential(Sum(), nn.ReLU()))
    assert [float(s(loopnest.tensor(np.array([v])))) for v in (1.0, -3.0, 4.0)] == [1.0, 0.0, 2.0]


@pytest.mark.parametrize("shape", [(2, 3, 4, 5), (3, 4, 5)])
def test_a_convolutional_lstm(shape):
    cell = nn.ConvLSTMCell(3, 2, 3)
    s, state = loopnest.stream(nn.Sequential(cell, nn.ReLU())), None
    for t in range(4):
        x = random(*shape, seed=t, dtype=np.float32)
        state = cell(x, state)
        assert (s(x).numpy() == np.maximum(state[0].detach().numpy(), 0)).all()


def test_a_sequential_that_computes_something_else_is_refused():
    class Residual(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    class Stepping(Residual):
        def step(self, x, state):
            return self(x), None

    class Causal(nn.Conv1d):
        def forward(self, x):
            return 2 * super().forward(x)

    x = random(2, 3, dtype=np.float32)
    for layer in (Residual(nn.Linear(3, 3)), Causal(3, 3, 2, padding="causal")):
        with pytest.raises(TypeError, match="step by step"):
            loopnest.stream(nn.Sequential(layer))
    inner = Stepping(nn.Linear(3, 3))
    assert (loopnest.stream(nn.Sequential(inner))(x).numpy() == inner(x).detach().numpy()).all()
    for layer in (nn.Sequential(nn.Linear(3, 3)), nn.LSTM(3, 3), nn.Conv1d(3, 3, 2, padding="causal")):
        for hook in (layer.register_forward_hook, layer.register_forward_pre_hook):
            with hook(lambda *_: None), pytest.raises(TypeError, match="hooks"):
                loopnest.stream(nn.Sequential(layer))
        loopnest.stream(nn.Sequential(layer))
    doubled = nn.Linear(3, 3)
    doubled.register_forward_hook(lambda module, args, y: 2 * y)  # a layer that the stream calls runs its own
    assert (loopnest.stream(doubled)(x).numpy() == doubled(x).detach().numpy()).all()


def test_a_stream_keeps_its_dtype():
    layer = nn.Conv1d(3, 4, 3, padding="causal")
    s = loopnest.stream(layer)
    with pytest.raises(TypeError, match="expected a step of float32"):
        s(random(2, 3))
    s(random(2, 3, dtype=np.float32))  # the refused step has left nothing behind
    layer.double()
    with pytest.raises(TypeError, match="began with float32, got float64"):
        s(random(2, 3))
    s.reset()
    assert s(random(2, 3)).dtype == np.float64


def test_what_cannot_be_streamed():
    with pytest.raises(ValueError, match="backwards"):
        loopnest.stream(nn.LSTM(3, 4, bidirectional=True))
    with pytest.raises(ValueError, match="causal"):
        loopnest.stream(nn.Conv1d(3, 4, 3, padding=1))
    with pytest.raises(ValueError, match="causal"):
        loopnest.stream(nn.Conv1d(3, 4, 3))
    with pytest.raises(ValueError, match="stride 1"):
        loopnest.stream(nn.Conv1d(3, 4, 3, padding=((2, 0),), stride=2))
    with pytest.raises(ValueError, match="eval"):
        loopnest.stream(nn.Sequential(nn.Dropout(0.5)))
    with pytest.raises(TypeError, match="Conv2d step by step"):
        loopnest.stream(nn.Sequential(nn.Conv2d(3, 4, 3)))
    s = loopnest.stream(nn.Conv1d(3, 4, 3, padding="causal"))
    with pytest.raises(TypeError, match="Tensor"):
        s(np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match="C = 3"):
        s(random(2, 4, dtype=np.float32))
    s(random(2, 3, dtype=np.float32))
    with pytest.raises(ValueError, match="began with N = 2, got N = 1"):
        s(random(1, 3, dtype=np.float32))
    with pytest.raises(ValueError, match="1 layers, got 2"):
        s.state = [None, None]


@pytest.mark.parametrize("batch_first", [False, True])
def test_truncated_backpropagation(batch_first):
    """The outputs of the whole sequence, and the gradients of its parts one by one."""
    lstm = nn.LSTM(3, 4, batch_first=batch_first, dtype=np.float64)
    x = random(2, 10, 3) if batch_first else random(10, 2, 3)
    whole = lstm(x)[0].detach().numpy()
    parts, state = [], None
    for steps, output, after in nn.utils.truncated(lstm, x, 4):
        lstm.zero_grad()
        output.sum().backward()
        got = [p.grad.numpy().copy() for p in lstm.parameters()]
        lstm.zero_grad()
        y, state = lstm(x[:, steps] if batch_first else x[steps], state)
        y.sum().backward()
        assert all((a == p.grad.numpy()).all() for a, p in zip(got, lstm.parameters(), strict=True))
        state = nn.utils.detach(state)
        assert (after[0].detach().numpy() == state[0].numpy()).all()
        parts.append(output.detach().numpy())
    assert (np.concatenate(parts, 1 if batch_first else 0) == whole).all()
    with pytest.raises(ValueError, match="at least 1"):
        next(nn.utils.truncated(lstm, x, 0))


@pytest.mark.parametrize("make", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("batch_first", [False, True])
def test_truncated_backpropagation_without_a_batch_cuts_time(make, batch_first):
    layer = make(3, 4, batch_first=batch_first, dtype=np.float64)
    x = random(10, 3)
    for given in (None, batch_first):
        parts = list(nn.utils.truncated(layer, x, 4, batch_first=given))
        assert [(p.start, p.stop) for p, _, _ in parts] == [(0, 4), (4, 8), (8, 10)]
        whole = np.concatenate([y.detach().numpy() for _, y, _ in parts])
        assert (whole == layer(x)[0].detach().numpy()).all()


def test_truncated_backpropagation_learns_what_is_far_apart_only_as_far_as_it_sees():
    """A gradient does not cross a border: the input before it gets none."""
    lstm, x = nn.LSTM(2, 3), random(6, 1, 2, dtype=np.float32).requires_grad_()
    adam = optim.Adam(lstm.parameters())
    *_, (_, last, _) = nn.utils.truncated(lstm, x, 3)
    last.sum().backward()
    adam.step()
    assert (x.grad.numpy()[:3] == 0).all() and (x.grad.numpy()[3:] != 0).any()
