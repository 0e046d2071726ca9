"""Derived bounds for lstm, gru and rnn, forward and backward, by the running error analysis of `bound`.

Arguments are those of the formulas in the order of the steps (no reverse); at_end says that a sequence's
valid steps are its last ones, as in the kernels' contract. Backward passes are given what forward has kept.

Errors of a recurrence feed back into it, so the bound grows with every step: by a factor of up to |w_hh| x
slope each. It is sharp enough to find a bug for tens of steps with weights of PyTorch's initial size and not
meant for thousands.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from ._args import Array, as_float64
from ._steps import valid
from .bound import Near, _Arithmetic, _given


def _split(x: Near, parts: int) -> list[Near]:
    """Gates that stand side by side."""
    values, errors = np.split(x.value, parts, axis=-1), np.split(x.error, parts, axis=-1)
    return [Near(v, e) for v, e in zip(values, errors, strict=True)]


def _join(parts: list[Near]) -> Near:
    return Near(
        np.concatenate([p.value for p in parts], axis=-1), np.concatenate([p.error for p in parts], axis=-1)
    )


def _transposed(x: Near) -> Near:
    return Near(x.value.T, x.error.T)


def _masks(x: Array, lengths: ArrayLike | None, at_end: bool) -> NDArray[np.bool_]:
    counts = valid(x.shape[0], x.shape[1], lengths) > 0
    return counts[::-1] if at_end else counts


def _where(on: NDArray[np.bool_], new: Near, old: Near) -> Near:
    return Near(np.where(on, new.value, old.value), np.where(on, new.error, old.error))


def _zero(like: Near) -> Near:
    return _given(np.zeros_like(like.value))


def _state(state: ArrayLike | None, x: Array, weight_hh: ArrayLike) -> Near:
    """A first state, or the gradient of a last one, (N, H); None: zeros."""
    return _given(np.zeros((x.shape[1], np.shape(weight_hh)[1])) if state is None else state)


def _arrived(grad_output: ArrayLike | None, output: Array) -> Array:
    return np.zeros(output.shape) if grad_output is None else as_float64(grad_output)


def _minus(x: Near) -> Near:
    return Near(-x.value, x.error)


def _rows(parts: list[Near]) -> Near:
    """Steps below each other: (T * N, columns)."""
    return Near(np.concatenate([p.value for p in parts]), np.concatenate([p.error for p in parts]))


def _relu(x: Near) -> Near:
    return Near(np.maximum(x.value, 0), x.error)


class RnnBound(NamedTuple):
    output: Array
    h_n: Array


class RnnBackwardBound(NamedTuple):
    input: Array
    weight_ih: Array
    weight_hh: Array
    bias: Array
    h_0: Array


class GruBound(NamedTuple):
    output: Array
    h_n: Array
    gates: Array


class GruBackwardBound(NamedTuple):
    input: Array
    weight_ih: Array
    weight_hh: Array
    bias_ih: Array
    bias_hh: Array
    h_0: Array


def _rnn_states(op, x, weight_ih, weight_hh, biases, h_0, relu, counts) -> tuple[list[Near], list[Near]]:
    """The states h[-1] .. h[T-1] and the outputs."""
    w_ih, w_hh = _transposed(_given(weight_ih)), _transposed(_given(weight_hh))
    h = [_state(h_0, x, weight_hh)]
    output = []
    for step, on in zip(x, counts, strict=True):
        a = op.sum_of_products([(_given(np.where(on, step, 0)), w_ih), (h[-1], w_hh)], biases)
        new = _relu(a) if relu else op.tanh(a)
        h.append(_where(on, new, h[-1]))
        output.append(_where(on, new, _zero(new)))
    return h, output


def rnn_bound(
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias_ih: ArrayLike | None = None,
    bias_hh: ArrayLike | None = None,
    h_0: ArrayLike | None = None,
    relu: bool = False,
    lengths: ArrayLike | None = None,
    at_end: bool = False,
    dtype: DTypeLike = np.float32,
) -> RnnBound:
    """Largest |error| of each element of `rnn`.

    >>> bool((rnn_bound(np.ones((3, 1, 1)), np.ones((1, 1)), np.ones((1, 1))).output < 1e-5).all())
    True
    """
    x = as_float64(input)
    biases = [_given(b) for b in (bias_ih, bias_hh) if b is not None]
    counts = _masks(x, lengths, at_end)
    h, output = _rnn_states(_Arithmetic(dtype), x, weight_ih, weight_hh, biases, h_0, relu, counts)
    return RnnBound(np.array([y.error for y in output]), h[-1].error)


def rnn_backward_bound(
    grad_output: ArrayLike | None,
    grad_h_n: ArrayLike | None,
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    output: ArrayLike,
    h_0: ArrayLike | None = None,
    relu: bool = False,
    lengths: ArrayLike | None = None,
    at_end: bool = False,
    dtype: DTypeLike = np.float32,
) -> RnnBackwardBound:
    """Largest |error| of each gradient of `rnn`, the output being given as it is.

    >>> one = np.ones((1, 1, 1))
    >>> bool(rnn_backward_bound(one, None, one, [[1.0]], [[1.0]], one / 2).input[0, 0, 0] < 1e-5)
    True
    """
    op, x, y = _Arithmetic(dtype), as_float64(input), as_float64(output)
    w_ih, w_hh = _given(weight_ih), _given(weight_hh)
    counts = _masks(x, lengths, at_end)
    before = _before(y, h_0, counts)
    dh, dy = _state(grad_h_n, x, weight_hh), _arrived(grad_output, y)
    d_all: list[Near] = []
    dx: list[Array] = []
    for t in reversed(range(len(x))):
        arrived, v = op.add(dh, _given(dy[t])), _given(y[t])
        if relu:
            d = _where(y[t] > 0, arrived, _zero(arrived))
        else:
            d = op.multiply(arrived, op.one_minus(op.multiply(v, v)))
        d = _where(counts[t], d, _zero(d))
        d_all.insert(0, d)
        dx.insert(0, op.sum_of_products([(d, w_ih)], []).error)
        dh = _where(counts[t], op.sum_of_products([(d, w_hh)], []), dh)
    d = _transposed(_rows(d_all))
    dw_ih, dw_hh, db = _weights(op, d, d, x, before, counts)
    return RnnBackwardBound(np.array(dx), dw_ih, dw_hh, db[0], dh.error)


def _before(y: Array, h_0: ArrayLike | None, counts: NDArray[np.bool_]) -> Array:
    """h[t-1] for every t."""
    start = np.zeros(y.shape[1:]) if h_0 is None else as_float64(h_0)
    before = np.zeros_like(y)
    for t in range(len(y)):
        before[t] = np.where(counts[t - 1], y[t - 1], start) if t else start
    return before


def _weights(
    op: _Arithmetic, d_ih: Near, d_hh: Near, x: Array, before: Array, counts: NDArray[np.bool_]
) -> tuple[Array, Array, tuple[Array, Array]]:
    """Errors of dw_ih, dw_hh, (db_ih, db_hh): one sum over all rows each."""
    rows = d_ih.value.shape[1]
    ones = _given(np.ones((rows, 1)))
    right_x = _given(np.where(counts, x, 0).reshape(rows, x.shape[2]))
    right_h = _given(before.reshape(rows, before.shape[2]))
    return (
        op.sum_of_products([(d_ih, right_x)], []).error,
        op.sum_of_products([(d_hh, right_h)], []).error,
        (
            op.sum_of_products([(d_ih, ones)], []).error[:, 0],
            op.sum_of_products([(d_hh, ones)], []).error[:, 0],
        ),
    )


def gru_bound(
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias_ih: ArrayLike | None = None,
    bias_hh: ArrayLike | None = None,
    h_0: ArrayLike | None = None,
    before: bool = False,
    lengths: ArrayLike | None = None,
    at_end: bool = False,
    dtype: DTypeLike = np.float32,
) -> GruBound:
    """Largest |error| of each element of what `gru_steps` returns; h[t] = n + z (h - n), or the same sum
    written otherwise.

    >>> bool((gru_bound(np.ones((3, 1, 1)), np.ones((3, 1)), np.ones((3, 1))).output < 1e-5).all())
    True
    """
    op, x = _Arithmetic(dtype), as_float64(input)
    hidden = np.shape(weight_hh)[1]
    blocks = [slice(k * hidden, (k + 1) * hidden) for k in range(3)]
    w_i = [_transposed(_given(as_float64(weight_ih)[b])) for b in blocks]
    w_h = [_transposed(_given(as_float64(weight_hh)[b])) for b in blocks]
    b_i = [[] if bias_ih is None else [_given(as_float64(bias_ih)[b])] for b in blocks]
    b_h = [[] if bias_hh is None else [_given(as_float64(bias_hh)[b])] for b in blocks]
    counts = _masks(x, lengths, at_end)
    h = _state(h_0, x, weight_hh)
    output, gates = [], []
    for step, on in zip(x, counts, strict=True):
        given = _given(np.where(on, step, 0))
        r, z = (
            op.sigmoid(op.sum_of_products([(given, w_i[k]), (h, w_h[k])], b_i[k] + b_h[k])) for k in (0, 1)
        )
        if before:
            q = op.multiply(r, h)
            n = op.tanh(op.sum_of_products([(given, w_i[2]), (q, w_h[2])], b_i[2] + b_h[2]))
        else:
            q = op.sum_of_products([(h, w_h[2])], b_h[2])
            n = op.tanh(op.add(op.sum_of_products([(given, w_i[2])], b_i[2]), op.multiply(r, q)))
        new = op.add(n, op.multiply(z, op.add(h, _minus(n))))
        h = _where(on, new, h)
        output.append(np.where(on, new.error, 0))
        gates.append(np.where(on, _join([r, z, n, q]).error, 0))
    return GruBound(np.array(output), h.error, np.array(gates))


def _gru_sums_backward(
    op: _Arithmetic, gates: list[Near], h: Near, arrived: Near, w_n: Near | None
) -> tuple[Near, Near, Near, Near]:
    """Gradients of the sums before r, z, n, and of q; w_n: of a reset gate before the product."""
    r, z, n, q = gates
    dn = op.multiply(arrived, op.one_minus(z), op.one_minus(op.multiply(n, n)))
    dz = op.multiply(arrived, op.add(h, _minus(n)), z, op.one_minus(z))
    dq = op.multiply(dn, r) if w_n is None else op.sum_of_products([(dn, w_n)], [])
    dr = op.multiply(*((dn, q) if w_n is None else (dq, h)), r, op.one_minus(r))
    return dr, dz, dn, dq


def gru_backward_bound(
    grad_output: ArrayLike | None,
    grad_h_n: ArrayLike | None,
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    output: ArrayLike,
    gates: ArrayLike,
    h_0: ArrayLike | None = None,
    before: bool = False,
    lengths: ArrayLike | None = None,
    at_end: bool = False,
    dtype: DTypeLike = np.float32,
) -> GruBackwardBound:
    """Largest |error| of each gradient of `gru`, output and gates being given as they are.

    >>> zero, x = np.zeros((3, 1)), np.ones((1, 1, 1))
    >>> bool(gru_backward_bound(x, None, x, zero, zero, x, np.full((1, 1, 4), 0.5)).h_0[0, 0] < 1e-5)
    True
    """
    op, x, y, kept = _Arithmetic(dtype), as_float64(input), as_float64(output), as_float64(gates)
    hidden = np.shape(weight_hh)[1]
    w_ih, w_rz = _given(weight_ih), _given(as_float64(weight_hh)[: 2 * hidden])
    w_n = _given(as_float64(weight_hh)[2 * hidden :])
    counts = _masks(x, lengths, at_end)
    h_before = _before(y, h_0, counts)
    dh, dy = _state(grad_h_n, x, weight_hh), _arrived(grad_output, y)
    to_ih: list[Near] = []
    to_hh: list[Near] = []
    dx: list[Array] = []
    for t in reversed(range(len(x))):
        arrived, on = op.add(dh, _given(dy[t])), counts[t]
        r, z, n, q = _split(_given(kept[t]), 4)
        sums = _gru_sums_backward(op, [r, z, n, q], _given(h_before[t]), arrived, w_n if before else None)
        dr, dz, dn, dq = (_where(on, d, _zero(d)) for d in sums)
        to_ih.insert(0, _join([dr, dz, dn]))
        to_hh.insert(0, _join([dr, dz, dn if before else dq]))
        dx.insert(0, op.sum_of_products([(to_ih[0], w_ih)], []).error)
        through = [(_join([dr, dz]), w_rz)] + ([] if before else [(dq, w_n)])
        others = [op.multiply(arrived, z)] + ([op.multiply(dq, r)] if before else [])
        dh = _where(on, op.sum_of_products(through, others), dh)
    d_ih, d_hh = _transposed(_rows(to_ih)), _transposed(_rows(to_hh))
    dw_ih, dw_hh, (db_ih, db_hh) = _weights(op, d_ih, d_hh, x, h_before, counts)
    if before:
        last = Near(d_hh.value[2 * hidden :], d_hh.error[2 * hidden :])
        right = _given(np.where(counts, kept[:, :, 3 * hidden :], 0).reshape(d_hh.value.shape[1], hidden))
        dw_hh[2 * hidden :] = op.sum_of_products([(last, right)], []).error
    return GruBackwardBound(np.array(dx), dw_ih, dw_hh, db_ih, db_hh, dh.error)


class LstmCellBound(NamedTuple):
    y: Array
    c: Array
    gates: Array


def _cell(op: _Arithmetic, sums: Near, c: Near | None) -> tuple[list[Near], Near, Near]:
    """An LSTM's gates, and its new c and h, from the sums before the gates."""
    i, f, g, o = _split(sums, 4)
    i, f, g, o = op.sigmoid(i), op.sigmoid(f), op.tanh(g), op.sigmoid(o)
    c = op.multiply(i, g) if c is None else op.add(op.multiply(f, c), op.multiply(i, g))
    return [i, f, g, o], c, op.multiply(o, op.tanh(c))


