"""Padding, interpolation, shuffles and adaptive averages as functions, under PyTorch's names.

All but the shuffles are tables for one kernel: engine/resample.pyx.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from loopnest.engine import resample as engine
from loopnest.engine.tape import Tensor, avg_pool2d, from_numpy, rand, reshape, stack
from loopnest.nn._check import integer, number

IntTuple = int | Sequence[int]


def _tensor(input: Any, name: str) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: expected input to be a Tensor, got {type(input).__name__}")
    return input


def _several(name: str, what: str, value: Any, count: int, at_least: int | None = None) -> tuple[int, ...]:
    """`count` whole numbers from one or from as many."""
    given = tuple(value) if isinstance(value, (tuple, list)) else (value,) * count
    if len(given) != count:
        raise ValueError(f"{name}: expected {what} to be one number or {count}, got {value!r}")
    least = -(2**62) if at_least is None else at_least
    return tuple(integer(name, what, v, at_least=least, at_most=2**62) for v in given)


# ---- padding ----


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """The input with a border, as torch.nn.functional.pad.

    Args:
      pad: (left, right), (left, right, top, bottom) or (left, right, top, bottom, front, back): how much goes
        before and behind the last axis, the one before it, and so on; negative numbers crop.
      mode: "constant" (any number of axes), "reflect" (without the edge itself), "replicate" (the edge) or
        "circular": for the last 1, 2 or 3 axes of an input that has one or two axes more.
      value: of the constant border; None: 0.

    Raises ValueError for a border that does not fit: "reflect" needs less than the axis, "circular" at most.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.array([[[1.0, 2.0, 3.0]]]))
      >>> F.pad(x, (1, 2)).numpy().tolist(), F.pad(x, (2, 1), "reflect").numpy().tolist()
      ([[[0.0, 1.0, 2.0, 3.0, 0.0, 0.0]]], [[[3.0, 2.0, 1.0, 2.0, 3.0, 2.0]]])
    """
    rank = _tensor(input, "pad").ndim
    if not isinstance(pad, (tuple, list)):
        raise TypeError(f"pad: expected pad to be a tuple of whole numbers, got {pad!r}")
    if len(pad) % 2 or len(pad) > 2 * rank:
        raise ValueError(
            f"pad: expected pad of an even length of at most {2 * rank} (input {input.shape}), got {len(pad)}"
        )
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise ValueError(f"pad: expected mode constant, reflect, replicate or circular, got {mode!r}")
    amounts = [integer("pad", "pad", p, at_least=-(2**62), at_most=2**62) for p in pad]
    pairs = list(zip(amounts[::2], amounts[1::2], strict=True))[::-1]  # of the last axes, in their order
    if mode != "constant":
        if value not in (None, 0, 0.0):
            raise ValueError(f'pad: mode="{mode}" takes no value, got {value}')
        if not (pairs and len(pairs) <= 3 and rank - len(pairs) in (1, 2)):
            raise ValueError(
                f'pad: mode="{mode}" pads the last 1, 2 or 3 axes of an input with one or two more, got '
                f"{len(pairs)} pairs for input {input.shape}"
            )
    hows = []
    for size, (low, high) in zip(input.shape[rank - len(pairs) :], pairs, strict=True):
        _check_border(mode, size, low, high, input)
        hows.append(("pad", size, low, high, mode))
    if input.dtype.kind in "iub":
        return _pad_whole(input, pairs, mode, value)
    if not any(low or high for low, high in pairs):
        return input * 1
    return _over_last_axes("PadBackward", input, hows, 0.0 if value is None else float(value))


def _pad_whole(input: Tensor, pairs: list[tuple[int, int]], mode: str, value: float | None) -> Tensor:
    """Of whole numbers and bools, axis by axis in NumPy."""
    x = input.numpy()
    for axis, (low, high) in enumerate(pairs, x.ndim - len(pairs)):
        begin, index, _ = engine.pad_taps(x.shape[axis], low, high, mode)
        shape = (*x.shape[:axis], len(begin) - 1, *x.shape[axis + 1 :])
        y = np.full(shape, 0 if value is None else value, x.dtype)
        y[(slice(None),) * axis + (begin[1:] > begin[:-1],)] = np.take(x, index, axis)
        x = y
    return from_numpy(x if x is not input.numpy() else x.copy())


def _check_border(mode: str, size: int, low: int, high: int, input: Tensor) -> None:
    left = size + low + high if mode != "circular" else size + min(low, 0) + min(high, 0)
    if left < (0 if mode == "constant" else 1):
        raise ValueError(
            f"pad: nothing is left of an axis of {size} after {low} and {high} (input {input.shape})"
        )
    if mode != "constant" and size == 0:
        raise ValueError(f'pad: mode="{mode}" has nothing to pad with (input {input.shape})')
    if (mode == "reflect" and max(low, high) >= size) or (mode == "circular" and max(low, high) > size):
        least = "below" if mode == "reflect" else "of at most"
        raise ValueError(
            f'pad: mode="{mode}" needs a border {least} {size}, got {(low, high)} (input {input.shape})'
        )


def _over_last_axes(title: str, x: Tensor, hows: list[Any], fill: float = 0.0) -> Tensor:
    """Resamples the last axes, whatever the others are."""
    rank, count = x.ndim, len(hows)
    sizes = [_length(how) for how in hows]
    if count > 3:  # axis by axis
        for axis in range(rank - count, rank):
            how = hows[axis - (rank - count)]
            shape = x.shape
            before, behind = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
            flat = reshape(x, (before, 1, shape[axis], behind))
            y = _over_last_axes(title, flat, [how, _same(behind)], fill)
            x = reshape(y, (*shape[:axis], _length(how), *shape[axis + 1 :]))
        return x
    last = x.shape[rank - count :]
    if rank - count == 2:
        return engine.resample(title, x, tuple(hows), tuple(sizes), fill)
    lead = (math.prod(x.shape[: rank - count]), 1) if rank - count != 1 else (1, x.shape[0])
    y = engine.resample(title, reshape(x, (*lead, *last)), tuple(hows), tuple(sizes), fill)
    return reshape(y, (*x.shape[: rank - count], *sizes))


def _length(how: Any) -> int:
    if how[0] == "pad":
        return how[1] + how[2] + how[3]
    return how[2]


def _same(size: int) -> tuple[Any, ...]:
    return ("pad", size, 0, 0, "constant")


# ---- interpolation ----

_DIMENSIONS = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}


def interpolate(
    input: Tensor,
    size: IntTuple | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:
    """The input with its places made more or fewer, as torch.nn.functional.interpolate.

    Args:
      input: (N, C, L), (N, C, H, W) or (N, C, D, H, W).
      size: int or one for each axis; or scale_factor: float or one for each axis: floor(input * scale).
      mode: "nearest", "nearest-exact", "linear" (3 axes), "bilinear", "bicubic" (4), "trilinear" (5), "area".
      align_corners: the corners of input and output are the same places; not for nearest and area.
      recompute_scale_factor: the scale is input size / output size, not the scale_factor given.
      antialias: must be False.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.array([[[0.0, 4.0]]]))
      >>> F.interpolate(x, scale_factor=2, mode="linear").numpy().tolist()
      [[[0.0, 1.0, 3.0, 4.0]]]
    """
    spatial = _tensor(input, "interpolate").ndim - 2
    known = ("nearest", "nearest-exact", "area", *_DIMENSIONS)
    if mode not in known:
        raise ValueError(f"interpolate: expected mode to be one of {', '.join(known)}, got {mode!r}")
    if spatial not in (1, 2, 3) or _DIMENSIONS.get(mode, spatial) != spatial:
        axes = f"{_DIMENSIONS[mode] + 2}" if mode in _DIMENSIONS else "3, 4 or 5"
        raise ValueError(f'interpolate: mode="{mode}" needs an input of {axes} axes, got {input.shape}')
    if antialias:
        raise ValueError("interpolate: antialias=True is not there; blur the input first")
    if mode not in _DIMENSIONS and align_corners is not None:
        raise ValueError(f'interpolate: mode="{mode}" takes no align_corners')
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: expected either size or scale_factor")
    if 0 in input.shape[1:]:
        raise ValueError(f"interpolate: expected input with places and channels, got {input.shape}")
    scales: list[float | None] = [None] * spatial
    if size is not None:
        if recompute_scale_factor:
            raise ValueError("interpolate: recompute_scale_factor goes with scale_factor, not with size")
        sizes = _several("interpolate", "size", size, spatial, at_least=1)
    else:
        scales, sizes = _scaled(input, scale_factor, spatial)
        if recompute_scale_factor:
            scales = [None] * spatial
    if mode == "area":
        return _adaptive("interpolate", input, sizes, spatial)
    if mode == "nearest" and spatial == 2:  # as in PyTorch, which does not look at the scale here
        places = zip(input.shape[2:], sizes, scales, strict=True)
        scales = [None if out in (n, 2 * n) else scale for n, out, scale in places]
    kind = mode if mode.startswith("nearest") else "cubic" if mode == "bicubic" else "linear"
    hows = [
        ("interpolate", n, out, kind, bool(align_corners), n / out if scale is None else 1 / scale)
        for n, out, scale in zip(input.shape[2:], sizes, scales, strict=True)
    ]
    if kind == "linear" and sizes == input.shape[2:]:  # whatever the scale is, as in PyTorch
        hows = [_same(n) for n in sizes]
    return engine.resample("InterpolateBackward", input, tuple(hows), sizes)


def _scaled(input: Tensor, factor: Any, spatial: int) -> tuple[list[float | None], tuple[int, ...]]:
    given = list(factor) if isinstance(factor, (tuple, list)) else [factor] * spatial
    if len(given) != spatial:
        raise ValueError(f"interpolate: expected scale_factor to be one number or {spatial}, got {factor!r}")
    scales: list[float | None] = []
    sizes = []
    for n, f in zip(input.shape[2:], given, strict=True):
        scale = number("interpolate", "scale_factor", f, lambda v: True, "")
        if not (0 < scale < 2**40) or n * scale < 1:
            raise ValueError(
                f"interpolate: expected scale_factor that leaves at least one place, got {f} for input "
                f"{input.shape}"
            )
        scales.append(scale)
        sizes.append(math.floor(n * scale))
    return scales, tuple(sizes)


def upsample(
    input: Tensor,
    size: IntTuple | None = None,
    scale_factor: float | Sequence[float] | None = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:
    """interpolate under its older name.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.upsample(loopnest.tensor(np.array([[[1.0, 2.0]]])), scale_factor=2).numpy().tolist()
      [[[1.0, 1.0, 2.0, 2.0]]]
    """
    return interpolate(input, size, scale_factor, mode, align_corners)


# ---- adaptive averages ----


def _adaptive(name: str, input: Tensor, output_size: Any, spatial: int) -> Tensor:
    rank = _tensor(input, name).ndim
    if rank not in (spatial + 1, spatial + 2):
        raise ValueError(f"{name}: expected input of {spatial + 1} or {spatial + 2} axes, got {input.shape}")
    last = input.shape[-spatial:]
    given = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * spatial
    if len(given) != spatial:
        raise ValueError(f"{name}: expected output_size to be one number or {spatial}, got {output_size!r}")
    sizes = [
        n if s is None else integer(name, "output_size", s, at_least=0)
        for n, s in zip(last, given, strict=True)
    ]
    if 0 in input.shape[1:]:
        raise ValueError(f"{name}: expected input with places and channels, got {input.shape}")
    if max(sizes) > 2**32 or math.prod(sizes) > 2**44:
        raise MemoryError(f"{name}: an output of {tuple(sizes)} places")
    if set(sizes) == {1}:
        return input.mean(tuple(range(-spatial, 0)), keepdim=True)
    if spatial == 2 and 0 not in sizes and not any(n % s for n, s in zip(last, sizes, strict=True)):
        return avg_pool2d(input, tuple(n // s for n, s in zip(last, sizes, strict=True)))  # equal windows
    hows = [("average", n, s) for n, s in zip(last, sizes, strict=True)]
    return _over_last_axes("AdaptiveAvgPoolBackward", input, hows)


def adaptive_avg_pool1d(input: Tensor, output_size: IntTuple) -> Tensor:
    """The mean of output_size windows that cover (N, C, L) or (C, L) evenly.

    Window o goes from floor(o * L / output_size) to below ceil((o + 1) * L / output_size).

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.adaptive_avg_pool1d(loopnest.tensor(np.array([[1.0, 3.0, 5.0]])), 2).numpy().tolist()
      [[2.0, 4.0]]
    """
    return _adaptive("adaptive_avg_pool1d", input, output_size, 1)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """As adaptive_avg_pool1d over (N, C, H, W) or (C, H, W). output_size: one or two; None: the input's.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.adaptive_avg_pool2d(loopnest.tensor(np.ones((2, 3, 7, 5))), 1).shape == (2, 3, 1, 1)
      True
    """
    return _adaptive("adaptive_avg_pool2d", input, output_size, 2)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """As adaptive_avg_pool1d over (N, C, D, H, W) or (C, D, H, W). output_size: one or three, None: input's.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.ones((2, 3, 4, 7, 5)))
      >>> F.adaptive_avg_pool3d(x, (2, None, 1)).shape == (2, 3, 2, 7, 1)
      True
    """
    return _adaptive("adaptive_avg_pool3d", input, output_size, 3)


# ---- shuffles ----


def _image(input: Tensor, name: str) -> tuple[tuple[int, ...], int, int, int]:
    shape = _tensor(input, name).shape
    if len(shape) < 3:
        raise ValueError(f"{name}: expected input (..., C, H, W), got {shape}")
    return shape[:-3], shape[-3], shape[-2], shape[-1]


def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(..., C r^2, H, W) to (..., C, H r, W r): channels become pixels. Source: Shi et al. 2016.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.pixel_shuffle(loopnest.tensor(np.arange(4.0).reshape(4, 1, 1)), 2).numpy().tolist()
      [[[0.0, 1.0], [2.0, 3.0]]]
    """
    lead, c, h, w = _image(input, "pixel_shuffle")
    r = integer("pixel_shuffle", "upscale_factor", upscale_factor)
    if c % (r * r):
        raise ValueError(f"pixel_shuffle: expected channels that {r}^2 divides, got input {input.shape}")
    n, c = math.prod(lead), c // (r * r)
    x = reshape(input, (n, c, r, r, h, w))
    if len(lead) == 1 and c > 1:  # channels innermost, as a convolution's results lie
        return reshape(x.permute(0, 4, 2, 5, 3, 1), (n, h * r, w * r, c)).permute(0, 3, 1, 2)
    return reshape(x.permute(0, 1, 4, 2, 5, 3), (*lead, c, h * r, w * r))


