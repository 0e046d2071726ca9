"""Layers as functions: torch.nn.functional's names, argument order and defaults, on loopnest Tensors.

Every function takes float32 or float64 Tensors (all of one dtype) and is recorded for backward() where an
input requires a gradient. Wrong shapes and values raise ValueError with the shapes, wrong dtypes and types
raise TypeError.

They stand in the modules of this folder, by what they do; here are those that are one call of the engine.
"""

from collections.abc import Sequence
from typing import Any

from loopnest.engine import conv, losses, tape, tensor_ops
from loopnest.engine.tape import Tensor
from loopnest.functions.products import pdist as pdist
from loopnest.nn.functional.activation import celu as celu
from loopnest.nn.functional.activation import elu as elu
from loopnest.nn.functional.activation import gelu as gelu
from loopnest.nn.functional.activation import glu as glu
from loopnest.nn.functional.activation import hardshrink as hardshrink
from loopnest.nn.functional.activation import hardsigmoid as hardsigmoid
from loopnest.nn.functional.activation import hardswish as hardswish
from loopnest.nn.functional.activation import hardtanh as hardtanh
from loopnest.nn.functional.activation import leaky_relu as leaky_relu
from loopnest.nn.functional.activation import log_softmax as log_softmax
from loopnest.nn.functional.activation import logsigmoid as logsigmoid
from loopnest.nn.functional.activation import mish as mish
from loopnest.nn.functional.activation import prelu as prelu
from loopnest.nn.functional.activation import relu6 as relu6
from loopnest.nn.functional.activation import rrelu as rrelu
from loopnest.nn.functional.activation import selu as selu
from loopnest.nn.functional.activation import silu as silu
from loopnest.nn.functional.activation import softmax as softmax
from loopnest.nn.functional.activation import softmin as softmin
from loopnest.nn.functional.activation import softplus as softplus
from loopnest.nn.functional.activation import softshrink as softshrink
from loopnest.nn.functional.activation import softsign as softsign
from loopnest.nn.functional.activation import tanhshrink as tanhshrink
from loopnest.nn.functional.activation import threshold as threshold
from loopnest.nn.functional.aliases import (
    adaptive_max_pool1d_with_indices as adaptive_max_pool1d_with_indices,
)
from loopnest.nn.functional.aliases import (
    adaptive_max_pool2d_with_indices as adaptive_max_pool2d_with_indices,
)
from loopnest.nn.functional.aliases import (
    adaptive_max_pool3d_with_indices as adaptive_max_pool3d_with_indices,
)
from loopnest.nn.functional.aliases import celu_ as celu_
from loopnest.nn.functional.aliases import elu_ as elu_
from loopnest.nn.functional.aliases import gumbel_softmax as gumbel_softmax
from loopnest.nn.functional.aliases import hardtanh_ as hardtanh_
from loopnest.nn.functional.aliases import leaky_relu_ as leaky_relu_
from loopnest.nn.functional.aliases import max_pool1d_with_indices as max_pool1d_with_indices
from loopnest.nn.functional.aliases import max_pool2d_with_indices as max_pool2d_with_indices
from loopnest.nn.functional.aliases import max_pool3d_with_indices as max_pool3d_with_indices
from loopnest.nn.functional.aliases import relu_ as relu_
from loopnest.nn.functional.aliases import rrelu_ as rrelu_
from loopnest.nn.functional.aliases import selu_ as selu_
from loopnest.nn.functional.aliases import threshold_ as threshold_
from loopnest.nn.functional.aliases import upsample_bilinear as upsample_bilinear
from loopnest.nn.functional.aliases import upsample_nearest as upsample_nearest
from loopnest.nn.functional.alpha import alpha_dropout as alpha_dropout
from loopnest.nn.functional.alpha import feature_alpha_dropout as feature_alpha_dropout
from loopnest.nn.functional.distance import cosine_similarity as cosine_similarity
from loopnest.nn.functional.distance import normalize as normalize
from loopnest.nn.functional.distance import pairwise_distance as pairwise_distance
from loopnest.nn.functional.distance import triplet_margin_loss as triplet_margin_loss
from loopnest.nn.functional.fractional import fractional_max_pool2d as fractional_max_pool2d
from loopnest.nn.functional.fractional import fractional_max_pool3d as fractional_max_pool3d
from loopnest.nn.functional.likelihood import gaussian_nll_loss as gaussian_nll_loss
from loopnest.nn.functional.likelihood import poisson_nll_loss as poisson_nll_loss
from loopnest.nn.functional.lookup import embedding as embedding
from loopnest.nn.functional.lookup import embedding_bag as embedding_bag
from loopnest.nn.functional.loss import binary_cross_entropy as binary_cross_entropy
from loopnest.nn.functional.loss import binary_cross_entropy_with_logits as binary_cross_entropy_with_logits
from loopnest.nn.functional.loss import ctc_loss as ctc_loss
from loopnest.nn.functional.loss import dice_loss as dice_loss
from loopnest.nn.functional.loss import huber_loss as huber_loss
from loopnest.nn.functional.loss import kl_div as kl_div
from loopnest.nn.functional.loss import l1_loss as l1_loss
from loopnest.nn.functional.loss import mse_loss as mse_loss
from loopnest.nn.functional.loss import nll_loss as nll_loss
from loopnest.nn.functional.loss import smooth_l1_loss as smooth_l1_loss
from loopnest.nn.functional.loss import soft_cross_entropy
from loopnest.nn.functional.margin import cosine_embedding_loss as cosine_embedding_loss
from loopnest.nn.functional.margin import hinge_embedding_loss as hinge_embedding_loss
from loopnest.nn.functional.margin import margin_ranking_loss as margin_ranking_loss
from loopnest.nn.functional.margin import multi_margin_loss as multi_margin_loss
from loopnest.nn.functional.margin import multilabel_margin_loss as multilabel_margin_loss
from loopnest.nn.functional.margin import multilabel_soft_margin_loss as multilabel_soft_margin_loss
from loopnest.nn.functional.margin import soft_margin_loss as soft_margin_loss
from loopnest.nn.functional.margin import (
    triplet_margin_with_distance_loss as triplet_margin_with_distance_loss,
)
from loopnest.nn.functional.norm import batch_norm as batch_norm
from loopnest.nn.functional.norm import group_norm as group_norm
from loopnest.nn.functional.norm import instance_norm as instance_norm
from loopnest.nn.functional.norm import layer_norm as layer_norm
from loopnest.nn.functional.norm import local_response_norm as local_response_norm
from loopnest.nn.functional.norm import rms_norm as rms_norm
from loopnest.nn.functional.pooling import adaptive_max_pool1d as adaptive_max_pool1d
from loopnest.nn.functional.pooling import adaptive_max_pool2d as adaptive_max_pool2d
from loopnest.nn.functional.pooling import adaptive_max_pool3d as adaptive_max_pool3d
from loopnest.nn.functional.pooling import avg_pool1d as avg_pool1d
from loopnest.nn.functional.pooling import avg_pool3d as avg_pool3d
from loopnest.nn.functional.pooling import lp_pool1d as lp_pool1d
from loopnest.nn.functional.pooling import lp_pool2d as lp_pool2d
from loopnest.nn.functional.pooling import lp_pool3d as lp_pool3d
from loopnest.nn.functional.pooling import max_pool1d as max_pool1d
from loopnest.nn.functional.pooling import max_pool3d as max_pool3d
from loopnest.nn.functional.pooling import max_unpool1d as max_unpool1d
from loopnest.nn.functional.pooling import max_unpool2d as max_unpool2d
from loopnest.nn.functional.pooling import max_unpool3d as max_unpool3d
from loopnest.nn.functional.products import bilinear as bilinear
from loopnest.nn.functional.resize import adaptive_avg_pool1d as adaptive_avg_pool1d
from loopnest.nn.functional.resize import adaptive_avg_pool2d as adaptive_avg_pool2d
from loopnest.nn.functional.resize import adaptive_avg_pool3d as adaptive_avg_pool3d
from loopnest.nn.functional.resize import channel_shuffle as channel_shuffle
from loopnest.nn.functional.resize import dropout1d as dropout1d
from loopnest.nn.functional.resize import dropout2d as dropout2d
from loopnest.nn.functional.resize import dropout3d as dropout3d
from loopnest.nn.functional.resize import fold as fold
from loopnest.nn.functional.resize import interpolate as interpolate
from loopnest.nn.functional.resize import pad as pad
from loopnest.nn.functional.resize import pixel_shuffle as pixel_shuffle
from loopnest.nn.functional.resize import pixel_unshuffle as pixel_unshuffle
from loopnest.nn.functional.resize import unfold as unfold
from loopnest.nn.functional.resize import upsample as upsample
from loopnest.nn.functional.spatial import affine_grid as affine_grid
from loopnest.nn.functional.spatial import grid_sample as grid_sample

