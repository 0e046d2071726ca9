"""Moving pictures: the next radar frame, and the direction of a motion that no single frame shows (C5).

    loopnest run video --data DIR

DIR holds radar_fmi_20160928_4km.npz and MNIST (see classify). A ConvLSTM (Shi et al. 2015) and 3-D
convolutions see five frames of rain and say the next, against persistence: the last frame again. A small 3-D
CNN names which of eight directions a digit moves in.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

import loopnest
from loopnest import data, metrics, nn, optim
from loopnest.data import DataLoader, Drawn, Film, TensorDataset
from loopnest.nn import functional as F
from loopnest.systems import classify, pictures
from loopnest.systems.frame import BASE, Options, Picture, Result, Row, parameters

MODEL = "convlstm"
NEEDS = BASE
PAST, SIZE = 5, 48  # frames seen, and the side of a training crop
SCALE = 128  # codes of 0.5 dBZ that make 1.0: an error of 1.0 is 64 dBZ
WAYS = [(1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1)]


class ConvLSTM(nn.Module):
    """(n, t, 1, h, w) -> the next frame (n, 1, h, w), as a change of the last: LSTM gates by convolution."""

    def __init__(self, hidden: int = 16) -> None:
        super().__init__()
        self.film = nn.ConvLSTM2d(1, hidden, 3, batch_first=True)
        with loopnest.no_grad():  # forget little at first: the gate's sums begin one higher
            self.film.cells[0].conv.bias[hidden : 2 * hidden] += 1
        self.out = nn.Conv2d(hidden, 1, 3, padding=1)

    def forward(self, x):
        _, (state, _) = self.film(x)
        return x[:, -1] + self.out(state[0])


class Conv3dNext(nn.Module):
    """The same by two 3-D convolutions that use up the five frames, and one over the plane."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.one = nn.Conv3d(1, channels, 3, padding=(0, 1, 1))
        self.two = nn.Conv3d(channels, channels, 3, padding=(0, 1, 1))
        self.out = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, x):
        h = F.relu(self.two(F.relu(self.one(x.transpose(1, 2)))))
        return x[:, -1] + self.out(h[:, :, 0])


def direction_net() -> nn.Sequential:
    """(n, 1, 8, 40, 40) -> (n, 8)."""
    return nn.Sequential(
        nn.Conv3d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool3d((1, 2, 2)),
        nn.Conv3d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool3d(2),
        nn.Conv3d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool3d(1),
        nn.Flatten(),
        nn.Linear(32, 8),
    )


class Rain:
    """The film, cut in time: crops of the first 28 frames train, the whole last 12 test."""

    def __init__(self, film: Film) -> None:
        self.frames = (film.frames / SCALE).astype(np.float32)[:, None]  # (t, 1, h, w)
        self.valid = film.valid
        self.border = int(0.7 * len(self.frames))
        height, width = self.frames.shape[2:]
        early = film.frames[: self.border]
        self.spots = [
            (r, c)
            for r in range(0, height - SIZE, 4)
            for c in range(0, width - SIZE, 4)
            if (early[:, r : r + SIZE, c : c + SIZE] > 60).mean() > 0.2
        ]
        if not self.spots:
            raise ValueError(
                "video: expected a film with rain in it: no crop has a fifth of its pixels above 60"
            )

    def clips(self, rng: np.random.Generator, count: int = 8) -> tuple[np.ndarray, np.ndarray]:
        """Crops (count, PAST, 1, SIZE, SIZE) and the frame that follows each."""
        picked = []
        for _ in range(count):
            r, c = self.spots[rng.integers(len(self.spots))]
            t = rng.integers(PAST, self.border)
            picked.append(self.frames[t - PAST : t + 1, :, r : r + SIZE, c : c + SIZE])
        clips = np.stack(picked)
        return clips[:, :-1], clips[:, -1]

    def error(self, predict: Callable[[np.ndarray], np.ndarray]) -> float:
        """Mean squared error over the valid pixels of the testing frames (whole frames)."""
        errors = []
        for t in range(self.border + PAST, len(self.frames)):
            said = predict(self.frames[None, t - PAST : t])
            errors.append(((said - self.frames[t]) ** 2)[0, 0][self.valid].mean())
        return float(np.mean(errors))


