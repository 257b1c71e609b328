"""One trial: train a method with the options that were chosen, and measure it on validation.

A trial is told of the training and the validation subjects of one fold's training part and of
nobody else: its split has no test part. It trains the method itself and those of its stages that
the searched options reach; the others stand in the run folder, trained once for all trials.

What it reports: the rows of the training (of the last stage that is a network training, or of the
method itself) that hold the metric. At its end the harness measures the trained model on the
validation subjects, ``validation_mean_f1`` and ``validation_mean_auc`` (means over the AUs where
they are defined); if the metric is one of them, that is the trial's value, else the last row's. A
trial that was killed goes on from its last checkpoint, and reports the rows up to there again.

Nothing here imports Ray.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import socket
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.context import LocalContext
from harness.data.frames import FrameSet
from harness.data.places import open_dataset
from harness.errors import UserError
from harness.method import Method, Model
from harness.plan.jobs import digest
from harness.plan.resolve import ResolvedMethod, ResolvedStage
from harness.provenance import Meter
from harness.registry import load_method
from harness.search.records import SearchStore
from harness.search.trial_task import TrialTask, stage_identity
from harness.threads import limited_threads
from harness.tracking.mode import redacted

Row = dict[str, float]
Listener = Callable[[Row], None]


class TrialEnded(BaseException):
    """Raised inside a training that is to end where it is; not an ``Exception``, so that a method
    which mends its own errors does not catch it."""

    def __init__(self, *, stopped: bool) -> None:
        super().__init__()
        self.stopped = stopped


class TrialFrames:
    """The frames of one fold's training part, opened once for all trials of a process."""

    def __init__(self, task: TrialTask) -> None:
        self._task = task
        self._opened: dict[str, tuple[FrameSet, FrameSet]] = {}

    def parts(self, stored: Mapping[str, str]) -> tuple[FrameSet, FrameSet]:
        """The training and the validation part, with these features."""
        key = digest(stored)
        if key not in self._opened:
            task = self._task
            frames = open_dataset(task.dataset).frames(stored).with_aus(task.aus)
            split = task.split
            self._opened[key] = (
                frames.of_subjects(split.train),
                frames.of_subjects(split.validation),
            )
        return self._opened[key]


def run_trial(
    task: TrialTask,
    chosen: Mapping[str, Any],
    number: int,
    frames: TrialFrames,
    listener: Listener,
) -> dict[str, Any]:
    """Runs one trial to its end, or hands out what it found when it ran before.

    Args:
        chosen: value of every dimension.
        number: place of the trial in its search, from 0.
        listener: hears of every row that holds the metric; may raise ``TrialEnded``.

    Returns:
        the record of the trial, which was written into the run folder.

    Raises:
        Exception: what the training raised; its record is written as failed.
    """
    store = SearchStore(task.run_folder)
    method = task.method(chosen)
    key = task.key(method)
    known = store.finished(key)
    if known is not None:
        _tell_again(task, known, listener)
        store.write_trial(known, task.search, number)
        return known
    trial = _Trial(task, method, store.work_folder(key), frames, listener)
    record = {
        "key": key,
        "row": task.row,
        "setting": task.setting,
        "fold": task.fold,
        "fold_position": task.fold_position,
        "options": dict(chosen),
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }
    failure: BaseException | None = None
    try:
        with limited_threads(task.threads):
            outcome = trial.run()
    except Exception as error:
        failure = error
        outcome = describe_failed(error)
    record |= {**outcome, "rows": trial.rows, "final": trial.final, "cost": trial.meter.read()}
    store.write_trial(record, task.search, number)
    if failure is not None:
        shutil.rmtree(trial.folder, ignore_errors=True)
        raise failure
    if record["state"] == "finished":
        shutil.rmtree(trial.folder, ignore_errors=True)
    return record


def describe_failed(error: BaseException) -> dict[str, Any]:
    """How a trial that raised is recorded."""
    line = next((t.strip() for t in str(error).splitlines() if t.strip()), "")
    name = type(error).__name__
    said = line if isinstance(error, UserError) and line else f"{name}: {line}" if line else name
    trace = "".join(traceback.format_exception(error))
    return {
        "state": "failed",
        "value": None,
        "error": redacted(said),
        "traceback": redacted(trace),
    }


def _tell_again(task: TrialTask, record: Mapping[str, Any], listener: Listener) -> None:
    """Reports what a finished trial reported, for whoever compares trials epoch by epoch."""
    for row in record["rows"]:
        if _finite(row.get(task.metric)):
            listener(row)


