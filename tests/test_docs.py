"""The examples of the documents, done from an empty folder as an installed user would."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "docs" / "examples"
METHOD_LINES = 29
"""How long an example method may be, without its blank lines."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder outside the repository that holds the examples alone."""
    folder = tmp_path_factory.mktemp("newcomer")
    for file in EXAMPLES.iterdir():
        if file.is_file():
            shutil.copy(file, folder)
    return folder


def python(*arguments, cwd):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["own_method.py", "own_network.py"])
def test_a_method_is_as_short_as_the_documents_say(name):
    lines = (EXAMPLES / name).read_text(encoding="utf-8").splitlines()
    assert sum(bool(line.strip()) for line in lines) <= METHOD_LINES


def test_the_documents_quote_the_files_that_are_run():
    text = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs").glob("*.md"))
    for file in EXAMPLES.iterdir():
        if file.is_file():
            assert file.read_text(encoding="utf-8").strip() in text, file.name


def test_own_methods_become_rows_and_own_metrics_tables(folder):
    said = python("-m", "harness", "run", "own.yaml", "--cpus", 1, cwd=folder)
    for method in ("pixels", "network", "all-present"):
        assert method in said
    report = (folder / "runs" / "own" / "report" / "report.md").read_text(encoding="utf-8")
    assert "pixels" in report
    python("-m", "harness", "report", "runs/own", "--metric", "own_metric:matthews", cwd=folder)
    tables = folder / "runs" / "own" / "report" / "tables"
    table = pd.read_csv(tables / "lab-2-fold-metric-matthews.csv", comment="#")
    assert table["pixels"].notna().any()
    assert table["pixels_low"].notna().any()
    assert table["all-present"].isna().all()  # who says the same of all correlates with nothing


def test_an_own_dataset_is_audited_and_prepared(folder):
    rng = np.random.default_rng(0)
    lines = ["subject,task,frame,AU6,AU12"]
    for subject in ("ann", "ben"):
        place = folder / "mine" / subject / "talk"
        place.mkdir(parents=True)
        for frame in (1, 2, 3):
            picture = rng.integers(0, 255, (120, 120, 3), dtype=np.uint8)
            cv2.imwrite(str(place / f"{frame:03}.png"), picture)
            lines.append(f"{subject},talk,{frame},{frame % 2},{('', 0, 1)[frame - 1]}")
    (folder / "mine" / "codes.csv").write_text("\n".join(lines) + "\n")
    said = python("-m", "harness", "audit", "own_dataset:Mine", "mine", cwd=folder)
    assert "wrong" not in said
    code = (
        "from pathlib import Path\n"
        "from harness.layouts.adapter import open_adapter\n"
        "from harness.prepare.prepare import PrepareOptions, prepare\n"
        "adapter = open_adapter('own_dataset:Mine', 'mine')\n"
        "options = PrepareOptions(missing_face='keep')\n"
        "frames = prepare(adapter, Path('prepared/mine'), options).frames()\n"
        "print(frames.aus, frames.labels.tolist())\n"
    )
    (folder / "prepared").mkdir()
    said = python("-c", code, cwd=folder)
    assert said.strip() == "(6, 12) [[1, 0], [-1, -1], [1, 1], [1, 0], [-1, -1], [1, 1]]"
