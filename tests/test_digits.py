"""The digits and their fixed split."""

from __future__ import annotations

import numpy as np
import pytest

from loopnest.data.digits import held_back


def test_of_every_class_each_fourth_is_held_back():
    labels = np.array([0, 0, 1, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0])
    assert np.flatnonzero(held_back(labels)).tolist() == [4, 8, 12]
    assert not held_back(np.array([], int)).any()


def test_the_digits():
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn: pip install 'loopnest[data]'")
    from loopnest.data import digits

    first, again = digits(), digits()
    assert len(first.x_train) + len(first.x_test) == len(first.y_train) + len(first.y_test) == 1797
    assert first.x_train.dtype == np.float32 and first.y_test.dtype == np.int64
    assert first.x_train.min() >= 0 and first.x_train.max() == 1
    assert abs(len(first.x_test) / 1797 - 0.25) < 0.005
    assert set(first.y_test) == set(range(10))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
