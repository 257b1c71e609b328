"""Randomness as a function of (seed, purpose, step): no generator state outlives a step.

Each draw of training (crops, dropout masks, windows) takes a fresh generator seeded from the job's
seed, what it is for, and the step. So a resumed run needs only its step to draw as an undisturbed
one would, a prefetching thread may run ahead, and all workers draw alike. torch's and numpy's
global generators are never touched.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def derived_seed(seed: int, purpose: str, step: int = 0) -> int:
    """63 bits, well mixed, that depend on all three."""
    text = f"{seed}/{purpose}/{step}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def torch_generator(
    seed: int, purpose: str, step: int = 0, device: torch.device | str = "cpu"
) -> torch.Generator:
    """A generator for one purpose at one step, on ``device``."""
    return torch.Generator(device=device).manual_seed(derived_seed(seed, purpose, step))


def numpy_generator(seed: int, purpose: str, step: int = 0) -> np.random.Generator:
    """The same for numpy."""
    return np.random.default_rng(derived_seed(seed, purpose, step))
