"""Our numbers beside published ones, for a setting on a dataset that others have reported on."""

from __future__ import annotations

from reports.evaluation import Evaluation
from reports.facts import facts_of
from reports.published_results import PublishedResult, published_results
from reports.table import DASH, Column, Entry, Row, Table, number, percent, slug, text


def published(evaluation: Evaluation, setting: str) -> Table | None:
    """A row a method, ours first; None where nothing is published for the setting."""
    cells = [cell for cell in evaluation.plan.cells if cell.setting == setting]
    comparison = evaluation.comparisons[setting]
    if not cells or not comparison.measured:
        return None
    first = cells[0]
    dataset = _dataset(evaluation, setting)
    others = published_results(
        dataset, first.protocol, across=first.train_dataset != first.test_dataset
    )
    if not others:
        return None
    ours = list(comparison.measured.values())
    aus = sorted({au for m in ours for au in m.aus} | {au for o in others for au in o.values})
    rows = []
    for measured in ours:
        values = dict(zip(measured.aus, measured.f1_L, strict=True))
        state = "" if measured.complete else "partial"
        entries = [
            percent(float(values[au]), state=state) if au in values else Entry(text=DASH)
            for au in aus
        ]
        mean = percent(measured.mean_f1, state=state)
        rows.append(
            Row(
                entries=(text(measured.method), mean, Entry(text=DASH), *entries, text("this run")),
                method=measured.method,
            )
        )
    rows += [_row(other, aus) for other in others]
    return Table(
        key=slug(setting, "published"),
        title=f"Beside what was published: frame F1, {setting}",
        section=setting,
        columns=(
            Column(key="method", title="Method", kind="text"),
            Column(key="mean", title="Mean", help="recomputed from the values of the row"),
            Column(key="printed", title="Printed", help="the average printed at the source"),
            *(Column(key=f"AU{au}", title=f"AU{au}") for au in aus),
            Column(key="where", title="Where", kind="text"),
        ),
        rows=tuple(rows),
        facts=(*facts_of(comparison, "f1"), ("unit", "percent")),
        notes=_notes(dataset, others),
    )


def _dataset(evaluation: Evaluation, setting: str) -> str:
    """The name that the test subjects carry: ``bp4d`` of ``bp4d:F001``."""
    plan = evaluation.plan
    cell = next(cell for cell in plan.cells if cell.setting == setting)
    split = plan.splits.get(plan.jobs[cell.job].split)
    subjects = split.test if split else ()
    return subjects[0].partition(":")[0] if subjects else cell.test_dataset


def _row(other: PublishedResult, aus: list[int]) -> Row:
    entries = [number(other.values.get(au), 1) for au in aus]
    note = "; ".join(other.caveats)
    return Row(
        entries=(
            text(other.method, note=note),
            number(other.mean, 1),
            number(other.printed, 1, note="differs from the mean" if other.misprinted else ""),
            *entries,
            text(other.where),
        ),
        role="apart",
    )


def _notes(dataset: str, others: list[PublishedResult]) -> tuple[str, ...]:
    notes = [
        f"Shown because the test subjects are named {dataset}:…; the numbers compare only if these "
        "are the same recordings, frames and folds. Facts above are those of this run.",
        "Published rows are not ranked. Their threshold policies are mostly not stated, and some "
        "chose epochs or thresholds on the test part; means are recomputed from the values given.",
    ]
    wrong = [
        f"{o.method} ({o.printed:.1f} printed, {o.mean:.1f} recomputed)"
        for o in others
        if o.misprinted
    ]
    if wrong:
        notes.append(f"Averages printed that do not follow from their values: {', '.join(wrong)}.")
    doubtful: dict[str, list[str]] = {}
    for other in others:
        for caveat in other.caveats:
            doubtful.setdefault(caveat, []).append(other.method)
    notes += [f"{', '.join(methods)}: {caveat}" for caveat, methods in doubtful.items()]
    return tuple(notes)
