"""Methods that change their tensor, made of functions that give a new one: names that end in _.

They are recorded on the tape where it sees the tensor, otherwise they change its memory; the dtype stays.
Those of the engine itself, add_ and the like, and of the files whose functions they go with are not here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loopnest.engine import tape, tensor_ops
from loopnest.engine.tape import Tensor
from loopnest.functions import pointwise
from loopnest.functions.compositions import addmm, cumprod, in_place, nan_to_num

# name without its _ -> (function, the example's tensor, its arguments, the result)
METHODS: dict[str, tuple[Callable[..., Any], str, str, str]] = {
    "addmm": (
        addmm,
        "loopnest.ones(2, 2)",
        "loopnest.eye(2), loopnest.eye(2)",
        "[[2., 1.],\n        [1., 2.]]",
    ),
    "bitwise_and": (pointwise.bitwise_and, "loopnest.tensor([12])", "10", "[8]"),
    "bitwise_left_shift": (pointwise.bitwise_left_shift, "loopnest.tensor([3])", "2", "[12]"),
    "bitwise_not": (pointwise.bitwise_not, "loopnest.tensor([0, 5])", "", "[-1, -6]"),
    "bitwise_or": (pointwise.bitwise_or, "loopnest.tensor([12])", "10", "[14]"),
    "bitwise_right_shift": (pointwise.bitwise_right_shift, "loopnest.tensor([12])", "2", "[3]"),
    "bitwise_xor": (pointwise.bitwise_xor, "loopnest.tensor([12])", "10", "[6]"),
    "ceil": (tensor_ops.ceil, "loopnest.tensor([0.5, 1.5])", "", "[1., 2.]"),
    "cos": (tensor_ops.cos, "loopnest.zeros(2)", "", "[1., 1.]"),
    "cumprod": (cumprod, "loopnest.tensor([2.0, 3.0])", "0", "[2., 6.]"),
    "cumsum": (tensor_ops.cumsum, "loopnest.ones(3)", "0", "[1., 2., 3.]"),
    "expm1": (tensor_ops.expm1, "loopnest.zeros(2)", "", "[0., 0.]"),
    "float_power": (pointwise.float_power, "loopnest.ones(1).double()", "2", "[1.], dtype=float64"),
    "floor": (tensor_ops.floor, "loopnest.tensor([0.5, 1.5])", "", "[0., 1.]"),
    "floor_divide": (pointwise.floor_divide, "loopnest.tensor([-7, 7])", "2", "[-4,  3]"),
    "fmod": (pointwise.fmod, "loopnest.tensor([-7, 7])", "3", "[-1,  1]"),
    "ldexp": (pointwise.ldexp, "loopnest.ones(2)", "3", "[8., 8.]"),
    "log10": (tensor_ops.log10, "loopnest.tensor([1.0, 10.0])", "", "[0., 1.]"),
    "log1p": (tensor_ops.log1p, "loopnest.zeros(2)", "", "[0., 0.]"),
    "log2": (tensor_ops.log2, "loopnest.tensor([1.0, 8.0])", "", "[0., 3.]"),
    "logical_and": (tensor_ops.logical_and, "loopnest.tensor([0.0, 2.0])", "loopnest.ones(2)", "[0., 1.]"),
    "logical_not": (tensor_ops.logical_not, "loopnest.tensor([0.0, 2.0])", "", "[1., 0.]"),
    "logical_or": (tensor_ops.logical_or, "loopnest.tensor([0.0, 2.0])", "loopnest.zeros(2)", "[0., 1.]"),
    "logical_xor": (tensor_ops.logical_xor, "loopnest.tensor([0.0, 2.0])", "loopnest.ones(2)", "[1., 0.]"),
    "logit": (pointwise.logit, "loopnest.tensor([0.5, 0.75])", "", "[0.0000, 1.0986]"),
    "nan_to_num": (nan_to_num, 'loopnest.tensor([float("nan"), 1.0])', "", "[0., 1.]"),
    "reciprocal": (tensor_ops.reciprocal, "loopnest.tensor([1.0, 4.0])", "", "[1.0000, 0.2500]"),
    "remainder": (pointwise.remainder, "loopnest.tensor([-7, 7])", "3", "[2, 1]"),
    "round": (tensor_ops.round_, "loopnest.tensor([0.6, 1.5])", "", "[1., 2.]"),
    "rsqrt": (tensor_ops.rsqrt, "loopnest.tensor([1.0, 4.0])", "", "[1.0000, 0.5000]"),
    "sign": (tensor_ops.sign, "loopnest.tensor([-3.0, 2.0])", "", "[-1.,  1.]"),
    "sin": (tensor_ops.sin, "loopnest.zeros(2)", "", "[0., 0.]"),
    "square": (Tensor.square, "loopnest.tensor([2.0, 3.0])", "", "[4., 9.]"),
    "tril": (tensor_ops.tril, "loopnest.ones(2, 2)", "", "[[1., 0.],\n        [1., 1.]]"),
    "triu": (tensor_ops.triu, "loopnest.ones(2, 2)", "", "[[1., 1.],\n        [0., 1.]]"),
    "trunc": (tensor_ops.trunc, "loopnest.tensor([-1.5, 1.5])", "", "[-1.,  1.]"),
    "xlogy": (pointwise.xlogy, "loopnest.zeros(2)", "loopnest.zeros(2)", "[0., 0.]"),
    **{
        name: (getattr(Tensor, name), "loopnest.tensor([1, 2, 3])", "2", result)
        for name, result in (
            ("eq", "[0, 1, 0]"),
            ("ne", "[1, 0, 1]"),
            ("lt", "[1, 0, 0]"),
            ("le", "[1, 1, 0]"),
            ("gt", "[0, 0, 1]"),
            ("ge", "[0, 1, 1]"),
        )
    },
    **{
        name: (getattr(pointwise, name), f"loopnest.tensor([{given}]).float()", "", f"[{result}]")
        for name, (_, given, result, _, _) in pointwise.ONE.items()
    },
    **{
        name: (
            getattr(pointwise, name),
            f"loopnest.tensor([{given}])",
            f"loopnest.tensor([{other}])",
            f"[{result}]",
        )
        for name, (_, given, other, result, _, _, _) in pointwise.TWO.items()
        if name in ("atan2", "hypot", "copysign", "heaviside", "nextafter", "gcd", "lcm")
    },
}

# PyTorch's other names for them: of methods here, and of the engine's.
OTHER_NAMES = {
    **{f"arc{name}": f"a{name}" for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "tan2")},
    **{"less": "lt", "less_equal": "le", "greater": "gt", "greater_equal": "ge", "not_equal": "ne"},
    **{"absolute": "abs", "negative": "neg", "multiply": "mul", "subtract": "sub", "fix": "trunc"},
    **{"divide": "div", "true_divide": "div", "sgn": "sign"},
}


def _methods() -> dict[str, Callable[..., Any]]:
    made: dict[str, Callable[..., Any]] = {}
    for name, (function, tensor, arguments, result) in METHODS.items():
        result = result.replace("\n", "\n      ")
        made[f"{name}_"] = in_place(f"{name}_", function, f"{tensor}.{name}_({arguments})", result)
    for other, name in OTHER_NAMES.items():
        made[f"{other}_"] = made[f"{name}_"] if f"{name}_" in made else getattr(Tensor, f"{name}_")
    return made


def _divided(self: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Divides by other in place; rounding_mode as for div. Returns self.

    Example:
      >>> import loopnest
      >>> loopnest.tensor([-7.0, 7.0]).div_(2, rounding_mode="floor")
      tensor([-4.,  3.])
    """
    if rounding_mode is None:
        return _divide_in_place(self, other)
    return tape.become(self, pointwise.div(self, other, rounding_mode=rounding_mode))


_divide_in_place: Any = Tensor.div_
tensor_ops.attach(div_=_divided)
tensor_ops.attach(**_methods())
