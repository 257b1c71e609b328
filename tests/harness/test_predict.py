"""`aubench predict`: a trained model of a run on a clip, its table and its overlay."""

import argparse
import csv
import json
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from harness.commands.predict import add_predict
from harness.context import LocalContext
from harness.data.prepared import PreparedDataset
from harness.engine.work import do_job
from harness.errors import UserError
from harness.layouts.embedding import place
from harness.plan.build import build_plan
from harness.predictions.clip import read_clip
from harness.predictions.overlay import PANEL
from harness.predictions.trained import open_model
from harness.prepare.landmarks import LandmarkOptions
from harness.prepare.openface import write_openface
from harness.prepare.registration import Registration
from harness.store import RunStore
from harness.suite.load import load_suite
from harness.sweep import frozen_suite
from harness.synthetic.making import make
from harness.synthetic.recipe import SyntheticRecipe
from hybrid.methods import Cnn

FACES = Path(os.environ.get("AUBENCH_FACES", Path(__file__).parents[3] / "shared" / "faces"))
needs_faces = pytest.mark.skipif(not FACES.is_dir(), reason="no folder of real clips")

SUITE = """\
name: mini
aus: [6, 12, 10]
datasets: {{mini: {{prepared: {folder}}}}}
settings: [{{within: mini, protocol: 2-fold}}]
methods:
  svm: {{options: {{C: [0.1]}}}}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of one method on rendered faces."""
    folder = tmp_path_factory.mktemp("predict")
    make(SyntheticRecipe(preset="lab", subjects=4, tasks=1, frames=24), folder / "mini")
    suite = folder / "s.yaml"
    suite.write_text(SUITE.format(folder=folder / "mini"))
    loaded = load_suite(str(suite))
    plan = build_plan(loaded)
    store = RunStore(folder / "run")
    store.begin(plan, frozen_suite(loaded))
    for job in plan.jobs.values():
        do_job(job, plan.splits.get(job.split), store.folder)
    return store


