"""What a search found, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports.evaluation import Evaluation
from reports.search import Search, Trial, option_title, search_of
from reports.table import Column, Entry, Row, Table, count, number, text


def search_tables(evaluation: Evaluation) -> list[Table]:
    """Best options, cost, and every trial; none without a search."""
    search = search_of(evaluation)
    if search is None:
        return []
    tables = [_best(search)] if search.best else []
    return [*tables, _cost(search), _trials(search)]


def _best(search: Search) -> Table:
    """A row a fold with its best options, what they gave, and what the reference gave."""
    rows = []
    with_reference = bool(search.reference)
    for fold in search.folds:
        if fold not in search.best:
            continue
        best = search.best[fold]
        entries = [text(f"fold {fold}"), *_options(search, best["options"]), _value(search, best)]
        if with_reference:
            entries.append(_value(search, {"value": _reference_value(search, fold)}))
        rows.append(Row(entries=tuple(entries)))
    blank = [Entry(text="")] * (2 if with_reference else 1)
    agreed = (text("agreed"), *_options(search, search.agreed), *blank)
    rows.append(Row(entries=agreed, role="mean"))
    reference = search.reference_name
    columns = [
        Column(key="fold", title="Fold", kind="text"),
        *_option_columns(search),
        Column(key="value", title="Best", help=search.metric_name),
    ]
    if with_reference:
        columns.append(Column(key="reference", title=f"{reference[0].upper()}{reference[1:]}"))
    validation = ", ".join(map(str, search.validation_subjects))
    return Table(
        key="search-best",
        title=f"Best options of {search.method}, {search.setting}",
        columns=tuple(columns),
        rows=tuple(rows),
        facts=(
            ("metric", search.metric_name),
            ("validation subjects", validation),
            ("suggestions", f"{search.algorithm}, seed {search.seed}"),
        ),
        notes=(
            "Chosen inside each fold's training part; no test subject has a part in it. A best "
            "value is the largest of many and optimistic: what the options are worth is what the "
            "test parts say after `aubench run SUITE --with best.yaml`.",
        ),
    )


def _reference_value(search: Search, fold: str) -> float | None:
    """What the reference gave in a fold, if a trial of it ran to its end."""
    values = [
        trial.value
        for trial in search.finished
        if trial.fold == fold
        and all(trial.options.get(name) == value for name, value in search.reference.items())
    ]
    return values[0] if values else None


def _cost(search: Search) -> Table:
    rows = []
    for fold in search.folds:
        own = [trial for trial in search.trials if trial.fold == fold]
        rows.append(Row(entries=(text(f"fold {fold}"), *_costs(own))))
    rows.append(Row(entries=(text("all"), *_costs(search.trials)), role="mean"))
    return Table(
        key="search-cost",
        title="What the search cost",
        columns=(
            Column(key="fold", title="Fold", kind="text"),
            Column(key="finished", title="Finished"),
            Column(key="stopped", title="Stopped"),
            Column(key="failed", title="Failed"),
            Column(key="seconds", title="Wall, summed (s)"),
            Column(key="cpu", title="CPU (s)"),
            Column(key="gpu", title="GPU (s)"),
            Column(key="median", title="Median trial (s)"),
        ),
        rows=tuple(rows),
        notes=("Trials alone; the stages that they share are among the jobs of the run.",),
    )


def _costs(trials: Sequence[Trial]) -> list[Entry]:
    def total(name: str) -> float:
        return sum(float(trial.cost.get(name, 0.0)) for trial in trials)

    seconds = sorted(float(trial.cost["seconds"]) for trial in trials if "seconds" in trial.cost)
    states = [trial.state for trial in trials]
    return [
        *(count(states.count(state)) for state in ("finished", "stopped", "failed")),
        number(total("seconds")),
        number(total("cpu_seconds")),
        number(total("gpu_seconds")),
        number(seconds[len(seconds) // 2] if seconds else None),
    ]


def _trials(search: Search) -> Table:
    rows = []
    for trial in search.trials:
        value = (
            text("failed", note=trial.error, state="failed")
            if trial.value is None
            else number(search.shown(trial.value), search.decimals())
        )
        rows.append(
            Row(
                entries=(
                    text(f"fold {trial.fold}"),
                    count(trial.number + 1),
                    *_options(search, trial.options),
                    text(trial.state),
                    value,
                    number(trial.cost.get("seconds")),
                )
            )
        )
    return Table(
        key="search-trials",
        title="Every trial of the search",
        columns=(
            Column(key="fold", title="Fold", kind="text"),
            Column(key="number", title="Trial"),
            *_option_columns(search),
            Column(key="state", title="State", kind="text"),
            Column(key="value", title="Value", help=search.metric_name),
            Column(key="seconds", title="Wall (s)"),
        ),
        rows=tuple(rows),
    )


def _option_columns(search: Search) -> list[Column]:
    return [
        Column(key=d.name, title=option_title(d.name), group="Options", help=d.name)
        for d in search.dimensions
    ]


def _options(search: Search, options: Any) -> list[Entry]:
    entries = []
    for dimension in search.dimensions:
        value = options[dimension.name]
        numeric = isinstance(value, int | float) and not isinstance(value, bool)
        entries.append(Entry(text=str(value), value=float(value)) if numeric else text(value))
    return entries


def _value(search: Search, found: Any) -> Entry:
    value = found["value"]
    return number(None if value is None else search.shown(value), search.decimals())
