"""What an adapter found, checked: an adapter may be anybody's, and a slip in it is named here.

What always holds of a checked discovery: every sequence has one label column an AU and one label
and one picture number a frame; labels are -1, 0 or +1; ids begin with a dataset's name.
"""

from __future__ import annotations

import traceback
from pathlib import Path

import numpy as np

from harness.errors import UserError
from harness.layouts.adapter import Adapter, CodedSequence, Discovery


def discovered(adapter: Adapter) -> Discovery:
    """``adapter.discover()``.

    Raises:
        UserError: the adapter fails, or what it gives breaks the contract; names the place.
    """
    who = type(adapter).__name__
    if type(adapter).discover is Adapter.discover:
        raise UserError(f"{who} has no discover(): it says which sequences there are")
    try:
        found = adapter.discover()
    except (UserError, OSError):
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        raise UserError(
            f"{who}.discover failed: {type(error).__name__}: {error} "
            f"({Path(last.filename).name}:{last.lineno})"
        ) from error
    if not isinstance(found, Discovery):
        raise UserError(f"{who}.discover gave a {type(found).__name__}, not a Discovery")
    for sequence in found.sequences:
        complaint = _complaint(adapter, sequence)
        if complaint:
            raise UserError(f"{who}: sequence {sequence.sequence!r} {complaint}")
    return found


def _complaint(adapter: Adapter, sequence: CodedSequence) -> str:
    prefix = f"{adapter.name}:"
    if not sequence.sequence.startswith(prefix):
        return f"must begin with {prefix!r}"
    if ":" not in sequence.subject:  # people of two layouts may be the same, as DISFA's are
        return f"has subject {sequence.subject!r}: it must begin with {prefix!r}"
    frames, aus = len(sequence.numbers), len(adapter.options.aus)
    labels = np.asarray(sequence.labels)
    if labels.shape != (frames, aus):
        return f"has labels of shape {labels.shape} for {frames} frames and {aus} AUs"
    if len(sequence.picture_numbers) != frames:
        return f"has {len(sequence.picture_numbers)} picture numbers for {frames} frames"
    others = np.setdiff1d(labels, (-1, 0, 1))
    if len(others):
        return f"has a label {others[0]}: absent is -1, unknown 0, present +1"
    return ""
