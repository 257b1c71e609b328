"""What the run's studies left, read for figures and tables: one view a study and setting.

A study that is not done, or whose files do not fit their digests, is a view with a message: the
report says so and draws the rest. Of several seeds the first that is done is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.plan.jobs import StudyCell
from reports.run_view import DAMAGE, RunView
from reports.table import slug


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyView:
    """One study of one setting.

    Attributes:
        state: done, running, failed, blocked, waiting or damaged; ``message`` says why.
        values, arrays: what it left; empty unless it is done.
        seeds: how many seeds were planned.
    """

    cell: StudyCell
    state: str
    message: str
    values: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    seeds: int

    @property
    def title(self) -> str:
        """``"t-sne, lab 3-fold"``, with the seed where there are several."""
        several = f", seed {self.cell.seed} ({self.seeds} seeds)" if self.seeds > 1 else ""
        return f"{self.cell.study}, {self.cell.setting}{several}"

    def key(self, *parts: str) -> str:
        """Anchor and file name of what is shown of it; begins with ``study-``."""
        return slug("study", self.cell.study, self.cell.setting, *parts)


def read_studies(run: RunView) -> tuple[StudyView, ...]:
    """A view for every study × setting of the plan, in plan order."""
    groups: dict[tuple[str, str], list[StudyCell]] = {}
    for cell in run.plan.studies:
        groups.setdefault((cell.study, cell.setting), []).append(cell)
    views = []
    for cells in groups.values():
        seen = [_view(run, cell, len(cells)) for cell in cells]
        views.append(next((view for view in seen if view.state == "done"), seen[0]))
    return tuple(views)


def _view(run: RunView, cell: StudyCell, seeds: int) -> StudyView:
    values: Mapping[str, Any] = {}
    arrays: Mapping[str, np.ndarray] = {}
    if run.states[cell.job] == "done":
        try:
            values, arrays = run.store.study(cell.job)
        except DAMAGE as error:
            run.mark_damaged(cell.job, error)
    return StudyView(
        cell=cell,
        state=run.states[cell.job],
        message=run.message(cell.job),
        values=values,
        arrays=arrays,
        seeds=seeds,
    )


def study_lines(run: RunView, views: tuple[StudyView, ...]) -> list[tuple[str, str]]:
    """A line for every study that cannot be shown, and why."""
    lines = []
    for view in views:
        state = run.states[view.cell.job]  # drawing may have found it damaged
        if state != "done":
            why = run.message(view.cell.job)
            lines.append(
                (f"{view.title}:", f"{state}, {why}" if why else f"{state}, not drawn yet")
            )
    omitted = [entry for entry in run.plan.omitted if entry.name not in run.plan.methods]
    for entry in omitted:
        lines.append((f"{entry.name}, {entry.setting}:", f"left out, {entry.reason}"))
    return lines
