"""Initial values for weights, filled in place: torch.nn.init's names, arguments and formulas.

Random numbers come from loopnest's generator, which loopnest.manual_seed makes repeat, or from a
loopnest.Generator that is given as `generator`. Every function returns its tensor.
"""

import math
from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor, default_generator
from loopnest.nn.module import Module
from loopnest.nn.parameter import memory

_GAINS = {
    "linear": 1.0,
    "conv1d": 1.0,
    "conv2d": 1.0,
    "conv3d": 1.0,
    "conv_transpose1d": 1.0,
    "conv_transpose2d": 1.0,
    "conv_transpose3d": 1.0,
    "sigmoid": 1.0,
    "tanh": 5 / 3,
    "relu": math.sqrt(2),
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance of a layer before this nonlinearity.

    1 for linear, convNd, conv_transposeNd and sigmoid, 5/3 for tanh, sqrt(2) for relu,
    sqrt(2 / (1 + param^2)) for leaky_relu (param: its slope, 0.01 if None), 3/4 for selu. ValueError for
    others.

    Example:
      >>> from loopnest.nn import init
      >>> init.calculate_gain("relu") == 2 ** 0.5
      True
    """
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    if nonlinearity == "selu":
        return 0.75
    if nonlinearity not in _GAINS:
        raise ValueError(
            f"calculate_gain: expected one of {[*_GAINS, 'leaky_relu', 'selu']}, got {nonlinearity!r}"
        )
    return _GAINS[nonlinearity]


def _fans(who: str, tensor: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight (out, in, *kernel): terms of an output's sum, sums with an input."""
    if tensor.ndim < 2:
        raise ValueError(
            f"{who}: expected a tensor of at least 2 axes (out, in, ...), got shape {tuple(tensor.shape)}"
        )
    out, into, *kernel = tensor.shape
    window = math.prod(kernel)
    return into * window, out * window


def _chosen_fan(who: str, tensor: Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"{who}: expected mode 'fan_in' or 'fan_out', got {mode!r}")
    return _fans(who, tensor)[mode == "fan_out"]


def _random(generator: Any) -> np.random.Generator:
    """NumPy's generator behind a loopnest.Generator, or behind manual_seed for None."""
    if generator is None:
        return default_generator()
    inner = getattr(generator, "numpy", None)
    if not isinstance(inner, np.random.Generator):
        raise TypeError(f"expected generator to be a loopnest.Generator, got {type(generator).__name__}")
    return inner


def _fill(tensor: Tensor, values: np.ndarray | float) -> Tensor:
    memory(tensor)[...] = values
    tensor.bump_version()
    return tensor


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Numbers of the uniform distribution on [a, b).

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest.nn import init
      >>> w = init.uniform_(loopnest.tensor(np.empty((3, 5), np.float32)), -1, 1)
      >>> bool(abs(w.numpy()).max() <= 1)
      True
    """
    if not a <= b:
        raise ValueError(f"uniform_: expected a <= b, got a = {a}, b = {b}")
    return _fill(tensor, _random(generator).uniform(a, b, tuple(tensor.shape)))


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Numbers of the normal distribution. ValueError for a std below 0.

    Example:
      >>> import loopnest
      >>> from loopnest.nn import init
      >>> init.normal_(loopnest.zeros(2, 3), std=0.1).shape
      (2, 3)
    """
    if not std >= 0:
        raise ValueError(f"normal_: expected std >= 0, got {std}")
    return _fill(tensor, _random(generator).normal(mean, std, tuple(tensor.shape)))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """One value everywhere.

    Example:
      >>> import loopnest
      >>> from loopnest.nn import init
      >>> init.constant_(loopnest.zeros(2), 7.0)
      tensor([7., 7.])
    """
    return _fill(tensor, val)


def zeros_(tensor: Tensor) -> Tensor:
    """0 everywhere.

    Example:
      >>> import loopnest
      >>> from loopnest.nn import init
      >>> init.zeros_(loopnest.ones(2))
      tensor([0., 0.])
    """
    return _fill(tensor, 0.0)


def ones_(tensor: Tensor) -> Tensor:
    """1 everywhere.

    Example:
      >>> import loopnest
      >>> from loopnest.nn import init
      >>> init.ones_(loopnest.zeros(2))
      tensor([1., 1.])
    """
    return _fill(tensor, 1.0)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Uniform on +-gain sqrt(6 / (fan_in + fan_out)) (Glorot and Bengio 2010).

    ValueError for a tensor of less than 2 axes.

    Example:
      >>> import loopnest
      >>> from loopnest.nn import init
      >>> bool(init.xavier_uniform_(loopnest.zeros(4, 2)).abs().max() <= 1)
      True
    """
    bound = gain * math.sqrt(6.0 / sum(_fans("xavier_uniform_", tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Normal with standard deviation gain sqrt(2 / (fan_in + fan_out)) (Glorot and Bengio 2010).

    ValueError for a tensor of less than 2 axes.

    Example:
      >>> import loopnest
      >>> from loopnest.nn import init
      >>> 0.015 < init.xavier_normal_(loopnest.zeros(4096, 512)).std().item() < 0.025
      True
    """
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_fans("xavier_normal_", tensor))), generator)


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Uniform on +-gain sqrt(3 / fan), gain for a leaky ReLU of slope `a` (He and others 2015).

    The layers use a = sqrt(5), as PyTorch's do, which makes it +-1 / sqrt(fan_in). ValueError for less than 2
    axes, and for a mode that is neither "fan_in" nor "fan_out".

    Example:
      >>> import loopnest
      >>> from loopnest.nn import init
      >>> bool(init.kaiming_uniform_(loopnest.zeros(2, 4), a=5**0.5).abs().max() <= 0.5)
      True
    """
    fan = _chosen_fan("kaiming_uniform_", tensor, mode)
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / fan)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Normal with standard deviation gain / sqrt(fan) (He and others 2015).

    ValueError for less than 2 axes, and for a mode that is neither "fan_in" nor "fan_out".

    Example:
      >>> import loopnest
      >>> from loopnest.nn import init
      >>> 0.03 < init.kaiming_normal_(loopnest.zeros(512, 2048)).std().item() < 0.033
      True
    """
    fan = _chosen_fan("kaiming_normal_", tensor, mode)
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(fan), generator)


