"""Draws and weights per subject and AU."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.imbalance import draw_per_subject, imbalance_weights

LABELS = st.lists(st.tuples(st.integers(0, 3), st.integers(-1, 1)), min_size=1, max_size=80)


@settings(max_examples=60, deadline=None)
@given(LABELS, st.integers(0, 9), st.integers(0, 12), st.integers(0, 12))
def test_draws_keep_their_limits_and_take_all_they_may(rows, seed, positives, negatives):
    subjects = np.array([f"S{s}" for s, _ in rows], dtype=object)
    labels = np.array([[y, -y] for _, y in rows], dtype=np.int8)
    drawn = draw_per_subject(labels, subjects, seed, positives=positives, negatives=negatives)
    assert not drawn[labels == 0].any()
    for subject in np.unique(subjects.astype(str)):
        of_subject = subjects == subject
        for au in range(2):
            for sign, limit in ((1, positives), (-1, negatives)):
                members = of_subject & (labels[:, au] == sign)
                assert drawn[members, au].sum() == min(limit, members.sum())


def test_subsample_keeps_all_positives_and_twice_as_many_negatives():
    labels = np.r_[[1] * 5 + [-1] * 50 + [0] * 3, [-1] * 20][:, None].astype(np.int8)
    subjects = np.array(["a"] * 58 + ["b"] * 20, dtype=object)
    weights = imbalance_weights(labels, subjects, "subsample", seed=0)[:, 0]
    assert weights[:5].tolist() == [1] * 5
    assert weights[5:55].sum() == 10
    assert not weights[55:].any()


def test_draws_repeat_by_seed_and_differ_between_seeds():
    generator = np.random.default_rng(0)
    labels = generator.choice(np.array([-1, 1], np.int8), (200, 2), p=[0.8, 0.2])
    subjects = np.array(["a"] * 100 + ["b"] * 100, dtype=object)
    first, again, other = (
        imbalance_weights(labels, subjects, "subsample", seed) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)


def test_balanced_classes_weigh_the_same_and_none_counts_frames():
    labels = np.r_[[1] * 3, [-1] * 9, [0] * 2][:, None].astype(np.int8)
    subjects = np.array(["a"] * 14, dtype=object)
    balanced = imbalance_weights(labels, subjects, "balanced", 0)[:, 0]
    assert balanced[:3].sum() == pytest.approx(6)
    assert balanced[3:12].sum() == pytest.approx(6)
    assert not balanced[12:].any()
    plain = imbalance_weights(labels, subjects, "none", 0)[:, 0]
    assert plain.tolist() == [1] * 12 + [0] * 2
