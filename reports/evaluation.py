"""A run, evaluated: every setting measured and compared, ready for tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from threadpoolctl import threadpool_limits

from harness.errors import UserError
from harness.plan.jobs import Plan
from reports.compare import Comparison, compare
from reports.measure import measure_setting
from reports.own_metrics import metrics_of
from reports.run_view import CellView, RunView
from reports.studies import StudyView, read_studies


@dataclass(frozen=True, kw_only=True, eq=False)
class Evaluation:
    """Comparisons by setting, in plan order, and the state of every cell.

    ``oddities`` are lines about what did not fit, such as methods tested on other frames.
    """

    run: RunView
    comparisons: dict[str, Comparison]
    cells: tuple[CellView, ...]
    oddities: tuple[str, ...]
    studies: tuple[StudyView, ...] = ()

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

    def why_absent(self, setting: str, method: str) -> str:
        """Why a method has no cells in a setting, where the plan says so."""
        reasons = (o.reason for o in self.plan.omitted if (o.name, o.setting) == (method, setting))
        return next(reasons, "")

    def count(self, state: str) -> int:
        """How many cells are in a state."""
        return sum(view.state == state for view in self.cells)


def evaluate_run(
    run_folder: Path, *, details: bool = True, metrics: Sequence[str] = (), video: str = ""
) -> Evaluation:
    """Reads a run folder and measures what its cells scored.

    Without ``details`` only mean F1 with its interval and AUC are measured, within a second or two
    for a small run. With them also the metrics that the run's suite names, and ``metrics``: names
    of ``harness.metrics``, or ``package.module:function``. ``video`` is the sequence whose labels
    and decisions are shown, in every setting that tests it; one that none tests is a ``UserError``.
    """
    run = RunView(run_folder)
    comparisons = {}
    own, oddities = metrics_of(run, metrics) if details else ((), [])
    # Matrices are small and settings are measured by threads of ours: those of the linear algebra
    # would only wait for each other.
    with threadpool_limits(1, user_api="blas"):
        for setting in run.plan.settings:
            measured, odd = measure_setting(run, setting, details=details, metrics=own, video=video)
            comparisons[setting] = compare(setting, measured)
            oddities += odd
    if video and not any(_shows(comparison, video) for comparison in comparisons.values()):
        raise UserError(f"no setting tests the sequence {video!r}{_such_as(comparisons.values())}")
    # After measuring: only then is known which scores were damaged.
    return Evaluation(
        run=run,
        comparisons=comparisons,
        cells=tuple(run.cells()),
        oddities=tuple(oddities),
        studies=read_studies(run) if details else (),
    )


def _shows(comparison: Comparison, video: str) -> bool:
    rasters = [m.details.raster for m in comparison.measured.values() if m.details is not None]
    return any(raster.sequence == video for raster in rasters)


def _such_as(comparisons: Iterable[Comparison]) -> str:
    """Sequences that are shown of their own, as examples of a name."""
    names = dict.fromkeys(
        m.details.raster.sequence for c in comparisons for m in c.measured.values() if m.details
    )
    return f"; tested are such as {', '.join(list(names)[:3])}" if names else ""
