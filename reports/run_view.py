"""What a run folder holds, read for a report: the plan, the state of every cell, and its scores.

A run may be unfinished, failed in part, or damaged. Nothing of that stops a report: a cell that
cannot be read is a cell with a message, and everything else is rendered. Only a folder that holds
no run at all, or a run that this version cannot read, is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import UserError
from harness.plan.jobs import Cell, Job, Plan
from harness.store import RunStore

if TYPE_CHECKING:
    import pandas as pd

# What reading a damaged file can raise: a wrong digest, bad JSON or Parquet, or a wrong shape.
DAMAGE = (UserError, OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True, kw_only=True)
class CellView:
    """One cell with its state and, unless it is done, the line that says why."""

    cell: Cell
    state: str  # done, running, failed, blocked, waiting, damaged
    message: str = ""


class RunView:
    """Plan, states and records of one run folder; every damage met is kept in ``problems``.

    ``notes`` are what the models of finished jobs say of themselves, by job.
    """

    def __init__(self, folder: Path) -> None:
        self.store = RunStore(folder)
        self.plan = _plan(self.store)
        self.states: dict[str, str] = dict(self.store.states(self.plan))
        self.problems: dict[str, str] = {}
        self.records: dict[str, Mapping[str, Any]] = {}
        self.notes: dict[str, tuple[str, ...]] = {}
        for key, job in self.plan.jobs.items():
            if job.kind in ("stage", "cell", "study") and self.states[key] == "done":
                self._read_record(key)

    def _read_record(self, key: str) -> None:
        try:
            result = self.store.result(key)
            result["files"]
            record = self.store.record(key)
            float(record["cost"]["seconds"])
            self.records[key] = record
            self.notes[key] = tuple(str(note) for note in result.get("notes", ()))
        except DAMAGE as error:
            self.mark_damaged(key, error)

    def mark_damaged(self, key: str, error: BaseException) -> None:
        """Remembers that a finished job cannot be read, and why."""
        reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        self.problems[key] = self.without_place(one_line(reason))
        self.states[key] = "damaged"

    def without_place(self, text: str) -> str:
        """A message with paths from the run folder on, so that a copied run reads the same."""
        return text.replace(f"{self.store.folder}/", "").replace(str(self.store.folder), "the run")

    def scores(self, cell: Cell) -> pd.DataFrame | None:
        """Scores of a cell, or None if it is not done or damaged (which is then noted)."""
        if self.states[cell.job] != "done":
            return None
        try:
            return self.store.scores(cell.job)
        except DAMAGE as error:
            self.mark_damaged(cell.job, error)
            return None

    def cells(self) -> list[CellView]:
        """Every cell of the plan with its state and message."""
        return [
            CellView(cell=cell, state=self.states[cell.job], message=self.message(cell.job))
            for cell in self.plan.cells
        ]

    def message(self, key: str) -> str:
        """Why a job is not done, in one line; empty if it is, or if there is nothing to say."""
        state = self.states[key]
        if state == "damaged":
            return self.problems[key]
        if state == "failed":
            return self.failure_line(key)
        if state == "blocked":
            need = self._failed_need(self.plan.jobs[key])
            return f"needs {need.title}: {self.failure_line(need.key)}" if need else "blocked"
        return ""

    def failure_line(self, key: str) -> str:
        """The one line that says what a job raised."""
        failure = self.store.failure(key) or {}
        return self.without_place(one_line(str(failure.get("error", "no message was kept"))))

    def _failed_need(self, job: Job) -> Job | None:
        for key in job.needs:
            need = self.plan.jobs.get(key)
            if need is None:
                continue
            if self.states[key] == "failed":
                return need
            if self.states[key] == "blocked":
                return self._failed_need(need)
        return None

    def history(self, key: str) -> list[dict[str, float]]:
        """What a training reported; empty where there is nothing or it is damaged."""
        try:
            rows = self.store.history(key)
            return [dict(row) for row in rows]
        except DAMAGE as error:
            self.note_problem(key, error, "its training history cannot be read")
            return []

    def note_problem(self, key: str, error: BaseException, what: str) -> None:
        """Remembers that a file beside a job's result cannot be read: the result stands."""
        reason = self.without_place(one_line(str(error)))
        self.problems.setdefault(key, f"{what} ({reason})")

    def suite_text(self) -> str:
        """The suite as it was run; empty if its file is gone."""
        try:
            return (self.store.folder / "suite.yaml").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""


def _plan(store: RunStore) -> Plan:
    try:
        plan = store.plan()
    except UserError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UserError(f"{store.folder / 'plan.json'} is damaged: {error!r}") from error
    if not plan.cells:
        raise UserError(f"{store.folder} holds an empty run: its plan has no cells")
    return plan


def one_line(text: str) -> str:
    """The first 300 characters of a message, on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= 300 else flat[:299] + "…"
