"""Types of loopnest.engine.recurrent, for type checkers; the module itself is Cython."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .tape import Tensor

KINDS: dict[str, int]

def lstm(
    input: Tensor,
    hx: Sequence[Tensor] | None,
    params: Sequence[Tensor | None],
    has_biases: bool = True,
    num_layers: int = 1,
    dropout: float = 0.0,
    train: bool = False,
    bidirectional: bool = False,
    batch_first: bool = False,
    lengths: NDArray[np.int64] | None = None,
) -> tuple[Tensor, Tensor, Tensor]: ...
def recurrent(
    kind: str,
    input: Tensor,
    h_0: Tensor | None,
    params: Sequence[Tensor | None],
    has_biases: bool = True,
    num_layers: int = 1,
    dropout: float = 0.0,
    train: bool = False,
    bidirectional: bool = False,
    batch_first: bool = False,
    lengths: NDArray[np.int64] | None = None,
) -> tuple[Tensor, Tensor]: ...
