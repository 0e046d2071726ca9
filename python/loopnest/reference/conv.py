"""conv1d, conv3d, their backward passes and the transposed convolutions, for any number of axes of space.

    y[n, oc, o] = bias[oc] + sum over ic and taps k of
                  x[n, g ic, o * stride - padding + k * dilation] * w[oc, ic, k]

with o and k of one index per axis of space; x is 0 outside. It is conv2d (see conv2d.py, which gives the
sources) with another number of axes. A transposed convolution is the backward pass of a convolution with
respect to its input, plus a bias: Dumoulin and Visin, arXiv:1603.07285, chapter 4; its weight is
(in channels, out channels / groups, ...).

Padding is written as in PyTorch (a number, one per axis, "valid", "same"), as (low, high) pairs, one per
axis, or by the name of a rule:

    "same"        dilation * (kernel - 1) in all, the odd one behind; stride 1 only (PyTorch)
    "same_upper"  as many as give ceil(size / stride) outputs, the odd one behind (TensorFlow's SAME, ONNX's
                  SAME_UPPER): max((ceil(size / stride) - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    "causal"      dilation * (kernel - 1) before, none behind: no output sees what comes after it (one axis)
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, as_float64, taps

Each = int | Sequence[int]
Pads = tuple[tuple[int, int], ...]


def each(value: Each, axes: int) -> tuple[int, ...]:
    """One number per axis of space.

    >>> each(2, 3), each((1, 2), 2)
    ((2, 2, 2), (1, 2))
    """
    found = tuple(int(v) for v in value) if isinstance(value, Sequence) else (int(value),) * axes
    return found * axes if len(found) == 1 else found


def pads_of(
    padding: Any, size: Sequence[int], kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Pads:
    """(low, high) for each axis, see the module.

    >>> pads_of("same_upper", (5, 6), (3, 3), (2, 2), (1, 1))
    ((1, 1), (0, 1))
    >>> pads_of("causal", (9,), (3,), (1,), (4,))
    ((8, 0),)
    """
    axes = len(size)
    reach = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if padding == "valid":
        return ((0, 0),) * axes
    if padding == "same":
        return tuple((r // 2, r - r // 2) for r in reach)
    if padding == "same_upper":
        total = [
            max((-(-i // s) - 1) * s + r + 1 - i, 0) for i, s, r in zip(size, stride, reach, strict=True)
        ]
        return tuple((t // 2, t - t // 2) for t in total)
    if padding == "causal" and axes == 1:
        return ((reach[0], 0),)
    if isinstance(padding, str):
        raise ValueError(f"padding {padding!r} for {axes} axes")
    if isinstance(padding, int):
        padding = (padding,) * axes
    return tuple((p, p) if isinstance(p, int) else (int(p[0]), int(p[1])) for p in padding)


def _windows(k: tuple[int, ...], out: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> Any:
    """Where tap k meets a padded input (N, C, ...)."""
    return (slice(None), slice(None), *map(taps, k, out, stride, dilation))


def _at(a: Array, *last: Any) -> Array:
    """a[..., *last], a view."""
    part: Array = a[(..., *last)]
    return part


def conv(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Each = 1,
    padding: Any = 0,
    dilation: Each = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlation: input (N, IC, ...), weight (OC, IC / groups, ...), bias (OC,) or None; any number of
    axes of space. Returns (N, OC, ...), float64. ValueError if the kernel is larger than the padded input.

    >>> conv([[[1.0, 2.0, 3.0]]], [[[1.0, 1.0]]], padding="causal")[0, 0]
    array([1., 3., 5.])
    """
    x, w = as_float64(input), as_float64(weight)
    size, kernel = x.shape[2:], w.shape[2:]
    axes, n, oc = len(size), len(x), len(w)
    s, d = each(stride, axes), each(dilation, axes)
    pads = pads_of(padding, size, kernel, s, d)
    room = [i + sum(p) - e * (k - 1) - 1 for i, p, k, e in zip(size, pads, kernel, d, strict=True)]
    if min(room) < 0:
        raise ValueError(
            f"conv: a kernel {kernel}, dilation {d}, does not fit an input {size} padded by {pads}"
        )
    out = [r // step + 1 for r, step in zip(room, s, strict=True)]
    x = np.pad(x, ((0, 0), (0, 0), *pads))
    w = w.reshape(groups, oc // groups, *w.shape[1:])
    y = np.zeros((n, groups, oc // groups, int(np.prod(out))))
    for k in product(*map(range, kernel)):
        window = x[_windows(k, out, s, d)].reshape(n, groups, w.shape[2], y.shape[3])
        y += _at(w, *k) @ window
    y = y.reshape(n, oc, *out)
    return y if bias is None else y + as_float64(bias).reshape(-1, *(1,) * axes)


def conv_backward_input(
    input_size: Sequence[int],
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: Each = 1,
    padding: Any = 0,
    dilation: Each = 1,
    groups: int = 1,
) -> Array:
    """dL/dinput of `conv` from dL/doutput. Returns input_size.

    >>> conv_backward_input((1, 1, 3), [[[1.0, 2.0]]], [[[1.0, 1.0]]])[0, 0]
    array([1., 3., 2.])
    """
    w, dy = as_float64(weight), as_float64(grad_output)
    size, kernel, out = tuple(input_size[2:]), w.shape[2:], dy.shape[2:]
    axes, n, ic, oc = len(size), int(input_size[0]), int(input_size[1]), len(w)
    s, d = each(stride, axes), each(dilation, axes)
    pads = pads_of(padding, size, kernel, s, d)
    w = w.reshape(groups, oc // groups, *w.shape[1:])
    dy = dy.reshape(n, groups, oc // groups, int(np.prod(out)))
    # Room for what a window may reach beyond the padded input: a transposed convolution cuts that off too.
    reach = [(o - 1) * step + e * (k - 1) + 1 for o, step, k, e in zip(out, s, kernel, d, strict=True)]
    whole = [max(r, i + sum(p)) for r, i, p in zip(reach, size, pads, strict=True)]
    dx = np.zeros((n, ic, *whole))
    for k in product(*map(range, kernel)):
        share = _at(w, *k).swapaxes(1, 2) @ dy
        dx[_windows(k, out, s, d)] += share.reshape(n, ic, *out)
    return _at(dx, *(slice(p[0], p[0] + i) for p, i in zip(pads, size, strict=True)))


def conv_backward_weight(
    input: ArrayLike,
    weight_size: Sequence[int],
    grad_output: ArrayLike,
    stride: Each = 1,
    padding: Any = 0,
    dilation: Each = 1,
    groups: int = 1,
) -> tuple[Array, Array]:
    """(dL/dweight, dL/dbias) of `conv` from dL/doutput.

    >>> conv_backward_weight([[[1.0, 2.0, 3.0]]], (1, 1, 2), [[[1.0, 1.0]]])
    (array([[[3., 5.]]]), array([2.]))
    """
    x, dy = as_float64(input), as_float64(grad_output)
    size, kernel, out = x.shape[2:], tuple(weight_size[2:]), dy.shape[2:]
    axes, n, ic, oc = len(size), len(x), x.shape[1], int(weight_size[0])
    s, d = each(stride, axes), each(dilation, axes)
    x = np.pad(x, ((0, 0), (0, 0), *pads_of(padding, size, kernel, s, d)))
    places = int(np.prod(out))
    grouped = dy.reshape(n, groups, oc // groups, places)
    dw = np.zeros((groups, oc // groups, ic // groups, *kernel))
    for k in product(*map(range, kernel)):
        window = x[_windows(k, out, s, d)].reshape(n, groups, ic // groups, places)
        _at(dw, *k)[...] = (grouped @ window.swapaxes(2, 3)).sum(axis=0)
    return dw.reshape(tuple(weight_size)), dy.sum(axis=(0, *range(2, 2 + axes)))


def conv_transpose(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: Each = 1,
    padding: Any = 0,
    output_padding: Each = 0,
    groups: int = 1,
    dilation: Each = 1,
) -> Array:
    """Transposed convolution, as torch.nn.functional.conv_transpose1d, 2d and 3d (and their argument order):
    input (N, IC, ...), weight (IC, OC / groups, ...), bias (OC,) or None. Returns (N, OC, ...) with
    (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1 places along each axis.

    >>> conv_transpose([[[1.0, 10.0]]], [[[1.0, 2.0, 3.0]]], stride=2)[0, 0]
    array([ 1.,  2., 13., 20., 30.])
    """
    x, w = as_float64(input), as_float64(weight)
    axes = x.ndim - 2
    s, p, o, d = (each(v, axes) for v in (stride, padding, output_padding, dilation))
    each_axis = zip(x.shape[2:], w.shape[2:], s, p, o, d, strict=True)
    size = [(i - 1) * a - 2 * b + e * (k - 1) + c + 1 for i, k, a, b, c, e in each_axis]
    y = conv_backward_input((len(x), w.shape[1] * groups, *size), w, x, s, p, d, groups)
    return y if bias is None else y + as_float64(bias).reshape(-1, *(1,) * axes)


conv1d = conv3d = conv
conv1d_backward_input = conv3d_backward_input = conv_backward_input
conv1d_backward_weight = conv3d_backward_weight = conv_backward_weight
conv_transpose1d = conv_transpose2d = conv_transpose3d = conv_transpose
