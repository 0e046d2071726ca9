"""Pools in one and three dimensions, adaptive maxima, unpooling and Lp pools, under PyTorch's names.

The kernels of csrc/ops/max_pool2d know two dimensions. A maximum over a box is a maximum over the depth of
maxima over rectangles, first in both for equal elements, so the third dimension is a second call; an average
is made axis by axis (engine/resample.pyx).
"""

import math
from typing import Any

import numpy as np

from loopnest.engine import resample as engine
from loopnest.engine import tape, tensor_ops
from loopnest.engine.tape import Tensor, from_numpy, reshape
from loopnest.nn._check import integer
from loopnest.nn.functional.resize import _several


def _batched(name: str, input: Any, dimensions: int) -> tuple[Tensor, bool]:
    """(N, C, ...), and whether the N was put there."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: expected input to be a Tensor, got {type(input).__name__}")
    if input.ndim not in (dimensions + 1, dimensions + 2):
        raise ValueError(
            f"{name}: expected input of {dimensions + 1} or {dimensions + 2} axes, got {input.shape}"
        )
    lone = input.ndim == dimensions + 1
    return (input.unsqueeze(0) if lone else input), lone


def _windows(name: str, dimensions: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any) -> Any:
    kernel = _several(name, "kernel_size", kernel_size, dimensions, at_least=1)
    step = kernel
    if stride is not None and tuple(np.shape(stride)) != (0,):
        step = _several(name, "stride", stride, dimensions, at_least=1)
    pad = _several(name, "padding", padding, dimensions, at_least=0)
    if any(2 * p > k for p, k in zip(pad, kernel, strict=True)):
        raise ValueError(f"{name}: expected padding of at most half the kernel {kernel}, got {pad}")
    return kernel, step, pad, _several(name, "dilation", dilation, dimensions, at_least=1)


def _places(name: str, size: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    room = size + 2 * p - d * (k - 1) - 1
    out = (room + (s - 1 if ceil_mode else 0)) // s + 1
    if ceil_mode and (out - 1) * s >= size + p:
        out -= 1
    if out < 1:
        raise ValueError(f"{name}: a window of {d * (k - 1) + 1} does not fit into {size} + 2 * {p} places")
    return out


def _unbatch(found: Any, lone: bool, return_indices: bool) -> Any:
    if lone:
        found = tuple(t.squeeze(0) for t in found) if return_indices else found.squeeze(0)
    return found


def max_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of every window of (N, C, L) or (C, L), as torch.nn.functional.max_pool1d.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.max_pool1d(loopnest.tensor(np.array([[1.0, 3.0, 2.0, 0.0]])), 2).numpy().tolist()
      [[3.0, 2.0]]
    """
    x, lone = _batched("max_pool1d", input, 1)
    k, s, p, d = _windows("max_pool1d", 1, kernel_size, stride, padding, dilation)
    if not return_indices and d == (1,) and (bare := tape.before_relu(input)) is not None:
        return tape.after_relu(input, max_pool1d(bare, k, s, p, 1, ceil_mode))
    wide = ((1, k[0]), (1, s[0]), (0, p[0]), (1, d[0]))
    found = tape.max_pool2d(x.unsqueeze(2), *wide, ceil_mode, return_indices)
    found = tuple(t.squeeze(2) for t in found) if return_indices else found.squeeze(2)
    return _unbatch(found, lone, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of every window of (N, C, D, H, W) or (C, D, H, W), as F.max_pool3d of PyTorch.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.arange(8.0).reshape(1, 2, 2, 2))
      >>> [t.numpy().ravel().tolist() for t in F.max_pool3d(x, 2, return_indices=True)]
      [[7.0], [7]]
    """
    x, lone = _batched("max_pool3d", input, 3)
    k, s, p, d = _windows("max_pool3d", 3, kernel_size, stride, padding, dilation)
    if not return_indices and d == (1, 1, 1) and (bare := tape.before_relu(input)) is not None:
        return tape.after_relu(input, max_pool3d(bare, k, s, p, 1, ceil_mode))
    n, c, depth, h, w = x.shape
    flat = reshape(x.permute(0, 2, 1, 3, 4), (n * depth, c, h, w))
    across = tape.max_pool2d(flat, k[1:], s[1:], p[1:], d[1:], ceil_mode, return_indices)
    y = across[0] if return_indices else across
    oh, ow = y.shape[2:]
    od, rows = depth, np.arange(depth)[None, :, None]  # which depth won: its own, in windows of one plane
    if (k[0], s[0], p[0]) != (1, 1, 0):
        # In memory (N, D, OH, OW, C): depth becomes the height of an image one wide, the rest its channels.
        y = reshape(y.permute(0, 2, 3, 1), (n, depth, 1, oh * ow * c)).permute(0, 3, 1, 2)
        down = tape.max_pool2d(y, (k[0], 1), (s[0], 1), (p[0], 0), (d[0], 1), ceil_mode, return_indices)
        y = down[0] if return_indices else down
        od = y.shape[2]
        if return_indices:
            rows = down[1].numpy().reshape(n, oh * ow * c, od).transpose(0, 2, 1)
    y = reshape(y.permute(0, 2, 3, 1), (n, od, oh, ow, c)).permute(0, 4, 1, 2, 3)
    if not return_indices:
        return _unbatch(y, lone, False)
    inside = across[1].numpy().transpose(0, 2, 3, 1).reshape(n, depth, oh * ow * c)
    inside = np.take_along_axis(inside, rows, axis=1)
    places = (rows * (h * w) + inside).reshape(n, od, oh, ow, c).transpose(0, 4, 1, 2, 3)
    return _unbatch((y, from_numpy(places)), lone, True)


# ---- averages: an axis at a time ----


def _average(
    name: str,
    input: Tensor,
    dimensions: int,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: Any = None,
) -> Tensor:
    x, lone = _batched(name, input, dimensions)
    k, s, p, _ = _windows(name, dimensions, kernel_size, stride, padding, 1)
    divisor = 0
    if divisor_override is not None:
        divisor = integer(name, "divisor_override", divisor_override, at_least=-(2**62))
        if divisor == 0:
            raise ValueError(f"{name}: expected divisor_override other than 0")
    hows, sizes = [], []
    for axis in range(dimensions):
        size = x.shape[2 + axis]
        out = _places(name, size, k[axis], s[axis], p[axis], 1, ceil_mode)
        whole = 1 if divisor and axis else divisor  # the divisor goes into one of the axes
        hows.append(("window", size, out, k[axis], s[axis], p[axis], count_include_pad, whole))
        sizes.append(out)
    if 0 in x.shape[1:]:
        raise ValueError(f"{name}: expected input with places and channels, got {input.shape}")
    y = engine.resample("AvgPoolBackward", x, tuple(hows), tuple(sizes))
    return y.squeeze(0) if lone else y


def avg_pool1d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of every window of (N, C, L) or (C, L), as torch.nn.functional.avg_pool1d.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.avg_pool1d(loopnest.tensor(np.array([[1.0, 3.0, 2.0, 0.0]])), 2).numpy().tolist()
      [[2.0, 1.0]]
    """
    return _average("avg_pool1d", input, 1, kernel_size, stride, padding, ceil_mode, count_include_pad)


