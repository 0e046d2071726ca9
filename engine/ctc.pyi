"""Types of loopnest.engine.ctc, for type checkers; the module itself is Cython."""

from typing import Any

from .tape import Tensor

def ctc_loss(
    log_probs: Tensor,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Tensor: ...
def greedy(log_probs: Any, input_lengths: Any = None, blank: int = 0) -> list[list[int]]: ...
def beam_search(
    log_probs: Any,
    input_lengths: Any = None,
    blank: int = 0,
    beam_width: int = 16,
    n_best: int = 1,
    cutoff_top_n: int = 40,
) -> list[list[tuple[list[int], float]]]: ...
