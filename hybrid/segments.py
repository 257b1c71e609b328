"""Sequences of different lengths as one packed batch, and training windows as bags of segments.

A reset of the state at a sequence's border makes the parts on both sides independent. So a window
that runs through several sequences is nothing but several segments that each start from zero, and a
mini-batch of windows is one packed batch of segments: no padding, no masks, one call of the LSTM.

What always holds: packing is a permutation of the rows; at packed time t the segments are in order
of decreasing length, so those that are still running are the first ``batch_sizes[t]``.

Legend: M rows in all segments, T steps of the longest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True)
class Packing:
    """Rows of segments in packed order.

    Attributes:
        order_M: int64, the row that stands at each packed place.
        time_M: int64, how many rows of its segment come before it.
        batch_sizes_T: int64, segments still running at each step.
    """

    order_M: np.ndarray
    time_M: np.ndarray
    batch_sizes_T: np.ndarray

    def split(self, step: int) -> tuple[Packing, Packing]:
        """The steps before ``step``, and those from it on (which only longer segments have)."""
        cut = int(self.batch_sizes_T[:step].sum())
        return (
            Packing(
                order_M=self.order_M[:cut],
                time_M=self.time_M[:cut],
                batch_sizes_T=self.batch_sizes_T[:step],
            ),
            Packing(
                order_M=self.order_M[cut:],
                time_M=self.time_M[cut:],
                batch_sizes_T=self.batch_sizes_T[step:],
            ),
        )


def pack(starts_S: np.ndarray, lengths_S: np.ndarray) -> Packing:
    """Packs the segments of rows ``starts_S[i] .. starts_S[i] + lengths_S[i] - 1``."""
    by_length = np.argsort(-np.asarray(lengths_S), kind="stable")
    starts_S = np.asarray(starts_S, np.int64)[by_length]
    lengths_S = np.asarray(lengths_S, np.int64)[by_length]
    times_T = np.arange(lengths_S.max(initial=0))[:, None]
    running_TS = times_T < lengths_S
    return Packing(
        order_M=(starts_S + times_T)[running_TS],
        time_M=np.broadcast_to(times_T, running_TS.shape)[running_TS],
        batch_sizes_T=running_TS.sum(1),
    )


def runs(values_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(starts, lengths) of the runs of equal neighbouring values."""
    if not len(values_N):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    starts = np.flatnonzero(np.r_[True, values_N[1:] != values_N[:-1]])
    return starts, np.diff(np.r_[starts, len(values_N)])


def places_in_batch(
    lengths_S: np.ndarray, first_rows_W: np.ndarray, lengths_W: np.ndarray
) -> np.ndarray:
    """int64 (S,): where each segment begins in the numbering of a global mini-batch's rows.

    Args:
        lengths_S: of the segments of some windows, window by window.
        first_rows_W, lengths_W: where those windows stand in the numbering, and their lengths.
    """
    within_own = np.cumsum(lengths_S) - lengths_S
    begins_own = np.cumsum(lengths_W) - lengths_W
    window = np.searchsorted(begins_own, within_own, side="right") - 1
    return np.asarray(within_own - begins_own[window] + first_rows_W[window])
