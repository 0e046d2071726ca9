"""Activations and softmax as functions: what loopnest.nn.functional offers under PyTorch's names.

Any shape, float32 or float64; the result has the input's shape. `inplace` is accepted; the result is always a
new tensor. Formulas, their sources and errors in ULP: csrc/ops/activation.
"""

from loopnest.engine import activation as engine
from loopnest.engine.activation import FUNCTIONS
from loopnest.engine.tape import Tensor, is_grad_enabled, rand, relu, reshape, where

_NUMBER = {name: number for number, name in enumerate(FUNCTIONS)}


def _checked(input: Tensor, name: str) -> Tensor:
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: expected input to be a Tensor, got {type(input).__name__}")
    return input


def _apply(input: Tensor, name: str, *parameters: float) -> Tensor:
    return engine.activation(_checked(input, name), _NUMBER[name], *parameters)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x for x > 0, negative_slope * x elsewhere.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.leaky_relu(loopnest.tensor(np.array([-2.0, 3.0])), 0.5).numpy().tolist()
      [-1.0, 3.0]
    """
    return _apply(input, "leaky_relu", negative_slope)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """min(max(x, 0), 6).

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.relu6(loopnest.tensor(np.array([-2.0, 3.0, 9.0]))).numpy().tolist()
      [0.0, 3.0, 6.0]
    """
    return _apply(input, "hardtanh", 0.0, 6.0)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x for x > 0, alpha * (exp(x) - 1) elsewhere.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.elu(loopnest.tensor(np.array([-1.0, 3.0]))).numpy().round(4).tolist()
      [-0.6321, 3.0]
    """
    return _apply(input, "elu", alpha, 1.0, 1.0)


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """1.0507 * elu(x, 1.6733): activations that keep mean 0 and variance 1.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.selu(loopnest.tensor(np.array([-1.0, 1.0]))).numpy().round(4).tolist()
      [-1.1113, 1.0507]
    """
    return _apply(input, "elu", 1.6732632423543772848170429916717, 1.0507009873554804934193349852946, 1.0)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x for x > 0, alpha * (exp(x / alpha) - 1) elsewhere. ValueError for alpha = 0.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.celu(loopnest.tensor(np.array([-2.0, 3.0])), 2.0).numpy().round(4).tolist()
      [-1.2642, 3.0]
    """
    if alpha == 0:
        raise ValueError("celu: expected alpha other than 0")
    return _apply(input, "elu", alpha, 1.0, 1.0 / alpha)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """x * sigmoid(x), also called swish.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.silu(loopnest.tensor(np.array([0.0, 1.0]))).numpy().round(4).tolist()
      [0.0, 0.7311]
    """
    return _apply(input, "silu")


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x * Phi(x), Phi being the normal distribution; approximate="tanh" puts a tanh in its place.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x = loopnest.tensor(np.array([-1.0, 1.0]))
      >>> F.gelu(x).numpy().round(4).tolist(), F.gelu(x, approximate="tanh").numpy().round(4).tolist()
      ([-0.1587, 0.8413], [-0.1588, 0.8412])
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: expected approximate to be 'none' or 'tanh', got {approximate!r}")
    return _apply(input, "gelu" if approximate == "none" else "gelu_tanh")


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta; x itself where beta * x > threshold.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.softplus(loopnest.tensor(np.array([0.0, 30.0]))).numpy().round(4).tolist()
      [0.6931, 30.0]
    """
    if beta == 0:
        raise ValueError("softplus: expected beta other than 0")
    return _apply(input, "softplus", beta, threshold)


def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Tensor:
    """x kept within [min_val, max_val]. ValueError if min_val > max_val.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.hardtanh(loopnest.tensor(np.array([-3.0, 0.5]))).numpy().tolist()
      [-1.0, 0.5]
    """
    if not min_val <= max_val:
        raise ValueError(f"hardtanh: expected min_val of at most max_val, got {min_val} and {max_val}")
    return _apply(input, "hardtanh", min_val, max_val)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * relu6(x + 3) / 6.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.hardswish(loopnest.tensor(np.array([-4.0, 0.0, 3.0]))).numpy().tolist()
      [-0.0, 0.0, 3.0]
    """
    return _apply(input, "hardswish")


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """relu6(x + 3) / 6.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.hardsigmoid(loopnest.tensor(np.array([-4.0, 0.0, 3.0]))).numpy().tolist()
      [0.0, 0.5, 1.0]
    """
    return _apply(input, "hardsigmoid")


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """x * tanh(softplus(x)).

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.mish(loopnest.tensor(np.array([0.0, 1.0]))).numpy().round(4).tolist()
      [0.0, 0.8651]
    """
    return _apply(input, "mish")


def logsigmoid(input: Tensor) -> Tensor:
    """log(sigmoid(x)), without overflow.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.logsigmoid(loopnest.tensor(np.array([-1000.0, 0.0]))).numpy().round(4).tolist()
      [-1000.0, -0.6931]
    """
    return _apply(input, "logsigmoid")


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x for x > 0, weight * x elsewhere; weight has one number, or one for each channel (axis 1).

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.prelu(loopnest.tensor(np.array([-2.0, 3.0])), loopnest.tensor(np.array([0.25]))).numpy().tolist()
      [-0.5, 3.0]
    """
    _checked(input, "prelu")
    if not isinstance(weight, Tensor):
        raise TypeError(f"prelu: expected weight to be a Tensor, got {type(weight).__name__}")
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise ValueError(
            f"prelu: expected weight of one number or {channels} (input {input.shape}), got {weight.shape}"
        )
    if weight.numel() > 1:
        weight = reshape(weight, (1, -1) + (1,) * (input.ndim - 2))
    elif not (is_grad_enabled() and weight.requires_grad):
        return _apply(input, "leaky_relu", weight.item())
    return relu(input) + weight * _apply(input, "nonpositive")