def orthogonal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """A random (half-)orthogonal matrix times gain; axes after the first are taken as one (Saxe and others
    2013).

    The Q of a QR factorisation of normal numbers, each column's sign set so that R's diagonal is positive.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest.nn import init
      >>> q = init.orthogonal_(loopnest.tensor(np.empty((4, 4)))).numpy()
      >>> bool(abs(q @ q.T - np.eye(4)).max() < 1e-12)
      True
    """
    if tensor.ndim < 2:
        raise ValueError(
            f"orthogonal_: expected a tensor of at least 2 axes, got shape {tuple(tensor.shape)}"
        )
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    q, r = np.linalg.qr(_random(generator).normal(size=(max(rows, columns), min(rows, columns))))
    q = q * np.sign(np.diag(r))
    return _fill(tensor, gain * (q.T if rows < columns else q).reshape(tuple(tensor.shape)))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Normal numbers, those outside [a, b] drawn again.

    Example:
      >>> import loopnest
      >>> from loopnest.nn import init
      >>> bool(abs(init.trunc_normal_(loopnest.zeros(1000)).numpy()).max() <= 2)
      True
    """
    if not a < b or std < 0 or not (mean - 8 * std <= b and a <= mean + 8 * std):
        raise ValueError(
            f"trunc_normal_: expected std >= 0 and a < b within 8 deviations of the mean, got mean {mean}, "
            f"std {std}, a {a}, b {b}"
        )
    rng = _random(generator)
    values = rng.normal(mean, std, tuple(tensor.shape))
    while (outside := (values < a) | (values > b)).any():
        values[outside] = rng.normal(mean, std, int(outside.sum()))
    return _fill(tensor, values)


def eye_(tensor: Tensor) -> Tensor:
    """Ones on the diagonal of a matrix, zeros elsewhere: a linear layer that passes on what it gets.

    Example:
      >>> import loopnest
      >>> from loopnest.nn import init
      >>> init.eye_(loopnest.zeros(2, 3)).tolist()
      [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    """
    if tensor.ndim != 2:
        raise ValueError(f"eye_: expected a tensor of 2 axes, got shape {tuple(tensor.shape)}")
    return _fill(tensor, np.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution's weight (out, in, *kernel) that passes on its input: a one in the middle of the kernel
    from channel k to channel k, of each of `groups` blocks of output channels; zeros elsewhere.

    Example:
      >>> import loopnest
      >>> from loopnest.nn import init
      >>> init.dirac_(loopnest.zeros(2, 2, 3)).tolist()
      [[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]], [[0.0, 0.0, 0.0], [0.0, 1.0, 0.0]]]
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(f"dirac_: expected a tensor of 3 to 5 axes, got shape {tuple(tensor.shape)}")
    out, into, *kernel = tensor.shape
    if groups < 1 or out % groups:
        raise ValueError(f"dirac_: expected groups that divide {out} output channels, got {groups}")
    values, middle = np.zeros(tuple(tensor.shape)), tuple(k // 2 for k in kernel)
    for first in range(0, out, max(out // groups, 1)):
        for k in range(min(out // groups, into)):
            values[(first + k, k, *middle)] = 1
    return _fill(tensor, values)


def forget_bias_(module: Module, value: float = 1.0) -> Module:
    """Let recurrent layers begin by remembering: the bias of the LSTM's forget gate, or of the GRU's update
    gate.

    In every layer and direction of `module` and of all modules in it, the gate's rows of bias_ih become
    `value` and those of bias_hh 0, so that the sum is `value` (Gers and others 2000; Jozefowicz and others
    2015 use 1).
    Both gates stand second in PyTorch's order. ValueError if there is no LSTM or GRU with biases.

    Example:
      >>> from loopnest import nn
      >>> lstm = nn.init.forget_bias_(nn.LSTM(2, 3), 1.0)
      >>> (lstm.bias_ih_l0 + lstm.bias_hh_l0)[3:6].tolist()
      [1.0, 1.0, 1.0]
    """
    found = 0
    for part in module.modules():
        for name, bias in part.named_parameters(recurse=False):
            weight = getattr(part, name.replace("bias", "weight"), None)
            if not name.startswith(("bias_ih", "bias_hh")) or weight is None:
                continue
            hidden = getattr(part, "hidden_size", 0)
            if hidden and bias.shape[0] in (3 * hidden, 4 * hidden):
                memory(bias)[hidden : 2 * hidden] = value if name.startswith("bias_ih") else 0.0
                bias.bump_version()
                found += 1
    if not found:
        raise ValueError(f"forget_bias_: there is no LSTM or GRU with biases in {type(module).__name__}")
    return module


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Normal numbers, and in each column ceil(sparsity * rows) zeros; as torch.nn.init.sparse_.

    Source: Martens, "Deep learning via Hessian-free optimization", 2010. ValueError unless the tensor has 2
    axes and 0 <= sparsity <= 1.

    Example:
      >>> import loopnest
      >>> from loopnest.nn import init
      >>> (init.sparse_(loopnest.empty(10, 3), 0.25) == 0).sum(0).tolist()
      [3, 3, 3]
    """
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: expected a tensor of 2 axes, got shape {tensor.shape}")
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: expected sparsity between 0 and 1, got {sparsity}")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    values = _random(generator).normal(0.0, std, (rows, columns))
    for column in range(columns):
        values[_random(generator).permutation(rows)[:zeros], column] = 0
    return _fill(tensor, values)
