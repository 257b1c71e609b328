"""Every invariant of Algorithm 1, over thousands of small label matrices."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sampling import RandomBatches, StratifiedBatches, composition
from sampling.stratified import NO_AU, stratify

matrices = {
    "seed": st.integers(0, 2**32 - 1),
    "num_frames": st.integers(1, 70),
    "num_aus": st.integers(1, 7),
}
many = settings(
    max_examples=700, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)


@pytest.mark.parametrize("deal", ["round_robin", "lex", "desire"])
@given(
    **matrices,
    num_batches=st.integers(1, 80),
    order=st.sampled_from(["dynamic", "static"]),
    pointer=st.sampled_from(["continue", "restart"]),
)
@many
def test_invariants(random_matrix, deal, seed, num_frames, num_aus, num_batches, order, pointer):
    labels = random_matrix(seed, num_frames, num_aus)
    has = labels > 0
    plan = stratify(
        labels, num_batches, np.random.default_rng(seed), order=order, deal=deal, pointer=pointer
    )
    batch, turn, rounds = plan.batch_N.astype(int), plan.round_N, plan.rounds

    # A partition into L + 1 rounds at most, each AU dealt once, frames without AU last.
    assert ((batch >= 0) & (batch < num_batches)).all()
    assert len(rounds) <= num_aus + 1
    assert len(set(rounds)) == len(rounds)
    assert NO_AU not in rounds[:-1]
    assert set(turn) == set(range(len(rounds)))

    held = np.bincount(batch, minlength=num_batches)
    if deal == "desire" or pointer == "continue":
        assert held.max() - held.min() <= 1

    remaining = np.ones(num_frames, dtype=bool)
    initial = has.sum(axis=0)
    for number, au in enumerate(rounds):
        counts = has[remaining].sum(axis=0)
        dealt = turn == number
        if au == NO_AU:
            assert not counts.any()
            np.testing.assert_array_equal(dealt, remaining)
        else:
            # The rarest that remains, and all of its remaining frames.
            measure = counts if order == "dynamic" else initial
            assert measure[au] == measure[counts > 0].min()
            np.testing.assert_array_equal(dealt, remaining & has[:, au])
        per_batch = np.bincount(batch[dealt], minlength=num_batches)
        if deal != "desire":
            assert per_batch.max() - per_batch.min() <= 1
        if number == 0 and au != NO_AU and num_frames >= num_batches:
            assert per_batch.max() - per_batch.min() <= 1
        remaining &= ~dealt
    assert not remaining.any()


@given(**matrices, batch_size=st.integers(1, 80))
@settings(many, max_examples=300)
def test_an_epoch_is_a_partition_into_batches_of_equal_size(
    random_matrix, seed, num_frames, num_aus, batch_size
):
    labels = random_matrix(seed, num_frames, num_aus)
    for stream in (
        RandomBatches(labels, batch_size, seed),
        StratifiedBatches(labels, batch_size, seed),
        StratifiedBatches(labels, batch_size, seed, deal="desire"),
    ):
        batches = list(stream)
        assert len(batches) == len(stream) == -(-num_frames // batch_size)
        assert all(batch.dtype == np.int64 for batch in batches)
        np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(num_frames))
        sizes = [len(batch) for batch in batches]
        assert max(sizes) <= batch_size
        if isinstance(stream, StratifiedBatches):
            assert max(sizes) - min(sizes) <= 1
        else:
            assert set(sizes[:-1]) <= {batch_size}


def test_lex_puts_frames_with_equal_labels_side_by_side():
    # One AU in all frames; four kinds of frames by the other two AUs, 5 frames of each. Dealt
    # in that order, each batch gets one of each kind.
    kinds = np.array([[1, -1, -1], [1, -1, 1], [1, 1, -1], [1, 1, 1]], dtype=np.int8)
    frames = np.random.default_rng(0).permutation(np.repeat(kinds, 5, axis=0))
    frames[:, 0] = 1
    # The first AU comes last among the rarest, so make it the first: blank the others by order.
    labels = np.concatenate((frames, np.repeat([[-1, 1, 1]], 100, axis=0))).astype(np.int8)
    batch = stratify(labels, 5, np.random.default_rng(0), deal="lex").batch_N[: len(frames)]
    for number in range(5):
        kinds_seen = {tuple(row) for row in labels[: len(frames)][batch == number]}
        assert len(kinds_seen) == 4


def test_between_batches_random_is_worst_and_desire_is_best(gft_like):
    def deviation(stream):
        return composition(gft_like, stream).counts_BL.std(axis=0).mean()

    random = deviation(RandomBatches(gft_like, 196, drop_last=True))
    dealt = {
        deal: deviation(StratifiedBatches(gft_like, 196, deal=deal))
        for deal in ("round_robin", "lex", "desire")
    }
    assert dealt["desire"] < dealt["lex"] < dealt["round_robin"] < random
    assert dealt["desire"] < 1  # frames


def test_unknown_counts_as_not_containing():
    labels = np.array([[1, 0], [0, 0], [-1, -1], [1, 1]], dtype=np.int8)
    absent = np.where(labels == 0, -1, labels)
    one, other = StratifiedBatches(labels, 2), StratifiedBatches(absent, 2)
    for batch, same in zip(one, other, strict=True):
        np.testing.assert_array_equal(batch, same)


def test_restart_lets_sizes_drift(gft_like):
    sizes = [len(batch) for batch in StratifiedBatches(gft_like, 196, pointer="restart")]
    assert max(sizes) - min(sizes) > 1


def test_only_so_many_batches_as_wanted(small_labels):
    whole, part = (
        StratifiedBatches(small_labels, 50),
        StratifiedBatches(small_labels, 50, num_batches=5),
    )
    assert len(whole) == 12
    for batch, same in zip(list(whole)[:5], part, strict=True):
        np.testing.assert_array_equal(batch, same)
    with pytest.raises(ValueError, match=r"num_batches must be in 1 \.\. 12, not 13"):
        StratifiedBatches(small_labels, 50, num_batches=13)


def test_an_option_without_effect_is_refused(small_labels):
    with pytest.raises(ValueError, match="pointer has no effect"):
        StratifiedBatches(small_labels, 50, deal="desire", pointer="restart")
    with pytest.raises(ValueError, match="round_robin, desire, lex, not 'random'"):
        StratifiedBatches(small_labels, 50, deal="random")
