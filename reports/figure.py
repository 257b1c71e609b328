"""A figure as a value: an SVG with its caption, the same bytes for the same data.

Figures are drawn by matplotlib with text kept as text. Ink is drawn in one sentinel colour that
becomes ``currentColor``, so that a figure in a page follows light and dark; on its own it is black.
Values that show on hover are titles of groups that the drawing named with ``hover``.
"""

from __future__ import annotations

import base64
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from io import BytesIO, StringIO
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure as Drawing

INK = "#010203"
# Okabe and Ito's colours, told apart by colour-blind readers, on light and on dark paper.
PALETTE = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31", "#7f7f7f",
)  # fmt: skip
DASHES = ("-", "--", "-.", ":")
PHOTOGRAPH = 64  # pixels, from which a picture is taken for a photograph

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
    "image.composite_image": False,
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
    with warnings.catch_warnings():
        # Text stays text: a reader's fonts have what the one that measures it has not.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    svg = _shorter(stream.getvalue()).replace(INK, "currentColor")
    for name, line in hover.lines.items():
        svg = svg.replace(f'<g id="{name}">', f'<g id="{name}"><title>{escape(line)}</title>', 1)
    svg = _IMAGE.sub(lambda found: _with_title(found[1], hover.lines.get(found[2])), svg)
    return _IMAGE_ID.sub("", svg)  # a digest of its content, so the same of the same picture


def _shorter(svg: str) -> str:
    """The same drawing in less text: places to a hundredth of a point, dots as one stroke, pictures
    in whichever of PNG and JPEG is smaller."""
    svg = _PATH.sub(lambda found: _DOT.sub(r"M\1h0", _LONG.sub(r"\1", found[0])), svg)
    return _PICTURE.sub(lambda found: _smaller_picture(found[1], found[2]), svg)


def _with_title(element: str, line: str | None) -> str:
    """An image element that says a line on hover; unlike other artists it has no group."""
    return f"{element}><title>{escape(line)}</title></image>" if line else f"{element}/>"


_IMAGE = re.compile(r'(<image [^>]*id="([^"]+)"[^>]*)/>')
_IMAGE_ID = re.compile(r' id="image[0-9a-f]{10}"')
_PATH = re.compile(r' d="[^"]*"')
_LONG = re.compile(r"(\.\d\d)\d+")
_DOT = re.compile(r"M ([-\d.]+ [-\d.]+) \nL \1 \n")
_PICTURE = re.compile(r'<image xlink:href="data:image/png;base64,([^"]+)"([^>]*)/>')
_TO_THE_PIXEL = "image-rendering:crisp-edges;image-rendering:pixelated"


def _smaller_picture(text: str, attributes: str) -> str:
    """An image element. A photograph may be smoothed; small pictures, and those that are seen
    through, are kept to the pixel."""
    from PIL import Image

    content = base64.b64decode(text)
    image = Image.open(BytesIO(content))
    if min(image.size) >= PHOTOGRAPH and np.asarray(image.convert("RGBA"))[..., 3].min() == 255:
        stream = BytesIO()
        image.convert("RGB").save(stream, "JPEG", quality=90, optimize=True)
        if stream.tell() < len(content):
            code = base64.b64encode(stream.getvalue()).decode()
            smooth = attributes.replace(_TO_THE_PIXEL, "")
            return f'<image xlink:href="data:image/jpeg;base64,{code}"{smooth}/>'
    code = base64.b64encode(content).decode()
    return f'<image xlink:href="data:image/png;base64,{code}"{attributes}/>'


def short(name: str, most: int = 28) -> str:
    """A name that fits beside an axis: a long one without its middle."""
    if len(name) <= most:
        return name
    end = most // 3
    return f"{name[: most - end - 1]}…{name[-end:]}"


def colour_of(methods: tuple[str, ...], method: str) -> str:
    """A method's colour, the same in every figure of a report."""
    return PALETTE[methods.index(method) % len(PALETTE)]


def dash_of(methods: tuple[str, ...], method: str) -> Any:
    """A method's line style; changes when the colours begin anew."""
    return DASHES[methods.index(method) // len(PALETTE) % len(DASHES)]
