"""A search as its figures and tables see it: dimensions, trials, what was found.

It is read from ``<run>/search``; a run without one, or with one that cannot be read, has none.

What always holds: only trials that ran to their end are compared with each other; those that were
stopped early ended at another epoch, and are shown apart.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from harness.search.records import SearchStore
from harness.search.space import Dimension
from reports.evaluation import Evaluation

PAPER_CHOICE = {"sequence.layers": 3, "sequence.margin": 0.5}
MOST_EXACT = 10
NUM_BINS = 5


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial. ``value`` is None where it failed; ``seconds`` from ``started`` on."""

    fold: str
    number: int
    state: str
    value: float | None
    options: Mapping[str, Any]
    lane: tuple[str, int]
    cost: Mapping[str, float]
    error: str


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search and its trials, by fold and number."""

    method: str
    setting: str
    algorithm: str
    metric: str
    mode: str
    seed: int
    complete: bool
    folds: tuple[str, ...]
    dimensions: tuple[Dimension, ...]
    reference: Mapping[str, Any]
    validation_subjects: tuple[int, ...]
    best: Mapping[str, Mapping[str, Any]]
    agreed: Mapping[str, Any]
    importance: Mapping[str, Mapping[str, float]]
    trials: tuple[Trial, ...]

    @property
    def finished(self) -> list[Trial]:
        """Trials that ran to their end."""
        return [trial for trial in self.trials if trial.state == "finished"]

    @property
    def reference_name(self) -> str:
        """What the reference is called."""
        papers = all(self.reference.get(name) == value for name, value in PAPER_CHOICE.items())
        return "the paper's choice" if papers else "the reference"

    @property
    def metric_name(self) -> str:
        """The metric in words."""
        return {
            "validation_mean_f1": "mean F1 on validation subjects",
            "validation_mean_auc": "mean ROC-AUC on validation subjects",
        }.get(self.metric, self.metric)

    @cached_property
    def in_points(self) -> bool:
        """Whether the metric is shown in points, 100 times its value."""
        return self.metric.endswith(("_f1", "_auc"))

    def shown(self, value: float) -> float:
        """A value of the metric as it is shown."""
        return 100 * value if self.in_points else value

    def decimals(self) -> int:
        """Decimals of a shown value."""
        return 1 if self.in_points else 4

    def levelled(self, cell_of: Callable[[Trial], Hashable]) -> dict[Hashable, dict[str, float]]:
        """Values of finished trials by cell and fold, shown, with the folds put on one level.

        A fold whose validation subjects are easy would favour the cells that it happened to try;
        so a least-squares fit of value = cell + fold gives each fold's level, which is taken off.
        Where every fold tried every cell, the cells' means are as they were.
        """
        trials = self.finished
        cells = list(dict.fromkeys(cell_of(trial) for trial in trials))
        folds = [fold for fold in self.folds if any(t.fold == fold for t in trials)]
        design = np.zeros((len(trials) + 1, len(cells) + len(folds)))
        values = np.zeros(len(trials) + 1)
        for row, trial in enumerate(trials):
            design[row, cells.index(cell_of(trial))] = 1
            design[row, len(cells) + folds.index(trial.fold)] = 1
            values[row] = self.shown(trial.value or 0.0)
        design[-1, len(cells) :] = 1  # the levels add up to nothing
        fitted = np.linalg.lstsq(design, values, rcond=None)[0][len(cells) :]
        levels = dict(zip(folds, fitted - fitted.mean() if len(fitted) else [], strict=True))
        gathered: dict[Hashable, dict[str, list[float]]] = {}
        for trial in trials:
            by_fold = gathered.setdefault(cell_of(trial), {})
            value = self.shown(trial.value or 0.0) - float(levels[trial.fold])
            by_fold.setdefault(trial.fold, []).append(value)
        return {
            cell: {fold: sum(found) / len(found) for fold, found in by_fold.items()}
            for cell, by_fold in gathered.items()
        }


def search_of(evaluation: Evaluation) -> Search | None:
    """The search of a run, finished or not."""
    store = SearchStore(evaluation.run.store.folder)
    found = store.search()
    if found is None:
        return None
    try:
        rows = (found["complete"] and store.table()) or store.trials(found["key"])
        return _search(found, rows)
    except (KeyError, TypeError, ValueError):
        return None


def search_problems(evaluation: Evaluation) -> list[str]:
    """A line where a run's search cannot be shown, or only without its trials."""
    if not SearchStore(evaluation.run.store.folder).exists:
        return []
    search = search_of(evaluation)
    if search is None:
        return ["search/search.json is damaged: the search is left out"]
    if search.complete and not search.trials:
        return ["search/trials.jsonl is missing or damaged: the search's trials are left out"]
    return []


