"""Activations; names, arguments and defaults as PyTorch's."""

from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor
from loopnest.nn import functional
from loopnest.nn._check import check_device, flag, float_dtype, integer, number
from loopnest.nn.module import Module
from loopnest.nn.parameter import Parameter


def _finite(who: str, name: str, value: Any) -> float:
    return number(who, name, value, lambda v: v == v, "to be a number")


class ReLU(Module):
    """max(x, 0), any shape. `inplace` is accepted; the result is always a new tensor.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.ReLU()(loopnest.tensor(np.array([-1.0, 2.0]))).numpy().tolist()
      [0.0, 2.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = flag("ReLU", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.relu(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class Tanh(Module):
    """The hyperbolic tangent, any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Tanh()(loopnest.tensor(np.zeros(2))).numpy().tolist()
      [0.0, 0.0]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.tanh(input)


class Sigmoid(Module):
    """1 / (1 + exp(-x)), any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Sigmoid()(loopnest.tensor(np.zeros(2))).numpy().tolist()
      [0.5, 0.5]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.sigmoid(input)


class ReLU6(Module):
    """min(max(x, 0), 6), any shape. `inplace` is accepted; the result is always a new tensor.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.ReLU6()(loopnest.tensor(np.array([-1.0, 2.0, 9.0]))).numpy().round(4).tolist()
      [0.0, 2.0, 6.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = flag("ReLU6", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.relu6(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class LeakyReLU(Module):
    """x for x > 0, negative_slope * x elsewhere; any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.LeakyReLU(0.5)(loopnest.tensor(np.array([-2.0, 3.0]))).numpy().round(4).tolist()
      [-1.0, 3.0]
    """

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = number(
            "LeakyReLU", "negative_slope", negative_slope, lambda v: v == v, "to be a number"
        )
        self.inplace = flag("LeakyReLU", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.leaky_relu(input, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class ELU(Module):
    """x for x > 0, alpha * (exp(x) - 1) elsewhere; any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.ELU()(loopnest.tensor(np.array([-1.0, 3.0]))).numpy().round(4).tolist()
      [-0.6321, 3.0]
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = _finite("ELU", "alpha", alpha)
        self.inplace = flag("ELU", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.elu(input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class SELU(Module):
    """1.0507 * ELU with alpha = 1.6733; any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.SELU()(loopnest.tensor(np.array([-1.0, 1.0]))).numpy().round(4).tolist()
      [-1.1113, 1.0507]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = flag("SELU", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.selu(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class CELU(Module):
    """x for x > 0, alpha * (exp(x / alpha) - 1) elsewhere; any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.CELU(2.0)(loopnest.tensor(np.array([-2.0, 3.0]))).numpy().round(4).tolist()
      [-1.2642, 3.0]
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = _finite("CELU", "alpha", alpha)
        self.inplace = flag("CELU", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.celu(input, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class SiLU(Module):
    """x * sigmoid(x), any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.SiLU()(loopnest.tensor(np.array([0.0, 1.0]))).numpy().round(4).tolist()
      [0.0, 0.7311]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = flag("SiLU", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.silu(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class GELU(Module):
    """x * Phi(x), Phi being the normal distribution, any shape. approximate: "none" or "tanh".

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.GELU()(loopnest.tensor(np.array([-1.0, 1.0]))).numpy().round(4).tolist()
      [-0.1587, 0.8413]
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate
        if approximate not in ("none", "tanh"):
            raise ValueError(f"GELU: expected approximate to be 'none' or 'tanh', got {approximate!r}")

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.gelu(input, self.approximate)

    def extra_repr(self) -> str:
        return f"approximate={self.approximate!r}"


class Softplus(Module):
    """log(1 + exp(beta * x)) / beta, and x itself where beta * x > threshold; any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Softplus()(loopnest.tensor(np.array([0.0, 30.0]))).numpy().round(4).tolist()
      [0.6931, 30.0]
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = _finite("Softplus", "beta", beta)
        self.threshold = _finite("Softplus", "threshold", threshold)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta}, threshold={self.threshold}"


class Hardtanh(Module):
    """x kept within [min_val, max_val]; any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Hardtanh()(loopnest.tensor(np.array([-3.0, 0.5]))).numpy().round(4).tolist()
      [-1.0, 0.5]
    """

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: None = None,
        max_value: None = None,
    ) -> None:
        super().__init__()
        if min_value is not None or max_value is not None:
            raise ValueError("Hardtanh: min_value and max_value are not supported; use min_val and max_val")
        self.min_val = _finite("Hardtanh", "min_val", min_val)
        self.max_val = _finite("Hardtanh", "max_val", max_val)
        self.inplace = flag("Hardtanh", "inplace", inplace)
        if not self.min_val < self.max_val:
            raise ValueError(f"Hardtanh: expected min_val below max_val, got {min_val} and {max_val}")

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.hardtanh(input, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}" + (", inplace=True" if self.inplace else "")


class Hardswish(Module):
    """x * relu6(x + 3) / 6, any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Hardswish()(loopnest.tensor(np.array([0.0, 3.0]))).numpy().round(4).tolist()
      [0.0, 3.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = flag("Hardswish", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.hardswish(input)


class Hardsigmoid(Module):
    """relu6(x + 3) / 6, any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Hardsigmoid()(loopnest.tensor(np.array([0.0, 3.0]))).numpy().round(4).tolist()
      [0.5, 1.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = flag("Hardsigmoid", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.hardsigmoid(input)


class Mish(Module):
    """x * tanh(softplus(x)), any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Mish()(loopnest.tensor(np.array([0.0, 1.0]))).numpy().round(4).tolist()
      [0.0, 0.8651]
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = flag("Mish", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.mish(input)

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


class LogSigmoid(Module):
    """log(sigmoid(x)), any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.LogSigmoid()(loopnest.tensor(np.array([-1000.0, 0.0]))).numpy().round(4).tolist()
      [-1000.0, -0.6931]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.logsigmoid(input)


class Softsign(Module):
    """x / (1 + |x|), any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Softsign()(loopnest.tensor(np.array([-1.0, 3.0]))).numpy().round(4).tolist()
      [-0.5, 0.75]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.softsign(input)


class Tanhshrink(Module):
    """x - tanh(x), any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Tanhshrink()(loopnest.tensor(np.array([0.0, 1.0]))).numpy().round(4).tolist()
      [0.0, 0.2384]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.tanhshrink(input)


class Hardshrink(Module):
    """x where |x| > lambd, otherwise 0; any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Hardshrink()(loopnest.tensor(np.array([-0.25, 1.0]))).numpy().round(4).tolist()
      [0.0, 1.0]
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = _finite("Hardshrink", "lambd", lambd)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Softshrink(Module):
    """x moved towards 0 by lambd, 0 where |x| <= lambd; any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Softshrink()(loopnest.tensor(np.array([0.25, 1.0]))).numpy().round(4).tolist()
      [0.0, 0.5]
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = _finite("Softshrink", "lambd", lambd)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return f"{self.lambd}"


class Threshold(Module):
    """x where x > threshold, otherwise value; any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Threshold(0.5, 7.0)(loopnest.tensor(np.array([-1.0, 2.0]))).numpy().round(4).tolist()
      [7.0, 2.0]
    """

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = _finite("Threshold", "threshold", threshold)
        self.value = _finite("Threshold", "value", value)
        self.inplace = flag("Threshold", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.threshold(input, self.threshold, self.value)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold}, value={self.value}" + (", inplace=True" if self.inplace else "")


class RReLU(Module):
    """Leaky ReLU with a random slope in training, the mean of lower and upper in eval(); any shape.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.RReLU(0.25, 0.75).eval()(loopnest.tensor(np.array([-2.0, 3.0]))).numpy().round(4).tolist()
      [-1.0, 3.0]
    """

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, inplace: bool = False) -> None:
        super().__init__()
        self.lower = _finite("RReLU", "lower", lower)
        self.upper = _finite("RReLU", "upper", upper)
        self.inplace = flag("RReLU", "inplace", inplace)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.rrelu(input, self.lower, self.upper, self.training)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}" + (", inplace=True" if self.inplace else "")


class GLU(Module):
    """a * sigmoid(b), a and b being the halves of the input along dim.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.GLU()(loopnest.tensor(np.array([4.0, 0.0]))).numpy().round(4).tolist()
      [2.0]
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.glu(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax(Module):
    """exp(x) / sum of exp(x) along dim.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Softmax(0)(loopnest.tensor(np.array([0.0, 0.0]))).numpy().round(4).tolist()
      [0.5, 0.5]
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class LogSoftmax(Module):
    """log(softmax(x)) along dim.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.LogSoftmax(0)(loopnest.tensor(np.array([0.0, 0.0]))).numpy().round(4).tolist()
      [-0.6931, -0.6931]
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.log_softmax(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmin(Module):
    """softmax(-x) along dim.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Softmin(0)(loopnest.tensor(np.array([0.0, 0.0]))).numpy().round(4).tolist()
      [0.5, 0.5]
    """

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.softmin(input, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim}"


class Softmax2d(Module):
    """softmax over the channels of (N, C, H, W) or (C, H, W), for each pixel.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.Softmax2d()(loopnest.tensor(np.array([[[0.0]], [[0.0]]]))).numpy().round(4).tolist()
      [[[0.5]], [[0.5]]]
    """

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input of 3 or 4 axes, got {input.shape}")
        return functional.softmax(input, -3)


class PReLU(Module):
    """x for x > 0, weight * x elsewhere; weight is learnt: one number, or one for each channel (axis 1).

    Arguments, initial value and key as torch.nn.PReLU.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> nn.PReLU()(loopnest.tensor(np.array([-2.0, 3.0], np.float32))).detach().numpy().tolist()
      [-0.5, 3.0]
    """

    weight: Parameter

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = integer("PReLU", "num_parameters", num_parameters)
        self.init = _finite("PReLU", "init", init)
        check_device("PReLU", device)
        self.weight = Parameter(np.full(self.num_parameters, self.init, float_dtype("PReLU", dtype)))

    def reset_parameters(self) -> None:
        """The initial slope."""
        self.weight.data.fill_(self.init)

    def forward(self, input: Tensor) -> Tensor:
        """Any shape -> the same shape."""
        return functional.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"
