"""One fold of one method: the frames that its cell scored, as the metrics want them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import UserError
from harness.metrics import ScoredFrames
from harness.plan.jobs import Cell
from reports.run_view import DAMAGE, RunView

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True, eq=False)
class Fold:
    """Test frames, and validation frames if they were asked for and scored; ``yaw`` are the degrees
    by which the test frames' heads are turned, None in runs from before they were kept."""

    test: ScoredFrames
    validation: ScoredFrames | None
    yaw: np.ndarray | None = None


def read_fold(run: RunView, cell: Cell, *, with_validation: bool) -> Fold | None:
    """The scores of a cell; None if it is not done or damaged, which is then noted."""
    table = run.scores(cell)
    if table is None:
        return None
    try:
        scored = ScoreColumns(table)
        test = scored.frames("test", cell.fold)
        if not len(test):
            raise UserError("its scores hold no test frames")
        held_out = scored.frames("validation", cell.fold) if with_validation else None
        return Fold(
            test=test,
            validation=held_out if held_out is not None and len(held_out) else None,
            yaw=scored.yaw("test"),
        )
    except DAMAGE as error:
        run.mark_damaged(cell.job, error)
        return None


class ScoreColumns:
    """The columns of a cell's scores, taken out of the table once for all of its parts."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.aus = tuple(int(name[8:]) for name in table.columns if name.startswith("label_AU"))
        if not self.aus:
            raise UserError("its scores have no label columns")
        self._ids = {name: _ids(table[name]) for name in ("part", "subject", "sequence")}
        self._yaw_N = table["yaw"].to_numpy(np.float32) if "yaw" in table.columns else None
        self._numbers_N = table["number"].to_numpy(dtype=np.int64)
        # An AU's frames lie side by side in memory: what is measured is measured AU by AU.
        self._labels_LN = np.stack([table[f"label_AU{au}"].to_numpy(np.int8) for au in self.aus])
        self._scores_LN = np.stack([table[f"score_AU{au}"].to_numpy(np.float32) for au in self.aus])

    def frames(self, part: str, fold: str) -> ScoredFrames:
        """The rows of one part as the metrics want them."""
        rows = self._rows(part)
        numbers = self._numbers_N[rows]
        return ScoredFrames(
            aus=self.aus,
            subjects=self._ids["subject"][rows],
            sequences=self._ids["sequence"][rows],
            numbers=numbers,
            folds=np.full(len(numbers), fold, dtype=object),
            labels=self._labels_LN[:, rows].T,
            scores=self._scores_LN[:, rows].T,
        )

    def yaw(self, part: str) -> np.ndarray | None:
        """float32 (N,) degrees of the frames of one part, where they were kept."""
        return None if self._yaw_N is None else self._yaw_N[self._rows(part)]

    def _rows(self, part: str) -> slice | np.ndarray:
        rows = np.flatnonzero(self._ids["part"] == part)
        if len(rows) and len(rows) == rows[-1] - rows[0] + 1:
            return slice(rows[0], rows[-1] + 1)  # they stand together, as they were written
        return rows


def _ids(column: pd.Series) -> np.ndarray:
    """A column of names as an array of them; of a category, each name is one object."""
    if hasattr(column, "cat"):
        names: np.ndarray = column.cat.categories.to_numpy(dtype=object)
        return names[column.cat.codes.to_numpy()]
    return column.to_numpy(dtype=object)
