"""REMEDIAL: frames in which rare and frequent AUs concur are split into one of each.

Charte, Rivera, del Jesus and Herrera (2019). A frame whose SCUMBLE is above the mean is taken
twice: once with its minority AUs only, once with its majority AUs only. In fully coded FACS data
an AU left out would be a false absence; so it becomes unknown (0), which losses and metrics leave
out.

What always holds: no label changes but from +1 to 0; of a split frame's two rows, every AU is
present in exactly one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sampling.checked import checked_labels
from sampling.imbalance import minority_labels, scumble


def remedial(labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The decoupled dataset.

    Args:
        labels: (N, L) in {-1, 0, +1}.

    Returns:
        Rows int64 (M,), indices into the old dataset: all of them, then the split ones again; and
        their labels int8 (M, L).

    Raises:
        ValueError: wrong labels.
    """
    labels_NL = checked_labels(labels)
    has_NL = labels_NL > 0
    minority_L = minority_labels(has_NL.sum(axis=0))
    scumble_N = scumble(labels_NL)
    mixed_N = has_NL[:, minority_L].any(axis=1) & has_NL[:, ~minority_L].any(axis=1)
    split = np.flatnonzero(mixed_N & (scumble_N > scumble_N.mean()))

    first_NL, second_ML = labels_NL.copy(), labels_NL[split]
    first_NL[split] = np.where(has_NL[split] & ~minority_L, 0, labels_NL[split])
    second_ML = np.where(has_NL[split] & minority_L, 0, second_ML).astype(np.int8)
    return np.concatenate((np.arange(len(labels_NL)), split)), np.concatenate((first_NL, second_ML))