def _cell_backward(
    op: _Arithmetic, gates: Near, c: Near, before: Near, dh: Near, dc: Near
) -> tuple[Near, Near]:
    """Gradients of the sums before the gates, and of c before the step."""
    i, f, g, o = _split(gates, 4)
    a = op.tanh(c)
    dc = op.add(dc, op.multiply(dh, o, op.one_minus(op.multiply(a, a))))
    sums = [
        op.multiply(dc, g, i, op.one_minus(i)),
        op.multiply(dc, before, f, op.one_minus(f)),
        op.multiply(dc, i, op.one_minus(op.multiply(g, g))),
        op.multiply(dh, a, o, op.one_minus(o)),
    ]
    return _join(sums), op.multiply(dc, f)


def lstm_cell_bound(
    sums: ArrayLike,
    c_0: ArrayLike | None = None,
    more: ArrayLike | None = None,
    dtype: DTypeLike = np.float32,
) -> LstmCellBound:
    """Largest |error| of each element of what `lstm_cell` returns.

    >>> bool(lstm_cell_bound(np.zeros((1, 4))).y.max() < 1e-6)
    True
    """
    op = _Arithmetic(dtype)
    total = _given(sums) if more is None else op.add(_given(sums), _given(more))
    gates, c, y = _cell(op, total, None if c_0 is None else _given(c_0))
    return LstmCellBound(y.error, c.error, _join(gates).error)


