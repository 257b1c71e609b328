"""Event F1: how well runs of present frames are found (Ding, Chu, De la Torre, Cohn, Wang: Facial
action unit event detection by cascade of tasks, ICCV 2013; semantics of the authors' code).

An event is a longest run of present frames; G are those of the labels, Q those of the decisions.

    o(g) = share of the frames of true event g that are decided present
    o(q) = share of the frames of decided event q that are labelled present
    ER(t) = share of G with o >= t        EP(t) = share of Q with o >= t
    F1E(t) = 2 ER EP / (ER + EP),  t = 0, .01, ..., 1

So overlap is coverage and no intersection over union, and nothing is matched one to one: several
decided events may together cover a true one. Events never cross sequences; counts are added over
sequences before the ratios (``event_videos="macro"``: a curve per sequence, then their mean).

Where the source leaves a choice, or its code slips:
- F1E is 0 where ER + EP is 0 (there NaN), undefined where there is neither a true nor a decided
  event, and 0 where there is only one kind.
- ``event_missing``: a frame with unknown label ends a run of both kinds (``"break"``), is cut out
  so that its neighbours meet (``"concat"``, the authors' demonstration), or is cut out only in gaps
  of at most ``bridge_frames`` (``"bridge"``). In no case does it count in an overlap.
- ``event_theta0``: at t = 0 every event counts (``"ge"``), or only one with some overlap
  (``"gt_at_zero"``).
- ``event_integrator``: area by ``"trapz"`` or by the authors' ``"left"`` sum.

Everything is counted in whole numbers: an event of n frames, h of them covered, reaches every
threshold up to floor(100 h / n), so no rounding decides at a threshold.

Legend: N frames, L action units, U units (subjects or sequences), T the 101 thresholds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.errors import UserError
from harness.metrics.event_runs import in_order_of_time, longest_gap, runs_of
from harness.metrics.id_codes import id_codes
from harness.metrics.undefined import check_choice, fill_undefined, mean_of_defined, ratio
from harness.metrics.validate import check_pair

THETAS = np.arange(101) / 100
THETA0 = ("ge", "gt_at_zero")
INTEGRATORS = ("trapz", "left")
VIDEOS = ("micro", "macro")


@dataclass(frozen=True, kw_only=True, eq=False)
class EventF1:
    """Event F1 per AU.

    Attributes:
        curve: (L, 101) F1E at overlap thresholds 0, .01, ..., 1.
        area: (L,) area under the curve.
        at_half: (L,) F1E at threshold .5.
        true_events, decided_events: int64 (L,) how many there are.
    """

    curve: np.ndarray
    area: np.ndarray
    at_half: np.ndarray
    true_events: np.ndarray
    decided_events: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class EventCounts:
    """Counts that add up over units: events (..., L), and those that reach each threshold
    (..., L, 101)."""

    true: np.ndarray
    decided: np.ndarray
    true_at: np.ndarray
    decided_at: np.ndarray

    def weighted(self, weights_BU: np.ndarray) -> EventCounts:
        """Counts of resamples that hold unit u ``weights_BU[b, u]`` times."""
        return EventCounts(
            true=weights_BU @ self.true,
            decided=weights_BU @ self.decided,
            true_at=_weighted(weights_BU, self.true_at),
            decided_at=_weighted(weights_BU, self.decided_at),
        )

    def curve(self) -> np.ndarray:
        """F1E (..., L, 101)."""
        recall = ratio(self.true_at, self.true[..., None])
        precision = ratio(self.decided_at, self.decided[..., None])
        f1 = np.nan_to_num(ratio(2 * recall * precision, recall + precision), nan=0.0)
        return np.where(((self.true > 0) | (self.decided > 0))[..., None], f1, np.nan)


def event_f1(
    labels: np.ndarray,
    scores: np.ndarray,
    sequences: np.ndarray,
    *,
    numbers: np.ndarray | None = None,
    threshold: float | np.ndarray = 0.0,
    event_missing: str = "break",
    bridge_frames: int | None = None,
    event_theta0: str = "ge",
    event_integrator: str = "trapz",
    event_videos: str = "micro",
    undefined: str = "nan",
) -> EventF1:
    """Event F1 per AU.

    Args:
        sequences: (N,) ids. The frames of a sequence need not stand together, but in order of time
            unless ``numbers`` are given.
        numbers: (N,) frame numbers; frames are put in their order, and a jump (against the
            commonest step) is a gap of unknown frames.
        threshold: of the scores; a number, (L,), or (N, L).

    Options are told at the top of this file.
    """
    check_choice("event_videos", event_videos, VIDEOS)
    units_N = id_codes(sequences) if event_videos == "macro" else None
    counts = event_counts(
        labels,
        scores,
        sequences,
        units=units_N,
        num_units=1 if units_N is None else int(units_N.max(initial=-1)) + 1,
        numbers=numbers,
        threshold=threshold,
        event_missing=event_missing,
        bridge_frames=bridge_frames,
        event_theta0=event_theta0,
    )
    curve_LT = fill_undefined(mean_of_defined(counts.curve(), axis=0), undefined)
    return EventF1(
        curve=curve_LT,
        area=area_under(curve_LT, event_integrator),
        at_half=at_half(curve_LT),
        true_events=counts.true.sum(axis=0),
        decided_events=counts.decided.sum(axis=0),
    )


def event_f1_area(
    labels: np.ndarray,
    scores: np.ndarray,
    sequences: np.ndarray,
    *,
    numbers: np.ndarray | None = None,
    threshold: float | np.ndarray = 0.0,
    event_missing: str = "break",
    bridge_frames: int | None = None,
    event_theta0: str = "ge",
    event_integrator: str = "trapz",
    event_videos: str = "micro",
    undefined: str = "nan",
) -> np.ndarray:
    """Area under the event F1 curve per AU (L,). See ``event_f1``."""
    return event_f1(
        labels,
        scores,
        sequences,
        numbers=numbers,
        threshold=threshold,
        event_missing=event_missing,
        bridge_frames=bridge_frames,
        event_theta0=event_theta0,
        event_integrator=event_integrator,
        event_videos=event_videos,
        undefined=undefined,
    ).area


def event_f1_at_half(
    labels: np.ndarray,
    scores: np.ndarray,
    sequences: np.ndarray,
    *,
    numbers: np.ndarray | None = None,
    threshold: float | np.ndarray = 0.0,
    event_missing: str = "break",
    bridge_frames: int | None = None,
    event_videos: str = "micro",
    undefined: str = "nan",
) -> np.ndarray:
    """Event F1 at overlap threshold .5 per AU (L,). See ``event_f1``."""
    return event_f1(
        labels,
        scores,
        sequences,
        numbers=numbers,
        threshold=threshold,
        event_missing=event_missing,
        bridge_frames=bridge_frames,
        event_videos=event_videos,
        undefined=undefined,
    ).at_half


def area_under(curve: np.ndarray, event_integrator: str = "trapz") -> np.ndarray:
    """Area under curves (..., 101) on [0, 1]."""
    check_choice("event_integrator", event_integrator, INTEGRATORS)
    if event_integrator == "left":
        return curve[..., :-1].sum(axis=-1) / 100
    return (curve[..., 1:-1].sum(axis=-1) + (curve[..., 0] + curve[..., -1]) / 2) / 100


def at_half(curve: np.ndarray) -> np.ndarray:
    """The value of curves (..., 101) at overlap threshold .5."""
    return curve[..., 50]


def event_counts(
    labels: np.ndarray,
    scores: np.ndarray,
    sequences: np.ndarray,
    *,
    units: np.ndarray | None = None,
    num_units: int = 1,
    numbers: np.ndarray | None = None,
    threshold: float | np.ndarray = 0.0,
    event_missing: str = "break",
    bridge_frames: int | None = None,
    event_theta0: str = "ge",
) -> EventCounts:
    """Counts (U, L) and (U, L, 101); ``units`` (N,) says which of 0 ... U-1 a frame belongs to (all
    frames of a sequence to the same)."""
    check_choice("event_theta0", event_theta0, THETA0)
    labels_NL, scores_NL = check_pair(labels, scores)
    if len(sequences) != len(labels_NL):
        raise UserError(f"{len(sequences)} sequence ids do not fit {len(labels_NL)} frames")
    steps_over = longest_gap(event_missing, bridge_frames)
    units_N = np.zeros(len(labels_NL), np.int64) if units is None else units
    order, sequence_N, gap_N = in_order_of_time(sequences, numbers)
    decided_NL = scores_NL > threshold
    if order is not None:
        labels_NL, decided_NL, units_N = labels_NL[order], decided_NL[order], units_N[order]
    num_aus = labels_NL.shape[1]
    true_UL = np.zeros((num_units, num_aus), np.int64)
    decided_UL = np.zeros((num_units, num_aus), np.int64)
    true_at_ULT = np.zeros((num_units, num_aus, 101), np.int64)
    decided_at_ULT = np.zeros((num_units, num_aus, 101), np.int64)
    gaps_before_N = np.cumsum(gap_N)
    for au in range(num_aus):
        known = np.flatnonzero(labels_NL[:, au])
        true = labels_NL[known, au] > 0
        decided = decided_NL[known, au]
        sequence, unit = sequence_N[known], units_N[known]
        missing = np.diff(known) - 1 + np.diff(gaps_before_N[known])
        fresh = np.ones(len(known) + 1, dtype=bool)  # no run goes on from the frame before
        fresh[1:-1] = (sequence[1:] != sequence[:-1]) | (missing > steps_over)
        for events, other, number_UL, reached_ULT in (
            (true, decided, true_UL, true_at_ULT),
            (decided, true, decided_UL, decided_at_ULT),
        ):
            starts, stops = runs_of(events, fresh)
            covered = np.r_[0, np.cumsum(other)]
            hits = covered[stops] - covered[starts]
            level = 100 * hits // (stops - starts)
            unit_of_event = unit[starts]
            histogram_UT = np.bincount(unit_of_event * 101 + level, minlength=num_units * 101)
            histogram_UT = histogram_UT.reshape(num_units, 101)
            reached_ULT[:, au] = histogram_UT[:, ::-1].cumsum(axis=1)[:, ::-1]
            number_UL[:, au] = reached_ULT[:, au, 0]
            if event_theta0 == "gt_at_zero":
                none = np.bincount(unit_of_event[hits == 0], minlength=num_units)
                reached_ULT[:, au, 0] -= none
    return EventCounts(
        true=true_UL, decided=decided_UL, true_at=true_at_ULT, decided_at=decided_at_ULT
    )


def _weighted(weights_BU: np.ndarray, at_ULT: np.ndarray) -> np.ndarray:
    num_units, *rest = at_ULT.shape
    flat = weights_BU.astype(np.float64) @ at_ULT.reshape(num_units, -1).astype(np.float64)
    return flat.reshape(len(weights_BU), *rest)
