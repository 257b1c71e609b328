"""What sampling accepts: label matrices in {-1, 0, +1}, counts and named choices.

Every error is a ValueError of one line that names the argument, what was given and what would be
right. Legend of array suffixes used throughout: N frames, L action units (AUs), B batches or the
frames of one batch, D features.
"""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any, TypeVar

import numpy as np

Choice = TypeVar("Choice", bound=str)


def checked_labels(labels: Any) -> np.ndarray:
    """The labels as a read-only int8 (N, L) array of -1 absent, 0 unknown, +1 present.

    Raises:
        ValueError: not two-dimensional, no frame, no AU, or a value outside {-1, 0, +1} (with
            its place).
    """
    given_NL = np.asarray(labels)
    if given_NL.ndim != 2:
        raise ValueError(f"labels must be (frames, AUs), but have shape {given_NL.shape}")
    if 0 in given_NL.shape:
        raise ValueError(f"labels must have a frame and an AU at least, but are {given_NL.shape}")
    if given_NL.dtype.kind not in "iufb":
        raise ValueError(f"labels must be numbers in {{-1, 0, 1}}, not {given_NL.dtype}")
    labels_NL = np.array(given_NL, dtype=np.int8, order="C") if _all_valid(given_NL) else None
    if labels_NL is None:
        wrong_NL = ~np.isin(given_NL, (-1, 0, 1))
        frame, au = (int(axis[0]) for axis in np.nonzero(wrong_NL))
        raise ValueError(
            f"labels must be in {{-1, 0, 1}}, but {int(wrong_NL.sum())} are not; the first is "
            f"{given_NL[frame, au]} at frame {frame}, column {au}"
        )
    labels_NL.flags.writeable = False
    return labels_NL


def _all_valid(given_NL: np.ndarray) -> bool:
    if given_NL.dtype.kind == "f":
        return bool(np.isin(given_NL, (-1.0, 0.0, 1.0)).all())
    if given_NL.dtype.kind == "b":
        return True
    return int(given_NL.min()) >= -1 and int(given_NL.max()) <= 1


def checked_count(name: str, value: Any, least: int, most: int | None = None) -> int:
    """``value`` as an int in ``least .. most``.

    Raises:
        ValueError: not a whole number, or outside the range.
    """
    limits = f"{least} or more" if most is None else f"in {least} .. {most}"
    try:
        count = operator.index(value)
    except TypeError:
        raise ValueError(f"{name} must be a whole number, {limits}, not {value!r}") from None
    if count < least or (most is not None and count > most):
        raise ValueError(f"{name} must be {limits}, not {count}")
    return count


def checked_fraction(name: str, value: Any, *, may_be_zero: bool = True) -> float:
    """``value`` as a float in [0, 1), or (0, 1) where zero makes no sense.

    Raises:
        ValueError: outside the range, or not a number.
    """
    limits = "in [0, 1)" if may_be_zero else "in (0, 1)"
    try:
        fraction = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number {limits}, not {value!r}") from None
    if not (0.0 <= fraction < 1.0) or (fraction == 0.0 and not may_be_zero):
        raise ValueError(f"{name} must be {limits}, not {fraction:g}")
    return fraction


def checked_choice(name: str, value: Choice, choices: Iterable[str]) -> Choice:
    """``value`` if it is one of ``choices``.

    Raises:
        ValueError: it is not; the message lists the choices.
    """
    choices = tuple(choices)
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
    return value