class _Trial:
    """The trial at work; ``run`` is told from top to bottom."""

    def __init__(
        self,
        task: TrialTask,
        method: ResolvedMethod,
        folder: Path,
        frames: TrialFrames,
        listener: Listener,
    ) -> None:
        self.task, self.method, self.folder = task, method, folder
        self.frames, self.listener = frames, listener
        self.rows: list[Row] = []
        self.final: Row = {}
        self.reported: set[str] = set()
        self.meter = Meter(1.0 if task.device != "cpu" else 0.0)
        self.begun = time.perf_counter()
        self.counted = 0
        networks = [place for place, row in _trained(method, task.stages) if row.resources.train]
        self.listened_to = networks[-1] if networks else ""

    def run(self) -> dict[str, Any]:
        """State and value of the trial; raises what the training raises."""
        try:
            model = self._fit(self.method, "")
        except TrialEnded as ended:
            state = "stopped" if ended.stopped else "finished"
            return {"state": state, "value": self._last_value()}
        self.final = self._measure(model)
        self.reported |= set(self.final)
        measured = self.final.get(self.task.metric)
        value = measured if _finite(measured) else self._last_value()
        return {"state": "finished", "value": value}

    def _fit(self, method: ResolvedMethod, place: str) -> Model:
        """A trained method; what it rests on is trained first, or stands in the run folder."""
        stages = {
            name: self._stage(stage, f"{place}.{name}".strip("."))
            for name, stage in method.stages.items()
        }
        folder = self.folder / (place or "trial")
        if not (folder / "checkpoint").is_dir() and not (folder / "checkpoint.old").is_dir():
            shutil.rmtree(folder, ignore_errors=True)
        listens = place == self.listened_to
        context = TrialContext(
            folder,
            device=self.task.device,
            threads=self.task.threads,
            seed=self.task.seed,
            stages=stages,
            on_row=self._hear if listens else None,
        )
        train, validation = self.frames.parts(self.method.stored)
        return _instance(method).fit(train, validation, context)

    def _stage(self, stage: ResolvedStage, place: str) -> Path:
        shared = self.task.stages.get(stage_identity(stage.row, stage))
        if shared is not None:
            return Path(shared)
        kept = self.folder / f"{place}.model"
        if not kept.is_dir():
            model = self._fit(stage.row, place)
            aside = self.folder / f"{place}.part"
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            model.save(aside)
            aside.rename(kept)
        return kept

    def _hear(self, row: Row) -> None:
        """A row of the training: kept, passed on if it holds the metric, and counted."""
        self.reported |= set(row)
        self.rows.append({**row, "seconds": time.perf_counter() - self.begun})
        if not _finite(row.get(self.task.metric)):
            return
        self.counted += 1
        self.listener(self.rows[-1])
        task = self.task
        spent = task.seconds is not None and self.rows[-1]["seconds"] >= task.seconds
        if spent or (task.epochs is not None and self.counted >= task.epochs):
            raise TrialEnded(stopped=False)

    def _measure(self, model: Model) -> Row:
        """Means over the AUs that are defined on the validation subjects."""
        from harness.metrics import frame_f1, roc_auc

        _, validation = self.frames.parts(self.method.stored)
        scores_NL = np.asarray(model.scores(validation.unlabelled()))
        row: Row = {}
        for name, measure in (("f1", frame_f1), ("auc", roc_auc)):
            values_L = measure(validation.labels, scores_NL)
            if np.isfinite(values_L).any():
                row[f"validation_mean_{name}"] = float(np.nanmean(values_L))
        return {**row, "seconds": time.perf_counter() - self.begun}

    def _last_value(self) -> float:
        for row in reversed(self.rows):
            if _finite(row.get(self.task.metric)):
                return row[self.task.metric]
        raise self._never_reported()

    def _never_reported(self) -> UserError:
        known = ", ".join(sorted(self.reported - {"seconds"})) or "nothing"
        metric = self.task.metric
        if metric in self.reported:
            return UserError(f"the metric {metric!r} was never a number in this training")
        return UserError(
            f"the metric {metric!r} is never reported by {self.task.row!r}; reported are {known}"
        )


class TrialContext(LocalContext):
    """The context of a training inside a trial: what it reports is heard by the search, and what it
    had reported before it was killed is heard again."""

    def __init__(self, folder: Path, *, on_row: Listener | None, **given: Any) -> None:
        super().__init__(folder, **given)
        self._on_row = on_row

    def report(
        self, metrics: Mapping[str, float], checkpoint: Callable[[Path], None] | None = None
    ) -> None:
        """Records progress as ``LocalContext`` does, then lets the search hear of it."""
        super().report(metrics, checkpoint)
        if self._on_row is not None:
            self._on_row({key: float(value) for key, value in metrics.items()})

    def restore(self) -> Path | None:
        """The last checkpoint; the rows up to it are told again."""
        found = super().restore()
        history = self.folder / "history.jsonl"
        if self._on_row is not None and history.is_file():
            for line in history.read_text(encoding="utf-8").splitlines():
                self._on_row(json.loads(line))
        return found


def _trained(
    method: ResolvedMethod, shared: Mapping[str, str], place: str = ""
) -> list[tuple[str, ResolvedMethod]]:
    """What a trial trains itself, in order, by its place among the stages."""
    found = []
    for name, stage in method.stages.items():
        if stage_identity(stage.row, stage) not in shared:
            found += _trained(stage.row, shared, f"{place}.{name}".strip("."))
    return [*found, (place, method)]


def _instance(method: ResolvedMethod) -> Method:
    found = load_method(method.path)
    return found(found.Options.model_validate(dict(method.options)))


def _finite(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
