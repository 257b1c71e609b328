import numpy as np
import pytest

from harness.errors import UserError
from harness.layouts.adapter import open_adapter
from harness.layouts.bp4d_writer import Bp4dWriter, graded_codes, span_of, stretched
from harness.layouts.writing import write_layout
from harness.prepare.prepare import PrepareOptions, prepare
from harness.prepare.registration import Registration, transform
from tests.harness.layouts.standin import Standin

SIZE = (260, 300)


@pytest.fixture(scope="module")
def source():
    return Standin(subjects=3, tasks=2)


@pytest.fixture(scope="module")
def folder(source, tmp_path_factory):
    root = tmp_path_factory.mktemp("bp4d") / "BP4D"
    write_layout("bp4d", source, root, size=SIZE)
    return root


@pytest.fixture(scope="module")
def prepared(folder, tmp_path_factory):
    return prepare(open_adapter("bp4d", folder), tmp_path_factory.mktemp("out") / "bp4d")


def written(source, folder):
    """Position -> (sequence id as read back, number of its first frame)."""
    writer = Bp4dWriter(source, folder)
    keys = {p: writer.key(p) for p in range(len(source.headers))}
    return {p: (f"bp4d:{s}/{t}", span_of(f"{s}_{t}").first) for p, (s, t) in keys.items()}


def registered(landmarks):
    registration = Registration()
    return transform(landmarks, registration.fit(landmarks))


def test_written_and_read_back_gives_labels_keys_and_landmarks(source, folder, prepared):
    frames = prepared.frames()
    slices = dict(frames.sequence_slices())
    keys = written(source, folder)
    assert set(slices) == {sequence for sequence, _ in keys.values()}
    for position, (sequence, first) in keys.items():
        original = source.sequence(position)
        rows = slices[sequence]
        np.testing.assert_array_equal(frames.labels[rows], original.labels)
        np.testing.assert_array_equal(frames.numbers[rows], original.numbers - 1 + first)
        np.testing.assert_array_equal(frames.tracked[rows], original.tracked)
        np.testing.assert_allclose(
            frames.landmarks[rows], registered(original.landmarks), atol=0.01
        )
    total = sum(h.num_frames for h in source.headers)
    present = sum((source.sequence(p).labels > 0).sum(axis=0) for p in keys)
    assert list(prepared.description["counts"]["present"].values()) == present.tolist()
    assert prepared.description["counts"]["frames"] == total


def faces_of(source, position):
    """The source's faces, registered to its own landmarks: what preparation should recover."""
    original = source.sequence(position)
    registration = Registration()
    matrices = registration.fit(original.landmarks)
    return [
        registration.warp(face, matrix) if good else np.zeros_like(face)
        for face, matrix, good in zip(original.faces, matrices, original.tracked, strict=True)
    ]


def error(faces, others):
    inner = slice(40, 160)
    return float(
        np.mean(
            [
                np.abs(a[inner, inner].astype(int) - b[inner, inner]).mean()
                for a, b in zip(faces, others, strict=True)
            ]
        )
    )


def test_faces_are_the_right_ones_and_a_shift_of_one_is_caught(source, folder, prepared, tmp_path):
    position, (sequence, _) = next(iter(written(source, folder).items()))
    rows = dict(prepared.frames().sequence_slices())[sequence]
    expected = faces_of(source, position)
    right = error(prepared.frames().faces[rows], expected)
    options = {"image_index_offset": 0, "landmark_index_offset": 0}
    shifted = prepare(
        open_adapter("bp4d", folder, options), tmp_path / "out", PrepareOptions(on_error="skip")
    )
    faces = shifted.frames().faces[rows]
    assert right < 4
    assert error(faces, expected) > 3 * right
    lost = source.lost[0]  # a lost frame lies between the two that are compared
    assert error(faces[: lost - 1], expected[1:lost]) < 4
    assert shifted.description["source"]["image_index_offset"] == 0
    assert prepared.description["source"]["image_index_offset"] == -1


def test_the_written_layout_has_the_official_quirks(source, folder):
    keys = written(source, folder)
    firsts = {first for _, first in keys.values()}
    assert 1 in firsts
    assert max(firsts) > 1
    widths = set()
    for sequence, first in keys.values():
        subject, task = sequence[5:].split("/")
        pictures = sorted((folder / "Sequences(2D+3D)" / subject / task).iterdir())
        assert int(pictures[0].stem) == 0
        widths.add(len(pictures[0].stem))
        lines = (folder / f"AUCoding/AU_OCC/{subject}_{task}.csv").read_text().splitlines()
        assert lines[0] == ",".join(map(str, range(100)))
        assert int(lines[1].split(",")[0]) == first
        assert {len(line.split(",")) for line in lines} == {100}
        assert len(pictures) >= first - 1 + len(lines) - 1
    assert len(widths) > 1
    assert {k.split("/")[0] for k, _ in keys.values()} == {"bp4d:F001", "bp4d:M001", "bp4d:F002"}


def test_every_written_file_is_the_same_from_run_to_run(source, folder, tmp_path):
    import time

    time.sleep(1.01)  # a file that carried the time would differ
    write_layout("bp4d", source, tmp_path / "again", size=SIZE)
    first = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    again = tmp_path / "again"
    second = {p.relative_to(again): p.read_bytes() for p in again.rglob("*") if p.is_file()}
    assert first == second


