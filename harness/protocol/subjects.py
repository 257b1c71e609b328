"""What a split needs to know of a dataset: its subjects, and how much each shows of each AU.

Counted once, from runs of rows of one subject, so that 100,000s of frames take milliseconds.

Legend: N frames, L action units, S subjects.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.data.frames import FrameTable
from harness.errors import UserError


@dataclass(frozen=True, kw_only=True)
class SubjectCounts:
    """Frames of each subject. ``subjects`` are sorted, whatever the order of the rows.

    Attributes:
        frames_S: int64 (S,) frames.
        present_SL, known_SL: int64 (S, L) frames labelled +1, and frames not labelled 0.
    """

    subjects: tuple[str, ...]
    frames_S: np.ndarray
    present_SL: np.ndarray
    known_SL: np.ndarray

    def to_balance(self) -> np.ndarray:
        """float64 (S, L + 1) what every part should hold its share of: each AU, and frames."""
        return np.column_stack([self.present_SL, self.frames_S]).astype(np.float64)


def count_subjects(table: FrameTable) -> SubjectCounts:
    """Counts a dataset's frames by subject."""
    rows = table.subjects
    if not len(rows):
        raise UserError("the dataset has no frames, so there is nobody to split")
    starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]])
    subjects, subject_of_run = np.unique(rows[starts].astype(str), return_inverse=True)
    labels_NL = np.asarray(table.labels)
    lengths = np.diff(np.r_[starts, len(rows)])
    num_subjects, num_aus = len(subjects), labels_NL.shape[1]
    frames_S = np.zeros(num_subjects, dtype=np.int64)
    present_SL = np.zeros((num_subjects, num_aus), dtype=np.int64)
    known_SL = np.zeros((num_subjects, num_aus), dtype=np.int64)
    np.add.at(frames_S, subject_of_run, lengths)
    if num_aus:
        present_RL = np.add.reduceat(labels_NL > 0, starts, axis=0, dtype=np.int64)
        known_RL = np.add.reduceat(labels_NL != 0, starts, axis=0, dtype=np.int64)
        np.add.at(present_SL, subject_of_run, present_RL)
        np.add.at(known_SL, subject_of_run, known_RL)
    return SubjectCounts(
        subjects=tuple(subjects.tolist()),
        frames_S=frames_S,
        present_SL=present_SL,
        known_SL=known_SL,
    )
