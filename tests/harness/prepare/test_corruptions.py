"""A table of corruptions, each applied to a good dataset in its official layout.

Refusing, preparation names the file and says what is wrong with it, in one line, and leaves no
prepared dataset. Skipping, it makes unknown what the corruption touched, counts it, and nothing
else changes. The audit calls every one of them wrong.
"""

import pickle
import re
import shutil
import zipfile
from dataclasses import dataclass

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.io import loadmat, savemat

from harness.errors import UserError
from harness.layouts.adapter import open_adapter
from harness.layouts.disfa import AUS as DISFA_AUS
from harness.layouts.writing import write_layout
from harness.prepare.audit import audit
from harness.prepare.prepare import PrepareOptions, prepare
from tests.harness.layouts.standin import PAPER_AUS, Standin

SIZE = (120, 140)
AUS = {"bp4d": PAPER_AUS, "bp4dplus": PAPER_AUS, "gft": PAPER_AUS, "disfa": DISFA_AUS}
AUS["disfaplus"] = DISFA_AUS


@pytest.fixture(scope="module")
def layouts(tmp_path_factory):
    """Good datasets: everything coded, every face tracked; 9 or 11 frames a sequence."""
    root = tmp_path_factory.mktemp("good")
    for layout, aus in AUS.items():
        tasks = 1 if layout in ("gft", "disfa") else 2
        source = Standin(subjects=2, tasks=tasks, aus=aus, lost=(), unknown=False)
        write_layout(layout, source, root / layout, size=SIZE)
    return root


# What to break. Each takes the dataset's folder; F001/T1 is the first sequence.


def pictures(root):
    return sorted((root / "Sequences(2D+3D)/F001/T1").iterdir(), key=lambda p: int(p.stem))


def coded_picture(root, row=2):
    first = int(occurrence(root).read_text().splitlines()[1].split(",")[0])
    return pictures(root)[first - 1 + row]


def occurrence(root):
    return root / "AUCoding/AU_OCC/F001_T1.csv"


def mat(root):
    return root / "2DFeatures/F001_T1.mat"


def edit_rows(change):
    def corrupt(root):
        rows = [line.split(",") for line in occurrence(root).read_text().splitlines()]
        rows = change(rows)
        occurrence(root).write_text("\n".join(",".join(row) for row in rows) + "\n")

    return corrupt


def set_cell(row, column, text):
    def change(rows):
        rows[row][column] = text
        return rows

    return edit_rows(change)


def truncate(find, part=0.5):
    def corrupt(root):
        file = find(root)
        data = file.read_bytes()
        file.write_bytes(data[: int(len(data) * part)])

    return corrupt


def wrong_size(root):
    file = coded_picture(root)
    cv2.imwrite(str(file), cv2.resize(cv2.imread(str(file)), (90, 100)))


def second_name(root):
    file = pictures(root)[3]
    shutil.copy(file, file.with_name("00000" + file.name))


def recode(encoding):
    def corrupt(root):
        text = occurrence(root).read_text()
        occurrence(root).write_bytes(text.replace("0,1,2", "0,1,é2", 1).encode(encoding))

    return corrupt


def pickled(root):
    class Evil:
        def __reduce__(self):
            return (open, (str(root / "pickle was loaded"), "w"))

    mat(root).write_bytes(pickle.dumps(Evil()))


def copy_landmarks(to):
    def corrupt(root):
        shutil.copy(root / f"2DFeatures/{to}.mat", mat(root))

    return corrupt


def far_landmarks(root):
    fit = np.empty((1, len(pictures(root))), dtype=[("pred", object)])
    for entry in range(fit.shape[1]):
        fit[0, entry]["pred"] = np.random.default_rng(0).normal(900, 20, (49, 2))
    savemat(mat(root), {"fit": fit})


def short_points(root):
    fit = np.empty((1, len(pictures(root))), dtype=[("pred", object)])
    for entry in range(fit.shape[1]):
        fit[0, entry]["pred"] = np.ones((48, 2))
    savemat(mat(root), {"fit": fit})


def half_a_face(root):
    fit = loadmat(mat(root))["fit"]
    fit[0, 2]["pred"][31:] = np.nan
    savemat(mat(root), {"fit": fit})


def link_to_nowhere(find):
    def corrupt(root):
        find(root).unlink()
        find(root).symlink_to(root / "nowhere")

    return corrupt


def gft_cell(file, row, column, text):
    def corrupt(root):
        lines = [line.split(",") for line in (root / file).read_text().splitlines()]
        lines[row][column] = text
        (root / file).write_text("\n".join(",".join(line) for line in lines) + "\n")

    return corrupt