def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False
) -> Tensor:
    """Leaky ReLU with a random slope between lower and upper for each element; their mean if not training.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.rrelu(loopnest.tensor(np.array([-2.0, 3.0])), 0.25, 0.75).numpy().tolist()
      [-1.0, 3.0]
    """
    if not lower <= upper:
        raise ValueError(f"rrelu: expected lower of at most upper, got {lower} and {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    slope = rand(*_checked(input, "rrelu").shape).to(dtype=input.dtype) * (upper - lower) + lower
    return where(input.detach() > 0, input, input * slope)


def softsign(input: Tensor) -> Tensor:
    """x / (1 + |x|).

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.softsign(loopnest.tensor(np.array([-1.0, 3.0]))).numpy().tolist()
      [-0.5, 0.75]
    """
    return _apply(input, "softsign")


def tanhshrink(input: Tensor) -> Tensor:
    """x - tanh(x).

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.tanhshrink(loopnest.tensor(np.array([0.0, 1.0]))).numpy().round(4).tolist()
      [0.0, 0.2384]
    """
    return _apply(input, "tanhshrink")


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x where |x| > lambd, otherwise 0.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.hardshrink(loopnest.tensor(np.array([-0.25, 1.0]))).numpy().tolist()
      [0.0, 1.0]
    """
    return _apply(input, "hardshrink", lambd)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """x moved towards 0 by lambd, and 0 where |x| <= lambd. ValueError for lambd < 0.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.softshrink(loopnest.tensor(np.array([0.25, 1.0, -2.0]))).numpy().tolist()
      [0.0, 0.5, -1.5]
    """
    if lambd < 0:
        raise ValueError(f"softshrink: expected lambd of at least 0, got {lambd}")
    return _apply(input, "softshrink", lambd)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """x where x > threshold, otherwise value.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.threshold(loopnest.tensor(np.array([-1.0, 2.0])), 0.5, 7.0).numpy().tolist()
      [7.0, 2.0]
    """
    return _apply(input, "threshold", threshold, value)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a * sigmoid(b), a and b being the halves of the input along dim. ValueError if it cannot be halved.

    Source: Dauphin et al., "Language modeling with gated convolutional networks", 2017.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.glu(loopnest.tensor(np.array([4.0, 0.0]))).numpy().tolist()
      [2.0]
    """
    if not -input.ndim <= dim < input.ndim:
        raise IndexError(f"glu: expected dim in [{-input.ndim}, {input.ndim - 1}], got {dim}")
    if input.shape[dim] % 2:
        raise ValueError(f"glu: expected an even length along dim {dim}, got input {input.shape}")
    a, b = input.chunk(2, dim)
    return a * b.sigmoid()


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: object = None) -> Tensor:
    """exp(input) / sum of exp(input) along `dim`, the maximum taken off first.

    dtype: the input is converted to it beforehand. IndexError if there is no such axis.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.softmax(loopnest.tensor(np.zeros((1, 4))), dim=1).numpy().tolist()
      [[0.25, 0.25, 0.25, 0.25]]
    """
    return engine.softmax(input if dtype is None else input.to(dtype=dtype), dim)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: object = None) -> Tensor:
    """input - log(sum of exp(input) along `dim`), without overflow. IndexError if there is no such axis.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.log_softmax(loopnest.tensor(np.zeros((1, 4))), dim=1).numpy().round(4).tolist()
      [[-1.3863, -1.3863, -1.3863, -1.3863]]
    """
    return engine.log_softmax(input if dtype is None else input.to(dtype=dtype), dim)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: object = None) -> Tensor:
    """softmax(-input).

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> F.softmin(loopnest.tensor(np.zeros((1, 2))), dim=1).numpy().tolist()
      [[0.5, 0.5]]
    """
    return softmax(-input, dim, dtype=dtype)
