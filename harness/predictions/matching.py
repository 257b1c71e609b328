"""Predictions joined with a dataset's frames by key (subject, sequence, number).

Everything that does not fit is one line with its count and its first three cases, and nothing is
passed over: frames that only one side has, a key that comes twice, another frame rate, numbers that
are none or out of range.

A sequence ``bp4d:F001/T1`` may also be called ``F001/T1`` or ``F001_T1`` in the files, where no
other sequence could be meant.

Legend: N frames of the dataset, M rows of the files, L action units to score, K of them predicted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.data.frames import FrameTable
from harness.errors import UserError
from harness.predictions.formats import Predictions
from harness.predictions.kinds import RANGES, out_of_range, threshold_of, to_scores

RATE_SLACK = 0.1
"""A sequence whose number of rows is further than this from its number of frames, as a share, was
predicted at another frame rate."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Matched:
    """Scores of every frame of a dataset.

    Attributes:
        aus: AUs to score; ``predicted`` those of them that the files have.
        scores: float32 (N, L), > 0 means present; 0 in the columns that are not predicted.
        notes: what does not match and what was made of it, in sentences.
    """

    aus: tuple[int, ...]
    predicted: tuple[int, ...]
    scores: np.ndarray
    notes: tuple[str, ...]


def match(
    predictions: Predictions,
    table: FrameTable,
    aus: Sequence[int],
    *,
    kind: str,
    threshold: float | None = None,
    frame_offset: int | None = None,
    absent_where_missing: bool = False,
    drop_extra: bool = False,
) -> Matched:
    """The predictions as scores of the frames of a dataset.

    Args:
        aus: AUs to score.
        kind, threshold: what the numbers mean (see ``harness.predictions.kinds``).
        frame_offset: frame number of the dataset = number in the files + this; None counts the
            dataset's frames from 1 and the files' as their format does.
        absent_where_missing: a labelled frame without a prediction, or in which the toolkit found
            no face, counts as 0 (absent) in place of being refused.
        drop_extra: rows of frames that the dataset does not have are left out in place of being
            refused.

    Raises:
        UserError: whatever does not match, with its count and first three cases.
    """
    chosen = threshold_of(kind, threshold)
    if absent_where_missing and kind == "score":
        raise UserError("--missing absent: kind 'score' has no number that means absent")
    predicted = tuple(au for au in aus if au in predictions.aus)
    if not predicted:
        raise UserError(
            f"the predictions have AUs {_listed(predictions.aus)}, the dataset {_listed(aus)}: "
            "none is in both"
        )
    offset = 1 - predictions.first if frame_offset is None else frame_offset
    notes = [_what_was_read(predictions, kind, chosen, offset)]
    rows_of, extra = _joined(predictions, table, offset, drop_extra)
    if extra:
        notes.append(f"{extra:,} rows of frames that the dataset does not have were left out")
    if len(predicted) < len(aus):
        lacking = [au for au in aus if au not in predicted]
        notes.append(
            f"no predictions of AU{', AU'.join(map(str, lacking))}: not scored; the means are over "
            f"{len(predicted)} of {len(aus)} AUs"
        )
    columns = [predictions.aus.index(au) for au in predicted]
    found = rows_of >= 0
    found[found] = ~predictions.no_face[rows_of[found]]
    values_NK = np.zeros((len(rows_of), len(predicted)))
    values_NK[found] = predictions.values[rows_of[found]][:, columns]
    _check_values(values_NK, predicted, table, kind)
    missing = ~found
    if missing.any():
        labels = table.labels[:, [table.aus.index(au) for au in predicted]]
        needed = missing & ((labels != 0).any(axis=1) if len(labels) else True)
        notes += _missing(needed, missing, table, absent_where_missing)
    scores = np.zeros((len(rows_of), len(aus)), np.float32)
    scores[:, [aus.index(au) for au in predicted]] = to_scores(values_NK, kind, chosen)
    return Matched(aus=tuple(aus), predicted=predicted, scores=scores, notes=tuple(notes))


