"""The run store: states, failures, and what is refused."""

import json
import os
import time
from dataclasses import replace

import pytest

from harness.errors import UserError
from harness.method import Needs
from harness.plan.jobs import Cell, Job, Plan
from harness.protocol import Split
from harness.store import RunStore

SPLIT = Split(protocol="2-fold", fold="1", train=("a",), validation=("b",), test=("c",))


def job(key, needs=(), kind="cell"):
    return Job(
        key=key,
        kind=kind,
        title=f"job {key}",
        group="g",
        needs=tuple(needs),
        resources=Needs(),
        split="s",
        num_frames=10,
        spec={"aus": [1]},
    )


@pytest.fixture
def plan():
    jobs = {j.key: j for j in (job("a", kind="stage"), job("b", ["a"]), job("c", ["b"]), job("d"))}
    cell = Cell(
        setting="x",
        train_dataset="x",
        test_dataset="x",
        protocol="2-fold",
        fold="1",
        method="m",
        seed=0,
        job="b",
    )
    return Plan(
        suite="s",
        description="",
        methods=("m",),
        settings=("x",),
        jobs=jobs,
        cells=(cell,),
        splits={"s": SPLIT},
        datasets={},
    )


@pytest.fixture
def store(tmp_path, plan):
    store = RunStore(tmp_path / "run")
    store.begin(plan, "name: s\n")
    return store


def finish(store, one):
    with store.work_folder(one) as work:
        (work / "checkpoint").mkdir()
        (work / "scores.parquet").write_bytes(b"scores")
        store.commit(one, work, {"job": one.key}, {"frames": 1})


def test_states_follow_what_happens(store, plan):
    assert set(store.states(plan).values()) == {"waiting"}
    with store.driver_lock():
        store.mark_running(plan.jobs["a"])
        assert store.states(plan)["a"] == "running"
    assert store.states(plan)["a"] == "waiting"  # its driver has gone
    store.record_failure(plan.jobs["a"], {"error": "E: no", "traceback": "..."})
    assert store.states(plan) == {"a": "failed", "b": "blocked", "c": "blocked", "d": "waiting"}
    finish(store, plan.jobs["a"])
    assert store.states(plan) == {"a": "done", "b": "waiting", "c": "waiting", "d": "waiting"}
    assert store.failure("a") is None


def test_a_job_is_there_whole_or_not_at_all(store, plan):
    with store.work_folder(plan.jobs["a"]) as work:
        (work / "scores.parquet").write_bytes(b"half")
    assert not store.is_done(plan.jobs["a"])
    finish(store, plan.jobs["a"])
    folder = store.job_folder("a")
    assert sorted(p.name for p in folder.iterdir()) == ["job.json", "result.json", "scores.parquet"]
    assert not (store.folder / "jobs" / "a.partial").exists()


def test_a_second_commit_of_the_same_job_changes_nothing(store, plan):
    finish(store, plan.jobs["a"])
    before = (store.job_folder("a") / "result.json").read_bytes()
    finish(store, plan.jobs["a"])
    assert (store.job_folder("a") / "result.json").read_bytes() == before


def test_failures_are_forgotten_with_what_they_left(store, plan):
    with store.work_folder(plan.jobs["d"]) as work:
        (work / "model").mkdir()
    store.record_failure(plan.jobs["d"], {"error": "E", "traceback": ""})
    store.forget_failures()
    assert store.failure("d") is None
    assert not (store.folder / "jobs" / "d.partial").exists()


def test_a_plan_is_read_back(store, plan):
    assert store.plan() == plan


def test_a_plan_of_another_version_is_refused(store):
    file = store.folder / "plan.json"
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "plan_version": 99}))
    with pytest.raises(UserError, match="version 99"):
        store.plan()
    file.write_text("{")
    with pytest.raises(UserError, match="damaged"):
        store.plan()


def test_an_empty_folder_holds_no_run(tmp_path):
    with pytest.raises(UserError, match="holds no run"):
        RunStore(tmp_path).plan()
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        RunStore(tmp_path / "file").check_place()


def test_a_report_is_current_until_a_job_ends_or_the_plan_changes(store, plan):
    report = store.folder / "report.html"
    assert store.changed_since(report)

    def built():
        report.write_text("page")
        later = max(p.stat().st_mtime_ns for p in store.folder.iterdir()) + 1_000_000
        os.utime(report, ns=(later, later))

    built()
    store.begin(plan, "name: s\n")
    assert not store.changed_since(report)
    time.sleep(0.01)
    finish(store, plan.jobs["a"])
    assert store.changed_since(report)
    built()
    time.sleep(0.01)
    store.record_failure(plan.jobs["d"], {"error": "E", "traceback": ""})
    assert store.changed_since(report)
    built()
    time.sleep(0.01)
    store.begin(replace(plan, description="another"), "name: s\n")
    assert store.changed_since(report)