def test_spelling_variants_and_named_columns(source, folder, tmp_path):
    root = tmp_path / "copy with blanks é"
    (root / "AUCoding").mkdir(parents=True)
    (root / "BP4D-training").symlink_to(folder / "Sequences(2D+3D)")
    (root / "2DFeatures").symlink_to(folder / "2DFeatures")
    nested = root / "AUCoding" / "AUCoding"
    nested.mkdir()
    for file in (folder / "AUCoding" / "AU_OCC").iterdir():
        rows = [line.split(",") for line in file.read_text().splitlines()]
        keep = [0, *reversed(source.aus)]  # named columns, in another order
        rows[0] = ["frame", *(f"AU{i}" for i in range(1, 100))]
        text = "\r\n".join(",".join(row[i] for i in keep) for row in rows)
        (nested / file.name).write_text("\ufeff" + text, encoding="utf-8")
    variant = open_adapter("bp4d", root).discover()
    official = open_adapter("bp4d", folder).discover()
    assert not variant.problems
    assert [s.sequence for s in variant.sequences] == [s.sequence for s in official.sequences]
    for a, b in zip(variant.sequences, official.sequences, strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)
        np.testing.assert_array_equal(a.picture_numbers, b.picture_numbers)


def test_intensities_from_one_up_are_the_occurrences(source, folder):
    aus = (6, 10, 12, 14, 17)
    occurrence = open_adapter("bp4d", folder, {"aus": aus}).discover()
    options = {"aus": aus, "codes": "intensity", "binarise_at": 1}
    intensity = open_adapter("bp4d", folder, options).discover()
    assert not intensity.problems
    for a, b in zip(occurrence.sequences, intensity.sequences, strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)
    fewer = open_adapter("bp4d", folder, {**options, "binarise_at": 2}).discover()
    assert sum((s.labels > 0).sum() for s in fewer.sequences) < sum(
        (s.labels > 0).sum() for s in intensity.sequences
    )


def test_graded_codes_rise_and_fall_within_an_event():
    labels = np.array([-1, 1, 1, 1, 1, 1, -1, 0, 1, 1])
    assert graded_codes(labels).tolist() == [0, 1, 2, 3, 2, 1, 0, 9, 1, 1]


def test_stretched_shows_coded_frames_at_their_place():
    span = span_of("F003_T2")
    shown = stretched(5, span)
    assert shown[span.before : span.before + 5].tolist() == [0, 1, 2, 3, 4]
    assert shown.min() >= 0
    assert shown.max() <= 4


def test_videos_are_counted_from_one(source, folder, tmp_path):
    import cv2

    root = tmp_path / "videos"
    root.mkdir()
    (root / "AUCoding").symlink_to(folder / "AUCoding")
    (root / "2DFeatures").symlink_to(folder / "2DFeatures")
    writer = Bp4dWriter(source, folder)
    for position in range(len(source.headers)):
        subject, task = writer.key(position)
        pictures = sorted((folder / "Sequences(2D+3D)" / subject / task).iterdir())
        old = {"T1": "01", "T2": "03"}[task]
        file = root / f"2{subject[0]}{subject[2:]}_{old}.avi"
        video = cv2.VideoWriter(str(file), cv2.VideoWriter_fourcc(*"MJPG"), 25, SIZE)
        for picture in pictures:
            video.write(cv2.imread(str(picture)))
        video.release()
    adapter = open_adapter("bp4d", root)
    prepared = prepare(adapter, tmp_path / "out")
    images = prepare(open_adapter("bp4d", folder), tmp_path / "images")
    assert prepared.description["source"]["image_index_offset"] == 0
    assert prepared.description["source"]["pictures"] == "videos"
    np.testing.assert_array_equal(prepared.frames().labels, images.frames().labels)
    assert error(prepared.frames().faces[:], images.frames().faces[:]) < 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"imge_index_offset": 1}, "image_index_offset"),
        ({"codes": "intensity"}, "AU1"),
        ({"binarise_at": 2}, "codes: intensity"),
        ({"aus": (1, 1)}, "each once"),
    ],
)
def test_impossible_options_are_refused(folder, options, message):
    with pytest.raises(UserError, match=message):
        open_adapter("bp4d", folder, options)


def test_too_many_subjects_or_tasks_are_refused(tmp_path):
    with pytest.raises(UserError, match="41 subjects"):
        write_layout("bp4d", Standin(subjects=42, tasks=1, frames=1), tmp_path / "a")
    with pytest.raises(UserError, match="8 tasks"):
        write_layout("bp4d", Standin(subjects=1, tasks=9, frames=1), tmp_path / "b", size=(60, 60))


def test_writing_goes_on_where_it_stopped_and_keeps_off_other_folders(source, folder, tmp_path):
    def two_then_stop(function, units):
        for unit in units[:2]:
            yield function(unit)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_layout("bp4d", source, tmp_path / "out", size=SIZE, map_units=two_then_stop)
    begun = []
    write_layout(
        "bp4d", source, tmp_path / "out", size=SIZE, progress=lambda done, _: begun.append(done)
    )
    assert begun == [2, 3]
    with pytest.raises(UserError, match="something else"):
        write_layout("bp4d", source, tmp_path / "out", size=SIZE)
