"""Which training frames CPM and JPML learn from (open question A-1.5).

Earlier work had to leave frames out; ``per_subject`` does as it did, ``all`` does not.

What always holds: a frame that is not drawn for an AU has label 0 there, which is how every solver
here leaves it out; draws repeat by seed.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from baselines.imbalance import draw_per_subject
from harness.data.frames import FrameSet

Sample = Literal["per_subject", "ratio", "all"]


def drawn_labels(
    part: FrameSet, sample: Sample, per_subject: tuple[int, int], seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Labels int8 (N, L), 0 where a frame is not drawn for an AU; positions drawn for any AU.

    ``per_subject``: at most so many positives and negatives of each subject; ``ratio``: all
    positives, and twice as many negatives over all subjects.
    """
    labels_NL = part.labels
    if sample == "all":
        drawn_NL = labels_NL != 0
    elif sample == "ratio":
        drawn_NL = draw_per_subject(labels_NL, np.zeros(len(part)), seed, ratio=2.0)
    else:
        positives, negatives = per_subject
        drawn_NL = draw_per_subject(
            labels_NL, part.subjects, seed, positives=positives, negatives=negatives
        )
    return labels_NL * drawn_NL, np.flatnonzero(drawn_NL.any(axis=1))
