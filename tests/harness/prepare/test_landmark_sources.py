import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from harness.errors import UserError
from harness.layouts.adapter import CodedSequence
from harness.prepare.decode import Damaged, ImageFolder
from harness.prepare.landmarks import LandmarkOptions, choose_source
from harness.prepare.openface import OpenFaceLandmarks, read_openface, write_openface
from harness.prepare.registration import Registration


@pytest.fixture
def points():
    draw = np.random.default_rng(0)
    points = Registration().reference + draw.normal(0, 1, (5, 49, 2))
    points[2] = np.nan
    return points


def test_openface_files_round_trip(points, tmp_path):
    write_openface(tmp_path / "a.csv", points)
    frames, read = read_openface(tmp_path / "a.csv", 0.7)
    assert frames.tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(read, points, atol=1e-3)


def test_openface_frames_below_the_confidence_are_lost(points, tmp_path):
    write_openface(tmp_path / "a.csv", points)
    assert np.isnan(read_openface(tmp_path / "a.csv", 0.99)[1]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("x_30", "x_99", 1), "no column 'x_30'"),
        (lambda t: t.replace("0.98", "high", 1), "line 2: is damaged"),
        (lambda t: t.replace("\n2, ", "\n1, ", 1), "holds a frame twice"),
        (lambda t: t.replace("\n2, ", "\nnan, ", 1), "line 3: nan is not the number"),
        (lambda t: t.replace("\n2, ", "\n1.5, ", 1), "line 3: 1.5 is not the number"),
        (lambda t: t.replace("0.98, 1", "nan, 1", 1), "line 2: holds points that are no numbers"),
        (lambda t: "", "is empty"),
    ],
)
def test_a_damaged_openface_file_is_named(change, message, points, tmp_path):
    write_openface(tmp_path / "a.csv", points)
    (tmp_path / "a.csv").write_text(change((tmp_path / "a.csv").read_text()))
    with pytest.raises(Damaged, match=f"a.csv.*{message}"):
        read_openface(tmp_path / "a.csv", 0.7)


def test_openface_counts_pictures_in_order_whatever_their_numbers(points, tmp_path):
    for number in (4, 5, 6, 9, 10):  # OpenFace's frames 1 to 5
        (tmp_path / f"{number}.jpg").touch()
    write_openface(tmp_path / "csv" / "P1_T1.csv", points)
    sequence = CodedSequence(
        subject="x:P1",
        sequence="x:P1/T1",
        numbers=np.arange(3, dtype=np.int32),
        labels=np.zeros((3, 1), np.int8),
        pictures=ImageFolder(tmp_path, "x"),
        picture_numbers=np.array([4, 7, 9], np.int32),
        stem="P1_T1",
    )
    found = OpenFaceLandmarks(tmp_path / "csv").read(sequence)
    np.testing.assert_allclose(found[0], points[0], atol=1e-3)
    assert np.isnan(found[1]).all()
    np.testing.assert_allclose(found[2], points[3], atol=1e-3)
    (tmp_path / "csv" / "P1_T1.csv").rename(tmp_path / "csv" / "other.csv")
    with pytest.raises(Damaged, match=r"has no file P1_T1\.csv"):
        OpenFaceLandmarks(tmp_path / "csv").read(sequence)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"landmarks": "openface"}, "needs the folder"),
        ({"landmarks": "mediapipe"}, "needs the path"),
        ({"landmarks": "openface", "openface": "/nowhere"}, "/nowhere is not a folder"),
    ],
)
def test_a_source_that_lacks_something_says_so(options, message):
    with pytest.raises(UserError, match=message):
        choose_source(LandmarkOptions(**options), ())


def test_auto_takes_what_is_there(tmp_path):
    assert choose_source(LandmarkOptions(), ()).name == "haar"
    assert choose_source(LandmarkOptions(openface=tmp_path), ()).name == "openface"


def test_mediapipe_is_asked_for_clearly_when_it_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mediapipe", None)
    options = LandmarkOptions(landmarks="mediapipe", mediapipe_model=tmp_path / "x.task")
    with pytest.raises(UserError, match="pip install mediapipe"):
        choose_source(options, ())


def fake_mediapipe(monkeypatch, faces):
    """The few names of MediaPipe's API that are used, giving the faces of our choice."""

    def module(name, **names):
        made = ModuleType(name)
        vars(made).update(names)
        monkeypatch.setitem(sys.modules, name, made)
        return made

    class FaceLandmarker:
        @staticmethod
        def create_from_options(options):
            assert options["base_options"]["model_asset_path"].endswith("x.task")
            return SimpleNamespace(
                detect=lambda image: SimpleNamespace(face_landmarks=faces(image))
            )

    vision = module(
        "mediapipe.tasks.python.vision",
        FaceLandmarkerOptions=lambda **o: o,
        FaceLandmarker=FaceLandmarker,
        RunningMode=SimpleNamespace(IMAGE=1),
    )
    python = module("mediapipe.tasks.python", BaseOptions=lambda **o: o, vision=vision)
    module("mediapipe.tasks", python=python)
    module(
        "mediapipe",
        Image=lambda image_format, data: data,
        ImageFormat=SimpleNamespace(SRGB=1),
    )


def test_mediapipe_mesh_becomes_49_points_in_pixels(tmp_path, monkeypatch):
    mesh = [SimpleNamespace(x=i / 1000, y=i / 2000) for i in range(478)]

    def faces(image):
        assert image[0, 0].tolist() == [3, 2, 1]  # red first
        return [mesh] if image.shape[0] == 100 else []

    fake_mediapipe(monkeypatch, faces)
    options = LandmarkOptions(landmarks="mediapipe", mediapipe_model=tmp_path / "x.task")
    with pytest.raises(UserError, match="no such file"):
        choose_source(options, ())
    (tmp_path / "x.task").touch()
    tracker = choose_source(options, ()).tracker()
    picture = np.full((100, 200, 3), (1, 2, 3), np.uint8)
    found = tracker(picture)
    np.testing.assert_allclose(found[19], [33 / 1000 * 200, 33 / 2000 * 100])
    assert tracker(picture[:50]) is None
