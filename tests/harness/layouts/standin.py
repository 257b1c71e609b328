"""A small generated dataset: random labels, jittered reference landmarks, smooth coloured faces
that differ from frame to frame. Stands in for the synthetic faces, and costs nothing to make."""

import cv2
import numpy as np

from harness.data.building import SequenceFrames, SequenceHeader
from harness.prepare.registration import Registration

PAPER_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)


class Standin:
    """A source of sequences with the harness's contract (see harness.layouts.writing)."""

    def __init__(
        self, subjects=2, tasks=2, frames=9, aus=PAPER_AUS, lost=(3,), unknown=True, prefix="lab:S"
    ):
        self.aus = tuple(aus)
        self.lost = lost
        self.unknown = unknown
        self.headers = [
            SequenceHeader(
                subject=f"{prefix}{s + 1:03d}",
                sequence=f"{prefix}{s + 1:03d}/T{t + 1}",
                num_frames=frames + 2 * t,
            )
            for s in range(subjects)
            for t in range(tasks)
        ]

    def sequence(self, position):
        num_frames = self.headers[position].num_frames
        draw = np.random.default_rng(position)
        reference = Registration().reference
        landmarks = reference + draw.normal(0, 1.5, (num_frames, 49, 2))
        texture = cv2.GaussianBlur(draw.normal(0, 1, (240, 240, 3)).astype(np.float32), (0, 0), 5)
        texture = np.clip(texture * 600 + 128, 0, 255).astype(np.uint8)
        faces = np.stack([texture[3 * t % 40 :, t % 40 :][:200, :200] for t in range(num_frames)])
        labels = draw.integers(0 if not self.unknown else -1, 2, (num_frames, len(self.aus)))
        labels = np.where(labels == 0, -1, labels) if not self.unknown else labels
        tracked = np.ones(num_frames, bool)
        tracked[[f for f in self.lost if f < num_frames]] = False
        labels[~tracked] = 0
        landmarks[~tracked] = np.nan
        faces[~tracked] = 0
        return SequenceFrames(
            numbers=np.arange(1, num_frames + 1, dtype=np.int32),
            labels=labels.astype(np.int8),
            landmarks=landmarks.astype(np.float32),
            faces=faces,
            tracked=tracked,
            source=[f"standin {position}"] * num_frames,
        )