def next_frame(model: nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    def predict(x: np.ndarray) -> np.ndarray:
        with loopnest.no_grad():
            return model(loopnest.tensor(x.copy())).numpy()

    return predict


def squared(model: nn.Module, batch: tuple) -> loopnest.Tensor:
    x, y = batch
    return F.mse_loss(model(x), y)


def moving(images: np.ndarray, count: int, rng: np.random.Generator, size: int = 40, length: int = 8):
    """Clips (count, 1, length, size, size) of a digit that moves two pixels a frame, and its direction
    (count,)."""
    labels = rng.integers(0, len(WAYS), count)
    clips = np.zeros((count, 1, length, size, size), np.float32)
    span = 2 * (length - 1)
    for k in range(count):
        digit, (down, right) = images[rng.integers(len(images)), ::2, ::2], WAYS[labels[k]]
        h, w = digit.shape
        r = rng.integers(max(0, -down * span), size - h - max(0, down * span) + 1)
        c = rng.integers(max(0, -right * span), size - w - max(0, right * span) + 1)
        for t in range(length):
            top, left = r + 2 * t * down, c + 2 * t * right
            clips[k, 0, t, top : top + h, left : left + w] = digit
    return clips, labels


def run(options: Options) -> Result:
    rain = Rain(data.radar(options.data))
    rows, history, models = [], {}, {}
    still = rain.error(lambda x: x[:, -1])
    for name, file, make in (("ConvLSTM-16", MODEL, ConvLSTM), ("Conv3d 16-16", "conv3d", Conv3dNext)):
        loopnest.manual_seed(options.seed)
        model = make()
        trainer = options.trainer(file, model, optim.Adam(model.parameters(), 2e-3), squared, clip_norm=1.0)
        trainer.fit(
            Drawn(rain.clips, options.few(60, 10), options.seed), options.few(10, 2), resume=options.resume
        )
        error = rain.error(next_frame(model.eval()))
        rows.append(
            Row(
                name,
                {"dbz": 64 * error**0.5, "share": error / still},
                trainer.seconds,
                parameters(model),
            )
        )
        history[name], models[name] = trainer.history, model
        options.keep(file, model)
    rows.append(Row("persistence", {"dbz": 64 * still**0.5, "share": 1.0}, baseline=True))
    accuracy, frames_only, trainer, net = learn_directions(options)
    rows.append(Row("Conv3d 8-16-32", {"direction": accuracy}, trainer.seconds, parameters(net)))
    rows.append(Row("on shuffled frames", {"direction": frames_only}, baseline=True))
    history["direction"] = trainer.history
    options.keep("direction", net)
    return Result(
        name="video",
        title="What comes next, and which way it moves",
        about=f"{rain.border} radar frames five minutes apart to learn from (crops of {SIZE}x{SIZE}), the "
        f"whole frames behind them held back. Of persistence: the share of its squared error that is left. "
        "Direction: how often it is named, one of eight, in clips of digits not used in training, two pixels "
        "a frame.",
        rows=rows,
        columns={
            "dbz": ("RMSE, dBZ", ".2f"),
            "share": ("of persistence", ".0%"),
            "direction": ("direction", ".1%"),
        },
        say=f"The ConvLSTM leaves {rows[0].figures['share']:.0%} of persistence's squared error, 3-D "
        f"convolution "
        f"{rows[1].figures['share']:.0%}; the direction of motion is named in {accuracy:.1%} of the clips.",
        pictures=[
            Picture(
                "rain",
                "Five minutes ahead",
                "A held-back moment: the last frame seen, what came, what the ConvLSTM said, and the errors "
                "of persistence and of the ConvLSTM (blue too much, orange too little).",
                forecast_picture(rain, next_frame(models["ConvLSTM-16"])),
            ),
            Picture(
                "curves",
                "Learning",
                "Training loss: squared error for the rain, cross-entropy for the direction.",
                pictures.curves(history, {}, log=True),
            ),
        ],
        notes=["Shuffled frames are the control: the same pictures in another order tell no direction."],
        history=history,
    )


def learn_directions(options: Options):
    """Train the direction net; returns its accuracy, that on clips with shuffled frames, the Trainer and
    it."""
    images, _ = classify.load(options)
    learned, held = (classify.inputs(part)[:, 0] for part in (images.x_train, images.x_test))
    x, y = moving(learned, options.few(2000, 160), np.random.default_rng([options.seed, 1]))
    xt, yt = moving(held, options.few(500, 80), np.random.default_rng([options.seed, 2]))
    loopnest.manual_seed(options.seed)
    net = direction_net()
    trainer = options.trainer("direction", net, optim.Adam(net.parameters(), 3e-3), classify.loss_of)
    trainer.fit(
        DataLoader(TensorDataset(x, y), batch_size=32, shuffle=True), options.few(4, 1), resume=options.resume
    )
    net.eval()

    def accuracy(clips: np.ndarray) -> float:
        with loopnest.no_grad():
            scores = [
                net(loopnest.tensor(clips[k : k + 100].copy())).numpy() for k in range(0, len(clips), 100)
            ]
        return metrics.accuracy(np.concatenate(scores), yt)

    rng = np.random.default_rng(0)
    mixed = np.stack([clip[:, rng.permutation(clip.shape[1])] for clip in xt])
    return accuracy(xt), accuracy(mixed), trainer, net


def forecast_picture(rain: Rain, predict: Callable[[np.ndarray], np.ndarray]):
    t = len(rain.frames) - 3
    last, came = rain.frames[t - 1, 0], rain.frames[t, 0]
    said = predict(rain.frames[None, t - PAST : t])[0, 0]
    figure, axes = pictures.new(9.4, 3.6, 1, 5)
    views = [
        ("last frame", last, None),
        ("what came", came, None),
        ("ConvLSTM", said, None),
        ("error of persistence", last - came, 0.25),
        ("error of ConvLSTM", said - came, 0.25),
    ]
    for ax, (title, view, top) in zip(axes, views, strict=True):
        shown = np.where(rain.valid, view, np.nan)
        if top is None:
            ax.imshow(shown, cmap="Blues", vmin=0.4, vmax=1.2)
        else:
            ax.imshow(shown, cmap=pictures.signed_colors(), vmin=-top, vmax=top)
        ax.set_title(title, fontsize=9)
        ax.axis("off")
    return figure
