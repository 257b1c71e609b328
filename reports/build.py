"""``build``: from a run folder to its report, put in place whole.

    <run>/report/
      report.html     the page, one file
      report.md       the same tables as Markdown
      report.json     the same tables as data, with provenance and problems
      tables/         <key>.csv and <key>.tex of every table, all.tex to compile them together
      figures/        <key>.svg of every figure

The same store gives the same bytes: nothing is stamped with the time or place of building.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UserError
from reports.evaluation import Evaluation, evaluate_run
from reports.formats.comma_separated import csv_table
from reports.formats.latex import latex_document, latex_table
from reports.formats.markdown import escape, markdown_report
from reports.layout import lay_out
from reports.page import Page, render_page
from reports.provenance import provenance
from reports.table import Table
from reports.tables.every import every_table
from reports.terminal import summary_table
from reports.verdicts import verdicts

if TYPE_CHECKING:
    from reports.figure import Figure

__all__ = ["build", "summary_table", "write_report"]

REPORT_VERSION = 1


def build(
    run_folder: Path,
    out: Path | None = None,
    *,
    rope: float | None = None,
    metrics: Sequence[str] = (),
    video: str = "",
) -> Path:
    """Writes the report of a run into ``out``, else ``<run>/report``; returns that folder.

    ``rope`` adds the Bayesian comparison of the methods, with a region of practical equivalence of
    so many F1 points to either side. ``metrics`` adds a table with intervals for each of them, by
    name or as ``package.module:function``, to those that the suite names. ``video`` is the sequence
    whose labels and decisions are drawn where it is tested; else it is the one with most changes.

    A run that is unfinished or damaged in part is rendered as far as it goes. A folder that holds
    no run, an empty run, or one of another version is a ``UserError``; so is an ``out`` that holds
    other files.
    """
    from reports.figures.every import every_figure

    target = Path(out) if out is not None else Path(run_folder) / "report"
    evaluation = evaluate_run(run_folder, metrics=metrics, video=video)
    tables = every_table(evaluation, rope)
    figures = every_figure(evaluation)
    page = lay_out(evaluation, tables, figures)
    return write_report(
        target, page, tables, figures, _json(evaluation, tables, figures), _words(evaluation)
    )


def write_report(
    target: Path,
    page: Page,
    tables: Sequence[Table],
    figures: Sequence[Figure],
    data: dict[str, object],
    words: Sequence[tuple[str, str]],
) -> Path:
    """Writes a report aside and swaps it in at ``target``; ``words`` are headed paragraphs of
    Markdown."""
    target = target.absolute()
    if target.exists() and not _may_replace(target):
        raise UserError(f"{target} holds other files, not a report: give another --out")
    aside = target.with_name(f".{target.name}.{os.getpid()}.part")
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    for left in (aside, old):
        shutil.rmtree(left, ignore_errors=True)
    try:
        (aside / "tables").mkdir(parents=True)
    except OSError as error:
        raise UserError(f"{target}: no report can be written there: {error.strerror}") from error
    (aside / "figures").mkdir()
    try:
        for table in tables:
            (aside / "tables" / f"{table.key}.csv").write_text(csv_table(table), encoding="utf-8")
            (aside / "tables" / f"{table.key}.tex").write_text(latex_table(table), encoding="utf-8")
        for figure in figures:
            (aside / "figures" / f"{figure.key}.svg").write_text(figure.svg, encoding="utf-8")
        (aside / "tables" / "all.tex").write_text(
            latex_document(page.title, tables), encoding="utf-8"
        )
        (aside / "report.md").write_text(
            markdown_report(page.title, words, tables), encoding="utf-8"
        )
        (aside / "report.html").write_text(render_page(page), encoding="utf-8")
        (aside / "report.json").write_text(
            json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        if target.exists():
            target.rename(old)
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return target


def _may_replace(target: Path) -> bool:
    """Whether a folder is an earlier report or empty."""
    return target.is_dir() and ((target / "report.json").is_file() or not any(target.iterdir()))


def _words(evaluation: Evaluation) -> list[tuple[str, str]]:
    bullets = [*verdicts(evaluation), *evaluation.oddities]
    facts = provenance(evaluation)
    return [
        ("Summary", "\n".join(f"- {escape(line)}" for line in bullets)),
        (
            "Where this comes from",
            "\n".join(f"- {escape(name)}: {escape(value)}" for name, value in facts),
        ),
    ]


def _json(
    evaluation: Evaluation, tables: Sequence[Table], figures: Sequence[Figure]
) -> dict[str, object]:
    run = evaluation.run
    return {
        "report_version": REPORT_VERSION,
        "suite": run.plan.suite,
        "verdicts": verdicts(evaluation),
        "cells": [
            {
                "setting": view.cell.setting,
                "fold": view.cell.fold,
                "method": view.cell.method,
                "seed": view.cell.seed,
                "job": view.cell.job,
                "state": view.state,
                **({"message": view.message} if view.message else {}),
            }
            for view in evaluation.cells
        ],
        "problems": dict(sorted(run.problems.items())),
        "oddities": list(evaluation.oddities),
        "provenance": dict(provenance(evaluation)),
        "tables": [table.to_json() for table in tables],
        "figures": [
            {
                "key": figure.key,
                "title": figure.title,
                "section": figure.section,
                "caption": figure.caption,
            }
            for figure in figures
        ],
    }
