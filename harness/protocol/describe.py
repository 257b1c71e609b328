"""What a plan shows of its splits: who is where, how many frames, and each AU's base rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.data.frames import FrameTable
from harness.protocol.split import PARTS, Split
from harness.protocol.subjects import SubjectCounts, count_subjects

if TYPE_CHECKING:
    import pandas as pd


def describe_splits(
    splits: Sequence[Split], table: FrameTable, test_table: FrameTable | None = None
) -> pd.DataFrame:
    """One row a fold and part: fold, part, subjects, frames, and a column ``AU1``, ... each.

    ``subjects`` and ``frames`` are counts; an AU's base rate is the share of frames with the AU
    among those whose label is known, NaN where none is. ``test_table`` is the other dataset of a
    cross-dataset split; the columns are then the AUs that both have.
    """
    import pandas as pd

    here = count_subjects(table)
    there = here if test_table is None else count_subjects(test_table)
    there_aus = table.aus if test_table is None else test_table.aus
    aus = [au for au in table.aus if au in there_aus]
    rows: list[dict[str, object]] = []
    for split in splits:
        for part in PARTS:
            counts, columns = (there, there_aus) if part == "test" else (here, table.aus)
            rows.append(
                {
                    "fold": split.fold,
                    "part": part,
                    "subjects": len(split.part(part)),
                    **_frames_and_rates(counts, split.part(part), columns, aus),
                }
            )
    return pd.DataFrame(
        rows, columns=["fold", "part", "subjects", "frames", *(f"AU{a}" for a in aus)]
    )


def _frames_and_rates(
    counts: SubjectCounts, subjects: tuple[str, ...], columns: tuple[int, ...], aus: list[int]
) -> dict[str, object]:
    rows = np.searchsorted(np.asarray(counts.subjects), np.asarray(subjects, dtype=str))
    present = counts.present_SL[rows].sum(axis=0)
    known = counts.known_SL[rows].sum(axis=0)
    rates = {}
    for au in aus:
        column = columns.index(au)
        rates[f"AU{au}"] = present[column] / known[column] if known[column] else float("nan")
    return {"frames": int(counts.frames_S[rows].sum()), **rates}
