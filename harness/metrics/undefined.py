"""Undefined numbers: NaN, counted, and never 0 in silence (option ``undefined``).

An F1 without a single present frame, an AUC of one class: there is no such number. Papers average
it as 0 (``undefined="zero"``: Tables 3 and 4 of the paper print "." and do so) or leave the AU out
(``"nan"``: Table 1 prints "-" and does so). Which it was, and how often, belongs to the table.
"""

from __future__ import annotations

import numpy as np

from harness.errors import UserError

UNDEFINED = ("nan", "zero")


def check_choice(option: str, value: str, valid: tuple[str, ...]) -> None:
    """Refuses a value that is none of the valid ones."""
    if value not in valid:
        raise UserError(f"{option}={value!r} is none of {', '.join(valid)}")


def fill_undefined(values: np.ndarray, undefined: str) -> np.ndarray:
    """The values, with NaN kept (``"nan"``) or replaced by 0 (``"zero"``)."""
    check_choice("undefined", undefined, UNDEFINED)
    return np.where(np.isnan(values), 0.0, values) if undefined == "zero" else values


def ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """numerator / denominator in float64; NaN where the denominator is 0."""
    top, bottom = np.broadcast_arrays(
        np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    )
    return np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom != 0)


def mean_of_defined(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean over an axis without the undefined values; NaN (no warning) where none is defined."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(axis=axis), defined.sum(axis=axis))
