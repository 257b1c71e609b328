"""ML-ROS, ML-RUS, LP-ROS, LP-RUS, MLSMOTE, REMEDIAL."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampling import (
    imbalance_ratios,
    lp_ros,
    lp_rus,
    make_batches,
    minority_labels,
    ml_ros,
    ml_rus,
    mlsmote,
    remedial,
    scumble,
)

matrices = {
    "seed": st.integers(0, 2**32 - 1),
    "num_frames": st.integers(1, 60),
    "num_aus": st.integers(1, 6),
}


def test_imbalance_by_hand():
    np.testing.assert_allclose(imbalance_ratios(np.array([10, 5, 0, 1])), [1, 2, np.nan, 10])
    np.testing.assert_array_equal(minority_labels(np.array([10, 5, 0, 1])), [0, 0, 0, 1])
    assert not minority_labels(np.array([0, 0])).any()
    # Ratios 1 and 4: the frame with both has 1 - sqrt(4) / 2.5, one kind alone has 0.
    labels = np.array([[1, 1], [1, -1], [1, -1], [1, -1], [-1, -1]])
    np.testing.assert_allclose(scumble(labels), [0.2, 0, 0, 0, 0], atol=1e-12)


@given(**matrices, fraction=st.floats(0.05, 0.9))
@settings(max_examples=200, deadline=None, database=None)
def test_rows_are_added_or_removed_within_bounds(
    random_matrix, seed, num_frames, num_aus, fraction
):
    labels = random_matrix(seed, num_frames, num_aus)
    most = int(fraction * num_frames)
    minority = minority_labels((labels > 0).sum(axis=0))
    for grow in (ml_ros, lp_ros):
        rows = grow(labels, fraction, seed)
        assert set(rows) == set(range(num_frames))
        assert 0 <= len(rows) - num_frames <= most
        np.testing.assert_array_equal(rows, grow(labels, fraction, seed))
    cloned = np.repeat(np.arange(num_frames), np.bincount(ml_ros(labels, fraction, seed)) - 1)
    assert (labels[cloned][:, minority] > 0).any(axis=1).all()
    for shrink in (ml_rus, lp_rus):
        rows = shrink(labels, fraction, seed)
        assert len(set(rows)) == len(rows)
        assert 0 <= num_frames - len(rows) <= most
        np.testing.assert_array_equal(rows, shrink(labels, fraction, seed))
    removed = np.setdiff1d(np.arange(num_frames), ml_rus(labels, fraction, seed))
    assert not (labels[removed][:, minority] > 0).any()
    assert (labels[removed] > 0).any(axis=1).all()


@pytest.mark.parametrize("resample", [ml_ros, ml_rus])
def test_labels_are_more_even_afterwards(gft_like, resample):
    def mean_ratio(labels):
        return imbalance_ratios((labels > 0).sum(axis=0)).mean()

    rows = resample(gft_like[:8000], 0.2)
    assert mean_ratio(gft_like[rows]) < 0.95 * mean_ratio(gft_like[:8000])


def test_label_sets_move_towards_their_mean():
    labels = np.repeat([[1, -1], [-1, 1], [1, 1], [-1, -1]], [2, 6, 10, 22], axis=0)  # mean 10

    def sizes(rows):
        _, counts = np.unique(labels[rows], axis=0, return_counts=True)
        return sorted(counts)

    assert sizes(lp_ros(labels, 0.2)) == [6, 10, 10, 22]  # 8 rows: 4 for each of two small sets
    assert sizes(lp_ros(labels, 0.9)) == [10, 10, 10, 22]
    assert sizes(lp_rus(labels, 0.2)) == [2, 6, 10, 14]
    assert sizes(lp_rus(labels, 0.9)) == [2, 6, 10, 10]


def test_an_epoch_of_resampled_batches_is_a_partition_of_the_rows(gft_like):
    labels = gft_like[:3000]
    stream = make_batches("ml_ros", labels, 100, seed=3, fraction=0.3)
    for _ in range(2):
        found = np.sort(np.concatenate(list(stream)))
        np.testing.assert_array_equal(found, ml_ros(labels, 0.3, 3))


@pytest.mark.parametrize("fraction", [0, 1, -0.1, "much"])
def test_a_wrong_fraction_is_an_error(small_labels, fraction):
    with pytest.raises(ValueError, match=r"fraction must be .*in \(0, 1\)"):
        ml_ros(small_labels, fraction)


def test_mlsmote_lies_between_neighbours_and_votes():
    generator = np.random.default_rng(0)
    labels = np.full((200, 3), -1)
    labels[:20, 0] = labels[:150, 1] = labels[20:180, 2] = 1
    features = generator.standard_normal((200, 4)).astype(np.float32)
    features[:10, 0] += 100  # two groups of the rare AU: neighbours never cross over
    new_features, new_labels = mlsmote(features, labels, num_neighbours=5, seed=1)
    assert new_features.shape == (20, 4)
    assert new_features.dtype == np.float32
    assert new_labels.dtype == np.int8
    np.testing.assert_array_equal(new_labels, np.tile([1, 1, -1], (20, 1)))
    assert not ((new_features[:, 0] > 10) & (new_features[:, 0] < 90)).any()
    for new, old in zip(new_features, features[:20], strict=True):
        others = features[:20]
        direction, step = others - old, new - old
        # On the line to one of the others: the step is a share in [0, 1) of that direction.
        share = direction @ step / np.maximum((direction**2).sum(axis=1), 1e-9)
        distance = np.abs(share[:, None] * direction - step).max(axis=1)
        assert ((distance < 1e-3) & (share >= 0) & (share < 1)).any()
    again, _ = mlsmote(features, labels, num_neighbours=5, seed=1)
    np.testing.assert_array_equal(again, new_features)


def test_mlsmote_leaves_unknown_what_most_voters_do_not_know():
    labels = np.full((100, 4), -1)
    labels[:3, 0] = labels[:, 1] = 1
    labels[:3, 2] = 0
    labels[:1, 3] = 1
    features = np.arange(100.0)[:, None]
    _, new_labels = mlsmote(features, labels[:, :3], num_neighbours=2)
    np.testing.assert_array_equal(new_labels, np.tile([1, 1, 0], (3, 1)))
    # An AU with no more frames than neighbours is left as it is.
    assert len(mlsmote(features, labels[:, [1, 3]], num_neighbours=2)[0]) == 0


def test_mlsmote_wants_a_feature_row_for_each_frame(small_labels):
    with pytest.raises(ValueError, match=r"features must be \(600, D\)"):
        mlsmote(np.zeros((5, 2)), small_labels)


def test_remedial_splits_frames_and_forgets_instead_of_denying():
    labels = np.full((40, 2), -1)
    labels[:4, 0] = labels[:30, 1] = 1  # frames 0 .. 3 have the rare and the frequent AU
    rows, new_labels = remedial(labels)
    np.testing.assert_array_equal(rows, [*range(40), 0, 1, 2, 3])
    np.testing.assert_array_equal(new_labels[:4], np.tile([1, 0], (4, 1)))
    np.testing.assert_array_equal(new_labels[40:], np.tile([0, 1], (4, 1)))
    np.testing.assert_array_equal(new_labels[4:40], labels[4:])


@given(**matrices)
@settings(max_examples=150, deadline=None, database=None)
def test_remedial_changes_only_present_to_unknown(random_matrix, seed, num_frames, num_aus):
    labels = random_matrix(seed, num_frames, num_aus)
    rows, new_labels = remedial(labels)
    changed = new_labels != labels[rows]
    assert (labels[rows][changed] == 1).all()
    assert (new_labels[changed] == 0).all()
    present = np.zeros_like(labels)
    np.add.at(present, rows, (new_labels > 0).astype(np.int8))
    np.testing.assert_array_equal(present, labels > 0)
