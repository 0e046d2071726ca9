"""Small data in the format of the public sets, so that every system runs in the tests without them.

Where LOOPNEST_DATA names a folder that holds the real file, that one is taken. Each maker writes one file;
the numbers are made to be learnable, not to be real.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np


def real(name: str) -> Path | None:
    """The real file of that name, if it is there."""
    place = os.environ.get("LOOPNEST_DATA")
    path = Path(place) / name if place else None
    return path if path is not None and path.is_file() else None


def mnist_10k_2k(path: Path) -> None:
    """scikit-learn's 8x8 digits, enlarged to 24x24 in a frame of 28x28."""
    from loopnest.data import digits

    d = digits()

    def large(x: np.ndarray) -> np.ndarray:
        big = np.kron(x, np.ones((3, 3)))
        return np.pad((255 * big).astype(np.uint8), ((0, 0), (2, 2), (2, 2)))

    np.savez(path, x_train=large(d.x_train), y_train=d.y_train, x_test=large(d.x_test), y_test=d.y_test)


MAKERS: dict[str, Callable[[Path], None]] = {"mnist_10k_2k.npz": mnist_10k_2k}


def folder(place: Path, names: list[str]) -> Path:
    """A folder with those files, real ones linked, the others made."""
    place.mkdir(parents=True, exist_ok=True)
    for name in names:
        path, there = place / name, real(name)
        if path.exists():
            continue
        if there is not None:
            path.symlink_to(there.resolve())
        else:
            MAKERS[name](path)
    return place