def lstm_cell_backward_bound(
    gates: ArrayLike,
    c: ArrayLike,
    c_0: ArrayLike | None = None,
    grad_y: ArrayLike | None = None,
    grad_c: ArrayLike | None = None,
    dtype: DTypeLike = np.float32,
) -> tuple[Array, Array]:
    """Largest |error| of each element of what `lstm_cell_backward` returns.

    >>> lstm_cell_backward_bound(np.full((1, 4), 0.5), np.ones((1, 1)), grad_c=np.ones((1, 1)))[1].shape
    (1, 1)
    """
    before, dy, dc = (_given(np.zeros(np.shape(c)) if x is None else x) for x in (c_0, grad_y, grad_c))
    sums, dc_0 = _cell_backward(_Arithmetic(dtype), _given(gates), _given(c), before, dy, dc)
    return sums.error, dc_0.error


class LstmBound(NamedTuple):
    """Largest |error| of each element of what `lstm_steps` returns."""

    output: Array  # (T, N, H)
    h_n: Array  # (N, H)
    c_n: Array  # (N, H)
    gates: Array  # (T, N, 4H)
    cells: Array  # (T, N, H)


class LstmBackwardBound(NamedTuple):
    """Largest |error| of each element of what `lstm_backward_steps` returns."""

    input: Array
    weight_ih: Array
    weight_hh: Array
    bias_ih: Array
    bias_hh: Array
    h_0: Array
    c_0: Array


