"""DISFA read from folders of frames: the same faces under the same labels as from its videos."""

import cv2
import numpy as np
import pytest

from harness.layouts.adapter import open_adapter
from harness.layouts.disfa import AUS
from harness.layouts.writing import write_layout
from harness.prepare.prepare import PrepareOptions, prepare
from tests.harness.layouts.standin import Standin


@pytest.fixture
def official(tmp_path):
    """Two people's videos, and the same frames as images counted from 0."""
    root = tmp_path / "official"
    source = Standin(subjects=2, tasks=1, aus=AUS, frames=12)
    write_layout("disfa", source, root, size=(200, 200))
    for file in sorted((root / "Videos_LeftCamera").iterdir()):
        video, folder = cv2.VideoCapture(str(file)), root / "frames" / file.name[9:14]
        folder.mkdir(parents=True)
        number = 0
        while (read := video.read())[0]:
            cv2.imwrite(str(folder / f"{number}.png"), read[1])
            number += 1
    return root


def test_frames_and_videos_prepare_to_the_same_set(official, tmp_path):
    made = {}
    for kind in ("videos", "images"):
        adapter = open_adapter("disfa", official, {"pictures": kind})
        assert not adapter.discover().problems
        options = PrepareOptions(landmarks="dataset")
        made[kind] = prepare(adapter, tmp_path / kind, options).frames()
        assert adapter.describe()["image_index_offset"] == (-1 if kind == "images" else 0)
    one, other = made.values()
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.numbers, other.numbers)
    np.testing.assert_array_equal(one.faces, other.faces)


def test_frames_are_taken_where_there_is_no_video(official):
    assert open_adapter("disfa", official).describe()["pictures"] == "videos"
    for file in (official / "Videos_LeftCamera").iterdir():
        file.unlink()
    adapter = open_adapter("disfa", official)
    assert adapter.describe()["pictures"] == "images"
    assert [s.stem for s in adapter.discover().sequences] == ["SN001", "SN002"]


def test_a_missing_frame_and_images_counted_from_one_are_told(official):
    folder = official / "frames" / "SN002"
    (folder / "3.png").unlink()
    options = {"pictures": "images"}
    (problem,) = open_adapter("disfa", official, options).discover().problems
    assert (problem.place, problem.frames) == ("frames/SN002", 1)
    assert "frames 4" in problem.what
    (folder / "0.png").rename(folder / f"{len(list(folder.iterdir())) + 1}.png")
    problems = open_adapter("disfa", official, options).discover().problems
    assert any("has no picture for 2 coded frames" in p.what for p in problems)


def test_folders_of_the_other_camera_are_left_alone(official):
    (official / "frames" / "SN001").rename(official / "frames" / "RightVideoSN001_comp")
    options = {"pictures": "images", "camera": "left"}
    assert [s.subject for s in open_adapter("disfa", official, options).discover().sequences] == [
        "disfa:SN002"
    ]
    found = open_adapter("disfa", official, {**options, "camera": "right"}).discover().sequences
    assert [s.stem for s in found] == ["RightVideoSN001_comp", "SN002"]
    # two folders for one person and camera
    (official / "more" / "SN002").mkdir(parents=True)
    (official / "more" / "SN002" / "0.png").write_bytes(b"")
    (problem,) = [
        p for p in open_adapter("disfa", official, options).discover().problems if p.kind == "names"
    ]
    assert "is of the same subject and camera" in problem.what
