"""What a job does, in whatever process it runs: make a dataset, extract a feature, make a study, or
train a method and score frames that it has not seen.

Nothing here imports Ray. A job's folder is ``store.work_folder``; what stands in it when a process
dies (checkpoints, a trained model) is what the next attempt goes on from.
"""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.context import LocalContext
from harness.data.features import extract_feature
from harness.data.frames import FrameSet
from harness.data.places import dataset_stands, open_dataset
from harness.engine.studies import make_study, seen_by
from harness.errors import UserError
from harness.method import Context
from harness.metrics.validate import check_scores
from harness.plan.jobs import Job
from harness.prepare.head_pose import head_pose
from harness.protocol import Split, check_disjoint, check_unseen
from harness.provenance import Meter, environment
from harness.registry import load_method
from harness.runs import open_run
from harness.storage import is_remote, last_name
from harness.store import RunStore, write_text
from harness.threads import limited_threads

if TYPE_CHECKING:
    import pyarrow as pa


def do_job(job: Job, split: Split | None, run: str | Path, device: str = "cpu") -> dict[str, Any]:
    """Does one job in this process and commits its result; returns what progress shows of it."""
    store = open_run(run)
    store.mark_running(job)
    meter = Meter(job.resources.gpus)
    threads = max(1, int(job.resources.cpus))
    with limited_threads(threads):
        if job.kind == "dataset":
            make_dataset(job)
            store.forget_running(job)
            return {"seconds": meter.read()["seconds"]}
        if job.kind == "feature":
            spec = job.spec
            dataset = open_dataset(spec["dataset"])
            extract_feature(dataset, spec["name"], spec["extractor"], spec["options"])
            dataset.share_feature(spec["name"])
            store.forget_running(job)
            return {"seconds": meter.read()["seconds"]}
        assert split is not None
        with store.work_folder(job) as work, store.keeping_checkpoints(job.key):
            if store.is_done(job):
                return {}
            context = LocalContext(
                work,
                device=device,
                threads=threads,
                seed=job.spec["seed"],
                stages=stage_folders(store, job),
            )
            work_on = make_study if job.kind == "study" else train_and_score
            summary = work_on(job, split, context)
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
    return {**summary, "seconds": cost["seconds"], "bytes": store.size(job.key)}


