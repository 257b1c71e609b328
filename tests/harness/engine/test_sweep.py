"""Sweeps with tiny methods on a real local Ray: failures stay where they are, kills lose nothing.

Each test starts Ray, some seconds on a busy machine; so there are few, and each looks at much.
"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from harness.store import RunStore
from harness.sweep import run_suite

TOYS = Path(__file__).parents[2] / "toys"
ROOT = Path(__file__).parents[3]

SUITE = """\
name: toyrun
datasets:
  toy: {{prepared: {toy}}}
  other: {{prepared: {other}}}
settings:
  - {{within: toy, protocol: 2-fold}}
  - {{train: toy, test: other}}
methods:
  pixel: {{method: "toy_methods:Pixel"}}
  staged: {{method: "toy_methods:OnStage"}}
  steps: {{method: "toy_methods:Stepping", options: {{steps: 4, die_at: 2}}}}
  one-thread: {{method: "toy_methods:Threads"}}
  two-threads: {{method: "toy_methods:Threads", options: {{scale: 2}}, resources: {{cpus: 2}}}}
  broken: {{method: "toy_methods:Failing"}}
  on-broken: {{method: "toy_methods:OnBroken"}}
  wrong: {{method: "toy_methods:WrongShape"}}
"""


def write_suite(folder, toy, other, text=SUITE):
    file = folder / "suite.yaml"
    file.write_text(text.format(toy=toy.folder, other=other.folder))
    return file


def all_scores(folder):
    """Every cell's scores, by what the cell is."""
    store = RunStore(folder)
    plan = store.plan()
    return {
        (c.method, c.setting, c.fold): store.scores(c.job)
        for c in plan.cells
        if store.states(plan)[c.job] == "done"
    }


@pytest.fixture(scope="module")
def toy_run(tmp_path_factory, toy_dataset, other_dataset):
    folder = tmp_path_factory.mktemp("run")
    suite = write_suite(folder, toy_dataset, other_dataset)
    return run_suite(str(suite), str(folder / "run"), cpus=2)


def states_by_method(result):
    plan = result.store.plan()
    found = {}
    for cell in plan.cells:
        found.setdefault(cell.method, set()).add(result.states[cell.job])
    return found


def test_what_raises_leaves_the_others_running(toy_run):
    assert states_by_method(toy_run) == {
        "pixel": {"done"},
        "staged": {"done"},
        "steps": {"done"},
        "one-thread": {"done"},
        "two-threads": {"done"},
        "broken": {"failed"},
        "on-broken": {"blocked"},
        "wrong": {"failed"},
    }
    assert not toy_run.complete


@pytest.mark.parametrize(("method", "threads"), [("one-thread", 1), ("two-threads", 2)])
def test_libraries_use_the_cpus_that_a_job_holds(toy_run, method, threads):
    plan = toy_run.store.plan()
    for cell in plan.cells:
        if cell.method == method:
            notes = toy_run.store.result(cell.job)["notes"]
            assert notes == [f"cv2 {threads}", f"pools [{threads}]", f"{threads}"]


def failure_of(run, method):
    plan = run.store.plan()
    cell = next(c for c in plan.cells if c.method == method)
    return run.store.failure(cell.job)


def test_a_failure_is_kept_with_its_traceback(toy_run):
    failure = failure_of(toy_run, "broken")
    assert re.fullmatch(r"ArithmeticError: planted fault \(toy_methods.py:\d+\)", failure["error"])
    assert "raise ArithmeticError(self.options.message)" in failure["traceback"]
    assert "\x1b" not in failure["traceback"]
    assert "shape" in failure_of(toy_run, "wrong")["error"]


def test_a_killed_worker_goes_on_from_its_checkpoint(toy_run):
    plan = toy_run.store.plan()
    keys = {plan.jobs[c.job].key for c in plan.cells if c.method == "steps"}
    for key in keys:
        assert [row["step"] for row in toy_run.store.history(key)] == [1, 2, 3, 4]
        assert (toy_run.store.job_folder(key) / "died").exists()
        assert not (toy_run.store.job_folder(key) / "checkpoint").exists()


def test_scores_hold_keys_labels_and_both_parts(toy_run, toy_dataset):
    plan = toy_run.store.plan()
    cells = [c for c in plan.cells if c.method == "pixel" and c.setting == "toy 2-fold"]
    tables = [toy_run.store.scores(c.job) for c in cells]
    test = pd.concat(t[t.part == "test"] for t in tables)
    frames = toy_dataset.frames()
    assert len(test) == len(frames)
    merged = test.astype({"sequence": str}).sort_values(["sequence", "number"])
    assert merged["label_AU12"].tolist() == frames.labels[:, 2].tolist()
    assert set(tables[0].part) == {"validation", "test"}


