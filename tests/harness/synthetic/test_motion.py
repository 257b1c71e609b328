"""The tracks of a performance keep to their ranges and shares."""

import numpy as np
import pytest

from harness.synthetic.motion import lost_frames, performance, spells
from harness.synthetic.seeds import stream


@pytest.mark.parametrize("preset", ["lab", "group", "disfa"])
def test_tracks_keep_to_their_ranges(preset):
    acted = performance(preset, 1, 0, 0, 500)
    assert acted.actions.shape == (500, 17)
    for track in vars(acted).values():
        assert track.dtype == np.float32
        assert len(track) == 500
        assert np.isfinite(track).all()
    assert 0 <= acted.actions.min() <= acted.actions.max() <= 1
    assert 0 <= acted.blink.min() <= acted.blink.max() <= 1
    assert 0 <= acted.blur.min() <= acted.blur.max() <= 1
    assert np.abs(acted.gaze).max() <= 1
    assert np.abs(acted.pose).max() < 0.5


def test_groups_turn_talk_and_gesture_more():
    def amount(preset, get):
        return np.mean([get(performance(preset, 0, s, 0, 400)) for s in range(12)])

    for get in (
        lambda p: np.abs(p.pose).mean(),
        lambda p: p.blur.mean(),
        lambda p: p.hand[:, 2].mean(),
    ):
        assert amount("group", get) > amount("lab", get)


def test_spells_cover_their_share():
    inside = spells(stream("test"), 200_000, 0.1, 25.0)
    assert inside.mean() == pytest.approx(0.1, abs=0.02)
    assert not spells(stream("test"), 100, 0.0, 25.0).any()


def test_only_groups_lose_faces():
    assert not lost_frames("lab", 0, 0, 0, 1000).any()
    share = np.mean([lost_frames("group", 0, s, 0, 2000).mean() for s in range(20)])
    assert share == pytest.approx(0.03, abs=0.015)


def test_a_performance_can_be_cut_and_padded():
    acted = performance("lab", 0, 0, 0, 30)
    part = acted.rows(10, 14).padded(6)
    assert len(part.blink) == 6
    np.testing.assert_array_equal(part.pose[:4], acted.pose[10:14])
    np.testing.assert_array_equal(part.pose[5], acted.pose[13])
