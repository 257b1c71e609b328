"""Split: which subjects train, which choose among options, and which test, in one fold.

A split names subjects only, never frames: everything recorded of a person is on one side. Frames of
one sequence are almost copies of each other (lag-1 autocorrelation of .96 and more), so a split of
frames or of tasks would measure memory.
"""

from __future__ import annotations

from dataclasses import dataclass

PARTS = ("train", "validation", "test")


@dataclass(frozen=True, kw_only=True)
class Split:
    """One fold of a protocol. The three parts are sorted and share no subject.

    Attributes:
        protocol: ``"3-fold"``, ``"published-3-fold"``, ``"leave-one-subject-out"``, ...
        fold: ``"1"``, ``"2"``, ...; for leave-one-subject-out the subject (or group) left out.
        train, validation, test: subjects with their dataset, ``"bp4d:F001"``.
    """

    protocol: str
    fold: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def part(self, name: str) -> tuple[str, ...]:
        """The subjects of ``"train"``, ``"validation"`` or ``"test"``."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]
