"""Bad input: a clear error, or behaviour that is defined."""

import numpy as np
import pytest

from sampling import STRATEGIES, RandomBatches, StratifiedBatches, make_batches

LABELS = np.array([[1, -1], [-1, 1], [1, 1], [-1, -1], [0, 0]])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([[1, 2], [-1, 9]], "2 are not; the first is 2 at frame 0, column 1"),
        ([[1, 0.5]], "the first is 0.5 at frame 0, column 1"),
        ([[1, np.nan]], "the first is nan at frame 0, column 1"),
        ([[1, 257]], "the first is 257"),
        ([1, -1], r"labels must be \(frames, AUs\), but have shape \(2,\)"),
        (np.zeros((0, 3)), r"a frame and an AU at least, but are \(0, 3\)"),
        (np.zeros((3, 0)), r"a frame and an AU at least, but are \(3, 0\)"),
        ([["a", "b"]], "labels must be numbers"),
    ],
)
def test_wrong_labels(strategy, labels, message):
    with pytest.raises(ValueError, match=message):
        make_batches(strategy, labels, 2)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"batch_size": 0}, "batch_size must be 1 or more, not 0"),
        ({"batch_size": 2.5}, "batch_size must be a whole number, 1 or more, not 2.5"),
        ({"batch_size": 2, "seed": -1}, "seed must be 0 or more"),
        ({"batch_size": 2, "rank": 2, "world_size": 2}, r"rank must be in 0 \.\. 1, not 2"),
        ({"batch_size": 2, "world_size": 0}, "world_size must be 1 or more"),
        ({"batch_size": 2, "num_batches": 0}, r"num_batches must be .*1 "),
    ],
)
def test_wrong_arguments(strategy, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_batches(strategy, LABELS, **arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"step": 0}, "step must be 1 or more"),
        ({"first": "last"}, "first must be one of original, remaining, not 'last'"),
        ({"ties": "x"}, "ties must be one of population, random, index"),
        ({"restore": "x"}, "restore must be one of all_of_AU, all_not_in_batch"),
        ({"last": "x"}, "last must be one of trunc, round"),
        ({"neutral_fraction": 1.0}, r"neutral_fraction must be in \[0, 1\), not 1"),
        ({"neutral_fraction": 0.9}, "leaves no room for frames with an AU"),
    ],
)
def test_wrong_momu_options(options, message):
    with pytest.raises(ValueError, match=message):
        make_batches("momu", LABELS, 4, **options)


def test_a_wrong_epoch():
    with pytest.raises(ValueError, match="epoch must be 0 or more"):
        RandomBatches(LABELS, 2).set_epoch(-1)


def test_labels_of_any_number_type_and_no_alias():
    labels = LABELS.astype(np.float64)
    stream = RandomBatches(labels, 2)
    labels[:] = 0
    assert stream.fingerprint() == RandomBatches(LABELS.astype(np.int16), 2).fingerprint()
    assert RandomBatches(LABELS == 1, 2).num_frames == 5


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_fewer_frames_than_a_batch(strategy):
    batches = list(make_batches(strategy, LABELS, 100))
    assert len(batches) == 1
    if strategy in ("momu", "class_aware", "weighted"):  # these repeat frames
        assert len(batches[0]) == 100
        assert set(batches[0]) == {0, 1, 2}
    elif strategy in ("random", "stratified"):
        assert sorted(batches[0]) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("stream", [RandomBatches, StratifiedBatches])
def test_without_any_known_label_frames_are_dealt_all_the_same(stream):
    batches = list(stream(np.zeros((7, 3)), 3))
    np.testing.assert_array_equal(np.sort(np.concatenate(batches)), np.arange(7))


def test_drop_last():
    assert [len(batch) for batch in RandomBatches(LABELS, 2, drop_last=True)] == [2, 2]
    with pytest.raises(ValueError, match="drop_last leaves no batch: 5 frames, batch_size 6"):
        RandomBatches(LABELS, 6, drop_last=True)
