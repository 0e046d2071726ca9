"""Real handwritten digits that need no network: scikit-learn's bundled set, split once and for all.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository
(1998), DOI 10.24432/C50P49; scikit-learn ships its test part, 1797 images of 8x8 pixels with 17 grey
levels, by 13 writers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from loopnest.extras import require


class Digits(NamedTuple):
    """The digits, split.

    `x_train` (1347, 8, 8) and `x_test` (450, 8, 8) are float32, 0 paper to 1 ink; `y_train` and `y_test` are
    int64, 0 to 9. (The lengths are those of scikit-learn 1.x.)

    Example:
      >>> from loopnest.data import digits
      >>> digits()._fields
      ('x_train', 'y_train', 'x_test', 'y_test')
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def held_back(labels: np.ndarray) -> np.ndarray:
    """Which samples are held back for testing: of every class each fourth, in the order of the file.

    Takes labels (n,) of any integer dtype, returns bool (n,). No random number is involved, so the split is
    the same on every machine and for every NumPy, and it holds a quarter of every class. (It is a split
    over images, not over writers: both parts hold images by the same people.)

    Example:
      >>> import numpy as np
      >>> from loopnest.data.digits import held_back
      >>> held_back(np.array([7, 7, 7, 7, 7])).tolist()
      [False, False, False, True, False]
    """
    labels = np.asarray(labels)
    test = np.zeros(labels.shape, bool)
    for value in np.unique(labels):
        test[np.flatnonzero(labels == value)[3::4]] = True
    return test


def digits() -> Digits:
    """Load the digits with their fixed held-back quarter.

    Raises ModuleNotFoundError, with the command that helps, where scikit-learn is not installed.

    >>> x_train, y_train, x_test, y_test = digits()
    >>> x_train.shape[1:], x_test.dtype.name
    ((8, 8), 'float32')
    """
    load_digits = require("sklearn.datasets", "data").load_digits
    bunch = load_digits()
    x = np.ascontiguousarray(bunch.images, np.float32) / np.float32(16)
    y = np.asarray(bunch.target, np.int64)
    test = held_back(y)
    return Digits(x[~test], y[~test], x[test], y[test])