def _what_was_read(predictions: Predictions, kind: str, threshold: float, offset: int) -> str:
    files = "1 file" if predictions.num_files == 1 else f"{predictions.num_files} files"
    start = "above" if kind == "score" else "from"
    shift = f", {offset:+d} on frame numbers" if offset else ""
    return (
        f"read {len(predictions.numbers):,} rows in {files}, format {predictions.format}, as "
        f"{kind}: present {start} {threshold:g}{shift}"
    )


def _joined(
    predictions: Predictions, table: FrameTable, offset: int, drop_extra: bool
) -> tuple[np.ndarray, int]:
    """int64 (N,) row of the files for each frame, -1 where there is none; and how many rows the
    dataset has no frame for."""
    import pandas as pd

    ids, place_of_frame = np.unique(table.sequences.astype(str), return_inverse=True)
    subject_of = dict(zip(table.sequences.astype(str), table.subjects.astype(str), strict=True))
    names = sequence_names(ids, subject_of)
    place_of_id = {name: i for i, name in enumerate(ids)}
    given, which = _given_sequences(predictions)
    places = np.array([place_of_id.get(_resolve(g, names, subject_of), -1) for g in given])
    place_M = places[which]
    unknown = [_spoken(given[i]) for i in np.flatnonzero(places < 0)]
    if unknown and (not drop_extra or len(unknown) == len(given)):
        raise UserError(
            f"{len(unknown)} of {len(given)} sequences of the predictions are not in the dataset: "
            f"{first_three(unknown)} (it has {first_three(ids)})"
        )
    known_M = place_M >= 0
    numbers_M = predictions.numbers + offset
    keys_M = pd.MultiIndex.from_arrays([place_M[known_M], numbers_M[known_M]])
    if keys_M.has_duplicates:
        twice = keys_M[keys_M.duplicated()].unique()
        raise UserError(
            f"{len(twice)} frames stand in the predictions more than once: "
            f"{first_three(_key(ids[s], n) for s, n in twice)} (one face a frame is scored)"
        )
    if not drop_extra:
        _check_rate(ids, place_of_frame, place_M)
    keys_N = pd.MultiIndex.from_arrays([place_of_frame, table.numbers.astype(np.int64)])
    place_in_M = np.flatnonzero(known_M)
    rows = keys_M.get_indexer(keys_N)
    rows_of = np.where(rows >= 0, place_in_M[rows] if len(place_in_M) else -1, -1)
    extra = keys_N.get_indexer(keys_M) < 0
    num_extra = int(extra.sum()) + int((~known_M).sum())
    if extra.all():
        drop_extra = False
    if extra.any() and not drop_extra:
        hint = _offset_hint(place_of_frame, table.numbers, place_M[known_M], numbers_M[known_M])
        raise UserError(
            f"{int(extra.sum())} rows are of frames that the dataset does not have: "
            f"{first_three(_key(ids[s], n) for s, n in keys_M[extra])}; "
            + (hint or "--drop-extra leaves such rows out")
        )
    return rows_of, num_extra


def sequence_names(ids: Iterable[str], subject_of: dict[str, str]) -> dict[str, str]:
    """Sequence id by every name that can mean no other sequence."""
    names: dict[str, list[str]] = {}
    for sequence in ids:
        bare = sequence.split(":", 1)[-1]
        forms = {sequence, bare, bare.replace("/", "_"), bare.replace("/", "-")}
        for form in forms:
            names.setdefault(form, []).append(sequence)
    return {name: found[0] for name, found in names.items() if len(found) == 1}


def _given_sequences(
    predictions: Predictions,
) -> tuple[list[tuple[str, str | None]], np.ndarray]:
    """(sequence, subject) names of the files, each once, and which of them each row has."""
    import pandas as pd

    if predictions.subjects is None:
        codes, names = pd.factorize(predictions.sequences)
        return [(str(name), None) for name in names], codes
    pairs = pd.MultiIndex.from_arrays([predictions.sequences, predictions.subjects])
    codes, found = pd.factorize(pairs)
    return [(str(a), str(b)) for a, b in found], codes


