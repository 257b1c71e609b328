"""The summary run: the report's comparison tables, its page, and its folder as an artifact.

Tables come from ``report/tables/*.csv``, whose first lines, with ``#``, say what the table is of.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from harness.tracking.client import Run


def log_report(run: Run, folder: Path, suite: str) -> None:
    """Sends a report folder to the summary run of its sweep."""
    import wandb

    shown: dict[str, Any] = {}
    for file in sorted((folder / "tables").glob("*.csv")):
        columns, rows = read_table(file)
        if columns:
            shown[f"tables/{file.stem}"] = wandb.Table(columns=columns, data=rows)
    page = folder / "report.html"
    if page.is_file():
        shown["report"] = wandb.Html(page.read_text(encoding="utf-8"), inject=False)
    if shown:
        run.log(shown)
    run.log_folder(folder, f"{suite}-report", "report")


def read_table(file: Path) -> tuple[list[Any], list[Any]]:
    """Columns and rows of a report's CSV table; a column of numbers becomes numbers, and what is
    empty in it None."""
    with file.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.reader(line for line in stream if not line.startswith("#")))
    if not lines:
        return [], []
    columns, texts = lines[0], lines[1:]
    numeric = [all(_is_number(row[i]) for row in texts) for i in range(len(columns))]
    rows = [[_number(text) if numeric[i] else text for i, text in enumerate(row)] for row in texts]
    return columns, rows


def _is_number(text: str) -> bool:
    if not text:
        return True
    try:
        float(text)
    except ValueError:
        return False
    return True


def _number(text: str) -> float | None:
    return float(text) if text else None
