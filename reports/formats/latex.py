r"""Tables as LaTeX with booktabs, ready to \input: best in bold, second best underlined.

``latex_document`` is a page that holds every table, to look at them and to see that they compile.
"""

from __future__ import annotations

from collections.abc import Sequence

from reports.table import Entry, Table

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "[": "{[}",
    "]": "{]}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "→": r"\(\rightarrow\)",
    "×": r"\(\times\)",
    "±": r"\(\pm\)",
    "κ": r"\(\kappa\)",
    "θ": r"\(\theta\)",
    "–": "--",
    "—": "---",
    "…": r"\dots{}",
    "°": r"\textdegree{}",
    "·": r"\textperiodcentered{}",
    "−": r"\(-\)",
    "’": "'",
    "⁶": r"\(^{6}\)",
}


def escape(text: str) -> str:
    """A text in which LaTeX runs nothing; letters beyond Latin-1 become question marks, so that it
    compiles with pdfTeX's own fonts."""
    flat = " ".join(text.split())
    return "".join(_SPECIAL.get(c, c if c < "\u0100" else "?") for c in flat)


def latex_table(table: Table) -> str:
    """A ``table`` environment with caption, label, rules and notes."""
    alignment = "".join("l" if column.kind == "text" else "r" for column in table.columns)
    lines = [
        r"% needs \usepackage{booktabs,graphicx} and \usepackage[T1]{fontenc}",
        r"\begin{table}",
        r"\centering\small",
        rf"\caption{{{escape(table.title)}}}",
        rf"\label{{tab:{table.key}}}",
        r"\setlength{\tabcolsep}{4pt}",
        r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
        rf"\begin{{tabular}}{{@{{}}{alignment}@{{}}}}",
        r"\toprule",
        *_groups(table),
        _line([escape(column.title) for column in table.columns]),
        r"\midrule",
    ]
    role = "body"
    for row in table.rows:
        if row.role != role:
            lines.append(r"\midrule")
            role = row.role
        with_interval = row.role == "mean" or table.shown_intervals
        lines.append(_line([_entry(entry, with_interval) for entry in row.entries]))
    lines += [r"\bottomrule", r"\end{tabular}}"]
    footer = [escape(line) for line in table.footer()]
    if footer:
        lines.append(
            r"\par\smallskip\parbox{\linewidth}{\footnotesize " + r"\\ ".join(footer) + "}"
        )
    lines.append(r"\end{table}")
    return "\n".join(lines) + "\n"


def latex_document(title: str, tables: Sequence[Table]) -> str:
    r"""A document that inputs ``<key>.tex`` of every table, standing beside it."""
    inputs = [rf"\input{{{table.key}.tex}}\clearpage" for table in tables]
    return "\n".join(
        [
            r"\documentclass[10pt,a4paper]{article}",
            r"\usepackage[T1]{fontenc}",
            r"\usepackage[utf8]{inputenc}",
            r"\usepackage{textcomp}",
            r"\usepackage[margin=18mm]{geometry}",
            r"\usepackage{booktabs,graphicx}",
            r"\begin{document}",
            rf"\section*{{{escape(title)}}}",
            *inputs,
            r"\end{document}",
            "",
        ]
    )


def _groups(table: Table) -> list[str]:
    groups = table.groups()
    if not groups:
        return []
    cells, rules, start = [], [], 1
    for name, span in groups:
        if name:
            cells.append(rf"\multicolumn{{{span}}}{{c}}{{{escape(name)}}}")
            rules.append(rf"\cmidrule(lr){{{start}-{start + span - 1}}}")
        else:
            cells += [""] * span
        start += span
    return [_line(cells), " ".join(rules)]


def _line(cells: list[str]) -> str:
    return " & ".join(cells) + r" \\"


def _entry(entry: Entry, with_interval: bool) -> str:
    shown = escape(entry.text)
    if entry.mark == "best":
        shown = rf"\textbf{{{shown}}}"
    elif entry.mark == "second":
        shown = rf"\underline{{{shown}}}"
    if entry.level:
        shown += r"\textdegree{}"
    if entry.state == "partial":
        shown += "*"
    if with_interval and entry.interval:
        shown += rf" {{\scriptsize {escape(entry.interval)}}}"
    return shown
