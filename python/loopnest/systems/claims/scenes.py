"""Captions of scenes for C11 and C17: some pairs of digits never stand together in training."""

from __future__ import annotations

import numpy as np

from loopnest.systems import caption
from loopnest.systems.claims.lab import Lab

KINDS = 5  # digits 0 to 4

Scenes = tuple[np.ndarray, np.ndarray, list]


def unseen(true: list[list[str]]) -> bool:
    """Whether a scene's pair of digits (in either order) is held back from training: a fifth of the pairs."""
    first, second = (caption.DIGITS.index(true[0][k]) for k in (1, -1))
    return (first + second) % KINDS == 0


def made(lab: Lab, x: np.ndarray, y: np.ndarray, count: int, seed: int, held: bool) -> Scenes:
    """About `count` scenes, of pairs that are held back, or of all others."""
    few = y < KINDS
    images, ids, true = caption.compose(
        x[few, 0], y[few], count * (5 if held else 2), np.random.default_rng([lab.options.seed, seed])
    )
    mine = [k for k, one in enumerate(true) if unseen(one) == held][:count]
    return images[mine], ids[mine, 0], [true[k] for k in mine]  # one of both true sentences


def captioner(lab: Lab, seed: int) -> tuple[caption.Captioner, Scenes, Scenes]:
    """A captioner that learned scenes; scenes of held-back digits in pairs that it learned, and in others."""

    def learned():
        x, y, xt, yt = lab.digits(6000, 2000)
        images, ids, _ = made(lab, x, y, lab.few(4000, 1500), 1, held=False)
        model = lab.learn(
            seed,
            lambda: caption.Captioner(attention=False),
            (images, ids),
            lab.few(10, 9),
            rate=2e-3,
            batch=32,
            loss=caption.loss_of,
        )
        return model, made(lab, xt, yt, 150, 2, held=False), made(lab, xt, yt, 150, 2, held=True)

    lab.digits()  # so that a stand-in is told of by everyone who uses these scenes
    return lab.once(("captioner", seed), learned)


def exact(model: caption.Captioner, images: np.ndarray, true: list) -> float:
    """The share of sentences that are one of the two true ones."""
    return caption.exact(caption.write(model, images)[0], true)