def keep_lines(find, count):
    def corrupt(root):
        find(root).write_text("\n".join(find(root).read_text().splitlines()[:count]) + "\n")

    return corrupt


def foreign_points(root):
    shutil.copy(
        next((root / "Landmark_Points/SN002").glob("*_0003_lm.mat")),
        root / "Landmark_Points/SN001",
    )


def archive(root):
    return root / "2D+3D/F001.zip"


def empty_archive(root):
    with zipfile.ZipFile(archive(root), "w"):
        pass


def escaping_member(root):
    with zipfile.ZipFile(archive(root), "a") as opened:
        opened.writestr("../../escaped/T1/0001.jpg", b"x")


def damaged_member(root):
    data = bytearray(archive(root).read_bytes())
    number = int(occurrence(root).read_text().splitlines()[3].split(",")[0]) - 1
    with zipfile.ZipFile(archive(root)) as opened:
        info = next(
            i
            for i in opened.infolist()
            if "/T1/" in i.filename and int(i.filename.split("/")[-1].split(".")[0]) == number
        )
        at = info.header_offset + 30 + len(info.filename) + 300
    data[at] ^= 0xFF
    archive(root).write_bytes(data)


def shorten_video(find, frames):
    def corrupt(root):
        file = find(root)
        capture = cv2.VideoCapture(str(file))
        kept = [capture.read()[1] for _ in range(frames)]
        capture.release()
        codec = "MJPG" if file.suffix == ".avi" else "mp4v"
        size = kept[0].shape[1::-1]
        writer = cv2.VideoWriter(str(file), cv2.VideoWriter.fourcc(*codec), 25, size)
        for picture in kept:
            writer.write(picture)
        writer.release()

    return corrupt


def at(path):
    return lambda root: root / path


def delete(find):
    return lambda root: find(root).unlink()


def overwrite(find, data):
    return lambda root: find(root).write_bytes(data)


GFT_VIDEO = at("Videos/001A.mp4")
GFT_POINTS = at("OpenFace/001A.csv")
DISFA_VIDEO = at("Videos_LeftCamera/LeftVideoSN001_comp.avi")
DISFA_AU4 = at("ActionUnit_Labels/SN001/SN001_au4.txt")
TRIAL = "SN001/A1_AU1_TrailNo_1"


@dataclass(frozen=True)
class Case:
    """A corruption: the message it must give, and what skipping it costs.

    ``frames``: frames that become unknown in every AU; ``cells``: single labels that do;
    ``rows``: frames that are left out, since nobody can tell their number.
    """

    name: str
    layout: str
    corrupt: object
    message: str
    frames: int = 0
    cells: int = 0
    rows: int = 0


