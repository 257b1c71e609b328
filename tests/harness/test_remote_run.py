"""A run on object storage: whole jobs only, copies that follow, checkpoints that change nodes."""

import json
import shutil
from dataclasses import replace

import pytest
from gcs_server import gcs_server
from s3_server import s3_server

from harness.context import LocalContext
from harness.errors import UserError
from harness.method import Needs
from harness.plan.jobs import Cell, Job, Plan
from harness.protocol import Split
from harness.remote_run import RemoteRun
from harness.runs import open_run
from harness.storage import StorageError
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


@pytest.fixture(scope="module", params=[s3_server, gcs_server])
def bucket(request):
    with request.param() as found:
        yield found


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
def on_node(tmp_path, monkeypatch, bucket, request):
    """Gives the run as another machine sees it: by its address, with a cache of its own."""

    def seen_by(name):
        monkeypatch.setenv("AUBENCH_CACHE", str(tmp_path / name))
        return open_run(bucket.address(f"runs/{request.node.originalname}"))

    return seen_by


@pytest.fixture
def store(on_node, plan):
    store = on_node("driver")
    store.begin(plan, "name: s\n")
    return store


def finish(store, one, model=b"weights"):
    with store.work_folder(one) as work:
        (work / "scores.parquet").write_bytes(b"scores")
        (work / "history.jsonl").write_text('{"step": 1}\n')
        (work / "model").mkdir(exist_ok=True)
        (work / "model" / "card.json").write_bytes(model)
        store.commit(one, work, {"job": one.key}, {"frames": 1})


def test_what_one_node_does_another_sees(store, on_node, plan):
    worker = on_node("worker")
    assert set(store.states(plan).values()) == {"waiting"}
    with store.driver_lock():
        worker.mark_running(plan.jobs["a"])
        assert worker.states(plan)["a"] == "running"
    assert worker.states(plan)["a"] == "waiting"  # its driver has gone
    store.record_failure(plan.jobs["a"], {"error": "E: no", "traceback": "..."})
    states = worker.states(plan)
    assert states == {"a": "failed", "b": "blocked", "c": "blocked", "d": "waiting"}
    assert worker.failure("a")["error"] == "E: no"
    assert worker.running("a") is None
    store.record_loss(plan.jobs["d"], "worker died")
    assert worker.losses() == {"d": ["worker died"]}
    store.forget_failures()
    finish(worker, plan.jobs["a"])
    assert store.states(plan) == {"a": "done", "b": "waiting", "c": "waiting", "d": "waiting"}
    assert store.failure("a") is None
    assert store.is_done(plan.jobs["a"])
    assert store.plan() == plan


def test_a_job_without_its_mark_is_never_read(store, on_node, plan, monkeypatch):
    worker = on_node("worker")

    def cut(self, name, data):
        raise StorageError("gone")

    with monkeypatch.context() as patch:
        patch.setattr(type(worker.remote), "write", cut)
        with pytest.raises(StorageError):
            finish(worker, plan.jobs["a"])
    assert worker.remote.exists("jobs/a/result.json")  # all but the mark is there
    assert not store.is_done(plan.jobs["a"])
    assert store.states(plan)["a"] == "waiting"
    store.refresh()
    assert not (store.folder / "jobs" / "a").exists()
    with pytest.raises(UserError, match="not a finished job"):
        store.result("a")
    finish(on_node("worker"), plan.jobs["a"], b"again")
    assert (store.model("a") / "card.json").read_bytes() == b"again"


def test_reports_read_a_copy_without_models_and_stages_bring_theirs(store, on_node, plan):
    finish(on_node("worker"), plan.jobs["a"])
    store.refresh()
    here = RunStore(store.folder)  # what a report opens
    assert here.states(here.plan())["a"] == "done"
    assert here.result("a")["frames"] == 1
    assert here.history("a") == [{"step": 1}]
    assert not (here.job_folder("a") / "model").exists()
    assert (store.model("a") / "card.json").read_bytes() == b"weights"
    other = on_node("other")
    assert other.history("a") == [{"step": 1}]  # without a refresh: brought when it is asked for
    shutil.rmtree(store.folder)
    assert open_run(store.address).result("a")["frames"] == 1


def test_a_copy_forgets_what_is_gone(store, plan):
    finish(store, plan.jobs["a"])
    store.remote.delete(["done/a"])
    store.refresh()
    assert not (store.folder / "jobs" / "a").exists()
    assert store.states(plan)["a"] == "waiting"
    store.remote.delete(["plan.json", "suite.yaml"])
    assert not open_run(store.address).exists


def test_the_cost_of_states_does_not_grow_with_the_jobs(store, plan, monkeypatch):
    many = {f"k{i}": job(f"k{i}") for i in range(40)}
    large = replace(plan, jobs=many)
    for key in list(many)[:30]:
        store.remote.write(f"done/{key}", b"")
    calls = []
    acted = type(store.remote)._try

    def count(self, name, act):
        calls.append(name)
        return acted(self, name, act)

    monkeypatch.setattr(type(store.remote), "_try", count)
    states = store.states(large)
    assert sum(state == "done" for state in states.values()) == 30
    assert len(calls) <= 6


def test_a_place_with_other_things_is_refused(bucket, on_node):
    place = on_node("driver")
    for name in ("x", "deep/x"):
        place.remote.write(name, b"")
        with pytest.raises(UserError, match="holds other files and is not a run"):
            place.check_place()
        place.remote.delete([name])
    empty = RemoteRun(bucket.address("runs/nothing-there"))
    empty.check_place()
    assert not empty.exists
    with pytest.raises(UserError, match="holds no run"):
        empty.plan()


def test_a_report_goes_beside_the_run(store, bucket):
    page = store.folder / "report" / "report.html"
    page.parent.mkdir()
    page.write_text("page")
    where = store.publish("report")
    assert where.endswith("/report")
    assert store.remote.read("report/report.html") == b"page"


def train(store, one, steps, die_at=None):
    """Counts to ``steps`` with a checkpoint at each; like a node that is lost, leaves at one."""
    with store.work_folder(one) as work, store.keeping_checkpoints(one.key):
        context = LocalContext(work)
        found = context.restore()
        step = json.loads((found / "state.json").read_text())["step"] if found else 0
        begun = step
        while step < steps:
            step += 1
            state = json.dumps({"step": step})
            context.report({"step": step}, lambda f, s=state: (f / "state.json").write_text(s))
            if step == die_at:
                kept = store.checkpoints(one.key)
                assert kept.keep(work)
                assert not kept.keep(work)  # nothing new
                context.report({"step": step + 1})  # after the checkpoint: to be reported again
                return begun
        store.commit(one, work, {"job": one.key}, {"frames": 1})
        return begun


def test_a_training_goes_on_from_its_checkpoint_on_another_node(store, on_node, plan):
    one = plan.jobs["d"]
    assert train(on_node("first"), one, 5, die_at=3) == 0
    assert train(on_node("second"), one, 5) == 3
    assert [row["step"] for row in on_node("driver").history("d")] == [1, 2, 3, 4, 5]
    assert not store.remote.listing("checkpoints", deep=True)


def test_after_an_error_a_job_begins_anew_but_not_after_trouble_with_the_storage(store, plan):
    def fail(error):
        with store.work_folder(plan.jobs["d"]) as work:
            (work / "model").mkdir()
            raise error

    for error, kept in ((ArithmeticError("fault"), False), (StorageError("gone"), True)):
        with pytest.raises(type(error)):
            fail(error)
        assert (store.partial_folder("d") / "model").exists() is kept
