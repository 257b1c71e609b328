"""``build_comparison``: a page that holds several runs against the first of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reports.between_runs import Change, changes, circumstances, is_number, read_runs
from reports.build import REPORT_VERSION, write_report
from reports.evaluation import Evaluation
from reports.figure import Figure
from reports.figures.differences import differences
from reports.formats.markdown import escape
from reports.page import Page, Part
from reports.table import DASH, Column, Entry, Row, Table, number, percent, text
from reports.tables.every import with_own_keys


def build_comparison(runs: Sequence[Path], out: Path) -> Path:
    """Writes the comparison of at least two run folders into ``out``; the first is what the others
    are held against. Returns the folder. Unreadable runs are a ``UserError``."""
    evaluations = read_runs(runs)
    found = changes(evaluations)
    tables = with_own_keys([_numbers(evaluations, found), *_changed(evaluations)])
    figures = [figure for figure in [differences(found, next(iter(evaluations)))] if figure]
    lines = _sentences(evaluations, found)
    page = Page(
        title="Comparison of runs",
        description=", ".join(evaluations),
        status=f"{len(evaluations)} runs",
        health="good",
        methods=(),
        parts=_parts(lines, tables, figures),
        provenance=[
            (name, f"{e.plan.suite}: {e.count('done')} of {len(e.cells)} cells done")
            for name, e in evaluations.items()
        ],
    )
    words = [("Summary", "\n".join(f"- {escape(' '.join(line))}" for line in lines))]
    data: dict[str, object] = {
        "report_version": REPORT_VERSION,
        "runs": list(evaluations),
        "tables": [table.to_json() for table in tables],
    }
    return write_report(Path(out), page, tables, figures, data, words)


def _parts(
    lines: Sequence[tuple[str, str]], tables: Sequence[Table], figures: Sequence[Figure]
) -> list[Part]:
    parts = [
        Part(key="summary", title="Summary", lines=lines, shown=[*figures, tables[0]]),
    ]
    if len(tables) > 1:
        parts.append(Part(key="different", title="What was different", shown=tables[1:]))
    return parts


def _sentences(
    evaluations: Mapping[str, Evaluation], found: Sequence[Change]
) -> list[tuple[str, str]]:
    first = next(iter(evaluations))
    lines = []
    for name in list(evaluations)[1:]:
        mine = [change for change in found if change.run == name]
        moved = [change for change in mine if change.verdict == "beyond noise"]
        moved.sort(key=lambda change: -abs(change.difference))
        said = [f"{c.method} in {c.setting} by {_points(c.difference)}" for c in moved[:5]]
        verdicts = [change.verdict for change in mine]
        rest = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts))
        moves = f"{'; '.join(said)} moved beyond noise" if said else "nothing moved beyond noise"
        lines.append((f"{name} against {first}:", f"{moves}. In all: {rest}."))
    return lines


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f} points".replace("-", "−")


def _numbers(evaluations: Mapping[str, Evaluation], found: Sequence[Change]) -> Table:
    first_name, first = next(iter(evaluations.items()))
    others = list(evaluations)[1:]
    columns = [
        Column(key="setting", title="Setting", kind="text"),
        Column(key="method", title="Method", kind="text"),
        Column(key=f"f1 {first_name}", title="F1", group=first_name),
    ]
    for name in others:
        columns += [
            Column(key=f"f1 {name}", title="F1", group=name),
            Column(key=f"change {name}", title="Change", group=name),
            Column(key=f"verdict {name}", title="Verdict", kind="text", group=name),
        ]
    by_place = {(c.setting, c.method, c.run): c for c in found}
    rows = []
    for setting, method in dict.fromkeys((c.setting, c.method) for c in found):
        entries = [text(setting), text(method), _first_value(first, setting, method)]
        for name in others:
            change = by_place.get((setting, method, name))
            entries += _entries(change) if change else [Entry(text=DASH)] * 3
        rows.append(Row(entries=tuple(entries)))
    return Table(
        key="changes",
        title="Mean frame F1, and what changed against the first run",
        columns=tuple(columns),
        rows=tuple(rows),
        facts=(
            ("pooling", "pooled over folds"),
            ("thresholds", "fixed at 0"),
            ("undefined", "left out of the mean"),
            ("frames, subjects, frame sets", "in each run's own report"),
            ("unit", "percent, changes in points"),
        ),
        notes=(
            "Beyond noise: the 95 % interval of the paired difference over resampled subjects does "
            "not hold 0. Same jobs: the very same jobs by their keys. Other frames: the evaluated "
            "frames differ, so the numbers do not compare.",
        ),
        shown_intervals=True,
    )


def _first_value(first: Evaluation, setting: str, method: str) -> Entry:
    comparison = first.comparisons.get(setting)
    measured = comparison.measured.get(method) if comparison else None
    if measured is None:
        return Entry(text=DASH)
    return percent(measured.mean_f1, state="" if measured.complete else "partial")


def _entries(change: Change) -> list[Entry]:
    difference = number(None)
    if is_number(change.difference):
        low, high = (100 * v if is_number(v) else None for v in (change.low, change.high))
        difference = number(100 * change.difference, low=low, high=high)
    return [percent(change.value), difference, text(change.verdict)]


def _changed(evaluations: Mapping[str, Evaluation]) -> list[Table]:
    rows = circumstances(evaluations)
    if not rows:
        return []
    return [
        Table(
            key="circumstances",
            title="What was not the same in all runs",
            columns=(
                Column(key="what", title="What", kind="text"),
                *(Column(key=name, title=name, kind="text") for name in evaluations),
            ),
            rows=tuple(
                Row(entries=(text(name), *(text(value or DASH) for value in values)))
                for name, values in rows
            ),
        )
    ]
