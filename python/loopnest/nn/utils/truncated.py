"""Truncated backpropagation through time: gradients go back through some steps, the state through all."""

from collections.abc import Iterator
from typing import Any

from loopnest.engine.tape import Tensor


def detach(state: Any) -> Any:
    """The same values without their past: of a Tensor, or of tuples, lists and dicts. None stays None.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn
      >>> h = loopnest.tensor(np.ones(2), requires_grad=True) * 2
      >>> nn.utils.detach((h, None))[0].requires_grad
      False
    """
    if isinstance(state, Tensor):
        return state.detach()
    if isinstance(state, dict):
        return {name: detach(part) for name, part in state.items()}
    if isinstance(state, tuple | list):
        parts = [detach(part) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    return state


def truncated(
    layer: Any, input: Tensor, length: int, state: Any = None, batch_first: bool | None = None
) -> Iterator[tuple[slice, Tensor, Any]]:
    """Runs a recurrent layer over a long sequence in parts, cutting the gradient between them.

    Args:
      layer: called as layer(part, state) -> (output, state). input: (T, N, ...), or (N, T, ...) if
        batch_first (None: as the layer has it); LSTM, GRU and RNN also take (T, I). length: steps per part,
        at least 1; the last part may be shorter. state: before the first step.
    Yields: (which steps as a slice, the output of the part, the state behind it). Call backward() on a loss
      of the output before taking the next part: the state goes on, detached.
    Raises ValueError for a length below 1.

    Source: Williams and Peng, "An efficient gradient-based algorithm for on-line training of recurrent
    network trajectories", Neural Computation 2(4), 1990.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn, optim
      >>> lstm, x = nn.LSTM(3, 4), loopnest.tensor(np.ones((10, 2, 3), np.float32))
      >>> sgd = optim.SGD(lstm.parameters(), lr=0.1)
      >>> for steps, output, state in nn.utils.truncated(lstm, x, 4):
      ...     sgd.zero_grad()
      ...     output.sum().backward()
      ...     sgd.step()
      ...     print(steps.start, steps.stop)
      0 4
      4 8
      8 10
    """
    if length < 1:
        raise ValueError(f"truncated: expected a length of at least 1 step, got {length}")
    from loopnest.nn.rnn import RNNBase  # which imports the package that this is in

    first = bool(getattr(layer, "batch_first", False)) if batch_first is None else batch_first
    if input.ndim == 2 and isinstance(layer, RNNBase):
        first = False  # (T, I): no batch that could be first
    axis = 1 if first else 0
    for start in range(0, input.shape[axis], length):
        steps = slice(start, min(start + length, input.shape[axis]))
        part = input[:, steps] if first else input[steps]
        output, state = layer(part, detach(state))
        yield steps, output, state
