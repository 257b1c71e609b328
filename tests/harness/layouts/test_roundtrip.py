"""Every layout: written, read back and prepared, labels, keys and landmarks are the source's."""

import numpy as np
import pytest

from harness.layouts.adapter import open_adapter
from harness.layouts.disfa import AUS as DISFA_AUS
from harness.layouts.writing import load_writer, write_layout
from harness.prepare.prepare import PrepareOptions, prepare
from harness.prepare.registration import Registration, transform
from tests.harness.layouts.standin import PAPER_AUS, Standin

# layout, AUs, tasks a subject, landmark source, number of the first frame
LAYOUTS = [
    ("bp4dplus", PAPER_AUS, 2, "dataset", None),
    ("gft", PAPER_AUS, 1, "openface", 1),
    ("disfa", DISFA_AUS, 1, "dataset", 1),
    ("disfaplus", DISFA_AUS, 2, "openface", 0),
]


@pytest.mark.parametrize(("layout", "aus", "tasks", "landmarks", "first"), LAYOUTS)
def test_round_trip(layout, aus, tasks, landmarks, first, tmp_path):
    source = Standin(subjects=3, tasks=tasks, aus=aus)
    root = tmp_path / "official"
    write_layout(layout, source, root, size=(260, 300))
    options = PrepareOptions(
        landmarks=landmarks, openface=root / "OpenFace" if landmarks == "openface" else None
    )
    adapter = open_adapter(layout, root)
    assert not adapter.discover().problems
    prepared = prepare(adapter, tmp_path / "prepared", options)
    frames = prepared.frames()
    assert prepared.aus == tuple(aus)
    writer = load_writer(layout)(source, root)
    runs = frames.sequence_slices()
    assert len(runs) == len(source.headers)
    seen = {}
    for sequence, rows in runs:
        subject = sequence.partition(":")[2].split("/")[0]
        assert frames.subjects[rows.start].endswith(f":{subject}")
        own = next(s for s, name in writer.names.items() if name == subject)
        position = writer.positions(own)[seen.get(own, 0)]
        seen[own] = seen.get(own, 0) + 1
        original = source.sequence(position)
        np.testing.assert_array_equal(frames.labels[rows], original.labels)
        start = frames.numbers[rows][0] if first is None else first
        np.testing.assert_array_equal(frames.numbers[rows], original.numbers - 1 + start)
        np.testing.assert_array_equal(frames.tracked[rows], original.tracked)
        registration = Registration()
        expected = transform(original.landmarks, registration.fit(original.landmarks))
        np.testing.assert_allclose(frames.landmarks[rows], expected, atol=0.02)
        faces = [
            registration.warp(face, matrix)
            for face, matrix in zip(
                original.faces[:3], registration.fit(original.landmarks[:3]), strict=True
            )
        ]
        inner = frames.faces[rows.start : rows.start + 3][:, 40:160, 40:160].astype(int)
        assert np.abs(inner - np.stack(faces)[:, 40:160, 40:160]).mean() < 8


def test_bp4dplus_reads_codes_by_place_though_the_first_header_is_au1(tmp_path):
    write_layout("bp4dplus", Standin(subjects=1, tasks=1), tmp_path / "x", size=(120, 120))
    file = tmp_path / "x/AUCoding/AU_OCC/F001_T1.csv"
    lines = file.read_text().splitlines()
    assert lines[0].split(",")[:4] == ["1", "1", "2", "4"]
    assert len(lines[0].split(",")) == 35
    read = open_adapter("bp4dplus", tmp_path / "x").discover().sequences[0]
    file.write_text("\n".join([",".join(["", *lines[0].split(",")[1:]]), *lines[1:]]))
    blank = open_adapter("bp4dplus", tmp_path / "x").discover().sequences[0]
    np.testing.assert_array_equal(read.labels, blank.labels)


def test_disfa_threshold_is_a_choice(tmp_path):
    source = Standin(subjects=1, tasks=1, aus=DISFA_AUS, frames=30)
    write_layout("disfa", source, tmp_path / "x", size=(120, 120))

    def positives(**options):
        found = open_adapter("disfa", tmp_path / "x", options).discover()
        return int((found.sequences[0].labels > 0).sum())

    assert positives(binarise_at=1) > positives() > positives(binarise_at=4)


def test_disfaplus_people_are_those_of_disfa(tmp_path):
    source = Standin(subjects=1, tasks=1, aus=DISFA_AUS)
    write_layout("disfa", source, tmp_path / "a", size=(120, 120))
    write_layout("disfaplus", source, tmp_path / "b", size=(120, 120))
    a = open_adapter("disfa", tmp_path / "a").discover().sequences[0]
    b = open_adapter("disfaplus", tmp_path / "b").discover().sequences[0]
    assert a.subject == b.subject == "disfa:SN001"
    assert a.sequence != b.sequence


def test_gft_names_columns_and_groups_are_configurable(tmp_path):
    write_layout("gft", Standin(subjects=4, tasks=1, lost=()), tmp_path / "x", size=(120, 120))
    files = sorted((tmp_path / "x/AUCoding").iterdir())
    expected = open_adapter("gft", tmp_path / "x").discover().sequences
    assert [s.group for s in expected] == ["001", "001", "001", "002"]
    (tmp_path / "x/labels").mkdir()
    for file in files:  # the frame column at the end, blanks for 9, another name
        rows = [line.split(",") for line in file.read_text().splitlines()]
        rows = [[*("" if c == "9" else c for c in r[1:]), r[0]] for r in rows]
        text = "\n".join(",".join(r) for r in rows)
        (tmp_path / "x/labels" / f"g{file.stem}.txt.csv").write_text(text)
        file.unlink()
    options = {
        "codes_glob": "labels/*",
        "name_pattern": r"g?(?P<group>\d{3})(?P<seat>[A-Z])(\.txt)?",
        "frame_column": "Frame",
    }
    found = open_adapter("gft", tmp_path / "x", options).discover()
    assert not found.problems
    for a, b in zip(found.sequences, expected, strict=True):
        np.testing.assert_array_equal(a.labels, b.labels)
        np.testing.assert_array_equal(a.numbers, b.numbers)
