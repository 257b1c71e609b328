"""Class-aware and weighted streams, positive weights, prior correction, the registry."""

import numpy as np
import pytest

from sampling import (
    STRATEGIES,
    ClassAwareBatches,
    MomuBatches,
    RandomBatches,
    WeightedBatches,
    base_rates,
    composition,
    make_batches,
    positive_weights,
    prior_offsets,
    rarest_label_weights,
    stream_prior_offsets,
)


def share_of_draws(stream):
    draws = composition(stream._labels_NL, stream).draws_N
    return draws / draws.sum()


def test_class_aware_draws_aus_equally_often_and_then_their_frames():
    labels = np.full((30, 3), -1)
    labels[:2, 0] = labels[2:12, 1] = 1
    share = share_of_draws(ClassAwareBatches(labels, 100, num_batches=400))
    np.testing.assert_allclose(share[:2], 1 / 4, rtol=0.03)
    np.testing.assert_allclose(share[2:12], 1 / 20, rtol=0.1)
    assert not share[12:].any()


def test_weighted_draws_by_the_rarest_label():
    labels = np.full((30, 3), -1)
    labels[:4, 0] = labels[:12, 1] = 1  # weights 1/4 and 1/12: shares (1, 8/12) of 20/12
    share = share_of_draws(WeightedBatches(labels, 100, num_batches=400))
    np.testing.assert_allclose(share[:4], 0.15, rtol=0.05)
    np.testing.assert_allclose(share[4:12], 0.05, rtol=0.08)
    assert not share[12:].any()


def test_weights_of_frames_without_au():
    labels = np.array([[1, -1], [-1, -1], [-1, 0], [0, 0]])
    np.testing.assert_allclose(rarest_label_weights(labels), [1, 0, 0, 0])
    np.testing.assert_allclose(rarest_label_weights(labels, 1.0), [1, 0.5, 0.5, 0])
    share = share_of_draws(WeightedBatches(labels, 50, neutral_weight=1.0, num_batches=200))
    np.testing.assert_allclose(share, [0.5, 0.25, 0.25, 0], rtol=0.06)
    with pytest.raises(ValueError, match="neutral_weight must be 0 or more"):
        rarest_label_weights(labels, -1.0)


@pytest.mark.parametrize("stream", [ClassAwareBatches, WeightedBatches, MomuBatches])
def test_no_positive_label_is_an_error(stream):
    with pytest.raises(ValueError, match=r"needs a positive label .* hold none$"):
        stream(np.full((5, 2), -1), 2)


def test_positive_weights():
    labels = np.array([[1, -1, 1, 0], [-1, -1, 1, 0], [-1, 0, 1, 0], [-1, -1, 0, 0]])
    np.testing.assert_allclose(positive_weights(labels), [3, 1, 1, 1])
    np.testing.assert_allclose(positive_weights(labels, most=2), [2, 1, 1, 1])
    with pytest.raises(ValueError, match="most must be above 0"):
        positive_weights(labels, most=0)


def test_prior_offsets_by_hand():
    np.testing.assert_allclose(prior_offsets([0.5, 0.5], [0.1, 0.5]), [np.log(9), 0])
    np.testing.assert_allclose(prior_offsets([0.3, 0, np.nan, 1], [0.3, 0, 0.1, 0.2]), 0)
    with pytest.raises(ValueError, match=r"must be in \[0, 1\]"):
        prior_offsets([1.2], [0.5])


def test_prior_correction_gives_back_the_training_posterior():
    # One AU whose logit is known: batches drawn at another rate shift the best constant logit, and
    # the offset takes the shift off again.
    labels = np.where(np.random.default_rng(0).random((5000, 2)) < [0.05, 0.4], 1, -1)
    stream = MomuBatches(labels, 100)
    rate = composition(labels, stream).base_rates_L
    stream.set_epoch(0)
    corrected = np.log(rate / (1 - rate)) - stream_prior_offsets(labels, stream)
    np.testing.assert_allclose(1 / (1 + np.exp(-corrected)), base_rates(labels))
    stream.set_epoch(0)
    assert stream_prior_offsets(labels, stream)[0] > 1.5
    random = stream_prior_offsets(labels, RandomBatches(labels, 100))
    np.testing.assert_allclose(random, 0, atol=1e-12)


def test_base_rates_leave_unknown_labels_out():
    np.testing.assert_allclose(base_rates([[1, 0], [-1, 0], [0, 0]]), [0.5, np.nan])


def test_the_registry_knows_all_strategies(small_labels):
    assert set(STRATEGIES) >= {"random", "stratified", "momu", "class_aware", "weighted"}
    for strategy in STRATEGIES:
        stream = make_batches(strategy, small_labels, 50, 3)
        assert len(list(stream)) == len(stream)
    momu = make_batches("momu", small_labels, 50, seed=1, step=7, rank=1, world_size=2)
    assert (momu.step, momu.seed, momu.rank, len(momu)) == (7, 1, 1, 6)
    assert make_batches("ml_rus", small_labels, 50, fraction=0.5).resampler == "ml_rus"


def test_the_registry_names_what_it_has(small_labels):
    with pytest.raises(ValueError, match="no sampling strategy 'smote'; choose one of random, str"):
        make_batches("smote", small_labels, 50)
    with pytest.raises(ValueError, match="'momu' has no option stride; it has step, first, ties"):
        make_batches("momu", small_labels, 50, stride=4)
    with pytest.raises(ValueError, match="'ml_ros' has no option resampler; it has fraction"):
        make_batches("ml_ros", small_labels, 50, resampler="lp_ros")
