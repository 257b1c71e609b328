"""One and two workers with the same global batch, as separate processes over gloo."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WORKER = """
import sys
from pathlib import Path
sys.path[:0] = [{root!r}, {tests!r}]
import torch, torch.distributed as dist
from conftest import make_toy
from harness.context import LocalContext
from hybrid.cnn_training import train_cnn
from hybrid.end_to_end import train_end_to_end
from hybrid.lstm_model import LstmModel
from hybrid.options import CnnOptions, JointOptions, SequenceOptions
from hybrid.sequence_training import train_lstm

rank, world, folder = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
if world > 1:
    dist.init_process_group(
        "gloo", init_method=f"file://{{folder}}/meet", rank=rank, world_size=world
    )
toy = make_toy(subjects=3, frames=24)
train, validation = toy.of_subjects(["toy:S0", "toy:S1"]), toy.of_subjects(["toy:S2"])
cnn = None
for norm, ce_norm, sampler in (("bn", "L", "random"), ("lrn", "valid", "momu")):
    options = CnnOptions(
        size="small", resolution=40, crop=36, widths=(6, 6, 6, 6, 6), fc=12, batch=17,
        iterations=5, evaluate_every=1, norm=norm, ce_norm=ce_norm, sampler=sampler,
    )
    context = LocalContext(
        folder / f"cnn-{{norm}}", rank=rank, world_size=world, seed=4
    )
    cnn = cnn or train_cnn(train, validation, options, context)
    if norm == "lrn":
        train_cnn(train, validation, options, context)
context = LocalContext(folder / "lstm", rank=rank, world_size=world, seed=4)
options = SequenceOptions(
    pca=6, scale="unit", hidden=8, layers=2, window=20, windows=5, burn_in=3, min_active=0.0,
    updates=5, evaluate_every=1,
)
lstm = train_lstm(cnn, train, validation, options, context)
context = LocalContext(folder / "joint", rank=rank, world_size=world, seed=4)
joint = JointOptions(window=8, windows=3, burn_in=2, updates=5, evaluate_every=1, lr=1e-3)
saved = folder / f"saved-{{rank}}"
saved.mkdir()
lstm.save(saved)
train_end_to_end(LstmModel.load(saved), train, validation, joint, context)
if world > 1:
    dist.destroy_process_group()
"""


def _run(world, folder):
    folder.mkdir()
    code = WORKER.format(root=str(ROOT), tests=str(Path(__file__).parent))
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(rank), str(world), str(folder)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(world)
    ]
    for worker in workers:
        _, errors = worker.communicate(timeout=240)
        assert worker.returncode == 0, errors[-3000:]
    return {
        job: [json.loads(row) for row in (folder / job / "history.jsonl").open()]
        for job in ("cnn-bn", "cnn-lrn", "lstm", "joint")
    }


def test_one_and_two_workers_give_the_same_loss_curves(tmp_path):
    one, two = _run(1, tmp_path / "one"), _run(2, tmp_path / "two")
    for job, rows in one.items():
        assert len(rows) == len(two[job]) == 5
        keys = ["loss", "validation_loss", "validation_mean_f1"]
        for key in keys if job in ("lstm", "joint") else [*keys, "training_mean_f1"]:
            expected = [row[key] for row in rows]
            assert [row[key] for row in two[job]] == pytest.approx(expected, abs=1e-4), (job, key)
        assert len({row["loss"] for row in rows}) == 5
