"""The largest and the mean of windows over two axes, and their gradients."""

from __future__ import annotations

from typing import Unpack

import numpy as np  # noqa: F401 (for the examples)

from loopnest import _core, reference
from loopnest._arguments import flag, four, integer, pair
from loopnest.ops.ready import Array, Choice, Ready, operator

Pair = tuple[int, int]  # height, width


def _windows(op, kernel_size, stride, padding, dilation=1) -> tuple[Pair, Pair, Pair, Pair]:
    """kernel, stride (the kernel, if None), padding and dilation."""
    kernel = pair(op, "kernel_size", kernel_size)
    step = kernel if stride is None else pair(op, "stride", stride)
    return kernel, step, pair(op, "padding", padding), pair(op, "dilation", dilation)


@operator
def max_pool2d(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, **choice: Unpack[Choice]
) -> Ready[tuple[Array, Array]]:
    """The largest of each window, as torch.nn.functional.max_pool2d with return_indices=True.

    input (N, C, H, W). stride defaults to kernel_size. Returns (N, C, H_out, W_out) and the indices (int64)
    into the flattened plane (H, W) of what was taken.

    >>> max_pool2d(np.arange(4, dtype="f").reshape(1, 1, 2, 2), 2)[0][0, 0]
    array([[3.]], dtype=float32)
    """
    k, s, p, d = _windows("max_pool2d", kernel_size, stride, padding, dilation)
    ceil = flag("max_pool2d", "ceil_mode", ceil_mode)
    call = _core.max_pool2d(input, k, s, p, d, ceil, **choice)
    return call, lambda: reference.max_pool2d(input, k, s, p, d, ceil)


@operator
def max_pool2d_backward(
    grad_output,
    indices,
    input_size,
    kernel_size,
    stride=None,
    padding=0,
    dilation=1,
    ceil_mode=False,
    **choice: Unpack[Choice],
) -> Ready[Array]:
    """dL/dinput of max_pool2d from dL/doutput and its indices. Returns input_size.

    >>> x = np.arange(4, dtype="f").reshape(1, 1, 2, 2)
    >>> y, indices = max_pool2d(x, 2)
    >>> max_pool2d_backward(np.ones_like(y), indices, x.shape, 2)[0, 0, 1]
    array([0., 1.], dtype=float32)
    """
    op = "max_pool2d_backward"
    size, ceil = four(op, "input_size", input_size), flag(op, "ceil_mode", ceil_mode)
    windows = _windows(op, kernel_size, stride, padding, dilation)
    call = _core.max_pool2d_backward(grad_output, indices, size, *windows, ceil, **choice)
    return call, lambda: reference.max_pool2d_backward(grad_output, indices, size)


def _mean(
    op, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
) -> tuple[tuple[Pair, Pair, Pair, bool, bool], int | None]:
    """(kernel, stride, padding and the two flags) and the divisor."""
    k, s, p, _ = _windows(op, kernel_size, stride, padding)
    ceil, include = flag(op, "ceil_mode", ceil_mode), flag(op, "count_include_pad", count_include_pad)
    divisor = None
    if divisor_override is not None:
        divisor = integer(op, "divisor_override", divisor_override)
        if divisor == 0:
            raise ValueError(f"{op}: expected divisor_override to be None or a number other than 0, got 0")
    return (k, s, p, ceil, include), divisor


@operator
def avg_pool2d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
    **choice: Unpack[Choice],
) -> Ready[Array]:
    """The mean of each window, as torch.nn.functional.avg_pool2d: (N, C, H, W) gives (N, C, H_out, W_out).

    >>> avg_pool2d(np.arange(4, dtype="f").reshape(1, 1, 2, 2), 2)[0, 0]
    array([[1.5]], dtype=float32)
    """
    how, divisor = _mean(
        "avg_pool2d", kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
    call = _core.avg_pool2d(input, *how, divisor or 0, **choice)
    return call, lambda: reference.avg_pool2d(input, *how, divisor)


@operator
def avg_pool2d_backward(
    grad_output,
    input_size,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
    **choice: Unpack[Choice],
) -> Ready[Array]:
    """dL/dinput of avg_pool2d from dL/doutput. Returns input_size.

    >>> avg_pool2d_backward(np.ones((1, 1, 1, 1), "f"), (1, 1, 2, 2), 2)[0, 0, 0]
    array([0.25, 0.25], dtype=float32)
    """
    op = "avg_pool2d_backward"
    size = four(op, "input_size", input_size)
    how, divisor = _mean(op, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    call = _core.avg_pool2d_backward(grad_output, size, *how, divisor or 0, **choice)
    return call, lambda: reference.avg_pool2d_backward(grad_output, size, *how, divisor)
