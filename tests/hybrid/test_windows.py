import numpy as np
import pytest

from harness.errors import UserError
from hybrid.options import SequenceOptions
from hybrid.windows import admissible_windows


def _options(**fields):
    return SequenceOptions(**{"window": 50, "burn_in": 5, "min_active": 0.0, **fields})


def test_windows_run_through_a_subjects_sequences_but_never_into_another_subject(toy):
    windows = admissible_windows(toy, _options())
    last = windows.starts_W + windows.lengths_W - 1
    assert (toy.subjects[windows.starts_W] == toy.subjects[last]).all()
    assert (windows.lengths_W == 50).all()
    assert len(windows.starts_W) == 4 * (60 - 50 + 1)  # 4 subjects of 2 x 30 frames
    assert (toy.sequences[windows.starts_W] != toy.sequences[last]).all()


def test_the_state_is_reset_at_the_border_between_sequences(toy):
    windows = admissible_windows(toy, _options())
    starts, lengths = windows.segments(np.array([3]))
    assert starts.tolist() == [3, 30]
    assert lengths.tolist() == [27, 23]
    unbroken = admissible_windows(toy, _options(short="concat_noreset"))
    assert unbroken.segments(np.array([3]))[1].tolist() == [50]


def test_pad_stays_within_a_sequence_and_takes_what_there_is(toy):
    windows = admissible_windows(toy, _options(short="pad"))
    assert windows.lengths_W.tolist() == [30] * 8
    assert windows.segments(np.array([1, 0]))[0].tolist() == [30, 0]


def test_quiet_windows_are_left_out(toy):
    rate = 1.3
    windows = admissible_windows(toy, _options(window=15, min_active=rate))
    everything = admissible_windows(toy, _options(window=15))
    assert 0 < len(windows.starts_W) < len(everything.starts_W)
    labels = toy.labels

    def active(start):
        part = labels[start : start + 15]
        return (part > 0).sum() / (part != 0).any(1).sum()

    kept = set(windows.starts_W)
    for start in everything.starts_W:
        assert (active(start) >= rate) == (start in kept)


def test_where_no_window_is_active_enough_the_most_active_tenth_is_taken(toy, caplog):
    everything = admissible_windows(toy, _options(window=20))
    windows = admissible_windows(toy, _options(window=20, min_active=3.0))
    assert len(windows.starts_W) == len(everything.starts_W) // 10
    assert "no window of toy has 3.00 active AUs a frame" in caplog.text


def test_a_sequence_no_longer_than_the_burn_in_is_named(toy):
    short = toy.select(np.r_[0:30, 30:38])
    with pytest.raises(
        UserError, match=r"sequence 'toy:S0/T1' has 8 frames, no more than the burn"
    ):
        admissible_windows(short, _options(burn_in=10))


def test_a_short_sequence_is_no_trouble_where_nothing_is_reset_at_its_borders(toy):
    short = toy.select(np.r_[0:30, 30:38])
    windows = admissible_windows(short, _options(window=20, burn_in=10, short="concat_noreset"))
    assert windows.lengths_W.tolist() == [20] * 19


def test_draws_are_uniform_over_windows(toy):
    windows = admissible_windows(toy, _options())
    drawn = windows.draw(4400, np.random.default_rng(0))
    counts = np.bincount(drawn, minlength=44)
    assert counts.min() > 50
    assert counts.max() < 160
