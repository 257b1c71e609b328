"""A table as a value: the one definition from which HTML, Markdown, CSV and LaTeX are written.

Numbers keep their value and carry how they are shown, their interval and their mark, so that no
format decides anything: a mark or an interval in one of them stands in all of them. The notes under
a table say pooling, threshold policy, undefined values, frames, subjects and the frame set's hash.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

Mark = Literal["", "best", "second"]
Kind = Literal["text", "number"]

DASH = "–"


@dataclass(frozen=True, kw_only=True, slots=True)
class Column:
    """A column.

    Attributes:
        key: its name in CSV and JSON.
        title: its heading.
        kind: text is set left, numbers right.
        group: heading over neighbouring columns of the same group; "" for none.
        method: the method that it shows, for filtering; "" for none.
        apart: not ours to rank (published values, chance): set off from the rest.
        help: shown on hover.
    """

    key: str
    title: str
    kind: Kind = "number"
    group: str = ""
    method: str = ""
    apart: bool = False
    help: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What stands in one place of a table.

    Attributes:
        text: as shown, without marks; a dash where there is no value.
        value: the number behind it, for sorting and CSV; None for text or no value.
        low, high: 95 % interval in the same unit; None for none.
        mark: best or second best of those it is compared with.
        level: not significantly worse than the best.
        state: why there is no value or only part of one: failed, waiting, partial, undefined, ...
        note: said on hover and in JSON, such as the error line of a failed cell.
    """

    text: str
    value: float | None = None
    low: float | None = None
    high: float | None = None
    mark: Mark = ""
    level: bool = False
    state: str = ""
    note: str = ""

    @property
    def interval(self) -> str:
        """``"[51.0, 56.2]"`` with the decimals of the text, or nothing."""
        if self.low is None or self.high is None:
            return ""
        decimals = len(self.text.partition(".")[2])
        return f"[{self.low:.{decimals}f}, {self.high:.{decimals}f}]"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of a table; ``role`` sets means and chance rows off, ``method`` serves filtering."""

    entries: tuple[Entry, ...]
    role: Literal["body", "mean", "apart"] = "body"
    method: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with its caption and what must be known to read it.

    Attributes:
        key: its file name and anchor: lower-case letters, digits and hyphens.
        section: the part of the page that it stands in: a setting's title, or "" for the run.
        facts: pooling, threshold policy, undefined count, frames, subjects, hash, by name.
        notes: caveats in sentences.
        shown_intervals: whether every interval is written out, not only those of means.
    """

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    section: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    shown_intervals: bool = False

    def __post_init__(self) -> None:
        for row in self.rows:
            assert len(row.entries) == len(self.columns), f"{self.key}: a row of another width"

    @property
    def has_marks(self) -> bool:
        """Whether anything is ranked in it."""
        return any(entry.mark for row in self.rows for entry in row.entries)

    @property
    def has_level(self) -> bool:
        """Whether anything is marked as not significantly worse than the best."""
        return any(entry.level for row in self.rows for entry in row.entries)

    @property
    def has_partial(self) -> bool:
        """Whether a value rests on part of its folds."""
        return any(entry.state == "partial" for row in self.rows for entry in row.entries)

    def groups(self) -> list[tuple[str, int]]:
        """Headings over the columns with the number that each spans; empty if there are none."""
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return spans if any(name for name, _ in spans) else []

    def legend(self) -> list[str]:
        """What the marks in this table mean."""
        lines = []
        if self.has_marks:
            lines.append("Bold: best; underlined: second best.")
        if self.has_level:
            lines.append(
                "°: not significantly worse than the best (the 95 % interval of the paired "
                "difference over resampled subjects holds 0)."
            )
        if self.has_partial:
            lines.append("*: from the folds that are done; not ranked.")
        return lines

    def footer(self) -> list[str]:
        """Facts, legend and caveats, a line each."""
        facts = "; ".join(f"{name}: {value}" for name, value in self.facts)
        return [*([facts + "."] if facts else []), *self.legend(), *self.notes]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON of everything that the table says."""
        return {
            "key": self.key,
            "title": self.title,
            "section": self.section,
            "facts": dict(self.facts),
            "notes": list(self.notes),
            "columns": [
                {"key": c.key, "title": c.title, "group": c.group, "apart": c.apart}
                for c in self.columns
            ],
            "rows": [
                {
                    "role": row.role,
                    "entries": [_entry_json(entry) for entry in row.entries],
                }
                for row in self.rows
            ],
        }


def _entry_json(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = {"text": entry.text}
    for name in ("value", "low", "high"):
        if getattr(entry, name) is not None:
            found[name] = round(getattr(entry, name), 6)
    for name in ("mark", "level", "state", "note"):
        if getattr(entry, name):
            found[name] = getattr(entry, name)
    return found


def text(content: object, note: str = "", state: str = "") -> Entry:
    """An entry of words."""
    return Entry(text=str(content), note=note, state=state)


def count(number: int) -> Entry:
    """An entry of a whole number, with thousands set apart."""
    return Entry(text=f"{number:,}", value=float(number))


def number(
    value: float | None,
    decimals: int = 1,
    *,
    low: float | None = None,
    high: float | None = None,
    mark: Mark = "",
    level: bool = False,
    state: str = "",
    note: str = "",
) -> Entry:
    """An entry of a number; NaN and None are shown as a dash and said to be undefined."""
    if value is None or not math.isfinite(value):
        return Entry(text=DASH, state=state or "undefined", note=note)
    if not all(bound is not None and math.isfinite(bound) for bound in (low, high)):
        low = high = None
    shown = f"{value:.{decimals}f}"
    if float(shown) == 0:
        shown = shown.lstrip("-")
    return Entry(
        text=shown, value=value, low=low, high=high, mark=mark, level=level, state=state, note=note
    )


def percent(value: float, **rest: Any) -> Entry:
    """An entry of a share in [0, 1], shown in percent with one decimal."""
    for bound in ("low", "high"):
        if rest.get(bound) is not None:
            rest[bound] = 100 * rest[bound]
    return number(100 * value, 1, **rest)


def slug(*parts: str) -> str:
    """A file name and anchor from titles: lower-case ASCII letters, digits and single hyphens."""
    joined = "-".join(parts).lower().replace("→", "to")
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in joined)
    return "-".join(piece for piece in kept.split("-") if piece) or "table"
