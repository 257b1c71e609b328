"""Where each pixel of a frame looks on the person's skin, and where the 49 landmarks are.

Actions move the skin and the landmarks by the same fields; turning the head moves both by their
height; a similarity fitted to the landmarks then registers the face, as real preparation does. The
picture needs the inverse: for each of its pixels the place on the skin that came there, found by a
few rounds of substitution on a coarse grid.

Legend: B batch, A actions, G x G coarse grid over skin and margin, H W picture.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch.nn.functional import grid_sample

from harness.synthetic.motion import Performance
from harness.synthetic.people import person
from harness.synthetic.shape import (
    EYE_LEFT,
    EYE_RIGHT,
    part_motion,
    resting_landmarks,
    skin_motion,
    turning_depth,
)
from harness.synthetic.skin import MARGIN, TEXTURE

SIZE = 200
_STEP = 4  # pixels between nodes of the coarse grid
_ROUNDS = 5  # the inverse of the motion is found to a twentieth of a pixel
_AXIS_DEPTH = 40.0  # the head turns about an axis this far above the plane through its sides
_LEAST_GAP = 0.6  # lips that close stop at each other


@lru_cache(maxsize=4)
def _coarse_motion(preset: str, seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """A person's motion on the coarse grid (A, 2, G, G) and its height there (G, G)."""
    who = person(preset, seed, number)
    axis = np.arange(-MARGIN, SIZE + MARGIN + 1, _STEP, dtype=float)
    points = np.stack(np.meshgrid(axis, axis), axis=-1)
    moves = np.moveaxis(skin_motion(points, who.asymmetry), -1, 1)
    height = turning_depth(points, who.face_width, who.chin, who.nose_height)
    return moves.astype(np.float32), height.astype(np.float32)


