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
from harness.method import Needs
from harness.plan.jobs import Cell, Job, Plan, digest
from harness.plan.resolve import (
    ResolvedMethod,
    ResolvedSetting,
    open_source,
    refuse_twins,
    resolve_method,
    resolve_setting,
)
from harness.protocol import Split
from harness.suite.load import LoadedSuite


def build_plan(suite: LoadedSuite) -> Plan:
    """The plan of a suite; raises UserError with file and line for anything that cannot be."""
    spec = suite.spec
    sources = {name: open_source(suite, name) for name in spec.datasets}
    rows = [resolve_method(suite, name, entry) for name, entry in spec.methods.items()]
    settings = [resolve_setting(suite, i, entry, sources) for i, entry in enumerate(spec.settings)]
    refuse_twins(suite, settings)
    builder = _PlanBuilder(sources)
    for setting in settings:
        for seed in spec.seeds:
            for split_key, split in setting.splits.items():
                for row in rows:
                    builder.add_cell(setting, split_key, split, row, seed)
    return Plan(
        suite=spec.name,
        description=spec.description,
        methods=tuple(row.name for row in rows),
        settings=tuple(setting.title for setting in settings),
        jobs=builder.jobs,
        cells=tuple(builder.cells),
        splits=builder.splits,
        datasets={name: _summary(source) for name, source in sources.items()},
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

    def __init__(self, sources: Mapping[str, DatasetSource]) -> None:
        self.sources = sources
        self.jobs: dict[str, Job] = {}
        self.cells: list[Cell] = []
        self.splits: dict[str, Split] = {}
        self._frames_of = {name: _frames_by_subject(s.table) for name, s in sources.items()}
        self._num_frames: dict[tuple[str, str], int] = {}

    def add_cell(
        self, setting: ResolvedSetting, split_key: str, split: Split, row: ResolvedMethod, seed: int
    ) -> None:
        """One cell, with the features and stages it rests on."""
        self.splits.setdefault(split_key, split)
        where = (
            f"{setting.title} · fold {split.fold}"
            if setting.train == setting.test
            else setting.title
        )
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
            name: self._trained(setting, split_key, split, stage, seed, where, is_cell=False)
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
            resources=row.resources,
            split=split_key,
            num_frames=sum(self._count(setting, split_key, split, part) for part in kind_of_part),
            spec=spec,
        )
        return key

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
                    resources=Needs(),
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
                        resources=Needs(),
                        split="",
                        num_frames=len(source.table.subjects),
                        spec={
                            "dataset": str(source.folder),
                            "extractor": feature.extractor,
                            "options": dict(feature.options),
                            "name": row.stored[feature.name],
                        },
                    )
        return keys


def job_seed(seed: int, *parts: Any) -> int:
    """Seed of a job: the same for every method on one split, so that methods differ by method."""
    return int(digest(seed, *parts)[:15], 16)


def _frames_by_subject(table: FrameTable) -> dict[str, int]:
    subjects, counts = np.unique(table.subjects.astype(str), return_counts=True)
    return dict(zip(subjects.tolist(), counts.tolist(), strict=True))
