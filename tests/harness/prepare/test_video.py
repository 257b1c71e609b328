import os
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness.errors import UserError
from harness.layouts.embedding import place
from harness.prepare.decode import Video
from harness.prepare.haar import HaarTracker, points_from_eyes
from harness.prepare.landmarks import LandmarkOptions
from harness.prepare.openface import write_openface
from harness.prepare.registration import LEFT_EYE, RIGHT_EYE, Registration
from harness.prepare.video import frame_rate, prepared_faces
from tests.harness.layouts.standin import Standin

FACES = Path(os.environ.get("AUBENCH_FACES", Path(__file__).parents[4] / "shared" / "faces"))
needs_faces = pytest.mark.skipif(not FACES.is_dir(), reason="no folder of real clips")


@pytest.fixture
def clip(tmp_path):
    """A video of a generated face, with OpenFace's file; the face is lost in frame 4."""
    frames = Standin().sequence(0)
    placement = place("clip", 9, (200, 220))
    writer = cv2.VideoWriter(
        str(tmp_path / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 20, (200, 220)
    )
    for i, face in enumerate(frames.faces):
        writer.write(placement.picture(face, i, bool(frames.tracked[i])))
    writer.release()
    write_openface(tmp_path / "clip.csv", placement.landmarks(frames.landmarks))
    return tmp_path / "clip.avi", frames


def test_faces_of_a_video(clip):
    file, frames = clip
    options = LandmarkOptions(landmarks="openface", openface=file.parent)
    found = list(prepared_faces(file, options))
    assert [f.number for f in found] == list(range(1, 10))
    assert [f.tracked for f in found] == frames.tracked.tolist()
    assert found[2].seconds == pytest.approx(0.1)
    assert frame_rate(file) == 20
    assert not found[3].face.any()
    assert np.isnan(found[3].landmarks).all()
    registration = Registration()
    expected = registration.warp(frames.faces[1], registration.fit(frames.landmarks[1]))
    inner = slice(40, 160)
    assert np.abs(found[1].face[inner, inner].astype(int) - expected[inner, inner]).mean() < 8
    assert found[1].picture.shape == (220, 200, 3)


def test_images_come_in_their_natural_order_and_a_damaged_one_is_told(tmp_path):
    for name in ("10", "9", "100"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((60, 60, 3), np.uint8))
    (tmp_path / "11.png").write_bytes(b"\x89PNG broken")
    found = list(prepared_faces(tmp_path))
    assert [f.source for f in found] == ["9.png", "10.png", "11.png", "100.png"]
    assert "cut short" in found[2].problem
    assert found[2].picture is None
    assert not any(f.tracked for f in found)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"x", "neither an image nor a video"),
        ("a.mp4", b"x" * 100, "is not a video"),
        ("nowhere.mp4", None, "no such file"),
        ("empty", None, "holds no images"),
    ],
)
def test_what_cannot_be_read_is_refused(name, data, message, tmp_path):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    elif name == "empty":
        (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=message):
        list(prepared_faces(tmp_path / name))


def test_points_from_eyes_put_the_eyes_there():
    eyes = np.array([[120.0, 80.0], [190.0, 95.0]])
    points = points_from_eyes(eyes)
    np.testing.assert_allclose(points[LEFT_EYE].mean(axis=0), eyes[0], atol=1e-9)
    np.testing.assert_allclose(points[RIGHT_EYE].mean(axis=0), eyes[1], atol=1e-9)


def test_haar_finds_no_face_in_noise():
    noise = np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    assert HaarTracker()(noise) is None


@needs_faces
def test_real_face_is_found_and_held_in_place():
    found = list(islice(prepared_faces(FACES / "single_face.mp4"), 24))
    assert all(f.tracked for f in found)
    reference = Registration().reference
    gray = [cv2.cvtColor(f.face, cv2.COLOR_RGB2GRAY).astype(float) for f in found]
    left = reference[LEFT_EYE].mean(axis=0).astype(int)
    eye = [g[left[1] - 8 : left[1] + 8, left[0] - 14 : left[0] + 14].mean() for g in gray]
    cheek = [g[left[1] + 28 : left[1] + 40, left[0] - 14 : left[0] + 14].mean() for g in gray]
    assert (np.array(eye) < np.array(cheek) - 5).all()  # eyes are darker than the cheek below
    centres = np.array([f.points[LEFT_EYE].mean(axis=0) for f in found])
    distance = np.linalg.norm(
        found[0].points[RIGHT_EYE].mean(axis=0) - found[0].points[LEFT_EYE].mean(axis=0)
    )
    assert np.abs(np.diff(centres, axis=0)).max() < 0.1 * distance


@needs_faces
def test_no_face_is_found_where_there_is_none():
    pictures = Video(FACES / "no_face.mp4", "no_face").read(range(1, 95, 15))
    tracker = HaarTracker()
    assert [tracker(picture) for picture in pictures] == [None] * 7
