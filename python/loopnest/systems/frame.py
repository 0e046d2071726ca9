"""What every system gets (Options) and what it gives back (Result)."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import loopnest
from loopnest import distributed, io
from loopnest.extras import require
from loopnest.train import Callback, Progress, Trainer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from loopnest import nn

BASE = {"matplotlib": "plot", "safetensors": "io"}  # what a system needs that draws pictures and keeps models


@dataclass
class Options:
    """How a system is run.

    Attributes:
      data: the folder of data sets, or a file of one's own where the system says so; default: LOOPNEST_DATA.
      quick: a run of seconds that shows that everything works, not what it can reach.
      seed: for weights, order and all other chance.
      threads: for the kernels; None: loopnest's default.
      save: the folder for models, checkpoints, pictures and the page; default: loopnest-NAME.
      resume: go on from the checkpoints in `save`.
      progress: show a bar while training.
      inputs: the user's own input by kind, such as {"image": "my.png"}.
      tell: called with a line on what is about to take its time, where nobody may expect it.
    """

    data: str | os.PathLike[str] | None = None
    quick: bool = False
    seed: int = 0
    threads: int | None = None
    save: str | os.PathLike[str] | None = None
    resume: bool = False
    progress: bool = False
    inputs: dict[str, str] = field(default_factory=dict)
    tell: Callable[[str], None] | None = None
    command: str = ""
    system: str = ""
    folder: Path = Path()

    def begin(self, name: str, needs: Mapping[str, str] | None = None) -> None:
        """Make the folder, set threads and seed.

        `needs`: optional packages and the extra of each, {"sklearn": "data"}: what is missing is told now,
        not after minutes of training.

        Raises ValueError for a seed below 0, OSError for a folder that cannot be made or written into,
        ModuleNotFoundError for a package that is not installed.
        """
        if self.seed < 0:
            raise ValueError(f"--seed: expected 0 or more, got {self.seed}")
        for package, extra in (needs or {}).items():
            require(package, extra)
        self.system = name
        if distributed.get_rank() == 0:
            self.folder = Path(self.save) if self.save is not None else Path(f"loopnest-{name}")
            try:
                self.folder.mkdir(parents=True, exist_ok=True)
                tempfile.TemporaryFile(dir=self.folder).close()
            except OSError as error:
                raise OSError(f"--save: cannot write into the folder {self.folder}: {error}") from error
        else:  # of several ranks only the first one's files are kept
            self._scratch = tempfile.TemporaryDirectory(prefix="loopnest-rank-")
            self.folder = Path(self._scratch.name)
        self.command = self.command or f"loopnest run {name}"
        if self.threads is not None:
            loopnest.set_num_threads(self.threads)
        loopnest.manual_seed(self.seed)

    @property
    def file(self) -> Path | None:
        """`data`, if it is a file of the user's own and not a folder."""
        return Path(self.data) if self.data is not None and Path(self.data).is_file() else None

    def few(self, many: int, quick: int) -> int:
        """`many`, or `quick` in a quick run."""
        return quick if self.quick else many

    def trainer(self, name: str, model: nn.Module, optimizer: Any, loss: Any, **more: Any) -> Trainer:
        """A Trainer that keeps its checkpoint in the run's folder, and shows a bar if one is wanted.

        With one thread its seconds are the CPU's: other work on the machine would stretch the wall clock's,
        for one model more than for another. With several threads, or ranks, who wait for each other, only
        the wall clock tells how long training takes.
        """
        bar = Progress(name) if self.progress else Callback()
        checkpoint = self.folder / f"{name}.checkpoint"
        callbacks = [*more.pop("callbacks", ()), SameRun(self, checkpoint), bar]
        alone = loopnest.get_num_threads() == 1 and distributed.get_world_size() == 1
        more.setdefault("clock", time.process_time if alone else time.perf_counter)
        return Trainer(model, optimizer, loss, checkpoint=checkpoint, callbacks=callbacks, **more)

    def model_path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"

    def keep(self, name: str, model: nn.Module, **facts: Any) -> None:
        """Write a trained model, with the facts (fit for JSON) that are needed to use it again."""
        facts |= {
            "system": self.system,
            "quick": self.quick,
            "seed": self.seed,
            "data": getattr(self.file, "name", ""),
        }
        io.save(model.state_dict(), self.model_path(name), {"facts": json.dumps(facts)})

    def facts(self, name: str) -> dict[str, Any]:
        """The facts that were kept with a model."""
        return json.loads(io.metadata(self.model_path(name)).get("facts", "{}"))

    def others(self) -> None:
        """Raises ValueError where the folder holds the models of another system, which would be overwritten
        by files of the same name, or taken for this one's."""
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                other = self.facts(path.stem).get("system", self.system)
            except ValueError:  # no whole file: it says nothing
                continue
            if other != self.system:
                raise ValueError(
                    f"--save: {self.folder} holds the models of the system {other}, not of {self.system}: "
                    "name another folder"
                )

    def trained(self, name: str) -> bool:
        """Whether there is a model to be asked; False where it has to be trained first: there is none, or
        a file of the user's own was named as `data` and it learned from something else.

        A model of a quick run answers as well (the command line says that it is one), and `seed` is then that
        of what is drawn, not the model's.
        """
        if not self.model_path(name).is_file():
            return False
        return self.file is None or self.facts(name).get("data") == self.file.name

    def restore(self, name: str, model: nn.Module) -> None:
        """Read a trained model's weights into `model` and put it into evaluation mode."""
        model.load_state_dict(io.load(self.model_path(name)))
        model.eval()


