"""What is measured of one method in one setting, from the scores that its cells left.

The test parts of all folds are put together and measured once (pooling ``pooled``, the headline);
fold means and subject means stand beside it. Several seeds are measured apart and averaged. Scores
are read, reduced to counts and curves, and let go, so that memory does not grow with the sweep.

Legend: L action units, U subjects.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from harness.metrics import Metric, ScoredFrames, roc_auc
from harness.metrics.confusion import Confusion, confusion_by_unit
from harness.metrics.footnote import frame_set_hash
from harness.metrics.frame_measures import f1_of
from harness.metrics.id_codes import id_codes_and_names
from harness.metrics.ranking import pairs_of, rank_frames
from harness.metrics.undefined import mean_of_defined
from harness.plan.jobs import Cell
from reports.details import (
    Details,
    mean_of_seeds,
    measure_details,
    merge_details,
    total_of,
)
from reports.folds import Fold, read_fold
from reports.own_metrics import OwnMeasure, mean_of_own, measure_own
from reports.run_view import RunView

THREADS = 2


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
        own: metrics that the user asked for, by name.
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
    own: Mapping[str, OwnMeasure]

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


def measure_setting(
    run: RunView,
    setting: str,
    *,
    details: bool,
    metrics: Sequence[Metric] = (),
    video: str = "",
) -> tuple[list[Measured], list[str]]:
    """Every method of a setting that has scores, in plan order, and a line for each oddity met;
    ``metrics`` are the user's own, ``video`` a sequence to show."""
    cells: dict[str, list[Cell]] = {}
    for cell in run.plan.cells:
        if cell.setting == setting:
            cells.setdefault(cell.method, []).append(cell)
    # Sorting and reading leave Python's lock, so two threads are worth nearly two cores.
    with ThreadPoolExecutor(THREADS) as threads:
        found = threads.map(
            lambda method: measure_method(
                run, cells[method], details=details, metrics=metrics, video=video
            ),
            [method for method in run.plan.methods if method in cells],
        )
        measured = [one for one in found if one is not None]
    return measured, _odd_frame_sets(measured)


def measure_method(
    run: RunView,
    cells: Sequence[Cell],
    *,
    details: bool,
    metrics: Sequence[Metric] = (),
    video: str = "",
) -> Measured | None:
    """One method in one setting, or None if no cell of it can be read."""
    by_seed: dict[int, list[Fold]] = {}
    for cell in cells:
        fold = read_fold(run, cell, with_validation=details)
        if fold is not None:
            by_seed.setdefault(cell.seed, []).append(fold)
    seeds = [
        _measure_seed(folds, details=details, metrics=metrics, video=video)
        for _, folds in sorted(by_seed.items())
    ]
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
        f1_L=mean_of_seeds([s.f1_L for s in seeds]),
        auc_L=mean_of_seeds([s.auc_L for s in seeds]),
        confusion=tuple(s.confusion[0] for s in seeds if s.subjects == first.subjects),
        present_L=first.present_L,
        known_L=first.known_L,
        details=merge_details([s.details for s in seeds if s.details is not None])
        if details
        else None,
        own=mean_of_own([s.own for s in seeds if s.subjects == first.subjects]),
    )


def _measure_seed(
    folds: list[Fold], *, details: bool, metrics: Sequence[Metric], video: str
) -> Measured:
    test = folds[0].test
    if len(folds) > 1:
        test = ScoredFrames.concatenate([fold.test for fold in folds])
        test = test.with_thresholds(np.zeros(()), "fixed")
    units_N, subjects = id_codes_and_names(test.subjects)
    confusion = confusion_by_unit(test.labels, test.scores, units_N, len(subjects))
    total = total_of(confusion)
    if details:
        ranked_L = rank_frames(test.labels, test.scores)
        pairs = pairs_of(ranked_L, units_N, len(subjects))
        auc_L = pairs.roc_auc(np.ones((1, len(subjects))))[0]
        more = measure_details(folds, test, ranked_L, pairs, confusion, video)
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
        own=measure_own(test, metrics),
    )


def _odd_frame_sets(measured: Sequence[Measured]) -> list[str]:
    rivals = same_tests(measured)
    if not rivals:
        return []
    first = rivals[0]
    return [
        f"{m.setting}: {m.method} was tested on other frames ({m.num_frames:,}, frame set "
        f"{m.frame_set}) than {first.method} ({first.num_frames:,}, {first.frame_set}): "
        "not ranked with it"
        for m in measured
        if m.complete and m.frame_set != first.frame_set
    ]


def same_tests(measured: Sequence[Measured]) -> list[Measured]:
    """Complete methods that were tested on the same frames, AUs and known labels, so that their
    numbers may be ranked (a mean over fewer AUs is another mean): the most that are alike; of as
    many, those with more labels."""
    alike: dict[tuple[object, ...], list[Measured]] = {}
    for m in measured:
        if m.complete:
            alike.setdefault((m.frame_set, m.aus, m.known_L.tobytes()), []).append(m)
    return max(alike.values(), key=lambda group: (len(group), group[0].known_L.sum()), default=[])
