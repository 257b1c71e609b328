"""What is measured of one method in one setting, from the scores that its cells left.

The test parts of all folds are put together and measured once (pooling ``pooled``, the headline);
fold means and subject means stand beside it. Several seeds are measured apart and averaged. Scores
are read, reduced to counts and curves, and let go, so that memory does not grow with the sweep.

Legend: N frames, L action units, U subjects, F folds, T the 101 overlap thresholds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import UserError
from harness.metrics import ScoredFrames, average_precision, event_f1, frame_f1, roc_auc
from harness.metrics.confusion import Confusion, confusion_by_unit
from harness.metrics.footnote import frame_set_hash
from harness.metrics.frame_measures import (
    balanced_accuracy_of,
    cohen_kappa_of,
    f1_of,
    precision_of,
    recall_of,
    s_score_of,
    skew_normalised_f1_of,
)
from harness.metrics.id_codes import id_codes_and_names
from harness.metrics.ranking import OrderedPairs, pairs_in_order
from harness.metrics.thresholds import best_f1_thresholds
from harness.metrics.undefined import mean_of_defined
from harness.plan.jobs import Cell
from reports.curves import PrecisionRecall, Reliability, precision_recall, reliability
from reports.rasters import Raster, busiest_sequence
from reports.run_view import DAMAGE, RunView

if TYPE_CHECKING:
    import pandas as pd

THREADS = 2

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


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """One method in one setting.

    Attributes:
        planned, done: how many cells (folds × seeds) there are, and how many could be read.
        frame_set: hash of the evaluated frames; ``num_folds`` counts those tested in.
        subjects: (U,) names of the test subjects, in the order of the counts.
        f1_L, auc_L: pooled over folds, mean of seeds; NaN where undefined.
        confusion: per seed, counts (U, L) of each subject.
        present_L, known_L: frames in which the AU is present, and in which its label is known.
    """

    setting: str
    method: str
    aus: tuple[int, ...]
    planned: int
    done: int
    num_folds: int
    num_frames: int
    frame_set: str
    subjects: tuple[str, ...]
    f1_L: np.ndarray
    auc_L: np.ndarray
    confusion: tuple[Confusion, ...]
    present_L: np.ndarray
    known_L: np.ndarray
    details: Details | None

    @property
    def complete(self) -> bool:
        """Whether every cell is in it, so that it can be ranked."""
        return self.done == self.planned

    @property
    def mean_f1(self) -> float:
        """Mean F1 over the AUs where it is defined."""
        return float(mean_of_defined(self.f1_L, axis=0))

    @property
    def mean_auc(self) -> float:
        """Mean ROC AUC over the AUs where it is defined."""
        return float(mean_of_defined(self.auc_L, axis=0))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Fold:
    test: ScoredFrames
    validation: ScoredFrames | None


def measure_setting(
    run: RunView, setting: str, *, details: bool
) -> tuple[list[Measured], list[str]]:
    """Every method of a setting that has scores, in plan order, and a line for each oddity met."""
    cells: dict[str, list[Cell]] = {}
    for cell in run.plan.cells:
        if cell.setting == setting:
            cells.setdefault(cell.method, []).append(cell)
    # Sorting and reading leave Python's lock, so two threads are worth nearly two cores.
    with ThreadPoolExecutor(THREADS) as threads:
        found = threads.map(
            lambda method: measure_method(run, cells[method], details=details),
            [method for method in run.plan.methods if method in cells],
        )
        measured = [one for one in found if one is not None]
    return measured, _odd_frame_sets(measured)


def measure_method(run: RunView, cells: Sequence[Cell], *, details: bool) -> Measured | None:
    """One method in one setting, or None if no cell of it can be read."""
    by_seed: dict[int, list[_Fold]] = {}
    for cell in cells:
        fold = _read(run, cell, with_validation=details)
        if fold is not None:
            by_seed.setdefault(cell.seed, []).append(fold)
    seeds = [_measure_seed(folds, details=details) for _, folds in sorted(by_seed.items())]
    if not seeds:
        return None
    first = seeds[0]
    return Measured(
        setting=cells[0].setting,
        method=cells[0].method,
        aus=first.aus,
        planned=len(cells),
        done=sum(len(folds) for folds in by_seed.values()),
        num_folds=first.num_folds,
        num_frames=first.num_frames,
        frame_set=first.frame_set,
        subjects=first.subjects,
        f1_L=_mean([s.f1_L for s in seeds]),
        auc_L=_mean([s.auc_L for s in seeds]),
        confusion=tuple(s.confusion[0] for s in seeds if s.subjects == first.subjects),
        present_L=first.present_L,
        known_L=first.known_L,
        details=_merge([s.details for s in seeds if s.details is not None]) if details else None,
    )


def _read(run: RunView, cell: Cell, *, with_validation: bool) -> _Fold | None:
    table = run.scores(cell)
    if table is None:
        return None
    try:
        parts = table["part"].astype(str).to_numpy()
        test = scored_frames(table[parts == "test"], cell.fold)
        if not len(test):
            raise UserError("its scores hold no test frames")
        held_out = table[parts == "validation"] if with_validation else None
        validation = (
            scored_frames(held_out, cell.fold) if held_out is not None and len(held_out) else None
        )
        return _Fold(test=test, validation=validation)
    except DAMAGE as error:
        run.mark_damaged(cell.job, error)
        return None


def scored_frames(table: pd.DataFrame, fold: str) -> ScoredFrames:
    """Rows of a cell's scores as the metrics want them."""
    aus = tuple(int(name[8:]) for name in table.columns if name.startswith("label_AU"))
    if not aus:
        raise UserError("its scores have no label columns")
    return ScoredFrames(
        aus=aus,
        subjects=table["subject"].to_numpy(dtype=object),
        sequences=table["sequence"].to_numpy(dtype=object),
        numbers=table["number"].to_numpy(dtype=np.int64),
        folds=np.full(len(table), fold, dtype=object),
        labels=np.stack([table[f"label_AU{au}"].to_numpy(dtype=np.int8) for au in aus], axis=1),
        scores=np.stack([table[f"score_AU{au}"].to_numpy(dtype=np.float32) for au in aus], axis=1),
    )


