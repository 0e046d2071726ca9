"""Max and average pooling.

    max: y = max over kh, kw of x[n, c, oh * stride - padding + kh * dilation, ...]  outside: -infinity
    avg: y = sum over kh, kw of x[...] / divisor                                     outside: 0

The gradient of max goes to the element that won (the first in row order if several did); that of avg is
shared equally. Output size: floor((i + 2 p - d (k - 1) - 1) / s) + 1; with ceil_mode the division rounds
up, and a last window that would start in the padding below or to the right is dropped (PyTorch's rule).

Source: Jarrett et al., "What is the best multi-stage architecture for object recognition?", ICCV 2009.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._args import Array, IntOrPair, as_float64, pair


def _output_size(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil_mode: bool) -> int:
    room = size + 2 * padding - dilation * (kernel - 1) - 1 + (stride - 1 if ceil_mode else 0)
    if room < 0:
        raise ValueError(
            f"pool2d: window of {dilation * (kernel - 1) + 1}, padded input of {size + 2 * padding}"
        )
    out = room // stride + 1
    if ceil_mode and (out - 1) * stride >= size + padding:
        out -= 1
    return out


def _source(out: int, stride: int, padding: int, tap: int, dilation: int) -> NDArray[np.int64]:
    """The input row (or column) that tap `tap` reads for each output; may lie outside the image."""
    return np.arange(out) * stride - padding + tap * dilation


def max_pool2d(
    input: ArrayLike,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    ceil_mode: bool = False,
) -> tuple[Array, NDArray[np.int64]]:
    """As `torch.nn.functional.max_pool2d(..., return_indices=True)`.

    input (N, C, IH, IW); stride defaults to kernel_size. Returns y (N, C, OH, OW), float64, and indices of
    the same shape, int64: ih * IW + iw of the winner. A NaN in the window wins (the last one, if several).

    >>> y, indices = max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)
    >>> y[0, 0], indices[0, 0]
    (array([[ 5.,  7.],
           [13., 15.]]), array([[ 5,  7],
           [13, 15]]))
    """
    x = as_float64(input)
    n, c, ih, iw = x.shape
    (kh, kw), (p_h, p_w), (d_h, d_w) = pair(kernel_size), pair(padding), pair(dilation)
    s_h, s_w = pair(kernel_size if stride is None else stride)
    oh, ow = _output_size(ih, kh, s_h, p_h, d_h, ceil_mode), _output_size(iw, kw, s_w, p_w, d_w, ceil_mode)

    best = np.full((n, c, oh, ow), -np.inf)
    indices = np.full((n, c, oh, ow), -1, dtype=np.int64)
    for i in range(kh):
        for j in range(kw):
            h, w = _source(oh, s_h, p_h, i, d_h)[:, None], _source(ow, s_w, p_w, j, d_w)[None, :]
            inside = (h >= 0) & (h < ih) & (w >= 0) & (w < iw)  # [oh, ow]
            index = np.where(inside, h * iw + w, 0)
            value = x.reshape(n, c, ih * iw)[:, :, index]
            wins = inside & ((value > best) | np.isnan(value) | (indices < 0))
            best = np.where(wins, value, best)
            indices = np.where(wins, index, indices)
    return best, indices


def max_pool2d_backward(
    grad_output: ArrayLike, indices: ArrayLike, input_size: tuple[int, int, int, int]
) -> Array:
    """dL/dx of `max_pool2d`: each dy (N, C, OH, OW) is added to the element of x that its index names.

    >>> max_pool2d_backward(np.ones((1, 1, 1, 2)), [[[[3, 3]]]], (1, 1, 2, 2))[0, 0]
    array([[0., 0.],
           [0., 2.]])
    """
    dy, index = as_float64(grad_output), np.asarray(indices, dtype=np.int64)
    (n, c, ih, iw), (_, _, oh, ow) = input_size, dy.shape
    dx = np.zeros((n * c, ih * iw))
    plane = np.arange(n * c)[:, None]
    np.add.at(dx, (plane, index.reshape(n * c, oh * ow)), dy.reshape(n * c, oh * ow))
    return dx.reshape(input_size)


def _divisors(
    size: int, out: int, kernel: int, stride: int, padding: int, count_include_pad: bool
) -> NDArray[np.int64]:
    """How many rows (or columns) of each window count: those of the padded image, or of the image alone."""
    begin = np.arange(out) * stride - padding
    end = np.minimum(begin + kernel, size + padding)
    if not count_include_pad:
        begin, end = np.maximum(begin, 0), np.minimum(end, size)
    return end - begin


def _avg_taps(
    size: tuple[int, int],
    kernel_size: IntOrPair,
    stride: IntOrPair | None,
    padding: IntOrPair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> tuple[Array, Array, Array]:
    """Matrices rows (OH, IH) and columns (OW, IW) of zeros and ones, and the divisor (OH, OW).

    A window is a product of a vertical and a horizontal one, so the sum over it is rows x columns^T.
    """
    (kh, kw), (p_h, p_w) = pair(kernel_size), pair(padding)
    s_h, s_w = pair(kernel_size if stride is None else stride)
    ones: list[Array] = []
    counts = []
    for i, k, s, p in ((size[0], kh, s_h, p_h), (size[1], kw, s_w, p_w)):
        out = _output_size(i, k, s, p, 1, ceil_mode)
        begin = (np.arange(out) * s - p)[:, None]
        at = np.arange(i)[None, :]
        ones.append(((at >= begin) & (at < begin + k)).astype(np.float64))
        counts.append(_divisors(i, out, k, s, p, count_include_pad))
    divisor = as_float64(counts[0][:, None] * counts[1][None, :])
    if divisor_override is not None:
        divisor = np.full_like(divisor, divisor_override)
    return ones[0], ones[1], divisor


def avg_pool2d(
    input: ArrayLike,
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """As `torch.nn.functional.avg_pool2d`. input (N, C, IH, IW); returns (N, C, OH, OW), float64.

    The divisor is the number of elements in the window that lie in the padded image (count_include_pad) or
    in the image, unless divisor_override names one.

    >>> avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), 2)[0, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]])
    """
    x = as_float64(input)
    rows, columns, divisor = _avg_taps(
        x.shape[2:], kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
    return rows @ x @ columns.T / divisor


def avg_pool2d_backward(
    grad_output: ArrayLike,
    input_size: tuple[int, int, int, int],
    kernel_size: IntOrPair,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """dL/dx of `avg_pool2d`: every element of a window receives dy / divisor. Returns input_size.

    >>> avg_pool2d_backward(np.ones((1, 1, 1, 1)), (1, 1, 2, 3), 2)[0, 0]
    array([[0.25, 0.25, 0.  ],
           [0.25, 0.25, 0.  ]])
    """
    rows, columns, divisor = _avg_taps(
        input_size[2:], kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
    return rows.T @ (as_float64(grad_output) / divisor) @ columns
