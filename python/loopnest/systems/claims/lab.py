"""What every experiment gets: data, seeds, and training in a line."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

import loopnest
from loopnest import data, metrics, nn, optim
from loopnest.data import DataLoader, DataMissing, Drawn, TensorDataset
from loopnest.data.sets import folder
from loopnest.systems import classify
from loopnest.systems.claims import standins
from loopnest.systems.frame import Options
from loopnest.train import Trainer

Made = TypeVar("Made")
Net = TypeVar("Net", bound=nn.Module)
Digits = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
Loss = Callable[[Any, Any], loopnest.Tensor]


class Lab:
    """Data, seeds and training for the experiments.

    Attributes:
      seeds: every network is trained once for each of them.
      standins: what the running experiment used in place of real data.
    """

    def __init__(self, options: Options, seeds: list[int]) -> None:
        self.options, self.seeds = options, seeds
        self.standins: list[str] = []
        self._kept: dict[Any, Any] = {}

    def begin(self) -> None:
        """A new experiment begins."""
        self.standins = []
        loopnest.manual_seed(self.options.seed)

    def few(self, many: int, quick: int) -> int:
        """`many`, or `quick` in a quick run."""
        return self.options.few(many, quick)

    def get(self, what: str, read: Callable[[Any], Made], made: Callable[[], Made]) -> Made:
        """A data set, read once. In a quick run a stand-in takes the place of one that is in no folder."""
        if what not in self._kept:
            quick = self.options.quick
            try:
                if quick and folder(self.options.data) is None:
                    raise DataMissing(what)
                self._kept[what] = read(self.options.data), False
            except DataMissing:
                if not quick:
                    raise
                self._kept[what] = made(), True
        held, stand_in = self._kept[what]
        if stand_in and what not in self.standins:
            self.standins.append(what)
        return held

    def once(self, key: Any, make: Callable[[], Made]) -> Made:
        """What `make` gives, kept for the next experiment that asks for it."""
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def digits(self, many: int = 6000, quick: int = 2000, test: int = 600) -> Digits:
        """Handwritten digits: x (n, 1, 28, 28) float32 0 to 1, y, and as many held back; MNIST or what
        `--data` holds in its place."""
        images = self.get("handwritten digits", lambda at: _images(self.options), standins.digits)
        count, held = self.few(many, quick), self.few(len(images.y_test), test)
        return (
            classify.inputs(images.x_train[:count]),
            images.y_train[:count],
            classify.inputs(images.x_test[:held]),
            images.y_test[:held],
        )

    def nuclei(self) -> data.Cells:
        return self.get("cell nuclei", data.nuclei, standins.nuclei)

    def names(self) -> list[str]:
        return self.get("first names", data.names, standins.names)

    def shakespeare(self) -> str:
        return self.get("Shakespeare", data.shakespeare, standins.shakespeare)

    def tweets(self) -> data.Sentences:
        return self.get("tweets", data.tweets, standins.tweets)

    def trec(self) -> data.Sentences:
        return self.get("TREC questions", data.trec, standins.questions)

    def pairs(self) -> data.Pairs:
        """English sentences and their German translations."""
        return self.get("sentence pairs", lambda at: data.multi30k(at, "en", "de"), standins.pairs)

    def series(self, name: str) -> data.Series:
        return self.get(f"the series {name}", lambda at: data.series(name, at), lambda: standins.series(name))

    def speech(self) -> data.Spoken:
        return self.get("spoken digits", data.spoken_digits, standins.spoken)

    def learn(
        self,
        seed: int,
        make: Callable[[], Net],
        arrays: tuple[np.ndarray, ...],
        epochs: int,
        rate: float = 2e-3,
        batch: int = 64,
        loss: Loss = classify.loss_of,
        clip: float | None = 1.0,
    ) -> Net:
        """A new network, trained by Adam on batches of `arrays` (inputs ..., answers), in evaluation mode."""
        loopnest.manual_seed(seed)
        loader = DataLoader(TensorDataset(*arrays), batch_size=batch, shuffle=True)
        return self.fit(make(), loader, epochs, rate, loss, clip)

    def practise(
        self,
        seed: int,
        make: Callable[[], Net],
        draw: Callable[[np.random.Generator], Any],
        steps: int,
        rate: float = 2e-3,
        loss: Loss = classify.loss_of,
        clip: float | None = 1.0,
        falling: bool = False,
    ) -> Net:
        """The same on `steps` batches that `draw` makes up, no two the same."""
        loopnest.manual_seed(seed)
        return self.fit(make(), Drawn(draw, steps, seed), 1, rate, loss, clip, falling)

    @staticmethod
    def fit(
        model: Net,
        batches: Any,
        epochs: int,
        rate: float,
        loss: Loss,
        clip: float | None = 1.0,
        falling: bool = False,
    ) -> Net:
        """Train a network by Adam on what a loader gives, and put it into evaluation mode.

        falling: the rate falls to 0 along a cosine.
        """
        adam = optim.Adam(model.parameters(), rate)
        schedule = optim.lr_scheduler.CosineAnnealingLR(adam, epochs * len(batches)) if falling else None
        trainer = Trainer(model, adam, loss, scheduler=schedule, schedule="step", clip_norm=clip)
        trainer.fit(batches, epochs)
        model.eval()
        return model

    @staticmethod
    def accuracy(model: nn.Module, x: np.ndarray, y: np.ndarray) -> float:
        """How often the highest score is that of the true class."""
        return metrics.accuracy(classify.scores(model, x), y)


def _images(options: Options) -> data.Images:
    return classify.load(options)[0]
