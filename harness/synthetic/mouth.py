"""Draws the lips and what opens between them from the mouth's landmarks.

Four curves over the mouth's width pass through the landmarks: outer upper, inner upper, inner
lower, outer lower. Lips fill the outer pairs, teeth, tongue and the dark of the mouth the inner
pair.

Legend: B batch, h w patch; ``s`` runs from 0 to 1 between the mouth's corners.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from harness.synthetic.eyes import GREY_LEVELS, bell, edge
from harness.synthetic.people import Person
from harness.synthetic.shape import ACTIONS

_ROWS = slice(110, 190)
_COLUMNS = slice(50, 150)
_OUTER = (0.0, 0.173, 0.37, 0.5, 0.63, 0.827, 1.0)
_INNER = (0.0, 0.31, 0.5, 0.69, 1.0)
_CELLS = 256
_TOOTH = (0.85, 0.82, 0.75)
_DARK = (0.15, 0.05, 0.05)
_TONGUE = (0.50, 0.23, 0.22)


@cache
def _splines(knots: tuple[float, ...]) -> np.ndarray:
    """(K - 2, cells + 1) cubic splines, each 1 at its own inner knot and 0 at the others."""
    from scipy.interpolate import CubicSpline

    place = np.linspace(0, 1, _CELLS + 1)
    values = np.eye(len(knots))[1:-1]
    return np.asarray(CubicSpline(knots, values.T, bc_type="natural")(place).T, np.float32)


class _Curves:
    """The mouth's outline over its width; (B, 1, w) curves."""

    def __init__(self, landmarks: torch.Tensor, x: torch.Tensor) -> None:
        self.landmarks = landmarks
        self.start, self.stop = landmarks[:, 31], landmarks[:, 37]
        s = (x - self.start[:, :1]) / (self.stop - self.start)[:, :1]
        self.chord = self.start[:, 1:] + s * (self.stop - self.start)[:, 1:]
        self._cell = (s.clamp(0, 1) * _CELLS).round().long()
        self.s = s[:, None]
        self.upper_out = self._curve([32, 33, 34, 35, 36], _OUTER)
        upper_in = self._curve([43, 44, 45], _INNER)
        self.upper_in = torch.maximum(upper_in, self.upper_out + 0.3)
        self.lower_in = torch.maximum(self._curve([48, 47, 46], _INNER), self.upper_in + 0.2)
        lower_out = self._curve([42, 41, 40, 39, 38], _OUTER)
        self.lower_out = torch.maximum(lower_out, self.lower_in + 0.3)
        self.inside = edge(self.s, 0.03) * edge(1 - self.s, 0.03)
        self.gap = self.lower_in - self.upper_in

    def _curve(self, indices: list[int], knots: tuple[float, ...]) -> torch.Tensor:
        place = torch.tensor(knots[1:-1], device=self.landmarks.device)
        on_chord = self.start[:, 1:] + place * (self.stop - self.start)[:, 1:]
        height = self.landmarks[:, indices, 1] - on_chord
        table = height @ torch.from_numpy(_splines(knots)).to(height.device)
        return (self.chord + torch.gather(table, 1, self._cell))[:, None]


def draw_mouth(
    picture: torch.Tensor,
    landmarks: torch.Tensor,
    who: Person,
    actions: torch.Tensor,
    exposure: torch.Tensor,
) -> None:
    """Paints the mouth in place.

    Args:
        picture: (B, 3, H, W) in grey levels.
        landmarks: (B, 49, 2) in pixels of the picture.
        actions: (B, 17) intensities, for the lips' creases.
        exposure: (B,) factor on the light.
    """
    patch = picture[:, :, _ROWS, _COLUMNS]
    x = torch.arange(_COLUMNS.start, _COLUMNS.stop, device=patch.device)[None].float()
    y = torch.arange(_ROWS.start, _ROWS.stop, device=patch.device)[None, :, None].float()
    mouth = _Curves(landmarks, x)
    s, inside, gap = mouth.s, mouth.inside, mouth.gap
    tight = actions[:, ACTIONS.index(23), None, None]
    over, under = y - mouth.upper_in, y - mouth.lower_in
    upper_lip = edge(y - mouth.upper_out, 2.6).mul_(edge(-over, 1.0)).mul_(0.86 * inside)
    lower_lip = edge(mouth.lower_out - y, 3.0).mul_(edge(under, 1.0)).mul_(0.86 * inside)
    cavity = edge(over, 1.0).mul_(edge(-under, 1.0)).mul_(inside * edge(gap - 1.5, 1.4))
    up = (over / (mouth.upper_in - mouth.upper_out).clamp(min=0.5)).clamp_(-1, 0)
    down = (under / (mouth.lower_out - mouth.lower_in).clamp(min=0.5)).clamp_(0, 1)
    creases = torch.cos(s * 46.0 + float(who.number)) * torch.cos(s * 17.0)
    grain = 1 + (0.022 + 0.09 * tight) * creases
    upper_tone = (0.70 - 0.28 * up) * grain
    lower_tone = (0.80 + 0.34 * bell((down - 0.42) / 0.40)) * grain
    seam = bell((over - gap / 2) / 1.7).mul_(
        0.62 * edge(2.2 - gap, 2.0) * edge(s + 0.03, 0.06) * edge(1.03 - s, 0.06)
    )
    corners = 0.45 * (bell(s / 0.07) + bell((s - 1) / 0.07))
    seam = (1 - seam).mul_(1 - bell((y - mouth.chord[:, None]) / 3.4).mul_(corners))
    below = 0.10 * bell((s - 0.5) / 0.42)
    shadow = 1 - bell((y - mouth.lower_out - 2.5) / 3.8).mul_(below)
    # teeth hang from the upper jaw; how far they show depends on the lips
    reach = torch.maximum(
        0.65 * (mouth.chord[:, None] - 1.0 - mouth.upper_in), 0.35 * gap.clamp(max=12.0)
    ).clamp(max=7.5)
    within = edge(s - 0.08, 0.1) * edge(0.92 - s, 0.1) * edge(gap - 2.6, 2.0)
    teeth = edge(reach - over, 1.4).mul_(within)
    gleam = (1 - 0.5 * (2 * s - 1).square()) * (1 - 0.18 * bell(torch.cos((s - 0.5) * 26) / 0.35))
    gleam = (gleam * (0.5 + 0.5 * edge(gap - 6, 7.0))).expand_as(over)
    tongue = bell(under / 6.0).mul_(0.8 * bell((s - 0.5) / 0.36))
    light = exposure[:, None, None] * GREY_LEVELS
    for channel in range(3):
        lips = float(who.lips[channel]) * light
        target = patch[:, channel]
        result = torch.lerp(target * shadow, lips * upper_tone, upper_lip)
        result = torch.lerp(result, lips * lower_tone, lower_lip)
        inner = tongue * (_TONGUE[channel] - _DARK[channel]) + _DARK[channel]
        inner = torch.lerp(inner, _TOOTH[channel] * gleam, teeth)
        target.copy_(torch.lerp(result, inner.mul_(light), cavity).mul_(seam))
