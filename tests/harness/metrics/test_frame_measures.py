import numpy as np
import pytest
import sklearn.metrics as sk
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.metrics import (
    balanced_accuracy,
    cohen_kappa,
    frame_f1,
    precision,
    recall,
    s_score,
    skew_normalised_f1,
)
from harness.metrics.confusion import confusion_by_unit, confusion_counts

ALL = [balanced_accuracy, cohen_kappa, frame_f1, precision, recall, s_score, skew_normalised_f1]


def of_counts(tp, fp, fn, tn):
    """Labels and scores (N, 1) with these counts."""
    labels = np.repeat([1, -1, 1, -1], [tp, fp, fn, tn])[:, None]
    scores = np.repeat([1.0, 1.0, -1.0, -1.0], [tp, fp, fn, tn])[:, None]
    return labels, scores


def random_case(seed, frames=60, aus=3, unknown=0.2):
    rng = np.random.default_rng(seed)
    labels = rng.choice([-1, 1], size=(frames, aus), p=[0.6, 0.4])
    labels[rng.random(labels.shape) < unknown] = 0
    return labels, np.round(rng.normal(size=labels.shape), 1)


def test_golden_vector():
    labels, scores = of_counts(tp=8, fp=30, fn=2, tn=960)
    assert frame_f1(labels, scores)[0] == pytest.approx(0.333333, abs=1e-6)
    assert skew_normalised_f1(labels, scores)[0] == pytest.approx(0.874172, abs=1e-6)
    assert skew_normalised_f1(labels, scores, variant="l2ior")[0] == pytest.approx(
        0.347230, abs=1e-6
    )
    assert s_score(labels, scores)[0] == pytest.approx(0.936, abs=1e-6)


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_scikit_learn_agrees(seed):
    labels, scores = random_case(seed)
    for au in range(labels.shape[1]):
        known = labels[:, au] != 0
        truth, decided = labels[known, au] > 0, scores[known, au] > 0
        for ours, theirs in (
            (frame_f1, sk.f1_score),
            (precision, sk.precision_score),
            (recall, sk.recall_score),
            (balanced_accuracy, sk.balanced_accuracy_score),
            (cohen_kappa, sk.cohen_kappa_score),
        ):
            assert ours(labels, scores)[au] == pytest.approx(theirs(truth, decided), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_unknown_labels_are_as_if_deleted_and_order_does_not_matter(seed):
    labels, scores = random_case(seed, unknown=0.4)
    order = np.random.default_rng(seed).permutation(len(labels))
    for measure in ALL:
        values = measure(labels, scores)
        assert np.array_equal(values, measure(labels[order], scores[order]), equal_nan=True)
        for au in range(labels.shape[1]):
            kept = labels[:, au] != 0
            alone = measure(labels[kept, au : au + 1], scores[kept, au : au + 1])
            assert np.array_equal(values[au : au + 1], alone, equal_nan=True)
        wild = np.where(labels == 0, 99.0, scores)
        assert np.array_equal(values, measure(labels, wild), equal_nan=True)


@settings(max_examples=25, deadline=None)
@given(
    counts=st.tuples(*[st.integers(1, 50)] * 4),
    times=st.integers(2, 30),
)
def test_skew_normalised_f1_does_not_move_with_the_base_rate(counts, times):
    tp, fp, fn, tn = counts
    plain = skew_normalised_f1(*of_counts(tp, fp, fn, tn))
    skewed = skew_normalised_f1(*of_counts(tp, times * fp, fn, times * tn))
    assert plain == pytest.approx(skewed)
    skew = (fp + tn) / (tp + fn)
    assert skew_normalised_f1(*of_counts(*counts), target_skew=skew) == pytest.approx(
        frame_f1(*of_counts(*counts))
    )


@pytest.mark.parametrize(
    ("measure", "counts", "expected"),
    [
        (frame_f1, (0, 3, 2, 5), 0.0),  # present and never found
        (frame_f1, (0, 0, 2, 5), 0.0),
        (frame_f1, (0, 3, 0, 5), np.nan),  # never present, whatever is decided
        (frame_f1, (0, 0, 0, 5), np.nan),
        (precision, (0, 0, 2, 5), np.nan),
        (precision, (0, 3, 0, 5), 0.0),
        (recall, (0, 3, 0, 5), np.nan),
        (recall, (0, 0, 2, 0), 0.0),
        (balanced_accuracy, (2, 0, 1, 0), np.nan),
        (skew_normalised_f1, (2, 0, 1, 0), np.nan),
        (skew_normalised_f1, (0, 1, 0, 4), np.nan),
        (skew_normalised_f1, (0, 1, 2, 4), 0.0),
        (s_score, (0, 0, 0, 0), np.nan),
        (s_score, (0, 3, 0, 0), -1.0),
        (cohen_kappa, (3, 0, 0, 0), np.nan),
        (cohen_kappa, (0, 3, 0, 0), 0.0),
    ],
)
def test_when_a_number_is_undefined(measure, counts, expected):
    (value,) = measure(*of_counts(*counts))
    assert value == pytest.approx(expected, nan_ok=True)
    (filled,) = measure(*of_counts(*counts), undefined="zero")
    assert filled == (0.0 if np.isnan(expected) else expected)


def test_a_score_at_the_threshold_means_absent():
    labels, scores = np.array([[1], [1], [-1]]), np.array([[0.0], [0.5], [0.0]])
    assert recall(labels, scores)[0] == 0.5
    assert recall(labels, scores, threshold=-0.1)[0] == 1.0
    assert recall(labels, scores, threshold=np.array([0.5]))[0] == 0.0
    by_frame = np.array([[-1.0], [0.5], [0.0]])
    assert frame_f1(labels, scores, threshold=by_frame)[0] == pytest.approx(2 / 3)


def test_counts_of_units_add_up():
    labels, scores = random_case(3)
    units = np.random.default_rng(0).integers(0, 4, len(labels))
    by_unit = confusion_by_unit(labels, scores, units, 5)
    whole = confusion_counts(labels, scores)
    for name in ("tp", "fp", "fn", "tn"):
        assert np.array_equal(getattr(by_unit, name).sum(axis=0), getattr(whole, name))
        assert (getattr(by_unit, name)[4] == 0).all()
        alone = confusion_counts(labels[units == 2], scores[units == 2])
        assert np.array_equal(getattr(by_unit, name)[2], getattr(alone, name))


@pytest.mark.parametrize("measure", ALL)
def test_bad_input_is_named_in_one_line(measure):
    labels, scores = random_case(0)
    scores[7, 1] = np.nan
    with pytest.raises(UserError, match="row 7, AU column 1, is NaN"):
        measure(labels, scores)
    with pytest.raises(UserError, match=r"\(60, 3\).*\(59, 3\)"):
        measure(labels, scores[1:])
    with pytest.raises(UserError, match="shape"):
        measure(labels[:, 0], scores[:, 0])
    with pytest.raises(UserError, match=r"-1 \(absent\), 0 \(unknown\) or"):
        measure(labels + 1, np.zeros(labels.shape))
    with pytest.raises(UserError, match=r"-1 \(absent\)"):
        measure(labels * 0.5, np.zeros(labels.shape))
    with pytest.raises(UserError, match="real numbers"):
        measure(labels, scores.astype(str))
    with pytest.raises(UserError, match="undefined='0' is none of nan, zero"):
        measure(labels, np.zeros(labels.shape), undefined="0")


def test_bad_options():
    labels, scores = random_case(0)
    with pytest.raises(UserError, match="variant='jenny' is none of jeni, l2ior"):
        skew_normalised_f1(labels, scores, variant="jenny")
    with pytest.raises(UserError, match="target_skew"):
        skew_normalised_f1(labels, scores, target_skew=0)