def _search(found: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Search:
    dimensions = tuple(
        Dimension(**{**entry, "values": tuple(entry["values"])}) for entry in found["dimensions"]
    )
    return Search(
        method=found["method"],
        setting=found["setting"],
        algorithm=found["algorithm"],
        metric=found["metric"],
        mode=found["mode"],
        seed=found["seed"],
        complete=found["complete"],
        folds=tuple(found["folds"]),
        dimensions=dimensions,
        reference=found["reference"],
        validation_subjects=tuple(found["validation_subjects"]),
        best=found.get("best", {}),
        agreed=found.get("agreed", {}),
        importance=found.get("importance", {}),
        trials=tuple(
            Trial(
                fold=row["fold"],
                number=int(row["number"]),
                state=row["state"],
                value=None if row["value"] is None else float(row["value"]),
                options=row["options"],
                lane=(str(row.get("host", "")), int(row.get("pid", 0))),
                cost=row["cost"],
                error=str(row.get("error", "")),
            )
            for row in rows
        ),
    )


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A dimension cut into columns: each value that occurs, or bins of a range.

    ``labels`` name the columns; ``edges`` are the bins' borders, none where columns are values.
    """

    dimension: Dimension
    values: tuple[Any, ...]
    edges: tuple[float, ...]
    labels: tuple[str, ...]

    def place(self, value: Any) -> int:
        """The column of a value."""
        if not self.edges:
            return self.values.index(value)
        inner = np.array(self.edges[1:-1])
        return int(np.searchsorted(inner, value, side="right"))


def axis_of(search: Search, dimension: Dimension) -> Axis:
    """Columns for a dimension: as many as there are values, if these are few, else five bins."""
    tried = {_key(trial.options[dimension.name]) for trial in search.trials}
    if dimension.kind == "choices":
        values = list(dimension.values)
        return Axis(
            dimension=dimension, values=tuple(values), edges=(), labels=tuple(map(str, values))
        )
    if dimension.kind == "int" and dimension.high - dimension.low < 2 * MOST_EXACT:
        whole = range(int(dimension.low), int(dimension.high) + 1, dimension.step)
        return Axis(
            dimension=dimension, values=tuple(whole), edges=(), labels=tuple(map(str, whole))
        )
    if len(tried) <= MOST_EXACT and search.algorithm == "grid":
        exact = sorted(tried)
        return Axis(
            dimension=dimension,
            values=tuple(exact),
            edges=(),
            labels=tuple(f"{value:g}" for value in exact),
        )
    ends = dimension.low, dimension.high
    if dimension.log:
        edges = np.exp(np.linspace(math.log(ends[0]), math.log(ends[1]), NUM_BINS + 1))
    else:
        edges = np.linspace(*ends, NUM_BINS + 1)
    labels = [f"{a:.2g}–{b:.2g}" for a, b in itertools.pairwise(edges)]
    return Axis(dimension=dimension, values=(), edges=tuple(edges.tolist()), labels=tuple(labels))


def _key(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def option_title(name: str) -> str:
    """An option's path without the group that it stands in."""
    return name.rpartition(".")[2]


def options_line(options: Mapping[str, Any]) -> str:
    """``"layers 3, margin 0.5"``."""
    return ", ".join(f"{option_title(name)} {value}" for name, value in options.items())
