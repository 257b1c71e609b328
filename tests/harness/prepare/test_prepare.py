import errno
import shutil
from collections import namedtuple

import numpy as np
import pandas as pd
import pytest

from harness.data.building import PreparedBuilder
from harness.errors import UserError
from harness.layouts.adapter import Adapter, CodedSequence, Discovery, open_adapter
from harness.layouts.writing import write_layout
from harness.prepare.decode import ImageFolder
from harness.prepare.prepare import PrepareOptions, prepare, process_map
from tests.harness.layouts.standin import Standin

SIZE = (160, 180)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("prepare") / "bp4d"
    write_layout("bp4d", Standin(subjects=2, tasks=2, lost=(0, 4)), root, size=SIZE)
    return root


def contents(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def test_processes_do_not_show_in_the_result(folder, tmp_path):
    adapter = open_adapter("bp4d", folder)
    prepare(adapter, tmp_path / "one")
    prepare(adapter, tmp_path / "two", map_sequences=process_map(2))
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def test_an_interrupted_build_goes_on(folder, tmp_path):
    adapter = open_adapter("bp4d", folder)

    def one_then_stop(function, tasks):
        yield function(tasks[0])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(adapter, tmp_path / "out", map_sequences=one_then_stop)
    assert not (tmp_path / "out").exists()
    with pytest.raises(UserError, match="other options"):
        prepare(adapter, tmp_path / "out", PrepareOptions(eye_dist=80))
    steps = []
    prepare(adapter, tmp_path / "out", progress=lambda *step: steps.append(step))
    prepare(adapter, tmp_path / "undisturbed")
    assert contents(tmp_path / "out") == contents(tmp_path / "undisturbed")
    assert steps[0][:2] == (1, 4)
    assert steps[-1] == (4, 4, 40, 40)


def test_the_record_says_what_was_tracked_and_lost(folder, tmp_path):
    prepared = prepare(open_adapter("bp4d", folder), tmp_path / "out")
    record = pd.read_csv(tmp_path / "out/sequences.csv").set_index("sequence")
    assert record.loc["bp4d:F001/T1"].to_dict() == {
        "frames": 9,
        "tracked": 7,
        "no_face": 2,
        "damaged": 0,
        "known_labels": int((prepared.frames().labels[:9] != 0).sum()),
        "problems": 0,
    }
    assert record["frames"].sum() == len(prepared.frames())
    assert (record["tracked"] + record["no_face"] + record["damaged"] == record["frames"]).all()


@pytest.mark.parametrize("policy", ["unknown", "carry", "keep"])
def test_missing_face(policy, folder, tmp_path):
    root = tmp_path / "bp4d"
    shutil.copytree(folder, root)
    file = root / "AUCoding/AU_OCC/F001_T1.csv"  # codes for the frames that have no face
    lines = [line.split(",") for line in file.read_text().splitlines()]
    for row in (1, 5):
        lines[row][1] = "1"
    file.write_text("\n".join(",".join(line) for line in lines))
    options = PrepareOptions(missing_face=policy)
    frames = prepare(open_adapter("bp4d", root), tmp_path / "out", options).frames()
    first, fifth = frames.labels[0, 0], frames.labels[4, 0]
    assert not frames.tracked[0]
    assert not frames.tracked[4]
    black = not frames.faces[4].any()
    lost = bool(np.isnan(frames.landmarks[4]).all())
    if policy == "unknown":
        assert (first, fifth, black, lost) == (0, 0, True, True)
    elif policy == "keep":
        assert (first, fifth, black, lost) == (1, 1, True, True)
    else:  # nothing to carry to the first frame
        assert (first, fifth, black, lost) == (0, 1, False, False)
        np.testing.assert_array_equal(frames.faces[4], frames.faces[3])
        np.testing.assert_array_equal(frames.landmarks[4], frames.landmarks[3])


def test_too_little_room_is_said_before_anything_is_written(folder, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(UserError, match="GB free"):
        prepare(open_adapter("bp4d", folder), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_stops_and_goes_on_later(folder, tmp_path, monkeypatch):
    write = PreparedBuilder.write

    def full(self, position, frames):
        if position == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, position, frames)

    monkeypatch.setattr(PreparedBuilder, "write", full)
    with pytest.raises(UserError, match="disk is full"):
        prepare(open_adapter("bp4d", folder), tmp_path / "out")
    monkeypatch.setattr(PreparedBuilder, "write", write)
    steps = []
    prepare(open_adapter("bp4d", folder), tmp_path / "out", progress=lambda *s: steps.append(s))
    assert steps[0][0] == 2


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no coded sequence of bp4d"):
        prepare(open_adapter("bp4d", tmp_path / "empty"), tmp_path / "out")
    with pytest.raises(UserError, match="not a folder"):
        open_adapter("bp4d", tmp_path / "nowhere")
    with pytest.raises(UserError, match="did you mean 'disfa'"):
        open_adapter("disfaa", tmp_path)
    assert not (tmp_path / "out").exists()


class OwnDataset(Adapter):
    """A user's own dataset: one folder of pictures, all AU1."""

    name = "own"

    def discover(self):
        pictures = ImageFolder(self.root / "pictures", "pictures")
        numbers = pictures.numbers()
        return Discovery(
            sequences=[
                CodedSequence(
                    subject="own:me",
                    sequence="own:me/1",
                    numbers=numbers.astype(np.int32),
                    labels=np.ones((len(numbers), len(self.options.aus)), np.int8),
                    pictures=pictures,
                    picture_numbers=numbers.astype(np.int32),
                )
            ]
        )


def test_a_users_own_adapter_joins_by_its_dotted_path(folder, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own/pictures").symlink_to(folder / "Sequences(2D+3D)/F001/T1")
    adapter = open_adapter(f"{__name__}:OwnDataset", tmp_path / "own", {"aus": (1,)})
    prepared = prepare(adapter, tmp_path / "out")
    assert prepared.description["source"]["landmarks"] == "haar"
    assert prepared.aus == (1,)
    assert not prepared.frames().tracked.any()  # noise is no face
    assert not prepared.frames().labels.any()
