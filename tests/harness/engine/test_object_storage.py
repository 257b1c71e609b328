"""A whole sweep with data and run store on a real S3-compatible server: refused, killed, resumed."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from s3_server import s3_server

from harness.errors import UserError
from harness.plan.build import build_plan
from harness.runs import open_run
from harness.store import RunStore
from harness.suite.load import load_suite
from harness.sweep import run_suite

TOYS = Path(__file__).parents[2] / "toys"
ROOT = Path(__file__).parents[3]

SUITE = """\
name: away
datasets:
  toy: {{prepared: "{toy}"}}
settings:
  - {{within: toy, protocol: 2-fold}}
methods:
  staged: {{method: "toy_methods:OnStage"}}
  bright: {{method: "toy_methods:OnBrightness"}}
  steps: {{method: "toy_methods:Stepping", options: {{steps: 5, sleep: 0.3}}}}
"""


@pytest.fixture(scope="module")
def bucket(toy_dataset):
    with s3_server() as found:
        found.upload(toy_dataset.folder, "data/toy")
        yield found


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A cache of its own, as another machine has."""
    monkeypatch.setenv("AUBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def write_suite(folder, toy):
    file = folder / "suite.yaml"
    file.write_text(SUITE.format(toy=toy))
    return file


def start(suite, out):
    path = os.pathsep.join([str(ROOT), str(TOYS)])
    return subprocess.Popen(
        [sys.executable, "-m", "harness", "run", str(suite), "--out", out, "--cpus", "2"],
        env={**os.environ, "PYTHONPATH": path},
        cwd=suite.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def undisturbed(suite, folder):
    """The same suite on a file system, done job by job in this very process."""
    from harness.engine.work import do_job

    plan = build_plan(load_suite(suite))
    store = RunStore(folder)
    store.begin(plan, "name: away\n")
    for job in plan.jobs.values():
        do_job(job, plan.splits.get(job.split), folder)
    return store


def test_a_killed_sweep_on_object_storage_ends_with_the_tables_of_an_undisturbed_one(
    bucket, toy_dataset, node, tmp_path
):
    suite, out = write_suite(tmp_path, bucket.address("data/toy")), bucket.address("runs/killed")
    process = start(suite, out)
    deadline = time.monotonic() + 120
    while len(bucket.keys("runs/killed/done/")) < 3:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with pytest.raises(UserError, match=rf"runs/killed is being run by process {process.pid} on"):
        run_suite(str(suite), out)
    assert open_run(out).driver_at_work()
    process.kill()
    process.communicate()
    kept = set(bucket.keys("runs/killed/done/"))
    process = start(suite, out)
    said, _ = process.communicate(timeout=240)
    assert process.returncode == 0, said
    store = open_run(out)
    store.refresh()
    assert kept < set(bucket.keys("runs/killed/done/"))
    assert not bucket.keys("runs/killed/running/")[1:]  # the folder's own mark may stay

    (tmp_path / "local").mkdir()
    local = undisturbed(write_suite(tmp_path / "local", toy_dataset.folder), tmp_path / "local/run")
    plan = store.plan()
    assert {cell.job for cell in local.plan().cells} == {cell.job for cell in plan.cells}
    for cell in plan.cells:
        pd.testing.assert_frame_equal(
            store.scores(cell.job), local.scores(cell.job), check_exact=True
        )
    assert not list(node.glob("copies/*/faces.npy.copying"))


def test_storage_without_rights_is_said_before_anything_starts(bucket, node, tmp_path):
    suite = write_suite(tmp_path, bucket.address("data/toy"))
    with pytest.raises(UserError, match=r"runs/x.*there is no such bucket"):
        run_suite(str(suite), bucket.address("runs/x", bucket="nobodys"))
    keys = bucket.reader_keys()
    bucket.demand_rights(0)
    try:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in keys.items():
                patch.setenv(name, value)
            with pytest.raises(UserError, match=r"runs/new.*access denied"):
                run_suite(str(suite), bucket.address("runs/new"))
            patch.setenv("AWS_ACCESS_KEY_ID", "NOBODY")
            with pytest.raises(UserError, match=r"suite.yaml:3: .*access denied: unknown keys"):
                run_suite(str(suite), bucket.address("runs/new"))
    finally:
        bucket.demand_rights(10**9)
    assert not bucket.keys("runs/new")
