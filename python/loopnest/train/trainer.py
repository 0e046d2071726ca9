"""Trainer: the plain loop with what one forgets around it: checkpoints, clipping, schedules, a log."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from loopnest import distributed
from loopnest.distributed.group import current
from loopnest.distributed.shard import Sharded
from loopnest.engine.tape import Tensor, default_generator, no_grad
from loopnest.nn.utils import clip_grad_norm_, clip_grad_value_
from loopnest.train import checkpoint as files
from loopnest.train.callbacks import Callback
from loopnest.train.team import Team


class Trainer:
    """Runs epochs of a loader through a loss and an optimizer.

    This is the loop, and a Trainer adds nothing to its results:

        for epoch in range(epochs):
            for batch in loader:
                optimizer.zero_grad()
                loss = loss_of(model, batch)
                loss.backward()
                optimizer.step()

    After `loopnest.distributed.init_process_group()` all ranks train together: the same steps, each rank with
    its part of every batch, gradients and loss the mean over all samples. Rank 0 validates, writes and shows.

    Args:
      model: an nn.Module; it is put into training mode for every epoch.
      optimizer: of loopnest.optim.
      loss: a function (model, batch) -> Tensor of one number.
      scheduler: of loopnest.optim.lr_scheduler; stepped after every epoch, or step with `schedule="step"`.
      clip_norm, clip_value: clip the gradients' norm over all parameters, or each element.
      checkpoint: a file; written after every epoch and within one every `checkpoint_seconds`. It holds
        weights, optimizer, schedule, random states, place in the epoch and history:
        `fit(..., resume=True)` goes on with the same losses, bit for bit.
      callbacks: loopnest.train.Callback objects.
      clock: what `seconds` of the history are read from. time.process_time counts the CPU's seconds of this
        process: other work on the machine stretches them little, but with several threads it adds up all.
      split, weigh: for several ranks. split(batch, rank, ranks) -> (its part, number of samples) says how a
        batch is shared out where `distributed.shard` cannot know it; weigh(batch) -> number says of how many
        terms the loss is a mean, where that is not the number of samples but, say, of words.

    Attributes:
      history: one dict per epoch: epoch, step, loss (mean over its steps), seconds (training alone), and what
        `validate` returned.

    Example:
      >>> import numpy as np, loopnest
      >>> from loopnest import nn, optim
      >>> from loopnest.data import DataLoader, TensorDataset
      >>> from loopnest.train import Trainer
      >>> model = nn.Linear(1, 1)
      >>> x = np.arange(8, dtype=np.float32)[:, None] / 8
      >>> loader = DataLoader(TensorDataset(x, 3 * x), batch_size=4, shuffle=True)
      >>> def loss(model, batch):
      ...     x, y = batch
      ...     return ((model(x) - y) ** 2).mean()
      >>> trainer = Trainer(model, optim.SGD(model.parameters(), lr=0.5), loss)
      >>> history = trainer.fit(loader, epochs=20)
      >>> history[-1]["loss"] < history[0]["loss"]
      True
    """

    def __init__(
        self,
        model: Any,
        optimizer: Any,
        loss: Callable[[Any, Any], Tensor],
        *,
        scheduler: Any = None,
        schedule: str = "epoch",
        clip_norm: float | None = None,
        clip_value: float | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_seconds: float = 30.0,
        callbacks: Sequence[Callback] = (),
        clock: Callable[[], float] = time.perf_counter,
        split: Callable[[Any, int, int], tuple[Any, int]] | None = None,
        weigh: Callable[[Any], float] | None = None,
    ) -> None:
        if schedule not in ("epoch", "step"):
            raise ValueError(f'Trainer: expected schedule "epoch" or "step", got {schedule!r}')
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.scheduler, self.schedule = scheduler, schedule
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.checkpoint_seconds = checkpoint_seconds
        self.callbacks = list(callbacks)
        self.clock = clock
        self.split, self.weigh = split, weigh
        self.team: Team | None = None  # while fit runs on several ranks
        self.history: list[dict[str, Any]] = []
        self.step_count = 0  # of all epochs
        self.total_steps: int | None = None
        self.stop = False
        self._sum, self._seen = 0.0, 0  # losses of this epoch so far, and how many
        self._seconds = 0.0
        self._due = False  # a checkpoint is to be written after this step

    @property
    def seconds(self) -> float:
        """Seconds of training so far, validation left out."""
        return sum(record["seconds"] for record in self.history)

    def fit(
        self,
        loader: Iterable[Any],
        epochs: int = 1,
        *,
        validate: Callable[[Any], dict[str, float]] | None = None,
        resume: bool = False,
    ) -> list[dict[str, Any]]:
        """Train until `epochs` epochs are done in all, those of earlier calls counted; returns the history.

        Args:
          loader: iterated once per epoch. For resuming within an epoch it needs DataLoader's state_dict.
          validate: called after every epoch with the model in evaluation mode and no gradients recorded; its
            figures go into the history.
          resume: go on from the checkpoint if there is one.

        Raises ValueError for a loss that is not a finite number.
        """
        if distributed.get_world_size() > 1:
            self.team = Team(current(), self.model, self.split)
            loader = self.team.loader(loader)
        try:
            self._fit(loader, epochs, validate, resume)
        finally:
            if self.team is not None:
                self.team.close()
                self.team = None
        return self.history

    def _fit(self, loader: Any, epochs: int, validate: Any, resume: bool) -> None:
        self.stop = False  # what ended an earlier fit does not end this one; a checkpoint may say otherwise
        if resume and self.checkpoint is not None:
            state = self._read(self.checkpoint)
            if state is not None:
                self._restore(state, loader)
        try:
            self.total_steps = epochs * len(loader)
        except TypeError:  # a stream
            self.total_steps = None
        callbacks = self._present()
        for callback in callbacks:
            callback.begin(self)
        try:
            while not self.stop and len(self.history) < epochs:
                self._epoch(loader, validate)
        finally:
            for callback in callbacks:
                callback.end(self)

    @property
    def first(self) -> bool:
        """Is this the rank that writes and shows? True on a single one."""
        return self.team is None or self.team.first

    def _present(self) -> list[Callback]:
        """The callbacks that run on this rank."""
        return [callback for callback in self.callbacks if self.first or not callback.first_rank_only]

    def _epoch(self, loader: Iterable[Any], validate: Callable[[Any], dict[str, float]] | None) -> None:
        self.model.train()
        start, saved = self.clock(), time.perf_counter()
        for batch in loader:
            self._due = self.checkpoint is not None and time.perf_counter() - saved > self.checkpoint_seconds
            self._step(batch)
            if self._due:
                self._seconds += self.clock() - start
                if hasattr(_plain(loader), "state_dict"):
                    self._save(loader)
                start, saved = self.clock(), time.perf_counter()
        if self.team is not None:
            self.team.reducer.end()
        if self._seen == 0:
            raise ValueError("Trainer: the loader gave no batch")
        record: dict[str, Any] = {
            "epoch": len(self.history) + 1,
            "step": self.step_count,
            "loss": self._sum / self._seen,
            "seconds": self._seconds + self.clock() - start,
        }
        self._sum, self._seen, self._seconds = 0.0, 0, 0.0
        if self.team is not None:
            self.team.buffers()
        if validate is not None and self.first:
            self.model.eval()
            with no_grad():
                record |= validate(self.model)
            self.model.train()
        if self.team is not None:
            record = self.team.agree(record)
        self.history.append(record)
        if self.scheduler is not None and self.schedule == "epoch":
            self._schedule(record)
        for callback in self._present():
            callback.epoch(self, record)
        if self.team is not None:
            self.stop = self.team.agree(self.stop)
        if self.checkpoint is not None:
            self._save(loader)

    def _step(self, batch: Any) -> None:
        self.optimizer.zero_grad()
        if self.team is None:
            loss = self.loss(self.model, batch)
            value = self._finite(loss.item())
            loss.backward()
        else:
            weight = None if self.weigh is None else self.weigh(batch)
            value, self._due = self.team.gradients(self.loss, batch, weight, self._due)
            self._finite(value)
        if self.clip_norm is not None:
            clip_grad_norm_(self.model.parameters(), self.clip_norm)
        if self.clip_value is not None:
            clip_grad_value_(self.model.parameters(), self.clip_value)
        self.optimizer.step()
        if self.scheduler is not None and self.schedule == "step":
            self.scheduler.step()
        self.step_count += 1
        self._sum += value
        self._seen += 1
        for callback in self._present():
            callback.step(self, value)

    def _finite(self, value: float) -> float:
        if not math.isfinite(value):
            raise ValueError(
                f"Trainer: the loss is {value} in epoch {len(self.history) + 1}, step {self.step_count + 1}: "
                "lower the learning rate, clip the gradients, or look for bad input"
            )
        return value

    def _schedule(self, record: dict[str, Any]) -> None:
        if type(self.scheduler).__name__ == "ReduceLROnPlateau":
            self.scheduler.step(record["loss"])
        else:
            self.scheduler.step()

    def _save(self, loader: Any) -> None:
        assert self.checkpoint is not None
        state = self._state(loader)
        if self.team is not None:
            # What differs between the ranks: random numbers, and what callbacks carry from step to step.
            self.team.buffers()
            carried = [c.state_dict() if c.per_rank else None for c in self.callbacks]
            state["ranks"] = self.team.every({"random": state["random"], "callbacks": carried})
        if self.first:
            self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
            files.save(state, self.checkpoint)

    def _state(self, loader: Any) -> dict[str, Any]:
        generator = getattr(getattr(_plain(loader), "generator", None), "numpy", None)
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "callbacks": [callback.state_dict() for callback in self.callbacks],
            "random": default_generator().bit_generator.state,
            "loader_random": None if generator is None else generator.bit_generator.state,
            "loader": loader.state_dict() if hasattr(_plain(loader), "state_dict") else None,
            "history": self.history,
            "steps": self.step_count,
            "partial": [self._sum, self._seen, self._seconds],
            "stop": self.stop,
        }

    def _read(self, path: Path) -> Any:
        """The checkpoint, if there is one. Of several ranks rank 0 reads it for all."""
        if self.team is not None:
            return self.team.file(path)
        return files.load(path) if path.is_file() else None

    def _restore(self, state: dict[str, Any], loader: Any) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        if len(state["callbacks"]) != len(self.callbacks):
            raise ValueError(
                f"Trainer: {self.checkpoint} was written with {len(state['callbacks'])} callbacks, this has "
                f"{len(self.callbacks)}: their states cannot be told apart"
            )
        random, callbacks = self._own(state)
        for callback, kept in zip(self.callbacks, callbacks, strict=True):
            callback.load_state_dict(kept)
        default_generator().bit_generator.state = random
        if self.team is not None and random is state["random"]:
            self.team.part_random()  # written by another number of ranks
        if state["loader_random"] is not None:
            _plain(loader).generator.numpy.bit_generator.state = state["loader_random"]
        if state["loader"] is not None:
            loader.load_state_dict(state["loader"])
        self.history, self.step_count = state["history"], state["steps"]
        self._sum, self._seen, self._seconds = state["partial"]
        self.stop = state["stop"]

    def _own(self, state: dict[str, Any]) -> tuple[Any, Any]:
        """This rank's random state and callbacks' states, or rank 0's if as many ranks did not write them."""
        ranks = state.get("ranks", [])
        if self.team is not None and len(ranks) == self.team.group.size:
            own = ranks[self.team.group.rank]
            pairs = zip(own["callbacks"], state["callbacks"], strict=True)
            return own["random"], [state if mine is None else mine for mine, state in pairs]
        return state["random"], state["callbacks"]


def _plain(loader: Any) -> Any:
    """The loader itself, where this rank sees its part of it."""
    return loader.loader if isinstance(loader, Sharded) else loader
