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
    """Test frames, and validation frames if they were asked for and scored."""

    test: ScoredFrames
    validation: ScoredFrames | None


def read_fold(run: RunView, cell: Cell, *, with_validation: bool) -> Fold | None:
    """The scores of a cell; None if it is not done or damaged, which is then noted."""
    table = run.scores(cell)
    if table is None:
        return None
    try:
        parts = table["part"].astype(str).to_numpy()
        test = scored_frames(table[parts == "test"], cell.fold)
        if not len(test):
            raise UserError("its scores hold no test frames")
        held_out = table[parts == "validation"] if with_validation else None
        validation = (
            scored_frames(held_out, cell.fold) if held_out is not None and len(held_out) else None
        )
        return Fold(test=test, validation=validation)
    except DAMAGE as error:
        run.mark_damaged(cell.job, error)
        return None


def scored_frames(table: pd.DataFrame, fold: str) -> ScoredFrames:
    """Rows of a cell's scores as the metrics want them."""
    aus = tuple(int(name[8:]) for name in table.columns if name.startswith("label_AU"))
    if not aus:
        raise UserError("its scores have no label columns")
    return ScoredFrames(
        aus=aus,
        subjects=table["subject"].to_numpy(dtype=object),
        sequences=table["sequence"].to_numpy(dtype=object),
        numbers=table["number"].to_numpy(dtype=np.int64),
        folds=np.full(len(table), fold, dtype=object),
        labels=np.stack([table[f"label_AU{au}"].to_numpy(dtype=np.int8) for au in aus], axis=1),
        scores=np.stack([table[f"score_AU{au}"].to_numpy(dtype=np.float32) for au in aus], axis=1),
    )
