"""What every operator is asked on every shape, and what it must answer: the reference's result and a bound.

A new operator needs one function here, decorated with its name, that gives the problem for a shape; a new
rung needs nothing. `exact` asks for small integers, whose sums of products are exact in float32: the answer
must be equal; `optional` says whether arguments that may be null are given.
"""

from collections.abc import Callable
from functools import cache

import numpy as np

from harness import Operand, Problem, structs
from loopnest import reference, shapes
from loopnest.reference import bound, bound_recurrent
from loopnest.reference.activation_functions import FUNCTIONS
from loopnest.reference.reduce import REDUCTIONS

Maker = Callable[[str, np.dtype, bool, bool], Problem]
MAKERS: dict[str, Maker] = {}
SHAPES: dict[str, list[str]] = {}
INEXACT: set[str] = set()  # whose results are never exact: asked for integers they get random numbers


def case(op: str, texts: list[str], integers: bool = True) -> Callable[[Maker], Maker]:
    def register(maker: Maker) -> Maker:
        MAKERS[op], SHAPES[op] = maker, texts
        if not integers:
            INEXACT.add(op)
        return maker

    return register


def problem(op: str, shape: str, dtype: str, exact: bool, optional: bool) -> Problem:
    """Made once and used by all rungs and ISAs; nobody may write into it."""
    return _problem(op, shape, dtype, exact and op not in INEXACT, optional)


@cache
def _problem(op: str, shape: str, dtype: str, exact: bool, optional: bool) -> Problem:
    return MAKERS[op](shape, np.dtype(dtype), exact, optional)


def texts(name: str) -> list[str]:
    return [str(shape) for shape in shapes.load(name)]


class Numbers:
    """Inputs for one shape: integers from -3 to 3, or normal numbers that the dtype holds."""

    def __init__(self, shape: str, dtype: np.dtype, exact: bool):
        self.rng = np.random.default_rng(list(shape.encode()))
        self.dtype, self.exact = dtype, exact

    def __call__(self, *size: int, scale: float = 1.0) -> np.ndarray:
        if self.exact:
            return self.rng.integers(-3, 4, size).astype(self.dtype)
        return (scale * self.rng.normal(size=size)).astype(self.dtype)

    def limit(self, size: np.ndarray) -> np.ndarray | float:
        return 0.0 if self.exact else size


NHWC = (0, 2, 3, 1)
X = ("x_n", "x_c", "x_h", "x_w")
Y = ("y_n", "y_c", "y_h", "y_w")
W = ("w_o", "w_i", "w_h", "w_w")

# ---- conv2d ----


def conv2d_scalars(s: shapes.Conv2dShape) -> dict[str, int | float]:
    names = {
        "n": s.n,
        "ic": s.ic,
        "ih": s.ih,
        "iw": s.iw,
        "oc": s.oc,
        "kh": s.kh,
        "kw": s.kw,
        "oh": s.oh,
        "ow": s.ow,
    }
    names |= {"stride_h": s.s_h, "stride_w": s.s_w, "pad_h": s.p_h, "pad_w": s.p_w}
    return {**names, "dilation_h": s.d_h, "dilation_w": s.d_w, "groups": s.g}


def winograd_limits(
    s: shapes.Conv2dShape, exact: bool, limit: Callable[[int], np.ndarray]
) -> dict[str, np.ndarray | float]:
    """F(2x2, 3x3) has only halves as constants, so small integers stay exact; F(4x4, 3x3) divides by 225."""
    if (s.kh, s.kw, s.stride, s.dilation) != (3, 3, (1, 1), (1, 1)):
        return {}
    return {"winograd2": 0.0 if exact else limit(2), "winograd4": limit(4)}


