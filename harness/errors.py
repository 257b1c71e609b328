"""The error of a user: one sentence on what is wrong, where, and what would be right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class UserError(ValueError):
    """A mistake in what the user gave us.

    The message is one line, complete in itself: what is wrong, where (file and line, option,
    folder), and what would be right. The command line prints it without a traceback and exits
    with status 2.
    """


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """What a pydantic model has against its values.

    Attributes:
        place: keys and positions from the model down to the value; empty: the model as a whole.
        kind: pydantic's word for it, such as ``extra_forbidden`` or ``missing``.
        message: one line, as a validator of ours wrote it or as pydantic puts it.
        given: the value.
    """

    place: tuple[int | str, ...]
    kind: str
    message: str
    given: object

    @property
    def name(self) -> str:
        """The place with dots between its parts: ``"datasets.lab.frames"``."""
        return ".".join(str(part) for part in self.place)


def first_complaint(error: ValidationError) -> Complaint:
    """The first of a pydantic error's complaints; a user mends one at a time."""
    first = error.errors()[0]
    message = " ".join(first["msg"].removeprefix("Value error, ").split())
    return Complaint(place=first["loc"], kind=first["type"], message=message, given=first["input"])
