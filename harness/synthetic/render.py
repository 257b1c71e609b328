"""Turns tracks into faces: one weighted sum of textures, one warp, then eyes and mouth on top.

For each batch of frames: the actions move the skin (a smooth field on a coarse grid) and the
landmarks (the same field at 49 points); the landmarks register the face with a similarity, as real
preparation does; the inverse of field and registration tells where each pixel of the registered face
looks in the texture. Lids and lips are drawn from their landmarks afterwards, because they open.

What always holds: batches have one fixed size on the CPU (the last is padded) and run on one thread,
so a frame's bytes do not depend on how many are asked for or on the machine's thread settings.

Legend: B batch, A actions, G x G coarse grid, H W picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from torch.nn.functional import grid_sample

from harness.synthetic.camera import SensorNoise, degrade, slow_cosines
from harness.synthetic.eyes import GREY_LEVELS, draw_eyes
from harness.synthetic.motion import Performance
from harness.synthetic.mouth import draw_mouth
from harness.synthetic.overlays import draw_glasses, draw_hand, paint_hand
from harness.synthetic.people import Person, person
from harness.synthetic.presets import PRESETS
from harness.synthetic.seeds import stream
from harness.synthetic.shape import (
    ACTIONS,
    EYE_LEFT,
    EYE_RIGHT,
    depth,
    part_motion,
    resting_landmarks,
    skin_motion,
)
from harness.synthetic.skin import MARGIN, TEXTURE, paint

SIZE = 200
CPU_BATCH = 8
GPU_BATCH = 256
_STEP = 4  # pixels between nodes of the coarse grid
_ROUNDS = 5  # the inverse of the motion is found to a twentieth of a pixel
_MIDDLE_DEPTH = 40.0  # the head turns about an axis this far above the plane through its sides


@lru_cache(maxsize=4)
def _coarse_motion(preset: str, seed: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    """A person's motion on the coarse grid (A, 2, G, G) and its depth there (G, G)."""
    who = person(preset, seed, number)
    axis = np.arange(-MARGIN, SIZE + MARGIN + 1, _STEP, dtype=float)
    x, y = np.meshgrid(axis, axis)
    points = np.stack([x, y], axis=-1)
    moves = np.moveaxis(skin_motion(points, who.asymmetry), -1, 1)
    height = depth(points, who.face_width, who.chin, who.nose_height)
    return moves.astype(np.float32), height.astype(np.float32)


