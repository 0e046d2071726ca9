"""What is computed: the data of a shape, the same for everybody, and the truth in float64."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopnest import shapes

Array = NDArray[Any]


def channels_last(x: Array) -> Array:
    """The same values (n, c, ...), neighbouring channels side by side in memory."""
    order = (0, *range(2, x.ndim), 1)
    return np.ascontiguousarray(x.transpose(order)).transpose(0, x.ndim - 1, *range(1, x.ndim - 1))


def places_of(size: tuple[int, ...], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Corners first, since mistakes are made at the edges, then others: [count or fewer, axes]."""
    corners = np.stack([np.zeros(len(size), np.int64), np.asarray(size) - 1])
    return np.concatenate([corners, rng.integers(0, size, (count, len(size)))])


class Convolution:
    """x, w, b of a convolution (float32, NCHW in memory), the gradient dy, and what the results should be."""

    PLACES = 24

    def __init__(self, shape: shapes.ConvShape, seed: int = 0) -> None:
        self.shape = shape
        self.transposed = isinstance(shape, shapes.ConvTransposeShape)
        rng = np.random.default_rng(seed)
        self.fan = int(np.prod(shape.w[1:]))
        self.x = rng.standard_normal(shape.x, np.float32)
        self.w = (rng.uniform(-1, 1, shape.w) / self.fan**0.5).astype(np.float32)
        self.b = (rng.uniform(-1, 1, shape.oc) / self.fan**0.5).astype(np.float32)
        self._rng = rng
        # A first layer's input is an image: nobody asks for its gradient.
        self.input_gradient = shape.ic > 4

    @cached_property
    def dy(self) -> Array:
        return self._rng.standard_normal(self.shape.y, np.float32)

    @property
    def output_padding(self) -> tuple[int, ...]:
        return self.shape.output_padding if isinstance(self.shape, shapes.ConvTransposeShape) else ()

    @cached_property
    def _places(self) -> NDArray[np.int64]:
        return places_of((self.shape.n, *self.shape.out), self.PLACES, np.random.default_rng(1))

    @cached_property
    def _truth(self) -> Array:
        """y at some places, all channels: [place, oc]."""
        x = self._windows(self.x, self._places, self.transposed)
        return self._product(x, self.transposed) + self.b.astype(np.float64)

    def _windows(self, x: Array, places: Array, transposed: bool) -> Array:
        """What tap k meets in x at these places of the output: [place, channel, taps], float64."""
        s, taps = self.shape, int(np.prod(self.shape.kernel))
        found = np.zeros((len(places), x.shape[1], taps))
        for t, tap in enumerate(np.ndindex(*s.kernel)):
            at, inside = [places[:, 0]], np.ones(len(places), bool)
            each = zip(tap, s.stride, s.pads, s.dilation, x.shape[2:], strict=True)
            for axis, (k, stride, (low, _), dilation, size) in enumerate(each):
                o = places[:, 1 + axis]
                if transposed:
                    i, rest = np.divmod(o + low - k * dilation, stride)
                    inside &= rest == 0
                else:
                    i = o * stride - low + k * dilation
                inside &= (i >= 0) & (i < size)
                at.append(i)
            index = tuple(np.where(inside, a, 0) for a in at)
            here: Any = (index[0], slice(None), *index[1:])
            found[:, :, t] = np.where(inside[:, None], x[here], 0)
        return found

    def _product(self, windows: Array, transposed: bool) -> Array:
        """windows times weights by groups. transposed: the weight's first axis is the one summed over."""
        g = self.shape.g
        w = self.w.reshape(g, self.w.shape[0] // g, self.w.shape[1], -1).astype(np.float64)
        v = windows.reshape(len(windows), g, -1, windows.shape[2])
        y = np.einsum("pgct,gcot->pgo" if transposed else "pgct,goct->pgo", v, w, optimize=True)
        return y.reshape(len(windows), -1)

    def error(self, results: list[Any]) -> float:
        """The largest difference from the truth at some places, relative to the truth's largest number."""
        y = np.asarray(results[0])
        if y.shape != self.shape.y:
            return float("inf")
        index = (self._places[:, 0], slice(None), *self._places[:, 1:].T)
        return _relative(y[index], self._truth)

    def gradient_error(self, results: list[Any]) -> float:
        """The same of (dx or None, dw, db)."""
        dx, dw, db = results
        worst = _relative(np.asarray(db), self.dy.sum((0, *range(2, self.dy.ndim)), dtype=np.float64))
        if dx is not None:
            places = places_of((self.shape.n, *self.shape.size), self.PLACES, np.random.default_rng(2))
            truth = self._product(self._windows(self.dy, places, not self.transposed), not self.transposed)
            worst = max(
                worst, _relative(np.asarray(dx)[(places[:, 0], slice(None), *places[:, 1:].T)], truth)
            )
        pairs = places_of(self.w.shape[:2], 3, np.random.default_rng(3))
        found = [np.asarray(dw)[first, second].ravel() for first, second in pairs]
        return max(worst, _relative(np.array(found), np.array([self._dw(*pair) for pair in pairs])))

    def _dw(self, first: int, second: int) -> Array:
        """dL/dw[first, second] for all taps, a flat float64 array."""
        s = self.shape
        if self.transposed:  # first: input channel; the roles of x and dy are exchanged
            small, large = self.x[:, first], self.dy[:, first // (s.ic // s.g) * (s.oc // s.g) + second]
        else:
            small, large = self.dy[:, first], self.x[:, first // (s.oc // s.g) * (s.ic // s.g) + second]
        out = small.shape[1:]
        pads = [
            (low, max(0, high + stride + d * k))
            for (low, high), stride, d, k in zip(s.pads, s.stride, s.dilation, s.kernel, strict=True)
        ]
        padded = np.pad(large.astype(np.float64), [(0, 0), *pads])
        sums = []
        for tap in np.ndindex(*s.kernel):
            cut = tuple(
                slice(k * d, k * d + (o - 1) * stride + 1, stride)
                for k, d, o, stride in zip(tap, s.dilation, out, s.stride, strict=True)
            )
            sums.append((padded[(slice(None), *cut)] * small).sum())
        return np.array(sums)


class Recurrent:
    """One layer, one direction: x, weights, biases, and for a single step the states before it."""

    def __init__(self, shape: shapes.RecurrentShape, seed: int = 0) -> None:
        self.shape, self.op = shape, shape.op
        rng = np.random.default_rng(seed)
        t, n, i, h, g = shape.t, shape.n, shape.i, shape.h, shape.gates

        def weights(*size: int) -> Array:
            return (rng.uniform(-1, 1, size) / h**0.5).astype(np.float32)

        self.x = rng.standard_normal((t, n, i), np.float32)
        self.w_ih, self.w_hh = weights(g * h, i), weights(g * h, h)
        self.b_ih, self.b_hh = weights(g * h), weights(g * h)
        self.h0, self.c0 = (rng.standard_normal((n, h), np.float32) / 2 for _ in range(2))
        self.one_step = t == 1
        self.dy = rng.standard_normal((t, n, h), np.float32)

    @property
    def states(self) -> tuple[Array, ...]:
        """h0 (and c0): given for a single step; a sequence starts from zeros."""
        return (self.h0, self.c0) if self.op == "lstm" else (self.h0,)

    @cached_property
    def truth(self) -> Array:
        """y [t, n, h] by the formulas of PyTorch's documentation, in float64."""
        x, w_ih, w_hh, b_ih, b_hh = (
            a.astype(np.float64) for a in (self.x, self.w_ih, self.w_hh, self.b_ih, self.b_hh)
        )
        h, c = (s.astype(np.float64) * self.one_step for s in (self.h0, self.c0))
        y = np.empty((self.shape.t, self.shape.n, self.shape.h))
        for t in range(self.shape.t):
            a, b = x[t] @ w_ih.T + b_ih, h @ w_hh.T + b_hh
            if self.op == "rnn":
                h = np.tanh(a + b)
            elif self.op == "gru":
                (ar, az, an), (br, bz, bn) = np.split(a, 3, 1), np.split(b, 3, 1)
                z = _sigmoid(az + bz)
                h = (1 - z) * np.tanh(an + _sigmoid(ar + br) * bn) + z * h
            else:
                i, f, g, o = np.split(a + b, 4, 1)
                c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
                h = _sigmoid(o) * np.tanh(c)
            y[t] = h
        return y

    def error(self, results: list[Any]) -> float:
        y = np.asarray(results[0]).reshape(-1)
        return _relative(y, self.truth.reshape(-1)) if y.size == self.truth.size else float("inf")


def _sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * x))


def _relative(found: Array, truth: Array) -> float:
    """The largest |found - truth| over the largest |truth|; NaN counts as infinite."""
    off = float(np.max(np.abs(found.astype(np.float64) - truth))) / (float(np.max(np.abs(truth))) or 1.0)
    return off if off == off else float("inf")