@pytest.fixture(scope="module")
def clip(run, tmp_path_factory):
    """A video of a test subject of fold 1, with OpenFace's file; the face is lost in frame 3."""
    folder = tmp_path_factory.mktemp("clip")
    plan = run.plan()
    test = next(iter(plan.splits.values())).test[0]
    dataset = PreparedDataset(Path(plan.datasets["mini"]["folder"]))
    frames = dataset.frames().of_subjects([test]).select(np.arange(6))
    placement = place("clip", 6, (320, 300))
    writer = cv2.VideoWriter(
        str(folder / "clip.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 20, (320, 300)
    )
    points = placement.landmarks(frames.landmarks[:])
    points[2] = np.nan
    for i in range(6):
        writer.write(placement.picture(frames.faces[i], i, i != 2))
    writer.release()
    write_openface(folder / "clip.csv", points)
    return folder / "clip.avi", frames


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def predict(*arguments):
    parser = argparse.ArgumentParser()
    add_predict(parser)
    options = parser.parse_args([str(a) for a in arguments])
    return options.run(options)


def rows_of(file):
    with Path(file).open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def test_a_video_is_scored_as_its_frames_are_in_the_dataset(run, clip, capsys):
    file, frames = clip
    assert predict(run.folder, file, "--method", "svm", "--out", "out.csv", "--overlay", "out.mp4",
                   "--openface", file.parent) == 0  # fmt: skip
    said = capsys.readouterr().out
    assert "trained on mini (2-fold, fold 1: 1 subjects and 1 to validate)" in said
    assert "5 of 6 frames with a face, 1 without" in said
    rows = rows_of("out.csv")
    assert list(rows[0]) == [
        *("number", "source", "seconds", "face"),
        *("AU6_score", "AU6_present", "AU12_score", "AU12_present", "AU10_score", "AU10_present"),
        "problem",
    ]
    assert [row["face"] for row in rows] == ["1", "1", "0", "1", "1", "1"]
    assert rows[2]["AU6_score"] == rows[2]["AU6_present"] == ""
    assert rows[1]["seconds"] == "0.0500"
    stored = run.scores(run.plan().cells[0].job)
    table = stored[stored["sequence"] == frames.sequences[0]].head(6)
    expected = table[["score_AU6", "score_AU12", "score_AU10"]].to_numpy()
    found = np.array([[float(r[f"AU{a}_score"] or 0) for a in (6, 12, 10)] for r in rows])
    seen = np.arange(6) != 2
    # the pictures went through JPEG and two resamplings
    spread = table[["score_AU6", "score_AU12", "score_AU10"]].to_numpy().std() + 0.3
    assert np.abs(found - expected)[seen].mean() < 0.5 * spread
    for row in rows:
        if row["face"] == "1":
            assert row["AU12_present"] == str(int(float(row["AU12_score"]) > 0))


def test_the_overlay_shows_every_frame_and_marks_what_is_present(run, clip):
    file, _ = clip
    job = run.job_folder(run.plan().cells[0].job)
    predict(job, file, "--out", "out.csv", "--overlay", "out.avi", "--openface", file.parent)
    video = cv2.VideoCapture("out.avi")
    pictures = []
    while True:
        got, picture = video.read()
        if not got:
            break
        pictures.append(picture.astype(int))
    assert len(pictures) == 6
    assert video.get(cv2.CAP_PROP_FPS) == pytest.approx(20)
    for row, picture in zip(rows_of("out.csv"), pictures, strict=True):
        panel = picture[:, -PANEL:]
        green = (panel[..., 1] - panel[..., 2] > 60).sum()
        present = [row[f"AU{a}_present"] == "1" for a in (6, 12, 10)]
        assert (green > 20) == any(present)
    assert pictures[0].shape[1] == 320 + PANEL


def test_a_network_sees_a_clip_too(run, clip, tmp_path):
    """Whatever a model asks of its frames, a clip has: faces, keys, sequences."""
    file, _ = clip
    dataset = PreparedDataset(Path(run.plan().datasets["mini"]["folder"]))
    frames = dataset.frames().with_aus((6, 12))
    method = Cnn(Cnn.Options(size="small", iterations=2, evaluate_every=1, batch=8))
    model = method.fit(frames, frames, LocalContext(tmp_path / "job"))
    options = LandmarkOptions(openface=file.parent)
    (tmp_path / "faces").mkdir()
    found = read_clip(file, tmp_path / "faces", options, Registration(), keep_pictures=False)
    seen = found.frame_set((6, 12), {})
    assert seen.sequence_slices() == [("clip:clip.avi", slice(0, 5))]
    assert seen.numbers.tolist() == [1, 2, 4, 5, 6]
    assert not seen.has_labels
    assert model.scores(seen).shape == (5, 2)


def test_stills_are_scored_one_by_one(tmp_path):
    for name in ("ann", "ben"):
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.zeros((60, 60, 3), np.uint8))
    (tmp_path / "work").mkdir()
    found = read_clip(
        tmp_path, tmp_path / "work", LandmarkOptions(), Registration(), keep_pictures=True
    )
    assert not found.moving
    assert [frame.source for frame in found.frames] == ["ann.png", "ben.png"]
    assert len(found.frame_set((1,), {})) == 0
    assert [picture.shape for _, picture in found.pictures()] == [(60, 60, 3)] * 2


