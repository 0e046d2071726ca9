"""Trainer: the plain loop with what one forgets around it: checkpoints, clipping, schedules, a log."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from loopnest.engine.tape import Tensor, default_generator, no_grad
from loopnest.nn.utils import clip_grad_norm_, clip_grad_value_
from loopnest.train import checkpoint as files
from loopnest.train.callbacks import Callback


class Trainer:
    """Runs epochs of a loader through a loss and an optimizer.

    This is the loop, and a Trainer adds nothing to its results:

        for epoch in range(epochs):
            for batch in loader:
                optimizer.zero_grad()
                loss = loss_of(model, batch)
                loss.backward()
                optimizer.step()

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
    ) -> None:
        if schedule not in ("epoch", "step"):
            raise ValueError(f'Trainer: expected schedule "epoch" or "step", got {schedule!r}')
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self.scheduler, self.schedule = scheduler, schedule
        self.clip_norm, self.clip_value = clip_norm, clip_value
        self.checkpoint = None if checkpoint is None else Path(checkpoint)
        self.checkpoint_seconds = checkpoint_seconds
        self.callbacks = list(callbacks)
        self.history: list[dict[str, Any]] = []
        self.step_count = 0  # of all epochs
        self.total_steps: int | None = None
        self.stop = False
        self._sum, self._seen = 0.0, 0  # losses of this epoch so far, and how many
        self._seconds = 0.0

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
        """Train until `epochs` epochs are done in all; returns the history.

        Args:
          loader: iterated once per epoch. For resuming within an epoch it needs DataLoader's state_dict.
          validate: called after every epoch with the model in evaluation mode and no gradients recorded; its
            figures go into the history.
          resume: go on from the checkpoint if there is one.

        Raises ValueError for a loss that is not a finite number.
        """
        if resume and self.checkpoint is not None and self.checkpoint.is_file():
            self._restore(files.load(self.checkpoint), loader)
        count = getattr(loader, "__len__", None)
        self.total_steps = None if count is None else epochs * count()
        self.stop = self.stop or len(self.history) >= epochs
        for callback in self.callbacks:
            callback.begin(self)
        try:
            while not self.stop and len(self.history) < epochs:
                self._epoch(loader, validate)
        finally:
            for callback in self.callbacks:
                callback.end(self)
        return self.history

    def _epoch(self, loader: Iterable[Any], validate: Callable[[Any], dict[str, float]] | None) -> None:
        self.model.train()
        start, saved = time.perf_counter(), time.perf_counter()
        for batch in loader:
            self._step(batch)
            if self.checkpoint is not None and time.perf_counter() - saved > self.checkpoint_seconds:
                self._seconds += time.perf_counter() - start
                if hasattr(loader, "state_dict"):
                    self._save(loader)
                start = saved = time.perf_counter()
        if self._seen == 0:
            raise ValueError("Trainer: the loader gave no batch")
        record: dict[str, Any] = {
            "epoch": len(self.history) + 1,
            "step": self.step_count,
            "loss": self._sum / self._seen,
            "seconds": self._seconds + time.perf_counter() - start,
        }
        self._sum, self._seen, self._seconds = 0.0, 0, 0.0
        if validate is not None:
            self.model.eval()
            with no_grad():
                record |= validate(self.model)
            self.model.train()
        self.history.append(record)
        if self.scheduler is not None and self.schedule == "epoch":
            self._schedule(record)
        for callback in self.callbacks:
            callback.epoch(self, record)
        if self.checkpoint is not None:
            self._save(loader)

    def _step(self, batch: Any) -> None:
        self.optimizer.zero_grad()
        loss = self.loss(self.model, batch)
        value = loss.item()
        if not math.isfinite(value):
            raise ValueError(
                f"Trainer: the loss is {value} in epoch {len(self.history) + 1}, step {self.step_count + 1}: "
                "lower the learning rate, clip the gradients, or look for bad input"
            )
        loss.backward()
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
        for callback in self.callbacks:
            callback.step(self, value)

    def _schedule(self, record: dict[str, Any]) -> None:
        if type(self.scheduler).__name__ == "ReduceLROnPlateau":
            self.scheduler.step(record["loss"])
        else:
            self.scheduler.step()

    def _save(self, loader: Any) -> None:
        assert self.checkpoint is not None
        generator = getattr(getattr(loader, "generator", None), "numpy", None)
        state = {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": None if self.scheduler is None else self.scheduler.state_dict(),
            "callbacks": [callback.state_dict() for callback in self.callbacks],
            "random": default_generator().bit_generator.state,
            "loader_random": None if generator is None else generator.bit_generator.state,
            "loader": loader.state_dict() if hasattr(loader, "state_dict") else None,
            "history": self.history,
            "steps": self.step_count,
            "partial": [self._sum, self._seen, self._seconds],
            "stop": self.stop,
        }
        self.checkpoint.parent.mkdir(parents=True, exist_ok=True)
        files.save(state, self.checkpoint)

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
        for callback, kept in zip(self.callbacks, state["callbacks"], strict=True):
            callback.load_state_dict(kept)
        default_generator().bit_generator.state = state["random"]
        if state["loader_random"] is not None:
            loader.generator.numpy.bit_generator.state = state["loader_random"]
        if state["loader"] is not None:
            loader.load_state_dict(state["loader"])
        self.history, self.step_count = state["history"], state["steps"]
        self._sum, self._seen, self._seconds = state["partial"]
        self.stop = state["stop"]
