"""Memory of a job from the size of its split, where neither its method nor the suite says it.

A job holds its process; the rows of the features that it reads, in half precision as they are
stored, and widened to single precision while that is small; and some numbers of every frame (keys,
labels, scores, one column of a solver for each AU). Faces are memory-mapped and gathered by batch.
Amounts are rounded up, so that jobs of about one size have one shape on the cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.errors import UserError
from harness.method import Feature, Needs
from harness.plan.jobs import digest
from harness.registry import load_object

MEGABYTE = 10**6
PROCESS = 800 * MEGABYTE  # Python with numpy, pandas and torch, and room to work
TRAINING = 1500 * MEGABYTE  # the same with a network, its batches and Ray Train
CHUNKS = 1000 * MEGABYTE  # making a dataset or a feature, chunk by chunk
WIDENED = 1000 * MEGABYTE  # rows whose float32 copy is smaller are widened once
FRAME = 3000  # bytes of every frame beside its features
STEP = 250 * MEGABYTE

_dimensions: dict[str, int] = {}


def with_memory(needs: Needs, features: Mapping[str, Feature], num_frames: int) -> Needs:
    """What a job of a method asks for, with an estimate of its memory unless it is said.

    Args:
        features: what the method and its stages read.
        num_frames: of the parts that it trains on and chooses by.
    """
    if needs.memory:
        return needs
    values = num_frames * sum(feature_dimension(feature) for feature in features.values())
    rows = 2 * values + min(4 * values, WIDENED)
    total = (TRAINING if needs.train else PROCESS) + rows + FRAME * num_frames
    return replace(needs, memory=-(-total // STEP) * STEP)


def feature_dimension(feature: Feature) -> int:
    """D of a feature; 0 where its extractor cannot be made here, which its own job will say."""
    key = digest(feature.extractor, dict(feature.options))
    if key not in _dimensions:
        try:
            kind: Any = load_object(feature.extractor)
            found = getattr(kind, "dimension", None)
            if not isinstance(found, int):
                found = kind(**feature.options).dimension
            _dimensions[key] = int(found)
        except (UserError, ImportError, OSError, ValueError, TypeError, RuntimeError):
            _dimensions[key] = 0
    return _dimensions[key]
