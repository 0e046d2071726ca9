"""Convolutions over one to three axes, their gradients, and transposed ones."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from loopnest import _core, reference
from loopnest._arguments import integer, shape
from loopnest.engine.conv import each, pads
from loopnest.ops.ready import Array, Choice, Ready, operator


def _options(
    op: str, size: Any, kernel: Any, stride: Any, pad: Any, dilation: Any, groups: Any
) -> tuple[Any, ...]:
    """stride, padding (low and high of each axis in a row), dilation, groups; size and kernel are shapes."""
    axes = _space(op)
    s, d = each(op, "stride", stride, axes), each(op, "dilation", dilation, axes)
    k = tuple(kernel[2:]) if len(kernel) == 2 + axes else (1,) * axes  # of another rank: refused by the check
    i = tuple(size[2:]) if len(size) == 2 + axes else (1,) * axes
    return s, pads(op, pad, i, k, s, d), d, integer(op, "groups", groups)


def _space(op: str) -> int:
    """Axes of space: the number before the d of conv1d, conv_transpose2d, conv3d_backward_input ..."""
    return int(op[op.index("d_" if "d_" in op else "d", 4) - 1])


def _pairs(flat: tuple[int, ...]) -> Any:
    return tuple(zip(flat[::2], flat[1::2], strict=True))


# ---- forward ----


def _forward(op, input, weight, bias, stride, padding, dilation, groups, choice: Choice) -> Ready[Array]:
    s, p, d, g = _options(op, np.shape(input), np.shape(weight), stride, padding, dilation, groups)
    call = getattr(_core, op)(input, weight, bias, s, p, d, g, **choice)
    return call, lambda: getattr(reference, op)(input, weight, bias, s, _pairs(p), d, g)


@operator
def conv1d(
    input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, **choice: Unpack[Choice]
) -> Ready[Array]:
    """1-D convolution over sequences, as torch.nn.functional.conv1d.

    input (N, C_in, L), weight (C_out, C_in / groups, kL), bias (C_out,) or None. padding as for conv2d, and
    "causal": dilation * (kL - 1) zeros before the sequence and none behind it, so that no output sees what
    comes later. Returns (N, C_out, L_out).

    >>> conv1d(np.array([[[1, 2, 3]]], "f"), np.ones((1, 1, 2), "f"), padding="causal")[0, 0]
    array([1., 3., 5.], dtype=float32)
    """
    return _forward("conv1d", input, weight, bias, stride, padding, dilation, groups, choice)


@operator
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
    **choice: Unpack[Choice],
) -> Ready[Array]:
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
    s, p, d, g = _options("conv2d", np.shape(input), np.shape(weight), stride, padding, dilation, groups)
    call = _core.conv2d(input, weight, bias, s, p, d, g, residual=residual, activation=activation, **choice)
    return call, lambda: reference.epilogue(
        reference.conv2d(input, weight, bias, s, _pairs(p), d, g), residual, activation
    )


@operator
def conv3d(
    input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1, **choice: Unpack[Choice]
) -> Ready[Array]:
    """3-D convolution over volumes or films, as torch.nn.functional.conv3d.

    input (N, C_in, D, H, W), weight (C_out, C_in / groups, kD, kH, kW), bias (C_out,) or None. stride,
    dilation: one number or (depth, height, width); padding as for conv2d. Returns (N, C_out, D_out, H_out,
    W_out).

    >>> conv3d(np.ones((1, 2, 2, 2, 2), "f"), np.ones((1, 2, 2, 2, 2), "f")).item()
    16.0
    """
    return _forward("conv3d", input, weight, bias, stride, padding, dilation, groups, choice)


# ---- the gradient of the input ----


def _input_gradient(
    op, input_size, weight, grad_output, stride, padding, dilation, groups, choice: Choice
) -> Ready[Array]:
    size = shape(op, "input_size", input_size, 2 + _space(op))
    s, p, d, g = _options(op, size, np.shape(weight), stride, padding, dilation, groups)
    call = getattr(_core, op)(size, weight, grad_output, s, p, d, g, **choice)
    return call, lambda: getattr(reference, op)(size, weight, grad_output, s, _pairs(p), d, g)


@operator
def conv1d_backward_input(
    input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1, **choice: Unpack[Choice]
) -> Ready[Array]:
    """dL/dinput of conv1d from dL/doutput, as torch.nn.grad.conv1d_input. Returns input_size.

    >>> conv1d_backward_input((1, 1, 3), np.array([[[1, 2]]], "f"), np.ones((1, 1, 2), "f"))[0, 0]
    array([1., 3., 2.], dtype=float32)
    """
    op = "conv1d_backward_input"
    return _input_gradient(op, input_size, weight, grad_output, stride, padding, dilation, groups, choice)


@operator
def conv2d_backward_input(
    input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1, **choice: Unpack[Choice]
) -> Ready[Array]:
    """dL/dinput of conv2d from dL/doutput, as torch.nn.grad.conv2d_input. Returns input_size.

    >>> w, dy = np.full((1, 1, 1, 1), 3, "f"), np.ones((1, 1, 2, 2), "f")
    >>> conv2d_backward_input((1, 1, 2, 2), w, dy)[0, 0, 0]
    array([3., 3.], dtype=float32)
    """
    op = "conv2d_backward_input"
    return _input_gradient(op, input_size, weight, grad_output, stride, padding, dilation, groups, choice)


@operator
def conv3d_backward_input(
    input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1, **choice: Unpack[Choice]
) -> Ready[Array]:
    """dL/dinput of conv3d from dL/doutput, as torch.nn.grad.conv3d_input. Returns input_size.

    >>> one = np.ones((1, 1, 1, 1, 1), "f")
    >>> conv3d_backward_input((1, 1, 1, 1, 1), 3 * one, one).item()
    3.0
    """
    op = "conv3d_backward_input"
    return _input_gradient(op, input_size, weight, grad_output, stride, padding, dilation, groups, choice)


# ---- the gradients of weight and bias ----


def _weight_gradient(
    op, input, weight_size, grad_output, stride, padding, dilation, groups, choice: Choice
) -> Ready[tuple[Array, Array]]:
    size = shape(op, "weight_size", weight_size, 2 + _space(op))
    s, p, d, g = _options(op, np.shape(input), size, stride, padding, dilation, groups)
    call = getattr(_core, op)(input, size, grad_output, s, p, d, g, **choice)
    return call, lambda: getattr(reference, op)(input, size, grad_output, s, _pairs(p), d, g)


@operator
def conv1d_backward_weight(
    input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1, **choice: Unpack[Choice]
) -> Ready[tuple[Array, Array]]:
    """(dL/dweight, dL/dbias) of conv1d from dL/doutput; the first as torch.nn.grad.conv1d_weight.

    >>> conv1d_backward_weight(np.array([[[1, 2, 3]]], "f"), (1, 1, 2), np.ones((1, 1, 2), "f"))
    (array([[[3., 5.]]], dtype=float32), array([2.], dtype=float32))
    """
    op = "conv1d_backward_weight"
    return _weight_gradient(op, input, weight_size, grad_output, stride, padding, dilation, groups, choice)


@operator
def conv2d_backward_weight(
    input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1, **choice: Unpack[Choice]
) -> Ready[tuple[Array, Array]]:
    """(dL/dweight, dL/dbias) of conv2d from dL/doutput; the first as torch.nn.grad.conv2d_weight.

    >>> x = np.ones((1, 1, 2, 2), "f")
    >>> conv2d_backward_weight(x, (1, 1, 1, 1), x)
    (array([[[[4.]]]], dtype=float32), array([4.], dtype=float32))
    """
    op = "conv2d_backward_weight"
    return _weight_gradient(op, input, weight_size, grad_output, stride, padding, dilation, groups, choice)


@operator
def conv3d_backward_weight(
    input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1, **choice: Unpack[Choice]
) -> Ready[tuple[Array, Array]]:
    """(dL/dweight, dL/dbias) of conv3d from dL/doutput; the first as torch.nn.grad.conv3d_weight.

    >>> x = np.ones((1, 1, 2, 2, 2), "f")
    >>> dw, db = conv3d_backward_weight(x, (1, 1, 1, 1, 1), x)
    >>> dw.item(), db.item()
    (8.0, 8.0)
    """
    op = "conv3d_backward_weight"
    return _weight_gradient(op, input, weight_size, grad_output, stride, padding, dilation, groups, choice)


# ---- transposed ----


def _transposed(
    op, input, weight, bias, stride, padding, output_padding, groups, dilation, choice: Choice
) -> Ready[Array]:
    axes = _space(op)
    s, d = each(op, "stride", stride, axes), each(op, "dilation", dilation, axes)
    p, more = each(op, "padding", padding, axes), each(op, "output_padding", output_padding, axes)
    g = integer(op, "groups", groups)
    both_ends = tuple(v for v in p for _ in range(2))
    call = getattr(_core, op)(input, weight, bias, s, both_ends, more, g, d, **choice)
    return call, lambda: getattr(reference, op)(input, weight, bias, s, p, more, g, d)


@operator
def conv_transpose1d(
    input,
    weight,
    bias=None,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
    **choice: Unpack[Choice],
) -> Ready[Array]:
    """Transposed 1-D convolution, as torch.nn.functional.conv_transpose1d (mind the order of arguments).

    input (N, C_in, L), weight (C_in, C_out / groups, kL), bias (C_out,) or None; stride, padding,
    output_padding, dilation: numbers. It is the backward pass of conv1d with respect to its input, plus a
    bias, and runs on that ladder. Returns (N, C_out, L_out) with L_out = (L - 1) * stride - 2 * padding +
    dilation * (kL - 1) + output_padding + 1.

    >>> conv_transpose1d(np.array([[[1, 10]]], "f"), np.array([[[1, 2, 3]]], "f"), stride=2)[0, 0]
    array([ 1.,  2., 13., 20., 30.], dtype=float32)
    """
    how = (stride, padding, output_padding, groups, dilation)
    return _transposed("conv_transpose1d", input, weight, bias, *how, choice)


@operator
def conv_transpose2d(
    input,
    weight,
    bias=None,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
    **choice: Unpack[Choice],
) -> Ready[Array]:
    """Transposed 2-D convolution, as torch.nn.functional.conv_transpose2d (mind the order of arguments).

    input (N, C_in, H, W), weight (C_in, C_out / groups, kH, kW), bias (C_out,) or None; stride, padding,
    output_padding, dilation: numbers. It is the backward pass of conv2d with respect to its input, plus a
    bias, and runs on that ladder. Returns (N, C_out, H_out, W_out) with H_out = (H - 1) * stride - 2 *
    padding + dilation * (kH - 1) + output_padding + 1.

    >>> conv_transpose2d(np.ones((1, 1, 1, 2), "f"), np.ones((1, 1, 1, 2), "f"), stride=2)[0, 0]
    array([[1., 1., 1., 1.]], dtype=float32)
    """
    how = (stride, padding, output_padding, groups, dilation)
    return _transposed("conv_transpose2d", input, weight, bias, *how, choice)


@operator
def conv_transpose3d(
    input,
    weight,
    bias=None,
    stride=1,
    padding=0,
    output_padding=0,
    groups=1,
    dilation=1,
    **choice: Unpack[Choice],
) -> Ready[Array]:
    """Transposed 3-D convolution, as torch.nn.functional.conv_transpose3d (mind the order of arguments).

    input (N, C_in, D, H, W), weight (C_in, C_out / groups, kD, kH, kW), bias (C_out,) or None; stride,
    padding, output_padding, dilation: numbers. It is the backward pass of conv3d with respect to its
    input, plus a bias, and runs on that ladder. Returns (N, C_out, D_out, H_out, W_out) with D_out = (D -
    1) * stride - 2 * padding + dilation * (kD - 1) + output_padding + 1.

    >>> conv_transpose3d(np.ones((1, 1, 2, 2, 2), "f"), np.ones((1, 3, 2, 2, 2), "f"), stride=2).shape
    (1, 3, 4, 4, 4)
    """
    how = (stride, padding, output_padding, groups, dilation)
    return _transposed("conv_transpose3d", input, weight, bias, *how, choice)