def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(..., C, H r, W r) to (..., C r^2, H, W): what pixel_shuffle takes back.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.pixel_unshuffle(loopnest.tensor(np.arange(4.0).reshape(1, 2, 2)), 2).numpy().ravel().tolist()
      [0.0, 1.0, 2.0, 3.0]
    """
    lead, c, h, w = _image(input, "pixel_unshuffle")
    r = integer("pixel_unshuffle", "downscale_factor", downscale_factor)
    if h % r or w % r:
        raise ValueError(
            f"pixel_unshuffle: expected height and width that {r} divides, got input {input.shape}"
        )
    x = reshape(input, (math.prod(lead), c, h // r, r, w // r, r))
    return reshape(x.permute(0, 1, 3, 5, 2, 4), (*lead, c * r * r, h // r, w // r))


def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channel k of group g becomes channel g of group k; (N, C, ...). Source: Zhang et al. 2018 (ShuffleNet).

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.channel_shuffle(loopnest.tensor(np.arange(4.0).reshape(1, 4, 1)), 2).numpy().ravel().tolist()
      [0.0, 2.0, 1.0, 3.0]
    """
    shape = _tensor(input, "channel_shuffle").shape
    g = integer("channel_shuffle", "groups", groups)
    if len(shape) < 3:
        raise ValueError(f"channel_shuffle: expected input (N, C, ...) of more than two axes, got {shape}")
    if shape[1] % g:
        raise ValueError(f"channel_shuffle: expected channels that {g} groups divide, got input {shape}")
    x = reshape(input, (shape[0], g, shape[1] // g, *shape[2:]))
    return reshape(x.transpose(1, 2), shape)


# ---- windows as columns ----


def _windows(name: str, size: tuple[int, ...], kernel: Any, dilation: Any, padding: Any, stride: Any) -> Any:
    k, d, s = (
        _several(name, what, v, 2, at_least=1)
        for what, v in (("kernel_size", kernel), ("dilation", dilation), ("stride", stride))
    )
    p = _several(name, "padding", padding, 2, at_least=0)
    each = zip(size, k, p, s, d, strict=True)
    out = tuple((n + 2 * b - e * (a - 1) - 1) // c + 1 for n, a, b, c, e in each)
    if min(out) < 1:
        raise ValueError(f"{name}: the dilated kernel does not fit into {size} with padding {p}")
    return k, d, p, s, out


def unfold(
    input: Tensor, kernel_size: IntTuple, dilation: IntTuple = 1, padding: IntTuple = 0, stride: IntTuple = 1
) -> Tensor:
    """Every window of (N, C, H, W) as a column: (N, C KH KW, L), as torch.nn.functional.unfold.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.unfold(loopnest.tensor(np.arange(4.0).reshape(1, 1, 2, 2)), 2).numpy().ravel().tolist()
      [0.0, 1.0, 2.0, 3.0]
    """
    if _tensor(input, "unfold").ndim == 3:
        return reshape(
            unfold(input.unsqueeze(0), kernel_size, dilation, padding, stride)[0],
            (-1, _count(input, kernel_size, dilation, padding, stride)),
        )
    if input.ndim != 4:
        raise ValueError(f"unfold: expected input (N, C, H, W) or (C, H, W), got {input.shape}")
    (kh, kw), (dh, dw), (ph, pw), (sh, sw), (oh, ow) = _windows(
        "unfold", input.shape[2:], kernel_size, dilation, padding, stride
    )
    x = pad(input, (pw, pw, ph, ph)) if ph or pw else input
    taps = [
        x[:, :, i * dh : i * dh + (oh - 1) * sh + 1 : sh, j * dw : j * dw + (ow - 1) * sw + 1 : sw]
        for i in range(kh)
        for j in range(kw)
    ]
    n, c = input.shape[:2]
    return reshape(stack(taps, 2), (n, c * kh * kw, oh * ow))


def _count(input: Tensor, kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> int:
    out = _windows("unfold", input.shape[-2:], kernel_size, dilation, padding, stride)[4]
    return out[0] * out[1]


def fold(
    input: Tensor,
    output_size: IntTuple,
    kernel_size: IntTuple,
    dilation: IntTuple = 1,
    padding: IntTuple = 0,
    stride: IntTuple = 1,
) -> Tensor:
    """Columns (N, C KH KW, L) added up where their windows lie: (N, C, H, W), as torch.nn.functional.fold.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.fold(loopnest.tensor(np.ones((1, 4, 2))), (2, 3), 2).numpy().tolist()
      [[[[1.0, 2.0, 1.0], [1.0, 2.0, 1.0]]]]
    """
    if _tensor(input, "fold").ndim == 2:
        return fold(input.unsqueeze(0), output_size, kernel_size, dilation, padding, stride).squeeze(0)
    if input.ndim != 3:
        raise ValueError(f"fold: expected input (N, C KH KW, L) or (C KH KW, L), got {input.shape}")
    size = _several("fold", "output_size", output_size, 2, at_least=1)
    windows = _windows("fold", size, kernel_size, dilation, padding, stride)
    (kh, kw), (dh, dw), (ph, pw), (sh, sw), (oh, ow) = windows
    n, rows, columns = input.shape
    if rows % (kh * kw) or columns != oh * ow:
        raise ValueError(
            f"fold: expected input (N, C * {kh * kw}, {oh * ow}) for output_size {size}, got {input.shape}"
        )
    x = reshape(input, (n, rows // (kh * kw), kh, kw, oh, ow))
    total = None
    for i in range(kh):
        for j in range(kw):
            hows = (("place", oh, size[0], sh, i * dh - ph), ("place", ow, size[1], sw, j * dw - pw))
            placed = engine.resample("FoldBackward", x[:, :, i, j], hows, size)
            total = placed if total is None else total + placed
    assert total is not None
    return total


# ---- whole channels dropped ----


def _feature_dropout(name: str, input: Tensor, p: float, training: bool, ranks: tuple[int, ...]) -> Tensor:
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: expected a probability p in [0, 1], got {p}")
    if _tensor(input, name).ndim not in ranks:
        raise ValueError(f"{name}: expected input of {ranks[0]} or {ranks[1]} axes, got {input.shape}")
    if not training or p == 0:
        return input
    lead = input.ndim - (ranks[0] - 1)  # batch and channels
    keep = rand(*input.shape[:lead]) >= p
    mask = keep.to(dtype=input.dtype) * (1 / (1 - p) if p < 1 else 0.0)
    return input * reshape(mask, input.shape[:lead] + (1,) * (input.ndim - lead))


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Whole channels of (N, C, L) or (C, L) become 0 with probability p, the others are divided by 1 - p.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.dropout1d(loopnest.tensor(np.ones((2, 3))), p=1.0).numpy().tolist()
      [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    return _feature_dropout("dropout1d", input, p, training, (2, 3))


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """As dropout1d for (N, C, H, W) or (C, H, W). Source: Tompson et al. 2015.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.dropout2d(loopnest.tensor(np.ones((1, 2, 2))), training=False).numpy().tolist()
      [[[1.0, 1.0], [1.0, 1.0]]]
    """
    return _feature_dropout("dropout2d", input, p, training, (3, 4))


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """As dropout1d for (N, C, D, H, W) or (C, D, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.dropout3d(loopnest.tensor(np.ones((1, 1, 1, 2))), p=1.0).numpy().tolist()
      [[[[0.0, 0.0]]]]
    """
    return _feature_dropout("dropout3d", input, p, training, (4, 5))
