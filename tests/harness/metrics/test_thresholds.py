import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.metrics import frame_f1
from harness.metrics.thresholds import best_f1_thresholds, choose_thresholds, oracle_inflation


def random_case(seed, frames=40, decimals=1):
    rng = np.random.default_rng(seed)
    labels = rng.choice([-1, 0, 1], size=(frames, 2), p=[0.6, 0.1, 0.3])
    return labels, np.round(rng.normal(size=labels.shape) + labels, decimals).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), decimals=st.sampled_from([0, 1, 5]))
def test_no_threshold_does_better(seed, decimals):
    labels, scores = random_case(seed, decimals=decimals)
    best = frame_f1(labels, scores, threshold=best_f1_thresholds(labels, scores))
    for cut in [-99, *np.unique(scores), *(np.unique(scores) + 1e-4)]:
        assert (frame_f1(labels, scores, threshold=float(cut)) <= best + 1e-12).all()
    assert (oracle_inflation(labels, scores) >= -1e-9).all()


def test_of_equal_thresholds_the_one_nearest_zero():
    labels = np.array([[1, 1, 1], [1, 1, 1], [-1, -1, -1]])
    # 0 itself where it separates; else midway; below the lowest score where all are present.
    scores = np.array([[3.0, 5.0, 1.0], [2.0, 3.0, 1.0], [-1.0, 1.0, 1.0]])
    thresholds = best_f1_thresholds(labels, scores)
    assert thresholds[:2].tolist() == [0.0, 2.0]
    assert thresholds[2] == 0.0
    assert frame_f1(labels, scores, threshold=thresholds).tolist() == [1.0, 1.0, 0.8]


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (np.float32(0.3), np.nextafter(np.float32(0.3), np.float32(1))),
        (0.3, np.nextafter(0.3, 1)),
        (np.nextafter(0.3, 0), 0.3),
        (5.0, np.inf),
        (-np.inf, -5.0),
        (-np.inf, np.inf),
    ],
)
def test_neighbouring_and_infinite_scores_are_told_apart(low, high):
    labels, scores = np.array([[1], [-1]]), np.array([[high], [low]])
    assert frame_f1(labels, scores, threshold=best_f1_thresholds(labels, scores))[0] == 1


def test_an_au_that_is_never_present_keeps_threshold_zero():
    labels = np.array([[-1], [0], [-1]])
    assert best_f1_thresholds(labels, np.array([[1.0], [2.0], [3.0]])).tolist() == [0.0]
    assert np.isnan(oracle_inflation(labels, np.ones((3, 1))))[0]


def test_policies_read_what_they_may():
    labels, scores = random_case(0)
    assert choose_thresholds("fixed", 2).tolist() == [0.0, 0.0]
    shifted = choose_thresholds("validation", 2, validation=(labels, scores + 10))
    assert (shifted > 5).all()
    assert (
        choose_thresholds(
            "validation", 2, validation=(labels, scores + 10), test=(labels, scores)
        ).tolist()
        == shifted.tolist()
    )
    oracle = choose_thresholds("oracle", 2, test=(labels, scores))
    assert oracle.tolist() == best_f1_thresholds(labels, scores).tolist()
    with pytest.raises(UserError, match="'validation' needs the labels and scores of the valid"):
        choose_thresholds("validation", 2, test=(labels, scores))
    with pytest.raises(UserError, match=r"'oracle' needs .* of the test part"):
        choose_thresholds("oracle", 2, validation=(labels, scores))
    with pytest.raises(UserError, match="threshold policy='best' is none of fixed"):
        choose_thresholds("best", 2)


def test_inflation_is_in_points():
    labels = np.array([[1], [1], [-1]])
    scores = np.array([[1.0], [-1.0], [-2.0]])
    # F1 2/3 at 0, and 1 between -1 and -2.
    assert oracle_inflation(labels, scores)[0] == pytest.approx(100 / 3)
    assert oracle_inflation(labels, scores, threshold=-1.5)[0] == pytest.approx(0)
