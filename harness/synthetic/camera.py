"""The camera: focus, block compression and noise.

Softness and compression are linear and separable, and mixed into each frame by its own weight: a
small blur, then in each block of 8 pixels only the slow cosines are kept, as strong compression
leaves it.
"""

from __future__ import annotations

import numpy as np
import torch

_BLOCK = 8
_NOISE_PLAY = 32  # pixels that a frame's cut of the noise may lie apart from another's
_NOISE_SHEETS = 4


def slow_cosines(compression: float) -> np.ndarray:
    """float32 (8, 8) projection of 8 pixels on their slow cosines.

    Args:
        compression: 0 keeps all eight, 1 the slowest three; between, the last one fades.
    """
    inside = np.arange(_BLOCK)
    cosines = np.cos(np.pi * (2 * inside[None] + 1) * inside[:, None] / (2 * _BLOCK))
    cosines /= np.linalg.norm(cosines, axis=1, keepdims=True)
    kept = np.clip(_BLOCK - 5 * compression - inside, 0, 1)
    return np.asarray(cosines.T @ (kept[:, None] * cosines), np.float32)


def degrade(
    picture: torch.Tensor, projection: torch.Tensor | None, weight: torch.Tensor
) -> torch.Tensor:
    """(B, 3, H, W) mixed with its blurred and compressed self.

    Args:
        projection: (8, 8) from ``slow_cosines``, or None for no compression.
        weight: (B,) in [0, 1], share of the degraded picture.
    """
    soft = torch.nn.functional.pad(picture, (1, 1, 1, 1), mode="replicate")
    soft = soft[..., :-2] + soft[..., 2:] + soft[..., 1:-1]
    soft = (soft[..., :-2, :] + soft[..., 2:, :]).add_(soft[..., 1:-1, :]).mul_(1 / 9)
    if projection is not None:
        rows = torch.matmul(soft.view(-1, _BLOCK), projection)
        rows = rows.view(-1, _BLOCK, picture.shape[-1])
        soft = torch.matmul(projection, rows).view(picture.shape)
    return soft.sub_(picture).mul_(weight[:, None, None, None]).add_(picture)


class SensorNoise:
    """Grey-level noise: a few sheets per sequence, of which each frame takes a cut of its own."""

    def __init__(
        self, random: np.random.Generator, size: int, level: float, device: torch.device
    ) -> None:
        wide = size + _NOISE_PLAY
        sheets = random.standard_normal((_NOISE_SHEETS, 3, wide, wide), np.float32)
        sheets = 0.6 * sheets + 0.8 * sheets.mean(axis=1, keepdims=True) * 3**0.5
        self.size = size
        self.sheets = torch.from_numpy(sheets * np.float32(level)).to(device)
        self.cuts = random.integers(0, _NOISE_PLAY, (4096, 2))

    def add(self, picture: torch.Tensor, start: int) -> None:
        """Adds noise to frames ``start``, ``start`` + 1, ... of the sequence, in place."""
        frames = np.arange(start, start + len(picture))
        if picture.device.type != "cpu":
            picture += self.gathered(frames)
            return
        for row, frame in enumerate(frames):
            down, across = (int(value) for value in self.cuts[frame % len(self.cuts)])
            sheet = self.sheets[frame % _NOISE_SHEETS]
            picture[row] += sheet[:, down : down + self.size, across : across + self.size]

    def gathered(self, frames: np.ndarray) -> torch.Tensor:
        """float32 (B, 3, H, W): the noise of the given frames by one indexing, as GPUs like it."""
        device = self.sheets.device
        steps = np.arange(self.size)
        cuts = self.cuts[frames % len(self.cuts)]
        rows, columns = (torch.from_numpy(cuts[:, i, None] + steps).to(device) for i in (0, 1))
        sheet = torch.from_numpy(frames % _NOISE_SHEETS).to(device)
        colour = torch.arange(3, device=device)
        return self.sheets[
            sheet[:, None, None, None],
            colour[:, None, None],
            rows[:, None, :, None],
            columns[:, None, None, :],
        ]
