"""nn.GRU and nn.RNN: parity with PyTorch (skipped where it is not there), lengths, gradients, bad input."""

import numpy as np
import pytest

import loopnest
from loopnest import nn
from parity import floats, tensor

pytestmark = pytest.mark.usefixtures("seeded")


def close(ours, theirs, terms):
    """Both sum `terms` products of numbers of size about 1 in float32, in another order."""
    ours, theirs = (np.asarray(a.detach().numpy() if hasattr(a, "detach") else a) for a in (ours, theirs))
    assert ours.shape == theirs.shape
    bound = 4 * np.finfo(np.float32).eps * terms * max(1.0, np.abs(theirs).max(initial=0.0))
    assert np.abs(ours - theirs).max(initial=0.0) <= bound


CELLS = {
    "gru": lambda n, *sizes, **how: n.GRU(*sizes, **how),
    "tanh": lambda n, *sizes, **how: n.RNN(*sizes, **how),
    "relu": lambda n, *sizes, **how: n.RNN(*sizes, nonlinearity="relu", **how),
}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("state", [True, False])
@pytest.mark.parametrize("shape", [(5, 3, 6), (7, 6)])
def test_as_torch(torch, cell, layers, bias, batch_first, bidirectional, state, shape):
    """Outputs, states and all gradients from the same weights."""
    how = {"bias": bias, "batch_first": batch_first, "bidirectional": bidirectional}
    ours, theirs = (CELLS[cell](n, 6, 8, layers, **how) for n in (nn, torch.nn))
    assert repr(ours) == repr(theirs) and list(ours.state_dict()) == list(theirs.state_dict())
    ours.load_state_dict(theirs.state_dict())
    rows = layers * (2 if bidirectional else 1)
    batch = shape[0 if batch_first else 1]
    arrays = [floats(*shape)]
    if state:
        arrays.append(floats(*((rows, batch, 8) if len(shape) == 3 else (rows, 8)), seed=1))
    mine = [loopnest.tensor(a, requires_grad=True) for a in arrays]
    other = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, h = ours(*mine)
    ty, th = theirs(*other)
    close(y, ty, 64), close(h, th, 64)
    d = floats(*ty.shape, seed=2)
    ((y * loopnest.tensor(d)).sum() + (h * h).sum()).backward()
    ((ty * torch.tensor(d)).sum() + (th * th).sum()).backward()
    for a, b in zip([*mine, *ours.parameters()], [*other, *theirs.parameters()], strict=True):
        close(a.grad, b.grad, 2048)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("batch_first", [True, False])
