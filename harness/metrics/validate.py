"""What may be scored: one clear line for every way in which scores and frames do not fit.

Legend: N frames, L action units.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from harness.errors import UserError
from harness.metrics.id_codes import id_codes

if TYPE_CHECKING:
    import pandas as pd


class Keyed(Protocol):
    """Frames with keys: a ``FrameSet``, a ``FrameTable`` or a ``ScoredFrames``."""

    @property
    def aus(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def sequences(self) -> np.ndarray: ...  # noqa: D102
    @property
    def numbers(self) -> np.ndarray: ...  # noqa: D102


def check_pair(labels: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and scores that a metric can read: both (N, L), labels in {-1, 0, +1}, no NaN."""
    labels, scores = np.asarray(labels), np.asarray(scores)
    if labels.ndim != 2 or labels.shape != scores.shape:
        raise UserError(
            f"labels {labels.shape} and scores {scores.shape} must both have the shape "
            "(frames, AUs)"
        )
    if labels.size and (labels.min() < -1 or labels.max() > 1):
        raise UserError("labels must be -1 (absent), 0 (unknown) or +1 (present)")
    if np.issubdtype(labels.dtype, np.floating) and not np.isin(labels, (-1, 0, 1)).all():
        raise UserError("labels must be -1 (absent), 0 (unknown) or +1 (present)")
    if not np.issubdtype(scores.dtype, np.number) or np.iscomplexobj(scores):
        raise UserError(f"scores must be real numbers; their type is {scores.dtype}")
    if np.isnan(scores).any():
        row, column = np.argwhere(np.isnan(scores))[0]
        raise UserError(f"the score of row {row}, AU column {column}, is NaN")
    return labels, scores


def check_scores(scores: Any, frames: Keyed, *, where: str = "the scores") -> np.ndarray:
    """What a model gave for ``frames``, as float32 (N, L), or one line that says why it won't do.

    ``where`` begins the message: ``"method svm, fold 2"``.
    """
    array = np.asarray(scores)
    num_frames, num_aus = len(frames.numbers), len(frames.aus)
    if array.shape != (num_frames, num_aus):
        raise UserError(
            f"{where}: scores have the shape {array.shape} in place of {(num_frames, num_aus)} "
            "(frames, AUs)"
        )
    if not np.issubdtype(array.dtype, np.number) or np.iscomplexobj(array):
        raise UserError(f"{where}: scores must be real numbers; their type is {array.dtype}")
    bad = ~np.isfinite(array)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise UserError(
            f"{where}: the score of AU{frames.aus[column]} in frame {int(frames.numbers[row])} of "
            f"{frames.sequences[row]} is {array[row, column]} ({int(bad.sum())} such scores)"
        )
    return np.ascontiguousarray(array, np.float32)


def check_keys(frames: Keyed, *, where: str = "the frames") -> None:
    """Refuses two rows with the same key (sequence, number)."""
    order, repeated = _sorted_keys(frames.sequences, frames.numbers)
    if repeated.any():
        row = order[int(np.flatnonzero(repeated)[0])]
        raise UserError(
            f"{where}: frame {int(frames.numbers[row])} of {frames.sequences[row]} stands there "
            "twice"
        )


def align_scores(
    predictions: pd.DataFrame, frames: Keyed, *, where: str = "the predictions"
) -> np.ndarray:
    """Scores of ``frames`` from a table with the columns sequence, number, ``AU1``, ...

    Rows are joined by key, in whatever order they stand; a frame that is missing, unknown or there
    twice is an error, and so is a missing AU column. float32 (N, L) in the order of ``frames``.
    """
    import pandas as pd

    columns = [f"AU{au}" for au in frames.aus]
    _check_columns(predictions, ["sequence", "number", *columns], where)
    numbers = pd.to_numeric(predictions["number"], errors="coerce")
    if numbers.isna().any() or (numbers % 1 != 0).any():
        raise UserError(f"{where}: column 'number' must hold whole frame numbers")
    given = pd.MultiIndex.from_arrays(
        [predictions["sequence"].astype(str), numbers.astype(np.int64)]
    )
    wanted = pd.MultiIndex.from_arrays(
        [frames.sequences.astype(str), np.asarray(frames.numbers, np.int64)]
    )
    if given.has_duplicates:
        sequence, number = given[given.duplicated()][0]
        raise UserError(f"{where}: frame {number} of {sequence} stands there twice")
    place = given.get_indexer(wanted)
    if (place < 0).any():
        missing = np.flatnonzero(place < 0)
        sequence, number = wanted[missing[0]]
        raise UserError(
            f"{where}: no scores for frame {number} of {sequence} ({len(missing)} of "
            f"{len(wanted)} frames are missing)"
        )
    if len(given) > len(wanted):
        unknown = np.setdiff1d(np.arange(len(given)), place)
        sequence, number = given[unknown[0]]
        raise UserError(
            f"{where}: frame {number} of {sequence} is not among the frames to score "
            f"({len(unknown)} such rows)"
        )
    values = predictions[columns].apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    return check_scores(values[place], frames, where=where)


def _check_columns(predictions: pd.DataFrame, columns: Sequence[str], where: str) -> None:
    for column in columns:
        if column not in predictions.columns:
            raise UserError(
                f"{where}: there is no column {column!r}; needed are {', '.join(columns)}"
            )


def _sorted_keys(sequences: np.ndarray, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Order of the rows by (sequence, number), and which sorted rows repeat the one before."""
    codes = id_codes(sequences)
    order = np.lexsort((numbers, codes))
    same = np.zeros(len(order), dtype=bool)
    if len(order):
        same[1:] = (np.diff(codes[order]) == 0) & (np.diff(np.asarray(numbers)[order]) == 0)
    return order, same
