"""JAX: jit by XLA, NHWC for images. Whatever is not returned XLA leaves out, so training returns the output
as well as the gradients. Its threads obey only the CPU affinity of its first use."""

from __future__ import annotations

import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from loopnest.bench.cases import Convolution, Recurrent
from loopnest.bench.rivals import Impossible
from loopnest.bench.timing import Candidate, python_repeat

package = "jax"
_started: list[int] = []  # on how many threads


def version() -> str:
    return str(jax.__version__)


def _start(threads: int) -> None:
    if not _started:
        mine = os.sched_getaffinity(0)
        os.sched_setaffinity(0, sorted(mine)[:threads])
        jax.block_until_ready(jnp.zeros(4) + 1)
        os.sched_setaffinity(0, mine)
        _started.append(threads)
    if _started[0] != threads:
        raise Impossible(f"JAX was started on {_started[0]} threads in this process")


def _candidate(function: Any, args: Any, result: Any) -> Candidate:
    compiled = jax.jit(function).lower(*args).compile()

    def run() -> Any:
        return jax.block_until_ready(compiled(*args))

    return Candidate(
        python_repeat(run), lambda: [None if r is None else np.asarray(r) for r in result(run())]
    )


def _letters(case: Convolution) -> tuple[str, str, str]:
    d = {1: "W", 2: "HW", 3: "DHW"}[len(case.shape.size)]
    return f"N{d}C", f"{d}IO", f"N{d}C"


def _function(case: Convolution) -> Any:
    """f(x, w, b), x and y channels-last, w with the kernel first."""
    s, letters = case.shape, _letters(case)
    spread: tuple[int, ...] | None = None
    if case.transposed:  # a convolution of x spread out by zeros, with the kernel turned round
        each = zip(s.dilation, s.kernel, s.padding, case.output_padding, strict=True)
        pads = [(d * (k - 1) - p, d * (k - 1) - p + o) for d, k, p, o in each]
        strides, spread = (1,) * len(s.size), s.stride
    else:
        pads, strides = list(s.pads), s.stride

    def call(x: Any, w: Any, b: Any) -> Any:
        y = lax.conv_general_dilated(
            x,
            w,
            strides,
            pads,
            lhs_dilation=spread,
            rhs_dilation=s.dilation,
            dimension_numbers=letters,
            feature_group_count=s.g,
        )
        return y + b

    return call


def _weight(case: Convolution) -> Any:
    """[kernel, ic / g, oc]"""
    w, d = case.w, len(case.shape.size)
    if not case.transposed:
        return np.ascontiguousarray(w.transpose(*range(2, 2 + d), 1, 0))
    if case.shape.g != 1:
        raise Impossible("grouped transposed convolutions are not written for JAX here")
    return np.ascontiguousarray(np.flip(w, tuple(range(2, 2 + d))).transpose(*range(2, 2 + d), 0, 1))


def _first(y: Any) -> Any:
    return np.moveaxis(np.asarray(y), -1, 1)


def convolution(case: Convolution, threads: int) -> dict[str, Candidate]:
    _start(threads)
    args = [jnp.asarray(a) for a in (np.moveaxis(case.x, 1, -1), _weight(case), case.b)]
    return {"": _candidate(_function(case), args, lambda y: [_first(y)])}


def convolution_train(case: Convolution, threads: int) -> dict[str, Candidate]:
    _start(threads)
    function, d = _function(case), len(case.shape.size)
    x, w, b = (jnp.asarray(a) for a in (np.moveaxis(case.x, 1, -1), _weight(case), case.b))
    dy = jnp.asarray(np.moveaxis(case.dy, 1, -1))

    def step(x: Any, w: Any, b: Any, dy: Any) -> Any:
        if case.input_gradient:
            y, back = jax.vjp(function, x, w, b)
        else:
            y, back = jax.vjp(lambda w, b: function(x, w, b), w, b)
        return y, back(dy)

    def result(found: Any) -> list[Any]:
        *dx, dw, db = found[1]
        dw = np.asarray(dw)
        dw = np.moveaxis(dw, (-1, -2), (1, 0) if case.transposed else (0, 1))
        if case.transposed:
            dw = np.flip(dw, tuple(range(2, 2 + d)))
        return [_first(dx[0]) if dx else None, dw, db]

    return {"": _candidate(step, (x, w, b, dy), result)}


def _scan(case: Recurrent) -> Any:
    """f(x, h, c, w_ih, w_hh, b_ih, b_hh) -> y: the product with x for all steps at once, then the steps."""
    op = case.op

    def call(x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
        a = x @ w_ih.T + b_ih

        def step(carry: Any, a: Any) -> Any:
            h, c = carry
            b = h @ w_hh.T + b_hh
            if op == "rnn":
                h = jnp.tanh(a + b)
            elif op == "gru":
                (ar, az, an), (br, bz, bn) = jnp.split(a, 3, 1), jnp.split(b, 3, 1)
                z = jax.nn.sigmoid(az + bz)
                h = (1 - z) * jnp.tanh(an + jax.nn.sigmoid(ar + br) * bn) + z * h
            else:
                i, f, g, o = jnp.split(a + b, 4, 1)
                c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
                h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h

        return lax.scan(step, (h, c), a)[1]

    return call


def _arguments(case: Recurrent) -> tuple[Any, ...]:
    states = [s if case.one_step else np.zeros_like(s) for s in (case.h0, case.c0)]
    arrays = (case.x, *states, case.w_ih, case.w_hh, case.b_ih, case.b_hh)
    return tuple(jnp.asarray(a) for a in arrays)


def recurrent(case: Recurrent, threads: int) -> dict[str, Candidate]:
    _start(threads)
    return {"": _candidate(_scan(case), _arguments(case), lambda y: [y])}


def recurrent_train(case: Recurrent, threads: int) -> dict[str, Candidate]:
    _start(threads)
    function, args = _scan(case), _arguments(case)
    wanted = (0, 3, 4, 5, 6)

    def step(dy: Any, *args: Any) -> Any:
        def of(*some: Any) -> Any:
            full = list(args)
            for place, value in zip(wanted, some, strict=True):
                full[place] = value
            return function(*full)

        y, back = jax.vjp(of, *(args[i] for i in wanted))
        return y, back(dy)

    return {"": _candidate(step, (jnp.asarray(case.dy), *args), lambda found: list(found[1]))}