def test_lengths_as_packed_by_torch(torch, cell, batch_first):
    """lengths= is PyTorch's packing and unpacking without sorting."""
    how = {"batch_first": batch_first, "bidirectional": True}
    ours, theirs = (CELLS[cell](n, 6, 8, 2, **how) for n in (nn, torch.nn))
    ours.load_state_dict(theirs.state_dict())
    lengths, (t, n) = [2, 5, 1, 4], (5, 4)
    arrays = [floats(*((n, t, 6) if batch_first else (t, n, 6))), floats(4, n, 8, seed=1)]
    mine = [loopnest.tensor(a, requires_grad=True) for a in arrays]
    other = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, h = ours(*mine, lengths=lengths)
    utils = torch.nn.utils.rnn
    packed = utils.pack_padded_sequence(other[0], lengths, batch_first, enforce_sorted=False)
    ty, th = theirs(packed, other[1])
    ty, _ = utils.pad_packed_sequence(ty, batch_first)
    close(y, ty, 64), close(h, th, 64)
    d = floats(*ty.shape, seed=2)
    ((y * loopnest.tensor(d)).sum() + (h * h).sum()).backward()
    ((ty * torch.tensor(d)).sum() + (th * th).sum()).backward()
    for a, b in zip([*mine, *ours.parameters()], [*other, *theirs.parameters()], strict=True):
        close(a.grad, b.grad, 2048)


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize("state", [True, False])
@pytest.mark.parametrize("lengths", [None, [2, 5, 1]])
@pytest.mark.parametrize("shape", [(5, 3, 6), (5, 6)])
def test_projected_lstm_as_torch(torch, bidirectional, state, lengths, shape):
    how = {"bidirectional": bidirectional, "proj_size": 3, "batch_first": True, "bias": not state}
    ours, theirs = (n.LSTM(6, 8, 2, **how) for n in (nn, torch.nn))
    assert repr(ours) == repr(theirs)
    assert [(k, tuple(v.shape)) for k, v in theirs.state_dict().items()] == [
        (k, tuple(v.shape)) for k, v in ours.state_dict().items()
    ]
    ours.load_state_dict(theirs.state_dict())
    if lengths and len(shape) == 2:
        return
    rows, batch = 2 * (2 if bidirectional else 1), (3,) if len(shape) == 3 else ()
    x = floats(*((3, 5, 6) if batch else shape))
    arrays = [x, *((floats(rows, *batch, 3, seed=1), floats(rows, *batch, 8, seed=2)) if state else ())]
    mine = [loopnest.tensor(a, requires_grad=True) for a in arrays]
    other = [torch.tensor(a, requires_grad=True) for a in arrays]
    y, (h, c) = ours(mine[0], tuple(mine[1:]) or None, lengths=lengths)
    given = other[0]
    if lengths:
        utils = torch.nn.utils.rnn
        given = utils.pack_padded_sequence(given, lengths, True, enforce_sorted=False)
    ty, (th, tc) = theirs(given, tuple(other[1:]) or None)
    if lengths:
        ty, _ = utils.pad_packed_sequence(ty, True)
    for a, b in ((y, ty), (h, th), (c, tc)):
        close(a, b, 64)
    ((y * y).sum() + (h * h).sum() + c.sum()).backward()
    ((ty * ty).sum() + (th * th).sum() + tc.sum()).backward()
    for a, b in zip([*mine, *ours.parameters()], [*other, *theirs.parameters()], strict=True):
        close(a.grad, b.grad, 2048)


CELL_PAIRS = {
    "lstm": lambda n, **how: n.LSTMCell(5, 6, **how),
    "gru": lambda n, **how: n.GRUCell(5, 6, **how),
    "tanh": lambda n, **how: n.RNNCell(5, 6, **how),
    "relu": lambda n, **how: n.RNNCell(5, 6, nonlinearity="relu", **how),
}


