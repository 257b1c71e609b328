"""Training frames drawn as a mini-batch sampler would draw them, for methods without mini-batches.

A batch method that counts frame i as often as one epoch of a sampler draws it sees the same
distribution as a network trained on those batches. Random and stratified batches draw every frame
once, so only samplers that draw unevenly are offered.

What always holds: counts depend on labels, sampler and seed alone, and only training frames are
ever drawn.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Sampler = Literal["none", "momu"]
BATCH_SIZE = 196  # the paper's, section 4.1


def draw_counts(labels_NL: np.ndarray, sampler: Sampler, seed: int) -> np.ndarray:
    """float32 (N,) how often each frame is drawn in one epoch; all 1 for ``none``."""
    num_frames = len(labels_NL)
    if sampler == "none":
        return np.ones(num_frames, np.float32)
    from sampling import MomuBatches

    batches = MomuBatches(labels_NL, min(BATCH_SIZE, num_frames), seed=seed)
    drawn = np.concatenate([np.asarray(batch) for batch in batches])
    return np.bincount(drawn, minlength=num_frames).astype(np.float32)