def lstm_bound(
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    bias_ih: ArrayLike | None = None,
    bias_hh: ArrayLike | None = None,
    h_0: ArrayLike | None = None,
    c_0: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
    at_end: bool = False,
    dtype: DTypeLike = np.float32,
) -> LstmBound:
    """Largest |error| of the LSTM, with d(.) the error of a value and a[t] the sum before a gate.

        size    = |w_ih| |x[t]| + |w_hh| (|h[t-1]| + d(h[t-1])) + |b_ih| + |b_hh|
        d(a[t]) = |w_hh| d(h[t-1]) + gamma(I + H + 2) size
        d(gate) = slope d(a[t]) + 8 u       slope: the steepest in [a - d(a), a + d(a)]
        d(c[t]) = f d(c[t-1]) + |c[t-1]| d(f) + i d(g) + |g| d(i) + second order + 2 roundings
        d(h[t]) = o d(tanh c[t]) + |tanh c[t]| d(o) + second order + 1 rounding

    >>> b = lstm_bound(np.ones((3, 1, 1)), np.ones((4, 1)), np.ones((4, 1)))
    >>> bool(b.output[0, 0, 0] < b.output[2, 0, 0] < 1e-5)
    True
    """
    op, x = _Arithmetic(dtype), as_float64(input)
    w_ih, w_hh = _transposed(_given(weight_ih)), _transposed(_given(weight_hh))
    biases = [_given(b) for b in (bias_ih, bias_hh) if b is not None]
    h, c = _state(h_0, x, weight_hh), _state(c_0, x, weight_hh)
    output: list[Array] = []
    gates: list[Array] = []
    cells: list[Array] = []
    for step, on in zip(x, _masks(x, lengths, at_end), strict=True):
        sums = op.sum_of_products([(_given(np.where(on, step, 0)), w_ih), (h, w_hh)], biases)
        new_gates, new_c, new_h = _cell(op, sums, c)
        h, c = _where(on, new_h, h), _where(on, new_c, c)
        for kept, new in ((output, new_h), (gates, _join(new_gates)), (cells, new_c)):
            kept.append(np.where(on, new.error, 0))
    return LstmBound(np.array(output), h.error, c.error, np.array(gates), np.array(cells))


