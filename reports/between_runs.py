"""What changed from one run to others: numbers that moved beyond noise, and circumstances.

The first run is what the others are held against. Two numbers of one method in one setting are
compared by the paired bootstrap over subjects, which needs the same evaluated frames; where the
frames differ, that is what changed. Jobs with the same key are the same job, so equal numbers there
are no finding; where they are not equal, that is one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harness.errors import UserError
from reports.compare import difference_bounds, f1_replicates
from reports.evaluation import Evaluation, evaluate_run
from reports.measure import Measured
from reports.provenance import provenance


@dataclass(frozen=True, kw_only=True)
class Change:
    """One method in one setting, in a run against the first.

    ``verdict``: ``same jobs``, ``beyond noise``, ``within noise``, ``other frames``, ``unfinished``
    or ``only in one``. ``value`` is the mean F1 in [0, 1] in the run, ``difference`` what it has
    more than the first run, with its 95 % interval; NaN where there is none.
    """

    setting: str
    method: str
    run: str
    value: float
    difference: float
    low: float
    high: float
    verdict: str


def read_runs(folders: Sequence[Path]) -> dict[str, Evaluation]:
    """The evaluated runs by name: the folder's, or as much of its path as tells them apart."""
    paths = [Path(folder).resolve() for folder in folders]
    if len(paths) < 2:
        raise UserError("a comparison needs at least two run folders")
    if len(set(paths)) < len(paths):
        twice = next(path for path in paths if paths.count(path) > 1)
        raise UserError(f"{twice} is given twice: a comparison needs different runs")
    length = next(n for n in range(1, 99) if len({path.parts[-n:] for path in paths}) == len(paths))
    names = ["/".join(path.parts[-length:]) for path in paths]
    return {
        name: evaluate_run(path, details=False) for name, path in zip(names, paths, strict=True)
    }


def changes(runs: Mapping[str, Evaluation]) -> list[Change]:
    """Every method in every setting that either run has, run by run after the first."""
    (_, first), *others = runs.items()
    found = []
    for name, other in others:
        places = dict.fromkeys([*_places(first), *_places(other)])
        found += [_change(name, first, other, setting, method) for setting, method in places]
    return found


def _places(evaluation: Evaluation) -> list[tuple[str, str]]:
    return list(dict.fromkeys((c.setting, c.method) for c in evaluation.plan.cells))


def _change(name: str, first: Evaluation, other: Evaluation, setting: str, method: str) -> Change:
    before, after = (_measured(e, setting, method) for e in (first, other))
    nan = float("nan")
    value = after.mean_f1 if after else nan
    low = high = difference = nan
    if _jobs(first, setting, method) is None or _jobs(other, setting, method) is None:
        verdict = "only in one"
    elif before is None or after is None or not (before.complete and after.complete):
        verdict = "unfinished"
    else:
        difference = value - before.mean_f1
        same_jobs = _jobs(first, setting, method) == _jobs(other, setting, method)
        if same_jobs and _same_counts(before, after):
            verdict = "same jobs"
        elif before.frame_set != after.frame_set or before.aus != after.aus:
            verdict, difference = "other frames", nan
        else:
            low, high = _interval(before, after)
            verdict = "beyond noise" if low > 0 or high < 0 else "within noise"
    return Change(
        setting=setting,
        method=method,
        run=name,
        value=value,
        difference=difference,
        low=low,
        high=high,
        verdict=verdict,
    )


def _same_counts(before: Measured, after: Measured) -> bool:
    """Whether every subject's counts are equal: the same jobs should give the same decisions."""
    pairs = zip(before.confusion, after.confusion, strict=False)
    return before.f1_L.shape == after.f1_L.shape and all(
        np.array_equal(getattr(a, name), getattr(b, name))
        for a, b in pairs
        for name in ("tp", "fp", "fn", "tn")
    )


def _interval(before: Measured, after: Measured) -> tuple[float, float]:
    """95 % interval of the difference of mean F1, on the same draws of subjects."""
    if len(before.subjects) < 2:
        return float("nan"), float("nan")
    difference_B = f1_replicates(after)[:, -1] - f1_replicates(before)[:, -1]
    return difference_bounds(difference_B)


def _measured(evaluation: Evaluation, setting: str, method: str) -> Measured | None:
    comparison = evaluation.comparisons.get(setting)
    return comparison.measured.get(method) if comparison else None


def _jobs(evaluation: Evaluation, setting: str, method: str) -> list[str] | None:
    """Keys of the cells' jobs; None if the run does not plan them."""
    keys = [c.job for c in evaluation.plan.cells if (c.setting, c.method) == (setting, method)]
    return sorted(keys) or None


def circumstances(runs: Mapping[str, Evaluation]) -> list[tuple[str, list[str]]]:
    """What was not the same in all runs: a name, and its value in each."""
    described = [_described(evaluation) for evaluation in runs.values()]
    names = dict.fromkeys(name for one in described for name in one)
    rows = [(name, [one.get(name, "") for one in described]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def _described(evaluation: Evaluation) -> dict[str, str]:
    facts = dict(provenance(evaluation))
    for method in evaluation.plan.methods:
        specs = {
            json.dumps(
                {key: spec.get(key) for key in ("method", "options")}, sort_keys=True, default=str
            )
            for spec in (
                evaluation.plan.jobs[c.job].spec
                for c in evaluation.plan.cells
                if c.method == method
            )
        }
        facts[f"Method {method}"] = "; ".join(sorted(specs))
    for setting, comparison in evaluation.comparisons.items():
        sets = sorted({m.frame_set for m in comparison.measured.values() if m.complete})
        facts[f"Frames of {setting}"] = ", ".join(sets)
    return facts


def is_number(value: float) -> bool:
    """Whether there is a number."""
    return bool(np.isfinite(value))
