"""What is in the batches: the dashboard of any batch stream. The paper, section 5, Figs. 5 and 6.

One pass over the batches counts AUs by batch and draws by frame; everything else follows from
these. What always holds: a stream is only iterated, so any iterable of index arrays will do.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sampling.checked import checked_labels


@dataclass(frozen=True, kw_only=True)
class Composition:
    """Counts over B batches, and the figures that follow from them.

    Attributes:
        counts_BL: positives of each AU in each batch.
        known_BL: known labels (-1 or +1) of each AU in each batch.
        sizes_B: frames in each batch.
        draws_N: how often each frame was drawn.
    """

    counts_BL: np.ndarray
    known_BL: np.ndarray
    sizes_B: np.ndarray
    draws_N: np.ndarray

    @property
    def between_batch_cv_L(self) -> np.ndarray:
        """Coefficient of variation of each AU's share of the batch, between batches; nan for an
        AU that never occurs. Shares, so that a small last batch is no outlier."""
        share_BL = self.counts_BL / self.sizes_B[:, None]
        mean_L = share_BL.mean(axis=0)
        return np.where(mean_L > 0, share_BL.std(axis=0) / np.where(mean_L > 0, mean_L, 1), np.nan)

    @property
    def within_batch_ratio_B(self) -> np.ndarray:
        """Count of the most frequent AU over that of the rarest, in each batch.

        Over AUs that occur in any batch; an AU missing from a batch counts as one frame, so that
        the ratio stays finite. nan where no AU occurs at all.
        """
        occurring_BL = self.counts_BL[:, self.counts_BL.any(axis=0)]
        if not occurring_BL.size:
            return np.full(len(self.counts_BL), np.nan)
        return occurring_BL.max(axis=1) / np.maximum(occurring_BL.min(axis=1), 1)

    @property
    def base_rates_L(self) -> np.ndarray:
        """Share of present among known labels over all batches; nan where none is known."""
        known_L = self.known_BL.sum(axis=0)
        return np.where(known_L > 0, self.counts_BL.sum(axis=0) / np.maximum(known_L, 1), np.nan)

    @property
    def share_used(self) -> float:
        """Share of the frames that were drawn at least once."""
        return float(np.count_nonzero(self.draws_N) / len(self.draws_N))

    @property
    def max_reuse(self) -> int:
        """How often the frame that was drawn most was drawn."""
        return int(self.draws_N.max())

    def summary(self) -> dict[str, float]:
        """The dashboard by name: the mean over AUs of the variation between batches, the median
        over batches of the ratio within (where one rare AU is missing, a mean would jump), the
        share of frames used, the draws of the most used frame, and the share of draws that
        repeat an earlier one."""
        cv_L, ratio_B = self.between_batch_cv_L, self.within_batch_ratio_B
        cv_L, ratio_B = cv_L[~np.isnan(cv_L)], ratio_B[~np.isnan(ratio_B)]
        num_used, num_draws = np.count_nonzero(self.draws_N), int(self.draws_N.sum())
        return {
            "between_batch_cv": float(cv_L.mean()) if cv_L.size else float("nan"),
            "within_batch_ratio": float(np.median(ratio_B)) if ratio_B.size else float("nan"),
            "share_used": self.share_used,
            "max_reuse": float(self.max_reuse),
            "repeated_draws": float(1 - num_used / num_draws),
        }


def composition(labels: ArrayLike, batches: Iterable[np.ndarray]) -> Composition:
    """Counts what is in the batches of a stream, or of any iterable of index arrays.

    Args:
        labels: (N, L) in {-1, 0, +1}.
        batches: arrays of frame indices below N, none of them empty.

    Raises:
        ValueError: wrong labels, no batch, or an empty one.
    """
    labels_NL = checked_labels(labels)
    has_NL, is_known_NL = labels_NL > 0, labels_NL != 0
    counts, known, sizes = [], [], []
    draws_N = np.zeros(len(labels_NL), dtype=np.int64)
    for batch_B in batches:
        counts.append(np.count_nonzero(has_NL[batch_B], axis=0))
        known.append(np.count_nonzero(is_known_NL[batch_B], axis=0))
        sizes.append(len(batch_B))
        draws_N += np.bincount(batch_B, minlength=len(draws_N))
    if not sizes or min(sizes) == 0:
        raise ValueError(f"there must be batches, none of them empty; sizes are {sizes[:8]}")
    return Composition(
        counts_BL=np.array(counts),
        known_BL=np.array(known),
        sizes_B=np.array(sizes),
        draws_N=draws_N,
    )


def batch_counts(labels: ArrayLike, batches: Iterable[np.ndarray]) -> np.ndarray:
    """Positives of each AU in each batch, int64 (B, L): the bars of Fig. 6."""
    return composition(labels, batches).counts_BL