def lstm_backward_bound(
    grad_output: ArrayLike | None,
    grad_h_n: ArrayLike | None,
    grad_c_n: ArrayLike | None,
    input: ArrayLike,
    weight_ih: ArrayLike,
    weight_hh: ArrayLike,
    output: ArrayLike,
    gates: ArrayLike,
    cells: ArrayLike,
    h_0: ArrayLike | None = None,
    c_0: ArrayLike | None = None,
    lengths: ArrayLike | None = None,
    at_end: bool = False,
    dtype: DTypeLike = np.float32,
) -> LstmBackwardBound:
    """Largest |error| of each gradient of `lstm`, output, gates and cells being given as they are.

    >>> zero, x = np.zeros((4, 1)), np.ones((1, 1, 1))
    >>> kept = (x, np.full((1, 1, 4), 0.5), x)
    >>> bool(lstm_backward_bound(x, None, None, x, zero, zero, *kept).c_0[0, 0] < 1e-5)
    True
    """
    op, x, y = _Arithmetic(dtype), as_float64(input), as_float64(output)
    w_ih, w_hh = _given(weight_ih), _given(weight_hh)
    kept, c, counts = as_float64(gates), as_float64(cells), _masks(x, lengths, at_end)
    h_before, c_before = _before(y, h_0, counts), _before(c, c_0, counts)
    dh, dc = _state(grad_h_n, x, weight_hh), _state(grad_c_n, x, weight_hh)
    dy = _arrived(grad_output, y)
    d_all: list[Near] = []
    dx: list[Array] = []
    for t in reversed(range(len(x))):
        arrived, on = op.add(dh, _given(dy[t])), counts[t]
        d, dc_before = _cell_backward(op, _given(kept[t]), _given(c[t]), _given(c_before[t]), arrived, dc)
        d_all.insert(0, _where(on, d, _zero(d)))
        dx.insert(0, op.sum_of_products([(d_all[0], w_ih)], []).error)
        dh = _where(on, op.sum_of_products([(d_all[0], w_hh)], []), dh)
        dc = _where(on, dc_before, dc)
    d = _transposed(_rows(d_all))
    dw_ih, dw_hh, db = _weights(op, d, d, x, h_before, counts)
    return LstmBackwardBound(np.array(dx), dw_ih, dw_hh, *db, dh.error, dc.error)