def avg_pool3d(
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window of (N, C, D, H, W) or (C, D, H, W), as torch.nn.functional.avg_pool3d.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.avg_pool3d(loopnest.tensor(np.arange(8.0).reshape(1, 2, 2, 2)), 2).numpy().ravel().tolist()
      [3.5]
    """
    args = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _average("avg_pool3d", input, 3, *args)


# ---- Lp pools ----


def _power(
    name: str, input: Tensor, dimensions: int, norm_type: float, kernel: Any, stride: Any, ceil: bool
) -> Tensor:
    x, lone = _batched(name, input, dimensions)
    k, s, _, _ = _windows(name, dimensions, kernel, stride, 0, 1)
    if norm_type == 0:
        raise ValueError(f"{name}: expected norm_type other than 0")
    if math.isinf(norm_type):
        pool = {1: max_pool1d, 2: tape.max_pool2d, 3: max_pool3d}[dimensions]
        largest = math.copysign(1.0, norm_type)
        y = pool(x.abs() * largest, k, s, 0, 1, ceil) * largest
        return y.squeeze(0) if lone else y
    raised = x**norm_type
    mean = (
        _average(name, raised, dimensions, k, s, 0, ceil, True)
        if dimensions != 2
        else tape.avg_pool2d(raised, k, s, 0, ceil)
    )
    some = (mean != 0).to(dtype=x.dtype)  # 0 has no slope: PyTorch's gradient there is NaN
    y = (mean * float(math.prod(k)) + (1 - some)) ** (1.0 / norm_type) * some
    return y.squeeze(0) if lone else y


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^p)^(1/p) of every window of (N, C, L) or (C, L), p = norm_type.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.lp_pool1d(loopnest.tensor(np.array([[3.0, 4.0]])), 2, 2).numpy().tolist()
      [[5.0]]
    """
    return _power("lp_pool1d", input, 1, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^p)^(1/p) of every window of (N, C, H, W) or (C, H, W), p = norm_type.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.lp_pool2d(loopnest.tensor(np.array([[[3.0, 4.0]]])), 2, (1, 2)).numpy().tolist()
      [[[5.0]]]
    """
    return _power("lp_pool2d", input, 2, norm_type, kernel_size, stride, ceil_mode)


def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^p)^(1/p) of every window of (N, C, D, H, W) or (C, D, H, W), p = norm_type.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.lp_pool3d(loopnest.tensor(np.array([[[[3.0, 4.0]]]])), 2, (1, 1, 2)).numpy().tolist()
      [[[[5.0]]]]
    """
    return _power("lp_pool3d", input, 3, norm_type, kernel_size, stride, ceil_mode)


# ---- adaptive maxima ----


def _adaptive_max(name: str, input: Tensor, output_size: Any, dimensions: int, return_indices: bool) -> Any:
    x, lone = _batched(name, input, dimensions)
    last = x.shape[2:]
    given = tuple(output_size) if isinstance(output_size, (tuple, list)) else (output_size,) * dimensions
    if len(given) != dimensions:
        raise ValueError(
            f"{name}: expected output_size to be one number or {dimensions}, got {output_size!r}"
        )
    sizes = [
        n if o is None else integer(name, "output_size", o, at_least=0)
        for n, o in zip(last, given, strict=True)
    ]
    if 0 in x.shape[1:]:
        raise ValueError(f"{name}: expected input with places and channels, got {input.shape}")
    if math.prod(sizes) > 2**36:
        raise MemoryError(f"{name}: an output of {tuple(sizes)} places")
    if 0 in sizes:
        empty = np.zeros((*x.shape[:2], *sizes), x.dtype)
        y = x.sum() * from_numpy(empty)  # of x all the same, for its gradient of zeros
        places = from_numpy(empty.astype(np.int64))
        return _unbatch((y, places) if return_indices else y, lone, return_indices)
    pool = {1: max_pool1d, 2: tape.max_pool2d, 3: max_pool3d}[dimensions]
    if not any(n % o for n, o in zip(last, sizes, strict=True)):  # equal windows
        kernel = tuple(n // o for n, o in zip(last, sizes, strict=True))
        return _unbatch(pool(x, kernel, return_indices=return_indices), lone, return_indices)
    taken = [_covering(size, out) for size, out in zip(last, sizes, strict=True)]
    for axis, places_taken in enumerate(taken, 2):
        x = x[(slice(None),) * axis + (places_taken.ravel(),)]
    found = pool(x, tuple(t.shape[1] for t in taken), return_indices=return_indices)
    if return_indices:
        y, at = found
        among = np.unravel_index(at.numpy(), x.shape[2:])
        found = (
            y,
            from_numpy(np.ravel_multi_index([t.ravel()[a] for t, a in zip(taken, among, strict=True)], last)),
        )
    return _unbatch(found, lone, return_indices)


def _covering(size: int, out: int) -> np.ndarray:
    """The places in each of `out` windows that cover an axis evenly, (out, widest): equal windows of what is
    taken so. Shorter windows have their last place twice, which is no other maximum and not the first one."""
    first, end = np.arange(out) * size // out, -(-(np.arange(out) + 1) * size // out)
    return np.minimum(first[:, None] + np.arange(int((end - first).max())), end[:, None] - 1)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest element of output_size windows that cover (N, C, L) or (C, L) evenly.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.adaptive_max_pool1d(loopnest.tensor(np.array([[1.0, 5.0, 3.0]])), 2).numpy().tolist()
      [[5.0, 5.0]]
    """
    return _adaptive_max("adaptive_max_pool1d", input, output_size, 1, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """As adaptive_max_pool1d over (N, C, H, W) or (C, H, W). output_size: one or two; None: the input's.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.adaptive_max_pool2d(loopnest.tensor(np.ones((2, 3, 7, 5))), (2, None)).shape == (2, 3, 2, 5)
      True
    """
    return _adaptive_max("adaptive_max_pool2d", input, output_size, 2, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """As adaptive_max_pool1d over (N, C, D, H, W) or (C, D, H, W).

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.adaptive_max_pool3d(loopnest.tensor(np.ones((3, 4, 7, 5))), 2).shape == (3, 2, 2, 2)
      True
    """
    return _adaptive_max("adaptive_max_pool3d", input, output_size, 3, return_indices)


# ---- unpooling ----


def _unpool(
    name: str,
    input: Tensor,
    indices: Tensor,
    dimensions: int,
    kernel: Any,
    stride: Any,
    padding: Any,
    size: Any,
) -> Tensor:
    x, lone = _batched(name, input, dimensions)
    if not isinstance(indices, Tensor) or indices.dtype.kind != "i":
        raise TypeError(f"{name}: expected indices to be a Tensor of int64, as a max pool returns them")
    if indices.shape != input.shape:
        raise ValueError(f"{name}: expected indices of input's shape {input.shape}, got {indices.shape}")
    k, s, p, _ = _windows(name, dimensions, kernel, stride, padding, 1)
    default = [(n - 1) * b - 2 * c + a for n, a, b, c in zip(x.shape[2:], k, s, p, strict=True)]
    sizes = default
    if size is not None:
        sizes = [integer(name, "output_size", v) for v in tuple(size)[-dimensions:]]
        if len(sizes) != dimensions or any(
            not (d - b < v < d + b) for d, v, b in zip(default, sizes, s, strict=True)
        ):
            raise ValueError(f"{name}: expected output_size within a stride of {default}, got {tuple(size)}")
    total = math.prod(sizes)
    if any(v < 1 for v in sizes) or total > 2**44:
        raise ValueError(f"{name}: the output would have the size {sizes}")
    at = indices.numpy().reshape(*x.shape[:2], math.prod(x.shape[2:]))
    if at.size and not (at.min() >= 0 and at.max() < total):
        raise ValueError(f"{name}: expected indices from 0 to {total - 1}, got {at.min()} to {at.max()}")
    n, c = x.shape[:2]
    empty = tape.zeros(n, c, total, dtype=x.dtype)
    y = tensor_ops.scatter(empty, 2, from_numpy(np.ascontiguousarray(at)), reshape(x, (n, c, at.shape[2])))
    y = reshape(y, (n, c, *sizes))
    return y.squeeze(0) if lone else y


def max_unpool1d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Puts the maxima of max_pool1d(..., return_indices=True) back to their places; all else is 0.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> y, at = F.max_pool1d(loopnest.tensor(np.array([[1.0, 3.0, 2.0, 0.0]])), 2, return_indices=True)
      >>> F.max_unpool1d(y, at, 2).numpy().tolist()
      [[0.0, 3.0, 2.0, 0.0]]
    """
    return _unpool("max_unpool1d", input, indices, 1, kernel_size, stride, padding, output_size)


def max_unpool2d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Puts the maxima of max_pool2d(..., return_indices=True) back to their places; all else is 0.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.arange(4.0).reshape(1, 2, 2))
      >>> F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2).numpy().tolist()
      [[[0.0, 0.0], [0.0, 3.0]]]
    """
    return _unpool("max_unpool2d", input, indices, 2, kernel_size, stride, padding, output_size)


def max_unpool3d(
    input: Tensor,
    indices: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    output_size: Any = None,
) -> Tensor:
    """Puts the maxima of max_pool3d(..., return_indices=True) back to their places; all else is 0.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.arange(8.0).reshape(1, 2, 2, 2))
      >>> F.max_unpool3d(*F.max_pool3d(x, 2, return_indices=True), 2).numpy().ravel().tolist()
      [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 7.0]
    """
    return _unpool("max_unpool3d", input, indices, 3, kernel_size, stride, padding, output_size)