def _resolve(
    given: tuple[str, str | None], names: dict[str, str], subject_of: dict[str, str]
) -> str:
    """The dataset's id of a sequence of the files; empty if it has none, or of another subject."""
    sequence, subject = given
    if subject is None:
        return names.get(sequence, "")
    found = names.get(f"{subject}/{sequence}") or names.get(sequence, "")
    owner = subject_of.get(found, "")
    return found if subject in (owner, owner.split(":", 1)[-1]) else ""


def _check_rate(ids: np.ndarray, place_of_frame: np.ndarray, place_M: np.ndarray) -> None:
    """Refuses predictions most of whose sequences have another number of frames."""
    frames = np.bincount(place_of_frame, minlength=len(ids))
    rows = np.bincount(place_M[place_M >= 0], minlength=len(ids))
    shared = np.flatnonzero(rows > 0)
    odd = shared[np.abs(rows[shared] / frames[shared] - 1) > RATE_SLACK]
    if len(odd) * 2 > len(shared):
        cases = [f"{ids[i]}: {rows[i]} rows for {frames[i]} frames" for i in odd]
        raise UserError(
            f"{len(odd)} of {len(shared)} sequences have another number of frames than the "
            f"dataset: {first_three(cases)}; predict at the dataset's frame rate, or, if only part "
            "of each video is coded, use --drop-extra"
        )


def _offset_hint(
    frame_place: np.ndarray,
    frame_numbers: np.ndarray,
    row_place: np.ndarray,
    row_numbers: np.ndarray,
) -> str:
    """What --frame-offset would need if every sequence is shifted by the same number of frames."""
    shifts = Counter(
        int(frame_numbers[frame_place == place].min() - row_numbers[row_place == place].min())
        for place in np.unique(row_place)
    )
    if len(shifts) != 1:
        return ""
    (shift,) = shifts
    shifted = set(zip(row_place.tolist(), (row_numbers + shift).tolist(), strict=True))
    if shift == 0 or not shifted <= set(
        zip(frame_place.tolist(), frame_numbers.tolist(), strict=True)
    ):
        return ""
    return f"all sequences begin {shift:+d} frames apart: --frame-offset shifts them"


def _check_values(
    values_NK: np.ndarray, predicted: Sequence[int], table: FrameTable, kind: str
) -> None:
    for bad_NK, what in (
        (np.isnan(values_NK), "not numbers (NaN or text)"),
        (out_of_range(values_NK, kind), f"no {kind}, which is {RANGES[kind]}"),
    ):
        if bad_NK.any():
            cases = [
                f"AU{predicted[column]} = {values_NK[row, column]:g} in "
                f"{_key(table.sequences[row], table.numbers[row])}"
                for row, column in np.argwhere(bad_NK)[:4]
            ]
            raise UserError(f"{int(bad_NK.sum())} predictions are {what}: {first_three(cases)}")


def _missing(needed: np.ndarray, missing: np.ndarray, table: FrameTable, absent: bool) -> list[str]:
    """What is said of frames without a prediction; refused where they are labelled."""
    notes = []
    rows = np.flatnonzero(needed)
    cases = first_three(_key(table.sequences[i], table.numbers[i]) for i in rows[:4])
    if len(rows) and not absent:
        raise UserError(
            f"{len(rows)} of {len(table.numbers)} frames have labels but no prediction: {cases}; "
            "--missing absent counts them as absent"
        )
    if len(rows):
        notes.append(
            f"{len(rows):,} labelled frames have no prediction: counted as absent: {cases}"
        )
    rest = int((missing & ~needed).sum())
    if rest:
        notes.append(f"{rest:,} frames without labels have no prediction: of no consequence")
    return notes


def first_three(cases: Iterable[object]) -> str:
    """The first three of some cases, with dots if there are more."""
    listed = [str(case) for _, case in zip(range(4), cases, strict=False)]
    return ", ".join(listed[:3]) + (", ..." if len(listed) > 3 else "")


def _key(sequence: object, number: object) -> str:
    return f"{sequence} frame {number}"


def _spoken(given: tuple[str, str | None]) -> str:
    return repr(given[0]) if given[1] is None else f"{given[0]!r} of {given[1]!r}"


def _listed(aus: Iterable[int]) -> str:
    return ", ".join(map(str, aus))