def test_a_record_says_where_a_result_came_from(toy_run):
    plan = toy_run.store.plan()
    record = toy_run.store.record(next(c.job for c in plan.cells if c.method == "pixel"))
    assert record["environment"]["packages"]["ray"]
    assert record["cost"]["seconds"] > 0
    assert record["cost"]["peak_memory"] > 1e6
    assert set(record["split"]["train"]).isdisjoint(record["split"]["test"])
    notes = toy_run.store.result(next(c.job for c in plan.cells if c.method == "pixel"))["notes"]
    assert notes == ["brightness only"]


def test_a_damaged_job_folder_is_noticed(toy_run, tmp_path):
    plan = toy_run.store.plan()
    key = next(c.job for c in plan.cells if c.method == "staged" and c.setting != "toy 2-fold")
    file = toy_run.store.job_folder(key) / "scores.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    try:
        with pytest.raises(ValueError, match="damaged"):
            toy_run.store.scores(key)
    finally:
        file.write_bytes(whole)


QUICK = """\
name: quick
datasets:
  toy: {{prepared: {toy}}}
settings:
  - {{within: toy, protocol: 3-fold}}
methods:
  pixel: {{method: "toy_methods:Pixel", options: {{sleep: 0.7}}}}
  steps: {{method: "toy_methods:Stepping", options: {{steps: 6, sleep: 0.3}}}}
"""


def start(suite, out):
    path = os.pathsep.join([str(ROOT), str(TOYS)])
    return subprocess.Popen(
        [sys.executable, "-m", "harness", "run", str(suite), "--out", str(out), "--cpus", "2"],
        # An address in the environment must not draw a local run to some other Ray instance.
        env={**os.environ, "PYTHONPATH": path, "RAY_ADDRESS": "127.0.0.1:9"},
        cwd=suite.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(condition, seconds=90):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.05)


def finished(out):
    jobs = out / "jobs"
    return [p for p in jobs.iterdir() if "." not in p.name] if jobs.is_dir() else []


def test_three_kills_and_a_ctrl_c_change_no_table(tmp_path, toy_dataset, other_dataset):
    suite = write_suite(tmp_path, toy_dataset, other_dataset, QUICK)
    out = tmp_path / "killed"
    moments = (
        lambda: (out / "plan.json").exists(),  # before Ray is up
        lambda: any(out.glob("jobs/*.partial/checkpoint")),  # in the middle of a training
        lambda: len(finished(out)) >= 2,  # with results in
    )
    kept = set()
    for moment in moments:
        process = start(suite, out)
        wait_for(moment)
        process.kill()
        process.wait()
        process.stdout.close()
        assert kept <= set(finished(out))
        kept = set(finished(out))
    since = time.time()
    process = start(suite, out)
    # As soon as a job of this very process is at work, so that much is left to stop.
    wait_for(lambda: any(f.stat().st_mtime > since for f in (out / "running").glob("*.json")))
    process.send_signal(signal.SIGINT)
    begun = time.monotonic()
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - begun < 20
    assert "every finished job is kept" in said
    assert "aubench run" in said
    assert "Traceback" not in said
    known = ("quick: ", "[", "aubench: ")
    assert not [line for line in said.splitlines() if line and not line.startswith(known)]
    assert run_suite(str(suite), str(out), cpus=2).complete
    undisturbed = tmp_path / "undisturbed"
    assert run_suite(str(suite), str(undisturbed), cpus=2).complete
    one, other = all_scores(out), all_scores(undisturbed)
    assert one.keys() == other.keys()
    for cell in one:
        pd.testing.assert_frame_equal(one[cell], other[cell], check_exact=True)


def test_a_finished_suite_starts_no_ray(toy_run, tmp_path, toy_dataset, other_dataset):
    suite = write_suite(tmp_path, toy_dataset, other_dataset)
    text = "\n".join(line for line in suite.read_text().splitlines() if "broken" not in line)
    text = "\n".join(li for li in text.splitlines() if "wrong" not in li)
    suite.write_text(text + "\n")
    code = (
        "import sys\n"
        "from harness.sweep import run_suite\n"
        f"result = run_suite({str(suite)!r}, {str(toy_run.store.folder)!r})\n"
        "assert result.complete and not result.worked\n"
        "assert 'ray' not in sys.modules and 'torch' not in sys.modules\n"
    )
    path = os.pathsep.join([str(ROOT), str(TOYS)])
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=True)


def test_a_second_driver_is_refused_and_told_who_holds_the_run(
    tmp_path, toy_dataset, other_dataset
):
    suite = write_suite(tmp_path, toy_dataset, other_dataset, QUICK)
    store = RunStore(tmp_path / "run")
    with store.driver_lock():
        with pytest.raises(ValueError, match=f"process {os.getpid()}"):
            run_suite(str(suite), str(tmp_path / "run"))
        assert RunStore(tmp_path / "run").driver_at_work()
    assert not RunStore(tmp_path / "run").driver_at_work()