class Renderer:
    """Renders the frames of one sequence.

    Args:
        preset, seed, subject, task: which sequence (counted from 0).
        device: a torch device; another one gives the same pictures within rounding.
    """

    def __init__(
        self, preset: str, seed: int, subject: int, task: int, device: str = "cpu"
    ) -> None:
        self.device = torch.device(device)
        self.who: Person = person(preset, seed, subject)
        domain = PRESETS[preset]
        skin = paint(preset, seed, subject, task, domain.light)
        moves, self_depth = _coarse_motion(preset, seed, subject)
        rest = self.who.landmarks
        self.moves = self._tensor(moves)
        self.depth = self._tensor(self_depth)
        axis = np.arange(-MARGIN, SIZE + MARGIN + 1, _STEP, dtype=np.float32)
        x, y = np.meshgrid(axis, axis)
        self.nodes = self._tensor(np.stack([x, y]))
        self.landmarks = self._tensor(rest)
        self.landmark_moves = self._tensor(
            skin_motion(rest, self.who.asymmetry) + part_motion(self.who.asymmetry)
        )
        self.landmark_depth = self._tensor(
            depth(rest, self.who.face_width, self.who.chin, self.who.nose_height)
        )
        self.rest = self._tensor(self.who.rest)
        self.reference = self._tensor(resting_landmarks())
        self.base = self._tensor(skin.base) * GREY_LEVELS
        self.changes = self._tensor(skin.changes).flatten(1)
        axis = np.arange(0, SIZE + 1, _STEP, dtype=np.float32)
        x, y = np.meshgrid(axis, axis)
        self.picture_nodes = self._tensor(np.stack([x, y]))
        nodes = np.arange(0, SIZE + 1, _STEP)
        self.refine = self._tensor(
            np.clip(1 - np.abs(np.arange(SIZE)[:, None] - nodes) / _STEP, 0, None)
        )
        random = stream("noise", preset, seed, subject, task)
        self.noise = SensorNoise(random, SIZE, domain.noise, self.device)
        # pictures are in grey levels, 0 to 255, from the base on
        self.projection = (
            self._tensor(slow_cosines(domain.compression)) if domain.compression else None
        )
        self.hand = self._tensor(paint_hand(self.who, preset, seed, task)) * GREY_LEVELS
        self.hand[3] /= GREY_LEVELS

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(self.device)

    def batches(self, acted: Performance) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Frames in order, batch by batch: (rows, faces uint8, landmarks float32)."""
        total = len(acted.blink)
        size = GPU_BATCH if self.device.type == "cuda" else CPU_BATCH
        for start in range(0, total, size):
            stop = min(start + size, total)
            batch = acted.rows(start, stop)
            if stop - start < size:
                short = size - (stop - start)
                batch = Performance(
                    **{
                        key: np.concatenate([value, np.repeat(value[-1:], short, axis=0)])
                        for key, value in vars(batch).items()
                    }
                )
            threads = torch.get_num_threads()
            if self.device.type == "cpu" and threads != 1:
                torch.set_num_threads(1)
            try:
                with torch.inference_mode():
                    faces, landmarks = self._render(batch, start)
            finally:
                if torch.get_num_threads() != threads:
                    torch.set_num_threads(threads)
            count = stop - start
            yield slice(start, stop), faces[:count], landmarks[:count]

    def _render(self, acted: Performance, start: int) -> tuple[np.ndarray, np.ndarray]:
        actions = (self._tensor(acted.actions) + self.rest).clamp(0, 1.15)
        pose = self._tensor(acted.pose)
        blink = self._tensor(acted.blink)
        landmarks = self._landmarks(actions, pose, blink)
        scale, shift = self._registration(landmarks, self._tensor(acted.jitter))
        registered = landmarks @ scale + shift[:, None]
        where = self._look_up(actions, pose, scale, shift)
        weights = torch.cat([actions, self._tensor(acted.light)], 1)
        change = weights @ self.changes
        # folds that fall together deepen each other ever less
        change /= change.abs().mul_(0.7).add_(1)
        texture = change.add_(1).view(-1, 1, TEXTURE, TEXTURE) * self.base
        picture = grid_sample(texture, where, align_corners=True, padding_mode="border")
        exposure = 1 + self._tensor(acted.light)[:, 0]
        draw_eyes(picture, registered, self.who, self._tensor(acted.gaze), blink, exposure)
        draw_mouth(picture, registered, self.who, actions, exposure)
        if self.who.glasses:
            draw_glasses(picture, registered, self.who)
        draw_hand(picture, self.hand, acted.hand)
        picture = degrade(picture, self.projection, self._tensor(acted.blur))
        self.noise.add(picture, start)
        pixels = picture.add_(0.5).clamp_(0, 255).to(torch.uint8)
        tracked = registered + self._tensor(acted.landmark_noise)
        return pixels.permute(0, 2, 3, 1).contiguous().cpu().numpy(), tracked.cpu().numpy()

    def _landmarks(
        self, actions: torch.Tensor, pose: torch.Tensor, blink: torch.Tensor
    ) -> torch.Tensor:
        """(B, 49, 2) landmarks before registration."""
        moved = self.landmarks + (actions @ self.landmark_moves.flatten(1)).view(-1, 49, 2)
        for eye in (EYE_LEFT, EYE_RIGHT):
            upper, lower = moved[:, eye][:, [1, 2]], moved[:, eye][:, [5, 4]]
            gap = lower - upper
            closing = torch.maximum(blink[:, None] * gap[..., 1], gap[..., 1] * 0 + 0)
            first = eye.start
            moved[:, first + 1, 1] += closing[:, 0] * 0.9
            moved[:, first + 2, 1] += closing[:, 1] * 0.9
        upper_lip, lower_lip = moved[:, 43:46, 1], moved[:, [48, 47, 46], 1]
        middle = (upper_lip + lower_lip) / 2
        crossed = upper_lip > lower_lip - 0.6
        moved[:, 43:46, 1] = torch.where(crossed, middle - 0.3, upper_lip)
        moved[:, [48, 47, 46], 1] = torch.where(crossed, middle + 0.3, lower_lip)
        return moved + self._turn(moved, self.landmark_depth, pose)

    def _turn(self, points: torch.Tensor, height: torch.Tensor, pose: torch.Tensor) -> torch.Tensor:
        """What turning the head adds to points (B, ..., 2) at the given height."""
        shape = (-1, *[1] * (points.dim() - 2))
        yaw, pitch = pose[:, 0].view(shape), pose[:, 1].view(shape)
        lift = height - _MIDDLE_DEPTH
        across = (torch.cos(yaw) - 1) * (points[..., 0] - 100) + torch.sin(yaw) * lift
        down = (torch.cos(pitch) - 1) * (points[..., 1] - 92) + torch.sin(pitch) * lift
        return torch.stack([across, down], dim=-1)

    def _registration(
        self, landmarks: torch.Tensor, jitter: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The similarity that brings landmarks to the reference: p -> p @ scale + shift."""
        centre = landmarks.mean(1)
        moved = landmarks - centre[:, None]
        target_centre = self.reference.mean(0)
        target = self.reference - target_centre
        along = (moved * target).sum((1, 2))
        turn = (moved[..., 0] * target[:, 1] - moved[..., 1] * target[:, 0]).sum(1)
        size = (moved**2).sum((1, 2))
        a, b = along / size, turn / size
        # registration is never perfect: a tracker's noise turns, stretches and shifts it a little
        cosine, sine = torch.cos(jitter[:, 2]), torch.sin(jitter[:, 2])
        stretch = torch.exp(jitter[:, 3])
        a, b = stretch * (a * cosine - b * sine), stretch * (a * sine + b * cosine)
        scale = torch.stack([torch.stack([a, b], 1), torch.stack([-b, a], 1)], 1)
        shift = target_centre + jitter[:, :2] - (centre[:, None] @ scale)[:, 0]
        return scale, shift

    def _look_up(
        self, actions: torch.Tensor, pose: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor
    ) -> torch.Tensor:
        """(B, H, W, 2) for each pixel, its place in the texture in [-1, 1]."""
        count = len(actions)
        grid = self.nodes.shape[-1]
        field = (actions @ self.moves.flatten(1)).view(count, 2, grid, grid)
        points = self.nodes.permute(1, 2, 0).expand(count, -1, -1, -1)
        field = field + self._turn(points + field.permute(0, 2, 3, 1), self.depth, pose).permute(
            0, 3, 1, 2
        )
        inverse = torch.linalg.inv(scale)
        nodes = self.picture_nodes.flatten(1).T.expand(count, -1, -1)
        target = (nodes - shift[:, None]) @ inverse
        size = self.picture_nodes.shape[-1]
        target = target.view(count, size, size, 2)
        half = (SIZE + 2 * MARGIN) / 2
        found = target
        for _ in range(_ROUNDS):
            place = (found + MARGIN) / half - 1
            moved = grid_sample(field, place, align_corners=True, padding_mode="border")
            found = target - moved.permute(0, 2, 3, 1)
        texel = ((found + MARGIN) / ((TEXTURE - 1) / 2) - 1).permute(0, 3, 1, 2)
        fine = torch.matmul(self.refine, torch.matmul(texel, self.refine.T))
        return fine.permute(0, 2, 3, 1)


__all__ = ["ACTIONS", "Renderer"]