IntPair = int | tuple[int, int]
Each = int | Sequence[int]  # one number for all axes of space, or one for each
Padding = str | int | Sequence[int | Sequence[int]]


def conv1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Each = 1,
    padding: Padding = 0,
    dilation: Each = 1,
    groups: int = 1,
) -> Tensor:
    """1-d cross-correlation (the kernel is not flipped), as torch.nn.functional.conv1d.

    Args:
      input: (N, C, L) or (C, L).
      weight: (O, C / groups, KL); bias: (O,) or None.
      padding: as for conv2d; and "causal": dilation (KL - 1) zeros before the sequence and none behind it, so
        that no output sees what comes after it.

    Returns (N, O, OL), OL = floor((L + low + high - dilation (KL - 1) - 1) / stride) + 1, without N if input
    had none.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.array([[1, 2, 3]], np.float32))
      >>> w = loopnest.tensor(np.ones((1, 1, 2), np.float32))
      >>> F.conv1d(x, w, padding="causal").numpy().tolist()
      [[1.0, 3.0, 5.0]]
    """
    return conv.conv1d(input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Each = 1,
    padding: Padding = 0,
    dilation: Each = 1,
    groups: int = 1,
) -> Tensor:
    """2-d cross-correlation (the kernel is not flipped), as torch.nn.functional.conv2d.

    y[n, o, i, j] = bias[o] + sum over c, u, v of
                    weight[o, c, u, v] * input[n, c, i * stride + u * dilation - padding, j * ... + v * ...]

    Args:
      input: (N, C, H, W) or (C, H, W).
      weight: (O, C / groups, KH, KW); bias: (O,) or None.
      padding: rows and columns of zeros on each side: one number, (height, width), or (low, high) for some or
        all axes, ((0, 1), (2, 2)); "valid": 0; "same" (PyTorch's): as many as keep H and W, stride 1 only, an
        odd one goes to the bottom and right; "same_upper" (TensorFlow's SAME, ONNX's SAME_UPPER): as many as
        give ceil(H / stride) rows, an odd one at the bottom and right.

    Returns (N, O, OH, OW), OH = floor((H + low + high - dilation (KH - 1) - 1) / stride) + 1, without N if
    input had none.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.ones((1, 3, 5, 5), np.float32))
      >>> w = loopnest.tensor(np.ones((2, 3, 3, 3), np.float32))
      >>> float(F.conv2d(x, w, padding=1)[0, 0, 2, 2])
      27.0
      >>> F.conv2d(x, w, stride=2, padding="same_upper").shape == (1, 2, 3, 3)
      True
    """
    return conv.conv2d(input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Each = 1,
    padding: Padding = 0,
    dilation: Each = 1,
    groups: int = 1,
) -> Tensor:
    """3-d cross-correlation, as torch.nn.functional.conv3d.

    Args:
      input: (N, C, D, H, W) or (C, D, H, W).
      weight: (O, C / groups, KD, KH, KW); bias: (O,) or None. padding: as for conv2d.

    Returns (N, O, OD, OH, OW), without N if input had none.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.ones((1, 2, 3, 5, 5), np.float32))
      >>> w = loopnest.tensor(np.ones((4, 2, 3, 3, 3), np.float32))
      >>> F.conv3d(x, w, padding=((0, 0), 1, 1)).shape == (1, 4, 1, 5, 5)
      True
    """
    return conv.conv3d(input, weight, bias, stride, padding, dilation, groups)


