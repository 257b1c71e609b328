"""Suite → plan: which jobs fill the suite's cells, with their keys, needs and resources.

Told from top to bottom: resolve what the suite names; then, for every setting, seed, fold and
method, one cell with the stages and features that it rests on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from harness.data.frames import FrameTable
from harness.data.sources import DatasetSource, SyntheticSource
from harness.errors import UserError
from harness.method import Needs
from harness.plan.elsewhere import Grounds, NoOtherDatasetError
from harness.plan.jobs import Cell, Job, Omitted, Plan, StudyCell, digest, job_seed
from harness.plan.memory import CHUNKS, feature_dimension, with_memory
from harness.plan.resolve import (
    ResolvedMethod,
    ResolvedSetting,
    ResolvedStage,
    check_metrics,
    open_source,
    refuse_twins,
    refuse_unknown_folds,
    resolve_method,
    resolve_setting,
)
from harness.plan.resolve_study import ResolvedStudy, resolve_study
from harness.plan.studies import study_cell, study_job
from harness.protocol import Split
from harness.suite.load import LoadedSuite


def build_plan(suite: LoadedSuite) -> Plan:
    """The plan of a suite; raises UserError with file and line for anything that cannot be."""
    spec = suite.spec
    check_metrics(suite)
    sources = {name: open_source(suite, name) for name in spec.datasets}
    rows = [resolve_method(suite, name, entry) for name, entry in spec.methods.items()]
    settings = [resolve_setting(suite, i, entry, sources) for i, entry in enumerate(spec.settings)]
    refuse_twins(suite, settings)
    refuse_unknown_folds(suite, rows, settings)
    studies = [resolve_study(suite, n, entry, settings) for n, entry in spec.studies.items()]
    builder = _PlanBuilder(suite, sources)
    for setting in settings:
        for seed in spec.seeds:
            for split_key, split in setting.splits.items():
                for row in rows:
                    own = row.at(setting.title, split.fold)
                    builder.add_cell(setting, split_key, split, own, seed)
    if not builder.cells:
        raise suite.error(f"nothing to run: {builder.omitted[0].reason}", "methods")
    for study in studies:
        for seed in spec.seeds:
            builder.add_study(study, seed)
    return Plan(
        suite=spec.name,
        description=spec.description,
        methods=tuple(row.name for row in rows),
        settings=tuple(setting.title for setting in settings),
        jobs=builder.jobs,
        cells=tuple(builder.cells),
        splits=builder.splits,
        datasets={name: _summary(source) for name, source in sources.items()},
        studies=tuple(builder.studies),
        omitted=tuple(builder.omitted),
    )


def _summary(source: DatasetSource) -> dict[str, Any]:
    table = source.table
    known = np.maximum((table.labels != 0).sum(axis=0), 1)
    rates = (table.labels > 0).sum(axis=0) / known
    return {
        "folder": str(source.folder),
        "identity": source.identity,
        "aus": list(table.aus),
        "subjects": len(set(table.subjects.tolist())),
        "sequences": len(set(table.sequences.tolist())),
        "frames": len(table.subjects),
        "base_rates": [round(float(rate), 4) for rate in rates],
    }


class _PlanBuilder:
    """Gathers jobs and cells; asks for each shared job once."""

    def __init__(self, suite: LoadedSuite, sources: Mapping[str, DatasetSource]) -> None:
        self.suite = suite
        self.sources = sources
        self.jobs: dict[str, Job] = {}
        self.cells: list[Cell] = []
        self.studies: list[StudyCell] = []
        self.omitted: list[Omitted] = []
        self.splits: dict[str, Split] = {}
        self._frames_of = {name: _frames_by_subject(s.table) for name, s in sources.items()}
        self.grounds = Grounds(suite, sources)
        self._num_frames: dict[tuple[str, str], int] = {}

    def add_cell(
        self, setting: ResolvedSetting, split_key: str, split: Split, row: ResolvedMethod, seed: int
    ) -> None:
        """One cell, with the features and stages it rests on."""
        if self._left_out("methods", row, setting):
            return
        self.splits.setdefault(split_key, split)
        where = _where(setting, split)
        key = self._trained(setting, split_key, split, row, seed, where, is_cell=True)
        self.cells.append(
            Cell(
                setting=setting.title,
                train_dataset=setting.train,
                test_dataset=setting.test,
                protocol=setting.protocol,
                fold=split.fold,
                method=row.name,
                seed=seed,
                job=key,
            )
        )

    def _trained(
        self,
        setting: ResolvedSetting,
        split_key: str,
        split: Split,
        row: ResolvedMethod,
        seed: int,
        where: str,
        *,
        is_cell: bool,
    ) -> str:
        """Key of the job that trains ``row`` on a split (and, for a cell, scores its test part)."""
        stages = {
            name: self._stage(setting, split_key, split, stage, seed, where)
            for name, stage in row.stages.items()
        }
        datasets = [setting.train, setting.test] if is_cell else [setting.train]
        train = self.sources[setting.train]
        test = self.sources[setting.test]
        identity = {
            "method": row.path,
            "code_version": row.code_version,
            "options": row.options,
            "workers": row.resources.workers,
            "aus": setting.aus,
            "train": [train.identity, split.train, split.validation],
            "seed": seed,
            "stages": stages,
            "features": row.stored,
        }
        if is_cell:
            identity["test"] = [test.identity, split.test]
        key = digest(identity)
        if key in self.jobs:
            return key
        needs = [
            *self._dataset_jobs(datasets),
            *self._feature_jobs(row, datasets),
            *stages.values(),
        ]
        spec = {
            "method": row.path,
            "options": row.options,
            "aus": list(setting.aus),
            "train_dataset": str(train.folder),
            "test_dataset": str(test.folder) if is_cell else "",
            "features": row.stored,
            "stages": stages,
            "seed": job_seed(seed, train.identity, split.train),
        }
        kind_of_part = ("train", "validation", "test") if is_cell else ("train", "validation")
        self.jobs[key] = Job(
            key=key,
            kind="cell" if is_cell else "stage",
            title=f"{row.name} · {where}",
            group=row.name,
            needs=tuple(dict.fromkeys(needs)),
            resources=with_memory(
                row.resources,
                row.features,
                sum(self._count(setting, split_key, split, p) for p in ("train", "validation")),
            ),
            split=split_key,
            num_frames=sum(self._count(setting, split_key, split, part) for part in kind_of_part),
            spec=spec,
        )
        return key

    def _stage(
        self,
        setting: ResolvedSetting,
        split_key: str,
        split: Split,
        stage: ResolvedStage,
        seed: int,
        where: str,
    ) -> str:
        """Key of the job that trains a stage: on the cell's own split, or elsewhere."""
        ground = self.grounds.of(setting, stage)
        if ground is not setting:
            split_key, split = next(iter(ground.splits.items()))
            self.splits.setdefault(split_key, split)
            where = ground.title
        return self._trained(ground, split_key, split, stage.row, seed, where, is_cell=False)

    def _left_out(self, part: str, row: ResolvedMethod, setting: ResolvedSetting) -> bool:
        """Whether a row does not apply to a setting, of which the plan then says why, once."""
        try:
            self.grounds.check(row, setting)
        except NoOtherDatasetError as error:
            entry = Omitted(name=row.name, setting=setting.title, reason=str(error))
            if entry not in self.omitted:
                self.omitted.append(entry)
            return True
        except UserError as error:
            raise self.suite.error(f"{setting.title}: {error}", part, row.name) from error
        return False

    def add_study(self, study: ResolvedStudy, seed: int) -> None:
        """One study of its setting's first fold, with the features and stages it looks at."""
        row, setting = study.row, study.setting
        if self._left_out("studies", row, setting):
            return
        split_key, split = next(iter(setting.splits.items()))
        self.splits.setdefault(split_key, split)
        where = _where(setting, split)
        stages = {
            name: self._stage(setting, split_key, split, stage, seed, where)
            for name, stage in row.stages.items()
        }
        trained_on = {self.grounds.of(setting, stage).train for stage in row.stages.values()}
        job = study_job(
            study,
            self.sources[setting.test],
            split_key,
            stages,
            seed=seed,
            needs=[
                *self._dataset_jobs([setting.test]),
                *self._feature_jobs(row, [setting.test]),
                *stages.values(),
            ],
            part="test" if setting.test in trained_on else "all",
            frames_of=self._frames_of[setting.test],
        )
        self.jobs.setdefault(job.key, job)
        self.studies.append(study_cell(study, split, seed, job.key))

    def _count(self, setting: ResolvedSetting, split_key: str, split: Split, part: str) -> int:
        cached = self._num_frames.get((split_key, part))
        if cached is None:
            frames_of = self._frames_of[setting.test if part == "test" else setting.train]
            cached = sum(frames_of[subject] for subject in getattr(split, part))
            self._num_frames[split_key, part] = cached
        return cached

    def _dataset_jobs(self, names: list[str]) -> list[str]:
        """Jobs that make the synthetic ones among the datasets."""
        keys = []
        for name in dict.fromkeys(names):
            source = self.sources[name]
            if not isinstance(source, SyntheticSource):
                continue
            key = digest("dataset", source.identity)
            keys.append(key)
            if key not in self.jobs:
                self.jobs[key] = Job(
                    key=key,
                    kind="dataset",
                    title=f"make dataset {name}",
                    group="datasets",
                    needs=(),
                    resources=Needs(memory=CHUNKS),
                    split="",
                    num_frames=len(source.table.subjects),
                    spec={
                        "recipe": source.recipe.model_dump(mode="json"),
                        "folder": str(source.folder),
                    },
                )
        return keys

    def _feature_jobs(self, row: ResolvedMethod, datasets: list[str]) -> list[str]:
        """Jobs that extract the features of a method and of its stages."""
        keys = []
        for dataset in dict.fromkeys(datasets):
            source = self.sources[dataset]
            for feature in row.features.values():
                key = digest("feature", source.identity, row.stored[feature.name])
                keys.append(key)
                if key not in self.jobs:
                    self.jobs[key] = Job(
                        key=key,
                        kind="feature",
                        title=f"feature {feature.name} · {dataset}",
                        group="features",
                        needs=tuple(self._dataset_jobs([dataset])),
                        resources=Needs(memory=CHUNKS),
                        split="",
                        num_frames=len(source.table.subjects),
                        spec={
                            "dataset": str(source.folder),
                            "extractor": feature.extractor,
                            "options": dict(feature.options),
                            "name": row.stored[feature.name],
                            "dimension": feature_dimension(feature),
                        },
                    )
        return keys


def _where(setting: ResolvedSetting, split: Split) -> str:
    """For titles: the setting, and the fold where there is more than one."""
    within = setting.train == setting.test
    return f"{setting.title} · fold {split.fold}" if within else setting.title


def _frames_by_subject(table: FrameTable) -> dict[str, int]:
    subjects, counts = np.unique(table.subjects.astype(str), return_counts=True)
    return dict(zip(subjects.tolist(), counts.tolist(), strict=True))
