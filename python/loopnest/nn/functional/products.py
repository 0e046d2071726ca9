"""bilinear as a function, under torch.nn.functional's name."""

from __future__ import annotations

from loopnest.engine import tape
from loopnest.engine.tape import Tensor


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y[..., o] = sum over i, j of input1[..., i] weight[o, i, j] input2[..., j] + bias[o], as
    torch.nn.functional.bilinear.

    Args: input1 (..., I); input2 (..., J), the same leading axes; weight (O, I, J); bias (O,) or None.

    Returns (..., O). The products of all pairs are made first, (..., I * J), and then one matrix product.

    Example:
      >>> import numpy as np, loopnest
      >>> import loopnest.nn.functional as F
      >>> x, y = loopnest.tensor([[1.0, 2.0]]), loopnest.tensor([[3.0, 4.0, 5.0]])
      >>> F.bilinear(x, y, loopnest.ones(1, 2, 3)).tolist()
      [[36.0]]
    """
    if weight.ndim != 3:
        raise ValueError(f"bilinear: expected weight of shape (O, I, J), got {weight.shape}")
    out, first, second = weight.shape
    rest = input1.shape[:-1]
    if input1.shape != (*rest, first) or input2.shape != (*rest, second):
        raise ValueError(
            f"bilinear: expected inputs (..., {first}) and (..., {second}) for weight {weight.shape}, got "
            f"{input1.shape} and {input2.shape}"
        )
    pairs = tape.unsqueeze(input1, -1) * tape.unsqueeze(input2, -2)
    pairs = tape.reshape(pairs, (*rest, first * second))
    return tape.linear(pairs, tape.reshape(weight, (out, first * second)), bias)
