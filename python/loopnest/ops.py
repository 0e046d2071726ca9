"""The laboratory: one function per operator on plain NumPy arrays, on any rung of its ladder.

    y = ops.conv2d(x, w)                                   # the rung that the chooser takes
    y = ops.conv2d(x, w, rung="tile", isa="avx2")          # this one, or an error that says why not
    y = ops.conv2d(x, w, rung="numpy")                     # the float64 reference, rounded to x's dtype
    c = ops.call("conv2d", x, w); c.run(); c.time(10)      # the call made ready: what runs, how fast, why

Three keyword arguments are everybody's: `rung` (a name of `loopnest.ladder.ladder(op)`, "numpy", or None for
the best), `isa` (one of `loopnest.machine.isas()`, or None for the best) and `threads` (0: as many as the
work is worth). A rung or ISA asked for by name that cannot do the shape raises ValueError; nothing falls back
silently. Arrays are float32 or float64, of any strides, and are read in place; results are new arrays, images
channels-last in memory (their shape is (N, C, H, W) all the same). Errors: TypeError for dtypes and for
things that are not arrays, ValueError for shapes and values, IndexError for classes and indices out of range,
MemoryError.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loopnest import _core, reference
from loopnest._arguments import flag, four, integer, pair, shape
from loopnest.engine.conv import each, pads
from loopnest.reference.activation_functions import FUNCTIONS
from loopnest.reference.reduce import REDUCTIONS

Array = NDArray[Any]


class NumpyCall:
    """The reference as a call made ready: the same faces as `_core.Call`, for rung="numpy"."""

    rung, isa, threads, packed_bytes = "numpy", "numpy", 1, 0
    idea = "the textbook formula in NumPy, in float64"
    result: Any = None

    def __init__(self, kernel: _core.Call, formula: Callable[[], Any], dtype: np.dtype[Any]):
        self.op, self.flops, self.bytes = kernel.op, kernel.flops, kernel.bytes
        self.walk = [("numpy", "numpy", None)]
        self._formula, self._dtype = formula, dtype

    def prepare(self) -> None:
        """Nothing to prepare."""

    def time_prepare(self, repeats: int) -> list[float]:
        return []

    def run(self) -> None:
        found = self._formula()
        self.result = tuple(map(self._rounded, found)) if isinstance(found, tuple) else self._rounded(found)

    def _rounded(self, x: Array) -> Array:
        return x if x.dtype.kind == "i" else np.asarray(x, self._dtype)

    def time(self, repeats: int) -> list[float]:
        seconds = []
        for _ in range(repeats):
            start = time.perf_counter()
            self.run()
            seconds.append(time.perf_counter() - start)
        return seconds


# ---- from PyTorch's arguments to a call; one function per operator, and its formula for rung="numpy" ----

Ready = tuple[_core.Call, Callable[[], Any]]


def _space(op: str) -> int:
    """Axes of space: the number before the d of conv1d, conv_transpose2d, conv3d_backward_input ..."""
    return int(op[op.index("d_" if "d_" in op else "d", 4) - 1])


def _convolution(
    op: str, size: Any, kernel: Any, stride: Any, pad: Any, dilation: Any, groups: Any
) -> tuple[Any, ...]:
    """stride, padding (low and high of each axis in a row), dilation, groups; size and kernel are shapes."""
    axes = _space(op)
    s, d = each(op, "stride", stride, axes), each(op, "dilation", dilation, axes)
    k = tuple(kernel[2:]) if len(kernel) == 2 + axes else (1,) * axes  # of another rank: refused by the check
    i = tuple(size[2:]) if len(size) == 2 + axes else (1,) * axes
    return s, pads(op, pad, i, k, s, d), d, integer(op, "groups", groups)


def _pairs(flat: tuple[int, ...]) -> Any:
    return tuple(zip(flat[::2], flat[1::2], strict=True))


def _conv2d(
    input,
    weight,
    bias=None,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    residual=None,
    activation=None,
    **choice,
) -> Ready:
    s, p, d, g = _convolution("conv2d", np.shape(input), np.shape(weight), stride, padding, dilation, groups)
    call = _core.conv2d(input, weight, bias, s, p, d, g, residual=residual, activation=activation, **choice)
    return call, lambda: reference.epilogue(
        reference.conv2d(input, weight, bias, s, _pairs(p), d, g), residual, activation
    )


def _forward(op: str) -> Callable[..., Ready]:
    def ready(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, **choice) -> Ready:
        s, p, d, g = _convolution(op, np.shape(input), np.shape(weight), stride, padding, dilation, groups)
        call = getattr(_core, op)(input, weight, bias, s, p, d, g, **choice)
        return call, lambda: getattr(reference, op)(input, weight, bias, s, _pairs(p), d, g)

    return ready


def _backward_input(op: str) -> Callable[..., Ready]:
    def ready(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1, **choice) -> Ready:
        size = shape(op, "input_size", input_size, 2 + _space(op))
        s, p, d, g = _convolution(op, size, np.shape(weight), stride, padding, dilation, groups)
        call = getattr(_core, op)(size, weight, grad_output, s, p, d, g, **choice)
        return call, lambda: getattr(reference, op)(size, weight, grad_output, s, _pairs(p), d, g)

    return ready


def _backward_weight(op: str) -> Callable[..., Ready]:
    def ready(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1, **choice) -> Ready:
        size = shape(op, "weight_size", weight_size, 2 + _space(op))
        s, p, d, g = _convolution(op, np.shape(input), size, stride, padding, dilation, groups)
        call = getattr(_core, op)(input, size, grad_output, s, p, d, g, **choice)
        return call, lambda: getattr(reference, op)(input, size, grad_output, s, _pairs(p), d, g)

    return ready


def _transpose(op: str) -> Callable[..., Ready]:
    def ready(
        input,
        weight,
        bias=None,
        stride=1,
        padding=0,
        output_padding=0,
        groups=1,
        dilation=1,
        **choice,
    ) -> Ready:
        axes = _space(op)
        s, d = each(op, "stride", stride, axes), each(op, "dilation", dilation, axes)
        p, more = each(op, "padding", padding, axes), each(op, "output_padding", output_padding, axes)
        g = integer(op, "groups", groups)
        flat = tuple(v for v in p for _ in range(2))
        call = getattr(_core, op)(input, weight, bias, s, flat, more, g, d, **choice)
        return call, lambda: getattr(reference, op)(input, weight, bias, s, p, more, g, d)

    return ready


def _gemm(input, other, bias=None, residual=None, activation=None, **choice) -> Ready:
    call = _core.gemm(input, other, bias, residual=residual, activation=activation, **choice)
    return call, lambda: reference.epilogue(reference.gemm(input, other, bias), residual, activation)


def _linear(input, weight, bias=None, residual=None, activation=None, **choice) -> Ready:
    call = _core.linear(input, weight, bias, residual=residual, activation=activation, **choice)
    return call, lambda: reference.epilogue(reference.linear(input, weight, bias), residual, activation)


def _pool(op, kernel_size, stride, padding, dilation) -> tuple[tuple[int, int], ...]:
    kernel = pair(op, "kernel_size", kernel_size)
    step = kernel if stride is None else pair(op, "stride", stride)
    return kernel, step, pair(op, "padding", padding), pair(op, "dilation", dilation)


def _max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, **choice) -> Ready:
    k, s, p, d = _pool("max_pool2d", kernel_size, stride, padding, dilation)
    ceil = flag("max_pool2d", "ceil_mode", ceil_mode)
    call = _core.max_pool2d(input, k, s, p, d, ceil, **choice)
    return call, lambda: reference.max_pool2d(input, k, s, p, d, ceil)


def _max_pool2d_backward(
    grad_output,
    indices,
    input_size,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode=False,
    **choice,
) -> Ready:
    op = "max_pool2d_backward"
    size = four(op, "input_size", input_size)
    k, s, p, d = _pool(op, kernel_size, stride, padding, dilation)
    call = _core.max_pool2d_backward(
        grad_output, indices, size, k, s, p, d, flag(op, "ceil_mode", ceil_mode), **choice
    )
    return call, lambda: reference.max_pool2d_backward(grad_output, indices, size)


def _average(
    op, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
) -> tuple[Any, ...]:
    k, s, p, _ = _pool(op, kernel_size, stride, padding, 1)
    divisor = 0
    if divisor_override is not None:
        divisor = integer(op, "divisor_override", divisor_override)
        if divisor == 0:
            raise ValueError(f"{op}: expected divisor_override to be None or a number other than 0, got 0")
    return (
        k,
        s,
        p,
        flag(op, "ceil_mode", ceil_mode),
        flag(op, "count_include_pad", count_include_pad),
        divisor,
    )


def _avg_pool2d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
    **choice,
) -> Ready:
    args = _average(
        "avg_pool2d", kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
    call = _core.avg_pool2d(input, *args, **choice)
    k, s, p, ceil, include, divisor = args
    return call, lambda: reference.avg_pool2d(input, k, s, p, ceil, include, divisor or None)


def _avg_pool2d_backward(
    grad_output,
    input_size,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
    **choice,
) -> Ready:
    op = "avg_pool2d_backward"
    size = four(op, "input_size", input_size)
    args = _average(op, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    call = _core.avg_pool2d_backward(grad_output, size, *args, **choice)
    k, s, p, ceil, include, divisor = args
    return call, lambda: reference.avg_pool2d_backward(
        grad_output, size, k, s, p, ceil, include, divisor or None
    )


def _elementwise(op: str) -> Callable[..., Ready]:
    def forward(input, **choice) -> Ready:
        return getattr(_core, op)(input, **choice), lambda: getattr(reference, op)(input)

    def backward(output, grad_output, **choice) -> Ready:
        call = getattr(_core, op)(output, grad_output, **choice)
        return call, lambda: getattr(reference, op)(grad_output, output)

    return backward if op.endswith("_backward") else forward


def _rows(input: Array, target: Array) -> tuple[Array, Array]:
    """(N, C, d1, ...) and (N, d1, ...) as (N, C, S) and (N, S); (C,) and () as one row."""
    if not isinstance(input, np.ndarray) or not isinstance(target, np.ndarray):
        raise TypeError("cross_entropy: expected input and target to be NumPy arrays")
    if input.ndim == 0 or target.shape != input.shape[:1] * (input.ndim > 1) + input.shape[2:]:
        raise ValueError(
            "cross_entropy: expected input (N, C, d1, ...) and target (N, d1, ...), or (C,) and (), "
            f"got {input.shape} and {target.shape}"
        )
    n = input.shape[0] if input.ndim > 1 else 1
    c = input.shape[1] if input.ndim > 1 else input.shape[0]
    s = int(np.prod(input.shape[2:], dtype=np.int64))
    return input.reshape(n, c, s), target.reshape(n, s)


def _cross_entropy(input, target, weight=None, ignore_index=-100, label_smoothing=0.0, **choice) -> Ready:
    x, t = _rows(input, target)
    ignore = integer("cross_entropy", "ignore_index", ignore_index)
    call = _core.cross_entropy(x, t, weight, ignore, float(label_smoothing), **choice)

    def formula() -> tuple[Array, Array, Array]:
        loss = reference.cross_entropy(x, t, weight, ignore, "none", label_smoothing)
        top = x.max(axis=1, keepdims=True)
        log_sum_exp = np.log(np.exp(np.asarray(x - top, np.float64)).sum(axis=1)) + top[:, 0]
        kept = t != ignore
        row_weight = np.where(kept, 1.0 if weight is None else weight[np.where(kept, t, 0)], 0.0)
        return loss, log_sum_exp, row_weight

    return call, formula


def _cross_entropy_backward(
    input, target, log_sum_exp, grad_output, weight=None, ignore_index=-100, label_smoothing=0.0, **choice
) -> Ready:
    x, t = _rows(input, target)
    ignore = integer("cross_entropy_backward", "ignore_index", ignore_index)
    call = _core.cross_entropy_backward(
        x, t, log_sum_exp, grad_output, weight, ignore, float(label_smoothing), **choice
    )
    return call, lambda: reference.cross_entropy_backward(
        grad_output, x, t, weight, ignore, "none", label_smoothing
    )


def _embedding(input, weight, padding_idx=-1, **choice) -> Ready:
    call = _core.embedding(input, weight, integer("embedding", "padding_idx", padding_idx), **choice)
    return call, lambda: reference.embedding(input, weight)


def _embedding_backward(input, grad_output, num_embeddings, padding_idx=-1, **choice) -> Ready:
    op = "embedding_backward"
    rows, pad = integer(op, "num_embeddings", num_embeddings), integer(op, "padding_idx", padding_idx)
    call = _core.embedding_backward(input, grad_output, rows, pad, **choice)
    return call, lambda: reference.embedding_backward(grad_output, input, rows, None if pad < 0 else pad)


def _lstm(
    input,
    weight_ih,
    weight_hh,
    bias_ih=None,
    bias_hh=None,
    h_0=None,
    c_0=None,
    keep=False,
    lengths=None,
    reverse=False,
    **choice,
) -> Ready:
    weights = (weight_ih, weight_hh, bias_ih, bias_hh, h_0, c_0)
    call = _core.lstm(input, *weights, keep, lengths, reverse, **choice)

    def formula() -> tuple[Array, ...]:
        steps = reference.lstm_steps(input, *weights, reverse, lengths)
        turn = slice(None, None, -1 if reverse else 1)
        return (*steps[:3], steps.gates[turn], steps.cells[turn]) if keep else steps[:3]

    return call, formula


def _lstm_backward(
    input,
    weight_ih,
    weight_hh,
    h_0,
    c_0,
    output,
    gates,
    cells,
    grad_output,
    grad_h_n=None,
    grad_c_n=None,
    lengths=None,
    reverse=False,
    **choice,
) -> Ready:
    forward = (input, weight_ih, weight_hh, h_0, c_0, output, gates, cells)
    call = _core.lstm_backward(*forward, grad_output, grad_h_n, grad_c_n, lengths, reverse, **choice)

    def formula() -> tuple[Array, ...]:
        turn = slice(None, None, -1 if reverse else 1)
        steps = reference.LstmSteps(
            *(np.asarray(a, np.float64) for a in (output, output, cells, gates[turn], cells[turn]))
        )
        gradient = np.zeros(output.shape) if grad_output is None else grad_output
        found = reference.lstm_backward_steps(
            gradient, grad_h_n, grad_c_n, input, weight_ih, weight_hh, steps, h_0, c_0, reverse, lengths
        )
        return found.input, found.weight_ih, found.weight_hh, found.bias_ih, found.h_0, found.c_0

    return call, formula


def _lstm_cell(sums, c0=None, more=None, **choice) -> Ready:
    return _core.lstm_cell(sums, c0, more, **choice), lambda: tuple(reference.lstm_cell(sums, c0, more))


def _lstm_cell_backward(gates, c, c0=None, grad_y=None, grad_c=None, **choice) -> Ready:
    args = gates, c, c0, grad_y, grad_c
    return _core.lstm_cell_backward(*args, **choice), lambda: reference.lstm_cell_backward(*args)


def _rnn(
    input,
    weight_ih,
    weight_hh,
    bias_ih=None,
    bias_hh=None,
    h_0=None,
    relu=False,
    lengths=None,
    reverse=False,
    **choice,
) -> Ready:
    all_of_it = (input, weight_ih, weight_hh, bias_ih, bias_hh, h_0, relu, lengths, reverse)
    return _core.rnn(*all_of_it, **choice), lambda: reference.rnn(*all_of_it)


def _rnn_backward(
    input,
    weight_ih,
    weight_hh,
    h_0,
    output,
    grad_output,
    grad_h_n=None,
    relu=False,
    lengths=None,
    reverse=False,
    **choice,
) -> Ready:
    how = (relu, lengths, reverse)
    call = _core.rnn_backward(input, weight_ih, weight_hh, h_0, output, grad_output, grad_h_n, *how, **choice)
    arriving = (grad_output, grad_h_n)
    return call, lambda: tuple(
        reference.rnn_backward(*arriving, input, weight_ih, weight_hh, output, h_0, *how)
    )


def _gru(
    input,
    weight_ih,
    weight_hh,
    bias_ih=None,
    bias_hh=None,
    h_0=None,
    keep=False,
    before=False,
    lengths=None,
    reverse=False,
    **choice,
) -> Ready:
    arrays, how = (input, weight_ih, weight_hh, bias_ih, bias_hh, h_0), (before, lengths, reverse)

    def formula() -> tuple[Array, ...]:
        steps = reference.gru_steps(*arrays, *how)
        gates = steps.gates[::-1] if reverse else steps.gates
        return (steps.output, steps.h_n, gates) if keep else (steps.output, steps.h_n)

    return _core.gru(*arrays, keep, *how, **choice), formula


def _gru_backward(
    input,
    weight_ih,
    weight_hh,
    h_0,
    output,
    gates,
    grad_output,
    grad_h_n=None,
    before=False,
    lengths=None,
    reverse=False,
    **choice,
) -> Ready:
    how = (before, lengths, reverse)
    call = _core.gru_backward(
        input, weight_ih, weight_hh, h_0, output, gates, grad_output, grad_h_n, *how, **choice
    )

    def formula() -> tuple[Array, ...]:
        kept = gates[::-1] if reverse else gates
        arriving = (grad_output, grad_h_n)
        return tuple(reference.gru_backward(*arriving, input, weight_ih, weight_hh, output, kept, h_0, *how))

    return call, formula


_NUMBERS = dict.fromkeys(
    [
        "lr",
        "weight_decay",
        "shrink",
        "momentum",
        "dampening",
        "beta1",
        "beta2",
        "eps",
        "maximize",
        "nesterov",
        "first",
        "option",
    ],
    0.0,
) | {"root": 1.0}


def _step(op: str, arrays: tuple[Any, ...], numbers: dict[str, Any], choice: dict[str, Any]) -> _core.Call:
    """param, grad, s0, s1, s2; the numbers that are not named are 0 (root: 1)."""
    for name, value in numbers.items():
        if not isinstance(value, (int, float, np.bool_, np.integer, np.floating)):
            raise TypeError(f"{op}: expected {name} to be a number, got {value!r}")
    given = {name: float(value) for name, value in numbers.items()}
    return getattr(_core, op)(*arrays, {**_NUMBERS, **given}, **choice)


def _sgd_step(
    param,
    grad,
    momentum_buffer=None,
    lr=1e-3,
    momentum=0.0,
    dampening=0.0,
    weight_decay=0.0,
    nesterov=False,
    maximize=False,
    first=False,
    **choice,
) -> Ready:
    if (momentum != 0) != (momentum_buffer is not None):
        raise ValueError("sgd_step: momentum and momentum_buffer belong together")
    how = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
    how |= {"nesterov": nesterov, "maximize": maximize, "first": first}
    call = _step("sgd_step", (param, grad, momentum_buffer, None, None), how, choice)
    return call, lambda: reference.sgd_step(param, grad, momentum_buffer, **how)


def _adam_step(
    param,
    grad,
    exp_avg,
    exp_avg_sq,
    max_exp_avg_sq=None,
    step=1,
    lr=1e-3,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    maximize=False,
    decoupled_weight_decay=False,
    **choice,
) -> Ready:
    t = integer("adam_step", "step", step)
    if t < 1:
        raise ValueError(f"adam_step: expected step of at least 1, got {t}")
    numbers = {"lr": lr / (1 - betas[0] ** t), "beta1": betas[0], "beta2": betas[1], "eps": eps}
    numbers |= {
        "root": (1 - betas[1] ** t) ** 0.5,
        "maximize": maximize,
        "option": max_exp_avg_sq is not None,
    }
    numbers |= {"shrink": lr * weight_decay} if decoupled_weight_decay else {"weight_decay": weight_decay}
    arrays = (param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq)
    call = _step("adam_step", arrays, numbers, choice)
    how = {"step": t, "lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
    how |= {"maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay}
    return call, lambda: reference.adam_step(*arrays, **how)


def _rmsprop_step(
    param,
    grad,
    square_avg,
    grad_avg=None,
    momentum_buffer=None,
    lr=1e-2,
    alpha=0.99,
    eps=1e-8,
    weight_decay=0.0,
    momentum=0.0,
    maximize=False,
    **choice,
) -> Ready:
    if (momentum != 0) != (momentum_buffer is not None):
        raise ValueError("rmsprop_step: momentum and momentum_buffer belong together")
    arrays = (param, grad, square_avg, grad_avg, momentum_buffer)
    numbers = {"lr": lr, "beta2": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
    numbers |= {"maximize": maximize, "option": grad_avg is not None}
    call = _step("rmsprop_step", arrays, numbers, choice)
    how = (lr, alpha, eps, weight_decay, momentum, maximize)
    return call, lambda: reference.rmsprop_step(*arrays, *how)


def _adagrad_step(
    param, grad, sum, step=1, lr=1e-2, lr_decay=0.0, eps=1e-10, weight_decay=0.0, maximize=False, **choice
) -> Ready:
    t = integer("adagrad_step", "step", step)
    numbers = {"lr": lr / (1 + (t - 1) * lr_decay), "eps": eps, "weight_decay": weight_decay}
    call = _step("adagrad_step", (param, grad, sum, None, None), {**numbers, "maximize": maximize}, choice)
    how = (t, lr, lr_decay, eps, weight_decay, maximize)
    return call, lambda: reference.adagrad_step(param, grad, sum, *how)


def _adadelta_step(
    param, grad, square_avg, acc_delta, lr=1.0, rho=0.9, eps=1e-6, weight_decay=0.0, maximize=False, **choice
) -> Ready:
    arrays = (param, grad, square_avg, acc_delta)
    numbers = {"lr": lr, "beta2": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
    call = _step("adadelta_step", (*arrays, None), numbers, choice)
    return call, lambda: reference.adadelta_step(*arrays, lr, rho, eps, weight_decay, maximize)


def _norm(
    input,
    weight=None,
    bias=None,
    mean=None,
    var=None,
    groups=1,
    eps=1e-5,
    over_n=False,
    centre=True,
    residual=None,
    activation=None,
    **choice,
) -> Ready:
    if (mean is None) != (var is None):
        raise ValueError("norm: expected mean and var, or neither")
    g, o, c = (
        integer("norm", "groups", groups),
        flag("norm", "over_n", over_n),
        flag("norm", "centre", centre),
    )
    after = {"residual": residual, "activation": activation}
    call = _core.norm(input, weight, bias, mean, var, g, float(eps), o, c, **after, **choice)
    return call, lambda: reference.norm(input, weight, bias, mean, var, g, float(eps), o, c, **after)


def _norm_backward(
    grad_output,
    input,
    weight,
    mean,
    var,
    groups=1,
    eps=1e-5,
    over_n=False,
    centre=True,
    given=False,
    bias=None,
    activation=None,
    **choice,
) -> Ready:
    op = "norm_backward"
    numbers = (integer(op, "groups", groups), float(eps))
    how = (*numbers, flag(op, "over_n", over_n), flag(op, "centre", centre), flag(op, "given", given))
    args, after = (grad_output, input, weight, mean, var, *how), {"bias": bias, "activation": activation}
    call = _core.norm_backward(*args, **after, **choice)
    return call, lambda: reference.norm_backward(*args, **after)


def _function(op: str, function: Any, parameters: Any) -> tuple[int, tuple[float, ...]]:
    if function not in FUNCTIONS:
        raise ValueError(f"{op}: expected function to be one of {', '.join(FUNCTIONS)}, got {function!r}")
    given = tuple(map(float, parameters)) or FUNCTIONS[function][1]
    if len(given) != len(FUNCTIONS[function][1]):
        raise ValueError(f"{op}: {function} takes {len(FUNCTIONS[function][1])} parameters, got {given}")
    return list(FUNCTIONS).index(function), given


def _activation(input, function, parameters=(), **choice) -> Ready:
    number, given = _function("activation", function, parameters)
    call = _core.activation(input, number, (*given, 0.0, 0.0, 0.0)[:3], **choice)
    return call, lambda: reference.activation(input, function, given)


def _activation_backward(grad_output, input, function, parameters=(), **choice) -> Ready:
    number, given = _function("activation_backward", function, parameters)
    call = _core.activation_backward(grad_output, input, number, (*given, 0.0, 0.0, 0.0)[:3], **choice)
    return call, lambda: reference.activation_backward(grad_output, input, function, given)


def _softmax_axes(op: str, x: Any, dim: Any) -> tuple[Array, int]:
    """x as (outer, d, inner), in the order of its axes, and which axis d is."""
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{op}: expected a NumPy array, got {type(x).__name__}")
    axis = integer(op, "dim", dim)
    if not -x.ndim <= axis < x.ndim:
        raise IndexError(f"{op}: expected dim in [{-x.ndim}, {x.ndim - 1}], got {axis}")
    axis %= x.ndim
    outer, inner = (int(np.prod(s, dtype=np.int64)) for s in (x.shape[:axis], x.shape[axis + 1 :]))
    return x.reshape(outer, x.shape[axis], inner), axis


def _softmax(input, dim=-1, log=False, **choice) -> Ready:
    x, _ = _softmax_axes("softmax", input, dim)
    call = _core.softmax(x, flag("softmax", "log", log), **choice)
    return call, lambda: reference.softmax(x, 1, log)


def _softmax_backward(grad_output, output, dim=-1, log=False, **choice) -> Ready:
    op = "softmax_backward"
    (dy, _), (y, _) = _softmax_axes(op, grad_output, dim), _softmax_axes(op, output, dim)
    call = _core.softmax_backward(dy, y, flag(op, "log", log), **choice)
    return call, lambda: reference.softmax_backward(dy, y, 1, log)


def _reduce_axes(op: str, x: Any, dim: Any) -> tuple[int, ...]:
    """The axes that `dim` (None: all, a number, several) names, from 0 on."""
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{op}: expected a NumPy array, got {type(x).__name__}")
    if dim is None:
        return tuple(range(x.ndim))
    axes = [integer(op, "dim", d) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))]
    for axis in axes:
        if not -x.ndim <= axis < x.ndim:
            raise IndexError(f"{op}: expected dim in [{-x.ndim}, {x.ndim - 1}], got {axis}")
    axes = [axis % x.ndim for axis in axes]
    if len(set(axes)) != len(axes):
        raise ValueError(f"{op}: an axis appears twice in dim={dim}")
    return tuple(axes)


def _reduce(input, dim=None, function="sum", divisor=1.0, **choice) -> Ready:
    axes = _reduce_axes("reduce", input, dim)
    if function not in REDUCTIONS:
        raise ValueError(f"reduce: expected function to be one of {', '.join(REDUCTIONS)}, got {function!r}")
    kept = [axis not in axes for axis in range(input.ndim)]
    call = _core.reduce(input, kept, REDUCTIONS.index(function), float(divisor), **choice)
    return call, lambda: reference.reduce(input, axes, function, float(divisor), keepdim=True)


def _resample(input, axes, fill=0.0, **choice) -> Ready:
    call = _core.resample(input, axes, float(fill), **choice)
    return call, lambda: reference.resample(input, axes, float(fill))


_READY: dict[str, Callable[..., Ready]] = {
    "gemm": _gemm,
    "linear": _linear,
    "max_pool2d": _max_pool2d,
    "max_pool2d_backward": _max_pool2d_backward,
    "avg_pool2d": _avg_pool2d,
    "avg_pool2d_backward": _avg_pool2d_backward,
    "cross_entropy": _cross_entropy,
    "cross_entropy_backward": _cross_entropy_backward,
    "activation": _activation,
    "activation_backward": _activation_backward,
    "norm": _norm,
    "norm_backward": _norm_backward,
    "reduce": _reduce,
    "resample": _resample,
    "softmax": _softmax,
    "softmax_backward": _softmax_backward,
    "embedding": _embedding,
    "embedding_backward": _embedding_backward,
    "lstm": _lstm,
    "lstm_backward": _lstm_backward,
    "lstm_cell": _lstm_cell,
    "lstm_cell_backward": _lstm_cell_backward,
    "rnn": _rnn,
    "rnn_backward": _rnn_backward,
    "gru": _gru,
    "gru_backward": _gru_backward,
}
for _op in ("conv1d", "conv2d", "conv3d"):
    _READY[_op] = _conv2d if _op == "conv2d" else _forward(_op)
    _READY[f"{_op}_backward_input"] = _backward_input(f"{_op}_backward_input")
    _READY[f"{_op}_backward_weight"] = _backward_weight(f"{_op}_backward_weight")
for _op in ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"):
    _READY[_op] = _transpose(_op)
_READY |= {
    "sgd_step": _sgd_step,
    "adam_step": _adam_step,
    "rmsprop_step": _rmsprop_step,
    "adagrad_step": _adagrad_step,
    "adadelta_step": _adadelta_step,
}
for _op in ("relu", "sigmoid", "tanh"):
    _READY[_op] = _elementwise(_op)
    _READY[f"{_op}_backward"] = _elementwise(f"{_op}_backward")

OPERATORS = tuple(_READY)


def call(op: str, *args: Any, rung: str | None = None, **kwargs: Any) -> _core.Call | NumpyCall:
    """The call of operator `op` made ready: checked, rung picked, result allocated, nothing computed yet.

    Takes the arguments of the function of the same name in this module, and `rung`, `isa`, `threads`. The
    call has `.run()`, `.result`, `.time(repeats)` (seconds of each run, weights packed beforehand),
    `.prepare()` and `.time_prepare(repeats)` (the packing), `.rung`, `.isa`, `.threads`, `.walk` (what was
    passed over, and why), `.flops` (2 per multiply-add, padding not counted), `.bytes` (every array once),
    `.packed_bytes`.

    >>> c = call("conv2d", np.ones((1, 8, 6, 6), "f"), np.ones((16, 8, 3, 3), "f"), rung="naive")
    >>> c.run(); float(c.result[0, 0, 0, 0]), c.flops
    (72.0, 36864.0)
    """
    if op not in _READY:
        raise ValueError(f"ops.call: there is no operator {op!r}; there are {', '.join(OPERATORS)}")
    if rung != "numpy":
        return _READY[op](*args, rung=rung, **kwargs)[0]
    if kwargs.pop("isa", None) not in (None, "numpy"):
        raise ValueError(f'{op}: rung "numpy" runs on NumPy alone, not on an isa')
    kernel, formula = _READY[op](*args, **kwargs)
    arrays = [a for a in (*args, *kwargs.values()) if isinstance(a, np.ndarray) and a.dtype.kind == "f"]
    return NumpyCall(kernel, formula, arrays[0].dtype)


def _run(op: str, *args: Any, **kwargs: Any) -> Any:
    ready = call(op, *args, **kwargs)
    ready.run()
    return ready.result


# ---- the operators ----


def conv1d(
    input,
    weight,
    bias=None,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> Array:
    """1-D convolution over sequences, as torch.nn.functional.conv1d.

    input (N, C_in, L), weight (C_out, C_in / groups, kL), bias (C_out,) or None. padding as for conv2d, and
    "causal": dilation * (kL - 1) zeros before the sequence and none behind it, so that no output sees what
    comes later. Returns (N, C_out, L_out).

    >>> conv1d(np.array([[[1, 2, 3]]], "f"), np.ones((1, 1, 2), "f"), padding="causal")[0, 0]
    array([1., 3., 5.], dtype=float32)
    """
    return _run(
        "conv1d",
        input,
        weight,
        bias,
        stride,
        padding,
        dilation,
        groups,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def conv1d_backward_input(
    input_size,
    weight,
    grad_output,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> Array:
    """dL/dinput of conv1d from dL/doutput, as torch.nn.grad.conv1d_input. Returns input_size.

    >>> conv1d_backward_input((1, 1, 3), np.array([[[1, 2]]], "f"), np.ones((1, 1, 2), "f"))[0, 0]
    array([1., 3., 2.], dtype=float32)
    """
    return _run(
        "conv1d_backward_input",
        input_size,
        weight,
        grad_output,
        stride,
        padding,
        dilation,
        groups,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def conv1d_backward_weight(
    input,
    weight_size,
    grad_output,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, Array]:
    """(dL/dweight, dL/dbias) of conv1d from dL/doutput; the first as torch.nn.grad.conv1d_weight.

    >>> conv1d_backward_weight(np.array([[[1, 2, 3]]], "f"), (1, 1, 2), np.ones((1, 1, 2), "f"))
    (array([[[3., 5.]]], dtype=float32), array([2.], dtype=float32))
    """
    return _run(
        "conv1d_backward_weight",
        input,
        weight_size,
        grad_output,
        stride,
        padding,
        dilation,
        groups,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def conv2d(
    input,
    weight,
    bias=None,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    *,
    residual=None,
    activation=None,
    rung=None,
    isa=None,
    threads=0,
) -> Array:
    """2-D convolution (a correlation: the kernel is not flipped), as torch.nn.functional.conv2d.

    input (N, C_in, H, W), weight (C_out, C_in / groups, kH, kW), bias (C_out,) or None. stride, dilation: one
    number or (height, width). padding: that; or (low, high) for some or all axes, ((0, 1), 2); or "valid"
    (none), "same" (PyTorch's: size kept, stride 1 only, an odd one at the end) or "same_upper" (TensorFlow's
    and ONNX's: ceil(size / stride) outputs, an odd one at the end). Returns (N, C_out, H_out, W_out) with
    H_out = floor((H + low + high - dilation * (kH - 1) - 1) / stride) + 1.

    residual (as the output, channels-last in memory) is added, then activation ("relu", "relu6", "silu",
    "sigmoid", "tanh", "gelu") taken, before the output leaves the cache; a rung without epilogue refuses.

    >>> conv2d(np.ones((1, 1, 3, 3), "f"), np.ones((1, 1, 2, 2), "f"))[0, 0]
    array([[4., 4.],
           [4., 4.]], dtype=float32)
    """
    return _run(
        "conv2d",
        input,
        weight,
        bias,
        stride,
        padding,
        dilation,
        groups,
        residual=residual,
        activation=activation,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def conv2d_backward_input(
    input_size,
    weight,
    grad_output,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> Array:
    """dL/dinput of conv2d from dL/doutput, as torch.nn.grad.conv2d_input. Returns input_size.

    >>> w, dy = np.full((1, 1, 1, 1), 3, "f"), np.ones((1, 1, 2, 2), "f")
    >>> conv2d_backward_input((1, 1, 2, 2), w, dy)[0, 0, 0]
    array([3., 3.], dtype=float32)
    """
    return _run(
        "conv2d_backward_input",
        input_size,
        weight,
        grad_output,
        stride,
        padding,
        dilation,
        groups,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def conv2d_backward_weight(
    input,
    weight_size,
    grad_output,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, Array]:
    """(dL/dweight, dL/dbias) of conv2d from dL/doutput; the first as torch.nn.grad.conv2d_weight.

    >>> x = np.ones((1, 1, 2, 2), "f")
    >>> conv2d_backward_weight(x, (1, 1, 1, 1), x)
    (array([[[[4.]]]], dtype=float32), array([4.], dtype=float32))
    """
    return _run(
        "conv2d_backward_weight",
        input,
        weight_size,
        grad_output,
        stride,
        padding,
        dilation,
        groups,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def conv3d(
    input,
    weight,
    bias=None,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> Array:
    """3-D convolution over volumes or films, as torch.nn.functional.conv3d.

    input (N, C_in, D, H, W), weight (C_out, C_in / groups, kD, kH, kW), bias (C_out,) or None. stride,
    dilation: one number or (depth, height, width); padding as for conv2d. Returns (N, C_out, D_out, H_out,
    W_out).

    >>> conv3d(np.ones((1, 2, 2, 2, 2), "f"), np.ones((1, 2, 2, 2, 2), "f")).item()
    16.0
    """
    return _run(
        "conv3d",
        input,
        weight,
        bias,
        stride,
        padding,
        dilation,
        groups,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def conv3d_backward_input(
    input_size,
    weight,
    grad_output,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> Array:
    """dL/dinput of conv3d from dL/doutput, as torch.nn.grad.conv3d_input. Returns input_size.

    >>> one = np.ones((1, 1, 1, 1, 1), "f")
    >>> conv3d_backward_input((1, 1, 1, 1, 1), 3 * one, one).item()
    3.0
    """
    return _run(
        "conv3d_backward_input",
        input_size,
        weight,
        grad_output,
        stride,
        padding,
        dilation,
        groups,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def conv3d_backward_weight(
    input,
    weight_size,
    grad_output,
    stride=1,
    padding=0,
    dilation=1,
    groups=1,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, Array]:
    """(dL/dweight, dL/dbias) of conv3d from dL/doutput; the first as torch.nn.grad.conv3d_weight.

    >>> x = np.ones((1, 1, 2, 2, 2), "f")
    >>> dw, db = conv3d_backward_weight(x, (1, 1, 1, 1, 1), x)
    >>> dw.item(), db.item()
    (8.0, 8.0)
    """
    return _run(
        "conv3d_backward_weight",
        input,
        weight_size,
        grad_output,
        stride,
        padding,
        dilation,
        groups,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def conv_transpose1d(
    input,
    weight,
    bias=None,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> Array:
    """Transposed 1-D convolution, as torch.nn.functional.conv_transpose1d (mind the order of arguments).

    input (N, C_in, L), weight (C_in, C_out / groups, kL), bias (C_out,) or None; stride, padding,
    output_padding, dilation: numbers. It is the backward pass of conv1d with respect to its input, plus a
    bias, and runs on that ladder. Returns (N, C_out, L_out) with L_out = (L - 1) * stride - 2 * padding +
    dilation * (kL - 1) + output_padding + 1.

    >>> conv_transpose1d(np.array([[[1, 10]]], "f"), np.array([[[1, 2, 3]]], "f"), stride=2)[0, 0]
    array([ 1.,  2., 13., 20., 30.], dtype=float32)
    """
    return _run(
        "conv_transpose1d",
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def conv_transpose2d(
    input,
    weight,
    bias=None,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> Array:
    """Transposed 2-D convolution, as torch.nn.functional.conv_transpose2d (mind the order of arguments).

    input (N, C_in, H, W), weight (C_in, C_out / groups, kH, kW), bias (C_out,) or None; stride, padding,
    output_padding, dilation: numbers. It is the backward pass of conv2d with respect to its input, plus a
    bias, and runs on that ladder. Returns (N, C_out, H_out, W_out) with H_out = (H - 1) * stride - 2 *
    padding + dilation * (kH - 1) + output_padding + 1.

    >>> conv_transpose2d(np.ones((1, 1, 1, 2), "f"), np.ones((1, 1, 1, 2), "f"), stride=2)[0, 0]
    array([[1., 1., 1., 1.]], dtype=float32)
    """
    return _run(
        "conv_transpose2d",
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def conv_transpose3d(
    input,
    weight,
    bias=None,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> Array:
    """Transposed 3-D convolution, as torch.nn.functional.conv_transpose3d (mind the order of arguments).

    input (N, C_in, D, H, W), weight (C_in, C_out / groups, kD, kH, kW), bias (C_out,) or None; stride,
    padding, output_padding, dilation: numbers. It is the backward pass of conv3d with respect to its
    input, plus a bias, and runs on that ladder. Returns (N, C_out, D_out, H_out, W_out) with D_out = (D -
    1) * stride - 2 * padding + dilation * (kD - 1) + output_padding + 1.

    >>> conv_transpose3d(np.ones((1, 1, 2, 2, 2), "f"), np.ones((1, 3, 2, 2, 2), "f"), stride=2).shape
    (1, 3, 4, 4, 4)
    """
    return _run(
        "conv_transpose3d",
        input,
        weight,
        bias,
        stride,
        padding,
        output_padding,
        groups,
        dilation,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def gemm(input, other, bias=None, *, residual=None, activation=None, rung=None, isa=None, threads=0) -> Array:
    """The matrix product (M, K) x (K, N), plus bias (N,) if given. Returns (M, N).

    residual and activation: as in conv2d.

    >>> gemm(np.eye(2, dtype="f"), np.array([[1, 2], [3, 4]], "f"))
    array([[1., 2.],
           [3., 4.]], dtype=float32)
    """
    return _run(
        "gemm",
        input,
        other,
        bias,
        residual=residual,
        activation=activation,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def linear(
    input, weight, bias=None, *, residual=None, activation=None, rung=None, isa=None, threads=0
) -> Array:
    """input x weight^T + bias, as torch.nn.functional.linear: (rows, in) and (out, in) give (rows, out).

    residual and activation: as in conv2d.

    >>> linear(np.ones((1, 3), "f"), np.ones((2, 3), "f"), np.array([0, 1], "f"))
    array([[3., 4.]], dtype=float32)
    """
    return _run(
        "linear",
        input,
        weight,
        bias,
        residual=residual,
        activation=activation,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def max_pool2d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode=False,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, Array]:
    """The largest of each window, as torch.nn.functional.max_pool2d with return_indices=True.

    input (N, C, H, W). stride defaults to kernel_size. Returns (N, C, H_out, W_out) and the indices (int64)
    into the flattened plane (H, W) of what was taken.

    >>> max_pool2d(np.arange(4, dtype="f").reshape(1, 1, 2, 2), 2)[0][0, 0]
    array([[3.]], dtype=float32)
    """
    return _run(
        "max_pool2d",
        input,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def max_pool2d_backward(
    grad_output,
    indices,
    input_size,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode=False,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> Array:
    """dL/dinput of max_pool2d from dL/doutput and its indices. Returns input_size.

    >>> x = np.arange(4, dtype="f").reshape(1, 1, 2, 2)
    >>> y, indices = max_pool2d(x, 2)
    >>> max_pool2d_backward(np.ones_like(y), indices, x.shape, 2)[0, 0, 1]
    array([0., 1.], dtype=float32)
    """
    return _run(
        "max_pool2d_backward",
        grad_output,
        indices,
        input_size,
        kernel_size,
        stride,
        padding,
        dilation,
        ceil_mode,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def avg_pool2d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> Array:
    """The mean of each window, as torch.nn.functional.avg_pool2d: (N, C, H, W) gives (N, C, H_out, W_out).

    >>> avg_pool2d(np.arange(4, dtype="f").reshape(1, 1, 2, 2), 2)[0, 0]
    array([[1.5]], dtype=float32)
    """
    return _run(
        "avg_pool2d",
        input,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def avg_pool2d_backward(
    grad_output,
    input_size,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> Array:
    """dL/dinput of avg_pool2d from dL/doutput. Returns input_size.

    >>> avg_pool2d_backward(np.ones((1, 1, 1, 1), "f"), (1, 1, 2, 2), 2)[0, 0, 0]
    array([0.25, 0.25], dtype=float32)
    """
    return _run(
        "avg_pool2d_backward",
        grad_output,
        input_size,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        divisor_override,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def relu(input, *, rung=None, isa=None, threads=0) -> Array:
    """max(x, 0), NaN stays NaN.

    >>> relu(np.array([-1, 2], "f"))
    array([0., 2.], dtype=float32)
    """
    return _run("relu", input, rung=rung, isa=isa, threads=threads)


def relu_backward(output, grad_output, *, rung=None, isa=None, threads=0) -> Array:
    """dL/dinput = dL/doutput where output > 0, else 0.

    >>> relu_backward(np.array([0, 2], "f"), np.array([5, 5], "f"))
    array([0., 5.], dtype=float32)
    """
    return _run("relu_backward", output, grad_output, rung=rung, isa=isa, threads=threads)


def sigmoid(input, *, rung=None, isa=None, threads=0) -> Array:
    """1 / (1 + exp(-x)).

    >>> sigmoid(np.zeros(1, "f"))
    array([0.5], dtype=float32)
    """
    return _run("sigmoid", input, rung=rung, isa=isa, threads=threads)


def sigmoid_backward(output, grad_output, *, rung=None, isa=None, threads=0) -> Array:
    """dL/dinput = dL/doutput * output * (1 - output).

    >>> sigmoid_backward(np.full(1, 0.5, "f"), np.ones(1, "f"))
    array([0.25], dtype=float32)
    """
    return _run("sigmoid_backward", output, grad_output, rung=rung, isa=isa, threads=threads)


def tanh(input, *, rung=None, isa=None, threads=0) -> Array:
    """The hyperbolic tangent.

    >>> tanh(np.zeros(1, "f"))
    array([0.], dtype=float32)
    """
    return _run("tanh", input, rung=rung, isa=isa, threads=threads)


def tanh_backward(output, grad_output, *, rung=None, isa=None, threads=0) -> Array:
    """dL/dinput = dL/doutput * (1 - output ** 2).

    >>> tanh_backward(np.full(1, 0.5, "f"), np.ones(1, "f"))
    array([0.75], dtype=float32)
    """
    return _run("tanh_backward", output, grad_output, rung=rung, isa=isa, threads=threads)


def cross_entropy(
    input, target, weight=None, ignore_index=-100, label_smoothing=0.0, *, rung=None, isa=None, threads=0
) -> tuple[Array, Array, Array]:
    """Softmax cross-entropy of each row; loss.sum() / row_weight.sum() is PyTorch's reduction="mean".

    input (N, C, d1, ...) of scores, target (N, d1, ...) int64 classes, weight (C,) or None. Returns loss,
    log-sum-exp and weight of each row, each (N, S) with S the product of d1, ... IndexError for a target that
    is no class.

    >>> loss, _, _ = cross_entropy(np.zeros((1, 2), "f"), np.array([0]))
    >>> loss
    array([[0.6931472]], dtype=float32)
    """
    return _run(
        "cross_entropy",
        input,
        target,
        weight,
        ignore_index,
        label_smoothing,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def cross_entropy_backward(
    input,
    target,
    log_sum_exp,
    grad_output,
    weight=None,
    ignore_index=-100,
    label_smoothing=0.0,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> Array:
    """dL/dinput (N, C, S) from dL/dloss (N, S) and the log-sum-exp that cross_entropy returned.

    >>> x, t = np.zeros((1, 2), "f"), np.array([0])
    >>> loss, lse, _ = cross_entropy(x, t)
    >>> cross_entropy_backward(x, t, lse, np.ones((1, 1), "f"))[0, :, 0]
    array([-0.5,  0.5], dtype=float32)
    """
    return _run(
        "cross_entropy_backward",
        input,
        target,
        log_sum_exp,
        grad_output,
        weight,
        ignore_index,
        label_smoothing,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def embedding(input, weight, padding_idx=-1, *, rung=None, isa=None, threads=0) -> Array:
    """Rows of a table: input (M,) int64, weight (V, D) give (M, D). IndexError for an index outside it.

    >>> embedding(np.array([1, 0]), np.array([[1, 2], [3, 4]], "f"))
    array([[3., 4.],
           [1., 2.]], dtype=float32)
    """
    return _run("embedding", input, weight, padding_idx, rung=rung, isa=isa, threads=threads)


def embedding_backward(
    input, grad_output, num_embeddings, padding_idx=-1, *, rung=None, isa=None, threads=0
) -> Array:
    """dL/dweight (num_embeddings, D) from dL/doutput (M, D); row padding_idx (-1: none) gets no gradient.

    >>> embedding_backward(np.array([1, 1]), np.ones((2, 1), "f"), 3)[:, 0]
    array([0., 2., 0.], dtype=float32)
    """
    return _run(
        "embedding_backward",
        input,
        grad_output,
        num_embeddings,
        padding_idx,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def lstm(
    input,
    weight_ih,
    weight_hh,
    bias_ih=None,
    bias_hh=None,
    h_0=None,
    c_0=None,
    keep=False,
    lengths=None,
    reverse=False,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, ...]:
    """One layer and direction of an LSTM over a whole sequence (the formula: csrc/ops/lstm/lstm.h).

    input (T, N, I), weight_ih (4H, I), weight_hh (4H, H) with the rows of i, f, g, o in this order, biases
    (4H,) both or none, states (N, H) both or none. Returns (y (T, N, H), h_n (N, H), c_n (N, H)), and with
    keep=True also the gates (T, N, 4H) after their functions and the cells (T, N, H), which the backward pass
    reads (in the order of the steps taken). lengths (N,) int64, from 0 to T: beyond its length a sequence's
    output is 0 and its states stay. reverse: from the last step to the first.

    >>> y, h, c = lstm(np.ones((3, 1, 2), "f"), np.ones((4, 2), "f"), np.zeros((4, 1), "f"))
    >>> y.shape, h.shape, bool(h[0, 0] == y[2, 0, 0])
    ((3, 1, 1), (1, 1), True)
    """
    return _run(
        "lstm",
        input,
        weight_ih,
        weight_hh,
        bias_ih,
        bias_hh,
        h_0,
        c_0,
        keep,
        lengths,
        reverse,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def lstm_backward(
    input,
    weight_ih,
    weight_hh,
    h_0,
    c_0,
    output,
    gates,
    cells,
    grad_output,
    grad_h_n=None,
    grad_c_n=None,
    lengths=None,
    reverse=False,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, ...]:
    """Gradients of lstm, backward through time, from what lstm(..., keep=True) returned.

    grad_output (T, N, H), grad_h_n and grad_c_n (N, H), each may be None for zeros. Returns dL/d of (input,
    weight_ih, weight_hh, bias (the same for both), h_0, c_0). The formulas:
    csrc/ops/lstm_backward/lstm_backward.h.

    >>> x, w_ih, w_hh = np.ones((3, 1, 2), "f"), np.ones((4, 2), "f"), np.zeros((4, 1), "f")
    >>> y, _, _, gates, cells = lstm(x, w_ih, w_hh, keep=True)
    >>> gradients = lstm_backward(x, w_ih, w_hh, None, None, y, gates, cells, np.ones_like(y))
    >>> [g.shape for g in gradients]
    [(3, 1, 2), (4, 2), (4, 1), (4,), (1, 1), (1, 1)]
    """
    return _run(
        "lstm_backward",
        input,
        weight_ih,
        weight_hh,
        h_0,
        c_0,
        output,
        gates,
        cells,
        grad_output,
        grad_h_n,
        grad_c_n,
        lengths,
        reverse,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def lstm_cell(sums, c0=None, more=None, *, rung=None, isa=None, threads=0) -> tuple[Array, ...]:
    """What an LSTM does with the sums of its gates (the formula: csrc/ops/lstm_cell/lstm_cell.h).

    sums (M, 4H), blocks in the order i, f, g, o, and more (M, 4H) or None, added to them; c0 (M, H) or None:
    zeros; float32 or float64. Returns (y (M, H), c (M, H), gates (M, 4H) after their functions).

    >>> y, c, gates = lstm_cell(np.zeros((1, 4), "f"), np.full((1, 1), 8, "f"))
    >>> c  # all gates 1/2, g = 0: the cell halves
    array([[4.]], dtype=float32)
    """
    return _run("lstm_cell", sums, c0, more, rung=rung, isa=isa, threads=threads)


def lstm_cell_backward(
    gates, c, c0=None, grad_y=None, grad_c=None, *, rung=None, isa=None, threads=0
) -> tuple[Array, ...]:
    """Gradients of lstm_cell from what it returned, its c0, and what arrives at y and c (None: zeros).

    Returns dL/d of (sums (M, 4H), which is that of more as well, c0 (M, H)).

    >>> y, c, gates = lstm_cell(np.zeros((1, 4), "f"), np.full((1, 1), 8, "f"))
    >>> lstm_cell_backward(gates, c, grad_c=np.ones((1, 1), "f"))[1]  # the forget gate is 1/2
    array([[0.5]], dtype=float32)
    """
    return _run("lstm_cell_backward", gates, c, c0, grad_y, grad_c, rung=rung, isa=isa, threads=threads)


def rnn(
    input,
    weight_ih,
    weight_hh,
    bias_ih=None,
    bias_hh=None,
    h_0=None,
    relu=False,
    lengths=None,
    reverse=False,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, ...]:
    """One layer and direction of Elman's network over a whole sequence (the formula: csrc/ops/rnn/rnn.h).

    input (T, N, I), weight_ih (H, I), weight_hh (H, H), biases (H,) both or none, h_0 (N, H) or None. relu:
    max(., 0) in place of tanh. lengths (N,) int64, from 0 to T: beyond its length a sequence's output is 0
    and its state stays. reverse: from the last step to the first. Returns (y (T, N, H), h_n (N, H)).

    >>> y, h = rnn(np.ones((3, 1, 1), "f"), np.ones((1, 1), "f"), np.ones((1, 1), "f"), relu=True)
    >>> y[:, 0, 0]
    array([1., 2., 3.], dtype=float32)
    """
    return _run(
        "rnn",
        input,
        weight_ih,
        weight_hh,
        bias_ih,
        bias_hh,
        h_0,
        relu,
        lengths,
        reverse,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def rnn_backward(
    input,
    weight_ih,
    weight_hh,
    h_0,
    output,
    grad_output,
    grad_h_n=None,
    relu=False,
    lengths=None,
    reverse=False,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, ...]:
    """Gradients of rnn, backward through time, from its output.

    grad_output (T, N, H) and grad_h_n (N, H), each may be None for zeros. Returns dL/d of (input, weight_ih,
    weight_hh, bias (the same for both), h_0). The formulas: csrc/ops/rnn_backward/rnn_backward.h.

    >>> x, one = np.ones((2, 1, 1), "f"), np.ones((1, 1), "f")
    >>> y, _ = rnn(x, one, one, relu=True)
    >>> rnn_backward(x, one, one, None, y, np.ones_like(y), relu=True)[0][:, 0, 0]
    array([2., 1.], dtype=float32)
    """
    return _run(
        "rnn_backward",
        input,
        weight_ih,
        weight_hh,
        h_0,
        output,
        grad_output,
        grad_h_n,
        relu,
        lengths,
        reverse,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def gru(
    input,
    weight_ih,
    weight_hh,
    bias_ih=None,
    bias_hh=None,
    h_0=None,
    keep=False,
    before=False,
    lengths=None,
    reverse=False,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, ...]:
    """One layer and direction of gated recurrent units over a whole sequence (csrc/ops/gru/gru.h).

    input (T, N, I), weight_ih (3H, I), weight_hh (3H, H) with the rows of r, z, n in this order, biases (3H,)
    both or none, h_0 (N, H) or None. before: the reset gate acts before the product with w_hn (Cho et al.
    2014), not after it (PyTorch). lengths (N,) int64, from 0 to T: beyond its length a sequence's output is 0
    and its state stays. reverse: from the last step to the first. Returns (y (T, N, H), h_n (N, H)), and with
    keep=True also r z n q (T, N, 4H), in the order of the steps taken, which the backward pass reads.

    >>> w = np.zeros((3, 1), "f")  # all gates 1/2, n = 0: the state halves
    >>> y, h = gru(np.ones((2, 1, 1), "f"), w, w, h_0=np.full((1, 1), 8, "f"))
    >>> y[:, 0, 0]
    array([4., 2.], dtype=float32)
    """
    return _run(
        "gru",
        input,
        weight_ih,
        weight_hh,
        bias_ih,
        bias_hh,
        h_0,
        keep,
        before,
        lengths,
        reverse,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def gru_backward(
    input,
    weight_ih,
    weight_hh,
    h_0,
    output,
    gates,
    grad_output,
    grad_h_n=None,
    before=False,
    lengths=None,
    reverse=False,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, ...]:
    """Gradients of gru, backward through time, from what gru(..., keep=True) returned.

    grad_output (T, N, H) and grad_h_n (N, H), each may be None for zeros. Returns dL/d of (input, weight_ih,
    weight_hh, bias_ih, bias_hh, h_0). The formulas: csrc/ops/gru_backward/gru_backward.h.

    >>> x, w_ih, w_hh = np.ones((3, 1, 2), "f"), np.ones((3, 2), "f"), np.zeros((3, 1), "f")
    >>> y, _, gates = gru(x, w_ih, w_hh, keep=True)
    >>> [g.shape for g in gru_backward(x, w_ih, w_hh, None, y, gates, np.ones_like(y))]
    [(3, 1, 2), (3, 2), (3, 1), (3,), (3,), (1, 1)]
    """
    return _run(
        "gru_backward",
        input,
        weight_ih,
        weight_hh,
        h_0,
        output,
        gates,
        grad_output,
        grad_h_n,
        before,
        lengths,
        reverse,
        rung=rung,
        isa=isa,
        threads=threads,
    )


def sgd_step(
    param,
    grad,
    momentum_buffer=None,
    lr=1e-3,
    momentum=0.0,
    dampening=0.0,
    weight_decay=0.0,
    nesterov=False,
    maximize=False,
    first=False,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, ...]:
    """One step of stochastic gradient descent: (param,) or, with momentum, (param, momentum_buffer).

    Arrays of one shape; first: the buffer has no contents yet and becomes the gradient.

    >>> sgd_step(np.ones(1), np.full(1, 2.0), lr=0.25)
    (array([0.5]),)
    """
    how = (lr, momentum, dampening, weight_decay, nesterov, maximize, first)
    return _run("sgd_step", param, grad, momentum_buffer, *how, rung=rung, isa=isa, threads=threads)


def adam_step(
    param,
    grad,
    exp_avg,
    exp_avg_sq,
    max_exp_avg_sq=None,
    step=1,
    lr=1e-3,
    betas=(0.9, 0.999),
    eps=1e-8,
    weight_decay=0.0,
    maximize=False,
    decoupled_weight_decay=False,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, ...]:
    """Step number `step` (from 1) of Adam: (param, exp_avg, exp_avg_sq[, max_exp_avg_sq]).

    >>> zero = np.zeros(1)
    >>> adam_step(np.ones(1), np.full(1, 2.0), zero, zero, lr=0.25)[0].round(6)
    array([0.75])
    """
    arrays = (param, grad, exp_avg, exp_avg_sq, max_exp_avg_sq)
    how = (step, lr, betas, eps, weight_decay, maximize, decoupled_weight_decay)
    return _run("adam_step", *arrays, *how, rung=rung, isa=isa, threads=threads)


def rmsprop_step(
    param,
    grad,
    square_avg,
    grad_avg=None,
    momentum_buffer=None,
    lr=1e-2,
    alpha=0.99,
    eps=1e-8,
    weight_decay=0.0,
    momentum=0.0,
    maximize=False,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, ...]:
    """One step of RMSprop: (param, square_avg[, grad_avg][, momentum_buffer]); grad_avg makes it centered.

    >>> rmsprop_step(np.ones(1), np.full(1, 2.0), np.zeros(1), lr=0.25, alpha=0.75, eps=0.0)
    (array([0.5]), array([1.]))
    """
    arrays = (param, grad, square_avg, grad_avg, momentum_buffer)
    how = (lr, alpha, eps, weight_decay, momentum, maximize)
    return _run("rmsprop_step", *arrays, *how, rung=rung, isa=isa, threads=threads)


def adagrad_step(
    param,
    grad,
    sum,
    step=1,
    lr=1e-2,
    lr_decay=0.0,
    eps=1e-10,
    weight_decay=0.0,
    maximize=False,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, ...]:
    """Step number `step` (from 1) of Adagrad: (param, sum of squared gradients).

    >>> adagrad_step(np.ones(1), np.full(1, 2.0), np.zeros(1), lr=0.25, eps=0.0)
    (array([0.75]), array([4.]))
    """
    how = (step, lr, lr_decay, eps, weight_decay, maximize)
    return _run("adagrad_step", param, grad, sum, *how, rung=rung, isa=isa, threads=threads)


def adadelta_step(
    param,
    grad,
    square_avg,
    acc_delta,
    lr=1.0,
    rho=0.9,
    eps=1e-6,
    weight_decay=0.0,
    maximize=False,
    *,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, ...]:
    """One step of Adadelta: (param, square_avg, acc_delta).

    >>> adadelta_step(np.ones(1), np.full(1, 2.0), np.full(1, 4.0), np.ones(1), eps=0.0)[0].round(6)
    array([0.])
    """
    how = (lr, rho, eps, weight_decay, maximize)
    return _run(
        "adadelta_step", param, grad, square_avg, acc_delta, *how, rung=rung, isa=isa, threads=threads
    )


def norm(
    input,
    weight=None,
    bias=None,
    mean=None,
    var=None,
    groups=1,
    eps=1e-5,
    over_n=False,
    centre=True,
    *,
    residual=None,
    activation=None,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, Array, Array]:
    """Batch, instance, group, layer and RMS normalisation of (N, S, C): N images, S places, C channels.

    Every set of numbers gets mean 0 and variance 1 (and then weight and bias of its channel, each (C,)): over
    n and s for each channel (batch: over_n, groups = C), over s for each image and group of channels
    (instance: groups = C; group; layer: groups = 1, S = 1). Not `centre`: divided by the root mean square.
    mean, var: (N, groups), or (1, C) if over_n; taken from the input unless given. Returns y, mean and var.

    residual: added to y, of y's shape and strides; activation: None, or "relu" of the sum.

    >>> y, mean, var = norm(np.array([[[1.0, 3.0]]], "f"), eps=0.0)
    >>> y.tolist(), mean.tolist(), var.tolist()
    ([[[-1.0, 1.0]]], [[2.0]], [[1.0]])
    """
    args = (input, weight, bias, mean, var, groups, eps, over_n, centre)
    after = {"residual": residual, "activation": activation}
    return _run("norm", *args, **after, rung=rung, isa=isa, threads=threads)


def norm_backward(
    grad_output,
    input,
    weight,
    mean,
    var,
    groups=1,
    eps=1e-5,
    over_n=False,
    centre=True,
    given=False,
    *,
    bias=None,
    activation=None,
    rung=None,
    isa=None,
    threads=0,
) -> tuple[Array, Array, Array]:
    """dL/d of norm's input, weight and bias, from what norm returned; `given`: mean and var were given to it.

    activation: "relu" if grad_output is the gradient of ReLU of the result; then `bias` is needed as well.

    >>> x, one = np.array([[[1.0, 3.0]]], "f"), np.ones((1, 1), "f")
    >>> norm_backward(np.array([[[1.0, 0.0]]], "f"), x, None, 2 * one, one, eps=0.0)[1].tolist()
    [-1.0, 0.0]
    """
    args = (grad_output, input, weight, mean, var, groups, eps, over_n, centre, given)
    after = {"bias": bias, "activation": activation}
    return _run("norm_backward", *args, **after, rung=rung, isa=isa, threads=threads)


def activation(input, function, parameters=(), *, rung=None, isa=None, threads=0) -> Array:
    """One of the activations beyond relu, sigmoid and tanh, of every element; any shape.

    function: "leaky_relu" (parameters: slope), "elu" (alpha, scale, rate), "silu", "gelu", "gelu_tanh",
    "softplus" (beta, threshold), "hardtanh" (low, high), "hardsigmoid", "hardswish", "mish", "logsigmoid",
    "threshold" (threshold, value), "hardshrink" (lambda), "softshrink" (lambda), "softsign", "tanhshrink",
    "nonpositive", "huber" (width, slope), "square", "absolute".

    >>> activation(np.array([-2.0, 3.0], "f"), "leaky_relu", (0.5,)).tolist()
    [-1.0, 3.0]
    """
    return _run("activation", input, function, parameters, rung=rung, isa=isa, threads=threads)


def activation_backward(
    grad_output, input, function, parameters=(), *, rung=None, isa=None, threads=0
) -> Array:
    """grad_output times the activation's derivative at input.

    >>> x = np.array([-2.0, 3.0], "f")
    >>> activation_backward(np.ones_like(x), x, "leaky_relu", (0.5,)).tolist()
    [0.5, 1.0]
    """
    args = (grad_output, input, function, parameters)
    return _run("activation_backward", *args, rung=rung, isa=isa, threads=threads)


def softmax(input, dim=-1, log=False, *, rung=None, isa=None, threads=0) -> Array:
    """exp(x) / sum of exp(x) along dim, or its logarithm; any shape. IndexError if there is no such axis.

    >>> softmax(np.zeros((1, 4), "f")).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """
    return _run("softmax", input, dim, log, rung=rung, isa=isa, threads=threads).reshape(input.shape)


def softmax_backward(grad_output, output, dim=-1, log=False, *, rung=None, isa=None, threads=0) -> Array:
    """dL/dx of softmax from its result: y * (dy - sum of dy * y); dy - exp(y) * sum of dy for the logarithm.

    >>> softmax_backward(np.array([1.0, 0.0], "f"), np.array([0.5, 0.5], "f")).tolist()
    [0.25, -0.25]
    """
    found = _run("softmax_backward", grad_output, output, dim, log, rung=rung, isa=isa, threads=threads)
    return found.reshape(output.shape)


def reduce(
    input, dim=None, function="sum", divisor=1.0, keepdim=False, *, rung=None, isa=None, threads=0
) -> Array:
    """Sums, maxima or minima along the axes `dim` (None: all), which go away unless keepdim; any shape.

    function: "sum" (divided by `divisor`: for a mean, how many there are), "amax", "amin"; NaN wins. Of no
    elements: 0, -inf, inf. IndexError if there is no such axis, ValueError if one appears twice.

    >>> reduce(np.array([[1.0, 2.0], [3.0, 5.0]], "f"), 0).tolist()
    [4.0, 7.0]
    """
    args = (input, dim, function, divisor)
    y = _run("reduce", *args, rung=rung, isa=isa, threads=threads)
    return y if keepdim else y.squeeze(_reduce_axes("reduce", input, dim))


def resample(input, axes, fill=0.0, *, rung=None, isa=None, threads=0) -> Array:
    """Weighted sums of inputs, axis by axis: what padding, interpolation and averages are made of.

    input (N, C, D, H, W); axes: for D, H and W a table (begin, index, weight), int64, int64, input's dtype:
    taps begin[o] to begin[o + 1] - 1 make output o. An output that has none along some axis is `fill`.

    >>> one = (np.array([0, 1]), np.array([0]), np.ones(1, "f"))
    >>> table = (np.array([0, 0, 2]), np.array([0, 1]), np.array([0.5, 0.5], "f"))
    >>> resample(np.array([3.0, 5.0], "f").reshape(1, 1, 1, 1, 2), (one, one, table), 9.0).ravel().tolist()
    [9.0, 4.0]
    """
    return _run("resample", input, axes, fill, rung=rung, isa=isa, threads=threads)
