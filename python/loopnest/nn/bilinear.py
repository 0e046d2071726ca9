"""Bilinear: products of two inputs' features, weighted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from loopnest.engine.tape import Tensor
from loopnest.nn import functional, init
from loopnest.nn._check import check_device, flag, float_dtype, integer
from loopnest.nn.module import Module
from loopnest.nn.parameter import Parameter


class Bilinear(Module):
    """y[o] = x1^T weight[o] x2 + bias[o]; arguments and weights as torch.nn.Bilinear.

    Shapes: inputs (..., in1_features) and (..., in2_features); weight (out_features, in1_features,
    in2_features); bias (out_features,); output (..., out_features). Weight and bias start uniform on
    +-1 / sqrt(in1_features), as PyTorch's.

    Example:
      >>> import loopnest
      >>> from loopnest import nn
      >>> nn.Bilinear(4, 3, 5)(loopnest.ones(2, 4), loopnest.ones(2, 3)).shape
      (2, 5)
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in1_features = integer("Bilinear", "in1_features", in1_features)
        self.in2_features = integer("Bilinear", "in2_features", in2_features)
        self.out_features = integer("Bilinear", "out_features", out_features)
        check_device("Bilinear", device)
        kind = float_dtype("Bilinear", dtype)
        shape = (self.out_features, self.in1_features, self.in2_features)
        self.weight = Parameter(np.empty(shape, kind))
        given = flag("Bilinear", "bias", bias)
        self.register_parameter("bias", Parameter(np.empty(self.out_features, kind)) if given else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """New random weights."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """(..., in1_features), (..., in2_features) -> (..., out_features)."""
        return functional.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
