"""LinearModel: one linear score for each AU on a stored feature; what SVM and JPML save.

What always holds: columns of the scores follow the AUs of the frames that are scored; an AU that
could not be learned scores 0 (absent) and is named in ``notes``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from baselines.feature_rows import feature_chunks
from harness.data.frames import FrameSet
from harness.errors import UserError


@dataclass(frozen=True, kw_only=True)
class LinearModel:
    """Weights float32 (D, L) and bias float32 (L,) on the feature ``feature``.

    Attributes:
        unit_norm: whether rows are scaled to unit length before the weights apply.
        notes: what a reader of the results must know, one sentence each.
        chosen: for each AU, the values of the options that were chosen on validation.
    """

    aus: tuple[int, ...]
    feature: str
    unit_norm: bool
    weights: np.ndarray
    bias: np.ndarray
    notes: list[str] = field(default_factory=list)
    chosen: dict[str, list[float]] = field(default_factory=dict)

    def scores(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, L), above 0 means present."""
        scores_NL = np.empty((len(frames), len(au_columns(self.aus, frames))), np.float32)
        for rows, chunk_BD in feature_chunks(frames, self.feature, unit_norm=self.unit_norm):
            scores_NL[rows] = self._apply(chunk_BD, frames)
        return scores_NL

    def score_rows(self, rows_ND: np.ndarray, frames: FrameSet) -> np.ndarray:
        """``scores`` from features of the frames that stand ready, float32 (N, D)."""
        if self.unit_norm:
            lengths_N1 = np.linalg.norm(rows_ND, axis=1, keepdims=True)
            rows_ND = rows_ND / np.where(lengths_N1 > 0, lengths_N1, 1)
        return self._apply(rows_ND, frames)

    def _apply(self, rows_ND: np.ndarray, frames: FrameSet) -> np.ndarray:
        check_dimension(rows_ND, len(self.weights), self.feature or "fc7")
        columns = au_columns(self.aus, frames)
        scores_NL: np.ndarray = rows_ND @ self.weights[:, columns] + self.bias[columns]
        return scores_NL

    def save(self, folder: Path) -> None:
        """Writes ``weights.npz`` and ``model.json``."""
        np.savez(folder / "weights.npz", weights=self.weights, bias=self.bias)
        about = {
            "aus": list(self.aus),
            "feature": self.feature,
            "unit_norm": self.unit_norm,
            "notes": self.notes,
            "chosen": self.chosen,
        }
        write_json(folder / "model.json", about)

    @classmethod
    def load(cls, folder: Path) -> LinearModel:
        """The model that ``save`` wrote."""
        about = read_json(folder / "model.json")
        with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
            about["aus"] = tuple(about["aus"])
            return cls(weights=arrays["weights"], bias=arrays["bias"], **about)


def au_columns(learned: Sequence[int], frames: FrameSet) -> list[int]:
    """Column of the model for each AU of the frames."""
    missing = [au for au in frames.aus if au not in learned]
    if missing:
        raise UserError(
            f"this model was not trained for AU{missing[0]}; it knows "
            f"{', '.join(f'AU{au}' for au in learned)}"
        )
    return [learned.index(au) for au in frames.aus]


def check_dimension(chunk_BD: np.ndarray, dimension: int, feature: str) -> None:
    """Refuses a feature of another length than the model was trained on."""
    if chunk_BD.shape[1] != dimension:
        raise UserError(
            f"feature {feature!r} has {chunk_BD.shape[1]} values a frame, this model was trained "
            f"on {dimension}: extract it with the options that the model was trained with"
        )


def write_json(file: Path, content: Mapping[str, object]) -> None:
    """Writes a small JSON file that people may read."""
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def read_json(file: Path) -> dict[str, Any]:
    """Reads what ``write_json`` wrote."""
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content
