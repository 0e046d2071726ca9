"""What may be hung into a Trainer: early stopping, a log in a file, a progress bar."""

from __future__ import annotations

import csv
import io
import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loopnest.extras import require
from loopnest.io import write_whole

if TYPE_CHECKING:
    from loopnest.train.trainer import Trainer


class Callback:
    """Base: every method does nothing. What `state_dict` returns is kept in checkpoints.

    Attributes:
      first_rank_only: of several ranks that train together only rank 0 calls it: for what writes or shows.
      per_rank: whether checkpoints keep every rank's state; False: rank 0's is everybody's.

    Example:
      >>> from loopnest.train import Callback
      >>> class Losses(Callback):
      ...     def epoch(self, trainer, record):
      ...         print(record["epoch"], record["loss"])
      >>> Losses().epoch(None, {"epoch": 1, "loss": 0.5})
      1 0.5
    """

    first_rank_only = False
    per_rank = True

    def begin(self, trainer: Trainer) -> None:
        """Training begins, or goes on."""

    def step(self, trainer: Trainer, loss: float) -> None:
        """A step is done."""

    def epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """An epoch is done; `record` is its line of the history. `trainer.stop = True` ends training."""

    def end(self, trainer: Trainer) -> None:
        """Training has ended, by itself or by an exception."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps of this callback: a dict of numbers, texts, lists and arrays."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with what state_dict returned."""


class EarlyStopping(Callback):
    """Ends training when `monitor` has not become better for `patience` epochs. NaN is never better.

    A `fit` after one that this has ended goes on with the best so far and new patience.

    Args:
      monitor: a column of the history, such as "loss" or what `validate` returns.
      mode: "min" or "max": what is better.
      restore_best: go back to the weights of the best epoch at the end.
      least: by how much it must be better to count.

    Raises ValueError for another mode, and at the end of an epoch for a column that is not there.

    Example:
      >>> from types import SimpleNamespace
      >>> from loopnest.train import EarlyStopping
      >>> stopping = EarlyStopping("loss", patience=1, restore_best=False)
      >>> trainer = SimpleNamespace(stop=False)
      >>> for loss in 0.5, 0.6:
      ...     stopping.epoch(trainer, {"loss": loss})
      >>> trainer.stop
      True
    """

    per_rank = False  # weights and figures are the same on all

    def __init__(
        self,
        monitor: str,
        patience: int = 5,
        mode: str = "min",
        restore_best: bool = True,
        least: float = 0.0,
    ) -> None:
        if mode not in ("min", "max"):
            raise ValueError(f'EarlyStopping: expected mode "min" or "max", got {mode!r}')
        self.monitor, self.patience, self.mode = monitor, patience, mode
        self.restore_best, self.least = restore_best, least
        self.best: float | None = None
        self.waited = 0
        self.weights: dict[str, Any] | None = None

    def begin(self, trainer: Trainer) -> None:
        if self.waited >= self.patience:
            self.waited = 0

    def epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Keeps the best weights, or counts one more epoch without a gain and asks the trainer to stop."""
        if self.monitor not in record:
            raise ValueError(f"EarlyStopping: there is no {self.monitor!r} among {', '.join(record)}")
        value = float(record[self.monitor])
        best = math.inf if self.best is None else self.best if self.mode == "min" else -self.best
        gain = best - (value if self.mode == "min" else -value)
        if gain > self.least or (self.best is None and not math.isnan(value)):
            self.best, self.waited = value, 0
            if self.restore_best:
                self.weights = {k: v.detach().numpy().copy() for k, v in trainer.model.state_dict().items()}
        else:
            self.waited += 1
            trainer.stop = trainer.stop or self.waited >= self.patience

    def end(self, trainer: Trainer) -> None:
        """Back to the best weights, if they were kept."""
        if self.weights is not None:
            trainer.model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        """The best value, its weights, and how long nothing has been better."""
        return {"best": self.best, "waited": self.waited, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with what state_dict returned."""
        self.best, self.waited, self.weights = state["best"], state["waited"], state["weights"]


class Log(Callback):
    """The history as a file, written anew after every epoch: .csv or .jsonl by its ending.

    Raises ValueError for another ending.

    Example:
      >>> from loopnest.train import Log
      >>> print(Log("history.csv").text([{"epoch": 1, "loss": 0.5}]), end="")
      epoch,loss
      1,0.5
    """

    first_rank_only, per_rank = True, False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.suffix not in (".csv", ".jsonl"):
            raise ValueError(f"Log: expected a file that ends in .csv or .jsonl, got {self.path}")

    def epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Writes the file anew."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, self.text(trainer.history).encode())

    def text(self, history: list[dict[str, Any]]) -> str:
        """What the file holds for a history."""
        if self.path.suffix == ".jsonl":
            return "".join(json.dumps(record) + "\n" for record in history)
        out = io.StringIO()
        columns = list(dict.fromkeys(key for record in history for key in record))
        writer = csv.DictWriter(out, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
        return out.getvalue()


class Progress(Callback):
    """A progress bar by rich (extra `cli`): steps of all epochs, the running loss, the last record.

    Example:
      >>> from loopnest.train import Progress
      >>> Progress("training").title
      'training'
    """

    first_rank_only, per_rank = True, False

    def __init__(self, title: str = "training") -> None:
        self.title = title

    def begin(self, trainer: Trainer) -> None:
        """Shows the bar."""
        progress = require("rich.progress", "cli")
        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(bar_width=24),
            progress.MofNCompleteColumn(),
            progress.TimeElapsedColumn(),
            progress.TextColumn("{task.fields[say]}"),
            refresh_per_second=4,
        )
        self._task = self._bar.add_task(
            self.title, total=trainer.total_steps, completed=trainer.step_count, say=""
        )
        self._last = ""
        self._bar.start()

    def step(self, trainer: Trainer, loss: float) -> None:
        """Moves the bar on."""
        self._bar.update(self._task, completed=trainer.step_count, say=f"loss {loss:.4f} {self._last}")

    def epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        """Shows the epoch's figures beside the bar."""
        shown = {k: v for k, v in record.items() if k not in ("epoch", "loss", "seconds", "step")}
        self._last = " ".join(f"{k} {v:.4g}" for k, v in shown.items() if isinstance(v, (int, float)))
        self._bar.update(self._task, say=f"loss {record['loss']:.4f} {self._last}")

    def end(self, trainer: Trainer) -> None:
        """Leaves the bar as it is."""
        self._bar.stop()
