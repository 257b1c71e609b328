"""A run, evaluated: every setting measured and compared, ready for tables and figures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.plan.jobs import Plan
from reports.compare import Comparison, compare
from reports.measure import measure_setting
from reports.run_view import CellView, RunView


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Comparisons by setting, in plan order, and the state of every cell.

    ``oddities`` are lines about what did not fit, such as methods tested on other frames.
    """

    run: RunView
    comparisons: dict[str, Comparison]
    cells: tuple[CellView, ...]
    oddities: tuple[str, ...]

    @property
    def plan(self) -> Plan:
        """The run's plan."""
        return self.run.plan

    def cells_of(self, setting: str, method: str) -> list[CellView]:
        """The cells of one method in one setting."""
        return [
            view
            for view in self.cells
            if view.cell.setting == setting and view.cell.method == method
        ]

    def count(self, state: str) -> int:
        """How many cells are in a state."""
        return sum(view.state == state for view in self.cells)


def evaluate_run(run_folder: Path, *, details: bool = True) -> Evaluation:
    """Reads a run folder and measures what its cells scored.

    Without ``details`` only mean F1 with its interval and AUC are measured, within a second or two
    for a small run.
    """
    run = RunView(run_folder)
    comparisons = {}
    oddities: list[str] = []
    for setting in run.plan.settings:
        measured, odd = measure_setting(run, setting, details=details)
        comparisons[setting] = compare(setting, measured)
        oddities += odd
    # After measuring: only then is known which scores were damaged.
    return Evaluation(
        run=run, comparisons=comparisons, cells=tuple(run.cells()), oddities=tuple(oddities)
    )
