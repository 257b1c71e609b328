"""What a job does, in whatever process it runs: make a dataset, extract a feature, or train a
method and score frames that it has not seen.

Nothing here imports Ray. A job's folder is ``store.work_folder``; what stands in it when a process
dies (checkpoints, a trained model) is what the next attempt goes on from.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.context import LocalContext
from harness.data.features import extract_feature
from harness.data.frames import FrameSet
from harness.data.prepared import PreparedDataset
from harness.method import Context
from harness.metrics.validate import check_scores
from harness.plan.jobs import Job
from harness.protocol import Split, check_disjoint, check_unseen
from harness.provenance import Meter, environment
from harness.registry import load_method
from harness.store import RunStore, write_text
from harness.threads import limited_threads

if TYPE_CHECKING:
    import pandas as pd


def do_job(job: Job, split: Split | None, run_folder: Path, device: str = "cpu") -> dict[str, Any]:
    """Does one job in this process and commits its result; returns what progress shows of it."""
    store = RunStore(run_folder)
    store.mark_running(job)
    meter = Meter(job.resources.gpus)
    threads = max(1, int(job.resources.cpus))
    with limited_threads(threads):
        if job.kind == "dataset":
            make_dataset(job)
            return {"seconds": meter.read()["seconds"]}
        if job.kind == "feature":
            spec = job.spec
            dataset = PreparedDataset(Path(spec["dataset"]))
            extract_feature(dataset, spec["name"], spec["extractor"], spec["options"])
            return {"seconds": meter.read()["seconds"]}
        assert split is not None
        with store.work_folder(job) as work:
            if store.is_done(job):
                return {}
            context = LocalContext(
                work,
                device=device,
                threads=threads,
                seed=job.spec["seed"],
                stages=stage_folders(store, job),
            )
            summary = train_and_score(job, split, context)
            return finish(store, job, split, work, summary, meter)


def finish(
    store: RunStore, job: Job, split: Split, work: Path, summary: Mapping[str, Any], meter: Meter
) -> dict[str, Any]:
    """Commits a trained job with its provenance and cost."""
    cost = meter.read()
    record = {
        "job": asdict(job),
        "split": asdict(split),
        "environment": environment(),
        "cost": cost,
    }
    store.commit(job, work, record, {**summary, "cost": cost})
    return {**summary, "seconds": cost["seconds"]}


def make_dataset(job: Job) -> None:
    """Makes a synthetic dataset; of several processes that want it, one makes it."""
    from harness.synthetic.recipe import SyntheticRecipe, make

    folder = Path(job.spec["folder"])
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(folder.name + ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "dataset.json").is_file():
            make(SyntheticRecipe.model_validate(job.spec["recipe"]), folder)


def stage_folders(store: RunStore, job: Job) -> dict[str, Path]:
    """Where the models of a job's stages stand."""
    return {name: store.job_folder(key) / "model" for name, key in job.spec["stages"].items()}


def train_and_score(job: Job, split: Split, context: Context) -> dict[str, Any]:
    """Fits the job's method on the split; for a cell, scores its validation and test parts.

    The model is written before it is used, and what scores is the model read back: so a crash after
    training does not cost the training, and the saved model is the one that was evaluated.
    """
    check_disjoint(split)
    spec = job.spec
    method_class = load_method(spec["method"])
    method = method_class(method_class.Options.model_validate(spec["options"]))
    train_frames = PreparedDataset(Path(spec["train_dataset"])).frames(spec["features"])
    train_frames = train_frames.with_aus(spec["aus"])
    train = train_frames.of_subjects(split.train)
    validation = train_frames.of_subjects(split.validation)
    folder = context.folder / "model"
    if not folder.is_dir():
        model = method.fit(train, validation, context)
        if context.rank == 0:
            _save(model, context.folder, job, split)
    if context.rank != 0:
        return {}
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    summary: dict[str, Any] = {"notes": card["notes"]}
    if job.kind == "cell":
        check_unseen([*card["train_subjects"], *card["validation_subjects"]], split.test)
        test_frames = PreparedDataset(Path(spec["test_dataset"])).frames(spec["features"])
        test = test_frames.with_aus(spec["aus"]).of_subjects(split.test)
        trained = method_class.load(folder)
        parts = {"validation": validation, "test": test}
        scores = {name: trained.scores(part.unlabelled()) for name, part in parts.items()}
        table = score_table(parts, scores, job.title)
        table.to_parquet(context.folder / "scores.parquet", index=False)
        summary |= summarise(test, scores["test"])
    return summary


def _save(model: Any, work: Path, job: Job, split: Split) -> None:
    """Writes a model whole or not at all, with a card that remembers whom it has seen."""
    aside = work / "model.part"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    model.save(aside)
    card = {
        "method": job.spec["method"],
        "options": job.spec["options"],
        "aus": job.spec["aus"],
        "train_dataset": Path(job.spec["train_dataset"]).name,
        "registration": PreparedDataset(Path(job.spec["train_dataset"])).description[
            "registration"
        ],
        "fold": split.fold,
        "protocol": split.protocol,
        "train_subjects": split.train,
        "validation_subjects": split.validation,
        "notes": list(getattr(model, "notes", [])),
    }
    write_text(aside / "card.json", json.dumps(card, indent=1) + "\n")
    aside.rename(work / "model")


def score_table(
    parts: Mapping[str, FrameSet], scores: Mapping[str, np.ndarray], title: str
) -> pd.DataFrame:
    """Keys, labels and scores of the scored parts, one row a frame."""
    import pandas as pd

    tables = []
    for part, frames in parts.items():
        values = check_scores(scores[part], frames, where=title)
        columns = {
            "part": np.repeat(part, len(frames)),
            "subject": frames.subjects,
            "sequence": frames.sequences,
            "number": frames.numbers,
        }
        columns |= {f"label_AU{au}": frames.labels[:, i] for i, au in enumerate(frames.aus)}
        columns |= {f"score_AU{au}": values[:, i] for i, au in enumerate(frames.aus)}
        tables.append(pd.DataFrame(columns))
    table = pd.concat(tables, ignore_index=True)
    for key in ("part", "subject", "sequence"):
        table[key] = table[key].astype("category")
    return table


def summarise(test: FrameSet, scores: np.ndarray) -> dict[str, Any]:
    """Mean frame F1 and ROC AUC over the AUs where they are defined, for progress and status."""
    from harness.metrics import frame_f1, roc_auc

    def mean(values: np.ndarray) -> float | None:
        return float(np.nanmean(values)) if np.isfinite(values).any() else None

    return {
        "frames": len(test),
        "subjects": len(np.unique(test.subjects.astype(str))),
        "frame_f1": mean(frame_f1(test.labels, scores)),
        "roc_auc": mean(roc_auc(test.labels, scores)),
    }