def make_dataset(job: Job) -> None:
    """Makes a synthetic dataset; of several processes that want it, one makes it."""
    from harness.data.cache import cache_folder
    from harness.data.copied import share_dataset
    from harness.synthetic.making import make
    from harness.synthetic.recipe import SyntheticRecipe

    address = job.spec["folder"]
    away = is_remote(address)
    folder = cache_folder() / "datasets" / last_name(address) if away else Path(address)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(folder.name + ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if away and dataset_stands(address):
            return
        if not (folder / "dataset.json").is_file():
            make(SyntheticRecipe.model_validate(job.spec["recipe"]), folder)
        if away:
            share_dataset(folder, address)


def stage_folders(store: RunStore, job: Job) -> dict[str, Path]:
    """Where the models of a job's stages stand."""
    return {name: store.model(key) for name, key in job.spec["stages"].items()}


def train_and_score(job: Job, split: Split, context: Context) -> dict[str, Any]:
    """Fits the job's method on the split; for a cell, scores its validation and test parts.

    The model is written before it is used, and what scores is the model read back: so a crash after
    training does not cost the training, and the saved model is the one that was evaluated.
    """
    check_disjoint(split)
    spec = job.spec
    method_class = load_method(spec["method"])
    method = method_class(method_class.Options.model_validate(spec["options"]))
    train_frames = open_dataset(spec["train_dataset"]).frames(spec["features"])
    train_frames = train_frames.with_aus(spec["aus"])
    train = train_frames.of_subjects(split.train)
    validation = train_frames.of_subjects(split.validation)
    folder = context.folder / "model"
    if not folder.is_dir():
        if context.rank == 0 and not any(context.folder.glob("checkpoint*")):
            # of an attempt that was lost, and that nothing is taken up from
            (context.folder / "history.jsonl").unlink(missing_ok=True)
        model = method.fit(train, validation, context)
        if context.rank == 0:
            _save(model, context, job, split)
    if context.rank != 0:
        return {}
    card = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    summary: dict[str, Any] = {"notes": card["notes"]}
    if job.kind == "cell":
        check_unseen(seen_by(folder), split.test)
        test_frames = open_dataset(spec["test_dataset"]).frames(spec["features"])
        test = test_frames.with_aus(spec["aus"]).of_subjects(split.test)
        trained = method_class.load(folder)
        parts = {"validation": validation, "test": test}
        scores = {name: trained.scores(part.unlabelled()) for name, part in parts.items()}
        write_scores(context.folder / "scores.parquet", parts, scores, job.title)
        summary |= summarise(test, scores["test"])
    return summary


def _save(model: Any, context: Context, job: Job, split: Split) -> None:
    """Writes a model whole or not at all, with a card that remembers whom it has seen."""
    if not callable(getattr(model, "save", None)):
        raise UserError(f"fit gave {type(model).__name__}, which has no save(folder): not a model")
    work = context.folder
    aside = work / "model.part"
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    model.save(aside)
    card = {
        "method": job.spec["method"],
        "options": job.spec["options"],
        "aus": job.spec["aus"],
        "train_dataset": last_name(job.spec["train_dataset"]),
        "registration": open_dataset(job.spec["train_dataset"]).description["registration"],
        "fold": split.fold,
        "protocol": split.protocol,
        "train_subjects": split.train,
        "validation_subjects": split.validation,
        "stage_subjects": _seen_elsewhere(context, job, split),
        "notes": list(getattr(model, "notes", [])),
    }
    write_text(aside / "card.json", json.dumps(card, indent=1) + "\n")
    aside.rename(work / "model")


def _seen_elsewhere(context: Context, job: Job, split: Split) -> list[str]:
    """Whom the stages of a model have seen beside the subjects of its own split."""
    seen = {subject for name in job.spec["stages"] for subject in seen_by(context.stage(name))}
    return sorted(seen - {*split.train, *split.validation})


def write_scores(
    file: Path,
    parts: Mapping[str, FrameSet],
    scores: Mapping[str, np.ndarray],
    title: str,
    unknown: Collection[int] = (),
) -> None:
    """Writes keys, labels, scores and head pose of the scored parts, one row a frame, as
    ``store.scores`` reads them; AUs that are ``unknown`` without their labels.

    Straight from arrays: a DataFrame in between took a third of a small job's time.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = {part: check_scores(scores[part], parts[part], where=title) for part in parts}
    frames = list(parts.values())
    columns = {
        "part": _categories(np.repeat(np.array(list(parts), object), [len(f) for f in frames])),
        "subject": _categories(np.concatenate([f.subjects for f in frames])),
        "sequence": _categories(np.concatenate([f.sequences for f in frames])),
        "number": pa.array(np.concatenate([f.numbers for f in frames])),
    }
    labels_NL = np.concatenate([f.labels for f in frames])
    scores_NL = np.concatenate(list(values.values()))
    aus = frames[0].aus
    labels_NL *= np.array([au not in unknown for au in aus], np.int8)
    columns |= {f"label_AU{au}": pa.array(labels_NL[:, i]) for i, au in enumerate(aus)}
    columns |= {f"score_AU{au}": pa.array(scores_NL[:, i]) for i, au in enumerate(aus)}
    pose = head_pose(np.concatenate([f.landmarks[:] for f in frames]))
    columns |= {name: pa.array(angles) for name, angles in vars(pose).items()}
    pq.write_table(pa.table(columns), file)


def _categories(names: np.ndarray) -> pa.DictionaryArray:
    """Names as sorted categories."""
    import pandas as pd
    import pyarrow as pa

    codes, found = pd.factorize(names, sort=True)
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(list(found)))


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