class Geometry:
    """The moving face of one person.

    Args:
        preset, seed, number: whose.
        device: where to compute.
    """

    def __init__(self, preset: str, seed: int, number: int, device: torch.device) -> None:
        self.device = device
        who = person(preset, seed, number)
        moves, height = _coarse_motion(preset, seed, number)
        self._moves, self._height = self.tensor(moves), self.tensor(height)
        self._rest = self.tensor(who.rest)
        self._landmarks = self.tensor(who.landmarks)
        self._landmark_moves = self.tensor(
            skin_motion(who.landmarks, who.asymmetry) + part_motion(who.asymmetry)
        )
        self._landmark_height = self.tensor(
            turning_depth(who.landmarks, who.face_width, who.chin, who.nose_height)
        )
        self._reference = self.tensor(resting_landmarks())
        skin_axis = np.arange(-MARGIN, SIZE + MARGIN + 1, _STEP)
        self._skin_nodes = self.tensor(np.stack(np.meshgrid(skin_axis, skin_axis), axis=-1))
        axis = np.arange(0, SIZE + 1, _STEP)
        self._picture_nodes = self.tensor(np.stack(np.meshgrid(axis, axis), axis=-1))
        self._refine = self.tensor(
            np.clip(1 - np.abs(np.arange(SIZE)[:, None] - axis) / _STEP, 0, None)
        )

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        """The array as float32 on the device."""
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(self.device)

    def shown(self, acted: Performance) -> torch.Tensor:
        """(B, A) what the face does: the person's actions on top of their resting face."""
        return (self.tensor(acted.actions) + self._rest).clamp(0, 1.15)

    def place(
        self, acted: Performance, actions: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Registered landmarks (B, 49, 2), and the similarity: p -> p @ turn (B, 2, 2) + shift."""
        pose, blink = self.tensor(acted.pose), self.tensor(acted.blink)
        moved = self._landmarks + (actions @ self._landmark_moves.flatten(1)).view(-1, 49, 2)
        for eye in (EYE_LEFT, EYE_RIGHT):
            for upper, lower in ((eye.start + 1, eye.start + 5), (eye.start + 2, eye.start + 4)):
                opening = (moved[:, lower, 1] - moved[:, upper, 1]).clamp(min=0)
                moved[:, upper, 1] += 0.9 * blink * opening
        upper_lip, lower_lip = moved[:, [43, 44, 45], 1], moved[:, [48, 47, 46], 1]
        overlap = (upper_lip - lower_lip + _LEAST_GAP).clamp(min=0) / 2
        moved[:, [43, 44, 45], 1] -= overlap
        moved[:, [48, 47, 46], 1] += overlap
        moved += self._turned(moved, self._landmark_height, pose)
        turn, shift = self._registration(moved, self.tensor(acted.jitter))
        return moved @ turn + shift[:, None], turn, shift

    def look_up(
        self, acted: Performance, actions: torch.Tensor, turn: torch.Tensor, shift: torch.Tensor
    ) -> torch.Tensor:
        """(B, H, W, 2) for each pixel, its place in the skin's texture, in [-1, 1]."""
        pose = self.tensor(acted.pose)
        count, grid = len(actions), len(self._skin_nodes)
        field = (actions @ self._moves.flatten(1)).view(count, 2, grid, grid)
        moved = self._skin_nodes + field.permute(0, 2, 3, 1)
        field = field + self._turned(moved, self._height, pose).permute(0, 3, 1, 2)
        nodes = self._picture_nodes.flatten(0, 1).expand(count, -1, -1)
        target = (nodes - shift[:, None]) @ torch.linalg.inv(turn)
        target = target.view(count, *self._picture_nodes.shape)
        found = target
        for _ in range(_ROUNDS):
            at = (found + MARGIN) / ((SIZE + 2 * MARGIN) / 2) - 1
            came = grid_sample(field, at, align_corners=True, padding_mode="border")
            found = target - came.permute(0, 2, 3, 1)
        texel = ((found + MARGIN) / ((TEXTURE - 1) / 2) - 1).permute(0, 3, 1, 2)
        fine = torch.matmul(self._refine, torch.matmul(texel, self._refine.T))
        return fine.permute(0, 2, 3, 1)

    def _turned(
        self, points: torch.Tensor, height: torch.Tensor, pose: torch.Tensor
    ) -> torch.Tensor:
        """What turning the head adds to points (B, ..., 2) at the given height."""
        shape = (-1, *[1] * (points.dim() - 2))
        yaw, pitch = pose[:, 0].view(shape), pose[:, 1].view(shape)
        lift = height - _AXIS_DEPTH
        across = (torch.cos(yaw) - 1) * (points[..., 0] - 100) + torch.sin(yaw) * lift
        down = (torch.cos(pitch) - 1) * (points[..., 1] - 92) + torch.sin(pitch) * lift
        return torch.stack([across, down], dim=-1)

    def _registration(
        self, landmarks: torch.Tensor, jitter: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The least-squares similarity that brings landmarks to the mean face."""
        centre = landmarks.mean(1)
        moved = landmarks - centre[:, None]
        target_centre = self._reference.mean(0)
        target = self._reference - target_centre
        along = (moved * target).sum((1, 2))
        across = (moved[..., 0] * target[:, 1] - moved[..., 1] * target[:, 0]).sum(1)
        size = moved.square().sum((1, 2))
        a, b = along / size, across / size
        # registration is never perfect: a tracker's noise turns, stretches and shifts it a little
        cosine, sine = torch.cos(jitter[:, 2]), torch.sin(jitter[:, 2])
        stretch = torch.exp(jitter[:, 3])
        a, b = stretch * (a * cosine - b * sine), stretch * (a * sine + b * cosine)
        turn = torch.stack([torch.stack([a, b], 1), torch.stack([-b, a], 1)], 1)
        shift = target_centre + jitter[:, :2] - (centre[:, None] @ turn)[:, 0]
        return turn, shift


def landmarks(preset: str, seed: int, number: int, acted: Performance) -> np.ndarray:
    """float32 (T, 49, 2) tracked landmarks of a performance, without rendering a pixel."""
    geometry = Geometry(preset, seed, number, torch.device("cpu"))
    with torch.inference_mode():
        registered, _, _ = geometry.place(acted, geometry.shown(acted))
    return np.asarray(registered.numpy() + acted.landmark_noise)
