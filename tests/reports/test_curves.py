"""Curves against scikit-learn, with unknown labels left out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import precision_recall_curve, precision_score, recall_score

from harness.metrics.ranking import rank_frames
from reports.curves import precision_recall, reliability


def drawn(seed, frames=400):
    rng = np.random.default_rng(seed)
    labels = rng.choice([-1, 0, 1], p=[0.5, 0.1, 0.4], size=(frames, 1)).astype(np.int8)
    scores = (rng.standard_normal((frames, 1)) + labels).round(1).astype(np.float32)
    return labels, scores


@given(st.integers(0, 30))
def test_every_point_is_one_of_scikit_learns(seed):
    labels, scores = drawn(seed)
    (curve,) = precision_recall(rank_frames(labels, scores))
    known = labels[:, 0] != 0
    present, kept = labels[known, 0] > 0, scores[known, 0]
    precision, recall, _ = precision_recall_curve(present, kept)
    expected = set(zip(recall.round(9), precision.round(9), strict=True))
    found = set(zip(curve.recall.round(9), curve.precision.round(9), strict=True))
    assert found <= expected
    assert curve.recall[-1] == 1
    assert (np.diff(curve.recall) >= 0).all()
    assert curve.at_zero == pytest.approx(
        (recall_score(present, kept > 0), precision_score(present, kept > 0))
    )


@given(st.integers(0, 30))
def test_reliability_agrees_with_scikit_learn(seed):
    labels, scores = drawn(seed)
    (diagram,) = reliability(rank_frames(labels, scores))
    known = labels[:, 0] != 0
    probability = 1 / (1 + np.exp(-scores[known, 0].astype(np.float64)))
    present, predicted = calibration_curve(labels[known, 0] > 0, probability, n_bins=10)
    np.testing.assert_allclose(diagram.present, present)
    np.testing.assert_allclose(diagram.predicted, predicted)
    assert diagram.frames.sum() == known.sum()


def test_a_perfectly_calibrated_score_has_no_error():
    rng = np.random.default_rng(0)
    scores = rng.uniform(-4, 4, (200_000, 1)).astype(np.float32)
    labels = np.where(rng.random(scores.shape) < 1 / (1 + np.exp(-scores)), 1, -1)
    assert reliability(rank_frames(labels, scores))[0].error < 0.005
    assert reliability(rank_frames(labels, 5 * scores))[0].error > 0.05


def test_an_au_that_is_never_present_has_no_curve():
    labels = np.array([[-1], [0], [-1]], np.int8)
    (curve,) = precision_recall(rank_frames(labels, np.zeros((3, 1))))
    assert len(curve.recall) == 0
    assert curve.at_zero is None
    (diagram,) = reliability(rank_frames(np.zeros((3, 1), np.int8), np.zeros((3, 1))))
    assert np.isnan(diagram.error)
