"""Every invariant of Algorithm 2, pick by pick against a plain account of what is alive."""

import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2

from sampling import MomuBatches, composition, momu_kernel

options = st.fixed_dictionaries(
    {
        "step": st.integers(1, 9),
        "first": st.sampled_from(["original", "remaining"]),
        "ties": st.sampled_from(["population", "random", "index"]),
        "restore": st.sampled_from(["all_of_AU", "all_not_in_batch"]),
        "neutral_fraction": st.sampled_from([0.0, 0.25]),
    }
)


def check_every_pick(labels, stream, epochs=1, on_draw=None):
    """Follows the algorithm with plain arrays, and fails where a pick breaks a rule."""
    has = labels > 0
    population = has.sum(axis=0)
    neutral = ~has.any(axis=1) & (labels < 0).any(axis=1)
    available = np.flatnonzero(population)
    by_rarity = np.argsort(population, kind="stable")
    alive = np.ones(len(labels), dtype=bool)
    draws, restores = np.zeros(len(labels), dtype=int), np.zeros(len(population) + 1, dtype=int)
    membership = np.column_stack((has, neutral))
    num_neutral = round(stream.neutral_fraction * stream.batch_size)
    size = stream.batch_size - num_neutral
    step = stream.step

    for traced in (traced for epoch in range(epochs) for traced in stream.trace(epoch)):
        batch, filled = traced.batch_B, 0
        current = np.zeros(len(population), dtype=int)
        assert len(batch) == stream.batch_size
        for au, taken, restored in traced.picks_P3:
            frames, room = batch[filled : filled + taken], size - filled
            of_au = membership[:, au]
            if room > 0:
                rarity = current if filled else population
                if not filled and stream.first == "remaining":
                    rarity = (has & alive[:, None]).sum(axis=0)
                rarest = [a for a in available if rarity[a] == rarity[available].min()]
                assert au in rarest
                if stream.ties == "index":
                    assert au == rarest[0]
                elif stream.ties == "population":
                    assert au == next(a for a in by_rarity if a in rarest)
                expected = min(step, room, population[au])
            else:
                assert au == len(population)
                expected = min(len(batch) - filled, neutral.sum())
            assert taken == expected
            assert len(set(frames)) == taken
            assert of_au[frames].all()
            assert bool(restored) == ((alive & of_au).sum() < taken)
            if restored:
                restores[au] += 1
                in_batch = np.isin(np.arange(len(labels)), batch[:filled])
                alive |= of_au & ~(in_batch & (stream.restore == "all_not_in_batch"))
            fresh = min(taken, (alive & of_au).sum())
            for frame in frames[:fresh]:
                if on_draw:
                    on_draw(np.flatnonzero(alive & of_au), frame)
                assert alive[frame]
                alive[frame] = False
            if fresh < taken:
                assert stream.restore == "all_not_in_batch"
                assert np.isin(frames[fresh:], batch[:filled]).all()
            if stream.restore == "all_not_in_batch" and of_au.sum() >= len(batch):
                assert not np.isin(frames, batch[:filled]).any()
            draws[frames] += 1
            current += has[frames].sum(axis=0)
            filled += taken
        assert filled == len(batch)
        np.testing.assert_array_equal(traced.num_alive_L, (has & alive[:, None]).sum(axis=0))
        np.testing.assert_array_equal(membership[batch].any(axis=1), True)
        if (population >= step).all():
            picks_of_each = -(-(size // step) // len(population))
            assert current.min() >= step * (picks_of_each - 1)
    assert (draws <= 1 + membership @ restores).all()


@given(
    seed=st.integers(0, 2**32 - 1),
    num_frames=st.integers(1, 60),
    num_aus=st.integers(1, 7),
    batch_size=st.integers(2, 40),
    options=options,
)
@settings(
    max_examples=1500, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
def test_invariants(random_matrix, seed, num_frames, num_aus, batch_size, options):
    labels = random_matrix(seed, num_frames, num_aus)
    neutral = (labels <= 0).all(axis=1) & (labels < 0).any(axis=1)
    lacks_neutral = round(options["neutral_fraction"] * batch_size) > 0 and not neutral.any()
    if not (labels > 0).any() or lacks_neutral:
        with pytest.raises(ValueError, match=r"labels hold none$"):
            MomuBatches(labels, batch_size, seed, **options)
        return
    stream = MomuBatches(labels, batch_size, seed, num_batches=4, **options)
    check_every_pick(labels, stream)


def test_invariants_hold_across_epochs_and_with_70_aus():
    generator = np.random.default_rng(0)
    labels = np.where(generator.random((300, 70)) < 0.05, 1, -1).astype(np.int8)
    check_every_pick(labels, MomuBatches(labels, 90, step=2), epochs=3)


def test_each_au_gets_its_share(gft_like):
    stream = MomuBatches(gft_like, 196)
    counts = composition(gft_like, stream).counts_BL
    assert counts.min() >= 16  # 4 * (ceil(49 / 12) - 1)
    assert np.median(counts.min(axis=1)) > 45


@pytest.mark.parametrize("restore", ["all_of_AU", "all_not_in_batch"])
def test_draws_are_uniform_over_the_alive_frames(restore):
    generator = np.random.default_rng(0)
    labels = np.where(generator.random((14, 3)) < [0.3, 0.5, 0.8], 1, -1)
    ranks = {}

    def on_draw(alive, frame):
        ranks.setdefault(len(alive), []).append(np.searchsorted(alive, frame))

    stream = MomuBatches(labels, 6, seed=1, step=2, restore=restore, num_batches=3000)
    check_every_pick(labels, stream, on_draw=on_draw)
    statistic = freedom = 0.0
    for num_alive, drawn in ranks.items():
        if num_alive > 1 and len(drawn) > 50 * num_alive:
            counts = np.bincount(drawn, minlength=num_alive)
            statistic += ((counts - counts.mean()) ** 2 / counts.mean()).sum()
            freedom += num_alive - 1
    assert freedom >= 10
    assert 0.001 < chi2.cdf(statistic, freedom) < 0.999


def test_frames_repeat_in_a_batch_only_where_they_must(small_labels):
    literal = MomuBatches(small_labels, 100)
    spared = MomuBatches(small_labels, 100, restore="all_not_in_batch")
    enough = small_labels[:, 1:]  # every AU has more frames than a batch takes of it
    assert any(len(set(batch)) < len(batch) for batch in literal)
    for batch in MomuBatches(enough, 50, restore="all_not_in_batch"):
        assert len(set(batch)) == len(batch)
    for batch in spared:  # the first AU has 12 frames or so: only those may repeat
        frames, times = np.unique(batch, return_counts=True)
        assert (small_labels[frames[times > 1], 0] == 1).all()


def test_a_neutral_fraction_is_kept(small_labels):
    neutral = (small_labels <= 0).all(axis=1)
    for batch in MomuBatches(small_labels, 40, neutral_fraction=0.2):
        assert neutral[batch].sum() == 8
        assert len(set(batch[neutral[batch]])) == 8
    assert not any(neutral[batch].any() for batch in MomuBatches(small_labels, 40))


def test_frames_without_known_labels_are_not_neutral():
    labels = np.array([[1, -1], [0, 0], [-1, -1], [0, -1]])
    drawn = np.concatenate(list(MomuBatches(labels, 4, neutral_fraction=0.5, num_batches=20)))
    assert set(drawn) == {0, 2, 3}


def test_the_last_pick(small_labels):
    assert {len(batch) for batch in MomuBatches(small_labels, 50, step=4)} == {50}
    assert {len(batch) for batch in MomuBatches(small_labels, 50, step=4, last="round")} == {48}
    with pytest.raises(ValueError, match="leaves no room for frames with an AU"):
        MomuBatches(small_labels, 3, step=4, last="round")
    assert {len(batch) for batch in MomuBatches(small_labels, 3, step=4)} == {3}


def test_an_au_without_positives_plays_no_part(small_labels):
    with_empty = np.insert(small_labels, 2, -1, axis=1)
    for traced in MomuBatches(with_empty, 50).trace(0):
        assert 2 not in traced.picks_P3[:, 0]


def test_taken_out_frames_carry_over_to_the_next_epoch():
    labels = np.ones((100, 1), dtype=np.int8)
    stream = MomuBatches(labels, 10, num_batches=5)
    first, second = (np.concatenate(list(stream)) for _ in range(2))
    np.testing.assert_array_equal(np.sort(np.concatenate((first, second))), np.arange(100))


def test_going_back_gives_the_same_epoch_again(small_labels):
    stream = MomuBatches(small_labels, 50, seed=4)
    epochs = [np.concatenate(list(stream)) for _ in range(4)]
    for epoch in (3, 1, 0, 2):
        stream.set_epoch(epoch)
        np.testing.assert_array_equal(np.concatenate(list(stream)), epochs[epoch])
    fresh = MomuBatches(small_labels, 50, seed=4)
    fresh.set_epoch(2)
    np.testing.assert_array_equal(np.concatenate(list(fresh)), epochs[2])


def test_compiles_anew_where_no_folder_can_be_written(monkeypatch):
    calls = []

    def njit(function=None, cache=False, **options):
        if function is None:
            return lambda function: njit(function, cache, **options)
        calls.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return function

    monkeypatch.setattr(numba, "njit", njit)
    assert momu_kernel._compiled(len) is len
    assert calls == [True, False]
