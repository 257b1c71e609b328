import shutil

import cv2
import numpy as np
import pytest

from harness.layouts.adapter import CodedSequence, Discovery, open_adapter
from harness.layouts.bp4d import Bp4d
from harness.layouts.disfa import AUS as DISFA_AUS
from harness.layouts.writing import write_layout
from harness.prepare.audit import audit
from harness.prepare.decode import ImageFolder
from harness.prepare.prepare import process_map
from harness.prepare.reference_counts import REFERENCES
from tests.harness.layouts.standin import Standin


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    root = tmp_path_factory.mktemp("audit") / "bp4d"
    write_layout("bp4d", Standin(subjects=2, tasks=1, lost=()), root, size=(100, 100))
    return root


@pytest.fixture
def folder(good, tmp_path):
    shutil.copytree(good, tmp_path / "bp4d")
    return tmp_path / "bp4d"


def rows(result):
    return {check.check: check for check in result.checks}


def test_counts_base_rates_and_unknown_labels(folder):
    result = audit(open_adapter("bp4d", folder))
    row = rows(result)
    assert not result.wrong
    assert row["subjects"].found == "2"
    assert row["coded sequences"].found == "2"
    assert row["coded frames"].found == "18"
    source = Standin(subjects=2, tasks=1, lost=())
    labels = np.concatenate([source.sequence(p).labels for p in (0, 1)])[:, 0]
    present, known = int((labels > 0).sum()), int((labels != 0).sum())
    assert row["AU1 present"].found == f"{present} = {present / known:.4f}"
    assert f"{18 - known} unknown" in row["AU1 present"].detail
    assert row["option image_index_offset"].found == "-1"
    assert "pictures" in result.text()


def test_processes_give_the_same_audit(folder):
    adapter = open_adapter("bp4d", folder)
    assert audit(adapter, map_sequences=process_map(2)).text() == audit(adapter).text()


def test_a_gap_is_wrong_in_bp4d(folder):
    file = folder / "AUCoding/AU_OCC/F001_T1.csv"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:4] + lines[5:]))
    check = rows(audit(open_adapter("bp4d", folder)))["gaps in frame numbers"]
    assert (check.verdict, check.found) == ("wrong", "1")
    assert "bp4d:F001/T1 (1)" in check.detail


def test_shared_people_are_told(folder):
    adapter = open_adapter("bp4d", folder)
    others = {"mine": ["bp4d:F001", "bp4d:F009"], "theirs": ["bp4dplus:F001"]}
    row = rows(audit(adapter, others=others))
    assert row["subjects also in mine"].verdict == "wrong"
    assert row["subjects also in mine"].detail == "bp4d:F001"
    assert row["subjects also in theirs"].verdict == "ok"


def test_every_picture_only_when_asked(folder):
    picture = max((folder / "Sequences(2D+3D)/F001/T1").iterdir(), key=lambda p: int(p.stem))
    codes = (folder / "AUCoding/AU_OCC/F001_T1.csv").read_text().splitlines()
    picture = next(
        p for p in picture.parent.iterdir() if int(p.stem) == int(codes[-1].split(",")[0]) - 1
    )
    cv2.imwrite(str(picture), np.zeros((50, 50, 3), np.uint8))
    adapter = open_adapter("bp4d", folder)
    assert not audit(adapter).wrong
    check = rows(audit(adapter, every_picture=True))["problems: pictures"]
    assert check.verdict == "wrong"
    assert picture.name in check.detail


def last_coded(folder, subject):
    """The last coded picture of a subject's first task."""
    last = (folder / f"AUCoding/AU_OCC/{subject}_T1.csv").read_text().splitlines()[-1]
    pictures = (folder / f"Sequences(2D+3D)/{subject}/T1").iterdir()
    return next(p for p in pictures if int(p.stem) == int(last.split(",")[0]) - 1)


