"""Time series one step ahead, with honest baselines in the same table (C13).

    loopnest run forecast --data DIR
    loopnest run forecast --data my.csv

DIR holds the public series (airline passengers, sunspots, temperatures, CO2, S&P 500); a csv file of one's
own works as well. A GRU and a TCN see the last steps and say the next; so do persistence (the last value
again), the value one season ago, and a linear autoregression by least squares. The first part of a series
trains, the rest, later in time, tests; scaling, coefficients and epochs know nothing of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import loopnest
from loopnest import data, nn, optim
from loopnest.data import DataLoader, Series, TensorDataset
from loopnest.nn import functional as F
from loopnest.systems import pictures
from loopnest.systems.frame import BASE, Options, Picture, Result, Row, parameters

MODEL = "gru"
NEEDS = BASE


@dataclass(frozen=True)
class Task:
    """How a series is cut: steps seen, share that trains, epochs, whether its logarithm is modelled."""

    window: int
    share: float
    epochs: int
    log: bool = False


TASKS = {
    "airline": Task(12, 0.67, 300, log=True),
    "sunspots": Task(36, 0.8, 15),
    "temperature": Task(30, 0.8, 15),
    "co2": Task(24, 0.8, 80),
    "sp500": Task(20, 0.8, 15, log=True),
}


class GRU(nn.Module):
    """Sees (n, window), answers (n,): the last value and a change that a GRU reads off the differences from
    it."""

    def __init__(self, hidden: int = 32) -> None:
        super().__init__()
        self.rnn = nn.GRU(1, hidden, batch_first=True)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x):
        last = x[:, -1:]
        states, _ = self.rnn((x - last).unsqueeze(-1))
        return (last + self.out(states[:, -1]))[:, 0]


class TCN(nn.Module):
    """The same with causal convolutions of width 3, dilations 1, 2, 4."""

    def __init__(self, channels: int = 24) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                nn.Conv1d(1 if d == 1 else channels, channels, 3, dilation=d, padding="causal")
                for d in (1, 2, 4)
            ]
        )
        self.out = nn.Linear(channels, 1)

    def forward(self, x):
        last = x[:, -1:]
        h = (x - last).unsqueeze(1)
        for conv in self.convs:
            h = F.relu(conv(h))
        return (last + self.out(h[:, :, -1]))[:, 0]


class Cut:
    """A series cut into windows. `first` is the first window whose answer lies in the testing part."""

    def __init__(self, series: Series, task: Task) -> None:
        if len(series.values) < 3 * task.window:
            raise ValueError(
                f"forecast: expected at least {3 * task.window} values for a window of {task.window}, "
                f"got {len(series.values)}"
            )
        if task.log and series.values.min() <= 0:
            raise ValueError(f"forecast: {series.name} has values that are not positive: no logarithm")
        values = np.log(series.values) if task.log else series.values
        border = int(task.share * len(values))
        if np.ptp(series.values[border - 1 :]) == 0:
            raise ValueError(
                f"forecast: expected a series that changes, got the same value ({series.values[-1]:g}) "
                f"in the last {len(values) - border} of {len(values)} steps of {series.name}, which test: "
                "there is nothing to forecast"
            )
        self.task, self.mean, self.deviation = task, values[:border].mean(), values[:border].std() or 1.0
        scaled = (values - self.mean) / self.deviation
        windows = np.lib.stride_tricks.sliding_window_view(scaled, task.window)[:-1]
        self.x, self.y = windows.astype(np.float32), scaled[task.window :].astype(np.float32)
        self.first = border - task.window
        self.true = series.values[border:]

    def back(self, scaled: np.ndarray) -> np.ndarray:
        """From the scaled series to the series' own unit."""
        values = scaled.astype(np.float64) * self.deviation + self.mean
        return np.exp(values) if self.task.log else values

    def rmse(self, scaled: np.ndarray) -> float:
        """Root of the mean squared error over the testing part, in the series' unit."""
        return float(np.sqrt(np.mean((self.back(scaled) - self.true) ** 2)))

    def autoregression(self) -> np.ndarray:
        """What least squares on the training windows says of the testing windows."""
        ones = np.hstack([self.x, np.ones((len(self.x), 1), np.float32)]).astype(np.float64)
        weights = np.linalg.lstsq(ones[: self.first], self.y[: self.first], rcond=None)[0]
        return ones[self.first :] @ weights

    def hits(self, scaled: np.ndarray) -> float:
        """How often the direction of the change was right."""
        last = self.x[self.first :, -1]
        return float(np.mean(np.sign(scaled - last) == np.sign(self.y[self.first :] - last)))


def loss_of(model: nn.Module, batch: tuple) -> loopnest.Tensor:
    x, y = batch
    return F.mse_loss(model(x), y)


