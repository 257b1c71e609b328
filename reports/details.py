"""What only the full report measures: further metrics, other poolings and thresholds, curves.

Legend: L action units, U subjects, F folds, T the 101 overlap thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.metrics import ScoredFrames, event_f1, frame_f1
from harness.metrics.confusion import Confusion, confusion_counts
from harness.metrics.frame_measures import (
    balanced_accuracy_of,
    cohen_kappa_of,
    f1_of,
    precision_of,
    recall_of,
    s_score_of,
    skew_normalised_f1_of,
)
from harness.metrics.ranking import OrderedPairs, Ranked, average_precision_of
from harness.metrics.thresholds import best_f1_thresholds
from harness.metrics.undefined import mean_of_defined
from reports.curves import PrecisionRecall, Reliability, precision_recall, reliability
from reports.folds import Fold
from reports.head_turn import HeadTurn, by_head_turn, mean_head_turn
from reports.rasters import Raster, raster_of

# Beside frame F1: all of them follow from the same four counts.
FROM_COUNTS: Mapping[str, Callable[[Confusion], np.ndarray]] = {
    "precision": precision_of,
    "recall": recall_of,
    "skew_normalised_f1": skew_normalised_f1_of,
    "balanced_accuracy": balanced_accuracy_of,
    "cohen_kappa": cohen_kappa_of,
    "s_score": s_score_of,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Details:
    """What only the full report asks for.

    Attributes:
        values: metric name to (L,), pooled: those of ``FROM_COUNTS``, average_precision,
            event_f1_area and event_f1_at_half.
        fold_f1: (F,) mean F1 over AUs of each fold, seeds averaged; ``folds`` their names.
        subject_f1: mean over subjects of the subject's mean F1; ``subject_sd`` their SD.
        validation_f1_L, oracle_f1_L: F1 under these threshold policies.
        always_f1_L: F1 of deciding "present" for every frame.
        event_curve_LT: event F1 over the overlap threshold.
        pairs: per seed, ordered pairs behind the AUC of every resample of subjects.
        precision_recall, reliability: curves of the first seed, an entry per AU.
        raster: labels and decisions of one sequence, first seed.
        head_turn: F1 by how far the head is turned; None where no pose was kept.
    """

    values: dict[str, np.ndarray]
    folds: tuple[str, ...]
    fold_f1: np.ndarray
    subject_f1: float
    subject_sd: float
    validation_f1_L: np.ndarray | None
    oracle_f1_L: np.ndarray
    always_f1_L: np.ndarray
    event_curve_LT: np.ndarray
    pairs: tuple[OrderedPairs, ...]
    precision_recall: tuple[PrecisionRecall, ...]
    reliability: tuple[Reliability, ...]
    raster: Raster
    head_turn: HeadTurn | None


def measure_details(
    folds: list[Fold],
    test: ScoredFrames,
    ranked_L: Sequence[Ranked],
    pairs: OrderedPairs,
    confusion: Confusion,
    video: str = "",
) -> Details:
    """Details of one seed; ``test`` are the test frames of all folds, ``ranked_L`` their order and
    ``pairs`` what follows from it, ``confusion`` their counts by subject, ``video`` the sequence
    whose raster is kept."""
    events = event_f1(test.labels, test.scores, test.sequences, numbers=test.numbers)
    by_subject_U = mean_of_defined(f1_of(confusion), axis=1)
    by_subject_U = by_subject_U[np.isfinite(by_subject_U)]
    total = total_of(confusion)
    none_L = np.zeros_like(total.tp)
    always = Confusion(tp=total.tp + total.fn, fp=total.fp + total.tn, fn=none_L, tn=none_L)
    have_validation = all(fold.validation is not None for fold in folds)
    return Details(
        values={
            **{name: measure(total) for name, measure in FROM_COUNTS.items()},
            "average_precision": average_precision_of(ranked_L),
            "event_f1_area": events.area,
            "event_f1_at_half": events.at_half,
        },
        folds=tuple(str(fold.test.folds[0]) for fold in folds),
        fold_f1=np.array(
            [mean_of_defined(frame_f1(f.test.labels, f.test.scores), axis=0) for f in folds]
        ),
        subject_f1=float(by_subject_U.mean()) if len(by_subject_U) else float("nan"),
        subject_sd=float(by_subject_U.std(ddof=1)) if len(by_subject_U) > 1 else float("nan"),
        validation_f1_L=(
            _under_policy(folds, lambda fold: fold.validation) if have_validation else None
        ),
        oracle_f1_L=_under_policy(folds, lambda fold: fold.test),
        always_f1_L=f1_of(always),
        event_curve_LT=events.curve,
        pairs=(pairs,),
        precision_recall=precision_recall(ranked_L),
        reliability=reliability(ranked_L),
        raster=raster_of(test, video),
        head_turn=by_head_turn(test, [fold.yaw for fold in folds]),
    )


def _under_policy(folds: list[Fold], part: Callable[[Fold], ScoredFrames | None]) -> np.ndarray:
    """F1 (L,) when each fold's thresholds are chosen on one of its parts."""
    counts = []
    for fold in folds:
        asked = part(fold)
        assert asked is not None
        thresholds_L = best_f1_thresholds(asked.labels, asked.scores)
        counts.append(confusion_counts(fold.test.labels, fold.test.scores, thresholds_L))
    return f1_of(added(counts))


def merge_details(seeds: Sequence[Details]) -> Details | None:
    """Details of several seeds: numbers averaged, curves of the first."""
    if not seeds:
        return None
    first = seeds[0]
    same_folds = [s for s in seeds if s.folds == first.folds]
    held_out = [s.validation_f1_L for s in seeds if s.validation_f1_L is not None]
    return Details(
        values={name: mean_of_seeds([s.values[name] for s in seeds]) for name in first.values},
        folds=first.folds,
        fold_f1=mean_of_seeds([s.fold_f1 for s in same_folds]),
        subject_f1=float(mean_of_seeds([np.array(s.subject_f1) for s in seeds])),
        subject_sd=float(mean_of_seeds([np.array(s.subject_sd) for s in seeds])),
        validation_f1_L=mean_of_seeds(held_out) if len(held_out) == len(seeds) else None,
        oracle_f1_L=mean_of_seeds([s.oracle_f1_L for s in seeds]),
        always_f1_L=first.always_f1_L,
        event_curve_LT=mean_of_seeds([s.event_curve_LT for s in seeds]),
        pairs=tuple(s.pairs[0] for s in seeds),
        precision_recall=first.precision_recall,
        reliability=first.reliability,
        raster=first.raster,
        head_turn=mean_head_turn([s.head_turn for s in seeds]),
    )


def total_of(counts: Confusion) -> Confusion:
    """Counts (L,) of all subjects together."""
    tp, fp, fn, tn = (part.sum(axis=0) for part in (counts.tp, counts.fp, counts.fn, counts.tn))
    return Confusion(tp=tp, fp=fp, fn=fn, tn=tn)


def added(counts: Sequence[Confusion]) -> Confusion:
    """Counts (L,) of several parts as one."""
    return Confusion(
        **{name: sum(getattr(one, name) for one in counts) for name in ("tp", "fp", "fn", "tn")}
    )


def mean_of_seeds(values: Sequence[np.ndarray]) -> np.ndarray:
    """Mean over seeds where it is defined."""
    return mean_of_defined(np.stack(values), axis=0)
