"""Which sub-sequences the LSTMs train on (section 4.2): 1,300 frames each, active ones only.

BP4D's sequences are shorter than 1,300 frames, so a window has to run through several of a
subject's (A-5.6). Windows in which fewer than ``min_active`` AUs are present a frame are never
drawn, or the network would learn to say no.

What always holds: a window is one run of rows of one subject; with ``pad`` of one sequence; the
rate of present AUs counts frames with a known label only and costs O(1) a window.

Legend: N rows, W windows that may be drawn, S segments of some windows.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from harness.data.frames import FrameSet
from harness.errors import UserError
from hybrid.options import SequenceOptions
from hybrid.segments import runs

log = logging.getLogger(__name__)
TOP_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Admissible windows of a training part.

    Attributes:
        starts_W, lengths_W: int64, first row and number of rows of each window.
        borders_N: bool, whether the LSTM's state is reset before a row (besides a window's first).
        num_frames: rows of the training part.
    """

    starts_W: np.ndarray
    lengths_W: np.ndarray
    borders_N: np.ndarray
    num_frames: int

    def draw(self, num: int, generator: np.random.Generator) -> np.ndarray:
        """``num`` windows, uniformly and independently; int64 indices."""
        return generator.integers(0, len(self.starts_W), num)

    def segments(self, windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(starts, lengths) of the stretches between resets in the given windows, in their
        order."""
        starts, lengths = [], []
        for window in windows:
            first, length = int(self.starts_W[window]), int(self.lengths_W[window])
            cuts = np.flatnonzero(self.borders_N[first + 1 : first + length]) + 1
            begins = np.r_[0, cuts]
            starts.append(first + begins)
            lengths.append(np.diff(np.r_[begins, length]))
        return np.concatenate(starts), np.concatenate(lengths)


def admissible_windows(train: FrameSet, options: SequenceOptions) -> Windows:
    """All windows of the training part that are active enough, or else the most active tenth."""
    labels_NL = train.labels
    sequence_starts, sequence_lengths = runs(train.sequences)
    if options.short != "concat_noreset":
        _check_lengths(train, sequence_starts, sequence_lengths, options.burn_in)
    within = train.sequences if options.short == "pad" else train.subjects
    starts, lengths = [], []
    for first, length in zip(*runs(within), strict=True):
        num = max(int(length) - options.window, 0) + 1
        starts.append(first + np.arange(num))
        lengths.append(np.full(num, min(options.window, int(length))))
    starts_W, lengths_W = np.concatenate(starts), np.concatenate(lengths)
    rate_W = _active_rate(labels_NL, starts_W, lengths_W)
    chosen_W = rate_W >= options.min_active
    if not chosen_W.any():
        num = max(int(len(rate_W) * TOP_SHARE), 1)
        chosen_W = np.zeros(len(rate_W), bool)
        chosen_W[np.argsort(-rate_W, kind="stable")[:num]] = True
        log.warning(
            "no window of %s has %.2f active AUs a frame; training on the %d most active (%.2f)",
            train.dataset,
            options.min_active,
            num,
            float(rate_W[chosen_W].mean()),
        )
    borders_N = np.zeros(len(train), bool)
    if options.short == "concat_subject":
        borders_N[sequence_starts] = True
    return Windows(
        starts_W=starts_W[chosen_W],
        lengths_W=lengths_W[chosen_W],
        borders_N=borders_N,
        num_frames=len(train),
    )


def _active_rate(labels_NL: np.ndarray, starts_W: np.ndarray, lengths_W: np.ndarray) -> np.ndarray:
    """Present AUs a labelled frame in each window; 0 where no frame is labelled."""
    present = np.r_[0, np.cumsum((labels_NL > 0).sum(1))]
    labelled = np.r_[0, np.cumsum((labels_NL != 0).any(1))]
    stops_W = starts_W + lengths_W
    count_W = labelled[stops_W] - labelled[starts_W]
    return (present[stops_W] - present[starts_W]) / np.maximum(count_W, 1)


def _check_lengths(train: FrameSet, starts: np.ndarray, lengths: np.ndarray, burn_in: int) -> None:
    short = np.flatnonzero(lengths <= burn_in)
    if len(short):
        name = train.sequences[starts[short[0]]]
        raise UserError(
            f"sequence {name!r} has {lengths[short[0]]} frames, no more than the burn-in of "
            f"{burn_in}, so it could teach nothing: leave it out, or lower burn_in"
        )
