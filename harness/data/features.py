"""Extracting a feature for a whole dataset, once: a float16 array beside the faces.

An extractor is a class with ``dimension``, ``code_version`` and a call from a chunk of frames
(faces uint8 (N, 200, 200, 3), landmarks float32 (N, 49, 2)) to float32 (N, D). Frames stream
through it in chunks, so memory is bounded by the chunk.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from harness.data.prepared import PreparedDataset
from harness.errors import UserError
from harness.registry import load_object

CHUNK = 256


class FeatureExtractor(Protocol):
    """What a dotted path in ``harness.method.Feature`` must name."""

    dimension: int

    def __call__(self, faces: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """float32 (N, D) features of N frames."""


def extract_feature(
    dataset: PreparedDataset,
    name: str,
    extractor: str,
    options: Mapping[str, Any],
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Writes ``features/<name>.npy`` unless it stands already; returns its path."""
    file = dataset.feature_file(name)
    if file.is_file():
        return file
    extract: FeatureExtractor = load_object(extractor)(**options)
    frames = dataset.frames()
    total = len(frames)
    file.parent.mkdir(exist_ok=True)
    aside = file.with_name(f"{file.name}.{os.getpid()}.part")
    target = np.lib.format.open_memmap(aside, "w+", np.float16, (total, extract.dimension))
    try:
        for start in range(0, total, CHUNK):
            rows = slice(start, min(start + CHUNK, total))
            values = extract(frames.faces[rows], frames.landmarks[rows])
            bad = ~np.isfinite(values).all(axis=1)
            if bad.any():
                at = start + int(np.flatnonzero(bad)[0])
                raise UserError(
                    f"feature {name} is not finite at {frames.sequences[at]}, "
                    f"frame {frames.numbers[at]}"
                )
            target[rows] = values
            if progress:
                progress(rows.stop, total)
        target.flush()
        aside.replace(file)
    finally:
        aside.unlink(missing_ok=True)
    return file
