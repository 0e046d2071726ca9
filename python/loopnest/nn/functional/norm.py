"""Normalisation as functions: what loopnest.nn.functional offers under PyTorch's names."""

from collections.abc import Sequence

from loopnest.engine import norm
from loopnest.engine.tape import Tensor, avg_pool2d
from loopnest.nn.functional.resize import pad


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """(x - mean) / sqrt(var + eps) * weight + bias; mean and var of each channel over batch and places.

    Args:
      input: (N, C, ...). running_mean, running_var, weight, bias: (C,) or None.
      training: mean and var are the batch's, and move the running ones by `momentum` (in place; the running
        variance by that of a sample); otherwise the running ones are used, and are constants for backward.

    Raises ValueError for one value per channel in training, and for shapes that do not fit.
    Source: Ioffe and Szegedy, "Batch normalization", 2015.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.array([[1.0], [3.0]]))
      >>> F.batch_norm(x, None, None, training=True, eps=0.0).numpy().tolist()
      [[-1.0], [1.0]]
    """
    return norm.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """As batch_norm, but mean and var over the places of each image on its own.

    Source: Ulyanov, Vedaldi and Lempitsky, "Instance normalization", 2016.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.array([[[1.0, 3.0], [5.0, 9.0]]]))
      >>> F.instance_norm(x, eps=0.0).numpy().tolist()
      [[[-1.0, 1.0], [-1.0, 1.0]]]
    """
    return norm.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Mean and var over the places of C / num_groups neighbouring channels of each image; (N, C, ...).

    Source: Wu and He, "Group normalization", 2018.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.array([[[1.0], [3.0], [5.0], [9.0]]]))
      >>> F.group_norm(x, 2, eps=0.0).numpy().ravel().tolist()
      [-1.0, 1.0, -1.0, 1.0]
    """
    return norm.group_norm(input, num_groups, weight, bias, eps)


def layer_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Mean and var over the last axes, which are normalized_shape; weight and bias have that shape too.

    Source: Ba, Kiros and Hinton, "Layer normalization", 2016.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.layer_norm(loopnest.tensor(np.array([1.0, 3.0])), (2,), eps=0.0).numpy().tolist()
      [-1.0, 1.0]
    """
    return norm.layer_norm(input, normalized_shape, weight, bias, eps)


def rms_norm(
    input: Tensor,
    normalized_shape: int | Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """x / sqrt(mean of x^2 + eps) * weight over the last axes. eps: None for the dtype's.

    Source: Zhang and Sennrich, "Root mean square layer normalization", 2019.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.rms_norm(loopnest.tensor(np.array([3.0, -3.0])), (2,), eps=0.0).numpy().tolist()
      [1.0, -1.0]
    """
    return norm.rms_norm(input, normalized_shape, weight, eps)


def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """x / (k + alpha * mean of x^2 over `size` neighbouring channels) ** beta; (N, C, ...).

    Of channel c the mean goes over c - size // 2 ... c + (size - 1) // 2, where those outside count as 0.
    Source: Krizhevsky, Sutskever and Hinton, "ImageNet classification with deep CNNs", 2012.

    Example:
      >>> import loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor([[[4.0], [0.0]]])
      >>> F.local_response_norm(x, size=2, alpha=2.0, beta=1.0, k=0.0).tolist()
      [[[0.25], [0.0]]]
    """
    if input.ndim < 3:
        raise ValueError(f"local_response_norm: expected input of shape (N, C, ...), got {input.shape}")
    if input.numel() == 0:
        return input
    rows = input.reshape(input.shape[0], 1, input.shape[1], -1)
    squares = pad(rows * rows, (0, 0, size // 2, (size - 1) // 2))
    mean = avg_pool2d(squares, (size, 1), 1).reshape(input.shape)
    return input / (mean * alpha + k) ** beta
