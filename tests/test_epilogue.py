"""The epilogue: activation and residual on every rung that has one, against the reference."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from loopnest import _core, ladder, ops, reference, shapes
from loopnest.reference import bound
from loopnest.reference.epilogue import ACTIVATIONS

SHAPES = {
    "conv2d": [
        "n2 ic3 ih7 iw9 oc20 kh3 kw3 p1",
        "n1 ic70 ih5 iw15 oc33 kh3 kw3 p1 s2",
        "n3 ic16 ih4 iw3 oc48 kh1 kw1",
        "n20 ic8 ih3 iw3 oc16 kh3 kw3 p1",
        "n2 ic33 ih6 iw11 oc33 kh3 kw3 p1 g33",
        "n1 ic300 ih3 iw4 oc17 kh3 kw3 p1",
        "n1 ic12 ih6 iw6 oc8 kh3 kw2 p1 g4",
        "n2 ic600 ih4 iw3 oc72 kh1 kw1",
    ],
    "gemm": ["m5 n7 k9", "m33 n70 k700", "m3 n530 k1100", "m1 n64 k64", "m0 n4 k3"],
}
EVERY = [
    pytest.param(op, rung.name, isa, id=f"{op}-{rung.name}-{isa}")
    for op in SHAPES
    for rung in ladder.ladder(op)
    for isa in rung.isas
]


@cache
def asked(op, text, dtype):
    """Arguments and options, the plain result in float64, the bound of the plain sums and Winograd's."""
    args, options = ladder.inputs(op, shapes.parse(op, text), dtype)
    if op == "gemm":
        args = (*args, np.linspace(-1, 1, args[1].shape[1]).astype(dtype))
    plain = getattr(reference, op)(*args, **options)
    limit = getattr(bound, f"{op}_bound")(*args, **options, dtype=np.dtype(dtype))
    tiles = {}
    if op == "conv2d" and args[1].shape[2:] == (3, 3):
        how = options["padding"], options["groups"], np.dtype(dtype)
        tiles = {f"winograd{m}": bound.winograd_bound(m, *args, *how) for m in (2, 4)}
    return args, options, plain, limit, tiles


def call(op, text, dtype="float32", **choice):
    """(call, plain result in float64, bound of the plain sums, the residual that the choice asks for)."""
    args, options, plain, limit, tiles = asked(op, text, dtype)
    limit = tiles.get(choice["rung"], limit) if "rung" in choice else limit
    residual = None
    if choice.pop("residual"):
        residual = np.random.default_rng(5).standard_normal(plain.shape).astype(dtype)
        if op == "conv2d":
            residual = np.ascontiguousarray(residual.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    return ops.call(op, *args, **options, residual=residual, **choice), plain, limit, residual


@pytest.mark.parametrize(("op", "rung", "isa"), EVERY)
def test_epilogue(op, rung, isa):
    """Within the bound of the sums, times the activation's slope (SiLU: up to 1.1), plus rounding."""
    done, reason = 0, ""
    for i, text in enumerate(SHAPES[op]):
        for activation in (ACTIVATIONS[i % len(ACTIVATIONS)], "relu", None):
            for residual in (False, True):
                choice = {
                    "rung": rung,
                    "isa": isa,
                    "activation": activation,
                    "residual": residual,
                    "threads": 2,
                }
                try:
                    made, plain, limit, add = call(op, text, **choice)
                except ValueError as error:
                    reason = str(error)
                    assert "cannot do this" in reason
                    continue
                made.run()
                expected = reference.epilogue(plain, add, activation)
                largest = np.abs(plain) + (0 if add is None else np.abs(add)) + np.abs(expected) + limit
                room = 1.1 * limit + 8 * np.finfo(np.float32).eps * largest
                assert (np.abs(made.result - expected) <= room).all(), (text, activation, residual)
                done += activation is not None
    if rung in ("naive", "pack", "depthwise", "winograd2", "winograd4"):
        assert done, reason


def test_float64():
    made, plain, _, add = call("conv2d", SHAPES["conv2d"][0], "float64", activation="silu", residual=True)
    made.run()
    assert np.allclose(made.result, reference.epilogue(plain, add, "silu"), rtol=1e-12, atol=1e-12)


def test_nan_stays():
    w = np.ones((16, 16, 1, 1), np.float32)
    for activation in ACTIVATIONS:
        y = ops.conv2d(np.full((1, 16, 3, 3), np.nan, np.float32), w, activation=activation)
        assert np.isnan(y).all(), activation


def test_what_is_refused():
    x, w = np.ones((1, 4, 5, 5), np.float32), np.ones((8, 4, 1, 1), np.float32)
    with pytest.raises(ValueError, match="no activation"):
        ops.conv2d(x, w, activation="softmax")
    with pytest.raises(ValueError, match="lie in memory as the output does"):
        ops.conv2d(x, w, residual=np.ones((1, 8, 5, 5), np.float32))
    with pytest.raises(ValueError, match="residual of shape"):
        ops.conv2d(x, w, residual=np.ones((1, 8, 5, 4), np.float32))
    with pytest.raises(TypeError, match="residual is float64"):
        ops.conv2d(x, w, residual=np.ones((1, 8, 5, 5)))
    with pytest.raises(ValueError, match="no epilogue"):
        ops.conv2d(x, w, activation="relu", rung="tile")
    assert "tile" in {r.name for r in ladder.ladder("conv2d")} and _core.isas()
