"""A figure as a value: an SVG with its caption, the same bytes for the same data.

Figures are drawn by matplotlib with text kept as text. Ink is drawn in one sentinel colour that
becomes ``currentColor``, so that a figure in a page follows light and dark; on its own it is black.
Values that show on hover are titles of groups that the drawing named with ``hover``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure as Drawing

INK = "#010203"
# Okabe and Ito's colours, told apart by colour-blind readers, on light and on dark paper.
PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f",
)  # fmt: skip
DASHES = ("-", "--", "-.", ":")

STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "svg.hashsalt": "aubench",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": INK,
    "grid.alpha": 0.15,
    "grid.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.7,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "legend.frameon": False,
    "path.simplify": True,
    "image.interpolation": "none",
}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A finished figure: ``key`` is its file name and anchor, ``section`` a setting or "" for the
    run, ``svg`` a file of its own."""

    key: str
    title: str
    caption: str
    svg: str
    section: str = ""

    def inline_svg(self) -> Markup:
        """The SVG element for a page: no prolog, and identifiers that are the figure's own."""
        from markupsafe import Markup

        body = self.svg[self.svg.index("<svg") :]
        body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.S)
        mark = f"{self.key}-"
        body = re.sub(r'\bid="', f'id="{mark}', body)
        body = re.sub(r'(xlink:href|href)="#', rf'\1="#{mark}', body)
        return Markup(re.sub(r"url\(#", f"url(#{mark}", body))


class Hover:
    """Names the parts of a drawing that say something on hover."""

    def __init__(self) -> None:
        self.lines: dict[str, str] = {}

    def __call__(self, artist: Any, line: str) -> None:
        """The artist shows the line on hover."""
        name = f"hover-{len(self.lines)}"
        artist.set_gid(name)
        self.lines[name] = line


@contextmanager
def drawing(width: float, height: float, **layout: Any) -> Iterator[tuple[Drawing, Hover]]:
    """A matplotlib figure of that size in inches, in the reports' style; closed afterwards."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure as Drawing

        figure = Drawing(figsize=(width, height), layout=layout.pop("layout", "constrained"))
        FigureCanvasSVG(figure)
        yield figure, Hover()


def to_svg(figure: Drawing, hover: Hover) -> str:
    """The drawing as SVG text; call within ``drawing``."""
    stream = StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    svg = stream.getvalue().replace(INK, "currentColor")
    for name, line in hover.lines.items():
        svg = svg.replace(f'<g id="{name}">', f'<g id="{name}"><title>{escape(line)}</title>', 1)
    return svg


def colour_of(methods: tuple[str, ...], method: str) -> str:
    """A method's colour, the same in every figure of a report."""
    return PALETTE[methods.index(method) % len(PALETTE)]


def dash_of(methods: tuple[str, ...], method: str) -> Any:
    """A method's line style; changes when the colours begin anew."""
    return DASHES[methods.index(method) // len(PALETTE) % len(DASHES)]
