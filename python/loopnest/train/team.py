"""What a Trainer does differently when several ranks train together (loopnest.distributed).

All ranks run the same Trainer. Each computes the gradients of its part of every batch; what is written or
shown is rank 0's, and so is what is decided: the order of samples, validation, when to save, when to stop.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from loopnest.distributed.check import copy_from_first, same_everywhere
from loopnest.distributed.group import Group
from loopnest.distributed.reducer import Reducer
from loopnest.distributed.shard import Sharded, Split
from loopnest.engine.tape import Tensor, default_generator
from loopnest.train import checkpoint as files


class Team:
    """The ranks that train one model.

    Raises ValueError if parameters or buffers differ between ranks in number, name, shape or dtype.
    """

    def __init__(self, group: Group, model: Any, split: Split | None) -> None:
        self.group, self.model, self.split = group, model, split
        self.first = group.rank == 0
        same_everywhere(group, "parameter", model.named_parameters())
        same_everywhere(group, "buffer", model.named_buffers())
        copy_from_first(group, [*model.parameters(), *model.buffers()])
        self.reducer = Reducer(group, list(model.parameters()))
        self.part_random()

    def part_random(self) -> None:
        """Random numbers (dropout) go on from rank 0's, but are not the same on any two ranks."""
        state = self.group.broadcast_value(default_generator().bit_generator.state)
        if not self.first:
            theirs = np.random.PCG64()
            theirs.state = state
            default_generator().bit_generator.state = theirs.jumped(self.group.rank).state

    def loader(self, loader: Iterable[Any]) -> Sharded:
        """This rank's part of every batch; `gradients` goes by its number of samples."""
        self.batches = Sharded(self.group, loader, self.split)
        return self.batches

    def gradients(
        self, loss: Callable[[Any, Any], Tensor], batch: Any, weight: float | None, save: bool
    ) -> tuple[float, bool]:
        """Forward and backward on this rank's part of a batch.

        Args:
          weight: how many terms this rank's loss is a mean of; None: as many as it has samples.
          save: does this rank want a checkpoint after this step? Rank 0's wish counts.

        Returns the mean loss over all ranks, and whether to save.
        """
        value, samples = 0.0, self.batches.samples
        self.reducer.weight = float(samples if weight is None or not samples else weight)
        if self.reducer.weight:
            result = loss(self.model, batch)
            value = result.item()
            self.reducer.note = value, float(save)
            if math.isfinite(value):
                result.backward()
            else:
                self.reducer.finish()  # as without a gradient; all ranks are about to hear of it
        else:
            self.reducer.note = value, float(save)
            self.reducer.finish()
        weights, losses = self.reducer.weights, self.reducer.notes[:, 0]
        counted = weights > 0
        mean = float(np.sum(weights[counted] * losses[counted]) / np.sum(weights))
        return mean, bool(self.reducer.notes[0, 1])

    def buffers(self) -> None:
        """Running statistics are rank 0's, as in PyTorch; needed only before they are used or written."""
        copy_from_first(self.group, self.model.buffers())

    def agree(self, value: Any) -> Any:
        """Rank 0's value (fit for JSON)."""
        return self.group.broadcast_value(value if self.first else None)

    def every(self, value: Any) -> list[Any]:
        """The values (as checkpoints hold them) of all ranks, on rank 0."""
        return [files.loads(each) for each in self.group.gather_bytes(files.dumps(value))]

    def file(self, path: Path) -> Any:
        """Rank 0's checkpoint, on every rank; None if there is none."""
        if not self.agree(path.is_file()):
            return None
        return files.loads(self.group.broadcast_bytes(path.read_bytes() if self.first else None), str(path))

    def close(self) -> None:
        self.reducer.close()
