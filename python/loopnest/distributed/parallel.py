"""DistributedDataParallel: the same model on every rank, trained on all ranks' samples at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from loopnest import nn
from loopnest.distributed import shard
from loopnest.distributed.check import copy_from_first, same_everywhere
from loopnest.distributed.group import current
from loopnest.distributed.reducer import Reducer
from loopnest.engine.tape import is_grad_enabled


class DistributedDataParallel(nn.Module):
    """Wraps a model: after `loss.backward()` every gradient is the mean over the samples of all ranks.

    Rank 0's parameters and buffers are copied to the others at the start. Gradients are summed in buckets
    while backward goes on, in a fixed order: all ranks get the same bits, and so does the same job run twice.
    Each rank's gradients (of a loss that is a mean) are weighted by its number of samples if batches come
    from `shard(loader)`, by what `set_weight` was told, or equally, as PyTorch does.

    Running statistics of batch norms are rank 0's, as in PyTorch: its buffers are copied to all ranks before
    each forward pass in training mode. Means and variances that normalise a batch are those of the rank's
    own samples.

    Args:
      module: the model; the wrapper holds it as `.module`, so names in state_dict begin with "module.".
      bucket_cap_mb: how large the buckets of gradients may become, in 2^20 bytes. PyTorch's default is 25.
      broadcast_buffers: whether buffers are rank 0's.

    Raises ValueError if names, shapes, dtypes or the number of parameters or buffers differ from rank 0's,
    RuntimeError without a process group.

    Example, with `mpiexec -n 4 python train.py`; the three lines are marked:

        distributed.init_process_group()                        # 1
        model = distributed.DistributedDataParallel(model)      # 2
        loader = distributed.shard(loader)                      # 3
        for epoch in range(epochs):
            for x, y in loader:
                optimizer.zero_grad()
                loss = cross_entropy(model(x), y)
                loss.backward()
                optimizer.step()
    """

    def __init__(self, module: nn.Module, bucket_cap_mb: float = 1.0, broadcast_buffers: bool = True) -> None:
        super().__init__()
        group = current()
        same_everywhere(group, "parameter", module.named_parameters())
        same_everywhere(group, "buffer", module.named_buffers())
        copy_from_first(group, [*module.parameters(), *module.buffers()])
        self.module = module
        self.broadcast_buffers = broadcast_buffers
        self._group = group
        self._reducer = Reducer(group, list(module.parameters()), bucket_cap_mb)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        if self.training and is_grad_enabled() and self._reducer.active:
            self._reducer.weight = shard.weight()
            if self.broadcast_buffers and self._group.size > 1:
                copy_from_first(self._group, self.module.buffers())
        return self.module(*args, **kwargs)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Backward passes inside leave their gradients on this rank; the next one outside sums them all."""
        before, self._reducer.active = self._reducer.active, False
        try:
            yield
        finally:
            self._reducer.active = before
