"""What a study job does: gives a study its frames, and keeps what it found.

Nothing here imports Ray. The values become ``study.json``, the arrays ``study.npz``.

What always holds: nobody whose frames a study sees was seen by a network that it looks at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.places import open_dataset
from harness.errors import UserError
from harness.method import Context
from harness.plan.jobs import Job
from harness.protocol import Split, check_disjoint, check_unseen
from harness.registry import load_study
from harness.store import write_text
from harness.study import StudyResult

ARRAY_NAME = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")


def make_study(job: Job, split: Split, context: Context) -> dict[str, Any]:
    """Makes the study and writes what it found; returns the job's summary."""
    check_disjoint(split)
    spec = job.spec
    study_class = load_study(spec["study"])
    study = study_class(study_class.Options.model_validate(spec["options"]))
    frames = open_dataset(spec["dataset"]).frames(spec["features"])
    frames = frames.with_aus(spec["aus"])
    if spec["part"] == "test":
        frames = frames.of_subjects(split.test)
    subjects = np.unique(frames.subjects.astype(str)).tolist()
    for name in spec["stages"]:
        check_unseen(seen_by(context.stage(name)), subjects)
    result = study.study(frames, context)
    write_result(result, context.folder, spec["study"])
    return {"part": spec["part"], "frames": len(frames), "subjects": len(subjects)}


def seen_by(model_folder: Path) -> list[str]:
    """Subjects that a saved model, or a stage that it rests on, was trained or validated on."""
    card = json.loads((model_folder / "card.json").read_text(encoding="utf-8"))
    # Models saved by an earlier version have no third list.
    parts = ("train_subjects", "validation_subjects", "stage_subjects")
    return [subject for part in parts for subject in card.get(part, [])]


def write_result(result: StudyResult, folder: Path, study: str) -> None:
    """Writes values and arrays into a job's folder, each whole or not at all."""
    arrays = {name: np.asarray(array) for name, array in result.arrays.items()}
    for name, array in arrays.items():
        if not ARRAY_NAME.fullmatch(name) or array.dtype.hasobject:
            raise UserError(
                f"study {study}: array {name!r} of {array.dtype} cannot be kept: give numbers or "
                "strings, under a name of letters, digits, '-', '_' and '/'"
            )
    aside = folder / "study.part.npz"
    np.savez_compressed(aside, **arrays)  # type: ignore[arg-type]  # names are the arrays
    aside.replace(folder / "study.npz")
    write_text(folder / "study.json", _json(result.values, study) + "\n")


def _json(values: Mapping[str, Any], study: str) -> str:
    try:
        return json.dumps(values, indent=1, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"study {study}: its values are not plain JSON ({error})") from error
