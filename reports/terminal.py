"""The comparison table as plain text, printed where a sweep ends: who wins and what failed."""

from __future__ import annotations

import io
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from reports.evaluation import Evaluation, evaluate_run
from reports.table import Entry, Table
from reports.tables.overview import overview
from reports.verdicts import verdicts

if TYPE_CHECKING:
    from rich.table import Table as RichTable
    from rich.text import Text

COLUMN_WIDTH = 24  # of a setting: "100.0–100.0", "failed", and what stands between them
MARKS = {"best": "bold green", "second": "underline"}
STATES = {"failed": "red", "damaged": "red", "blocked": "yellow", "running": "cyan"}


def summary_table(run_folder: Path, *, width: int | None = None, colour: bool | None = None) -> str:
    """Method rows × settings with mean F1, its 95 % interval and AUC, in percent.

    Args:
        width: columns to fill, the terminal's if not given; settings that do not fit beside each
            other go below.
        colour: whether to write terminal colours, as standard output takes them if not given;
            without them the best is marked by ``*``.
    """
    from rich.console import Console
    from rich.text import Text

    if width is None:
        width = shutil.get_terminal_size((100, 24)).columns
    if colour is None:
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    evaluation = evaluate_run(run_folder, details=False)
    table = overview(evaluation)
    stream = io.StringIO()
    console = Console(
        file=stream, width=width, force_terminal=colour, no_color=not colour, highlight=False
    )
    settings = list(evaluation.plan.settings)
    name_width = max(len("Method"), *(len(m) for m in evaluation.plan.methods)) + 2
    fit = max(1, (width - name_width) // COLUMN_WIDTH)
    for start in range(0, len(settings), fit):
        console.print(_block(table, settings[start : start + fit], settings, colour=colour))
    for line in [*_legend(table), *verdicts(evaluation), *failure_lines(evaluation)]:
        console.print(Text(line))
    return stream.getvalue()


def _block(table: Table, shown: list[str], settings: list[str], *, colour: bool) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    grid.add_column(Text("Method"), no_wrap=True)
    for setting in shown:
        grid.add_column(Text(f"{setting}\nF1 (95 %)"), justify="right", no_wrap=True)
        grid.add_column(Text("\nAUC"), justify="right", no_wrap=True)
    for row in table.rows:
        line = [Text(row.entries[0].text)]
        for setting in shown:
            at = 1 + 2 * settings.index(setting)
            line += [_shown(row.entries[at], colour), _shown(row.entries[at + 1], colour, False)]
        grid.add_row(*line)
    return grid


def _shown(entry: Entry, colour: bool, with_interval: bool = True) -> Text:
    from rich.text import Text

    style = MARKS.get(entry.mark, "") or STATES.get(entry.state, "")
    star = "*" if entry.mark == "best" and not colour else ""
    level = "°" if entry.level else ""
    partial = "†" if entry.state == "partial" else ""
    shown = Text()
    shown.append(f"{star}{entry.text}{level}{partial}", style=style)
    if with_interval and entry.low is not None and entry.high is not None:
        shown.append(f"\n{entry.low:.1f}–{entry.high:.1f}", style="dim")
    return shown


def _legend(table: Table) -> list[str]:
    words = []
    if table.has_marks:
        words.append("best marked")
    if table.has_level:
        words.append("° not significantly worse than the best")
    if table.has_partial:
        words.append("† not all folds are done, not ranked")
    said = "Mean over AUs, in percent, pooled over folds, threshold 0"
    return ["; ".join([said, *words])]


def failure_lines(evaluation: Evaluation) -> list[str]:
    """What is missing, and why; at most ten failures by name."""
    states = ("failed", "damaged", "blocked", "running", "waiting")
    counts = [f"{evaluation.count(state)} {state}" for state in states if evaluation.count(state)]
    if not counts:
        return []
    done = evaluation.count("done")
    lines = [f"{done} of {len(evaluation.cells)} cells done; {', '.join(counts)}"]
    broken = [view for view in evaluation.cells if view.state in ("failed", "damaged")]
    for view in broken[:10]:
        cell = view.cell
        lines.append(
            f"{view.state}: {cell.method}, {cell.setting}, fold {cell.fold}: {view.message}"
        )
    if len(broken) > 10:
        lines.append(f"and {len(broken) - 10} more")
    return lines
