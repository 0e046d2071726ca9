"""Winograd's convolutions beyond what every rung is asked: their error, when they are chosen, the setting."""

import numpy as np
import pytest

import loopnest
from loopnest import ladder, ops, reference
from loopnest.reference import bound
from loopnest.reference.winograd import (
    MATRICES,
    conv1d_backward_weight_winograd,
    conv1d_winograd,
    conv2d_backward_weight_winograd,
    conv2d_winograd,
)

LAYER = "n1 ic64 ih56 iw56 oc64 kh3 kw3 p1"


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize(("padding", "groups"), [(0, 1), (1, 2), (((2, 0), (3, 1)), 1)])
def test_the_formula_is_a_convolution(tile, padding, groups):
    rng = np.random.default_rng(tile)
    x, w = rng.normal(size=(2, 6, 7, 9)), rng.normal(size=(4, 6 // groups, 3, 3))
    expected = reference.conv2d(x, w, padding=padding, groups=groups)
    np.testing.assert_allclose(conv2d_winograd(tile, x, w, padding, groups), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize(("padding", "groups"), [(0, 1), (1, 2), (((2, 0), (3, 1)), 1)])
def test_the_transposed_formula_is_the_gradient_of_the_weights(tile, padding, groups):
    rng = np.random.default_rng(tile)
    x, w = rng.normal(size=(2, 6, 7, 9)), (4, 6 // groups, 3, 3)
    dy = rng.normal(size=reference.conv2d(x, np.zeros(w), padding=padding, groups=groups).shape)
    expected = reference.conv2d_backward_weight(x, w, dy, padding=padding, groups=groups)[0]
    found = conv2d_backward_weight_winograd(tile, x, dy, padding, groups)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_the_matrices_of_the_paper():
    """Lavin and Gray's F(2x2, 3x3), up to the sign of its last point."""
    a_t, g, b_t = MATRICES[2]
    assert a_t.tolist() == [[1, 1, 1, 0], [0, 1, -1, 1]]
    assert (np.abs(g) == [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0, 0, 1]]).all()
    assert (np.abs(b_t) == [[1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 0, 1]]).all()


@pytest.mark.parametrize(("rung", "stated"), [("winograd2", 2e-6), ("winograd4", 4e-6)])
def test_error_as_stated(rung, stated):
    """What the README of conv2d states for 64 to 256 input channels, of the largest output."""
    for shape in ("n1 ic64 ih20 iw20 oc16 kh3 kw3 p1", "n1 ic256 ih14 iw14 oc32 kh3 kw3 p1"):
        args, options = ladder.inputs("conv2d", ladder.parse("conv2d", shape), seed=3)
        y = ops.conv2d(*args, **options, rung=rung)
        exact = reference.conv2d(*args, **options)
        error = np.abs(y - exact).max() / np.abs(exact).max()
        assert 0 < error < stated
        tile, (x, w, b) = int(rung[-1]), args
        assert (np.abs(y - exact) <= bound.winograd_bound(tile, x, w, b, options["padding"])).all()


def test_precision_setting():
    assert loopnest.get_precision() == "fast"

    def picked() -> tuple[str, dict[str, str | None]]:
        found = ladder.explain("conv2d", LAYER)
        return found["rung"], {step["rung"]: step["reason"] for step in found["walk"]}

    assert picked()[0] == "winograd4"
    with loopnest.precision("high"):
        rung, walk = picked()
        assert rung == "winograd2"
        assert '"high"' in walk["winograd4"]
        with loopnest.precision("exact"):
            rung, walk = picked()
            assert not rung.startswith("winograd")
            assert '"exact"' in walk["winograd4"] and '"exact"' in walk["winograd2"]
        assert loopnest.get_precision() == "high"
    assert loopnest.get_precision() == "fast"
    with loopnest.precision("exact"):  # by name it always runs
        assert ladder.explain("conv2d", LAYER, rung="winograd4")["rung"] == "winograd4"
    with pytest.raises(ValueError, match='expected "fast", "high" or "exact", got "double"'):
        loopnest.set_precision("double")
    with pytest.raises(TypeError, match="got int"):
        loopnest.set_precision(3)
    with pytest.raises(KeyError), loopnest.precision("exact"):
        raise KeyError
    assert loopnest.get_precision() == "fast"


def test_exact_keeps_infinities_to_the_outputs_that_read_them():
    rng = np.random.default_rng(0)
    x, w = (
        rng.normal(size=(1, 64, 16, 16)).astype(np.float32),
        rng.normal(size=(64, 64, 3, 3)).astype(np.float32),
    )
    x[0, 0, 5, 6] = np.inf
    with loopnest.precision("exact"):
        y = ops.conv2d(x, w, padding=1)
    bad = ~np.isfinite(y[0]).all(axis=0)
    assert bad.sum() == 9 and bad[4:7, 5:8].all()


@pytest.mark.parametrize(
    "shape",
    [
        "n1 ic3 ih224 iw224 oc64 kh3 kw3 p1",  # too few input channels
        "n1 ic64 ih1 iw1 oc64 kh3 kw3 p1",  # one output
        "n4 ic1 ih28 iw28 oc16 kh3 kw3 p1",
        "n1 ic64 ih56 iw56 oc64 kh3 kw3 s2 p1",
        "n1 ic64 ih56 iw56 oc64 kh3 kw3 p2 d2",
        "n1 ic64 ih56 iw56 oc64 kh3 kw3 p1 g64",
    ],
)
def test_not_chosen_where_it_does_not_pay(shape):
    assert not ladder.explain("conv2d", shape)["rung"].startswith("winograd")


def test_a_column_outside_the_image():
    """More padding than a tile: nothing of the image in the first and last ones."""
    rng = np.random.default_rng(1)
    x, w = rng.integers(-3, 4, (1, 5, 3, 2)), rng.integers(-3, 4, (7, 5, 3, 3))
    x, w = x.astype(np.float32), w.astype(np.float32)
    how = {"padding": (5, 6)}
    assert (ops.conv2d(x, w, **how, rung="winograd2") == reference.conv2d(x, w, **how)).all()


@pytest.mark.parametrize("rung", ["winograd2", "winograd4"])
def test_weights_that_are_transformed_on_the_way(rung):
    """More than 20 MB of them for F(4x4, 3x3); members share panels: right, and the same for any team."""
    args, options = ladder.inputs("conv2d", ladder.parse("conv2d", "n2 ic520 ih5 iw9 oc528 kh3 kw3 p1"))
    y = ops.conv2d(*args, **options, rung=rung, threads=1)
    x, w, b = args
    limit = bound.winograd_bound(int(rung[-1]), x, w, b, options["padding"])
    assert (np.abs(y - reference.conv2d(*args, **options)) <= limit).all()
    for threads in (2, 3):
        assert ops.conv2d(*args, **options, rung=rung, threads=threads).tobytes() == y.tobytes()


@pytest.mark.parametrize("rung", ["winograd2", "winograd4"])
@pytest.mark.parametrize(
    "shape",
    [
        "n1 ic64 ih80 iw86 oc64 kh3 kw3 p1 g4",  # 16 channels; y goes past the caches
        "n3 ic36 ih19 iw30 oc72 kh3 kw3 p1 g9",  # 4 and 8; bands, images that begin within a chunk of tiles
    ],
)
def test_groups_of_one_vector(rung, shape):
    """Within the bound, the same bits for any team, and no group meets another's infinity."""
    args, options = ladder.inputs("conv2d", ladder.parse("conv2d", shape))
    x, w, b = args
    y = ops.conv2d(*args, **options, rung=rung, threads=1)
    limit = bound.winograd_bound(int(rung[-1]), x, w, b, options["padding"], options["groups"])
    assert (np.abs(y - reference.conv2d(*args, **options)) <= limit).all()
    for threads in (2, 3):
        assert ops.conv2d(*args, **options, rung=rung, threads=threads).tobytes() == y.tobytes()
    x[:, 0] = np.inf
    first = y.shape[1] // options["groups"]
    found = ops.conv2d(*args, **options, rung=rung)
    assert found[:, first:].tobytes() == y[:, first:].tobytes()
    assert not np.isfinite(found[:, :first]).any()


def test_input_gradient_is_chosen_too():
    assert ladder.explain("conv2d_backward_input", LAYER)["rung"] == "winograd4"
    with loopnest.precision("exact"):
        assert not ladder.explain("conv2d_backward_input", LAYER)["rung"].startswith("winograd")


def test_weight_gradient_is_chosen_too():
    assert ladder.explain("conv2d_backward_weight", LAYER)["rung"] == "winograd4"
    with loopnest.precision("high"):
        assert ladder.explain("conv2d_backward_weight", LAYER)["rung"] == "winograd2"
        with loopnest.precision("exact"):
            assert not ladder.explain("conv2d_backward_weight", LAYER)["rung"].startswith("winograd")
    for shape in ("n64 ic3 ih32 iw32 oc16 kh3 kw3 p1", "n1 ic64 ih56 iw56 oc64 kh3 kw3 p1 g64"):
        assert not ladder.explain("conv2d_backward_weight", shape)["rung"].startswith("winograd")


@pytest.mark.parametrize("rung", ["winograd2", "winograd4"])
@pytest.mark.parametrize(
    "shape",
    [
        "n3 ic19 ih34 iw29 oc21 kh3 kw3 p1",  # tiles in parts and blocks, ragged channels
        "n1 ic150 ih9 iw8 oc70 kh3 kw3 p0",  # channels in chunks
        "n2 ic96 ih40 iw41 oc96 kh3 kw3 p1 g2",
    ],
)
def test_weight_gradient_of_many_tiles_and_channels(rung, shape):
    """Within the bound, and the same bits for any team."""
    args, options = ladder.inputs("conv2d_backward_weight", ladder.parse("conv2d_backward_weight", shape))
    dw, db = ops.conv2d_backward_weight(*args, **options, rung=rung, threads=1)
    x, size, dy = args[:3]
    exact = reference.conv2d_backward_weight(x, size, dy, **options)
    limit = bound.winograd_backward_weight_bound(
        int(rung[-1]), x, dy, options["padding"], options.get("groups", 1)
    )
    assert (np.abs(dw - exact[0]) <= limit).all()
    assert np.abs(dw - exact[0]).max() < 4e-6 * np.abs(exact[0]).max()
    np.testing.assert_allclose(db, exact[1], rtol=1e-4, atol=1e-4)
    for threads in (2, 3):
        assert (
            ops.conv2d_backward_weight(*args, **options, rung=rung, threads=threads)[0].tobytes()
            == dw.tobytes()
        )


@pytest.mark.parametrize("tile", [2, 4])
@pytest.mark.parametrize(
    ("length", "pads", "dilation", "groups"),
    [(9, (1, 1), 1, 1), (23, (4, 0), 2, 2), (17, (3, 3), 3, 1), (2, (5, 5), 1, 3)],
)
def test_the_formula_along_one_axis(tile, length, pads, dilation, groups):
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(2, 6, 1, length)), rng.normal(size=(6, 6 // groups, 1, 3))
    how = {"padding": ((0, 0), pads), "dilation": (1, dilation), "groups": groups}
    expected = reference.conv2d(x, w, **how)[:, :, 0]
    where = (pads[0], dilation, groups)
    found = conv1d_winograd(tile, x[:, :, 0], w[:, :, 0], expected.shape[2], *where)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    dy = rng.normal(size=expected.shape)
    expected = reference.conv2d_backward_weight(x, w.shape, dy[:, :, None], **how)[0][:, :, 0]
    found = conv1d_backward_weight_winograd(tile, x[:, :, 0], dy, *where)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("op", ["conv1d", "conv1d_backward_input", "conv1d_backward_weight"])
@pytest.mark.parametrize(
    "shape",
    [
        "n3 ic70 il90 oc150 kl3 p4 q0 d2",  # phases; panels of 3 and 2 vectors
        "n2 ic176 il130 oc17 kl3 p1",  # chunks of channels, tiles in parts
        "n1 ic944 il9 oc930 kl3 p1",  # weights that are transformed on the way
    ],
)
def test_sequences_by_tiles(op, shape):
    """Within the bound of one axis, and the same bits for any team."""
    args, options = ladder.inputs(op, ladder.parse(op, shape))
    s = ladder.parse(op, shape)
    where = (s.pads[0][0], s.dilation[0])
    how = (s.stride, s.pads, s.dilation, s.g)
    call = getattr(ops, op)
    found = call(*args, **options, rung="winograd4", threads=1)
    if op == "conv1d":
        x, w, b = args
        exact = reference.conv3d(x, w, b, *how)
        limit = bound.line_bound(4, x, w, b, s.out[0], *where)
    elif op == "conv1d_backward_input":
        size, w, dy = args[:3]
        exact = reference.conv3d_backward_input(size, w, dy, *how)
        turned, before = w.swapaxes(0, 1)[..., ::-1], 2 * s.dilation[0] - s.pads[0][0]
        limit = bound.line_bound(4, dy, turned, None, s.size[0], before, s.dilation[0])
    else:
        x, size, dy = args[:3]
        exact, exact_db = reference.conv3d_backward_weight(x, size, dy, *how)
        limit = bound.line_backward_weight_bound(4, x, dy, *where)
        np.testing.assert_allclose(found[1], exact_db, rtol=1e-4, atol=1e-4)
        found = found[0]
    assert (np.abs(found - exact) <= limit).all()
    assert np.abs(found - exact).max() < 3e-6 * np.abs(exact).max()
    for threads in (2, 3):
        again = call(*args, **options, rung="winograd4", threads=threads)
        assert (again if isinstance(again, np.ndarray) else again[0]).tobytes() == found.tobytes()


def test_sequences_are_chosen_too():
    for op in ("conv1d", "conv1d_backward_input", "conv1d_backward_weight"):
        shape = "n16 ic450 il400 oc450 kl3 p2 q0"
        assert ladder.explain(op, shape)["rung"] == "winograd4"
        with loopnest.precision("high"):
            assert ladder.explain(op, shape)["rung"] != "winograd4"
        assert ladder.explain(op, "n1 ic1 il400 oc16 kl3 p1")["rung"] != "winograd4"
