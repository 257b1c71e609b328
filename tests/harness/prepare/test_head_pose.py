import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.prepare.head_pose import head_pose
from harness.prepare.registration import MIRROR, Registration
from harness.synthetic.geometry import landmarks
from harness.synthetic.motion import performance


def turned(yaw, pitch, noise=0.0, seed=0):
    """The mean face in three dimensions, of heights of its own, turned and projected."""
    points = Registration().reference - [100, 92]
    height = 30 * np.exp(-((points[:, 0] / 15) ** 2)) - 0.004 * points[:, 0] ** 2
    solid = np.column_stack([points, height])
    solid += np.random.default_rng(seed).normal(0, noise, solid.shape)
    yaw, pitch = np.radians([yaw, pitch])
    across = [np.cos(yaw), 0, np.sin(yaw)]
    down = [-np.sin(yaw) * np.sin(pitch), np.cos(pitch), np.cos(yaw) * np.sin(pitch)]
    return 100 + solid @ np.array([across, down]).T


def test_the_mean_face_looks_ahead():
    pose = head_pose(Registration().reference[None])
    assert pose.yaw == pytest.approx(0, abs=1e-4)
    assert pose.pitch == pytest.approx(0, abs=1e-4)
    assert pose.yaw.dtype == pose.pitch.dtype == np.float32


def test_angles_grow_with_the_turning_and_have_its_sign():
    angles = np.array([-25, -10, 0, 10, 25])
    by_yaw = head_pose(np.stack([turned(a, 0) for a in angles])).yaw
    by_pitch = head_pose(np.stack([turned(0, a) for a in angles])).pitch
    for found in (by_yaw, by_pitch - by_pitch[2]):
        assert (np.diff(found) > 4).all()
        assert np.sign(found[[0, 1, 3, 4]]).tolist() == [-1, -1, 1, 1]


@settings(max_examples=40, deadline=None)
@given(
    yaw=st.floats(-30, 30),
    pitch=st.floats(-20, 20),
    roll=st.floats(-40, 40),
    size=st.floats(0.3, 4),
    shift=st.floats(-300, 300),
)
def test_a_similarity_changes_nothing(yaw, pitch, roll, size, shift):
    points = turned(yaw, pitch, noise=1.0)
    angle = np.radians(roll)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    pose = head_pose(np.stack([points, size * points @ turn + shift]))
    assert pose.yaw[1] == pytest.approx(pose.yaw[0], abs=1e-2)
    assert pose.pitch[1] == pytest.approx(pose.pitch[0], abs=1e-2)


def test_a_mirrored_face_looks_the_other_way():
    points = turned(17, -8, noise=2.0)
    mirrored = (points * [-1, 1] + [200, 0])[MIRROR]
    pose = head_pose(np.stack([points, mirrored]))
    assert pose.yaw[1] == pytest.approx(-pose.yaw[0], abs=1e-3)
    assert pose.pitch[1] == pytest.approx(pose.pitch[0], abs=1e-3)


def test_missing_landmarks_give_no_angle_and_disturb_no_other_frame():
    points = np.stack([turned(5, 5)] * 4)
    points[1] = np.nan
    points[2, 7, 0] = np.nan
    points[3] = 0
    pose = head_pose(points)
    assert np.isfinite(pose.yaw).tolist() == [True, False, False, False]
    assert np.isfinite(pose.pitch).tolist() == [True, False, False, False]
    assert pose.yaw[0] == head_pose(points[:1]).yaw[0]
    assert head_pose(np.empty((0, 49, 2))).yaw.shape == (0,)


def test_synthetic_people_are_found_to_turn_as_they_do():
    """Against the renderer's own angles, whose faces have other heights and show expressions."""
    found, true, subject = [], [], []
    for number in range(8):
        acted = performance("lab", 5, number, 0, 200)
        pose = head_pose(landmarks("lab", 5, number, acted))
        found.append(np.column_stack([pose.yaw, pose.pitch]))
        true.append(np.degrees(acted.pose))
        subject += [number] * 200
    everyone = np.corrcoef(np.concatenate(found)[:, 0], np.concatenate(true)[:, 0])[0, 1]
    assert everyone > 0.9
    within = [np.corrcoef(f[:, 1], t[:, 1])[0, 1] for f, t in zip(found, true, strict=True)]
    assert np.mean(within) > 0.4
