"""conv2d and its two backward passes.

    y[n, oc, oh, ow] = bias[oc] + sum over ic, kh, kw of x[n, g ic, ih, iw] * w[oc, ic, kh, kw]
    ih = oh * stride - padding + kh * dilation,  iw likewise;  x is 0 outside the image

The kernel is not flipped: this is a cross-correlation, as in every deep-learning library.
With groups, output channel oc reads the input channels of its own group g = oc // (OC / groups) only.

Source: LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE 86(11), 1998,
for the layer; Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", arXiv:1603.07285,
relationships 1 to 14, for the sizes. The backward passes are the same sum with the derivative taken: each
product x * w of a tap gives dy * w to x and dy * x to w.

All three loop over the taps (kh, kw). For one tap, a convolution is a matrix product over channels.
"""

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, IntOrPair, Padding, as_float64, pad_pairs, pair, taps


def _output_size(size: int, pads: tuple[int, int], kernel: int, stride: int, dilation: int) -> int:
    """floor((i + pads - d (k - 1) - 1) / s) + 1."""
    room = size + sum(pads) - dilation * (kernel - 1) - 1
    if room < 0:
        raise ValueError(
            f"conv2d: dilated kernel of {dilation * (kernel - 1) + 1}, padded input of {size + sum(pads)}"
        )
    return room // stride + 1


def conv2d(
    input: ArrayLike,
    weight: ArrayLike,
    bias: ArrayLike | None = None,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """Cross-correlation over images, as `torch.nn.functional.conv2d`.

    input (N, IC, IH, IW), weight (OC, IC / groups, KH, KW), bias (OC,) or None. Returns (N, OC, OH, OW),
    float64. ValueError if the kernel is larger than the padded input.

    >>> x = np.arange(9.0).reshape(1, 1, 3, 3)
    >>> conv2d(x, np.ones((1, 1, 2, 2)), bias=[100.0])[0, 0]
    array([[108., 112.],
           [120., 124.]])
    """
    x, w = as_float64(input), as_float64(weight)
    (n, ic, ih, iw), (oc, _, kh, kw) = x.shape, w.shape
    (s_h, s_w), (d_h, d_w) = pair(stride), pair(dilation)
    pad_h, pad_w = pad_pairs(padding, (kh, kw), (d_h, d_w))
    oh, ow = _output_size(ih, pad_h, kh, s_h, d_h), _output_size(iw, pad_w, kw, s_w, d_w)

    x = np.pad(x, ((0, 0), (0, 0), pad_h, pad_w))
    w = w.reshape(groups, oc // groups, ic // groups, kh, kw)
    y = np.zeros((n, groups, oc // groups, oh * ow))
    for i in range(kh):
        for j in range(kw):
            window = x[:, :, taps(i, oh, s_h, d_h), taps(j, ow, s_w, d_w)]  # [n, ic, oh, ow]
            window = window.reshape(n, groups, ic // groups, oh * ow)
            y += w[:, :, :, i, j] @ window  # per group: [oc, ic] times [ic, oh * ow]
    y = y.reshape(n, oc, oh, ow)
    return y if bias is None else y + as_float64(bias)[:, None, None]


def conv2d_backward_input(
    input_size: tuple[int, int, int, int],
    weight: ArrayLike,
    grad_output: ArrayLike,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> Array:
    """dL/dx of `conv2d` from dL/dy, as `torch.nn.grad.conv2d_input`.

    dx[n, ic, ih, iw] = sum over oc, kh, kw, and the (oh, ow) that read (ih, iw) at that tap, of dy * w.

    input_size (N, IC, IH, IW), weight (OC, IC / groups, KH, KW), grad_output (N, OC, OH, OW). Returns
    input_size.

    >>> conv2d_backward_input((1, 1, 3, 3), np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)))[0, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    w, dy = as_float64(weight), as_float64(grad_output)
    (n, ic, ih, iw), (oc, _, kh, kw), (_, _, oh, ow) = input_size, w.shape, dy.shape
    (s_h, s_w), (d_h, d_w) = pair(stride), pair(dilation)
    pad_h, pad_w = pad_pairs(padding, (kh, kw), (d_h, d_w))

    w = w.reshape(groups, oc // groups, ic // groups, kh, kw)
    dy = dy.reshape(n, groups, oc // groups, oh * ow)
    dx = np.zeros((n, ic, ih + sum(pad_h), iw + sum(pad_w)))
    for i in range(kh):
        for j in range(kw):
            share = w[:, :, :, i, j].swapaxes(1, 2) @ dy  # per group: [ic, oc] times [oc, oh * ow]
            dx[:, :, taps(i, oh, s_h, d_h), taps(j, ow, s_w, d_w)] += share.reshape(n, ic, oh, ow)
    return dx[:, :, pad_h[0] : pad_h[0] + ih, pad_w[0] : pad_w[0] + iw]


def conv2d_backward_weight(
    input: ArrayLike,
    weight_size: tuple[int, int, int, int],
    grad_output: ArrayLike,
    stride: IntOrPair = 1,
    padding: Padding = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> tuple[Array, Array]:
    """dL/dw and dL/dbias of `conv2d` from dL/dy, as `torch.nn.grad.conv2d_weight`.

    dw[oc, ic, kh, kw] = sum over n, oh, ow of dy[n, oc, oh, ow] * x[n, g ic, ih, iw];  dbias[oc] = sum of dy.

    input (N, IC, IH, IW), weight_size (OC, IC / groups, KH, KW), grad_output (N, OC, OH, OW).
    Returns (weight_size, (OC,)).

    >>> x, dy = np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2))
    >>> dw, dbias = conv2d_backward_weight(x, (1, 1, 2, 2), dy)
    >>> dw[0, 0], dbias
    (array([[ 8., 12.],
           [20., 24.]]), array([4.]))
    """
    x, dy = as_float64(input), as_float64(grad_output)
    (n, ic, _, _), (oc, _, kh, kw), (_, _, oh, ow) = x.shape, weight_size, dy.shape
    (s_h, s_w), (d_h, d_w) = pair(stride), pair(dilation)
    pad_h, pad_w = pad_pairs(padding, (kh, kw), (d_h, d_w))

    x = np.pad(x, ((0, 0), (0, 0), pad_h, pad_w))
    grouped_dy = dy.reshape(n, groups, oc // groups, oh * ow)
    dw = np.zeros((groups, oc // groups, ic // groups, kh, kw))
    for i in range(kh):
        for j in range(kw):
            window = x[:, :, taps(i, oh, s_h, d_h), taps(j, ow, s_w, d_w)]  # [n, ic, oh, ow]
            window = window.reshape(n, groups, ic // groups, oh * ow)
            dw[:, :, :, i, j] = (grouped_dy @ window.swapaxes(2, 3)).sum(
                axis=0
            )  # [oc, oh * ow] times [oh * ow, ic]
    return dw.reshape(weight_size), dy.sum(axis=(0, 2, 3))