def _measure_seed(folds: list[_Fold], *, details: bool) -> Measured:
    test = folds[0].test
    if len(folds) > 1:
        test = ScoredFrames.concatenate([fold.test for fold in folds])
        test = test.with_thresholds(np.zeros(()), "fixed")
    units_N, subjects = id_codes_and_names(test.subjects)
    confusion = confusion_by_unit(test.labels, test.scores, units_N, len(subjects))
    total = _sum(confusion)
    if details:
        pairs = pairs_in_order(test.labels, test.scores, units_N, len(subjects))
        auc_L = pairs.roc_auc(np.ones((1, len(subjects))))[0]
        more = _details(folds, test, pairs, confusion)
    else:
        auc_L, more = roc_auc(test.labels, test.scores), None
    present_L = total.tp + total.fn
    return Measured(
        setting="",
        method="",
        aus=test.aus,
        planned=len(folds),
        done=len(folds),
        num_folds=len(folds),
        num_frames=len(test),
        frame_set=frame_set_hash(test),
        subjects=subjects,
        f1_L=f1_of(total),
        auc_L=auc_L,
        confusion=(confusion,),
        present_L=present_L,
        known_L=present_L + total.fp + total.tn,
        details=more,
    )


def _sum(counts: Confusion) -> Confusion:
    """Counts (L,) of all subjects together."""
    tp, fp, fn, tn = (part.sum(axis=0) for part in (counts.tp, counts.fp, counts.fn, counts.tn))
    return Confusion(tp=tp, fp=fp, fn=fn, tn=tn)


def _details(
    folds: list[_Fold], test: ScoredFrames, pairs: OrderedPairs, confusion: Confusion
) -> Details:
    events = event_f1(test.labels, test.scores, test.sequences, numbers=test.numbers)
    by_subject_U = mean_of_defined(f1_of(confusion), axis=1)
    by_subject_U = by_subject_U[np.isfinite(by_subject_U)]
    total = _sum(confusion)
    none_L = np.zeros_like(total.tp)
    always = Confusion(tp=total.tp + total.fn, fp=total.fp + total.tn, fn=none_L, tn=none_L)
    have_validation = all(fold.validation is not None for fold in folds)
    return Details(
        values={
            **{name: measure(total) for name, measure in FROM_COUNTS.items()},
            "average_precision": average_precision(test.labels, test.scores),
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
            _under_policy(folds, test, lambda fold: fold.validation) if have_validation else None
        ),
        oracle_f1_L=_under_policy(folds, test, lambda fold: fold.test),
        always_f1_L=f1_of(always),
        event_curve_LT=events.curve,
        pairs=(pairs,),
        precision_recall=precision_recall(test.labels, test.scores),
        reliability=reliability(test.labels, test.scores),
        raster=busiest_sequence(test),
    )


def _under_policy(
    folds: list[_Fold], test: ScoredFrames, part: Callable[[_Fold], ScoredFrames | None]
) -> np.ndarray:
    """F1 (L,) when each fold's thresholds are chosen on one of its parts."""
    chosen = []
    for fold in folds:
        asked = part(fold)
        assert asked is not None
        thresholds_L = best_f1_thresholds(asked.labels, asked.scores)
        chosen.append(np.broadcast_to(thresholds_L, fold.test.labels.shape))
    return frame_f1(test.labels, test.scores, threshold=np.concatenate(chosen))


def _mean(values: Sequence[np.ndarray]) -> np.ndarray:
    return mean_of_defined(np.stack(values), axis=0)


def _merge(seeds: Sequence[Details]) -> Details | None:
    """Details of several seeds: numbers averaged, curves of the first."""
    if not seeds:
        return None
    first = seeds[0]
    same_folds = [s for s in seeds if s.folds == first.folds]
    held_out = [s.validation_f1_L for s in seeds if s.validation_f1_L is not None]
    return Details(
        values={name: _mean([s.values[name] for s in seeds]) for name in first.values},
        folds=first.folds,
        fold_f1=_mean([s.fold_f1 for s in same_folds]),
        subject_f1=float(_mean([np.array(s.subject_f1) for s in seeds])),
        subject_sd=float(_mean([np.array(s.subject_sd) for s in seeds])),
        validation_f1_L=_mean(held_out) if len(held_out) == len(seeds) else None,
        oracle_f1_L=_mean([s.oracle_f1_L for s in seeds]),
        always_f1_L=first.always_f1_L,
        event_curve_LT=_mean([s.event_curve_LT for s in seeds]),
        pairs=tuple(s.pairs[0] for s in seeds),
        precision_recall=first.precision_recall,
        reliability=first.reliability,
        raster=first.raster,
    )


def _odd_frame_sets(measured: Sequence[Measured]) -> list[str]:
    whole = [m for m in measured if m.complete]
    odd = [m for m in whole if m.frame_set != whole[0].frame_set]
    return [
        f"{m.setting}: {m.method} was tested on other frames ({m.num_frames:,}, frame set "
        f"{m.frame_set}) than {whole[0].method} ({whole[0].num_frames:,}, {whole[0].frame_set}): "
        "not ranked with it"
        for m in odd
    ]
