"""Tables as CSV, for spreadsheets and pandas: full numbers, with columns for intervals and marks.

What the table says of itself stands in lines that begin with ``#`` above the header, so that
``pandas.read_csv(file, comment="#")`` reads the rest. Text that a spreadsheet would run as a
formula gets an apostrophe before it.
"""

from __future__ import annotations

import csv
import io

from reports.table import Entry, Table


def csv_table(table: Table) -> str:
    """The table; each number column is followed by its ``_low`` and ``_high``, ``_mark`` and
    ``_state`` columns where any of its entries has one."""
    stream = io.StringIO()
    for said in (table.title, *table.footer()):
        stream.write(f"# {' '.join(said.split())}\n")
    writer = csv.writer(stream, lineterminator="\n")
    extras = [_extras([row.entries[i] for row in table.rows]) for i in range(len(table.columns))]
    header: list[str] = []
    for column, extra in zip(table.columns, extras, strict=True):
        header += [_safe(column.key), *(_safe(f"{column.key}_{name}") for name in extra)]
    writer.writerow(header)
    for row in table.rows:
        line: list[str] = []
        for entry, extra in zip(row.entries, extras, strict=True):
            line += [_value(entry), *(_extra(entry, name) for name in extra)]
        writer.writerow(line)
    return stream.getvalue()


def _extras(entries: list[Entry]) -> list[str]:
    names: list[str] = []
    if any(entry.low is not None for entry in entries):
        names += ["low", "high"]
    if any(entry.mark or entry.level for entry in entries):
        names.append("mark")
    if any(entry.state and entry.state != entry.text for entry in entries):
        names.append("state")
    return names


def _value(entry: Entry) -> str:
    if entry.value is not None:
        return f"{entry.value:.8g}"
    if entry.state in ("undefined", "absent"):
        return ""
    return _safe(entry.text)


def _extra(entry: Entry, name: str) -> str:
    if name == "mark":
        return " ".join(filter(None, [entry.mark, "level" if entry.level else ""]))
    if name == "state":
        return entry.state
    bound = entry.low if name == "low" else entry.high
    return "" if bound is None else f"{bound:.8g}"


def _safe(text: str) -> str:
    flat = " ".join(text.replace("#", "no. ").split())
    return f"'{flat}" if flat[:1] in ("=", "+", "-", "@") else flat
