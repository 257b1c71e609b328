"""Turns tracks into faces: one weighted sum of textures, one warp, then eyes and mouth on top.

A frame's skin is the person's lit texture, darkened and lightened by the wrinkles of its actions,
and pulled to its place by ``geometry.py``. Lids and lips open and close, so they are drawn from
their landmarks afterwards; then come glasses, hands and the camera.

What always holds: batches have one fixed size (the last is padded) and run on one thread, so a
frame's bytes do not depend on how many are asked for or on the machine's thread settings.

Legend: B batch, P texture, H W picture.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch.nn.functional import grid_sample

from harness.synthetic.camera import SensorNoise, degrade, slow_cosines
from harness.synthetic.eyes import GREY_LEVELS, draw_eyes
from harness.synthetic.geometry import SIZE, Geometry
from harness.synthetic.motion import Performance
from harness.synthetic.mouth import draw_mouth
from harness.synthetic.overlays import draw_glasses, draw_hand, paint_hand
from harness.synthetic.people import person
from harness.synthetic.presets import PRESETS
from harness.synthetic.seeds import stream
from harness.synthetic.skin import TEXTURE, paint

CPU_BATCH = 8  # small, so that a batch stays in the cache
GPU_BATCH = 512  # a thousand small kernels a batch: few frames would wait for their launches
_CROWDING = 0.7  # folds that fall together deepen each other ever less


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
        self.who = person(preset, seed, subject)
        self.geometry = Geometry(preset, seed, subject, self.device)
        domain, tensor = PRESETS[preset], self.geometry.tensor
        skin = paint(preset, seed, subject, task, domain.light)
        self._base = tensor(skin.base) * GREY_LEVELS
        self._changes = tensor(skin.changes).flatten(1)
        hand, cover = np.split(paint_hand(self.who, preset, seed, task), [3])
        self._hand = tensor(np.concatenate([hand * GREY_LEVELS, cover]))
        compressed = domain.compression > 0
        self._projection = tensor(slow_cosines(domain.compression)) if compressed else None
        random = stream("noise", preset, seed, subject, task)
        self._noise = SensorNoise(random, SIZE, domain.noise, self.device)

    def batches(self, acted: Performance) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
        """Frames in order, batch by batch.

        Yields:
            Rows of the performance, faces uint8 (B, 200, 200, 3), landmarks float32 (B, 49, 2).
        """
        total = len(acted.blink)
        size = CPU_BATCH if self.device.type == "cpu" else GPU_BATCH
        for start in range(0, total, size):
            stop = min(start + size, total)
            threads = torch.get_num_threads()
            if threads != 1:
                torch.set_num_threads(1)
            try:
                with torch.inference_mode():
                    faces, landmarks = self._render(acted.rows(start, stop).padded(size), start)
            finally:
                if threads != 1:
                    torch.set_num_threads(threads)
            yield slice(start, stop), faces[: stop - start], landmarks[: stop - start]

    def _render(self, acted: Performance, start: int) -> tuple[np.ndarray, np.ndarray]:
        tensor = self.geometry.tensor
        actions, light = self.geometry.shown(acted), tensor(acted.light)
        landmarks, turn, shift = self.geometry.place(acted, actions)
        change = torch.cat([actions, light], 1) @ self._changes
        change /= change.abs().mul_(_CROWDING).add_(1)
        texture = change.add_(1).view(-1, 1, TEXTURE, TEXTURE) * self._base
        where = self.geometry.look_up(acted, actions, turn, shift)
        picture = grid_sample(texture, where, align_corners=True, padding_mode="border")
        exposure = 1 + light[:, 0]
        blink, gaze = tensor(acted.blink), tensor(acted.gaze)
        draw_eyes(picture, landmarks, self.who, gaze, blink, exposure)
        draw_mouth(picture, landmarks, self.who, actions, exposure)
        if self.who.glasses:
            draw_glasses(picture, landmarks, self.who)
        draw_hand(picture, self._hand, acted.hand)
        picture = degrade(picture, self._projection, tensor(acted.blur))
        self._noise.add(picture, start)
        pixels = picture.add_(0.5).clamp_(0, 255).to(torch.uint8)
        tracked = landmarks + tensor(acted.landmark_noise)
        return on_host(pixels.permute(0, 2, 3, 1).contiguous()), on_host(tracked)


def on_host(array: torch.Tensor) -> np.ndarray:
    """The numbers as a numpy array; from a GPU by way of pinned memory, several times as fast."""
    if array.device.type == "cuda":
        pinned = torch.empty(array.shape, dtype=array.dtype, pin_memory=True)
        array = pinned.copy_(array)
    return array.cpu().numpy()
