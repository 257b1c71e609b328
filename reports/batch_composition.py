"""What each sampler put into its mini-batches, from what the trainings left (the paper, Fig. 6).

A stage whose options name a ``sampler`` may leave ``composition.json`` beside its history: counts
of each AU in the batches of one epoch. Folds and seeds of the same sampler on the same dataset are
put together: means are averaged, extremes are the extremes of all.

What always holds: nothing is given unless two samplers can be compared on the same dataset; a file
that cannot be read is named, not guessed at.

Legend: L action units.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reports.evaluation import Evaluation
from reports.run_view import DAMAGE
from reports.trainings import trainings_of

FILE = "composition.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class SamplerBatches:
    """One sampler on one dataset.

    Attributes:
        sampler: its name, with its options and batch size where these differ in the run.
        methods: rows of the suite that were trained with it.
        trainings: how many files were put together (folds × seeds).
        count_mean_L, count_sd_L, count_min_L, count_max_L: frames of a batch that show the AU.
        base_rates_L, rates_in_batches_L: shares present in the training part, and in the batches.
        between_batch_cv: variation of an AU's share between batches, mean over AUs.
        within_batch_ratio: most frequent over rarest AU of a batch, median over batches.
        share_used, max_reuse: of the training frames in one epoch.
    """

    dataset: str
    sampler: str
    methods: tuple[str, ...]
    trainings: int
    aus: tuple[int, ...]
    batches: float
    batch_size: float
    count_mean_L: np.ndarray
    count_sd_L: np.ndarray
    count_min_L: np.ndarray
    count_max_L: np.ndarray
    base_rates_L: np.ndarray
    rates_in_batches_L: np.ndarray
    between_batch_cv: float
    within_batch_ratio: float
    share_used: float
    max_reuse: float


@dataclass(kw_only=True)
class _Group:
    """Stages of one sampler on one dataset."""

    options: Mapping[str, Any]
    methods: dict[str, None] = field(default_factory=dict)
    records: dict[str, Mapping[str, Any]] = field(default_factory=dict)


def batch_compositions(evaluation: Evaluation) -> tuple[list[SamplerBatches], list[str]]:
    """Samplers that can be compared, those of one dataset together, and what could not be read."""
    run, problems = evaluation.run, {}
    groups: dict[tuple[str, str], _Group] = {}
    for method in run.plan.methods:
        for dataset, keys in trainings_of(run.plan, method).items():
            for key in keys:
                job = run.plan.jobs[key]
                file = run.store.job_folder(key) / FILE
                options = job.spec.get("options", {})
                if job.kind != "stage" or "sampler" not in options or not file.is_file():
                    continue
                group = groups.setdefault((dataset, _identity(options)), _Group(options=options))
                group.methods[method] = None
                try:
                    group.records[key] = _read(file.read_text(encoding="utf-8"), job.spec)
                except DAMAGE:
                    problems[key] = f"{FILE} of {job.title} cannot be read and is left out."
    told_apart = _labels([group.options for group in groups.values()])
    found = [
        _together(dataset, told_apart[identity], tuple(group.methods), group.records)
        for (dataset, identity), group in groups.items()
        if group.records
    ]
    return _comparable(found), list(problems.values())


def _identity(options: Mapping[str, Any]) -> str:
    chosen = [options.get(name) for name in ("sampler", "sampler_options", "batch")]
    return json.dumps(chosen, sort_keys=True)


def _labels(all_options: list[Mapping[str, Any]]) -> dict[str, str]:
    """What each sampler is called: its options and batch size only where there are some."""
    batches = {options.get("batch") for options in all_options}
    labels = {}
    for options in all_options:
        more = [f"{k} {v}" for k, v in sorted((options.get("sampler_options") or {}).items())]
        if len(batches) > 1:
            more.append(f"batch {options.get('batch')}")
        said = f" ({', '.join(more)})" if more else ""
        labels[_identity(options)] = f"{options['sampler']}{said}"
    return labels


def _read(text: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """A record with arrays of one length for its lists; what is missing or odd raises."""
    record = json.loads(text)
    read: dict[str, Any] = {"aus": tuple(int(au) for au in record["aus"])}
    if read["aus"] != tuple(spec["aus"]):
        raise ValueError("it is about other AUs than the job")
    for name in (
        "count_mean", "count_sd", "count_min", "count_max",
        "base_rates", "rates_in_batches", "between_batch_cv",
    ):  # fmt: skip
        read[name] = np.array(record[name], dtype=np.float64)  # null becomes NaN
        if read[name].shape != (len(read["aus"]),):
            raise ValueError(f"{name} is not one number an AU")
    for name in ("batches", "batch_size", "within_batch_ratio", "share_used", "max_reuse"):
        value = record[name]
        read[name] = float("nan") if value is None else float(value)
    return read


def _together(
    dataset: str, sampler: str, methods: tuple[str, ...], records: Mapping[str, Mapping[str, Any]]
) -> SamplerBatches:
    """Folds and seeds as one."""

    def stacked(name: str) -> np.ndarray:
        return np.stack([np.asarray(record[name]) for record in records.values()])

    cv = stacked("between_batch_cv")
    return SamplerBatches(
        dataset=dataset,
        sampler=sampler,
        methods=methods,
        trainings=len(records),
        aus=next(iter(records.values()))["aus"],
        batches=float(stacked("batches").mean()),
        batch_size=float(stacked("batch_size").mean()),
        count_mean_L=stacked("count_mean").mean(axis=0),
        count_sd_L=np.sqrt(np.square(stacked("count_sd")).mean(axis=0)),
        count_min_L=stacked("count_min").min(axis=0),
        count_max_L=stacked("count_max").max(axis=0),
        base_rates_L=stacked("base_rates").mean(axis=0),
        rates_in_batches_L=stacked("rates_in_batches").mean(axis=0),
        between_batch_cv=float(cv[np.isfinite(cv)].mean()) if np.isfinite(cv).any() else np.nan,
        within_batch_ratio=float(stacked("within_batch_ratio").mean()),
        share_used=float(stacked("share_used").mean()),
        max_reuse=float(stacked("max_reuse").max()),
    )


def _comparable(found: list[SamplerBatches]) -> list[SamplerBatches]:
    """Those on datasets where there are two samplers at least, in the order of the datasets."""
    datasets = dict.fromkeys(one.dataset for one in found)
    by_dataset = [[one for one in found if one.dataset == name] for name in datasets]
    return [one for together in by_dataset if len(together) > 1 for one in together]
