"""From JPEG files in an official layout to a report, through the command line alone."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from harness.data.prepared import PreparedDataset
from harness.layouts.bp4d_writer import Bp4dWriter
from harness.layouts.writing import RecipeSource
from harness.synthetic.recipe import SyntheticRecipe, headers, table

ROOT = Path(__file__).parents[1]

SUITE = """\
name: files
datasets:
  files: {prepared: prepared/files}
settings:
  - {within: files, protocol: 2-fold}
methods:
  all-present:
  svm: {options: {C: [1.0]}}
"""


def aubench(*arguments, cwd, status=0):
    done = subprocess.run(
        [sys.executable, "-m", "harness", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working folder in which everything up to the run has been done."""
    folder = tmp_path_factory.mktemp("work")
    sizes = ("--subjects", 6, "--tasks", 1, "--frames", 30, "--seed", 5)
    aubench("synth", "lab", *sizes, "--layout", "bp4d", "--out", "BP4D", cwd=folder)
    aubench("prepare", "bp4d", "BP4D", "--out", "prepared/files", "--cpus", 2, cwd=folder)
    (folder / "suite.yaml").write_text(SUITE)
    said = aubench("run", "suite.yaml", "--cpus", 2, cwd=folder)
    (folder / "said.txt").write_text(said)
    return folder


def test_the_labels_that_arrive_are_the_generator_s(folder):
    recipe = SyntheticRecipe(preset="lab", subjects=6, tasks=1, frames=30, seed=5)
    expected = table(recipe)
    frames = PreparedDataset(folder / "prepared" / "files").frames()
    assert len(list((folder / "BP4D").rglob("*.jpg"))) > len(frames)
    written = Bp4dWriter(RecipeSource(recipe), folder / "BP4D")
    found = {name: frames.labels[part] for name, part in frames.sequence_slices()}
    assert len(found) == 6
    for position, header in enumerate(headers(recipe)):
        name = "bp4d:" + "/".join(written.key(position))
        rows = expected.sequences == header.sequence
        np.testing.assert_array_equal(found[name], expected.labels[rows])
    assert frames.tracked.all()


def test_the_report_is_there_in_every_format(folder):
    report = folder / "runs" / "files" / "report"
    page = (report / "report.html").read_text(encoding="utf-8")
    markdown = (report / "report.md").read_text(encoding="utf-8")
    assert list((report / "tables").glob("*.csv"))
    for text in (page, markdown, (folder / "said.txt").read_text()):
        assert "svm" in text
        assert "all-present" in text


def test_a_second_run_does_nothing_and_is_quick(folder):
    before = sorted((folder / "runs" / "files" / "jobs").iterdir())
    begun = time.perf_counter()
    said = aubench("run", "suite.yaml", cwd=folder)
    seconds = time.perf_counter() - begun
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import pandas, matplotlib.pyplot"], check=True)
    assert "everything was done already" in said
    assert sorted((folder / "runs" / "files" / "jobs").iterdir()) == before
    # 5 s on an idle machine, where those imports take about one.
    assert seconds < 5 * max(1.0, time.perf_counter() - begun)


def test_the_report_needs_the_run_folder_alone(folder, tmp_path):
    import shutil

    shutil.copytree(folder / "runs" / "files", tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "report")
    aubench("report", tmp_path / "copy", cwd=tmp_path)
    for file in ("report.html", "report.md", "report.json"):
        original = (folder / "runs" / "files" / "report" / file).read_bytes()
        assert (tmp_path / "copy" / "report" / file).read_bytes() == original


def test_status_and_plan_know_that_all_is_done(folder):
    assert "2 · " not in aubench("status", "suite.yaml", cwd=folder)
    assert ", 0 to do" in aubench("plan", "suite.yaml", cwd=folder)
    plan = json.loads(aubench("plan", "suite.yaml", "--json", cwd=folder))
    assert len(plan["cells"]) == 4
