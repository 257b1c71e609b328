"""How much a feature tells subjects apart: Jensen–Shannon divergence (paper, Eq. 2 and Fig. 4).

For each subject s: the mean feature l_s over the subject's frames; each entry a squashed to
1 / (1 + exp(−a/m)), where m is the median of the entries of l_s; divided by the sum, which gives a
distribution p_s. Then

    D(p, q) = ½ KL(p ‖ M) + ½ KL(q ‖ M),  M = ½ (p + q),  natural logarithm
    d_s = sum of D(p_s, p_q) over all q ≠ s,  reported as log10(d_s · 10⁶)

The paper prints "log(d) × 10⁶", which cannot give the values that it reports; ``log`` is the
reading (A-7.1), ``median`` whose median m is (A-7.2).

What always holds: features are not negative (shape is in pixels for that reason), since the squash
of a signed feature around a median near 0 means nothing; D depends on the number of features, so
the *order* of features is what can be compared, not their distance. Frames without a face and
subjects without a frame are left out.

Legend: S subjects, D features.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from pydantic import Field

from baselines.studies.compared_features import ComparedFeatures, ComparedOptions
from harness.data.frames import FrameSet
from harness.errors import UserError
from harness.method import Context, Feature, Stage
from harness.study import Study, StudyResult

SCALE = 1e6
NEARLY_ZERO = 1e-6  # of the mean; a median below it is that of dead features


class SubjectDivergence(Study):
    """Values: ``subjects`` (ids), and for each of ``features`` its ``name``, ``dimension``,
    ``per_subject`` log-divergences in the order of ``subjects``, their ``mean`` and ``sd``, and a
    ``note``."""

    class Options(ComparedOptions):
        """Options of the divergence.

        Attributes:
            log: ``log10`` or ``ln`` of d · 10⁶ (A-7.1).
            median: of each subject's mean feature, or ``pooled`` over all of them (A-7.2).
            per_subject: frames that a subject's mean is taken over, spread evenly; 0 for all.
        """

        log: Literal["log10", "ln"] = "log10"
        median: Literal["per_subject", "pooled"] = "per_subject"
        per_subject: int = Field(default=0, ge=0)

    options: SubjectDivergence.Options

    def __init__(self, options: Any = None) -> None:
        super().__init__(options)
        self.compared = ComparedFeatures(self.options, pixels=True)

    def features(self) -> tuple[Feature, ...]:
        """The compared ones, shape as coordinates."""
        return self.compared.features()

    def stages(self) -> Mapping[str, Stage]:
        """The CNN of fc7."""
        return self.compared.stages()

    def study(self, frames: FrameSet, context: Context) -> StudyResult:
        """Feature by feature."""
        frames = frames.select(_looked_at(frames, self.options.per_subject))
        subjects, code_N = np.unique(frames.subjects.astype(str), return_inverse=True)
        if len(subjects) < 2:
            raise UserError(
                f"divergence between subjects needs two of them, and {frames.dataset} shows "
                f"{len(subjects)}"
            )
        found = []
        for position, name in enumerate(self.options.features):
            means_SD = self._means(name, frames, code_N, len(subjects), context)
            divergence_S, note = log_divergence(
                means_SD, name, log=self.options.log, median=self.options.median
            )
            notes = [note, self.compared.note(name, frames, context)]
            found.append(
                {
                    "name": name,
                    "dimension": means_SD.shape[1],
                    "mean": float(divergence_S.mean()),
                    "sd": float(divergence_S.std(ddof=1)),
                    "per_subject": [round(float(value), 6) for value in divergence_S],
                    "note": "; ".join(filter(None, notes)),
                }
            )
            context.report({"features": position + 1})
        return StudyResult(
            values={
                "subjects": subjects.tolist(),
                "frames": len(frames),
                "log": self.options.log,
                "median": self.options.median,
                "features": found,
            }
        )

    def _means(
        self, name: str, frames: FrameSet, code_N: np.ndarray, num_subjects: int, context: Context
    ) -> np.ndarray:
        """float64 (S, D): each subject's mean feature."""
        sums_SD = np.zeros((num_subjects, 0))
        for rows, chunk_BD in self.compared.chunks(name, frames, context):
            if not rows.start:
                sums_SD = np.zeros((num_subjects, chunk_BD.shape[1]))
            for code in np.unique(code_N[rows]):
                sums_SD[code] += chunk_BD[code_N[rows] == code].sum(axis=0, dtype=np.float64)
        return sums_SD / np.bincount(code_N, minlength=num_subjects)[:, None]


