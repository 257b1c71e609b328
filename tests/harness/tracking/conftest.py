"""A small run folder made by hand, and a login that no test may leave anywhere."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from recording_server import recording_server

from harness.method import Needs
from harness.plan.jobs import Cell, Job, Plan
from harness.protocol import Split
from harness.store import RunStore

KEY = "planted0" * 5
SPLIT = Split(
    protocol="3-fold", fold="1", train=("lab:A", "lab:B"), validation=("lab:C",), test=("lab:D",)
)
ENVIRONMENT = {"revision": "0123abcd", "python": "3.11.7", "host": "node-1"}


def job(key, kind, group, needs=()):
    spec = {"method": f"m:{group}", "options": {"lr": 0.1, "sampler": "momu"}, "aus": [1, 12]}
    spec |= {"train_dataset": "/data/lab", "stages": {}, "seed": 7}
    return Job(
        key=key,
        kind=kind,
        title=f"{group} · lab 3-fold · fold 1",
        group=group,
        needs=tuple(needs),
        resources=Needs(),
        split="" if kind == "dataset" else "s",
        num_frames=10,
        spec=spec,
    )


def cell(method, key):
    return Cell(
        setting="lab 3-fold",
        train_dataset="lab",
        test_dataset="lab",
        protocol="3-fold",
        fold="1",
        method=method,
        seed=0,
        job=key,
    )


class HandMadeRun:
    """A run folder whose jobs begin, report, end and fail as a test says."""

    def __init__(self, folder):
        jobs = [
            job("made", "dataset", "datasets"),
            job("stage1", "stage", "Cnn"),
            job("cell1", "cell", "anet", ["stage1"]),
            job("cell2", "cell", "svm"),
        ]
        self.plan = Plan(
            suite="small",
            description="made by hand",
            methods=("anet", "svm"),
            settings=("lab 3-fold",),
            jobs={one.key: one for one in jobs},
            cells=(cell("anet", "cell1"), cell("svm", "cell2")),
            splits={"s": SPLIT},
            datasets={"lab": {"folder": "/data/lab", "frames": 10}},
        )
        self.store = RunStore(folder)
        self.folder = self.store.folder
        self.store.begin(self.plan, "name: small\n")

    def begin(self, key):
        self.store.mark_running(self.plan.jobs[key])

    def report(self, key, *numbers):
        rows = [{"step": 50.0 * n, "loss": 1 / n, "validation_mean_f1": 0.1 * n} for n in numbers]
        with (
            self.store.work_folder(self.plan.jobs[key]) as work,
            (work / "history.jsonl").open("a") as file,
        ):
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def finish(self, key, **result):
        one = self.plan.jobs[key]
        cost = {"started": 5.0, "seconds": 2.5}
        record = {"job": asdict(one), "split": asdict(SPLIT), "environment": ENVIRONMENT}
        with self.store.work_folder(one) as work:
            self.store.commit(one, work, record, {"notes": ["a note"], "cost": cost, **result})

    def fail(self, key, error):
        self.store.record_failure(self.plan.jobs[key], {"error": error, "traceback": "..."})

    def write_report(self):
        tables = self.folder / "report" / "tables"
        tables.mkdir(parents=True, exist_ok=True)
        (tables / "f1.csv").write_text("# Frame F1, %\nmethod,mean,mark\nsvm,51.5,*\nanet,,\n")
        (self.folder / "report" / "report.json").write_text("{}")
        (self.folder / "report" / "report.html").write_text("<h1>small</h1>")

    def texts(self):
        """Everything that any file of the run folder holds."""
        return {p: p.read_bytes() for p in self.folder.rglob("*") if p.is_file()}


@pytest.fixture
def hand_made(tmp_path):
    return HandMadeRun(tmp_path / "run")


@pytest.fixture
def login(monkeypatch, tmp_path):
    """A key in the environment; nothing of the user's own W&B."""
    for name in ("WANDB_MODE", "WANDB_BASE_URL", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    return KEY


@pytest.fixture
def wandb_server(login, monkeypatch):
    with recording_server() as recorded:
        monkeypatch.setenv("WANDB_BASE_URL", recorded.address)
        yield recorded