def load(options: Options) -> dict[str, tuple[Series, Task]]:
    if options.file:
        series = data.read_series(options.file)
        return {options.file.stem: (series, Task(max(4, min(24, len(series.values) // 6)), 0.8, 60))}
    wanted = ["airline"] if options.quick else list(TASKS)
    return {name: (data.series(name, options.data), TASKS[name]) for name in wanted}


def run(options: Options) -> Result:
    tasks = load(options)
    rows: dict[str, Row] = {}
    history: dict[str, list[dict[str, Any]]] = {}
    shown, notes = {}, []

    def note(name: str, series: str, value: float, **more: Any) -> None:
        row = rows.setdefault(name, Row(name, {}, **more))
        row.figures[series] = value

    for series_name, (series, task) in tasks.items():
        cut = Cut(series, task)
        held = loopnest.tensor(cut.x[cut.first :].copy())
        said: dict[str, np.ndarray] = {}
        for name, make in (("GRU-32", GRU), ("TCN-24", TCN)):
            loopnest.manual_seed(options.seed)
            model = make()
            file = f"{series_name}-{name.lower()}"
            epochs = options.few(task.epochs, 20)
            adam = optim.Adam(model.parameters(), 3e-3)
            trainer = options.trainer(
                file,
                model,
                adam,
                loss_of,
                scheduler=optim.lr_scheduler.CosineAnnealingLR(adam, epochs),
                checkpoint_seconds=60,
            )
            learned = TensorDataset(cut.x[: cut.first], cut.y[: cut.first])
            loader = DataLoader(learned, batch_size=32, shuffle=True)
            trainer.fit(loader, epochs, resume=options.resume)
            with loopnest.no_grad():
                said[name] = model.eval()(held).numpy()
            note(name, series_name, cut.rmse(said[name]), seconds=0.0, parameters=parameters(model))
            rows[name].seconds = (rows[name].seconds or 0.0) + trainer.seconds
            history[f"{name}, {series_name}"] = trainer.history
            if name == "GRU-32" and series_name == next(iter(tasks)):
                options.keep(MODEL, model, series=series_name, window=task.window)
        said[f"least squares on {task.window} steps"] = cut.autoregression()
        note("least squares", series_name, cut.rmse(cut.autoregression()), baseline=True)
        if series.season:
            note("one season ago", series_name, cut.rmse(cut.x[cut.first :, -series.season]), baseline=True)
        persistence = cut.rmse(cut.x[cut.first :, -1])
        note("persistence", series_name, persistence, baseline=True)
        shown[series_name] = (cut, said)
        notes.append(skill(series_name, cut, said, persistence))
        if series.filled:
            notes.append(f"{series_name}: {series.filled} missing values were filled by straight lines.")
    first = next(iter(tasks))
    return Result(
        name="forecast",
        title="The next step of a time series",
        about="Root mean squared error, in each series' unit, of one step ahead over the last part of the "
        "series, each step from true values before it. "
        + "; ".join(f"{n}: {s.unit}, last {1 - task.share:.0%}" for n, (s, task) in tasks.items())
        + ".",
        rows=list(rows.values()),
        columns={name: (name, ".4g") for name in tasks},
        say=f"On {first} the GRU errs by {rows['GRU-32'].figures[first]:.4g}, the TCN by "
        f"{rows['TCN-24'].figures[first]:.4g}, least squares by {rows['least squares'].figures[first]:.4g}, "
        f"persistence by {rows['persistence'].figures[first]:.4g}.",
        pictures=[
            Picture(
                "forecast",
                "One step ahead",
                "The testing part: what came (black), and what each model said one step before.",
                drawing(shown),
            )
        ],
        notes=notes,
        history=history,
    )


def skill(name: str, cut: Cut, said: dict[str, np.ndarray], persistence: float) -> str:
    """What the figures say about a series, against a bootstrap over its testing steps."""
    best = min(said, key=lambda model: cut.rmse(said[model]))
    gain = (cut.back(cut.x[cut.first :, -1]) - cut.true) ** 2 - (cut.back(said[best]) - cut.true) ** 2
    rng = np.random.default_rng(0)
    block = max(1, min(20, len(gain) // 5))  # steps near each other err alike: they are drawn in blocks
    starts = rng.integers(0, len(gain) - block + 1, (2000, -(-len(gain) // block)))
    means = gain[(starts[..., None] + np.arange(block)).reshape(2000, -1)].mean(1)
    low, high = np.quantile(means, [0.025, 0.975])
    verdict = (
        "beats persistence" if low > 0 else "no skill is shown: the gain over persistence may well be chance"
    )
    share = 1 - cut.rmse(said[best]) / persistence
    side = "below" if share > 0 else "above"
    return (
        f"{name}: {best} is best, {abs(share):.1%} {side} persistence; {verdict} (95 % interval of the "
        f"gain in squared error: {low:.3g} to {high:.3g}); direction right in {cut.hits(said[best]):.1%} of "
        "the steps."
    )


def drawing(shown: dict[str, tuple[Cut, dict[str, np.ndarray]]]):
    figure, axes = pictures.new(9.4, 2.2 * len(shown), len(shown), 1, squeeze=False)
    for ax, (name, (cut, said)) in zip(axes[:, 0], shown.items(), strict=True):
        few = slice(-150, None)
        ax.plot(cut.true[few], color=pictures.LIGHT["ink"], lw=1.4, label="what came")
        for color, (model, values) in zip(pictures.SERIES, said.items(), strict=False):
            # One legend for all: on how many steps least squares looks differs between the series.
            ax.plot(cut.back(values)[few], color=color, lw=1, label=model.partition(" on ")[0])
        ax.set(title=name)
        ax.grid(True, axis="y")
    axes[0, 0].legend(frameon=False, fontsize=8.5, ncols=4, labelcolor="linecolor")
    return figure