def log_divergence(
    means_SD: np.ndarray,
    name: str = "feature",
    *,
    log: str = "log10",
    median: str = "per_subject",
) -> tuple[np.ndarray, str]:
    """float64 (S,) log(d_s · 10⁶), and a note where a median was not that of all entries.

    Args:
        means_SD: each subject's mean feature, not negative.
        name: of the feature, for messages.
    """
    if (means_SD < 0).any():
        raise UserError(
            f"feature {name!r} has negative values, and Eq. 2 squashes features around their "
            "median: give one that is not negative"
        )
    distributions_SD, note = distributions(means_SD, name, median=median)
    total_S = np.array([jensen_shannon(p_D, distributions_SD).sum() for p_D in distributions_SD])
    if not (total_S > 0).all():
        raise UserError(
            f"feature {name!r} is the same for two subjects: its logarithm is -infinity"
        )
    logarithm = np.log10 if log == "log10" else np.log
    divergence_S: np.ndarray = logarithm(total_S * SCALE)
    return divergence_S, note


def distributions(
    means_SD: np.ndarray, name: str = "feature", *, median: str = "per_subject"
) -> tuple[np.ndarray, str]:
    """Rows squashed around a median and divided by their sum, and a note on the median."""
    rows_SD = means_SD if median == "per_subject" else means_SD.reshape(1, -1)
    middle_R = np.median(rows_SD, axis=1)
    dead_R = middle_R <= NEARLY_ZERO * rows_SD.mean(axis=1)
    for row in np.flatnonzero(dead_R):
        alive = rows_SD[row][rows_SD[row] > 0]
        if not len(alive):
            raise UserError(f"feature {name!r} is 0 throughout for a subject: it has no median")
        middle_R[row] = np.median(alive)
    squashed_SD = 1 / (1 + np.exp(-means_SD / middle_R[:, None]))
    note = ""
    if dead_R.any():
        note = (
            f"more than half of the features are 0 for {int(dead_R.sum())} of {len(rows_SD)} "
            f"{'subjects' if median == 'per_subject' else 'pools'}: the median of the others"
        )
    return squashed_SD / squashed_SD.sum(axis=1, keepdims=True), note


def jensen_shannon(p_D: np.ndarray, q_SD: np.ndarray) -> np.ndarray:
    """float64 (S,) D(p, q) of one distribution from each of several; entries are above 0."""
    middle_SD = (p_D + q_SD) / 2
    forth_S = (p_D * np.log(p_D / middle_SD)).sum(axis=1)
    back_S = (q_SD * np.log(q_SD / middle_SD)).sum(axis=1)
    # Rounding can take a divergence of equal distributions just below 0.
    divergence_S: np.ndarray = np.maximum((forth_S + back_S) / 2, 0)
    return divergence_S


def _looked_at(frames: FrameSet, per_subject: int) -> np.ndarray:
    """Rows with a face, at most ``per_subject`` of each subject, spread evenly."""
    rows = np.flatnonzero(frames.tracked)
    if not per_subject:
        return rows
    subjects = frames.subjects[rows].astype(str)
    kept = []
    for subject in np.unique(subjects):
        own = rows[subjects == subject]
        places = np.unique(np.linspace(0, len(own) - 1, min(per_subject, len(own))).astype(int))
        kept.append(own[places])
    return np.sort(np.concatenate(kept)) if kept else rows
