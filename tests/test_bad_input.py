"""What is not meant is refused: ValueError, TypeError, IndexError or MemoryError with the numbers in it.

And what is unusual but meant (strides, alignment, read-only, zero batch, NumPy integers) gives the same bits.
"""

import numpy as np
import pytest

from loopnest import ops


def f(*shape, dtype="f"):
    return (np.arange(np.prod(shape, dtype=int)) % 7 - 3).astype(dtype).reshape(shape)


X, W = f(2, 4, 8, 8), f(6, 4, 3, 3)
T, WI, WH = f(3, 2, 5), f(16, 5), f(16, 4)

CONV2D = [
    *[({"stride": s}, ValueError, "stride") for s in (0, -1, (1, 0), (1, 1, 1), 2**64)],
    *[({"stride": s}, TypeError, "stride") for s in (1.5, "1", None, float("nan"), {1: 1}, True)],
    *[({"dilation": d}, ValueError, "dilation") for d in (0, -2, 2**31, 2**62, 2**63 - 1, 2**64)],
    *[({"groups": g}, ValueError, "groups") for g in (0, -1, 3, 5)],
    *[({"padding": p}, ValueError, "padding|output") for p in (-1, "sane", 2**62, 2**63 - 1)],
    ({"padding": "same", "stride": 2}, ValueError, "same"),
    ({"padding": 2**22}, MemoryError, "2\\*\\*44|memory"),
    ({"input": f(2, 5, 8, 8)}, ValueError, r"input \(2, 5, 8, 8\), weight \(6, 4, 3, 3\)"),
    *[({"input": f(*[2] * r)}, ValueError, "4 axes") for r in (0, 1, 2, 3, 5, 6)],
    ({"weight": f(6, 4)}, ValueError, "4 axes"),
    ({"weight": f(6, 4, 3, 3, 1)}, ValueError, "4 axes"),
    *[({"bias": f(n)}, ValueError, r"\(6,\)") for n in (5, 7, 0)],
    ({"bias": f(6, 1)}, ValueError, r"\(6,\)"),
    ({"weight": f(6, 4, 9, 3)}, ValueError, "height"),
    ({"weight": f(6, 4, 3, 9)}, ValueError, "width"),
    ({"weight": f(6, 4, 0, 3)}, ValueError, "empty"),
    ({"weight": f(6, 0, 3, 3)}, ValueError, "empty"),
    ({"input": f(2, 4, 0, 8)}, ValueError, "height"),
    *[
        ({"input": X.astype(d)}, TypeError, "float32")
        for d in ("i4", "i8", "?", "c8", "f2", ">f4", "O", "U4")
    ],
    ({"weight": W.astype("f8")}, TypeError, "float64"),
    *[({"input": v}, TypeError, "NumPy array") for v in (None, b"x", 1.0, float, [[1.0]])],
    ({"rung": "fastest"}, ValueError, "there is no rung"),
    ({"isa": "mmx"}, ValueError, "isa"),
    ({"threads": -1}, ValueError, "threads"),
    ({"threads": 1000}, ValueError, "threads"),
]


@pytest.mark.parametrize(("change", "error", "text"), CONV2D)
def test_conv2d(change, error, text):
    with pytest.raises(error, match=text):
        ops.conv2d(**{"input": X, "weight": W, "padding": 0, **change})


def test_a_huge_stride_is_one_output():
    for stride in (2**31, 2**40, 2**62):
        assert ops.conv2d(X, W, stride=stride).shape == (2, 6, 1, 1)


BACKWARD = [f(2, 6, 5, 6), f(1, 6, 6, 6), f(2, 5, 6, 6), f(2, 6, 6), f(0, 6, 6, 6)]


