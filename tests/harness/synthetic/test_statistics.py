"""The figures of a table that was counted by hand."""

import numpy as np
import pytest

from harness.data.frames import FrameTable
from harness.synthetic.statistics import LAGS, figures


def make_table(sequences):
    """One AU pair; ``sequences`` is [(subject, labels (T, 2)), ...]."""
    lengths = [len(labels) for _, labels in sequences]
    return FrameTable(
        aus=(1, 2),
        subjects=np.repeat(np.array([s for s, _ in sequences], dtype=object), lengths),
        sequences=np.repeat(
            np.array([f"{s}/T{i}" for i, (s, _) in enumerate(sequences)], object), lengths
        ),
        numbers=np.concatenate([np.arange(1, n + 1) for n in lengths]).astype(np.int32),
        tracked=np.concatenate([(labels != 0).any(1) for _, labels in sequences]),
        labels=np.concatenate([labels for _, labels in sequences]).astype(np.int8),
    )


def column(text):
    return [{"+": 1, "-": -1, "0": 0}[c] for c in text]


@pytest.fixture
def counted():
    first = np.stack([column("++--+++-"), column("++++++++")], 1)
    second = np.stack([column("+++0----"), column("----0---")], 1)
    return figures(make_table([("a", first), ("b", second)]))


def test_base_rates_leave_unknown_frames_out(counted):
    np.testing.assert_allclose(counted.base_rate, [8 / 15, 8 / 15])


def test_events_end_at_sequence_borders(counted):
    # the last + of the first sequence's second AU does not join the second sequence
    np.testing.assert_allclose(counted.median_event, [3, 8])


def test_sequences_always_and_never_on(counted):
    np.testing.assert_allclose(counted.always_on, [0, 0.5])
    np.testing.assert_allclose(counted.never_on, [0, 0.5])


def test_spread_of_people(counted):
    np.testing.assert_allclose(counted.subject_sd, [abs(5 / 8 - 3 / 7) / 2, 0.5])


def test_autocorrelation_pairs_frames_of_one_sequence_only(counted):
    rate = 8 / 15
    one = np.array(column("++--+++-"), float) > 0
    two = np.array([1, 1, 1, np.nan, 0, 0, 0, 0])
    pairs = np.concatenate(
        [(one[1:] - rate) * (one[:-1] - rate), (two[1:] - rate) * (two[:-1] - rate)]
    )
    expected = np.nanmean(pairs) / (rate * (1 - rate))
    assert counted.autocorrelation[1][0] == pytest.approx(expected)
    assert np.isnan(counted.autocorrelation[LAGS[-1]]).all()  # no sequence is that long
