import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics import average_precision, roc_auc
from harness.metrics.ranking import average_precision_of_resamples, pairs_in_order


def random_case(seed, frames=50, aus=2, decimals=1, unknown=0.2):
    rng = np.random.default_rng(seed)
    labels = rng.choice([-1, 1], size=(frames, aus), p=[0.7, 0.3])
    labels[rng.random(labels.shape) < unknown] = 0
    return labels, np.round(rng.normal(size=labels.shape), decimals).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), decimals=st.sampled_from([0, 1, 6]))
def test_scikit_learn_agrees_ties_included(seed, decimals):
    labels, scores = random_case(seed, decimals=decimals)
    area, precision = roc_auc(labels, scores), average_precision(labels, scores)
    for au in range(labels.shape[1]):
        known = labels[:, au] != 0
        truth = labels[known, au] > 0
        assert area[au] == pytest.approx(sk.roc_auc_score(truth, scores[known, au]), abs=1e-9)
        assert precision[au] == pytest.approx(
            sk.average_precision_score(truth, scores[known, au]), abs=1e-9
        )


def test_the_two_ways_of_average_precision_agree():
    labels, scores = random_case(1, frames=400)
    ones = np.ones((1, 1))
    units = np.zeros(len(labels), np.int64)
    drawn = average_precision_of_resamples(labels, scores, units, ones)[0]
    assert drawn == pytest.approx(average_precision(labels, scores), abs=1e-12)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_increasing_maps_and_order_of_frames_change_nothing(seed):
    labels, scores = random_case(seed)
    order = np.random.default_rng(seed).permutation(len(labels))
    for measure in (roc_auc, average_precision):
        values = measure(labels, scores)
        assert measure(labels[order], scores[order]) == pytest.approx(values, abs=1e-12)
        assert measure(labels, 3 * scores - 7) == pytest.approx(values, abs=1e-12)
        wild = np.where(labels == 0, 99, scores)
        assert measure(labels, wild) == pytest.approx(values, abs=1e-12)
    assert roc_auc(-labels, scores) == pytest.approx(1 - roc_auc(labels, scores), abs=1e-12)


def test_undefined_without_both_classes():
    labels = np.array([[1, -1, 0, 1], [1, -1, 0, -1]])
    scores = np.array([[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0]])
    assert np.isnan(roc_auc(labels, scores)).tolist() == [True, True, True, False]
    assert np.isnan(average_precision(labels, scores)).tolist() == [False, True, True, False]
    assert average_precision(labels, scores)[0] == 1
    assert roc_auc(labels, scores, undefined="zero").tolist() == [0, 0, 0, 1]


def test_pairs_of_units_are_counted():
    labels, scores = random_case(5, frames=40, aus=1)
    units = np.random.default_rng(5).integers(0, 3, 40)
    pairs = pairs_in_order(labels, scores, units, 3)
    for a in range(3):
        for b in range(3):
            present = scores[(labels[:, 0] > 0) & (units == a), 0]
            absent = scores[(labels[:, 0] < 0) & (units == b), 0]
            expected = (present[:, None] > absent).sum() + 0.5 * (present[:, None] == absent).sum()
            assert pairs.pairs_LUU[0, a, b] == expected
