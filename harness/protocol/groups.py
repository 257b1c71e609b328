"""Groups: people who were recorded together stay on the same side of a split.

In GFT three people talk to each other at one table; a model that trained on one of them has seen
the others' light, table and conversation. Their ids are a group number and a seat letter, 001A.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from harness.errors import UserError

GFT_GROUP = r"(?P<group>\d+)[A-Za-z]"


def groups_by_pattern(pattern: str = GFT_GROUP) -> Callable[[str], str]:
    """A function from a subject (``"gft:001A"``) to its group (``"001"``).

    ``pattern`` is a regular expression that matches the whole id after the dataset's prefix and has
    a named part ``group``. A subject that it does not match is a ``UserError``.
    """
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise UserError(f"group pattern {pattern!r} is no regular expression: {error}") from error
    if "group" not in compiled.groupindex:
        raise UserError(f"group pattern {pattern!r} has no named part (?P<group>...)")

    def group_of(subject: str) -> str:
        match = compiled.fullmatch(subject.split(":", 1)[-1])
        if match is None:
            raise UserError(f"subject {subject!r} does not match the group pattern {pattern!r}")
        return match["group"]

    return group_of
