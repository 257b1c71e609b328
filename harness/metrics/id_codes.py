"""Ids to codes: turns a column of long strings (subjects, sequences) into small integers.

Rows of one sequence mostly stand together, so runs are found first and only one id a run is
looked at; that is some hundred times fewer strings than rows.
"""

from __future__ import annotations

import numpy as np


def id_codes(ids: np.ndarray) -> np.ndarray:
    """int64 (N,): rows with equal ids have equal codes, codes in the sorted order of the ids."""
    return id_codes_and_names(ids)[0]


def id_codes_and_names(ids: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The codes, and the sorted ids that they stand for."""
    ids = np.asarray(ids)
    if not len(ids):
        return np.zeros(0, np.int64), ()
    starts = np.flatnonzero(np.r_[True, ids[1:] != ids[:-1]])
    names, code_of_run = np.unique(ids[starts].astype(str), return_inverse=True)
    lengths = np.diff(np.r_[starts, len(ids)])
    return np.repeat(code_of_run.astype(np.int64), lengths), tuple(names.tolist())
