"""The job of a study: which frames it sees, and the key of all that can change its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from harness.data.sources import DatasetSource
from harness.plan.jobs import Job, StudyCell, digest, job_seed
from harness.plan.memory import with_memory
from harness.plan.resolve_study import ResolvedStudy
from harness.protocol import Split


def study_job(
    study: ResolvedStudy,
    source: DatasetSource,
    split_key: str,
    stages: Mapping[str, str],
    *,
    seed: int,
    needs: Sequence[str],
    part: Literal["all", "test"],
    frames_of: Mapping[str, int],
) -> Job:
    """The job that makes a study.

    Args:
        source: its setting's test dataset, whose frames it sees.
        stages: key of the job of each of its stages.
        part: all frames of the dataset, or those of the split's test subjects.
        frames_of: how many frames each subject has.
    """
    row, setting = study.row, study.setting
    split = setting.splits[split_key]
    seen = split.test if part == "test" else tuple(frames_of)
    identity = {
        "study": row.path,
        "code_version": row.code_version,
        "options": row.options,
        "aus": setting.aus,
        "frames": [source.identity, seen if part == "test" else "all"],
        "seed": seed,
        "stages": stages,
        "features": row.stored,
    }
    return Job(
        key=digest(identity),
        kind="study",
        title=f"{row.name} · {setting.title}",
        group="studies",
        needs=tuple(dict.fromkeys(needs)),
        resources=with_memory(row.resources, row.features, sum(frames_of[s] for s in seen)),
        split=split_key,
        num_frames=sum(frames_of[subject] for subject in seen),
        spec={
            "study": row.path,
            "options": row.options,
            "aus": list(setting.aus),
            "dataset": str(source.folder),
            "part": part,
            "features": row.stored,
            "stages": stages,
            "seed": job_seed(seed, source.identity, split.train),
        },
    )


def study_cell(study: ResolvedStudy, split: Split, seed: int, job: str) -> StudyCell:
    """Where a study stands in the suite, and the job that makes it."""
    setting = study.setting
    return StudyCell(
        study=study.row.name,
        kind=study.kind,
        setting=setting.title,
        train_dataset=setting.train,
        test_dataset=setting.test,
        protocol=setting.protocol,
        fold=split.fold,
        seed=seed,
        job=job,
    )
