"""The page: one HTML file that holds everything, needs no network, and escapes every name.

The layout is a Jinja template with autoescape; a content security policy allows the page's own
script by its hash and nothing else, so that even a name that slipped through could not run.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from reports.formats.comma_separated import csv_table
from reports.formats.latex import latex_table
from reports.table import Table

if TYPE_CHECKING:
    from reports.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Part:
    """A section of the page: sentences (a name and what is said of it), then tables and figures;
    ``folded`` ones stand behind a summary line."""

    key: str
    title: str
    lines: Sequence[tuple[str, str]] = ()
    shown: Sequence[Table | Figure] = ()
    folded: Sequence[Table | Figure] = ()
    folded_title: str = "More tables and figures"


@dataclass(frozen=True, kw_only=True)
class Page:
    """Everything that the template shows. ``health`` is good, open or bad."""

    title: str
    description: str
    status: str
    health: str
    methods: Sequence[str]
    parts: Sequence[Part]
    provenance: Sequence[tuple[str, str]]
    suite_text: str = ""


def render_page(page: Page) -> str:
    """The HTML of a page."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = resources.files("reports") / "templates"
    source, style, script = (
        (folder / name).read_text(encoding="utf-8")
        for name in ("report.html.j2", "report.css", "report.js")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    html = environment.from_string(source).render(
        page=page,
        downloads=_downloads(page.parts),
        style=Markup(style),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
    )
    return html.rstrip() + "\n"


def _downloads(parts: Sequence[Part]) -> Mapping[str, Mapping[str, str]]:
    """CSV and LaTeX of every table in base64, so that the page can hand them out by itself."""
    found = {}
    for part in parts:
        for item in (*part.shown, *part.folded):
            if isinstance(item, Table):
                texts = {"csv": csv_table(item), "tex": latex_table(item)}
                found[item.key] = {
                    name: base64.b64encode(text.encode()).decode() for name, text in texts.items()
                }
    return found
