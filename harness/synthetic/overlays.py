"""What comes between the camera and the face: glasses, and hands."""

from __future__ import annotations

import numpy as np
import torch

from harness.synthetic.eyes import GREY_LEVELS, bell, edge
from harness.synthetic.people import Person
from harness.synthetic.seeds import stream
from harness.synthetic.shape import EYE_LEFT, EYE_RIGHT

_ROWS = slice(38, 96)
HAND_HEIGHT, HAND_WIDTH = 190, 110


def draw_glasses(picture: torch.Tensor, landmarks: torch.Tensor, who: Person) -> None:
    """Paints the person's glasses into ``picture`` (B, 3, H, W), around the eyes' landmarks."""
    patch = picture[:, :, _ROWS]
    device = patch.device
    x = torch.arange(patch.shape[3], device=device, dtype=torch.float32)[None, None]
    y = torch.arange(_ROWS.start, _ROWS.stop, device=device, dtype=torch.float32)[None, :, None]
    half_x, half_y = 21.0 + 2.0 * who.lashes, 14.5 + 3.0 * who.brow_density
    rims, glare = torch.zeros_like(patch[:, 0]), torch.zeros_like(patch[:, 0])
    centres = []
    for eye in (EYE_LEFT, EYE_RIGHT):
        # corners only: glasses do not blink
        centre = landmarks[:, eye][:, [0, 3]].mean(1)
        centres.append(centre)
        u = (x - centre[:, 0, None, None]) / half_x
        v = (y - centre[:, 1, None, None] - 2.5) / half_y
        rim = ((u**4 + v**4) ** 0.25 - 1) * half_y
        rims = torch.maximum(rims, edge(1.4 - rim.abs(), 1.2))
        band = bell((u + 0.8 * v + 0.45) / 0.16)
        glare = glare + band * edge(-rim, 1.5)
    left, right = centres
    middle = ((left + right) / 2)[..., None, None]
    reach = (right - left)[:, 0, None, None] / 2
    off = (x - middle[:, 0]).abs()
    bridge = y - middle[:, 1] + 2.0 - 0.02 * off.square()
    between = edge(reach - half_x + 1 - off, 1.5)
    rims = torch.maximum(rims, edge(1.3 - bridge.abs(), 1.2) * between)
    temples = edge(off - reach - half_x, 1.5) * edge(who.face_width - off, 1.5)
    rims = torch.maximum(rims, edge(1.6 - (y - middle[:, 1] + 3).abs(), 1.2) * temples)
    rims, glare = rims[:, None], glare[:, None]
    frame_tone = 0.06 + 0.25 * max(0.0, float(who.asymmetry[1]))
    frame = torch.full_like(patch, frame_tone * GREY_LEVELS)
    patch.copy_(torch.lerp(patch + 0.10 * GREY_LEVELS * glare, frame, rims * 0.93))


def paint_hand(who: Person, preset: str, seed: int, task: int) -> np.ndarray:
    """float32 (4, HAND_HEIGHT, HAND_WIDTH): colour and cover of the person's hand, fingers up."""
    random = stream("hand shape", preset, seed, who.number, task)
    y, x = np.mgrid[0:HAND_HEIGHT, 0:HAND_WIDTH].astype(float)
    height = np.zeros_like(x)
    mirror = random.uniform() < 0.5
    spread = random.uniform(0.02, 0.12)
    for k, (root, top) in enumerate(((27, 22), (45, 8), (63, 12), (80, 30))):
        tip_x = root + (root - 54) * spread * 4 + random.uniform(-1.5, 1.5)
        height = np.maximum(
            height, _finger(x, y, (tip_x, top + 8), (root, 95), 8.6 - 0.4 * (k == 3))
        )
    height = np.maximum(height, _finger(x, y, (14, 92), (36, 130), 9.5))
    palm = np.hypot(np.clip(np.abs(x - 53) - 24, 0, None), np.clip(np.abs(y - 118) - 26, 0, None))
    height = np.maximum(height, 11 * np.sqrt(np.clip(1 - (palm / 14) ** 2, 0, None)))
    arm = np.abs(x - 53) / 27
    height = np.maximum(height, 11 * np.sqrt(np.clip(1 - arm**2, 0, None)) * (y > 125))
    slope_y, slope_x = np.gradient(height)
    light = (1 + 0.25 * slope_y - 0.10 * slope_x) / np.sqrt(1 + slope_x**2 + slope_y**2)
    creases = sum(np.exp(-0.5 * ((y - at) / 1.0) ** 2) for at in (45, 70, 96))
    tone = np.clip(0.52 + 0.40 * light - 0.06 * creases, 0.2, 1.1)
    cover = np.clip(height / 2.0, 0, 1)
    painted = np.concatenate(
        [who.skin[:, None, None] * tone * [[[1.0]], [[0.95]], [[0.94]]], cover[None]]
    )
    return np.ascontiguousarray(painted[:, :, ::-1] if mirror else painted, np.float32)


def _finger(
    x: np.ndarray, y: np.ndarray, tip: tuple[float, float], root: tuple[float, float], radius: float
) -> np.ndarray:
    along = np.array(root) - tip
    place = np.clip(((x - tip[0]) * along[0] + (y - tip[1]) * along[1]) / (along @ along), 0, 1)
    distance = np.hypot(x - tip[0] - place * along[0], y - tip[1] - place * along[1])
    return np.asarray(radius * np.sqrt(np.clip(1 - (distance / radius) ** 2, 0, None)))


def draw_hand(picture: torch.Tensor, hand: torch.Tensor, tracks: np.ndarray) -> None:
    """Lays the hand over the frames that show it.

    Args:
        picture: (B, 3, H, W), painted in place.
        hand: (4, HAND_HEIGHT, HAND_WIDTH) from ``paint_hand``.
        tracks: (B, 3) x, y of the fingers' middle and presence.
    """
    size = picture.shape[-1]
    for row in np.flatnonzero(tracks[:, 2] > 0):
        left = round(float(tracks[row, 0])) - HAND_WIDTH // 2
        top = round(float(tracks[row, 1])) - 55
        rows = slice(max(0, top), min(size, top + HAND_HEIGHT))
        columns = slice(max(0, left), min(size, left + HAND_WIDTH))
        if rows.start >= rows.stop or columns.start >= columns.stop:
            continue
        part = hand[
            :, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
        target = picture[row, :, rows, columns]
        target.copy_(torch.lerp(target, part[:3], part[3:]))
