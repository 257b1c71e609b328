"""Makes this folder's page from reports: every table and figure, once.

    aubench run demo                        # runs/demo, some minutes each on two cores
    aubench run studies-demo
    aubench tune search-demo
    aubench run docs/gallery/gallery.yaml   # runs/gallery
    python docs/gallery/make.py runs

The argument is the folder that holds the four runs. Figures are written with a white background,
tables as Markdown, as their reports hold them. What a run has no figure or table for is an error,
so that the page is whole or not at all.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reports.evaluation import evaluate_run
from reports.figure import Figure
from reports.figures.every import every_figure
from reports.formats.markdown import escape, markdown_table
from reports.table import Table
from reports.tables.every import every_table

HERE = Path(__file__).resolve().parent
LARGEST = 3_000_000  # bytes of all pictures


@dataclass(frozen=True)
class Shown:
    """One table or figure: the run that has it, its key there, and what is said of it."""

    run: str
    key: str
    words: str = ""


FIGURE, TABLE = "figure", "table"
PAGE: Sequence[tuple[str, Sequence[tuple[str, Shown]]]] = (
    (
        "Who wins",
        (
            (FIGURE, Shown("demo", "overview-intervals", "The summary of a run.")),
            (TABLE, Shown("demo", "overview")),
            (FIGURE, Shown("demo", "critical-difference")),
            (TABLE, Shown("demo", "pairs")),
        ),
    ),
    (
        "One setting",
        (
            (TABLE, Shown("demo", "lab-3-fold-f1", "The form of the paper's Tables 1 and 2.")),
            (TABLE, Shown("demo", "lab-3-fold-auc")),
            (TABLE, Shown("demo", "lab-3-fold-measures")),
            (TABLE, Shown("demo", "lab-3-fold-poolings")),
            (TABLE, Shown("demo", "lab-3-fold-folds")),
            (FIGURE, Shown("demo", "lab-3-fold-raster")),
            (FIGURE, Shown("demo", "lab-3-fold-event-f1")),
            (FIGURE, Shown("demo", "lab-3-fold-precision-recall")),
            (FIGURE, Shown("demo", "lab-3-fold-reliability")),
        ),
    ),
    (
        "Features and datasets",
        (
            (TABLE, Shown("gallery", "group-3-fold-features")),
            (TABLE, Shown("demo", "cross-dataset-f1")),
            (TABLE, Shown("demo", "cross-dataset-auc")),
            (FIGURE, Shown("studies-demo", "base-rates", "The paper's Fig. 5.")),
        ),
    ),
    (
        "How mini-batches are drawn",
        (
            (TABLE, Shown("gallery", "strategies-group", "The form of Tables 3 and 4.")),
            (FIGURE, Shown("gallery", "batch-composition", "The paper's Fig. 6.")),
            (TABLE, Shown("gallery", "batches")),
            (FIGURE, Shown("gallery", "training-f1", "The paper's Fig. 7.")),
            (FIGURE, Shown("gallery", "training-curves")),
            (FIGURE, Shown("gallery", "group-3-fold-gains", "The paper's Fig. 8.")),
        ),
    ),
    (
        "What features and networks see",
        (
            (FIGURE, Shown("studies-demo", "study-embedding-lab-3-fold-maps", "Fig. 3.")),
            (TABLE, Shown("studies-demo", "study-embedding-lab-3-fold-purity")),
            (
                FIGURE,
                Shown("studies-demo", "study-subject-divergence-lab-3-fold-divergence", "Fig. 4."),
            ),
            (
                TABLE,
                Shown("studies-demo", "study-subject-divergence-lab-3-fold-divergence-table"),
            ),
            (FIGURE, Shown("studies-demo", "study-filters-lab-3-fold-filters", "Fig. 2d and 2e.")),
            (FIGURE, Shown("studies-demo", "study-ascent-lab-3-fold-pictures", "Fig. 9.")),
            (FIGURE, Shown("studies-demo", "study-ascent-lab-3-fold-activations")),
            (FIGURE, Shown("studies-demo", "study-attention-lab-3-fold-attention")),
            (FIGURE, Shown("studies-demo", "lab-3-fold-patches-jpml")),
        ),
    ),
    (
        "Search",
        (
            (FIGURE, Shown("search-demo", "search-map")),
            (FIGURE, Shown("search-demo", "search-parallel")),
            (FIGURE, Shown("search-demo", "search-importance")),
            (FIGURE, Shown("search-demo", "search-timeline")),
            (TABLE, Shown("search-demo", "search-best")),
        ),
    ),
    (
        "Cost",
        (
            (TABLE, Shown("demo", "cost")),
            (FIGURE, Shown("demo", "gantt")),
        ),
    ),
)

OPENING = """# Gallery