@pytest.mark.parametrize("cell", CELL_PAIRS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("state", [True, False])
@pytest.mark.parametrize("batch", [(3,), ()])
def test_cells_as_torch(torch, cell, bias, state, batch):
    """Three steps by hand; the gradients come back through all of them."""
    ours, theirs = (CELL_PAIRS[cell](n, bias=bias) for n in (nn, torch.nn))
    assert repr(ours) == repr(theirs)
    ours.load_state_dict(theirs.state_dict())
    x, h = floats(3, *batch, 5), floats(*batch, 6, seed=1)
    mine, other = loopnest.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    found = []
    for layer, steps, wrap in ((ours, mine, loopnest.tensor), (theirs, other, torch.tensor)):
        hx = None
        if state:
            hx = (wrap(h), wrap(h)) if cell == "lstm" else wrap(h)
        for t in range(3):
            hx = layer(steps[t], hx)
        found.append(hx[0] if cell == "lstm" else hx)
        (found[-1] * found[-1]).sum().backward()
    close(*found, 64)
    for a, b in zip([mine, *ours.parameters()], [other, *theirs.parameters()], strict=True):
        close(a.grad, b.grad, 1024)


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("lengths", [[5, 3, 3, 1], [2, 5, 1, 4]])
def test_packing_as_torch(torch, batch_first, lengths):
    ours, theirs = nn.utils.rnn, torch.nn.utils.rnn
    x = floats(*((4, 5, 3) if batch_first else (5, 4, 3)))
    mine, other = loopnest.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
    packed, expected = (
        u.pack_padded_sequence(a, lengths, batch_first, False) for u, a in ((ours, mine), (theirs, other))
    )
    for a, b in zip(packed, expected, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    back, tback = (
        u.pad_packed_sequence(p, batch_first, -2.0, 7) for u, p in ((ours, packed), (theirs, expected))
    )
    for a, b in zip(back, tback, strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    (back[0] * back[0]).sum().backward(), (tback[0] * tback[0]).sum().backward()
    np.testing.assert_array_equal(mine.grad.numpy(), other.grad.numpy())
    parts = [floats(length, 2, seed=k) for k, length in enumerate(lengths)]
    for side in ("right", "left"):
        a = ours.pad_sequence([loopnest.tensor(p) for p in parts], batch_first, 3.0, side)
        b = theirs.pad_sequence([torch.tensor(p) for p in parts], batch_first, 3.0, side)
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    a = ours.pack_sequence([loopnest.tensor(p) for p in parts], enforce_sorted=False)
    b = theirs.pack_sequence([torch.tensor(p) for p in parts], enforce_sorted=False)
    np.testing.assert_array_equal(a.data.numpy(), b.data.numpy())
    np.testing.assert_array_equal(a.unsorted_indices.numpy(), b.unsorted_indices.numpy())


@pytest.mark.parametrize("cell", [*CELLS, "lstm"])
@pytest.mark.parametrize("state", [True, False])
def test_packed_input_as_torch(torch, cell, state):
    make = {**CELLS, "lstm": lambda n, *sizes, **how: n.LSTM(*sizes, **how)}[cell]
    ours, theirs = (make(n, 3, 4, 2, bidirectional=True) for n in (nn, torch.nn))
    ours.load_state_dict(theirs.state_dict())
    x, h, lengths = floats(5, 4, 3), floats(4, 4, 4, seed=1), [2, 5, 1, 4]
    found = []
    for layer, wrap, utils in ((ours, loopnest.tensor, nn.utils), (theirs, torch.tensor, torch.nn.utils)):
        packed = utils.rnn.pack_padded_sequence(wrap(x), lengths, enforce_sorted=False)
        hx = (wrap(h), wrap(h)) if cell == "lstm" else wrap(h)
        y, last = layer(packed, hx if state else None)
        found.append((y.data, *(last if cell == "lstm" else (last,))))
        assert type(y).__name__ == "PackedSequence"
        sum((a * a).sum() for a in found[-1]).backward()
    for a, b in zip(*found, strict=True):
        close(a, b, 64)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        close(a.grad, b.grad, 1024)


@pytest.mark.parametrize("given", ["sorted", "unsorted", "both"])
def test_a_packed_sequence_with_one_of_its_orders_is_unsorted_all_the_same(torch, given):
    ours = nn.utils.rnn
    packed = ours.pack_padded_sequence(tensor(5, 4, 3), [2, 5, 1, 4], enforce_sorted=False)
    data, sizes, order, back = packed
    one = ours.PackedSequence(
        data, sizes, None if given == "unsorted" else order, None if given == "sorted" else back
    )
    assert type(one) is ours.PackedSequence
    for a, b in zip(one, packed, strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    a, b = ours.pad_packed_sequence(one)[0], ours.pad_packed_sequence(packed)[0]
    np.testing.assert_array_equal(a.numpy(), b.numpy())
    theirs = torch.nn.utils.rnn
    other = theirs.PackedSequence(*(torch.tensor(p.numpy()) for p in packed[:3]))
    np.testing.assert_array_equal(a.numpy(), theirs.pad_packed_sequence(other)[0].numpy())


@pytest.mark.parametrize("batch_first", [False, True])
def test_packed_sequences_of_equal_lengths_keep_their_order(torch, batch_first):
    """sorted_indices need not be those of a stable sort: the output's rows belong to the input's."""
    ours, theirs = (n.GRU(3, 4, batch_first=batch_first, bidirectional=True) for n in (nn, torch.nn))
    ours.load_state_dict(theirs.state_dict())
    data, sizes, order, h = floats(9, 3), np.array([4, 3, 2]), np.array([2, 3, 0, 1]), floats(2, 4, 4, seed=1)
    found = []
    for layer, wrap, utils in ((ours, loopnest.tensor, nn.utils), (theirs, torch.tensor, torch.nn.utils)):
        packed = utils.rnn.PackedSequence(wrap(data), wrap(sizes), wrap(order))
        y, last = layer(packed, wrap(h))
        found.append((y.data, last))
    for a, b in zip(*found, strict=True):
        close(a, b, 64)


def test_sequences_are_unpacked_as_by_torch(torch):
    parts = [floats(length, 2, seed=length) for length in (2, 5, 1, 5)]
    found = [
        utils.rnn.unpack_sequence(utils.rnn.pack_sequence([wrap(p) for p in parts], enforce_sorted=False))
        for wrap, utils in ((loopnest.tensor, nn.utils), (torch.tensor, torch.nn.utils))
    ]
    for part, a, b in zip(parts, *found, strict=True):
        np.testing.assert_array_equal(a.numpy(), part)
        np.testing.assert_array_equal(b.numpy(), part)


def test_a_packed_sequence_changes_its_dtype(torch):
    packed = nn.utils.rnn.pack_padded_sequence(tensor(5, 3, 2), [1, 4, 2], enforce_sorted=False)
    assert packed.cpu() is packed and packed.to("cpu") is packed and packed.float() is packed
    assert packed.is_cuda is False
    for wide in (packed.double(), packed.to(np.float64)):
        assert type(wide) is type(packed) and wide.data.dtype == np.float64
        assert all(a is b for a, b in zip(wide[1:], packed[1:], strict=True))


def test_packing_refuses():
    x = tensor(5, 3, 2)
    with pytest.raises(ValueError, match="enforce_sorted=False"):
        nn.utils.rnn.pack_padded_sequence(x, [1, 2, 3])
    with pytest.raises(ValueError, match="from 1 to the 5"):
        nn.utils.rnn.pack_padded_sequence(x, [5, 2, 0])
    for empty in ([], np.zeros(0, np.int64)):
        with pytest.raises(ValueError, match="at least one sequence, got none"):
            nn.utils.rnn.pack_padded_sequence(tensor(5, 0, 2), empty)
        with pytest.raises(ValueError, match="each of 3 sequences, got none"):
            nn.utils.rnn.pack_padded_sequence(x, empty)
    with pytest.raises(ValueError, match="at least one sequence"):
        nn.utils.rnn.pack_sequence([])
    packed = nn.utils.rnn.pack_padded_sequence(x, [4, 2, 1])
    for layer in (nn.LSTM(2, 4), nn.GRU(2, 4)):
        with pytest.raises(ValueError, match="no lengths with a PackedSequence"):
            layer(packed, lengths=[4, 2, 1])
    with pytest.raises(ValueError, match="total_length"):
        nn.utils.rnn.pad_packed_sequence(nn.utils.rnn.pack_padded_sequence(x, [4, 2, 1]), total_length=3)


MAKE = {
    "gru": lambda: nn.GRU(3, 4, 2, bidirectional=True, dtype=np.float64),
    "gru before": lambda: nn.GRU(3, 4, 2, bidirectional=True, reset="before", dtype=np.float64),
    "tanh": lambda: nn.RNN(3, 4, 2, bidirectional=True, dtype=np.float64),
    "relu": lambda: nn.RNN(3, 4, 2, "relu", bidirectional=True, dtype=np.float64),
    "lstm": lambda: nn.LSTM(3, 4, 2, bidirectional=True, dtype=np.float64),
}


@pytest.mark.parametrize("lengths", [None, [3, 0, 5]])
@pytest.mark.parametrize("name", MAKE)
def test_gradients_by_differences(name, lengths):
    """dL/d of everything along a random direction, against a central difference in float64."""
    layer = MAKE[name]()
    x, h = (
        tensor(*size, seed=k, dtype=np.float64, requires_grad=True)
        for k, size in enumerate([(5, 3, 3), (4, 3, 4)])
    )
    weights = loopnest.tensor(floats(5, 3, 8, seed=5, dtype=np.float64))

    def loss():
        if name == "lstm":
            y, (last, c) = layer(x, (h, h * 0.5), lengths=lengths)
            return (y * weights).sum() + (last * last).sum() + (c * c).sum()
        y, last = layer(x, h, lengths=lengths)
        return (y * weights).sum() + (last * last).sum()

    loss().backward()
    leaves = [x, h, *layer.parameters()]
    directions = [floats(*leaf.shape, seed=10 + k, dtype=np.float64) for k, leaf in enumerate(leaves)]
    slope = sum(float((leaf.grad.numpy() * d).sum()) for leaf, d in zip(leaves, directions, strict=True))
    step, values = 1e-6, []
    for sign in (1, -1):
        with loopnest.no_grad():
            for leaf, d in zip(leaves, directions, strict=True):
                leaf.add_(loopnest.tensor(sign * step * d))
            values.append(float(loss()))
            for leaf, d in zip(leaves, directions, strict=True):
                leaf.sub_(loopnest.tensor(sign * step * d))
    assert abs((values[0] - values[1]) / (2 * step) - slope) <= 1e-6 * max(1.0, abs(slope))


@pytest.mark.parametrize("layer", [nn.GRU(4, 5), nn.GRU(4, 5, reset="before"), nn.RNN(4, 5)], ids=repr)
def test_carries_its_state(layer):
    x = tensor(9, 2, 4)
    whole, h = layer(x)
    first, state = layer(x[:4])
    second, h2 = layer(x[4:], state)
    joined = np.concatenate([first.detach().numpy(), second.detach().numpy()])
    np.testing.assert_array_equal(joined, whole.detach().numpy())
    np.testing.assert_array_equal(h2.detach().numpy(), h.detach().numpy())


def test_only_what_is_wanted():
    """Frozen weights get no gradient; the input of a layer that nobody differentiates costs none."""
    gru = nn.GRU(3, 4)
    gru.weight_hh_l0.requires_grad_(False)
    gru.bias_ih_l0.requires_grad_(False)
    gru(tensor(5, 2, 3))[0].sum().backward()
    assert gru.weight_hh_l0.grad is None and gru.bias_ih_l0.grad is None
    assert gru.bias_hh_l0.grad is not None and gru.weight_ih_l0.grad is not None


@pytest.mark.parametrize("cell", [*CELLS, "lstm", "projected"])
def test_a_weight_may_be_computed_from_another(torch, cell):
    """Weight drop (Merity and others 2018): the parameter goes, a Tensor of its name comes."""
    make = {
        **CELLS,
        "lstm": lambda n, *sizes: n.LSTM(*sizes),
        "projected": lambda n, *sizes: n.LSTM(*sizes, proj_size=2),
    }[cell]
    ours, theirs = make(nn, 3, 4), make(torch.nn, 3, 4)
    ours.load_state_dict(theirs.state_dict())
    found = []
    for layer, x in ((ours, tensor(5, 2, 3)), (theirs, torch.tensor(floats(5, 2, 3)))):
        raw = layer.weight_hh_l0
        del layer._parameters["weight_hh_l0"]
        layer.weight_hh_l0 = raw * 0.5
        y = layer(x)[0]
        (y * y).sum().backward()
        found.append((y, raw.grad, layer.weight_ih_l0.grad))
    assert ours.all_weights[0][1] is ours.weight_hh_l0
    for a, b in zip(*found, strict=True):
        close(a, b, 1024)


def test_dropout_stands_between_layers():
    gru = nn.GRU(4, 64, 2, dropout=0.5)
    x = tensor(3, 2, 4)
    assert not np.array_equal(gru(x)[0].detach().numpy(), gru(x)[0].detach().numpy())
    gru.eval()
    np.testing.assert_array_equal(gru(x)[0].detach().numpy(), gru(x)[0].detach().numpy())
    with pytest.warns(UserWarning, match="between layers"):
        nn.RNN(4, 4, dropout=0.5)


def test_a_changed_output_is_noticed():
    y, _ = nn.GRU(3, 4)(tensor(5, 2, 3))
    with loopnest.no_grad():
        y.mul_(2.0)
    with pytest.raises(RuntimeError, match="inplace"):
        y.sum().backward()


BAD = {
    "cell width": (ValueError, r"\(N, 3\)", lambda: nn.GRUCell(3, 4)(tensor(2, 5))),
    "cell rank": (ValueError, r"\(N, 3\)", lambda: nn.RNNCell(3, 4)(tensor(1, 2, 3))),
    "cell state": (ValueError, r"\(2, 4\)", lambda: nn.GRUCell(3, 4)(tensor(2, 3), tensor(3, 4))),
    "cell pair": (ValueError, "pair", lambda: nn.LSTMCell(3, 4)(tensor(2, 3), tensor(2, 4))),
    "cell c": (TypeError, "None", lambda: nn.LSTMCell(3, 4)(tensor(2, 3), (tensor(2, 4), None))),
    "cell hidden": (ValueError, "hidden_size", lambda: nn.LSTMCell(3, 0)),
    "gru hidden 0": (ValueError, "hidden_size", lambda: nn.GRU(3, 0)),
    "gru reset": (ValueError, "reset", lambda: nn.GRU(3, 4, reset="never")),
    "gru layers": (ValueError, "num_layers", lambda: nn.GRU(3, 4, 0)),
    "gru dropout": (ValueError, "probability", lambda: nn.GRU(3, 4, 2, dropout=1.5)),
    "gru proj": (TypeError, "proj_size", lambda: nn.GRU(3, 4, proj_size=2)),
    "rnn nonlinearity": (ValueError, "nonlinearity", lambda: nn.RNN(3, 4, nonlinearity="sigmoid")),
    "rnn bias": (TypeError, "bias", lambda: nn.RNN(3, 4, 1, "tanh", 0)),
    "width": (ValueError, "input_size = 3", lambda: nn.GRU(3, 4)(tensor(5, 2, 7))),
    "rank": (ValueError, "axes", lambda: nn.RNN(3, 4)(tensor(3))),
    "None": (TypeError, "input", lambda: nn.GRU(3, 4)(None)),
    "pair": (TypeError, "h_0", lambda: nn.GRU(3, 4)(tensor(5, 2, 3), (tensor(1, 2, 4),) * 2)),
    "h_0": (ValueError, r"\(1, 2, 4\)", lambda: nn.GRU(3, 4)(tensor(5, 2, 3), tensor(1, 3, 4))),
    "h_0 of one": (ValueError, r"\(1, 4\)", lambda: nn.GRU(3, 4)(tensor(5, 3), tensor(1, 1, 4))),
    "dtype": (TypeError, "float64", lambda: nn.RNN(3, 4)(tensor(5, 2, 3, dtype=np.float64))),
    "no steps": (ValueError, "steps", lambda: nn.RNN(3, 4)(tensor(0, 2, 3))),
    "lengths lstm": (ValueError, "0 to the 5", lambda: nn.LSTM(3, 4)(tensor(5, 2, 3), lengths=[1, 6])),
    "lengths count": (ValueError, r"\(2,\)", lambda: nn.GRU(3, 4)(tensor(5, 2, 3), lengths=[1, 2, 3])),
    "lengths long": (ValueError, "0 to the 5", lambda: nn.GRU(3, 4)(tensor(5, 2, 3), lengths=[1, 6])),
    "lengths below": (ValueError, "0 to the 5", lambda: nn.RNN(3, 4)(tensor(5, 2, 3), lengths=[-1, 5])),
    "lengths float": (TypeError, "integers", lambda: nn.RNN(3, 4)(tensor(5, 2, 3), lengths=[1.0, 5.0])),
    "lengths of one": (ValueError, "3 axes", lambda: nn.RNN(3, 4)(tensor(5, 3), lengths=[1])),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    error, text, call = BAD[name]
    with pytest.raises(error, match=text):
        call()
