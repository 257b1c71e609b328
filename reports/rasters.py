"""Labels and decisions of one sequence, frame by frame, kept for the raster figure.

The sequence is the one that was asked for, else the one with the most changes of label, summed over
AUs (the first by name of equal ones), so that every method of a setting shows the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.metrics import ScoredFrames
from harness.metrics.id_codes import id_codes_and_names

MAX_FRAMES = 1500


@dataclass(frozen=True, kw_only=True, eq=False)
class Raster:
    """``labels_TL`` in {-1, 0, +1} and ``decided_TL`` booleans in order of time; ``numbers`` are
    the frame numbers."""

    sequence: str
    numbers: np.ndarray
    labels_TL: np.ndarray
    decided_TL: np.ndarray


def raster_of(test: ScoredFrames, video: str = "") -> Raster:
    """The raster of the sequence ``video``, or if it is not tested here of the busiest; at most
    ``MAX_FRAMES``, its first."""
    codes_N, names = id_codes_and_names(test.sequences)
    order = np.lexsort((test.numbers, codes_N))
    labels_NL, codes_N = test.labels[order], codes_N[order]
    same_N = codes_N[1:] == codes_N[:-1]
    changes_N = (labels_NL[1:] != labels_NL[:-1]).sum(axis=1) * same_N
    per_sequence = np.bincount(codes_N[1:], changes_N, minlength=len(names))
    chosen = names.index(video) if video in names else int(np.argmax(per_sequence))
    rows = order[codes_N == chosen][:MAX_FRAMES]
    return Raster(
        sequence=names[chosen],
        numbers=test.numbers[rows],
        labels_TL=test.labels[rows],
        decided_TL=test.scores[rows] > 0,
    )