@pytest.mark.parametrize("gradient", BACKWARD, ids=lambda g: str(g.shape))
def test_conv2d_backward_refuses_other_gradients(gradient):
    with pytest.raises(ValueError, match="grad_output"):
        ops.conv2d_backward_input(X.shape, W, gradient)
    with pytest.raises(ValueError, match="grad_output"):
        ops.conv2d_backward_weight(X, W.shape, gradient)
    with pytest.raises(TypeError, match="grad_output"):
        ops.conv2d_backward_input(X.shape, W, f(2, 6, 6, 6).astype(int))
    with pytest.raises(TypeError, match="grad_output"):
        ops.conv2d_backward_weight(X, W.shape, None)


POOL = [
    *[({"kernel_size": k}, ValueError, "kernel") for k in (0, -1, 2**31, 2**62, 9, (2, 9))],
    *[({"stride": s}, ValueError, "stride") for s in (0, -1)],
    *[({"padding": p}, ValueError, "padding") for p in (-1, 2, 2**40)],
    ({"kernel_size": 2.0}, TypeError, "kernel_size"),
    ({"ceil_mode": 1}, TypeError, "ceil_mode"),
    ({"input": f(4, 8, 8)}, ValueError, "4 axes"),
    ({"input": X.astype("i4")}, TypeError, "float32"),
    ({"input": f(2, 0, 8, 8)}, ValueError, "axis"),
]


@pytest.mark.parametrize(("change", "error", "text"), POOL)
@pytest.mark.parametrize("op", [ops.max_pool2d, ops.avg_pool2d])
def test_pools(op, change, error, text):
    with pytest.raises(error, match=text):
        op(**{"input": X, "kernel_size": 3, **change})


def test_pool_extras():
    for dilation in (0, -1):
        with pytest.raises(ValueError, match="dilation"):
            ops.max_pool2d(X, 2, dilation=dilation)
    with pytest.raises(ValueError, match="divisor_override"):
        ops.avg_pool2d(X, 2, divisor_override=0)
    y, indices = ops.max_pool2d(X, 2)
    with pytest.raises(TypeError, match="indices"):
        ops.max_pool2d_backward(y, indices.astype("f"), X.shape, 2)
    # An index that no forward pass wrote is outside the plane: it must not be written through.
    ops.max_pool2d_backward(y, np.full_like(indices, 2**40), X.shape, 2)
    ops.max_pool2d_backward(y, np.full_like(indices, -5), X.shape, 2)


LSTM = [
    ({"input": f(3, 5)}, ValueError, "3 axes"),
    ({"input": f(0, 2, 5)}, ValueError, "steps of input of at least 1, got 0"),
    ({"input": f(3, 2, 6)}, ValueError, r"weight_ih of shape \(16, 6\)"),
    ({"weight_ih": f(15, 5)}, ValueError, "weight_ih"),
    ({"weight_ih": f(1, 5)}, ValueError, "weight_ih"),
    ({"weight_hh": f(16, 5)}, ValueError, "weight_ih|weight_hh"),
    ({"weight_hh": f(16, 0)}, ValueError, "hidden_size"),
    ({"bias_ih": f(16)}, ValueError, "both"),
    ({"bias_ih": f(16), "bias_hh": f(4)}, ValueError, "bias_hh"),
    ({"h_0": f(2, 4)}, ValueError, "both"),
    ({"h_0": f(2, 4), "c_0": f(3, 4)}, ValueError, "c_0"),
    ({"h_0": f(1, 4), "c_0": f(1, 4)}, ValueError, "h_0"),
    ({"weight_hh": WH.astype("f8")}, TypeError, "weight_hh"),
    ({"input": T.astype("i8")}, TypeError, "float32"),
]


@pytest.mark.parametrize(("change", "error", "text"), LSTM)
def test_lstm(change, error, text):
    with pytest.raises(error, match=text):
        ops.lstm(**{"input": T, "weight_ih": WI, "weight_hh": WH, **change})


@pytest.mark.parametrize("index", [5, -1, -6, 2**31, 2**40])
def test_indices_out_of_range(index):
    with pytest.raises(IndexError, match=str(index)):
        ops.embedding(np.array([0, index]), f(5, 2))
    with pytest.raises(IndexError, match=str(index)):
        ops.cross_entropy(f(2, 5), np.array([0, index]))


