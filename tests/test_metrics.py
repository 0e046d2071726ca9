"""loopnest.metrics against values worked out by hand and against scikit-learn."""

import numpy as np
import pytest

import loopnest
from loopnest import metrics


def test_against_scikit_learn():
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    said, true = rng.integers(0, 5, (2, 200))
    assert metrics.accuracy(said, true) == sklearn.accuracy_score(true, said)
    assert (metrics.confusion_matrix(said, true) == sklearn.confusion_matrix(true, said)).all()
    for average in ("macro", "micro", None):
        np.testing.assert_allclose(
            metrics.f1(said, true, average), sklearn.f1_score(true, said, average=average)
        )


def test_scores_are_taken_along_the_last_axis():
    scores = loopnest.tensor(np.array([[0.1, 0.9], [0.8, 0.2]], np.float32))
    assert metrics.accuracy(scores, [1, 1]) == 0.5
    with pytest.raises(ValueError, match="shape"):
        metrics.accuracy([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match="at least one"):
        metrics.accuracy([], [])


def test_iou_and_edit_distance():
    assert metrics.iou([1, 1, 0], [0, 1, 1]) == pytest.approx(1 / 3)
    assert metrics.iou([0, 0], [0, 0]) == 1
    assert [
        metrics.edit_distance(a, b) for a, b in [("", "abc"), ("abc", ""), ("flaw", "lawn"), ("a", "a")]
    ] == [
        3,
        3,
        2,
        0,
    ]
    assert metrics.error_rate(["12", ""], ["13", "4"]) == pytest.approx(2 / 3)
    with pytest.raises(ValueError):
        metrics.error_rate([""], [""])


def test_bleu():
    pytest.importorskip("sacrebleu")
    # 1-grams 4/5, 2-grams 2/4, 3-grams 1/3, 4-grams 0/2: smoothed, so between 0 and the exact case
    some = metrics.bleu(["the cat sat on mats"], ["the cat sat in mats"])
    assert 0 < some < metrics.bleu(["the cat sat in mats"], ["the cat sat in mats"])
