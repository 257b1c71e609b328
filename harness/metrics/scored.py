"""ScoredFrames: everything that a metric may look at, row by row.

One row a frame that was tested, with its key, its labels and the scores that a method gave. Scores
of several folds are put together by ``concatenate``; which fold a row was tested in is kept, and so
is the threshold that turns its scores into decisions.

Legend: N frames, L action units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harness.errors import UserError
from harness.metrics.validate import check_keys, check_pair


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredFrames:
    """Tested frames with labels and scores.

    Attributes:
        aus: the L action units of the columns.
        subjects, sequences, folds: (N,) strings; ``numbers`` (N,) whole frame numbers.
        labels: (N, L) in {-1, 0, +1}; ``scores``: (N, L) real, no NaN.
        thresholds: a number, (L,) or (N, L): above it a score means present.
        policy: where the thresholds come from: ``fixed``, ``validation`` or ``oracle``.
    """

    aus: tuple[int, ...]
    subjects: np.ndarray
    sequences: np.ndarray
    numbers: np.ndarray
    folds: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    thresholds: np.ndarray = field(default_factory=lambda: np.zeros(()))
    policy: str = "fixed"

    def __post_init__(self) -> None:
        check_pair(self.labels, self.scores)
        if self.labels.shape[1] != len(self.aus):
            raise UserError(f"{self.labels.shape[1]} label columns do not fit AUs {list(self.aus)}")
        for name in ("subjects", "sequences", "numbers", "folds"):
            if len(getattr(self, name)) != len(self.labels):
                raise UserError(
                    f"{len(getattr(self, name))} {name} do not fit {len(self.labels)} frames"
                )
        try:
            np.broadcast_to(self.thresholds, self.labels.shape)
        except ValueError:
            raise UserError(
                f"thresholds {np.shape(self.thresholds)} fit neither ({len(self.aus)},) nor "
                f"{self.labels.shape}"
            ) from None

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, rows: np.ndarray) -> ScoredFrames:
        """The given rows (integers or a mask), in the order given."""
        per_frame = self.thresholds.ndim == 2
        return replace(
            self,
            subjects=self.subjects[rows],
            sequences=self.sequences[rows],
            numbers=self.numbers[rows],
            folds=self.folds[rows],
            labels=self.labels[rows],
            scores=self.scores[rows],
            thresholds=self.thresholds[rows] if per_frame else self.thresholds,
        )

    def with_thresholds(self, thresholds: np.ndarray, policy: str) -> ScoredFrames:
        """The same frames under other thresholds."""
        return replace(self, thresholds=np.asarray(thresholds, np.float64), policy=policy)

    @staticmethod
    def concatenate(parts: Sequence[ScoredFrames]) -> ScoredFrames:
        """The frames of several ``parts`` (folds) as one; no frame may be tested twice.

        Raises:
            UserError: no parts, other AUs or policies, or a frame that is in two of them.
        """
        if not parts:
            raise UserError("there are no scored frames to put together")
        first = parts[0]
        for part in parts[1:]:
            if part.aus != first.aus:
                raise UserError(f"AUs {list(part.aus)} do not fit AUs {list(first.aus)}")
            if part.policy != first.policy:
                raise UserError(f"threshold policies differ: {part.policy} and {first.policy}")
        joined = ScoredFrames(
            aus=first.aus,
            subjects=np.concatenate([p.subjects for p in parts]),
            sequences=np.concatenate([p.sequences for p in parts]),
            numbers=np.concatenate([p.numbers for p in parts]),
            folds=np.concatenate([p.folds for p in parts]),
            labels=np.concatenate([p.labels for p in parts]),
            scores=np.concatenate([p.scores for p in parts]),
            thresholds=np.concatenate(
                [np.broadcast_to(p.thresholds, p.labels.shape) for p in parts]
            ),
            policy=first.policy,
        )
        check_keys(joined, where="the folds together")
        return joined
