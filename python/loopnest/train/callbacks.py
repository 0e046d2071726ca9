"""What may be hung into a Trainer: early stopping, a log in a file, a progress bar."""

from __future__ import annotations

import csv
import io
import json
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
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class EarlyStopping(Callback):
    """Ends training when `monitor` has not become better for `patience` epochs.

    Args:
      monitor: a column of the history, such as "loss" or what `validate` returns.
      mode: "min" or "max": what is better.
      restore_best: go back to the weights of the best epoch at the end.
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

    def epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        if self.monitor not in record:
            raise ValueError(f"EarlyStopping: there is no {self.monitor!r} among {', '.join(record)}")
        value = float(record[self.monitor])
        gain = 0.0 if self.best is None else (self.best - value if self.mode == "min" else value - self.best)
        if self.best is None or gain > self.least:
            self.best, self.waited = value, 0
            if self.restore_best:
                self.weights = {k: v.detach().numpy().copy() for k, v in trainer.model.state_dict().items()}
        else:
            self.waited += 1
            trainer.stop = trainer.stop or self.waited >= self.patience

    def end(self, trainer: Trainer) -> None:
        if self.weights is not None:
            trainer.model.load_state_dict(self.weights)

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.waited, self.weights = state["best"], state["waited"], state["weights"]


class Log(Callback):
    """The history as a file, written anew after every epoch: .csv or .jsonl by its ending."""

    first_rank_only, per_rank = True, False

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        if self.path.suffix not in (".csv", ".jsonl"):
            raise ValueError(f"Log: expected a file that ends in .csv or .jsonl, got {self.path}")

    def epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, self.text(trainer.history).encode())

    def text(self, history: list[dict[str, Any]]) -> str:
        if self.path.suffix == ".jsonl":
            return "".join(json.dumps(record) + "\n" for record in history)
        out = io.StringIO()
        columns = list(dict.fromkeys(key for record in history for key in record))
        writer = csv.DictWriter(out, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
        return out.getvalue()


class Progress(Callback):
    """A progress bar by rich (extra `cli`): steps of all epochs, the running loss, the last record."""

    first_rank_only, per_rank = True, False

    def __init__(self, title: str = "training") -> None:
        self.title = title

    def begin(self, trainer: Trainer) -> None:
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
        self._bar.update(self._task, completed=trainer.step_count, say=f"loss {loss:.4f} {self._last}")

    def epoch(self, trainer: Trainer, record: dict[str, Any]) -> None:
        shown = {k: v for k, v in record.items() if k not in ("epoch", "loss", "seconds", "step")}
        self._last = " ".join(f"{k} {v:.4g}" for k, v in shown.items() if isinstance(v, (int, float)))
        self._bar.update(self._task, say=f"loss {record['loss']:.4f} {self._last}")

    def end(self, trainer: Trainer) -> None:
        self._bar.stop()