def test_ends_of_files_are_looked_at_without_decoding(folder):
    cut, nowhere = last_coded(folder, "F001"), last_coded(folder, "M001")
    cut.write_bytes(cut.read_bytes()[:200])
    nowhere.unlink()
    nowhere.symlink_to(folder / "nowhere")
    check = rows(audit(open_adapter("bp4d", folder)))["problems: pictures"]
    assert (check.verdict, check.found) == ("wrong", "2")
    assert f"{cut.name}: JPEG cut short" in check.detail
    assert f"{nowhere.name}: cannot be read" in check.detail


def test_a_video_that_is_too_short_is_told_without_decoding_all(tmp_path):
    write_layout("gft", Standin(subjects=1, tasks=1, lost=()), tmp_path / "gft", size=(100, 100))
    file = tmp_path / "gft/AUCoding/001A.csv"
    lines = file.read_text().splitlines()
    cells = lines[-1].split(",")
    file.write_text("\n".join([*lines, ",".join([str(int(cells[0]) + 1), *cells[1:]])]) + "\n")
    check = rows(audit(open_adapter("gft", tmp_path / "gft")))["problems: pictures"]
    assert check.verdict == "wrong"
    assert f"001A.mp4: stops after frame {cells[0]}" in check.detail


class WholeBp4d(Bp4d):
    """All of BP4D's counts, without its files."""

    flipped = 0
    subjects_left_out = 0

    def describe(self):
        return {}

    def discover(self):
        reference = REFERENCES["bp4d"]
        labels = np.full((reference.frames, 12), -1, np.int8)
        for column, au in enumerate(self.options.aus):
            labels[: reference.positives[au], column] = 1
        labels[0, 0] = -1 if self.flipped else 1
        bounds = np.linspace(0, reference.frames, 329).astype(int)
        sequences = []
        for i in range(328 - 8 * self.subjects_left_out):
            part = labels[bounds[i] : bounds[i + 1]]
            numbers = np.arange(1, len(part) + 1, dtype=np.int32)
            sequences.append(
                CodedSequence(
                    subject=f"bp4d:X{i // 8:03d}",
                    sequence=f"bp4d:X{i // 8:03d}/T{i % 8}",
                    numbers=numbers,
                    labels=part,
                    pictures=ImageFolder(self.root, "nothing"),
                    picture_numbers=numbers,
                )
            )
        return Discovery(sequences=sequences)


def test_published_counts_of_bp4d(tmp_path):
    whole = rows(audit(WholeBp4d(tmp_path)))
    assert [name for name in whole if whole[name].verdict == "wrong"] == ["pictures decoded"]
    flipped = WholeBp4d(tmp_path)
    flipped.flipped = 1
    row = rows(audit(flipped))
    assert row["AU1 present"].verdict == "wrong"
    assert row["AU1 present"].expected == "31,042 = 0.2114"
    assert row["AU2 present"].verdict == "ok"
    fewer = WholeBp4d(tmp_path)
    fewer.subjects_left_out = 1
    row = rows(audit(fewer))
    assert row["subjects"].verdict == "wrong"
    assert row["subjects"].expected == "41"
    assert row["coded frames"].expected == "146,847"


def test_disfa_is_held_against_its_rates(tmp_path):
    source = Standin(subjects=1, tasks=1, aus=DISFA_AUS, frames=20, lost=())
    write_layout("disfa", source, tmp_path / "disfa", size=(100, 100))
    (tmp_path / "disfa/synthetic.json").unlink()  # now it claims to be the real thing
    result = audit(open_adapter("disfa", tmp_path / "disfa"))
    row = rows(result)
    assert result.wrong
    assert row["coded frames"].expected == "130,814"
    assert row["AU25 present"].verdict == "wrong"
    assert "0.2780" in row["AU25 present"].expected
    other = rows(audit(open_adapter("disfa", tmp_path / "disfa", {"binarise_at": 1})))
    assert not other["AU25 present"].expected  # those rates hold for intensity 2 and up