class SameRun(Callback):
    """Refuses to go on from a checkpoint of another run: its figures would be neither run's."""

    per_rank = False

    def __init__(self, options: Options, checkpoint: Path) -> None:
        self.checkpoint = checkpoint
        self.run = {
            "system": options.system,
            "quick": options.quick,
            "seed": options.seed,
            "data": getattr(options.file, "name", ""),
        }

    def state_dict(self) -> dict[str, Any]:
        return self.run

    def load_state_dict(self, state: dict[str, Any]) -> None:
        kept = self.run | state
        other = [f"{key} {kept[key]}, not {mine}" for key, mine in self.run.items() if kept[key] != mine]
        if other:
            raise ValueError(
                f"--resume: {self.checkpoint} is of a run with {', '.join(other)}: "
                "name another folder by --save, or start anew without --resume"
            )


@dataclass
class Row:
    """A line of the table: a model or a baseline, and its figures by column.

    `seconds` are of training alone, the CPU's where one thread trains; None where nothing was trained.
    """

    model: str
    figures: dict[str, float]
    seconds: float | None = None
    parameters: int | None = None
    baseline: bool = False


@dataclass
class Picture:
    """A figure with a title and a sentence of what to see in it; `name` becomes its file's name."""

    name: str
    title: str
    caption: str
    figure: Figure


@dataclass
class Result:
    """What a system found.

    Attributes:
      name, title: the system's, and a sentence.
      about: what was learned from what, how it was split and measured.
      rows: the table; `columns` gives each figure's heading and format, {"accuracy": ("accuracy", ".1%")}.
      say: the finding in one sentence, with its figures.
      notes: what a reader should know before believing it.
      samples: what the trained model does, as text.
      history: the losses of every training, by model.
    """

    name: str
    title: str
    about: str
    rows: list[Row]
    columns: dict[str, tuple[str, str]]
    say: str
    pictures: list[Picture] = field(default_factory=list)
    samples: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    history: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    quick: bool = False
    seed: int = 0

    def facts(self) -> dict[str, Any]:
        """Everything but the pictures, as plain dicts for JSON."""
        return {
            "system": self.name,
            "title": self.title,
            "about": self.about,
            "quick": self.quick,
            "seed": self.seed,
            "say": self.say,
            "rows": [
                {
                    "model": row.model,
                    "baseline": row.baseline,
                    "parameters": row.parameters,
                    "seconds": row.seconds,
                    **row.figures,
                }
                for row in self.rows
            ],
            "samples": self.samples,
            "notes": self.notes,
            "history": self.history,
        }


def parameters(model: nn.Module) -> int:
    """How many numbers a model learns."""
    return sum(p.numel() for p in model.parameters())
