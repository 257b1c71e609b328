"""Choosing an option of a grid by frame F1 on validation subjects, for each AU on its own.

What always holds: only the validation part is looked at, whose subjects are not in training; an AU
without a positive frame there takes what is best for the other AUs on average; of equals, the
earlier (by convention the more regularised) value wins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.data.frames import FrameSet
from harness.errors import UserError
from harness.method import Context


def grid_f1(labels_NL: np.ndarray, scores_GNL: np.ndarray) -> np.ndarray:
    """float64 (G, L) frame F1 of each grid point; NaN where an AU has no positive frame."""
    from harness.metrics import frame_f1

    return np.stack([frame_f1(labels_NL, scores_NL) for scores_NL in scores_GNL])


def best_of_grid(f1_GL: np.ndarray) -> np.ndarray:
    """int64 (L,) position of the best value for each AU."""
    defined_L = np.isfinite(f1_GL).all(axis=0)
    overall = best_overall(f1_GL)
    filled_GL = np.where(np.isfinite(f1_GL), f1_GL, -1.0)
    return np.where(defined_L, np.argmax(filled_GL, axis=0), overall)


def best_overall(f1_GL: np.ndarray) -> int:
    """Position of the best mean over the AUs that are defined at every grid point."""
    defined_L = np.isfinite(f1_GL).all(axis=0)
    return int(np.argmax(f1_GL[:, defined_L].mean(axis=1))) if defined_L.any() else 0


def report_grid(context: Context, points: Sequence[Mapping[str, float]], f1_GL: np.ndarray) -> None:
    """Reports each grid point with its mean F1 over the AUs that are defined."""
    for point, f1_L in zip(points, f1_GL, strict=True):
        defined = f1_L[np.isfinite(f1_L)]
        mean = float(defined.mean()) if len(defined) else 0.0
        context.report({**point, "validation_f1": mean})


def require_validation(validation: FrameSet, grid: Sequence[object], option: str) -> None:
    """Refuses to choose among several values without anyone to choose on."""
    if len(grid) > 1 and not len(validation):
        raise UserError(
            f"option {option} lists {len(grid)} values to choose among, but this split has no "
            f"validation subjects: give one value, or a protocol that holds some subjects out"
        )


def undefined_note(aus: Sequence[int], f1_GL: np.ndarray, option: str) -> list[str]:
    """A note on AUs whose option was chosen by the other AUs."""
    blind = [f"AU{au}" for au, f1 in zip(aus, f1_GL.T, strict=True) if not np.isfinite(f1).all()]
    if not blind:
        return []
    return [
        f"{', '.join(blind)}: no positive frame in validation, {option} chosen by the other AUs"
    ]


def one_class_note(aus: Sequence[int], trained_L: np.ndarray) -> list[str]:
    """A note on AUs that could not be learned."""
    return [
        f"AU{au}: one class only among the known training labels, scored 0 (absent) everywhere"
        for au, trained in zip(aus, trained_L, strict=True)
        if not trained
    ]
