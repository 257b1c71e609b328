"""Several runs side by side: what moved beyond noise, and what cannot be compared."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from harness.errors import UserError
from harness.metrics import ScoredFrames
from harness.statistics.bootstrap import bootstrap_difference
from harness.store import RunStore
from reports.between_runs import changes, circumstances, read_runs
from reports.build_comparison import build_comparison
from reports.folds import read_fold
from reports.run_view import RunView

SETTINGS = (("lab", "lab"), ("group", "group"))


@pytest.fixture(scope="module")
def runs(planted, tmp_path_factory):
    """Two runs: svm's scores are those of the first, anet is better, hybrid a hair better."""
    folder = tmp_path_factory.mktemp("runs")
    plan = planted.planted_plan(settings=SETTINGS)
    planted.make_run(folder / "old", plan=plan)
    quality = {"svm": 0.9, "anet": 2.2, "hybrid": 1.901}
    later = planted.planted_plan(settings=SETTINGS, version=2)
    planted.make_run(folder / "new", plan=later, quality=quality)
    return [folder / "old", folder / "new"]


def test_what_moved_is_told_from_noise(runs):
    found = {(c.method, c.setting): c for c in changes(read_runs(runs))}
    assert {c.verdict for (m, _), c in found.items() if m == "anet"} == {"beyond noise"}
    assert {c.verdict for (m, _), c in found.items() if m != "anet"} == {"within noise"}
    assert found["anet", "lab 3-fold"].difference > 0.05


def test_the_interval_is_that_of_the_harness(runs):
    def frames(run):
        view = RunView(run)
        cells = [c for c in view.plan.cells if (c.method, c.setting) == ("hybrid", "lab 3-fold")]
        folds = [read_fold(view, cell, with_validation=False) for cell in cells]
        return ScoredFrames.concatenate([fold.test for fold in folds])

    oracle = bootstrap_difference(frames(runs[1]), frames(runs[0]), ["frame_f1"]).iloc[-1]
    change = next(
        c for c in changes(read_runs(runs)) if (c.method, c.setting) == ("hybrid", "lab 3-fold")
    )
    np.testing.assert_allclose(
        (change.difference, change.low, change.high),
        (oracle["estimate"], oracle["low"], oracle["high"]),
        atol=1e-9,
    )


def test_the_same_jobs_are_no_finding(runs, tmp_path):
    copied = shutil.copytree(runs[0], tmp_path / "copied")
    found = changes(read_runs([runs[0], copied]))
    assert {c.verdict for c in found} == {"same jobs"}
    assert {c.difference for c in found} == {0.0}
    assert circumstances(read_runs([runs[0], copied])) == []


def test_the_same_jobs_with_other_numbers_are_a_finding(planted, runs, tmp_path):
    copied = Path(shutil.copytree(runs[0], tmp_path / "copied"))
    store = RunStore(copied)
    for cell in store.plan().cells:
        if (cell.method, cell.setting) == ("svm", "lab 3-fold"):
            planted.replace_scores(store, cell.job, lambda t: t.assign(score_AU1=-t["score_AU1"]))
    found = {(c.method, c.setting): c for c in changes(read_runs([runs[0], copied]))}
    assert found["svm", "lab 3-fold"].verdict == "beyond noise"
    assert found["svm", "lab 3-fold"].high < 0
    assert found["hybrid", "lab 3-fold"].verdict == "same jobs"


def test_other_frames_and_missing_parts_are_said(planted, runs, tmp_path):
    plan = planted.planted_plan(methods=("svm", "new"), settings=SETTINGS, version=3)
    quality = {"svm": 0.9, "new": 1.0}
    skip = {("svm", "group 3-fold", "1")}
    other = planted.make_run(tmp_path / "other", plan=plan, quality=quality, skip=skip)
    store = RunStore(other)
    for cell in plan.cells:
        if (cell.method, cell.setting) == ("svm", "lab 3-fold"):
            planted.replace_scores(store, cell.job, lambda t: t[t["number"] > 5])
    found = {(c.method, c.setting): c.verdict for c in changes(read_runs([runs[0], other]))}
    assert found["svm", "lab 3-fold"] == "other frames"
    assert found["svm", "group 3-fold"] == "unfinished"
    assert found["anet", "lab 3-fold"] == found["new", "lab 3-fold"] == "only in one"


def test_the_page_is_written(runs, tmp_path):
    out = build_comparison(runs, tmp_path / "out")
    data = json.loads((out / "report.json").read_text())
    assert data["runs"] == ["old", "new"]
    html = (out / "report.html").read_text()
    assert "new against old:" in html
    assert "anet in lab 3-fold by +" in html
    rows = data["tables"][1]["rows"]
    assert "Method svm" in [row["entries"][0]["text"] for row in rows]
    assert (out / "figures" / "differences.svg").is_file()


def test_runs_that_cannot_be_compared_are_refused(runs, tmp_path):
    with pytest.raises(UserError, match="at least two"):
        build_comparison(runs[:1], tmp_path / "out")
    with pytest.raises(UserError, match="given twice"):
        build_comparison([runs[0], runs[0]], tmp_path / "out")
    with pytest.raises(UserError, match="holds no run"):
        build_comparison([runs[0], tmp_path], tmp_path / "out")
    assert not (tmp_path / "out").exists()
