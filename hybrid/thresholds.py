"""A trained model whose decision thresholds were chosen on validation subjects (A-5.12).

What always holds: a score above 0 still means present, because each AU's threshold is taken off its
scores; the ranking of frames, and so ROC-AUC, is that of the model underneath.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.data.frames import FrameSet
from harness.errors import UserError
from harness.metrics.thresholds import best_f1_thresholds
from hybrid.checkpoints import load_model, save_model

KIND = "thresholds"


class WithThresholds:
    """``model`` with float32 (L,) ``thresholds`` taken off its scores."""

    def __init__(self, model: Any, thresholds_L: np.ndarray) -> None:
        self.model = model
        self.aus: tuple[int, ...] = model.aus
        rounded_L = thresholds_L.astype(np.float32)
        below_L = np.nextafter(rounded_L, np.float32(-np.inf))
        # The float32 below: rounded up, it could take a frame that it was placed under.
        self.thresholds_L = np.where(rounded_L > thresholds_L, below_L, rounded_L)

    def scores(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, L), above 0 where the model's score exceeds the AU's threshold."""
        columns = [self.aus.index(au) for au in frames.aus]
        scores_NL: np.ndarray = self.model.scores(frames)
        return scores_NL - self.thresholds_L[columns]

    def save(self, folder: Path) -> None:
        """Writes the thresholds, and the model into a folder below."""
        save_model(
            folder,
            kind=KIND,
            aus=self.aus,
            options={},
            tensors={"thresholds": torch.from_numpy(self.thresholds_L)},
        )
        (folder / "model").mkdir()
        self.model.save(folder / "model")

    @classmethod
    def load(cls, folder: Path) -> WithThresholds:
        """What ``save`` wrote."""
        _, tensors = load_model(folder, KIND)
        return cls(load_any(folder / "model"), tensors["thresholds"].numpy())


def with_thresholds(model: Any, validation: FrameSet, threshold: str) -> Any:
    """``model`` as it is for ``fixed``; for ``val_f1`` with the best ones of ``validation``."""
    if threshold == "fixed":
        return model
    if not len(validation):
        raise UserError(
            "threshold 'val_f1' needs validation subjects, and this split has none: take 'fixed'"
        )
    scores_NL = model.scores(validation.unlabelled())
    return WithThresholds(model, best_f1_thresholds(validation.labels, scores_NL))


def load_any(folder: Path) -> Any:
    """The model in ``folder``, of whichever kind of this package it is."""
    from hybrid import anet_model, hybrid_model, lstm_model

    kinds: dict[str, Any] = {
        KIND: WithThresholds,
        anet_model.KIND: anet_model.AnetModel,
        lstm_model.KIND: lstm_model.LstmModel,
        hybrid_model.KIND: hybrid_model.HybridModel,
    }
    try:
        kind = json.loads((folder / "options.json").read_text(encoding="utf-8"))["kind"]
        return kinds[kind].load(folder)
    except (OSError, ValueError, KeyError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{folder} holds no saved model of the hybrid network") from error