def test_embedding_and_cross_entropy_types():
    with pytest.raises(TypeError, match="int64"):
        ops.embedding(np.array([0.0, 1.0]), f(5, 2))
    with pytest.raises(ValueError, match="padding_idx"):
        ops.embedding(np.array([0]), f(5, 2), padding_idx=5)
    with pytest.raises(TypeError, match="int64"):
        ops.cross_entropy(f(2, 5), np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="target"):
        ops.cross_entropy(f(2, 5), np.array([0, 1, 2]))
    with pytest.raises(ValueError, match="label_smoothing"):
        ops.cross_entropy(f(2, 5), np.array([0, 1]), label_smoothing=1.5)


def test_gemm_and_linear():
    with pytest.raises(ValueError, match="3 columns, other has 4 rows"):
        ops.gemm(f(2, 3), f(4, 5))
    with pytest.raises(ValueError, match="3 features, weight has 4"):
        ops.linear(f(2, 3), f(5, 4))
    with pytest.raises(ValueError, match="bias"):
        ops.linear(f(2, 3), f(5, 3), f(4))


# ---- unusual, but meant ----


def views(x):
    """The same numbers as x, lying differently in memory."""
    yield "fortran", np.asfortranarray(x)
    yield "channels-last", np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    yield "every second", np.repeat(x, 2, axis=3)[..., ::2]
    yield "backwards", x[:, ::-1, ::-1, ::-1].copy()[:, ::-1, ::-1, ::-1]
    odd = np.frombuffer(b"\0" + x.tobytes(), dtype="u1")[1:].view(x.dtype).reshape(x.shape)
    assert odd.ctypes.data % x.itemsize
    yield "odd address, read-only", odd


@pytest.mark.parametrize("index", range(5))
def test_strides_and_alignment_do_not_matter(index):
    x, w = np.random.default_rng(0).standard_normal((2, 6, 9, 10)).astype("f"), f(8, 3, 3, 3)
    name, view = list(views(x))[index]
    _, weight = list(views(w))[index]
    for rung in ("naive", "tile", "im2col", "pack"):  # on one rung: strides may make the chooser take another
        expected = ops.conv2d(x, w, padding=1, groups=2, rung=rung)
        for a, b in ((view, w), (x, weight)):
            y = ops.conv2d(a, b, padding=1, groups=2, rung=rung)
            np.testing.assert_array_equal(y, expected, err_msg=f"{rung}, {name}")
    np.testing.assert_array_equal(ops.max_pool2d(view, 2)[0], ops.max_pool2d(x, 2)[0], err_msg=name)
    np.testing.assert_array_equal(ops.tanh(view), ops.tanh(x), err_msg=name)


def test_numpy_integers_are_integers():
    np.testing.assert_array_equal(
        ops.conv2d(X, W, stride=np.int32(2), padding=(np.uint8(1), 1)), ops.conv2d(X, W, stride=2, padding=1)
    )


def test_zero_batch():
    empty = f(0, 4, 8, 8)
    assert ops.conv2d(empty, W).shape == (0, 6, 6, 6)
    dw, db = ops.conv2d_backward_weight(empty, W.shape, f(0, 6, 6, 6))
    assert not dw.any() and not db.any()
    assert ops.conv2d_backward_input(empty.shape, W, f(0, 6, 6, 6)).shape == empty.shape
    assert ops.max_pool2d(empty, 2)[0].shape == (0, 4, 4, 4)
    assert ops.linear(f(0, 3), f(5, 3)).shape == (0, 5)
    assert ops.relu(f(0)).shape == (0,)
    y, h, c = ops.lstm(f(3, 0, 5), WI, WH)
    assert y.shape == (3, 0, 4) and h.shape == c.shape == (0, 4)
    assert ops.embedding(np.zeros(0, int), f(5, 2)).shape == (0, 2)
