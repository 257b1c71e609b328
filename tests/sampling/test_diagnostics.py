"""Figures by hand, and the reference behaviour of the three strategies, GFT- and BP4D-like."""

import numpy as np
import pytest

from sampling import MomuBatches, RandomBatches, StratifiedBatches, batch_counts, composition

LABELS = np.array([[1, -1, 0], [1, 1, -1], [-1, 1, -1], [-1, -1, 0]])


def test_figures_by_hand():
    found = composition(LABELS, [np.array([0, 1]), np.array([1, 1]), np.array([1, 3])])
    np.testing.assert_array_equal(found.counts_BL, [[2, 1, 0], [2, 2, 0], [1, 1, 0]])
    np.testing.assert_array_equal(found.sizes_B, [2, 2, 2])
    np.testing.assert_array_equal(found.draws_N, [1, 4, 0, 1])
    np.testing.assert_allclose(found.within_batch_ratio_B, [2, 1, 1])
    np.testing.assert_allclose(found.base_rates_L, [5 / 6, 4 / 6, 0])
    np.testing.assert_allclose(found.between_batch_cv_L, [np.sqrt(2) / 5, np.sqrt(2) / 4, np.nan])
    assert found.share_used == 0.75
    assert found.max_reuse == 4
    summary = found.summary()
    assert summary["repeated_draws"] == pytest.approx(0.5)
    assert summary["between_batch_cv"] == pytest.approx(np.sqrt(2) * 9 / 40)
    assert summary["within_batch_ratio"] == 1


def test_a_small_last_batch_is_no_outlier():
    labels = np.tile([[1], [-1]], (5, 1))
    batches = [np.arange(0, 4), np.arange(4, 8), np.arange(8, 10)]
    np.testing.assert_array_equal(batch_counts(labels, batches), [[2], [2], [1]])
    assert composition(labels, batches).between_batch_cv_L == [0]


def test_an_au_missing_from_a_batch_counts_as_one_frame():
    found = composition(LABELS, [np.array([0, 0, 0]), np.array([2])])
    np.testing.assert_allclose(found.within_batch_ratio_B, [3, 1])


def test_no_positive_at_all_gives_nan():
    found = composition(np.zeros((3, 2)), [np.arange(3)])
    assert np.isnan(found.base_rates_L).all()
    assert np.isnan(found.within_batch_ratio_B).all()
    assert np.isnan(found.summary()["between_batch_cv"])


@pytest.mark.parametrize("batches", [[], [np.array([], dtype=np.int64)]])
def test_no_batch_is_an_error(batches):
    with pytest.raises(ValueError, match="there must be batches"):
        composition(LABELS, batches)


def test_reference_behaviour_on_gft_like_labels(gft_like):
    random = composition(gft_like, RandomBatches(gft_like, 196)).summary()
    stratified = composition(gft_like, StratifiedBatches(gft_like, 196)).summary()
    momu = composition(gft_like, MomuBatches(gft_like, 196)).summary()
    # Between batches: random .185, stratified .092, MOMU .104 in the reference measurement.
    assert random["between_batch_cv"] == pytest.approx(0.185, abs=0.03)
    assert stratified["between_batch_cv"] == pytest.approx(0.092, abs=0.03)
    assert momu["between_batch_cv"] == pytest.approx(0.104, abs=0.03)
    # Within a batch: 14.0, 13.0, 2.05.
    assert random["within_batch_ratio"] == pytest.approx(14.0, rel=0.1)
    assert stratified["within_batch_ratio"] == pytest.approx(13.0, rel=0.1)
    assert momu["within_batch_ratio"] == pytest.approx(2.05, rel=0.1)
    # 14.3 k of 40 k frames used in as many draws, the most used one 15 times.
    assert random["share_used"] == stratified["share_used"] == 1
    assert momu["share_used"] == pytest.approx(14.3 / 40, rel=0.25)
    assert momu["max_reuse"] == pytest.approx(15, abs=5)


def test_reference_behaviour_on_bp4d_like_labels(bp4d_like):
    random, stratified, momu = (
        composition(bp4d_like, stream(bp4d_like, 196)).summary()
        for stream in (RandomBatches, StratifiedBatches, MomuBatches)
    )
    assert stratified["between_batch_cv"] < 0.8 * random["between_batch_cv"]
    assert momu["within_batch_ratio"] < 0.6 * stratified["within_batch_ratio"]


def test_momu_lifts_every_au_to_a_similar_rate(gft_like):
    rates = composition(gft_like, MomuBatches(gft_like, 196)).base_rates_L
    assert ((rates > 0.25) & (rates < 0.62)).all()
