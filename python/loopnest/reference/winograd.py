"""Winograd's convolution F(M x M, 3 x 3), as its rungs compute it: the matrices, the formula, its magnitude.

    y = A^T [ sum over ic of (G g G^T) * (B^T d B) ] A

Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, equation 12; after
Winograd, "Arithmetic Complexity of Computations", 1980. d is a tile of (M + 2) x (M + 2) inputs, g the 3 x 3
weights of a pair of channels, * goes element by element. The matrices evaluate and interpolate polynomials at
0, 1, -1 and infinity (M = 2), and at 0, 5/8, -5/8, 3/2, -3/2 and infinity (M = 4), which round less than the
paper's 0, 1, -1, 2, -2.

The formula is linear in g, so its transpose gives the gradient of the weights from tiles e of M x M of dL/dy:

    dg = G^T [ sum over n and tiles of (A e A^T) * (B^T d B) ] G
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from ._args import Array, Padding, as_float64, pad_pairs


class Matrices(NamedTuple):
    """The three transforms: of the output (M, N), of the weights (N, 3), of the input (N, N); N = M + 2."""

    a_t: Array
    g: Array
    b_t: Array


def _matrices(points: list[float], scale: list[float]) -> Matrices:
    """Toom and Cook's: rows of G and columns of A^T for each point and infinity, B^T the rest.

    A column of A^T is multiplied by the point's scale, and its row of G divided by it.
    """
    n, m = len(points) + 1, len(points) - 1
    a_t, g, b_t = np.zeros((m, n)), np.zeros((n, 3)), np.zeros((n, n))
    for i, p in enumerate(points):
        others = [q for q in points if q != p]
        b_t[i, : n - 1] = np.poly(others)[::-1]
        a_t[:, i] = scale[i] * p ** np.arange(m)
        g[i] = p ** np.arange(3) / np.prod([p - q for q in others]) / scale[i]
    b_t[-1] = np.poly(points)[::-1]
    a_t[-1, -1] = g[-1, -1] = 1
    return Matrices(a_t, g, b_t)


MATRICES = {
    2: _matrices([0.0, 1.0, -1.0], [1, 1, 1]),
    4: _matrices([0.0, 0.625, -0.625, 1.5, -1.5], [1, 1 / 0.625, 1 / 0.625, 1 / 1.5, 1 / 1.5]),
}


def _tiles(m: int, x: Array, padding: Padding) -> Array:
    """(N, C, H, W) -> (N, C, tiles down, tiles right, m + 2, m + 2), zeros outside the image."""
    (top, bottom), (left, right) = pad_pairs(padding, (3, 3), (1, 1))
    oh, ow = x.shape[2] + top + bottom - 2, x.shape[3] + left + right - 2
    down, across = -(-oh // m), -(-ow // m)
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom + down * m - oh), (left, right + across * m - ow)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (m + 2, m + 2), axis=(2, 3))
    return windows[:, :, : down * m : m, : across * m : m]


def _outputs(a_t: Array, products: Array, oh: int, ow: int) -> Array:
    """(N, C, down, right, points, points) -> (N, C, oh, ow)."""
    y = a_t @ products @ a_t.T
    n, c, down, across, m, _ = y.shape
    return y.transpose(0, 1, 2, 4, 3, 5).reshape(n, c, down * m, across * m)[:, :, :oh, :ow]


def _sum(u: Array, v: Array, groups: int) -> Array:
    """sum over ic of u[oc, ic, ...] v[n, ic, ...] per group."""
    (oc, ic), (n, _, down, across) = u.shape[:2], v.shape[:4]
    u = u.reshape(groups, oc // groups, ic, *u.shape[2:])
    v = v.reshape(n, groups, ic, *v.shape[2:])
    return np.einsum("goiab,ngidrab->ngodrab", u, v, optimize=True).reshape(n, oc, down, across, *u.shape[3:])


def conv2d_winograd(
    tile: int, input: ArrayLike, weight: ArrayLike, padding: Padding = 0, groups: int = 1
) -> Array:
    """The convolution by the formula above, in float64: the same as `conv2d`, which a test shows.

    tile: M, 2 or 4. input (N, IC, IH, IW), weight (OC, IC / groups, 3, 3). Returns (N, OC, OH, OW).

    >>> x = np.arange(25.0).reshape(1, 1, 5, 5)
    >>> conv2d_winograd(2, x, np.ones((1, 1, 3, 3)))[0, 0]
    array([[ 54.,  63.,  72.],
           [ 99., 108., 117.],
           [144., 153., 162.]])
    """
    a_t, g, b_t = MATRICES[tile]
    x = as_float64(input)
    (top, bottom), (left, right) = pad_pairs(padding, (3, 3), (1, 1))
    u, v = g @ as_float64(weight) @ g.T, b_t @ _tiles(tile, x, padding) @ b_t.T
    oh, ow = x.shape[2] + top + bottom - 2, x.shape[3] + left + right - 2
    return _outputs(a_t, _sum(u, v, groups), oh, ow)


def magnitude(
    tile: int, input: ArrayLike, weight: ArrayLike, padding: Padding = 0, groups: int = 1
) -> tuple[Array, Array]:
    """The formula with every number and every matrix taken absolutely; and the same with each product of a
    pair of channels replaced by the sum of its factors and 1, for what flushed denormals may lose.

    >>> x, w = np.ones((1, 1, 4, 4)), np.ones((1, 1, 3, 3))
    >>> float(magnitude(2, x, w)[0][0, 0, 0, 0])  # where the sum of |x| |w| is 9
    64.0
    """
    a_t, g, b_t = (np.abs(matrix) for matrix in MATRICES[tile])
    x, w = np.abs(as_float64(input)), np.abs(as_float64(weight))
    (top, bottom), (left, right) = pad_pairs(padding, (3, 3), (1, 1))
    oh, ow = x.shape[2] + top + bottom - 2, x.shape[3] + left + right - 2
    u, v = g @ w @ g.T, b_t @ _tiles(tile, x, padding) @ b_t.T
    lost = _sum(u + 1, np.ones_like(v), groups) + _sum(np.ones_like(u), v, groups)
    return _outputs(a_t, _sum(u, v, groups), oh, ow), _outputs(a_t, lost, oh, ow)


def _gradient_factors(
    a: Array, b_t: Array, tile: int, x: Array, dy: Array, padding: Padding
) -> tuple[Array, Array]:
    """The factors of the gradient's products: (N, OC, ...) of dy and (N, IC, ...) of x, tiles and points."""
    down, across = -(-dy.shape[2] // tile), -(-dy.shape[3] // tile)
    dy = np.pad(dy, ((0, 0), (0, 0), (0, down * tile - dy.shape[2]), (0, across * tile - dy.shape[3])))
    tiles = dy.reshape(*dy.shape[:2], down, tile, across, tile).swapaxes(3, 4)
    return a @ tiles @ a.T, b_t @ _tiles(tile, x, padding) @ b_t.T


def _over_tiles(e: Array, v: Array, groups: int) -> Array:
    """sum over n and tiles of e[n, oc, ...] v[n, ic, ...] per group: (OC, IC / groups, points, points)."""
    n, oc, ic = len(e), e.shape[1], v.shape[1]
    e, v = e.reshape(n, groups, oc // groups, *e.shape[2:]), v.reshape(n, groups, ic // groups, *v.shape[2:])
    return np.einsum("ngodrab,ngidrab->goiab", e, v, optimize=True).reshape(oc, ic // groups, *e.shape[5:])


def conv2d_backward_weight_winograd(
    tile: int, input: ArrayLike, grad_output: ArrayLike, padding: Padding = 0, groups: int = 1
) -> Array:
    """dL/dw by the formula above, in float64: the same as that of `conv2d_backward_weight`.

    tile: M, 2 or 4. input (N, IC, IH, IW), grad_output (N, OC, OH, OW). Returns (OC, IC / groups, 3, 3).

    >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> conv2d_backward_weight_winograd(2, x, np.ones((1, 1, 2, 2)))[0, 0]
    array([[10., 14., 18.],
           [26., 30., 34.],
           [42., 46., 50.]])
    """
    a_t, g, b_t = MATRICES[tile]
    e, v = _gradient_factors(a_t.T, b_t, tile, as_float64(input), as_float64(grad_output), padding)
    return g.T @ _over_tiles(e, v, groups) @ g


def gradient_magnitude(
    tile: int, input: ArrayLike, grad_output: ArrayLike, padding: Padding = 0, groups: int = 1
) -> tuple[Array, Array]:
    """As `magnitude`, for dL/dw: everything taken absolutely; and what flushed denormals may lose.

    >>> x, dy = np.ones((1, 1, 4, 4)), np.ones((1, 1, 2, 2))
    >>> bool(gradient_magnitude(2, x, dy)[0][0, 0, 0, 0] > 4)  # the sum of |x| |dy|
    True
    """
    a_t, g, b_t = (np.abs(matrix) for matrix in MATRICES[tile])
    x, dy = np.abs(as_float64(input)), np.abs(as_float64(grad_output))
    e, v = _gradient_factors(a_t.T, b_t, tile, x, dy, padding)
    lost = _over_tiles(e + 1, np.ones_like(v), groups) + _over_tiles(np.ones_like(e), v, groups)
    return g.T @ _over_tiles(e, v, groups) @ g, g.T @ lost @ g


# Along one axis, for kernels of length 3: F(M, 3) is y = A^T [sum over ic of (G g) * (B^T d)]. Dilation by d
# is a convolution without it on every d-th place, so a tile's places lie d apart.


def _line_tiles(m: int, x: Array, out: int, before: int, dilation: int) -> tuple[Array, Any, Any]:
    """Of each output its tile of x, (N, C, out, m + 2), zeros outside; its place in the tile, and whether it
    is the first, (out)."""
    places = np.arange(out)
    inside = places // dilation % m
    first = places - inside * dilation - before
    at = first[:, None] + np.arange(m + 2) * dilation
    there = (at >= 0) & (at < x.shape[2])
    if x.shape[2] == 0:
        return np.zeros((*x.shape[:2], out, m + 2)), inside, inside == 0
    return np.where(there, x[:, :, np.clip(at, 0, x.shape[2] - 1)], 0), inside, inside == 0


def _line_sum(u: Array, v: Array, groups: int) -> Array:
    """sum over ic of u[oc, ic, point] v[n, ic, place, point] per group."""
    (oc, ic), (n, _, places) = u.shape[:2], v.shape[:3]
    u, v = u.reshape(groups, oc // groups, *u.shape[1:]), v.reshape(n, groups, ic, *v.shape[2:])
    return np.einsum("goip,ngixp->ngoxp", u, v, optimize=True).reshape(n, oc, places, v.shape[-1])


def conv1d_winograd(
    tile: int,
    input: ArrayLike,
    weight: ArrayLike,
    out: int,
    before: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Array:
    """A convolution of stride 1 and kernel length 3 by F(tile, 3), in float64.

    tile: M, 2 or 4. input (N, IC, L), weight (OC, IC / groups, 3); out: the length of the result; before:
    padding, or how much of the input is cut off, if negative. Returns (N, OC, out).

    >>> conv1d_winograd(4, np.arange(6.0).reshape(1, 1, 6), np.ones((1, 1, 3)), 4).round(9)
    array([[[ 3.,  6.,  9., 12.]]])
    """
    a_t, g, b_t = MATRICES[tile]
    d, inside, _ = _line_tiles(tile, as_float64(input), out, before, dilation)
    m = _line_sum(as_float64(weight) @ g.T, d @ b_t.T, groups)
    return np.asarray((m * a_t[inside]).sum(-1))


def line_magnitude(
    tile: int,
    input: ArrayLike,
    weight: ArrayLike,
    out: int,
    before: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> tuple[Array, Array]:
    """As `magnitude`, for `conv1d_winograd`.

    >>> x, w = np.ones((1, 1, 4)), np.ones((1, 1, 3))
    >>> float(line_magnitude(2, x, w, 2)[0][0, 0, 0])  # where the sum of |x| |w| is 3
    8.0
    """
    a_t, g, b_t = (np.abs(matrix) for matrix in MATRICES[tile])
    d, inside, _ = _line_tiles(tile, np.abs(as_float64(input)), out, before, dilation)
    u, v = np.abs(as_float64(weight)) @ g.T, d @ b_t.T
    lost = _line_sum(u + 1, np.ones_like(v), groups) + _line_sum(np.ones_like(u), v, groups)
    size = _line_sum(u, v, groups)
    return np.asarray((size * a_t[inside]).sum(-1)), np.asarray((lost * a_t[inside]).sum(-1))


def _line_gradient_factors(
    a: Array, b_t: Array, tile: int, x: Array, dy: Array, before: int, dilation: int
) -> tuple[Array, Array]:
    """The factors of the gradient's products: (N, OC, tiles, points) of dy, (N, IC, tiles, points) of x."""
    d, _, first = _line_tiles(tile, x, dy.shape[2], before, dilation)
    dy = np.pad(dy, ((0, 0), (0, 0), (0, tile * dilation)))
    at = np.flatnonzero(first)[:, None] + np.arange(tile) * dilation
    return dy[:, :, at] @ a.T, d[:, :, first] @ b_t.T


def _over_line(e: Array, v: Array, groups: int) -> Array:
    """sum over n and tiles of e[n, oc, ...] v[n, ic, ...] per group: (OC, IC / groups, points)."""
    n, oc, ic = len(e), e.shape[1], v.shape[1]
    e, v = e.reshape(n, groups, oc // groups, *e.shape[2:]), v.reshape(n, groups, ic // groups, *v.shape[2:])
    return np.einsum("ngotp,ngitp->goip", e, v, optimize=True).reshape(oc, ic // groups, -1)


def conv1d_backward_weight_winograd(
    tile: int, input: ArrayLike, grad_output: ArrayLike, before: int = 0, dilation: int = 1, groups: int = 1
) -> Array:
    """dL/dw of `conv1d_winograd` by dg = G^T [ sum over n and tiles of (A e) * (B^T d) ], in float64.

    input (N, IC, L), grad_output (N, OC, OL). Returns (OC, IC / groups, 3).

    >>> conv1d_backward_weight_winograd(4, np.arange(6.0).reshape(1, 1, 6), np.ones((1, 1, 4))).round(9)
    array([[[ 6., 10., 14.]]])
    """
    a_t, g, b_t = MATRICES[tile]
    x, dy = as_float64(input), as_float64(grad_output)
    return _over_line(*_line_gradient_factors(a_t.T, b_t, tile, x, dy, before, dilation), groups) @ g


def line_gradient_magnitude(
    tile: int, input: ArrayLike, grad_output: ArrayLike, before: int = 0, dilation: int = 1, groups: int = 1
) -> tuple[Array, Array]:
    """As `magnitude`, for `conv1d_backward_weight_winograd`.

    >>> x, dy = np.ones((1, 1, 4)), np.ones((1, 1, 2))
    >>> bool(line_gradient_magnitude(2, x, dy)[0][0, 0, 0] > 2)  # the sum of |x| |dy|
    True
    """
    a_t, g, b_t = (np.abs(matrix) for matrix in MATRICES[tile])
    x, dy = np.abs(as_float64(input)), np.abs(as_float64(grad_output))
    e, v = _line_gradient_factors(a_t.T, b_t, tile, x, dy, before, dilation)
    lost = _over_line(e + 1, np.ones_like(v), groups) + _over_line(np.ones_like(e), v, groups)
    return _over_line(e, v, groups) @ g, lost @ g