@case("conv2d", texts("conv2d"))
def conv2d(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    s, number = shapes.Conv2dShape.parse(text), Numbers(text, dtype, exact)
    x, w, bias = number(*s.x), number(*s.w), number(s.oc) if optional else None
    how = (s.stride, s.padding, s.dilation, s.g)
    return Problem(
        [
            Operand("x", x, X, NHWC, batch=0),
            Operand("w", w, W),
            Operand("bias", bias, [None]),
        ],
        [
            Operand(
                "y",
                None,
                Y,
                NHWC,
                reference.conv2d(x, w, bias, *how),
                number.limit(bound.conv2d_bound(x, w, bias, *how, dtype=dtype)),
                batch=0,
                limits=winograd_limits(
                    s, exact, lambda m: bound.winograd_bound(m, x, w, bias, s.padding, s.g, dtype)
                ),
            )
        ],
        conv2d_scalars(s),
    )


@case("conv2d_backward_input", texts("conv2d"))
def conv2d_backward_input(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    """With a bias it is the transposed convolution."""
    s, number = shapes.Conv2dShape.parse(text), Numbers(text, dtype, exact)
    dy, w, bias = number(*s.y), number(*s.w), number(s.ic) if optional else None
    how = (s.stride, s.padding, s.dilation, s.g)
    dx, limit = with_bias(
        bias,
        reference.conv2d_backward_input(s.x, w, dy, *how),
        bound.conv2d_backward_input_bound(s.x, w, dy, *how, dtype=dtype),
        s.oc // s.g * s.kh * s.kw,
        dtype,
    )
    others = winograd_limits(
        s, exact, lambda m: bound.winograd_backward_input_bound(m, s.x, w, dy, bias, s.padding, s.g, dtype)
    )
    return Problem(
        [Operand("y", dy, Y, NHWC, batch=0), Operand("w", w, W), Operand("bias", bias, [None])],
        [Operand("x", None, X, NHWC, dx, number.limit(limit), batch=0, limits=others)],
        conv2d_scalars(s),
    )


@case("conv2d_backward_weight", texts("conv2d"))
def conv2d_backward_weight(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    s, number = shapes.Conv2dShape.parse(text), Numbers(text, dtype, exact)
    dy, x = number(*s.y), number(*s.x)
    how = (s.stride, s.padding, s.dilation, s.g)
    dw, dbias = reference.conv2d_backward_weight(x, s.w, dy, *how)
    limit_w, limit_b = bound.conv2d_backward_weight_bound(x, s.w, dy, *how, dtype=dtype)
    others = winograd_limits(
        s, exact, lambda m: bound.winograd_backward_weight_bound(m, x, dy, s.padding, s.g, dtype)
    )
    outputs = [Operand("w", None, W, None, dw, number.limit(limit_w), limits=others)]
    if optional:
        outputs.append(Operand("bias", None, [None], None, dbias, number.limit(limit_b)))
    return Problem([Operand("y", dy, Y, NHWC), Operand("x", x, X, NHWC)], outputs, conv2d_scalars(s))


# ---- conv1d and conv3d: conv1d takes conv2d's struct, of one row ----

CONV_STRIDES = {
    1: (("x_n", "x_c", "x_w"), ("w_o", "w_i", "w_w"), ("y_n", "y_c", "y_w"), (0, 2, 1)),
    3: (
        ("x_n", "x_c", "x_d", "x_h", "x_w"),
        ("w_o", "w_i", "w_d", "w_h", "w_w"),
        ("y_n", "y_c", "y_d", "y_h", "y_w"),
        (0, 2, 3, 4, 1),
    ),
}


def with_bias(
    bias: np.ndarray | None, result: np.ndarray, limit: np.ndarray, products: int, dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray]:
    """A bias for each channel, added to a sum of so many products: one more rounding for each of them (at
    most twice as many), and as many for the bias."""
    if bias is None:
        return result, limit
    b = bias.astype(np.float64).reshape(-1, *(1,) * (result.ndim - 2))
    return result + b, 2 * limit + bound.gamma(products + 1, dtype) * np.abs(b)


def conv_shape(axes: int, text: str) -> shapes.ConvShape:
    return (shapes.Conv1dShape if axes == 1 else shapes.Conv3dShape).parse(text)


def conv_scalars(s: shapes.ConvShape) -> dict[str, int]:
    names = {"n": s.n, "ic": s.ic, "oc": s.oc, "groups": s.g}
    values = {"i": s.size, "k": s.kernel, "o": s.out, "stride_": s.stride, "dilation_": s.dilation}
    values["pad_"] = tuple(low for low, _ in s.pads)
    if len(s.size) == 1:
        names |= {"ih": 1, "kh": 1, "oh": 1, "stride_h": 1, "dilation_h": 1, "pad_h": 0}
    for stem, each in values.items():
        names |= {stem + axis: v for axis, v in zip("w" if len(each) == 1 else "dhw", each, strict=True)}
    return names


def stacked(s: shapes.ConvShape, x: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A 3-D convolution as a 2-D one between planes: y's planes are images, and the taps in depth, with the
    planes of x that they meet, channels of their group."""
    n, depth, step, reach, (low, high) = s.n, s.out[0], s.stride[0], s.dilation[0], s.pads[0]
    behind = max((depth - 1) * step + (s.kernel[0] - 1) * reach + 1 - s.size[0] - low, high, 0)
    x = np.pad(x, ((0, 0), (0, 0), (low, behind), (0, 0), (0, 0)))
    x = x.reshape(n, s.g, -1, *x.shape[2:])
    each = [x[:, :, :, k * reach :][:, :, :, ::step][:, :, :, :depth] for k in range(s.kernel[0])]
    planes = np.stack(each, 2).transpose(0, 4, 1, 2, 3, 5, 6)  # n, od, g, kd, ic/g, h, w
    return planes.reshape(n * depth, -1, *s.size[1:]), w.swapaxes(1, 2).reshape(len(w), -1, *s.kernel[1:])


def winograd3d_limits(
    s: shapes.ConvShape, x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, dtype: np.dtype, exact: bool
) -> dict[str, np.ndarray | float]:
    """As `winograd_limits`, for volumes: the bound of the planes, whose sums are as long."""
    if len(s.size) != 3 or s.kernel[1:] != (3, 3) or s.stride[1:] != (1, 1) or s.dilation[1:] != (1, 1):
        return {}
    images, filters = stacked(s, x, w)
    limits: dict[str, np.ndarray | float] = {"winograd2": 0.0}
    for tile in (2, 4):
        if tile == 4 or not exact:
            limit = bound.winograd_bound(tile, images, filters, bias, s.pads[1:], s.g, dtype)
            limits[f"winograd{tile}"] = np.moveaxis(limit.reshape(s.n, s.out[0], *limit.shape[1:]), 1, 2)
    return limits


def winograd3d_weight_limits(
    s: shapes.ConvShape, x: np.ndarray, dy: np.ndarray, dtype: np.dtype, exact: bool
) -> dict[str, np.ndarray | float]:
    """As `winograd3d_limits`, for dw: taps in depth are channels of the planes."""
    if s.kernel[1:] != (3, 3) or s.stride[1:] != (1, 1) or s.dilation[1:] != (1, 1):
        return {}
    images, _ = stacked(s, x, np.zeros(s.w))
    planes = dy.swapaxes(1, 2).reshape(-1, s.oc, *s.out[1:])
    limits: dict[str, np.ndarray | float] = {"winograd2": 0.0}
    for tile in (2, 4):
        if tile == 4 or not exact:
            limit = bound.winograd_backward_weight_bound(tile, images, planes, s.pads[1:], s.g, dtype)
            limits[f"winograd{tile}"] = limit.reshape(s.oc, s.kernel[0], -1, 3, 3).swapaxes(1, 2)
    return limits


def turned_limits(
    s: shapes.ConvShape,
    pads: tuple,
    dy: np.ndarray,
    w: np.ndarray,
    bias: np.ndarray | None,
    dtype: np.dtype,
    exact: bool,
) -> dict[str, np.ndarray | float]:
    """Of the convolution of dy that gives dx. Negative padding: those rows are not read."""
    cut = tuple(slice(max(-p, 0), None) for p, _ in pads)
    dy = dy[(slice(None), slice(None), *cut)]
    kept = tuple(max(p, 0) for p, _ in pads)
    reach = [d * (k - 1) + 1 for k, d in zip(s.kernel, s.dilation, strict=True)]
    need = [i + r - 1 - p - n for i, r, p, n in zip(s.size, reach, kept, dy.shape[2:], strict=True)]
    dy = dy[(slice(None), slice(None), *(slice(None, v if v < 0 else None) for v in need))]

    class Turned:
        n, g, size, out = s.n, s.g, dy.shape[2:], s.size
        kernel, stride, dilation = s.kernel, s.stride, s.dilation
        pads = tuple((p, max(v, 0)) for p, v in zip(kept, need, strict=True))

    return winograd3d_limits(Turned, dy, w, bias, dtype, exact)  # type: ignore[arg-type]


def by_line(s: shapes.ConvShape) -> bool:
    """Whether F(4, 3) takes it, which divides by 15, so that small integers do not stay exact."""
    return s.kernel == (3,) and s.stride == (1,)


def conv_forward(axes: int) -> Maker:
    x_names, w_names, y_names, order = CONV_STRIDES[axes]

    def make(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
        s, number = conv_shape(axes, text), Numbers(text, dtype, exact)
        x, w, bias = number(*s.x), number(*s.w), number(s.oc) if optional else None
        how = (s.stride, s.pads, s.dilation, s.g)
        y = reference.conv3d(x, w, bias, *how)
        limit = number.limit(bound.conv_bound(x, w, bias, *how, dtype=dtype))
        limits = winograd3d_limits(s, x, w, bias, dtype, exact)
        if by_line(s):
            where = (s.out[0], s.pads[0][0], s.dilation[0], s.g)
            limits = {"winograd4": bound.line_bound(4, x, w, bias, *where, dtype=dtype)}
        inputs = [Operand("x", x, x_names, order, batch=0), Operand("w", w, w_names)]
        return Problem(
            [*inputs, Operand("bias", bias, [None])],
            [Operand("y", None, y_names, order, y, limit, batch=0, limits=limits)],
            conv_scalars(s),
        )

    return make


def conv_backward_input(axes: int) -> Maker:
    x_names, w_names, y_names, order = CONV_STRIDES[axes]

    def make(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
        s, number = conv_shape(axes, text), Numbers(text, dtype, exact)
        dy, w, bias = number(*s.y), number(*s.w), number(s.ic) if optional else None
        how = (s.stride, s.pads, s.dilation, s.g)
        dx, limit = with_bias(
            bias,
            reference.conv3d_backward_input(s.x, w, dy, *how),
            bound.conv_backward_input_bound(s.x, w, dy, *how, dtype=dtype),
            s.oc // s.g * int(np.prod(s.kernel)),
            dtype,
        )
        limits: dict[str, np.ndarray | float] = {}
        if by_line(s):  # a convolution of dy with the weights turned round
            turned = w.reshape(s.g, s.oc // s.g, *w.shape[1:]).swapaxes(1, 2)[..., ::-1].reshape(s.ic, -1, 3)
            where = (s.size[0], 2 * s.dilation[0] - s.pads[0][0], s.dilation[0], s.g)
            limits = {"winograd4": bound.line_bound(4, dy, turned, bias, *where, dtype=dtype)}
        if axes == 3 and set(s.stride) == {1}:  # a convolution of dy with the weights turned round
            back = shapes.Conv3dShape.parse(text)
            pads = tuple(
                (d * (k - 1) - p, 0) for k, d, (p, _) in zip(s.kernel, s.dilation, s.pads, strict=True)
            )
            turned = w.reshape(s.g, s.oc // s.g, *w.shape[1:]).swapaxes(1, 2)[..., ::-1, ::-1, ::-1]
            limits = turned_limits(back, pads, dy, turned.reshape(s.ic, -1, *s.kernel), bias, dtype, exact)
        inputs = [Operand("y", dy, y_names, order, batch=0), Operand("w", w, w_names)]
        return Problem(
            [*inputs, Operand("bias", bias, [None])],
            [Operand("x", None, x_names, order, dx, number.limit(limit), batch=0, limits=limits)],
            conv_scalars(s),
        )

    return make


def conv_backward_weight(axes: int) -> Maker:
    x_names, w_names, y_names, order = CONV_STRIDES[axes]

    def make(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
        s, number = conv_shape(axes, text), Numbers(text, dtype, exact)
        dy, x = number(*s.y), number(*s.x)
        how = (s.stride, s.pads, s.dilation, s.g)
        dw, dbias = reference.conv3d_backward_weight(x, s.w, dy, *how)
        limit_w, limit_b = bound.conv_backward_weight_bound(x, s.w, dy, *how, dtype=dtype)
        limits = winograd3d_weight_limits(s, x, dy, dtype, exact) if axes == 3 else {}
        if by_line(s):
            where = (s.pads[0][0], s.dilation[0], s.g)
            limits = {"winograd4": bound.line_backward_weight_bound(4, x, dy, *where, dtype=dtype)}
        outputs = [Operand("w", None, w_names, None, dw, number.limit(limit_w), limits=limits)]
        if optional:
            outputs.append(Operand("bias", None, [None], None, dbias, number.limit(limit_b)))
        inputs = [Operand("y", dy, y_names, order), Operand("x", x, x_names, order)]
        return Problem(inputs, outputs, conv_scalars(s))

    return make


for axes in (1, 3):
    case(f"conv{axes}d", texts(f"conv{axes}d"))(conv_forward(axes))
    case(f"conv{axes}d_backward_input", texts(f"conv{axes}d"))(conv_backward_input(axes))
    case(f"conv{axes}d_backward_weight", texts(f"conv{axes}d"))(conv_backward_weight(axes))

# ---- pooling ----

INDICES = ("indices_n", "indices_c", "indices_h", "indices_w")


def pool2d_scalars(s: shapes.Pool2dShape) -> dict[str, int | float]:
    names = {"n": s.n, "c": s.c, "ih": s.ih, "iw": s.iw, "oh": s.oh, "ow": s.ow}
    names |= {"kernel_h": s.kh, "kernel_w": s.kw, "stride_h": s.s_h, "stride_w": s.s_w}
    return {**names, "pad_h": s.p_h, "pad_w": s.p_w, "dilation_h": s.d_h, "dilation_w": s.d_w}


# A shape followed by "taps": places are told by taps instead of indices.
MAXIMA = texts("pool2d") + [f"{text} taps" for text in texts("pool2d")]


def winners(text: str, x: np.ndarray) -> tuple[shapes.Pool2dShape, np.ndarray, np.ndarray, Operand]:
    """The shape, the largest elements of x, their indices, and the operand that tells the kernel of them."""
    s = shapes.Pool2dShape.parse(text.removesuffix(" taps"))
    y, indices = reference.max_pool2d(x, s.kernel, s.stride, s.padding, s.dilation, bool(s.ceil))
    if not text.endswith("taps"):
        return s, y, indices, Operand("indices", indices, INDICES, NHWC, batch=0)
    h, w = np.arange(s.oh)[:, None] * s.s_h - s.p_h, np.arange(s.ow) * s.s_w - s.p_w
    taps = (indices // s.iw - h) // s.d_h * s.kw + (indices % s.iw - w) // s.d_w
    taps = np.where(indices < 0, 255, taps).astype(np.uint8)
    return s, y, indices, Operand("taps", taps, INDICES, NHWC, batch=0)


@case("max_pool2d", MAXIMA)
def max_pool2d(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    s, number = shapes.Pool2dShape.parse(text.removesuffix(" taps")), Numbers(text, dtype, exact)
    x = number(*s.x)
    _, y, _, places = winners(text, x)
    outputs = [Operand("y", None, Y, NHWC, y, batch=0)]
    if optional:
        outputs.append(Operand(places.name, None, INDICES, NHWC, places.value, batch=0))
    return Problem([Operand("x", x, X, NHWC, batch=0)], outputs, pool2d_scalars(s))


@case("max_pool2d_backward", MAXIMA)
def max_pool2d_backward(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    s, number = shapes.Pool2dShape.parse(text.removesuffix(" taps")), Numbers(text, dtype, exact)
    x, dy = number(*s.x), number(*s.y)
    _, _, indices, places = winners(text, x)
    dx = reference.max_pool2d_backward(dy, indices, s.x)
    limit = bound.gamma(s.kh * s.kw, dtype) * reference.max_pool2d_backward(np.abs(dy), indices, s.x)
    return Problem(
        [Operand("y", dy, Y, NHWC, batch=0), places],
        [Operand("x", None, X, NHWC, dx, number.limit(limit), batch=0)],
        pool2d_scalars(s),
    )


AVERAGED = [str(s) for s in shapes.load("pool2d") if s.dilation == (1, 1)]


def avg_pool2d_options(s: shapes.Pool2dShape, optional: bool) -> tuple[tuple, dict[str, int | float]]:
    how = (s.kernel, s.stride, s.padding, bool(s.ceil), optional, 5 if s.kw == 3 and not optional else None)
    return how, {**pool2d_scalars(s), "count_include_pad": how[4], "divisor_override": how[5] or 0}


@case("avg_pool2d", AVERAGED)
def avg_pool2d(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    s, number = shapes.Pool2dShape.parse(text), Numbers(text, dtype, exact)
    x = number(*s.x)
    how, scalars = avg_pool2d_options(s, optional)
    y, limit = reference.avg_pool2d(x, *how), bound.avg_pool2d_bound(x, *how, dtype=dtype)
    return Problem(
        [Operand("x", x, X, NHWC, batch=0)], [Operand("y", None, Y, NHWC, y, limit, batch=0)], scalars
    )


@case("avg_pool2d_backward", AVERAGED)
def avg_pool2d_backward(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    s, number = shapes.Pool2dShape.parse(text), Numbers(text, dtype, exact)
    dy = number(*s.y)
    how, scalars = avg_pool2d_options(s, optional)
    dx = reference.avg_pool2d_backward(dy, s.x, *how)
    limit = bound.avg_pool2d_backward_bound(dy, s.x, *how, dtype=dtype)
    return Problem(
        [Operand("y", dy, Y, NHWC, batch=0)], [Operand("x", None, X, NHWC, dx, limit, batch=0)], scalars
    )


# ---- gemm ----


@case("gemm", texts("gemm"))
def gemm(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    s, number = shapes.GemmShape.parse(text), Numbers(text, dtype, exact)
    a, b = number(s.m, s.k), number(s.k, s.n)
    bias, c = (number(s.n), None) if optional else (None, number(s.m, s.n))
    expected = reference.gemm(a, b, bias, c)
    limit = number.limit(bound.gemm_bound(a, b, bias, c, dtype=dtype))
    return Problem(
        [
            Operand("a", a, ("a_m", "a_k"), batch=0),
            Operand("b", b, ("b_k", "b_n")),
            Operand("bias", bias, [None]),
        ],
        [Operand("c", c, ("c_m", "c_n"), None, expected, limit, batch=0)],
        {"m": s.m, "n": s.n, "k": s.k, "accumulate": c is not None},
    )


# ---- element by element ----

MAPPED = ["1", "7", "8", "17", "100", "1000", "0", "3 5", "16 33", "2 3 4 5", "1 1 9", "2 2 2 2 2 3"]


def map_problem(
    text: str, inputs: dict[str, np.ndarray], out: np.ndarray, limit: np.ndarray | float
) -> Problem:
    """All the axes of the contract; those that the text lacks have length 1 and stand in front."""
    rank = len(structs()["relu"]().shape)

    def operand(name: str, value: np.ndarray | None, **answer: np.ndarray | float) -> Operand:
        strides = [f"{name}_stride[{axis}]" for axis in range(rank)]
        if value is not None:
            value = value.reshape((1,) * (rank - value.ndim) + value.shape)
        return Operand(name, value, strides, **answer)

    lengths = [1] * rank
    lengths[rank - out.ndim :] = out.shape
    limit = limit if np.ndim(limit) == 0 else np.reshape(limit, lengths)
    answer = {"expected": out.reshape(lengths), "limit": limit}
    return Problem(
        [operand(name, value) for name, value in inputs.items()],
        [operand("out", None, **answer)],
        {f"shape[{axis}]": length for axis, length in enumerate(lengths)},
    )


def map_forward(op: str) -> Maker:
    def make(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
        x = Numbers(text, dtype, exact)(*map(int, text.split()), scale=1.0 if optional else 20.0)
        y = getattr(reference, op)(x)
        limit = 0.0 if op == "relu" else bound.FUNCTION_ROUNDINGS * bound.unit(dtype) * np.abs(y) + 1e-37
        return map_problem(text, {"in": x}, y, limit)

    return make


def map_backward(op: str) -> Maker:
    def make(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
        number, size = Numbers(text, dtype, exact), tuple(map(int, text.split()))
        y, dy = getattr(reference, op)(number(*size)).astype(dtype), number(*size)
        dx = getattr(reference, f"{op}_backward")(dy, y)
        # two products and a subtraction; 1 - y and 1 - y * y lose at most an u or two of 1
        limit = 0.0 if op == "relu" else bound.gamma(4, dtype) * np.abs(dy) * (1 + y * y)
        return map_problem(text, {"in": y, "dy": dy}, dx, limit)

    return make


for name in ("relu", "sigmoid", "tanh"):
    case(name, MAPPED)(map_forward(name))
    case(f"{name}_backward", MAPPED)(map_backward(name))


# ---- activations: text is the function's name, its parameters, and the shape ----

ACTIVATED = [
    *(f"{name} : {shape}" for name in FUNCTIONS for shape in ("100", "3 5")),
    *("leaky_relu -0.5 : 33", "elu 1.5 1.25 2 : 40", "softplus 2 3 : 50", "hardtanh 0 6 : 2 3 4", "gelu : 0"),
    "silu : 2 2 2 2 2 3",
]


def activation_problem(text: str, dtype: np.dtype, exact: bool, optional: bool, backward: bool) -> Problem:
    words, size = text.split(" : ")
    name, *given = words.split()
    parameters = tuple(map(float, given)) or FUNCTIONS[name][1]
    number, shape = Numbers(text, dtype, exact), tuple(map(int, size.split()))
    x, dy = number(*shape, scale=1.0 if optional else 6.0), number(*shape)
    value, slope = FUNCTIONS[name][0](x.astype(np.float64), *parameters)
    u = bound.FUNCTION_ROUNDINGS * bound.unit(dtype)
    near = np.maximum(np.abs(slope), 0.1) * (1 + np.abs(x))  # of a sum or product that may cancel: its size
    if backward:
        out, limit = dy * slope, 4 * u * np.abs(dy) * near + 1e-37
    else:
        size = np.abs(x) if name == "tanhshrink" else 0.1 * np.abs(x) * np.exp(-np.abs(x))
        out, limit = value, u * np.maximum(np.abs(value), size) + 1e-37
    made = map_problem(text, {"in": x, "dy": dy} if backward else {"in": x}, out, limit)
    made.scalars["function"] = list(FUNCTIONS).index(name)
    made.scalars |= {f"parameter[{i}]": p for i, p in enumerate(parameters)}
    return made


@case("activation", ACTIVATED)
def activation(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    return activation_problem(text, dtype, exact, optional, False)


@case("activation_backward", ACTIVATED)
def activation_backward(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    return activation_problem(text, dtype, exact, optional, True)


# ---- normalisation: N S C groups; + over the batch, = given statistics, 0 no centre, r ReLU behind it ----

NORMED = [
    "1 1 1 1",
    "1 1 16 1",
    "5 1 33 1",
    "40 1 64 1",
    "3 1 100 1 0",
    "70 1 7 1 0",
    "2 9 6 3",
    "3 25 32 4",
    "2 300 48 2",
    "1 4 130 13",
    "2 10 5 5",
    "3 200 20 20",
    "2 7 3 3 +",
    "2 32 3 3 +",
    "4 2000 6 6 +",
    "3 16 6 6",
    "2 300 24 24",
    "2 40 12 12 + =",
    "4 9 64 64 +",
    "3 140 17 17 +",
    "9 1 80 80 +",
    "2 300 1 1 +",
    "1 3 600 600 +",
    "2 30 24 24 + =",
    "3 1 40 40 + =",
    "0 4 8 2",
    "4 200 64 64 + r",
    "2 32 3 3 + r",
    "2 40 12 12 + = r",
    "3 140 17 17 + r",
    "3 25 32 4 r",
]


def norm_options(text: str) -> tuple[tuple[int, int, int], dict[str, int | bool | float], bool]:
    words = text.split()
    n, s, c, groups = map(int, words[:4])
    how = {"groups": groups, "eps": 1e-5, "over_n": "+" in words, "centre": "0" not in words[4:]}
    return (n, s, c), how, "=" in words


def norm_stats(number: Numbers, how: dict, size: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    sets = (1 if how["over_n"] else size[0], how["groups"])
    return number(*sets), np.abs(number(*sets)) + np.asarray(0.5, number.dtype)


def norm_scalars(text: str, size: tuple[int, int, int], how: dict, given: bool) -> dict[str, int | float]:
    return dict(zip("nsc", size, strict=True)) | how | {"given": given, "activation": int("r" in text)}


@case("norm", NORMED)
def norm(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    size, how, given = norm_options(text)
    number = Numbers(text, dtype, exact)
    x = number(*size) + np.asarray(3 if optional else 0, dtype)
    weight, bias = (number(size[2]), number(size[2])) if optional else (None, None)
    stats = norm_stats(number, how, size) if given else (None, None)
    relu = {"activation": "relu" if "r" in text else None}
    y, mean, var = reference.norm(x, weight, bias, *stats, **how, **relu)
    limit = bound.norm_bound(x, weight, bias, *stats, **how, dtype=dtype)
    batch = None if how["over_n"] and not given else 0
    inputs = [
        Operand("x", x, ("x_n", "x_s", "x_c"), batch=batch),
        Operand("weight", weight, [None]),
        Operand("bias", bias, [None]),
    ]
    outputs = [Operand("y", None, ("y_n", "y_s", "y_c"), None, y, limit.y, batch=batch)]
    dense = [None, None]
    if given:
        inputs += [Operand("mean", stats[0], dense), Operand("var", stats[1], dense)]
    else:
        outputs += [
            Operand("mean", None, dense, None, mean, limit.mean, batch=batch),
            Operand("var", None, dense, None, var, limit.var, batch=batch),
        ]
    return Problem(inputs, outputs, norm_scalars(text, size, how, given))


@case("norm_backward", NORMED)
def norm_backward(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    size, how, given = norm_options(text)
    number = Numbers(text, dtype, exact)
    x, dy = number(*size), number(*size)
    weight, bias = (number(size[2]), number(size[2])) if optional else (None, None)
    mean, var = (
        (a.astype(dtype) for a in reference.norm(x, **how)[1:]) if x.size else norm_stats(number, how, size)
    )
    relu = {}
    if "r" in text:
        # Where the result is within rounding of 0 chance decides what ReLU does: nothing comes from there.
        y = reference.norm(x, weight, bias, mean, var, **how)[0]
        dy = np.where(np.abs(y) <= bound.norm_bound(x, weight, bias, mean, var, **how, dtype=dtype).y, 0, dy)
        dy = dy.astype(dtype)
        relu = {"bias": bias, "activation": "relu"}
    args = (dy, x, weight, mean, var, *how.values(), given)
    dx, dw, db = reference.norm_backward(*args, **relu)
    if "r" in text:
        args = (np.where(y <= 0, 0, dy), *args[1:])
    limits = bound.norm_backward_bound(*args, dtype=dtype)
    batch = None if how["over_n"] and not given else 0
    outputs = [
        Operand("dx", None, ("dx_n", "dx_s", "dx_c"), None, dx, limits[0], batch=batch),
    ]
    if optional:
        outputs.append(Operand("dweight", None, [None], None, dw, limits[1]))
        outputs.append(Operand("dbias", None, [None], None, db, limits[2]))
    inputs = [
        Operand("y", dy, ("y_n", "y_s", "y_c"), batch=batch),
        Operand("x", x, ("x_n", "x_s", "x_c"), batch=batch),
        Operand("weight", weight, [None]),
        Operand("bias", bias, [None]),
        Operand("mean", mean, [None, None]),
        Operand("var", var, [None, None]),
    ]
    return Problem(inputs, outputs, norm_scalars(text, size, how, given))


# ---- softmax: text is O D I ----

SOFTENED = ["1 1 1", "4 10 1", "3 17 1", "2 100 1", "2 5 7", "1 33 20", "3 4 16", "0 4 1", "2 1000 1"]
SOFTMAX_AXES = ("o", "d", "i")


def softmax_names(array: str) -> list[str]:
    return [f"{array}_{axis}" for axis in SOFTMAX_AXES]


@case("softmax", SOFTENED)
def softmax(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    size = tuple(map(int, text.split()))
    x = Numbers(text, dtype, exact)(*size, scale=5.0)
    y = reference.softmax(x, 1, log=optional)
    limit = bound.softmax_bound(x, 1, log=optional, dtype=dtype)
    return Problem(
        [Operand("x", x, softmax_names("x"), batch=0)],
        [Operand("y", None, softmax_names("y"), None, y, limit, batch=0)],
        dict(zip("odi", size, strict=True)) | {"log": optional},
    )


@case("softmax_backward", SOFTENED)
def softmax_backward(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    size = tuple(map(int, text.split()))
    number = Numbers(text, dtype, exact)
    y = reference.softmax(number(*size, scale=2.0), 1, log=optional).astype(dtype)
    dy = number(*size)
    dx = reference.softmax_backward(dy, y, 1, log=optional)
    size_y = np.exp(y.astype(np.float64)) if optional else np.abs(y)
    total = (np.abs(dy) * (1 if optional else size_y)).sum(axis=1, keepdims=True)
    rounds = bound.gamma(size[1] + bound.FUNCTION_ROUNDINGS + 4, dtype)
    limit = rounds * (size_y * total + (1 if optional else size_y) * np.abs(dy)) + 1e-37
    return Problem(
        [Operand("y", y, softmax_names("y"), batch=0), Operand("dy", dy, softmax_names("dy"), batch=0)],
        [Operand("dx", None, softmax_names("dx"), None, dx, limit, batch=0)],
        dict(zip("odi", size, strict=True)) | {"log": optional},
    )


# ---- reduce: text is the function, the divisor, the lengths, and of each axis k (kept) or r (reduced) ----

REDUCED = [
    *(
        "sum 1 : 1 1 : k r",
        "sum 1 : 1 7 : k r",
        "sum 4 : 1 300 : k r",
        "sum 1 : 1 300000 : k r",
        "sum 1 : 9 : k",
    ),
    *("sum 1 : 3 28 : k r", "sum 1 : 28 3 : r k", "sum 5 : 2 5 40 : k r k", "sum 1 : 4 3 130 : r k r"),
    *("sum 7 : 3 70 100 : k r k", "sum 1 : 600 150 : r k", "sum 1 : 70000 3 : r k", "sum 1 : 3 70 : k k"),
    *("sum 1 : 2 2 2 2 2 3 : k r k r k r", "sum 1 : 2 3 2 3 2 3 : r k r k r k", "sum 2 : 0 4 : r k"),
    *("sum 1 : 4 0 : r k", "amin 1 : 1 100 : k r", "amax 1 : 3 50 : k r", "amin 1 : 50 3 : r k"),
    *("amax 1 : 2 300 40 : k r k", "amin 1 : 4 3 33 : r k r", "amax 1 : 600 65 : r k"),
]


@case("reduce", REDUCED)
def reduce(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    (function, divided), size, kinds = (part.split() for part in text.split(":"))
    x, divisor = Numbers(text, dtype, exact)(*map(int, size)), 1.0 if exact else float(divided)
    dim = tuple(axis for axis, kind in enumerate(kinds) if kind == "r")
    y = reference.reduce(x, dim, function, divisor)
    limit = bound.reduce_bound(x, dim, divisor, dtype) if function == "sum" and not exact else 0.0
    rank = len(structs()["reduce"]().shape)  # axes that the text lacks have length 1 and stand in front
    lengths = [1] * (rank - x.ndim) + list(x.shape)
    places = range(rank - x.ndim, rank)
    kept = [place for place, kind in zip(places, kinds, strict=True) if kind == "k"]
    return Problem(
        [Operand("x", x, [f"x_stride[{place}]" for place in places])],
        [Operand("y", None, [f"y_stride[{place}]" for place in kept], None, y, limit)],
        {f"shape[{place}]": length for place, length in enumerate(lengths)}
        | {f"reduced[{place}]": int(place not in kept) for place in range(rank)}
        | {"function": REDUCTIONS.index(function), "divisor": divisor},
    )


# ---- resample: text is N C, and for each of three axes its length, a colon, and the taps of each output ----

RESAMPLED = [
    "1 1 1:0 1:0 1:0",
    "2 3 1:0 4:-,0,1,2,3,- 5:1,0,1,2,3,4,3",
    "1 17 1:0 3:0+1,1+2,2 4:0,0+1,1+2+3",
    "2 16 2:0+1,1 3:0,1+2 2:0,1",
    "1 1 1:0 4:0+1,2+3 33:" + ",".join(f"{i}+{i + 1}" for i in range(32)),
    "1 4 1:0 2:0,1 9:-,-,0,1,2,3,4,5,6,7,8,-",
    "3 40 2:1,0 2:0,0,1,1 2:0,0,1,1",
    "0 4 1:0 2:0 2:1",
]


def taps_of(text: str, number: Numbers) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    size, outputs = text.split(":")
    taps = [[] if one == "-" else [int(i) for i in one.split("+")] for one in outputs.split(",")]
    begin = np.cumsum([0] + [len(t) for t in taps])
    index = np.array([i for t in taps for i in t], np.int64)
    lone = np.array([len(t) == 1 for t in taps for _ in t])
    weight = np.where(lone, 1, number(len(index))).astype(number.dtype)
    return int(size), begin.astype(np.int64), index, weight


@case("resample", RESAMPLED)
def resample(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    n, c, *axes = text.split()
    number = Numbers(text, dtype, exact)
    tables = [taps_of(axis, number) for axis in axes]
    x = number(int(n), int(c), *(t[0] for t in tables))
    fill = 2.5 if optional else 0.0
    y = reference.resample(x, [t[1:] for t in tables], fill)
    size = reference.resample(np.abs(x), [(b, i, np.abs(w)) for _, b, i, w in tables], 0.0)
    most = np.prod([max(np.diff(t[1]), default=1) for t in tables])
    limit = number.limit(bound.gamma(int(most) + 6, dtype) * size + 1e-37)
    names = [f"{{}}_{axis}" for axis in "ncdhw"]
    inputs = [Operand("x", x, [s.format("x") for s in names], (0, 2, 3, 4, 1), batch=0)]
    for axis, (_, begin, index, weight) in zip("dhw", tables, strict=True):
        inputs += [
            Operand(f"begin_{axis}", begin, [None]),
            Operand(f"index_{axis}", index, [None]),
            Operand(f"weight_{axis}", weight, [None]),
        ]
    scalars = {"n": int(n), "c": int(c), "fill": fill}
    scalars |= {f"i{a}": t[0] for a, t in zip("dhw", tables, strict=True)}
    scalars |= {f"o{a}": len(t[1]) - 1 for a, t in zip("dhw", tables, strict=True)}
    outputs = [Operand("y", None, [s.format("y") for s in names], (0, 2, 3, 4, 1), y, limit, batch=0)]
    return Problem(inputs, outputs, scalars)


# ---- cross-entropy: text is N C S ----

CLASSIFIED = ["1 1 1", "1 2 1", "4 10 1", "3 17 1", "2 5 7", "2 33 3", "5 1000 1", "0 4 1", "1 8 16"]


def cross_entropy_inputs(text: str, dtype: np.dtype, exact: bool, optional: bool) -> tuple[tuple, dict]:
    n, c, s = map(int, text.split())
    number = Numbers(text, dtype, exact)
    logits = number(n, c, s, scale=5.0)
    target = number.rng.integers(0, c, (n, s))
    if optional and target.size > 1:
        target.flat[1] = 7777
    weight = number.rng.uniform(0.5, 2, c).astype(dtype) if optional else None
    return (logits, target), {
        "weight": weight,
        "ignore_index": 7777,
        "label_smoothing": 0.25 if optional else 0.0,
    }


LOGITS = ("logits_n", "logits_c", "logits_s")


def cross_entropy_operands(
    logits: np.ndarray, target: np.ndarray, weight: np.ndarray | None
) -> list[Operand]:
    return [
        Operand("logits", logits, LOGITS, (0, 2, 1), batch=0),
        Operand("target", target, ("target_n", "target_s"), batch=0),
        Operand("weight", weight, [None]),
    ]


def cross_entropy_scalars(logits: np.ndarray, how: dict) -> dict[str, int | float]:
    n, c, s = logits.shape
    return {"n": n, "c": c, "s": s} | {k: how[k] for k in ("ignore_index", "label_smoothing")}


def log_sum_exp(logits: np.ndarray) -> np.ndarray:
    z = logits.astype(np.float64)
    largest = z.max(axis=1, keepdims=True)
    return (largest + np.log(np.exp(z - largest).sum(axis=1, keepdims=True)))[:, 0]


@case("cross_entropy", CLASSIFIED)
def cross_entropy(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    (logits, target), how = cross_entropy_inputs(text, dtype, exact, optional)
    loss = reference.cross_entropy(logits, target, reduction="none", **how)
    limit = bound.cross_entropy_bound(logits, target, reduction="none", dtype=dtype, **how)
    outputs = [Operand("loss", None, [None, None], None, loss, limit.loss, batch=0)]
    if optional:
        u, c = bound.unit(dtype), logits.shape[1]
        lse = log_sum_exp(logits)
        spread = 2 * np.abs(logits).max(axis=1, initial=0.0)
        lse_limit = (spread + c + 3 * bound.FUNCTION_ROUNDINGS + 2 * np.abs(lse) + 2) * u * 2
        row_weight = np.where(target == 7777, 0.0, how["weight"][np.where(target == 7777, 0, target)])
        outputs.append(Operand("lse", None, [None, None], None, lse, lse_limit, batch=0))
        outputs.append(Operand("row_weight", None, [None, None], None, row_weight, batch=0))
    return Problem(
        cross_entropy_operands(logits, target, how["weight"]), outputs, cross_entropy_scalars(logits, how)
    )


@case("cross_entropy_backward", CLASSIFIED)
def cross_entropy_backward(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    (logits, target), how = cross_entropy_inputs(text, dtype, exact, optional)
    lse = log_sum_exp(logits).astype(dtype)
    dloss = Numbers(text + " dloss", dtype, exact)(*target.shape)
    expected = reference.cross_entropy_backward(dloss, logits, target, reduction="none", **how)
    limit = bound.cross_entropy_bound(logits, target, reduction="none", dtype=dtype, **how).input
    limit = limit * np.abs(dloss)[:, None] + bound.gamma(1, dtype) * np.abs(expected)
    inputs = cross_entropy_operands(logits, target, how["weight"])
    inputs.append(Operand("dloss", dloss, ("dloss_n", "dloss_s"), batch=0))
    inputs.append(Operand("lse", lse, [None, None], batch=0))
    return Problem(
        inputs,
        [
            Operand(
                "dlogits", None, ("dlogits_n", "dlogits_c", "dlogits_s"), (0, 2, 1), expected, limit, batch=0
            )
        ],
        cross_entropy_scalars(logits, how),
    )


# ---- embedding: text is V D M ----

LOOKED_UP = ["1 1 1", "5 7 3", "10 16 20", "3 33 9", "50 64 10", "4 8 0", "100 17 40"]


@case("embedding", LOOKED_UP)
def embedding(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    v, d, m = map(int, text.split())
    number = Numbers(text, dtype, exact)
    table, index = number(v, d), number.rng.integers(0, v, m)
    return Problem(
        [Operand("table", table, ("table_v", "table_d")), Operand("index", index, ("index_m",))],
        [Operand("out", None, ("out_m", "out_d"), None, reference.embedding(index, table))],
        {"v": v, "d": d, "m": m, "padding_idx": 0 if optional else -1},
    )


@case("embedding_backward", LOOKED_UP)
def embedding_backward(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    v, d, m = map(int, text.split())
    number = Numbers(text, dtype, exact)
    dy, index, before = number(m, d), number.rng.integers(0, v, m), number(v, d)
    padding_idx = 0 if optional else None
    expected = before + reference.embedding_backward(dy, index, v, padding_idx)
    size = np.abs(before) + reference.embedding_backward(np.abs(dy), index, v, padding_idx)
    return Problem(
        [Operand("out", dy, ("out_m", "out_d")), Operand("index", index, ("index_m",))],
        [
            Operand(
                "table",
                before,
                ("table_v", "table_d"),
                None,
                expected,
                number.limit(bound.gamma(m + 1, dtype) * size),
            )
        ],
        {"v": v, "d": d, "m": m, "padding_idx": 0 if optional else -1},
    )


# ---- lstm ----


REPEATED = ["t8 n9 i20 h33 repeat", "t40 n3 i70 h17 repeat", "t130 n1 i5 h16 repeat", "t9 n40 i33 h40 repeat"]


def repeated(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """x of as many rows (t, n, i), drawn from a ninth of them: what fast rungs compute once for all alike."""
    few = x.reshape(-1, x.shape[2])[: max(1, x.shape[0] * x.shape[1] // 9)]
    return few[rng.integers(0, len(few), x.shape[:2])]


# ---- lstm_cell: text is rows and hidden units ----

CELLS = ["0 8", "1 1", "3 0", "5 16", "37 7", "2 40", "300 16", "129 33"]


@case("lstm_cell", CELLS, integers=False)
def lstm_cell(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    m, h = map(int, text.split())
    number = Numbers(text, dtype, False)
    sums, c0, more = number(m, 4 * h), number(m, h), number(m, 4 * h)
    c0, more = (c0, more) if optional else (None, None)
    found, limit = reference.lstm_cell(sums, c0, more), bound_recurrent.lstm_cell_bound(sums, c0, more, dtype)
    outputs = [
        Operand("c", None, ("c_m", None), None, found.c, limit.c, batch=0),
        Operand("y", None, ("y_m", None), None, found.y, limit.y, batch=0),
    ]
    if optional:
        outputs.append(Operand("gates", None, ("gates_m", None), None, found.gates, limit.gates, batch=0))
    inputs = [
        Operand("sums", sums, ("sums_m", None), batch=0),
        Operand("more", more, ("more_m", None), batch=0),
        Operand("c0", c0, ("c0_m", None), batch=0),
    ]
    return Problem(inputs, outputs, {"m": m, "h": h})


@case("lstm_cell_backward", CELLS, integers=False)
def lstm_cell_backward(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    """Not optional: no state in; what arrives comes through y alone or, for an even number of rows, c."""
    m, h = map(int, text.split())
    number = Numbers(text, dtype, False)
    found = reference.lstm_cell(number(m, 4 * h), number(m, h))
    gates, c = found.gates.astype(dtype), found.c.astype(dtype)
    c0, dy, dc = number(m, h), number(m, h), number(m, h)
    if not optional:
        c0, dy, dc = None, None if m % 2 == 0 else dy, None if m % 2 else dc
    dsums, dc0 = reference.lstm_cell_backward(gates, c, c0, dy, dc)
    limits = bound_recurrent.lstm_cell_backward_bound(gates, c, c0, dy, dc, dtype)
    outputs = [Operand("dsums", None, ("dsums_m", None), None, dsums, limits[0], batch=0)]
    if optional:
        outputs.append(Operand("dc0", None, ("dc0_m", None), None, dc0, limits[1], batch=0))
    inputs = [
        Operand("gates", gates, ("gates_m", None), batch=0),
        Operand("c", c, ("c_m", None), batch=0),
        Operand("c0", c0, ("c0_m", None), batch=0),
        Operand("dy", dy, ("dy_m", None), batch=0),
        Operand("dc", dc, ("dc_m", None), batch=0),
    ]
    return Problem(inputs, outputs, {"m": m, "h": h})


# ---- lstm, gru and rnn: text is a shape, and what else is asked: lengths, at_end, repeat, flag ----

SMALL_SEQUENCES = [
    "t1 n1 i1 h1 lengths",
    "t5 n2 i3 h5 lengths flag",
    "t6 n5 i9 h17 lengths at_end",
    "t5 n9 i4 h40 lengths at_end flag",
    "t20 n17 i3 h5 lengths",
    "t9 n40 i70 h52 lengths flag",
    "t9 n3 i3 h130 lengths at_end",
    "t3 n0 i4 h8 lengths",
    "t2 n13 i20 h33 flag",
    "t4 n1 i7 h100 flag",
    "t2 n2 i5 h270 flag",
    "t8 n9 i20 h33 lengths flag repeat",
    *REPEATED,
]
SEQUENCES = [text for text in texts("lstm") if "h270" not in text] + SMALL_SEQUENCES
LSTM_SEQUENCES = texts("lstm") + [text for text in SMALL_SEQUENCES if "flag" not in text]


class Sequence:
    """What a text asks for, the operator's arrays, and what the reference makes of them.

    flag: relu of rnn, before of gru; an lstm has none. The reference sees at_end as its reverse, on arrays
    turned around. Weights are of PyTorch's initial size, uniform within 1 / sqrt(H).
    """

    def __init__(self, op: str, text: str, dtype: np.dtype, optional: bool):
        words, extra = text.split()[:4], text.split()[4:]
        s = self.s = shapes.LstmShape.parse(" ".join(words))
        self.flag, self.at_end = "flag" in extra, "at_end" in extra
        self.op, self.dtype = op, dtype
        rows = s.h * {"lstm": 4, "gru": 3, "rnn": 1}[op]
        self.rng = np.random.default_rng([s.t, s.n, s.i, s.h])
        k = 1 / np.sqrt(s.h)
        self.x = self.normal(s.t, s.n, s.i)
        self.x = repeated(self.x, self.rng) if "repeat" in extra else self.x
        sizes = ((rows, s.i), (rows, s.h), (rows,), (rows,))
        self.w_ih, self.w_hh, *biases = [self.rng.uniform(-k, k, size).astype(dtype) for size in sizes]
        self.b_ih, self.b_hh = biases if optional else (None, None)
        self.h0 = self.normal(s.n, s.h) if optional else None
        self.lengths = self.rng.integers(0, s.t + 1, s.n) if "lengths" in extra else None
        self.c0 = self.normal(s.n, s.h) if optional and op == "lstm" else None

    def normal(self, *size: int) -> np.ndarray:
        return self.rng.normal(size=size).astype(self.dtype)

    def turn(self, a: np.ndarray | None) -> np.ndarray | None:
        return a[::-1] if self.at_end and a is not None else a

    @property
    def states(self) -> tuple:
        return (self.h0, self.c0) if self.op == "lstm" else (self.h0,)

    def forward(self) -> tuple:
        return self.turn(self.x), self.w_ih, self.w_hh, self.b_ih, self.b_hh, *self.states

    @property
    def how(self) -> tuple:
        return self.flag, self.lengths, self.at_end

    def operands(self) -> list[Operand]:
        c0 = [Operand("c0", self.c0, [None, None], batch=0)] if self.op == "lstm" else []
        return [
            Operand("x", self.x, ("x_t", "x_n", None), batch=1),
            Operand("w_ih", self.w_ih, [None, None]),
            Operand("w_hh", self.w_hh, [None, None]),
            Operand("b_ih", self.b_ih, [None]),
            Operand("b_hh", self.b_hh, [None]),
            Operand("h0", self.h0, [None, None], batch=0),
            *c0,
            Operand("lengths", self.lengths, [None]),
        ]

    def scalars(self) -> dict[str, int | float]:
        s, flag = self.s, {"rnn": {"relu": self.flag}, "gru": {"before": self.flag}}.get(self.op, {})
        return {"t": s.t, "n": s.n, "i": s.i, "h": s.h, **flag, "at_end": self.at_end}

    def taken(self, x: np.ndarray, *states: np.ndarray, lengths=None, **scalars: int) -> Problem:
        """These steps from these states; what comes out is not known beforehand."""
        given = {"x": x, "lengths": lengths, **dict(zip(("h0", "c0"), states, strict=False))}
        operands = [
            Operand(o.name, given.get(o.name, o.value), o.strides, batch=o.batch) for o in self.operands()
        ]
        hidden = np.empty((len(x), self.s.n, self.s.h))
        last = ("hn", "cn")[: len(states)]
        outputs = [Operand("y", None, ("y_t", "y_n", None), None, hidden)]
        outputs += [Operand(name, None, [None, None], None, hidden[0]) for name in last]
        return Problem(operands, outputs, {**self.scalars(), "t": len(x), **scalars})

    def arriving(self, optional: bool) -> tuple[np.ndarray | None, np.ndarray | None]:
        """dy and dhn; not optional: one of them alone."""
        dy, dhn = self.normal(self.s.t, self.s.n, self.s.h), self.normal(self.s.n, self.s.h)
        return (dy, dhn) if optional else (None, dhn) if self.s.t % 2 == 0 else (dy, None)


def backward_operands(q: Sequence, y: np.ndarray, dy, dhn) -> list[Operand]:
    dense = [None, None]
    return [
        *(o for o in q.operands() if o.name not in ("b_ih", "b_hh")),
        Operand("y", y, ("y_t", "y_n", None), batch=1),
        Operand("dy", dy, ("dy_t", "dy_n", None), batch=1),
        Operand("dhn", dhn, dense, batch=0),
    ]


@case("lstm", LSTM_SEQUENCES, integers=False)
def lstm(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    q = Sequence("lstm", text, dtype, optional)
    steps = reference.lstm_steps(*q.forward(), q.at_end, q.lengths)
    limit = bound_recurrent.lstm_bound(q.x, *q.forward()[1:], q.lengths, q.at_end, dtype)
    dense, rows = [None, None], (None, None)
    outputs = [
        Operand("y", None, ("y_t", "y_n", None), None, q.turn(steps.output), limit.output, batch=1),
        Operand("hn", None, dense, None, steps.h_n, limit.h_n, batch=0),
        Operand("cn", None, dense, None, steps.c_n, limit.c_n, batch=0),
    ]
    if optional:
        gates, cells = q.turn(steps.gates), q.turn(steps.cells)
        outputs.append(Operand("gates", None, ("gates_t", *rows), None, gates, limit.gates, batch=1))
        outputs.append(Operand("cells", None, ("cells_t", *rows), None, cells, limit.cells, batch=1))
    return Problem(q.operands(), outputs, q.scalars())


@case("lstm_backward", LSTM_SEQUENCES, integers=False)
def lstm_backward(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    q = Sequence("lstm", text, dtype, optional)
    dy, dhn = q.arriving(optional)
    dcn = q.normal(q.s.n, q.s.h) if dhn is not None else None
    steps = reference.lstm_steps(*q.forward(), q.at_end, q.lengths)
    kept = reference.LstmSteps(*(a.astype(dtype) for a in steps))
    found = reference.lstm_backward_steps(
        q.turn(np.zeros(kept.output.shape) if dy is None else dy),
        *(dhn, dcn, q.turn(q.x), q.w_ih, q.w_hh, kept, *q.states, q.at_end, q.lengths),
    )
    y, gates, cells = q.turn(kept.output), q.turn(kept.gates), q.turn(kept.cells)
    forward = (q.x, q.w_ih, q.w_hh, y, gates, cells, *q.states, q.lengths, q.at_end)
    limits = bound_recurrent.lstm_backward_bound(dy, dhn, dcn, *forward, dtype=dtype)
    dense = [None, None]
    outputs = [
        Operand("dx", None, ("dx_t", "dx_n", None), None, q.turn(found.input), limits.input, batch=1),
        Operand("dw_ih", None, dense, None, found.weight_ih, limits.weight_ih),
        Operand("dw_hh", None, dense, None, found.weight_hh, limits.weight_hh),
        Operand("db", None, [None], None, found.bias_ih, limits.bias_ih),
    ]
    if optional:
        outputs.append(Operand("dh0", None, dense, None, found.h_0, limits.h_0, batch=0))
        outputs.append(Operand("dc0", None, dense, None, found.c_0, limits.c_0, batch=0))
    inputs = [
        *backward_operands(q, y, dy, dhn),
        Operand("dcn", dcn, dense, batch=0),
        Operand("gates", gates, ("gates_t", None, None), batch=1),
        Operand("cells", cells, ("cells_t", None, None), batch=1),
    ]
    return Problem(inputs, outputs, q.scalars())


@case("rnn", SEQUENCES, integers=False)
def rnn(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    q = Sequence("rnn", text, dtype, optional)
    y, h_n = reference.rnn(*q.forward(), *q.how)
    limit = bound_recurrent.rnn_bound(q.x, *q.forward()[1:], *q.how, dtype=dtype)
    outputs = [
        Operand("y", None, ("y_t", "y_n", None), None, q.turn(y), limit.output, batch=1),
        Operand("hn", None, [None, None], None, h_n, limit.h_n, batch=0),
    ]
    return Problem(q.operands(), outputs, q.scalars())


@case("gru", SEQUENCES, integers=False)
def gru(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    q = Sequence("gru", text, dtype, optional)
    steps = reference.gru_steps(*q.forward(), *q.how)
    limit = bound_recurrent.gru_bound(q.x, *q.forward()[1:], *q.how, dtype=dtype)
    outputs = [
        Operand("y", None, ("y_t", "y_n", None), None, q.turn(steps.output), limit.output, batch=1),
        Operand("hn", None, [None, None], None, steps.h_n, limit.h_n, batch=0),
    ]
    if optional:
        kept = q.turn(steps.gates)
        outputs.append(Operand("gates", None, ("gates_t", None, None), None, kept, limit.gates, batch=1))
    return Problem(q.operands(), outputs, q.scalars())


@case("rnn_backward", SEQUENCES, integers=False)
def rnn_backward(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    q = Sequence("rnn", text, dtype, optional)
    dy, dhn = q.arriving(optional)
    y = reference.rnn(*q.forward(), *q.how)[0].astype(dtype)
    forward = (q.turn(q.x), q.w_ih, q.w_hh, y, q.h0)
    found = reference.rnn_backward(q.turn(dy), dhn, *forward, *q.how)
    forward = (q.x, q.w_ih, q.w_hh, q.turn(y), q.h0)
    limits = bound_recurrent.rnn_backward_bound(dy, dhn, *forward, *q.how, dtype=dtype)
    dense = [None, None]
    outputs = [
        Operand("dx", None, ("dx_t", "dx_n", None), None, q.turn(found.input), limits.input, batch=1),
        Operand("dw_ih", None, dense, None, found.weight_ih, limits.weight_ih),
        Operand("dw_hh", None, dense, None, found.weight_hh, limits.weight_hh),
        Operand("db", None, [None], None, found.bias, limits.bias),
    ]
    if optional:
        outputs.append(Operand("dh0", None, dense, None, found.h_0, limits.h_0, batch=0))
    return Problem(backward_operands(q, q.turn(y), dy, dhn), outputs, q.scalars())


@case("gru_backward", SEQUENCES, integers=False)
def gru_backward(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    q = Sequence("gru", text, dtype, optional)
    dy, dhn = q.arriving(optional)
    steps = reference.gru_steps(*q.forward(), *q.how)
    y, gates = steps.output.astype(dtype), steps.gates.astype(dtype)
    forward = (q.turn(q.x), q.w_ih, q.w_hh, y, gates, q.h0)
    found = reference.gru_backward(q.turn(dy), dhn, *forward, *q.how)
    forward = (q.x, q.w_ih, q.w_hh, q.turn(y), q.turn(gates), q.h0)
    limits = bound_recurrent.gru_backward_bound(dy, dhn, *forward, *q.how, dtype=dtype)
    dense = [None, None]
    outputs = [
        Operand("dx", None, ("dx_t", "dx_n", None), None, q.turn(found.input), limits.input, batch=1),
        Operand("dw_ih", None, dense, None, found.weight_ih, limits.weight_ih),
        Operand("dw_hh", None, dense, None, found.weight_hh, limits.weight_hh),
        Operand("db_ih", None, [None], None, found.bias_ih, limits.bias_ih),
    ]
    if optional:
        outputs.append(Operand("db_hh", None, [None], None, found.bias_hh, limits.bias_hh))
        outputs.append(Operand("dh0", None, dense, None, found.h_0, limits.h_0, batch=0))
    inputs = backward_operands(q, q.turn(y), dy, dhn)
    inputs.append(Operand("gates", q.turn(gates), ("gates_t", None, None), batch=1))
    return Problem(inputs, outputs, q.scalars())


# ---- the steps of the optimisers: text is the number of parameters ----

STEPPED = ["1", "7", "16", "17", "100", "1000", "0"]
STEP_SCALARS = dict.fromkeys(
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


def stepped(
    text: str,
    dtype: np.dtype,
    formula: Callable[..., tuple[np.ndarray, ...]],
    states: list[np.ndarray | None],
    options: dict,
    scalars: dict[str, float],
    exact: bool = False,
) -> Problem:
    """states: s0, s1, s2 of the contract, None where the formula has none, in its arguments' order."""
    number = Numbers(text, dtype, exact)
    p, grad = number(int(text)), number(int(text))
    given = [s for s in states if s is not None]
    positional = {"sgd_step": 1, "adam_step": 3, "rmsprop_step": 3}.get(formula.__name__, len(given))
    arrays = [p, grad, *states[:positional]]
    expected = formula(*arrays, **options)
    limits = [0.0] * len(expected) if exact else bound.update_bound(formula, arrays, dtype, **options)
    names = ["p", *(f"s{k}" for k, s in enumerate(states) if s is not None)]
    outputs = [
        Operand(name, before, [None], None, after, limit)
        for name, before, after, limit in zip(names, [p, *given], expected, limits, strict=True)
    ]
    flags = {k: bool(scalars.get(k, 0)) for k in ("maximize", "nesterov", "first", "option")}
    return Problem(
        [Operand("grad", grad, [None])], outputs, {**STEP_SCALARS, "n": int(text), **scalars, **flags}
    )


@case("sgd_step", STEPPED)
def sgd_step(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    buffer = Numbers(text + "b", dtype, exact)(int(text)) if optional else None
    how = {"lr": 0.5, "weight_decay": 0.25, "maximize": optional}
    if optional:
        how |= {"momentum": 0.5, "nesterov": True}
    return stepped(text, dtype, reference.sgd_step, [buffer, None, None], how, how, exact)


def sizes(text: str, dtype: np.dtype, more: str) -> np.ndarray:
    """Averages of squares: positive."""
    return (1 + Numbers(text + more, dtype, False)(int(text)) ** 2).astype(dtype)


@case("adam_step", STEPPED)
def adam_step(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    m = Numbers(text + "m", dtype, exact)(int(text))
    v, most = sizes(text, dtype, "v"), sizes(text, dtype, "w") if optional else None
    t, how = 3, {"lr": 0.01, "betas": (0.75, 0.9), "eps": 1e-3, "weight_decay": 0.1, "maximize": optional}
    how |= {"step": t, "decoupled_weight_decay": optional}
    scalars = {
        "lr": 0.01 / (1 - 0.75**t),
        "beta1": 0.75,
        "beta2": 0.9,
        "eps": 1e-3,
        "root": (1 - 0.9**t) ** 0.5,
    }
    scalars |= {"shrink": 0.001, "option": 1, "maximize": 1} if optional else {"weight_decay": 0.1}
    return stepped(text, dtype, reference.adam_step, [m, v, most], how, scalars)


@case("rmsprop_step", STEPPED)
def rmsprop_step(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    mean, buffer = (Numbers(text + c, dtype, exact)(int(text)) if optional else None for c in "mb")
    square = sizes(text, dtype, "v")
    if optional:
        square = (square + 4 * mean**2).astype(dtype)  # a variance is above 0
    how = {"lr": 0.01, "alpha": 0.75, "eps": 1e-3, "weight_decay": 0.1, "maximize": optional}
    how |= {"momentum": 0.5} if optional else {}
    scalars = {k: v for k, v in how.items() if k != "alpha"} | {"beta2": 0.75, "option": optional}
    return stepped(text, dtype, reference.rmsprop_step, [square, mean, buffer], how, scalars)


@case("adagrad_step", STEPPED, integers=False)
def adagrad_step(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    how = {"lr": 0.01, "eps": 1e-3, "weight_decay": 0.1 * optional, "maximize": optional}
    return stepped(text, dtype, reference.adagrad_step, [sizes(text, dtype, "v"), None, None], how, how)


@case("adadelta_step", STEPPED, integers=False)
def adadelta_step(text: str, dtype: np.dtype, exact: bool, optional: bool) -> Problem:
    states = [sizes(text, dtype, "v"), sizes(text, dtype, "d"), None]
    how = {"lr": 0.5, "rho": 0.75, "eps": 1e-3, "weight_decay": 0.1 * optional, "maximize": optional}
    scalars = {k: v for k, v in how.items() if k != "rho"} | {"beta2": 0.75}
    return stepped(text, dtype, reference.adadelta_step, states, how, scalars)
