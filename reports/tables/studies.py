"""The numbers of every study: purities of an embedding, divergences of features, and for a study of
another kind the plain values that it left."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from harness.registry import STUDIES, study_path
from reports.evaluation import Evaluation
from reports.published_results import published_divergence
from reports.run_view import DAMAGE
from reports.studies import StudyView
from reports.table import DASH, Column, Entry, Row, Table, count, number, percent, text


def study_tables(evaluation: Evaluation) -> list[Table]:
    """In plan order. A study whose values are not what its kind leaves counts as damaged."""
    tables = []
    for view in evaluation.studies:
        if view.state != "done":
            continue
        try:
            path = study_path(view.cell.kind)
            make = TABLES.get(path)
            if make is not None:
                tables.append(make(view))
            elif path not in STUDIES.values():
                tables.append(_plain(view))
        except DAMAGE as error:
            evaluation.run.mark_damaged(view.cell.job, error)
    return tables


def _embedding(view: StudyView) -> Table:
    """A row a feature, and what a neighbour drawn at random would give."""
    values = view.values
    au = f"AU{values['au']}"
    rows = [
        Row(
            entries=(
                text(feature["name"]),
                count(int(feature["dimension"])),
                _share(feature.get("au_purity")),
                _share(feature.get("au_purity_across")),
                _share(feature.get("subject_purity")),
                number(_float(feature.get("subject_silhouette")), 3),
                text(feature.get("note", "")),
            )
        )
        for feature in values["features"]
    ]
    chance = (values.get("au_chance"), values.get("subject_chance"))
    if any(value is not None for value in chance):
        nothing = Entry(text=DASH)
        rows.append(
            Row(
                entries=(
                    text("chance"),
                    nothing,
                    _share(chance[0]),
                    nothing,
                    _share(chance[1]),
                    nothing,
                    text("neighbours drawn at random"),
                ),
                role="apart",
            )
        )
    return Table(
        key=view.key("purity"),
        title=f"What features group frames by ({view.title})",
        columns=(
            Column(key="feature", title="Feature", kind="text"),
            Column(key="dimension", title="Dimension"),
            Column(
                key="au_purity",
                title=f"{au} purity",
                help=f"share of the ten nearest neighbours that agree on {au}",
            ),
            Column(
                key="au_purity_across",
                title="across subjects",
                help="the same among frames of other subjects only",
            ),
            Column(
                key="subject_purity",
                title="Subject purity",
                help="share of the ten nearest neighbours that are of the same subject",
            ),
            Column(key="subject_silhouette", title="Silhouette", help="mean, by subject"),
            Column(key="note", title="Note", kind="text"),
        ),
        rows=tuple(rows),
        facts=(
            ("frames", f"{values['frames']:,}"),
            ("subjects", f"{values['subjects']:,}"),
            ("unit", "percent"),
        ),
        notes=(
            "Of a frame's ten nearest neighbours in the feature's own space (rows of length 1). "
            "A feature that knows expressions has a high purity across subjects and a low subject "
            "purity.",
        ),
    )


def _divergence(view: StudyView) -> Table:
    """A row a feature, with the paper's printed values apart."""
    published = published_divergence()
    rows = []
    for feature in view.values["features"]:
        entries = [
            text(feature["name"]),
            number(_float(feature["mean"]), 2),
            number(_float(feature["sd"]), 2),
        ]
        for _, values in published.values:
            printed = values.get(feature["name"])
            entries.append(
                Entry(text=DASH)
                if printed is None
                else Entry(text=f"{printed[0]:.2f} ± {printed[1]:.2f}", value=printed[0])
            )
        rows.append(Row(entries=(*entries, text(feature.get("note", "")))))
    return Table(
        key=view.key("divergence-table"),
        title=f"How much features tell subjects apart ({view.title})",
        columns=(
            Column(key="feature", title="Feature", kind="text"),
            Column(key="mean", title="Mean", help="over subjects; lower is more alike"),
            Column(key="sd", title="SD"),
            *(
                Column(key=f"paper_{name}", title=name, group="The paper, Fig. 4", apart=True)
                for name, _ in published.values
            ),
            Column(key="note", title="Note", kind="text"),
        ),
        rows=tuple(rows),
        facts=(
            ("subjects", f"{len(view.values['subjects']):,}"),
            ("unit", f"{view.values['log']}(d · 10⁶)"),
        ),
        notes=published.caveats,
    )


def _plain(view: StudyView) -> Table:
    """A row for each plain value of a study of somebody's own."""
    rows = [
        Row(entries=(text(name), text(value if not isinstance(value, float) else f"{value:.4g}")))
        for name, value in view.values.items()
        if isinstance(value, (str, int, float, bool))
    ]
    arrays = ", ".join(f"{name} {tuple(array.shape)}" for name, array in view.arrays.items())
    return Table(
        key=view.key("values"),
        title=f"Values ({view.title})",
        columns=(
            Column(key="name", title="Value", kind="text"),
            Column(key="value", title="", kind="text"),
        ),
        rows=tuple(rows),
        notes=(f"Arrays in study.npz: {arrays}.",) if arrays else (),
    )


def _share(value: Any) -> Entry:
    return percent(_float(value))


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


TABLES: Mapping[str, Callable[[StudyView], Table]] = {
    STUDIES["embedding"]: _embedding,
    STUDIES["subject-divergence"]: _divergence,
}