CASES = [
    Case("truncated jpeg", "bp4d", truncate(coded_picture), r"F001/T1/\d+\.jpg.*cut short", 1),
    Case("empty jpeg", "bp4d", overwrite(coded_picture, b""), r"F001/T1/\d+\.jpg.*empty", 1),
    Case("no jpeg", "bp4d", overwrite(coded_picture, b"text" * 99), r"\d+\.jpg.*not an image", 1),
    Case("wrong-size picture", "bp4d", wrong_size, r"\d+\.jpg: is 90x100 pixels", 1),
    Case("missing picture", "bp4d", delete(coded_picture), "F001/T1: has no picture for 1", 1),
    Case("picture with two names", "bp4d", second_name, "F001/T1: .* both picture 3", rows=9),
    Case(
        "missing column",
        "bp4d",
        edit_rows(lambda rows: [r[:4] + r[5:] for r in rows]),
        "F001_T1.csv: (has no column for AU4|.*column is missing)",
        rows=9,
    ),
    Case(
        "missing column under a whole header",
        "bp4d",
        edit_rows(lambda rows: [rows[0], *(r[:4] + r[5:] for r in rows[1:])]),
        "F001_T1.csv, line 2: has 99 cells, not 100",
        9,
    ),
    Case(
        "extra column",
        "bp4d",
        edit_rows(lambda rows: [[*rows[0], "100"], *([*r, "9"] for r in rows[1:])]),
        "F001_T1.csv: (line 1, column 101|.*column is missing, extra)",
        rows=9,
    ),
    Case(
        "repeated column",
        "bp4d",
        edit_rows(lambda rows: [["1" if c == "2" else c for c in rows[0]], *rows[1:]]),
        "F001_T1.csv: line 1: AU1 heads columns 2 and 3",
        rows=9,
    ),
    Case(
        "row with an extra cell",
        "bp4d",
        edit_rows(lambda rows: [*rows[:3], [*rows[3], "0"], *rows[4:]]),
        "F001_T1.csv, line 4: has 101 cells",
        1,
    ),
    Case(
        "row with a missing cell",
        "bp4d",
        edit_rows(lambda rows: [*rows[:3], rows[3][:-1], *rows[4:]]),
        "F001_T1.csv, line 4: has 99 cells",
        1,
    ),
    Case("letters", "bp4d", set_cell(3, 4, "x"), "F001_T1.csv, line 4: AU4: 'x'", cells=1),
    Case("blank cell", "bp4d", set_cell(3, 4, ""), "F001_T1.csv, line 4: AU4: ''", cells=1),
    Case("half a code", "bp4d", set_cell(3, 4, "0.5"), "F001_T1.csv, line 4: AU4", cells=1),
    Case("nan", "bp4d", set_cell(3, 4, "nan"), "F001_T1.csv, line 4: AU4: 'nan'", cells=1),
    Case("impossible code", "bp4d", set_cell(3, 4, "7"), "F001_T1.csv: .*AU4: code 7", cells=1),
    Case("no frame number", "bp4d", set_cell(3, 0, "x"), "F001_T1.csv, line 4: .*number", rows=1),
    Case(
        "frame far away",
        "bp4d",
        set_cell(9, 0, "4000"),
        "F001/T1: has no picture for 1 coded frames",
        9,  # the landmark file cannot hold it either: it is not trusted at all
    ),
    Case(
        "repeated row",
        "bp4d",
        edit_rows(lambda rows: [*rows, rows[3]]),
        "F001_T1.csv, line 11: frame .* already on line 4, with the same codes",
    ),
    Case(
        "repeated row that differs",
        "bp4d",
        edit_rows(
            lambda rows: [*rows, [rows[3][0], *("1" if c == "0" else "0" for c in rows[3][1:])]]
        ),
        "F001_T1.csv, line 11: frame .* already on line 4, with other codes",
        1,
    ),
    Case("utf-16", "bp4d", recode("utf-16"), "F001_T1.csv: (is not UTF-8|.*null)", rows=9),
    Case("latin-1", "bp4d", recode("latin-1"), "F001_T1.csv: is not UTF-8", rows=9),
    Case("empty codes", "bp4d", overwrite(occurrence, b""), "F001_T1.csv: is empty", rows=9),
    Case("missing codes", "bp4d", delete(occurrence), "F001/T1 has no occurrence file", rows=9),
    Case("missing landmarks", "bp4d", delete(mat), "F001/T1: has no landmark file", 9),
    Case("truncated landmarks", "bp4d", truncate(mat), "F001_T1.mat: ", 9),
    Case("48 points", "bp4d", short_points, r"F001_T1.mat: entry 1 is \(48, 2\)", 9),
    Case("landmarks outside", "bp4d", far_landmarks, "F001_T1.mat: .* outside its picture", 9),
    Case("half a face", "bp4d", half_a_face, "F001_T1.mat: entry 3 holds points that are no", 9),
    Case("link to nowhere", "bp4d", link_to_nowhere(mat), "F001_T1.mat: there is no such", 9),
    Case("codes nowhere", "bp4d", link_to_nowhere(occurrence), "T1.csv: cannot be read", rows=9),
    Case("header alone", "bp4d", keep_lines(occurrence, 1), "T1.csv: holds no coded", rows=9),
    Case("a pickle", "bp4d", pickled, "F001_T1.mat: ", 9),
    Case(
        "another sequence's landmarks",
        "bp4d",
        copy_landmarks("F001_T2"),
        "F001_T2.mat: is the same file as 2DFeatures/F001_T1.mat",
        20,  # both sequences: nobody knows whose they are
    ),
    Case("empty zip", "bp4dplus", overwrite(archive, b""), "F001.zip: is empty", rows=20),
    Case("zip of nothing", "bp4dplus", empty_archive, "F001.zip: holds no pictures", rows=20),
    Case("truncated zip", "bp4dplus", truncate(archive), "F001.zip: is not a zip", rows=20),
    Case("escaping member", "bp4dplus", escaping_member, "F001.zip: holds '../../escaped"),
    Case("damaged member", "bp4dplus", damaged_member, r"F001.zip/F001/T1/\d+.jpg: ", 1),
    Case("short video", "gft", shorten_video(GFT_VIDEO, 6), "001A.mp4: stops after frame 6", 3),
    Case("no video", "gft", overwrite(GFT_VIDEO, b"x" * 500), "001A.mp4: is not a video", 9),
    Case("missing video", "gft", delete(GFT_VIDEO), "001A.csv: has codes for 001A", rows=9),
    Case(
        "frame number of 33 bits",
        "gft",
        gft_cell("AUCoding/001A.csv", 3, 0, str(2**32 + 3)),
        "001A.csv, line 4: the frame number '4294967299' is not",
        rows=1,
    ),
    Case(
        "frame number below 0",
        "gft",
        gft_cell("AUCoding/001A.csv", 3, 0, "-3"),
        "001A.csv, line 4: the frame number '-3' is not",
        rows=1,
    ),
    Case(
        "short OpenFace",
        "gft",
        keep_lines(GFT_POINTS, 6),
        "001A.csv: has 5 rows, and none for 4",
        9,
    ),
    Case(
        "another's OpenFace",
        "gft",
        lambda root: shutil.copy(root / "OpenFace/001B.csv", GFT_POINTS(root)),
        "001A.csv: is the same file as another sequence's",
        18,
    ),
    Case(
        "another's points", "disfa", foreign_points, "SN002.*: is a file of SN002, not of SN001", 9
    ),
    Case("short avi", "disfa", shorten_video(DISFA_VIDEO, 5), "comp.avi: stops after frame 5", 4),
    Case("missing AU file", "disfa", delete(DISFA_AU4), "SN001 has no label file for AU4", cells=9),
    Case(
        "short AU file",
        "disfa",
        lambda root: DISFA_AU4(root).write_text(
            "\n".join(DISFA_AU4(root).read_text().splitlines()[:-2])
        ),
        "SN001_au4.txt: has no row for 2 frames",
        cells=2,
    ),
    Case(
        "intensity 8",
        "disfa",
        lambda root: DISFA_AU4(root).write_text(
            DISFA_AU4(root).read_text().replace("3,", "3,8", 1)
        ),
        "SN001_au4.txt: frame 3, AU4: code 8",
        cells=1,
    ),
    Case(
        "empty image",
        "disfaplus",
        overwrite(at(f"Images/{TRIAL}/004.jpg"), b""),
        "A1_AU1_TrailNo_1/004.jpg: .*empty",
        1,
    ),
    Case(
        "damaged line",
        "disfaplus",
        lambda root: at(f"Labels/{TRIAL}/AU4.txt")(root).write_text("000.jpg 0\n001.jpg\n"),
        "AU4.txt, line 2: has 1 cells",
        cells=8,  # the one row that can be read says nothing of the other eight
    ),
]
OPENFACE = ("gft", "disfaplus")