def conv_transpose1d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Each = 1,
    padding: Each = 0,
    output_padding: Each = 0,
    groups: int = 1,
    dilation: Each = 1,
) -> Tensor:
    """Transposed 1-d convolution, as torch.nn.functional.conv_transpose1d (mind the order of arguments).

    The backward pass of conv1d with respect to its input, plus a bias: every input number is multiplied by
    the whole kernel and the products are added up where they overlap.

    Args:
      input: (N, C, L) or (C, L).
      weight: (C, O / groups, KL); bias: (O,) or None.
      output_padding: places added behind, smaller than the stride or the dilation.

    Returns (N, O, OL), OL = (L - 1) stride - 2 padding + dilation (KL - 1) + output_padding + 1,
    without N if input had none.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.ones((1, 2, 5), np.float32))
      >>> w = loopnest.tensor(np.ones((2, 4, 2), np.float32))
      >>> F.conv_transpose1d(x, w, stride=2).shape == (1, 4, 10)
      True
    """
    return conv.conv_transpose1d(input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Each = 1,
    padding: Each = 0,
    output_padding: Each = 0,
    groups: int = 1,
    dilation: Each = 1,
) -> Tensor:
    """Transposed 2-d convolution, as torch.nn.functional.conv_transpose2d (mind the order of arguments).

    The backward pass of conv2d with respect to its input, plus a bias: every input number is multiplied by
    the whole kernel and the products are added up where they overlap.

    Args:
      input: (N, C, H, W) or (C, H, W).
      weight: (C, O / groups, KH, KW); bias: (O,) or None.
      output_padding: places added behind, smaller than the stride or the dilation.

    Returns (N, O, OH, OW), OH = (H - 1) stride - 2 padding + dilation (KH - 1) + output_padding + 1,
    without N if input had none.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.ones((1, 2, 5, 5), np.float32))
      >>> w = loopnest.tensor(np.ones((2, 4, 2, 2), np.float32))
      >>> F.conv_transpose2d(x, w, stride=2).shape == (1, 4, 10, 10)
      True
    """
    return conv.conv_transpose2d(input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Each = 1,
    padding: Each = 0,
    output_padding: Each = 0,
    groups: int = 1,
    dilation: Each = 1,
) -> Tensor:
    """Transposed 3-d convolution, as torch.nn.functional.conv_transpose3d (mind the order of arguments).

    The backward pass of conv3d with respect to its input, plus a bias: every input number is multiplied by
    the whole kernel and the products are added up where they overlap.

    Args:
      input: (N, C, D, H, W) or (C, D, H, W).
      weight: (C, O / groups, KD, KH, KW); bias: (O,) or None.
      output_padding: places added behind, smaller than the stride or the dilation.

    Returns (N, O, OD, OH, OW), OD = (D - 1) stride - 2 padding + dilation (KD - 1) + output_padding + 1,
    without N if input had none.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.ones((1, 2, 3, 5, 5), np.float32))
      >>> w = loopnest.tensor(np.ones((2, 4, 2, 2, 2), np.float32))
      >>> F.conv_transpose3d(x, w, stride=2).shape == (1, 4, 6, 10, 10)
      True
    """
    return conv.conv_transpose3d(input, weight, bias, stride, padding, output_padding, groups, dilation)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = input weight^T + bias, as torch.nn.functional.linear.

    Args: input (..., I); weight (O, I); bias (O,) or None. Returns (..., O).

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x, w = loopnest.tensor(np.ones((2, 3), np.float32)), loopnest.tensor(np.ones((4, 3), np.float32))
      >>> F.linear(x, w).numpy()[0].tolist()
      [3.0, 3.0, 3.0, 3.0]
    """
    return tape.linear(input, weight, bias)


def max_pool2d(
    input: Tensor,
    kernel_size: IntPair,
    stride: IntPair | None = None,
    padding: IntPair = 0,
    dilation: IntPair = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The largest element of every window, as torch.nn.functional.max_pool2d. NaN wins.

    Args:
      input: (N, C, H, W) or (C, H, W).
      stride: kernel_size if None. padding: at most half the kernel; counts as -infinity.
      ceil_mode: also the windows that only start inside. return_indices: give a pair (values, indices into H
        * W).

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4))
      >>> F.max_pool2d(x, 2).numpy().ravel().tolist()
      [5.0, 7.0, 13.0, 15.0]
    """
    return tape.max_pool2d(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool2d(
    input: Tensor,
    kernel_size: IntPair,
    stride: IntPair | None = None,
    padding: IntPair = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of every window, as torch.nn.functional.avg_pool2d.

    Args:
      input: (N, C, H, W) or (C, H, W).
      count_include_pad: padding counts in the number that the sum is divided by. divisor_override: divide by
        this.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4))
      >>> F.avg_pool2d(x, 2).numpy().ravel().tolist()
      [2.5, 4.5, 10.5, 12.5]
    """
    return tape.avg_pool2d(
        input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(input, 0), any shape. `inplace` is accepted; the result is always a new tensor.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.relu(loopnest.tensor(np.array([-1.0, 2.0]))).numpy().tolist()
      [0.0, 2.0]
    """
    return tape.relu(input)


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-input)), any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.sigmoid(loopnest.tensor(np.zeros(1))).numpy().tolist()
      [0.5]
    """
    return tape.sigmoid(input)


def tanh(input: Tensor) -> Tensor:
    """The hyperbolic tangent, any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.tanh(loopnest.tensor(np.zeros(1))).numpy().tolist()
      [0.0]
    """
    return tape.tanh(input)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: None = None,
    ignore_index: int = -100,
    reduce: None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """-log(softmax(input)[target]), as torch.nn.functional.cross_entropy.

    Args:
      input: (N, C), (C,) or (N, C, ...) scores. target: int64 classes, shaped as input without C; or
        probabilities, a float dtype and shaped as input.
      weight: (C,) a factor per class; "mean" divides by the sum of the factors used.
      size_average, reduce: PyTorch's older spelling of `reduction`; must be None.
      ignore_index: targets of this value count nothing.
      reduction: "mean", "sum" or "none".
      label_smoothing: this much of the target goes to all classes equally; 0 to 1.

    Raises IndexError for a class outside 0 ... C - 1.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> scores, target = loopnest.tensor(np.zeros((2, 4))), loopnest.tensor(np.array([0, 3]))
      >>> round(float(F.cross_entropy(scores, target)), 4)
      1.3863
    """
    if size_average is not None or reduce is not None:
        raise ValueError("cross_entropy: size_average and reduce are not supported; use reduction")
    if target.dtype.kind == "f":
        return soft_cross_entropy(input, target, weight, reduction, label_smoothing)
    return losses.cross_entropy(
        input,
        target,
        weight,
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Classes (...) as rows of zeros with a one (..., num_classes), int64; as torch.nn.functional.one_hot.

    num_classes: -1 for the largest class + 1. Raises ValueError for classes outside 0 ... num_classes - 1,
    TypeError if they are not whole numbers.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.one_hot(loopnest.tensor(np.array([1, 0])), 3).tolist()
      [[0, 1, 0], [1, 0, 0]]
    """
    return tensor_ops.one_hot(tensor, num_classes)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Each element becomes 0 with probability p, or is divided by 1 - p; the identity if not training.

    Random numbers come from loopnest's generator (manual_seed). `inplace` is accepted; the result is a new
    tensor.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> sorted(set(F.dropout(loopnest.tensor(np.ones(1000)), 0.5).numpy().tolist()))
      [0.0, 2.0]
    """
    return tape.dropout(input, p, training)
