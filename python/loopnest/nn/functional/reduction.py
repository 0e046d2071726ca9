"""What every loss does in the end: one number of many, as its `reduction` says."""

from typing import Any

from loopnest.engine.tape import Tensor

REDUCTIONS = ("none", "mean", "sum")


def known(who: str, reduction: Any, size_average: None = None, reduce: None = None) -> str:
    """The reduction, if it is one of the three and not told in PyTorch's older spelling; or ValueError."""
    if size_average is not None or reduce is not None:
        raise ValueError(f"{who}: size_average and reduce are not supported; use reduction")
    if reduction not in REDUCTIONS:
        raise ValueError(f"{who}: expected reduction 'none', 'mean' or 'sum', got {reduction!r}")
    return str(reduction)


def reduced(each: Tensor, reduction: str) -> Tensor:
    """The losses of all elements as they are, their mean or their sum."""
    return each if reduction == "none" else each.sum() if reduction == "sum" else each.mean()


def floats(who: str, **tensors: Any) -> None:
    """TypeError unless all are Tensors of float32 or float64."""
    for name, t in tensors.items():
        if not isinstance(t, Tensor):
            raise TypeError(f"{who}: expected {name} to be a Tensor, got {type(t).__name__}")
        if t.dtype.kind != "f":
            raise TypeError(f"{who}: expected {name} of float32 or float64, got {t.dtype}")
