"""What is made of convolutions: separable ones, ConvLSTM; and what an output of a network sees."""

import numpy as np
import pytest
from loopnest.engine.cell import lstm_cell
from loopnest.engine.tape import tensor

import loopnest
from loopnest import nn, reference
from loopnest.autograd import gradcheck
from loopnest.nn import functional as F


def test_separable_is_depthwise_then_1x1():
    layer = nn.SeparableConv2d(6, 8, (3, 5), stride=2, padding=(1, 2), dilation=1, depth_multiplier=2)
    assert {k: tuple(v.shape) for k, v in layer.state_dict().items()} == {
        "depthwise.weight": (12, 1, 3, 5),
        "pointwise.weight": (8, 12, 1, 1),
        "pointwise.bias": (8,),
    }
    x = np.random.default_rng(0).normal(size=(2, 6, 9, 10)).astype(np.float32)
    state = {k: v.numpy() for k, v in layer.state_dict().items()}
    middle = reference.conv2d(x, state["depthwise.weight"], None, 2, (1, 2), 1, 6)
    expected = reference.conv2d(middle, state["pointwise.weight"], state["pointwise.bias"])
    np.testing.assert_allclose(layer(tensor(x)).detach().numpy(), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ValueError, match="depth_multiplier"):
        nn.SeparableConv2d(6, 8, 3, depth_multiplier=0)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def step(x, h, c, w, b, padding):
    """The formula, gate by gate, one convolution over [x, h]."""
    gates = reference.conv2d(np.concatenate([x, h], 1), w, b, 1, padding)
    i, f, g, o = np.split(gates, 4, 1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def test_conv_lstm_is_its_formula():
    rng = np.random.default_rng(0)
    layer = nn.ConvLSTM2d(3, 5, (3, 5), num_layers=2, dtype=np.float64)
    x = rng.normal(size=(4, 2, 3, 6, 7))
    h0, c0 = rng.normal(size=(2, 2, 2, 5, 6, 7))
    for start in (None, (h0, c0)):
        output, (h_n, c_n) = layer(tensor(x), None if start is None else tuple(tensor(a) for a in start))
        images = x
        for k in range(2):
            w, b = (layer.state_dict()[f"cells.{k}.conv.{name}"].numpy() for name in ("weight", "bias"))
            h, c = (np.zeros((2, 5, 6, 7)),) * 2 if start is None else (h0[k], c0[k])
            hidden = []
            for image in images:
                h, c = step(image, h, c, w, b, (1, 2))
                hidden.append(h)
            images = np.stack(hidden)
            np.testing.assert_allclose(h_n[k].detach().numpy(), h, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(c_n[k].detach().numpy(), c, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(output.detach().numpy(), images, rtol=1e-9, atol=1e-12)
    turned = nn.ConvLSTM2d(3, 5, (3, 5), num_layers=2, batch_first=True, dtype=np.float64)
    turned.load_state_dict(layer.state_dict())
    again, _ = turned(tensor(np.ascontiguousarray(x.swapaxes(0, 1))), (tensor(h0), tensor(c0)))
    np.testing.assert_allclose(again.detach().numpy().swapaxes(0, 1), images, rtol=1e-9, atol=1e-12)


def test_conv_lstm_cell():
    rng = np.random.default_rng(0)
    cell = nn.ConvLSTMCell(2, 3, 3, dtype=np.float64)
    x = rng.normal(size=(1, 2, 4, 5))
    h, c = cell(tensor(x))
    h2, c2 = cell(tensor(x), (h, c))
    layer = nn.ConvLSTM2d(2, 3, 3, dtype=np.float64)
    layer.load_state_dict({f"cells.0.{k}": v for k, v in cell.state_dict().items()})
    output, (h_n, c_n) = layer(tensor(np.stack([x, x])))
    np.testing.assert_allclose(h2.detach().numpy(), output[1].detach().numpy(), rtol=1e-12)
    np.testing.assert_allclose(c2.detach().numpy(), c_n[0].detach().numpy(), rtol=1e-12)
    one, _ = cell(tensor(x[0]), (h.detach()[0], c.detach()[0]))
    np.testing.assert_array_equal(one.detach().numpy(), h2.detach().numpy()[0])
    empty, (h_n, _) = layer(tensor(np.zeros((0, 2, 2, 4, 5))))
    assert empty.shape == (0, 2, 3, 4, 5) and h_n.shape == (1, 2, 3, 4, 5) and not h_n.numpy().any()
    film = tensor(rng.normal(size=(2, 1, 2, 3, 3)), requires_grad=True)
    assert gradcheck(lambda x, *_: layer(x)[0], (film, *layer.parameters()))


def cell_by_parts(sums, c0, more):
    """lstm_cell from operators that have gradients of their own."""
    total = sums if more is None else sums + more
    i, f, g, o = total.chunk(4, 1)
    new = i.sigmoid() * g.tanh() + (0 if c0 is None else f.sigmoid() * c0)
    return o.sigmoid() * new.tanh(), new


@pytest.mark.parametrize("shape", [(2, 12, 4, 5), (3, 8), (1, 4, 7), (2, 4, 0, 3)])
@pytest.mark.parametrize("given", [(True, True), (True, False), (False, True), (False, False)])
def test_lstm_cell_is_its_parts(shape, given):
    """Results and gradients; whatever arrives at one output alone, at both, and as arrays of any layout."""
    rng = np.random.default_rng(0)
    state = (shape[0], shape[1] // 4, *shape[2:])
    arrays = [rng.normal(size=s) for s in (shape, state, shape)]
    weights = [rng.normal(size=state) for _ in range(2)]
    for through in ((1, 0), (0, 1), (1, 1)):
        found = []
        for step in (lstm_cell, cell_by_parts):
            sums, c0, more = (tensor(a, requires_grad=True) for a in arrays)
            c0, more = c0 if given[0] else None, more if given[1] else None
            y, c = step(sums.transpose(0, 1).transpose(0, 1), c0, more)
            loss = sum(
                (k * part * tensor(w)).sum() for k, part, w in zip(through, (y, c), weights, strict=True)
            )
            loss.backward()
            gradients = [t.grad.numpy() for t in (sums, c0, more) if t is not None]
            found.append([y.detach().numpy(), c.detach().numpy(), *gradients])
        for ours, theirs in zip(*found, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)


def test_lstm_cell_says_what_it_wants():
    sums = tensor(np.zeros((2, 12, 4, 4), "f"))
    with pytest.raises(ValueError, match=r"c_0 of shape \(2, 3, 4, 4\)"):
        lstm_cell(sums, tensor(np.zeros((2, 4, 4, 4), "f")))
    with pytest.raises(ValueError, match=r"\(N, 4 \* H"):
        lstm_cell(tensor(np.zeros((2, 10, 4, 4), "f")))
    with pytest.raises(TypeError, match="float64"):
        lstm_cell(sums, tensor(np.zeros((2, 3, 4, 4))))
    c = lstm_cell(tensor(np.zeros((2, 12), "f"), requires_grad=True))[1]
    y, c = lstm_cell(tensor(np.zeros((2, 12), "f"), requires_grad=True), c)
    with loopnest.no_grad():
        c.add_(1)
    with pytest.raises(RuntimeError, match="inplace"):
        y.sum().backward()


def film(*shape):
    return tensor(np.ones(shape, "f"))


def test_a_conv_lstm_wants_tensors_as_state():
    with pytest.raises(TypeError, match=r"ConvLSTM2d: expected h_0 to be a .*Tensor, got NoneType"):
        nn.ConvLSTM2d(2, 3, 3)(film(1, 1, 2, 5, 5), (None, None))
    with pytest.raises(TypeError, match=r"ConvLSTMCell: expected c to be a .*Tensor, got ndarray"):
        nn.ConvLSTMCell(2, 3, 3)(film(1, 2, 5, 5), (film(1, 3, 5, 5), np.ones((1, 3, 5, 5))))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: nn.ConvLSTMCell(2, 3, 3)(tensor(np.ones((1, 4, 5, 5), "f"))), "(N, 2, H, W)"),
        (
            lambda: nn.ConvLSTMCell(2, 3, 3)(
                tensor(np.ones((1, 2, 5, 5), "f")), (tensor(np.ones((1, 3, 5, 4), "f")),) * 2
            ),
            "h of shape (1, 3, 5, 5), got (1, 3, 5, 4)",
        ),
        (lambda: nn.ConvLSTM2d(2, 3, 3)(tensor(np.ones((1, 2, 5, 5), "f"))), "5 axes (T, N, 2, H, W)"),
        (lambda: nn.ConvLSTM2d(2, 0, 3), "hidden_channels"),
        (
            lambda: nn.ConvLSTM2d(2, 3, 3)(
                tensor(np.ones((1, 1, 2, 5, 5), "f")), (tensor(np.ones((1, 3, 5, 5), "f")),) * 2
            ),
            "h_0 of shape (1, 1, 3, 5, 5)",
        ),
        (
            lambda: nn.ConvLSTM2d(2, 3, 3)(film(1, 1, 2, 5, 5), (film(1, 1, 3, 5, 5),)),
            "ConvLSTM2d: expected hx to be a pair (h_0, c_0), got 1 of them",
        ),
        (
            lambda: nn.ConvLSTM2d(2, 3, 3)(film(1, 1, 2, 5, 5), film(1, 1, 3, 5, 5)),
            "ConvLSTM2d: expected hx to be a pair (h_0, c_0), got Tensor",
        ),
        (
            lambda: nn.ConvLSTMCell(2, 3, 3)(film(2, 2, 5, 5), film(2, 3, 5, 5)),
            "ConvLSTMCell: expected state to be a pair (h, c), got Tensor",
        ),
        (
            lambda: nn.ConvLSTMCell(2, 3, 3)(film(2, 5, 5), (film(1, 3, 5, 5),) * 2),
            "h of shape (3, 5, 5), got (1, 3, 5, 5)",
        ),
        (lambda: loopnest.receptive_field(nn.ReLU(), (3,)), "(C, L)"),
        (lambda: loopnest.receptive_field(nn.Flatten(), (3, 5, 5)), "4 axes"),
    ],
)
def test_errors(call, text):
    with pytest.raises(ValueError) as error:
        call()
    assert text in str(error.value)


def by_formula(layers):
    """size and stride of a chain of (kernel, stride, dilation): r += (k - 1) * d * j; j *= s."""
    size = jump = 1
    for kernel, stride, dilation in layers:
        size += (kernel - 1) * dilation * jump
        jump *= stride
    return size, jump


@pytest.mark.parametrize(
    "layers",
    [
        [(3, 1, 1)],
        [(3, 2, 1), (3, 1, 2), (2, 2, 1)],
        [(7, 2, 1), (3, 2, 1), (3, 1, 1), (3, 1, 1)],
        [(3, 1, d) for d in (1, 2, 4, 8)],
    ],
)
def test_receptive_field_of_a_chain(layers):
    net = nn.Sequential()
    for index, (k, s, d) in enumerate(layers):
        net.append(nn.Conv2d(2, 2, k, stride=s, dilation=d, padding=d * (k - 1) // 2))
        net.append(nn.ReLU() if index % 2 else nn.Tanh())
    field = loopnest.receptive_field(net, (2, 97, 80))
    size, jump = by_formula(layers)
    assert field.size == (size, size) and field.stride == (jump, jump) and field.clipped == (False, False)
    assert net.training


def test_receptive_field_of_other_networks():
    class Residual(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv1d(2, 2, 3, padding="causal", dilation=4)

        def forward(self, x):
            return (self.conv(x) + x).relu()

    field = loopnest.receptive_field(nn.Sequential(Residual(), Residual()), (2, 50))
    assert field.size == (17,) and field.start == (field.position[0] - 16,) and field.stride == (1,)
    pools = nn.Sequential(nn.MaxPool2d(3, 2), nn.AvgPool2d(2), nn.Conv2d(1, 1, (3, 1)))
    field = loopnest.receptive_field(pools, (1, 60, 60))
    assert field.size == (*by_formula([(3, 2, 1), (2, 2, 1), (3, 1, 1)])[:1], 5) and field.stride == (4, 4)
    assert loopnest.receptive_field(nn.Conv3d(1, 1, (1, 3, 5)), (1, 9, 9, 9)).size == (1, 3, 5)
    assert loopnest.receptive_field(nn.Conv2d(1, 1, 9), (1, 9, 9)).clipped == (True, True)
    up = nn.ConvTranspose2d(1, 1, 4, stride=2, padding=1)
    assert loopnest.receptive_field(up, (1, 20, 20)).size == (2, 2)


def test_receptive_field_leaves_every_layer_in_its_mode():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.BatchNorm2d(4))
    for frozen, others in ((1, True), (2, True), (1, False)):
        net.train(others)
        net[frozen].train(not others)
        modes = [layer.training for layer in net.modules()]
        assert loopnest.receptive_field(net, (1, 20, 20)).size == (3, 3)
        assert [layer.training for layer in net.modules()] == modes
        assert np.isfinite(net[1].running_mean.numpy()).all() and net[1].num_batches_tracked.item() == 0


@pytest.mark.parametrize("groups", [1, 4, 16])
@pytest.mark.parametrize(("conv", "shape"), [(F.conv1d, (30,)), (F.conv2d, (9, 11)), (F.conv3d, (4, 5, 6))])
def test_input_in_c_order(conv, shape, groups):
    """Copied where that pays, to the same results; the copy does not hide a change in place."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 16, *shape), np.float32)
    weight = rng.standard_normal((16, 16 // groups, *(3 for _ in shape)), np.float32)
    behind = np.moveaxis(np.ascontiguousarray(np.moveaxis(x, 1, -1)), -1, 1)
    results = []
    for array in (x, behind):
        inputs = [loopnest.tensor(a, requires_grad=True) for a in (array, weight)]
        y = conv(*inputs, padding=1, groups=groups)
        (y * y).sum().backward()
        results.append([y.detach().numpy(), *(i.grad.numpy() for i in inputs)])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    given, w = loopnest.tensor(x), loopnest.tensor(weight, requires_grad=True)
    y = conv(given, w, groups=groups)
    given += 1
    with pytest.raises(RuntimeError, match="inplace"):
        y.sum().backward()
    with pytest.raises(TypeError, match="float"):
        conv(loopnest.tensor(x.astype(np.int32)), w, groups=groups)
