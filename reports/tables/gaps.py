"""What stands where a method has no number in a setting, such as failed, blocked or waiting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from reports.run_view import CellView
from reports.table import DASH, Entry

# When cells of one method differ, the first of these is what a reader must know.
WORST_FIRST = ("damaged", "failed", "blocked", "running", "waiting")


def gap(cells: Sequence[CellView], why_absent: str = "") -> Entry:
    """The entry of a method without a number: its worst state, and the line that says why;
    without cells ``why_absent``, if there is a reason."""
    if not cells:
        return Entry(text=DASH, state="absent", note=why_absent or "not part of the plan")
    states = Counter(cell.state for cell in cells)
    for state in WORST_FIRST:
        if states[state]:
            first = next(cell for cell in cells if cell.state == state)
            return Entry(text=state, state=state, note=first.message or tally(cells))
    return Entry(text=DASH, state="undefined")


def tally(cells: Sequence[CellView]) -> str:
    """``"2 of 3 cells done, 1 failed"``."""
    states = Counter(cell.state for cell in cells)
    rest = [f"{states[state]} {state}" for state in WORST_FIRST if states[state]]
    return ", ".join([f"{states['done']} of {len(cells)} cells done", *rest])
