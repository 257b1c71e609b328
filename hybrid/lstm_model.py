"""Trained LSTMs over a trained CNN: scores whole videos, one sequence at a time in effect.

What always holds: the state starts from zero at each sequence's first frame and runs to its last;
frames of other sequences, and the order in which sequences are given, change nothing.

Legend: N frames, M packed rows, L action units, D features, H cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.data.frames import FrameSet
from hybrid.anet_model import AnetModel, columns_of
from hybrid.checkpoints import fit_into, load_model, save_model
from hybrid.lstm_stack import LstmStack, build_stack
from hybrid.options import SequenceOptions
from hybrid.pca import Pca
from hybrid.segments import pack, runs

KIND = "lstm"
ROWS_AT_ONCE = 65_536


@dataclass(frozen=True, kw_only=True)
class Streams:
    """What both networks say of the same frames, float32: the CNN's logits (N, L) and normalised
    fc7 (N, D), the LSTMs' scores (N, L) and last hidden states (N, H)."""

    logits_NL: np.ndarray
    fc7_ND: np.ndarray
    scores_NL: np.ndarray
    hidden_NH: np.ndarray


class LstmModel:
    """The stack with the CNN whose fc7 it reads, and the projection in between."""

    def __init__(
        self,
        cnn: AnetModel,
        pca: Pca,
        stack: LstmStack,
        options: SequenceOptions,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.cnn, self.pca, self.options = cnn, pca, options
        self.stack = stack.to(cnn.device)
        self.aus = cnn.aus
        self.about = dict(about or {})

    def scores(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, L) in (-1, 1), above 0 means present."""
        columns = columns_of(self.aus, frames.aus)
        return np.ascontiguousarray(self.streams(frames).scores_NL[:, columns])

    def streams(self, frames: FrameSet) -> Streams:
        """Both networks' outputs for all their AUs; the CNN passes once."""
        logits_NL, fc7_ND = self.cnn.evaluate(frames)
        features = project(torch.from_numpy(fc7_ND), self.pca, self.options, self.cnn.device)
        scores_NL, hidden_NH = run_through(self.stack, features, frames.sequences)
        return Streams(logits_NL=logits_NL, fc7_ND=fc7_ND, scores_NL=scores_NL, hidden_NH=hidden_NH)

    def save(self, folder: Path) -> None:
        """Writes the LSTMs, and the CNN into a folder below."""
        save_model(
            folder,
            kind=KIND,
            aus=self.aus,
            options=self.options.model_dump(mode="json"),
            tensors={
                "stack": self.stack.state_dict(),
                "mean": self.pca.mean_D,
                "components": self.pca.components_DK,
                "energy": self.pca.energy,
                "spread": self.pca.spread,
            },
            about=self.about,
        )
        (folder / "cnn").mkdir()
        self.cnn.save(folder / "cnn")

    @classmethod
    def load(cls, folder: Path, device: torch.device | str | None = None) -> LstmModel:
        """The model that ``save`` wrote."""
        header, tensors = load_model(folder, KIND)
        options = SequenceOptions(**header["options"])
        pca = Pca(
            mean_D=tensors["mean"],
            components_DK=tensors["components"],
            energy=tensors["energy"],
            spread=tensors["spread"],
        )
        stack = build_stack(options, pca.components_DK.shape[1], len(header["aus"]), seed=0)
        fit_into(stack, tensors["stack"], folder)
        cnn = AnetModel.load(folder / "cnn", device)
        return cls(cnn, pca, stack, options, about=header["about"])


def project(fc7_ND: Tensor, pca: Pca, options: SequenceOptions, device: torch.device) -> Tensor:
    """float32 (N, K) input of the LSTMs, on the device."""
    pca, divisor = pca.on(device), input_divisor(pca, options)
    parts = [pca(part.to(device)) / divisor for part in fc7_ND.split(ROWS_AT_ONCE)]
    return torch.cat(parts) if parts else torch.empty((0, pca.components_DK.shape[1]))


def input_divisor(pca: Pca, options: SequenceOptions) -> float:
    """What every projected value is divided by."""
    return pca.spread if options.scale == "unit" else 1.0


def run_through(
    stack: LstmStack, features_ND: Tensor, sequences_N: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N, L) and hidden states (N, H) of whole sequences, many at once."""
    starts, lengths = runs(sequences_N)
    device = features_ND.device
    was_training = stack.training
    stack.eval()
    scores = np.zeros((len(features_ND), stack.num_aus), np.float32)
    hidden = np.zeros((len(features_ND), stack.width), np.float32)
    group = np.cumsum(lengths) // ROWS_AT_ONCE
    for number in np.unique(group):
        packing = pack(starts[group == number], lengths[group == number])
        order = torch.from_numpy(packing.order_M).to(device)
        with torch.inference_mode():
            scores_ML, hidden_MH = stack(features_ND[order], packing)
        scores[packing.order_M] = scores_ML.float().cpu().numpy()
        hidden[packing.order_M] = hidden_MH.float().cpu().numpy()
    stack.train(was_training)
    return scores, hidden
