"""What coded video looks like in figures: measured on any table of labels.

These are the figures that the label model was fitted to, so that what comes out can be held against
what was aimed at; on a licensed dataset they tell how far the synthetic one is from it. Unknown
labels are left out; nothing is counted across the border of two sequences.

Legend: N frames, L action units.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.data.frames import FrameTable

LAGS = (1, 10, 50, 250)


@dataclass(frozen=True, kw_only=True, eq=False)
class Figures:
    """Aggregate figures of a dataset's labels; arrays in the order of ``aus``.

    Attributes:
        base_rate: (L,) share of the known frames in which the AU is present.
        phi: (L, L) correlation of presence.
        autocorrelation: lag in frames: (L,) correlation of presence with itself that much later.
        median_event: (L,) median frames of an unbroken run of presence; NaN if there is none.
        subject_sd: (L,) standard deviation of the people's base rates.
        always_on, never_on: (L,) share of the sequences that the AU fills, or is absent from.
    """

    aus: tuple[int, ...]
    base_rate: np.ndarray
    phi: np.ndarray
    autocorrelation: dict[int, np.ndarray]
    median_event: np.ndarray
    subject_sd: np.ndarray
    always_on: np.ndarray
    never_on: np.ndarray


def targets() -> dict[str, Any]:
    """The figures of real coded video that ``lab`` and ``disfa`` were fitted to."""
    file = Path(__file__).parent / "targets.json"
    loaded: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return loaded


def figures(table: FrameTable) -> Figures:
    """Measures a table of labels."""
    labels = np.asarray(table.labels)
    known, present = labels != 0, (labels > 0).astype(np.float64)
    rate = present.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    change = np.flatnonzero(table.sequences[1:] != table.sequences[:-1]) + 1
    starts, stops = np.r_[0, change], np.r_[change, len(labels)]
    complete = known.all(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        phi = np.corrcoef(present[complete].T)
        lagged = {lag: _lagged(present, known, rate, starts, stops, lag) for lag in LAGS}
    _, owner = np.unique(table.subjects.astype(str), return_inverse=True)
    counts = np.stack([np.bincount(owner, known[:, i]) for i in range(labels.shape[1])], 1)
    hits = np.stack([np.bincount(owner, present[:, i]) for i in range(labels.shape[1])], 1)
    sequences_on = np.stack(
        [(labels[a:b] > 0).sum(axis=0) for a, b in zip(starts, stops, strict=True)]
    )
    sequences_known = np.stack([known[a:b].sum(axis=0) for a, b in zip(starts, stops, strict=True)])
    return Figures(
        aus=table.aus,
        base_rate=rate,
        phi=phi,
        autocorrelation=lagged,
        median_event=median_events(table),
        subject_sd=(hits / np.maximum(counts, 1)).std(axis=0),
        always_on=((sequences_on == sequences_known) & (sequences_known > 0)).mean(axis=0),
        never_on=(sequences_on == 0).mean(axis=0),
    )


def _lagged(
    present: np.ndarray,
    known: np.ndarray,
    rate: np.ndarray,
    starts: np.ndarray,
    stops: np.ndarray,
    lag: int,
) -> np.ndarray:
    """Correlation over all pairs of frames of one sequence that lie ``lag`` apart."""
    later = np.concatenate(
        [np.arange(a + lag, max(b, a + lag)) for a, b in zip(starts, stops, strict=True)]
    )
    first, second = present[later - lag] - rate, present[later] - rate
    both = known[later - lag] & known[later]
    together = (first * second * both).sum(axis=0) / both.sum(axis=0)
    return np.asarray(together / (rate * (1 - rate)))


def median_events(table: FrameTable) -> np.ndarray:
    """(L,) median frames of an unbroken run of presence; NaN where there is none."""
    present = np.asarray(table.labels) > 0
    border = np.r_[True, table.sequences[1:] != table.sequences[:-1]]
    medians = []
    for on in present.T:
        begins = np.flatnonzero(on & (border | ~np.r_[False, on[:-1]]))
        ends = np.flatnonzero(on & (np.r_[border[1:], True] | ~np.r_[on[1:], False]))
        medians.append(np.median(ends - begins + 1) if len(begins) else np.nan)
    return np.array(medians)