def options_for(layout, root, on_error):
    if layout in OPENFACE:
        return PrepareOptions(landmarks="openface", openface=root / "OpenFace", on_error=on_error)
    return PrepareOptions(on_error=on_error)


@pytest.fixture(scope="module")
def expected(layouts, tmp_path_factory):
    """The good datasets, prepared."""
    out = tmp_path_factory.mktemp("prepared")
    return {
        layout: prepare(
            open_adapter(layout, layouts / layout),
            out / layout,
            options_for(layout, layouts / layout, "refuse"),
        ).frames()
        for layout in AUS
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.layout}: {case.name}")
def test_corruption(case, layouts, expected, tmp_path):
    root = tmp_path / "with blanks and é" / case.layout
    shutil.copytree(layouts / case.layout, root)
    case.corrupt(root)
    adapter = open_adapter(case.layout, root)

    with pytest.raises(UserError, match=case.message) as refusal:
        prepare(adapter, tmp_path / "refused", options_for(case.layout, root, "refuse"))
    assert "\n" not in str(refusal.value)
    assert not (tmp_path / "refused").exists()

    prepared = prepare(adapter, tmp_path / "skipped", options_for(case.layout, root, "skip"))
    frames, good = prepared.frames(), expected[case.layout]
    assert len(good) - len(frames) == case.rows
    keys = {key: row for row, key in enumerate(zip(good.sequences, good.numbers, strict=True))}
    matched = [keys.get(key) for key in zip(frames.sequences, frames.numbers, strict=True)]
    if case.name == "frame far away":
        matched = [row for row in range(len(good)) if row < len(frames)]
    assert None not in matched
    before, after = good.labels[matched], frames.labels
    changed = before != after
    assert (after[changed] == 0).all(), "a corruption may make a label unknown, never flip it"
    whole = (after == 0).all(axis=1)
    assert int(whole.sum()) == case.frames
    assert int((after == 0)[~whole].sum()) == case.cells
    problems = pd.read_csv(tmp_path / "skipped" / "problems.csv", keep_default_na=False)
    said = [f"{p}: {w}" for p, w in zip(problems["place"], problems["what"], strict=True)]
    assert any(re.search(case.message, line) for line in said), said
    assert not (root / "pickle was loaded").exists()

    if "OpenFace" not in case.name:  # the audit is not told of files outside of the dataset
        assert audit(adapter, every_picture=True).wrong


def test_the_good_datasets_pass_the_audit(layouts):
    for layout in AUS:
        result = audit(open_adapter(layout, layouts / layout), every_picture=True)
        assert not result.wrong, result.text()