Every table and figure that a report can hold, as it comes out of four small runs on synthetic
faces. The networks are small and barely trained: the pages show what is drawn, not how well
anything works. In a report the figures say their values on hover and follow light and dark, and
the tables sort and filter; [docs/reports.md](../reports.md) says how to read them.

Made by

    aubench run demo
    aubench run studies-demo
    aubench tune search-demo
    aubench run docs/gallery/gallery.yaml
    python docs/gallery/make.py runs

Beside a table of a dataset that others have reported on, a report also sets the published numbers;
the synthetic datasets have none, except the paper's Fig. 4 below.
"""


def main(runs: Path) -> None:
    """Writes the page and its figures."""
    names = dict.fromkeys(shown.run for _, items in PAGE for _, shown in items)
    reports = {name: _report(runs / name) for name in names}
    pictures: dict[str, str] = {}
    parts = [OPENING]
    for heading, items in PAGE:
        parts.append(f"## {heading}\n")
        for kind, shown in items:
            if kind == TABLE:
                parts.append(_table(reports[shown.run], shown))
                continue
            text, pictures[_file(shown)] = _figure(reports[shown.run], shown)
            parts.append(text)
    size = sum(len(picture.encode()) for picture in pictures.values())
    if size > LARGEST:
        raise SystemExit(f"the pictures take {size:,} bytes, more than {LARGEST:,}")
    figures = HERE / "figures"
    shutil.rmtree(figures, ignore_errors=True)
    figures.mkdir()
    for name, picture in pictures.items():
        (figures / name).write_text(picture, encoding="utf-8")
    (HERE / "README.md").write_text("\n".join(parts), encoding="utf-8")
    print(f"wrote {HERE / 'README.md'}, pictures of {size / 1e6:.1f} MB")


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a run's report shows, by key."""

    run: str
    figures: dict[str, Figure]
    tables: dict[str, Table]


def _report(run: Path) -> Report:
    evaluation = evaluate_run(run)
    return Report(
        run=run.name,
        tables={table.key: table for table in every_table(evaluation)},
        figures={figure.key: figure for figure in every_figure(evaluation)},
    )


def _file(shown: Shown) -> str:
    return f"{shown.run}-{shown.key}.svg"


def _figure(report: Report, shown: Shown) -> tuple[str, str]:
    """What stands on the page, and the picture."""
    if shown.key not in report.figures:
        raise SystemExit(f"run {report.run} has no figure {shown.key}")
    figure = report.figures[shown.key]
    start = figure.svg.index(">", figure.svg.index("<svg")) + 1
    paper = '<rect width="100%" height="100%" fill="#ffffff"/>'
    picture = figure.svg[:start] + paper + figure.svg[start:]
    words = " ".join(filter(None, [f"**{escape(figure.title)}.**", figure.caption, shown.words]))
    text = f"![{escape(figure.title)}](figures/{_file(shown)})\n\n{words} *Run {shown.run}.*\n"
    return text, picture


def _table(report: Report, shown: Shown) -> str:
    if shown.key not in report.tables:
        raise SystemExit(f"run {report.run} has no table {shown.key}")
    words = f"{shown.words} " if shown.words else ""
    return f"{markdown_table(report.tables[shown.key])}\n{words}*Run {shown.run}.*\n"


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python docs/gallery/make.py RUNS")
    main(Path(sys.argv[1]))
