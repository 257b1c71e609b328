"""Tables as GitHub-flavoured Markdown: marks in bold and underline, intervals in brackets."""

from __future__ import annotations

from collections.abc import Sequence

from reports.table import Column, Entry, Table

_SPECIAL = str.maketrans(
    {c: "\\" + c for c in "\\`*_{}[]#|~$"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
)


def escape(text: str) -> str:
    """A text in which nothing is read as Markdown or HTML, on one line."""
    return " ".join(text.split()).translate(_SPECIAL)


def markdown_table(table: Table, *, level: int = 3) -> str:
    """Heading, table and footer."""
    lines = [f"{'#' * level} {escape(table.title)}", ""]
    lines.append("| " + " | ".join(_heading(column) for column in table.columns) + " |")
    rules = [":--" if column.kind == "text" else "--:" for column in table.columns]
    lines.append("|" + "|".join(rules) + "|")
    for row in table.rows:
        strong = row.role == "mean"
        shown = [_entry(entry, strong or table.shown_intervals) for entry in row.entries]
        lines.append("| " + " | ".join(shown) + " |")
    lines.append("")
    lines += [escape(line) + "  " for line in table.footer()]
    return "\n".join(lines).rstrip() + "\n"


def markdown_report(
    title: str, sections: Sequence[tuple[str, str]], tables: Sequence[Table]
) -> str:
    """The whole report: headed paragraphs, then every table under its section."""
    parts = [f"# {escape(title)}\n"]
    parts += [f"## {escape(heading)}\n\n{body}\n" for heading, body in sections]
    section = None
    for table in tables:
        if table.section != section:
            section = table.section
            parts.append(f"## {escape(section or 'The whole run')}\n")
        parts.append(markdown_table(table))
    return "\n".join(parts)


def _heading(column: Column) -> str:
    title = f"{column.group}: {column.title}" if column.group else column.title
    return escape(title)


def _entry(entry: Entry, with_interval: bool) -> str:
    shown = escape(entry.text)
    if entry.mark == "best":
        shown = f"**{shown}**"
    elif entry.mark == "second":
        shown = f"<ins>{shown}</ins>"
    if entry.level:
        shown += "°"
    if entry.state == "partial":
        shown += "\\*"
    if with_interval and entry.interval:
        shown += f" {escape(entry.interval)}"
    return shown