def test_a_clip_without_a_face_has_rows_without_scores(run, tmp_path):
    cv2.imwrite(str(tmp_path / "none.png"), np.full((80, 80, 3), 90, np.uint8))
    predict(run.folder, "none.png", "--method", "svm", "--out", "n.csv", "--overlay", "n.mp4")
    (row,) = rows_of("n.csv")
    assert (row["face"], row["AU6_score"]) == ("0", "")
    assert Path("n.mp4").stat().st_size > 0


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ({"eye_dist": 120}, "eye_dist: 120, and 90 here"),
        ({"size": 112}, "size: 112, and 200 here"),
        ({"points": "none"}, "points"),
        ({"centroid": [100.0, 100.0]}, r"centroid: \[100.0, 100.0\], and \[100.0, 92.0\] here"),
        ({"transform": "affine"}, "transform: affine, and similarity here"),
    ],
)
def test_a_model_of_another_registration_is_refused(recipe, reason, run, tmp_path):
    folder = tmp_path / "job"
    shutil.copytree(run.job_folder(run.plan().cells[0].job), folder)
    card = json.loads((folder / "model" / "card.json").read_text())
    card["registration"] = {**Registration().describe(), "landmarks": "dataset", **recipe}
    (folder / "model" / "card.json").write_text(json.dumps(card))
    with pytest.raises(UserError, match=reason):
        open_model(folder)


def test_each_recipe_that_can_be_repeated_is(run, tmp_path):
    folder = tmp_path / "job"
    shutil.copytree(run.job_folder(run.plan().cells[0].job), folder)
    card = json.loads((folder / "model" / "card.json").read_text())
    for wanted in (
        Registration(eye_dist=80),
        Registration(points="rigid_subset", resampling="bilinear"),
    ):
        card["registration"] = {**wanted.describe(), "landmarks": "haar"}
        (folder / "model" / "card.json").write_text(json.dumps(card))
        found = open_model(folder)
        assert found.registration == wanted
        assert found.landmarks == "haar"


def test_a_damaged_model_is_one_line(run, clip, tmp_path):
    folder = tmp_path / "job"
    shutil.copytree(run.job_folder(run.plan().cells[0].job), folder)
    (folder / "model" / "weights.npz").write_bytes(b"PK")
    with pytest.raises(UserError, match="the model cannot be read") as caught:
        predict(folder, clip[0], "--out", "out.csv", "--openface", clip[0].parent)
    assert "\n" not in str(caught.value)
    card = json.loads((folder / "model" / "card.json").read_text())
    card["options"]["kernel"] = "cubic"
    (folder / "model" / "card.json").write_text(json.dumps(card))
    with pytest.raises(UserError, match="no longer has the options"):
        predict(folder, clip[0], "--out", "out.csv", "--openface", clip[0].parent)
    (folder / "model" / "card.json").write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        open_model(folder)
    assert not Path("out.csv").exists()


MISTAKES = {
    "no model": (["."], [], "holds no model"),
    "run without a method": (["RUN"], [], "add --method, one of svm"),
    "unknown method": (["RUN"], ["--method", "svn"], "did you mean 'svm'"),
    "unknown setting": (["RUN"], ["--method", "svm", "--setting", "x"], "no setting 'x'"),
    "unknown fold": (["RUN"], ["--method", "svm", "--fold", "7"], "no finished model of svm, fold"),
    "cell of a job": (["JOB"], ["--fold", "1"], "--fold chooses a cell"),
    "table of another kind": (["JOB"], ["--out", "out.txt"], "ending in .csv"),
    "nowhere to write": (["JOB"], ["--out", "no/where/out.csv"], "no such folder to write into"),
    "no OpenFace file": (["JOB"], ["--openface", "."], "no such file of OpenFace's"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_writes_nothing(mistake, run, clip, tmp_path):
    model, more, message = MISTAKES[mistake]
    job = run.job_folder(run.plan().cells[0].job)
    place_of = {"RUN": run.folder, "JOB": job}
    arguments = [place_of.get(model[0], model[0]), clip[0], "--out", "out.csv", *more]
    with pytest.raises(UserError, match=message) as caught:
        predict(*arguments)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@needs_faces
def test_real_faces_are_found_and_scored(run):
    predict(run.folder, FACES / "single_face.jpg", "--method", "svm", "--out", "real.csv")
    (row,) = rows_of("real.csv")
    assert row["face"] == "1"
    assert np.isfinite(float(row["AU12_score"]))
