"""Draws the eyes from their landmarks: eyeball, iris, lashes and the fold of the upper lid.

Each eye is drawn in a patch of the picture. Lids are curves over the eye's width through the lid
landmarks; what lies between them is eyeball.

Legend: B batch, h w patch; ``s`` runs from 0 to 1 between the eye's corners.
"""

from __future__ import annotations

import torch

from harness.synthetic.people import Person
from harness.synthetic.shape import EYE_LEFT, EYE_RIGHT

GREY_LEVELS = 255.0
_ROWS = slice(42, 90)
_COLUMNS = (slice(42, 98), slice(102, 158))
_SCLERA = (0.83, 0.80, 0.78)
_IRIS_RADIUS, _PUPIL_RADIUS = 6.4, 2.6


def edge(distance: torch.Tensor, width: float) -> torch.Tensor:
    """0 where distance is below -width/2, 1 above width/2."""
    return (distance / width + 0.5).clamp_(0, 1)


def bell(distance: torch.Tensor) -> torch.Tensor:
    """1 at zero, falling off like a Gaussian of spread 0.6, and many times faster than one."""
    return distance.square().add_(1).reciprocal_().square_()


def draw_eyes(
    picture: torch.Tensor,
    landmarks: torch.Tensor,
    who: Person,
    gaze: torch.Tensor,
    blink: torch.Tensor,
    exposure: torch.Tensor,
) -> None:
    """Paints both eyes in place.

    Args:
        picture: (B, 3, H, W) in grey levels.
        landmarks: (B, 49, 2) in pixels of the picture.
        gaze: (B, 2) in [-1, 1], right and down.
        blink: (B,) 0 open to 1 closed.
        exposure: (B,) factor on the light.
    """
    for eye, columns, inner_corner in zip((EYE_LEFT, EYE_RIGHT), _COLUMNS, (1.0, 0.0), strict=True):
        patch = picture[:, :, _ROWS, columns]
        x = torch.arange(columns.start, columns.stop, device=patch.device)[None, None]
        y = torch.arange(_ROWS.start, _ROWS.stop, device=patch.device)[None, :, None]
        outline = _Outline(landmarks[:, eye], x.float())
        ball = _eyeball(outline, x, y, who, gaze, inner_corner)
        _lids(patch, outline, y, who, blink, ball, exposure)


class _Outline:
    """The eye's opening over its width; (B, 1, w) curves."""

    def __init__(self, points: torch.Tensor, x: torch.Tensor) -> None:
        start, stop = points[:, 0], points[:, 3]
        width = (stop - start)[:, :1]
        rise = (stop - start)[:, 1:]
        self.start, self.stop = start, stop
        self.s = ((x[:, 0] - start[:, :1]) / width)[:, None]
        place = (points[:, [1, 2, 5, 4], 0] - start[:, :1]) / width
        height = points[:, [1, 2, 5, 4], 1] - start[:, 1:] - place * rise
        chord = (start[:, 1:] + self.s[:, 0] * rise)[:, None]
        hump = _hump(self.s)
        self.upper = chord + hump * self._through(height[:, :2], place[:, :2])
        lower = chord + hump * self._through(height[:, 2:], place[:, 2:])
        self.lower = torch.maximum(lower, self.upper)
        self.inside = edge(self.s, 0.03) * edge(1 - self.s, 0.03)
        self.around = edge(self.s + 0.04, 0.12) * edge(1.04 - self.s, 0.12)

    def _through(self, height: torch.Tensor, place: torch.Tensor) -> torch.Tensor:
        """(B, 1, w) factor on the hump that takes it through two points over the chord."""
        ratio = height / _hump(place.clamp(0.08, 0.92))
        slope = (ratio[:, 1:] - ratio[:, :1]) / (place[:, 1:] - place[:, :1])
        return (ratio[:, :1] + slope * (self.s[:, 0] - place[:, :1]))[:, None]


def _hump(s: torch.Tensor) -> torch.Tensor:
    return (s * (1 - s)).clamp(min=0) ** 0.8


def _eyeball(
    outline: _Outline,
    x: torch.Tensor,
    y: torch.Tensor,
    who: Person,
    gaze: torch.Tensor,
    inner_corner: float,
) -> list[torch.Tensor]:
    """Colour of the eyeball, red, green and blue, each (B, h, w) in [0, 1]."""
    s = outline.s
    middle = (outline.start + outline.stop) / 2
    centre_x = middle[:, 0] + gaze[:, 0] * 4.5 + inner_corner - 0.5
    centre_y = middle[:, 1] - 1.6 + gaze[:, 1] * 2.2
    dx, dy = x - centre_x[:, None, None], y - centre_y[:, None, None]
    radius = torch.sqrt(dx.square() + dy.square())
    iris = edge(_IRIS_RADIUS - radius, 1.3)
    pupil = edge(_PUPIL_RADIUS - radius, 1.3)
    ring = (radius / _IRIS_RADIUS).clamp_(0, 1).square_()
    shade = (1 - 0.14 * (2 * s - 1).square()) - 0.42 * bell((y - outline.upper) / 5.0)
    glint = 0.7 * bell((dx + 1.8) / 1.6) * bell((dy + 2.2) / 1.6)
    inner = 0.10 * bell((s - inner_corner) / 0.12)
    depth = (0.75 + 0.5 * ring) * (1 - 0.55 * ring.square()) * (0.45 + 0.55 * shade)
    colours = []
    for channel in range(3):
        white = _SCLERA[channel] * shade
        if channel == 0:
            white = white + inner
        colour = torch.lerp(white, float(who.iris[channel]) * depth, iris)
        colours.append(colour.mul_(1 - 0.96 * pupil).add_(glint))
    return colours


def _lids(
    patch: torch.Tensor,
    outline: _Outline,
    y: torch.Tensor,
    who: Person,
    blink: torch.Tensor,
    ball: list[torch.Tensor],
    exposure: torch.Tensor,
) -> None:
    s, upper, lower = outline.s, outline.upper, outline.lower
    opened = edge(y - upper, 1.2) * edge(lower - y, 1.2) * outline.inside
    closing = blink[:, None, None]
    fold = (
        upper - (who.lid_crease + 0.6) * (1 - 0.55 * closing) - 5 * closing * 4 * _hump(s) ** 1.25
    )
    crease = bell((y - fold) / 1.5) * edge(s + 0.05, 0.3) * edge(1.08 - s, 0.3)
    lash = bell((y - upper + 0.3) / (1.4 + 0.7 * who.lashes)) * outline.around
    under = bell((y - lower - 0.4) / 1.2) * outline.inside
    above = bell((y - upper + 2.0) / 4.5) * outline.inside
    skin = 1 - 0.28 * crease - 0.13 * above
    lashes = (1 - (0.5 + 0.4 * who.lashes) * lash) * (1 - 0.28 * who.lashes * under)
    light = exposure[:, None, None] * GREY_LEVELS
    for channel in range(3):
        target = patch[:, channel]
        target.copy_(torch.lerp(target * skin, ball[channel] * light, opened).mul_(lashes))
