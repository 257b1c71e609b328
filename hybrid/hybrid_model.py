"""A trained hybrid: CNN, LSTMs and the fusion of both.

What always holds: each frame is seen once by the CNN; both streams are read as they were in the
fusion's training.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.data.frames import FrameSet
from hybrid.anet_model import columns_of
from hybrid.checkpoints import fit_into, load_model, save_model
from hybrid.fusion import Fusion, build_fusion, fusion_inputs
from hybrid.lstm_model import LstmModel
from hybrid.options import FusionOptions

KIND = "hybrid"


class HybridModel:
    """Both streams and their fusion."""

    def __init__(
        self,
        lstm: LstmModel,
        fusion: Fusion,
        options: FusionOptions,
        about: Mapping[str, Any] | None = None,
        sizes_2L: torch.Tensor | None = None,
    ) -> None:
        self.lstm, self.fusion, self.options = lstm, fusion.eval(), options
        self.aus = lstm.aus
        self.about = dict(about or {})
        self.sizes_2L = sizes_2L

    def scores(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, L) logits, above 0 means present."""
        columns = columns_of(self.aus, frames.aus)
        inputs_NI = fusion_inputs(self.lstm.streams(frames), self.options, self.sizes_2L)
        with torch.inference_mode():
            logits_NL = self.fusion(inputs_NI).numpy()
        return np.ascontiguousarray(logits_NL[:, columns])

    def save(self, folder: Path) -> None:
        """Writes the fusion, and the streams into a folder below."""
        save_model(
            folder,
            kind=KIND,
            aus=self.aus,
            options=self.options.model_dump(mode="json"),
            tensors={"fusion": self.fusion.state_dict(), "sizes": self.sizes_2L},
            about=self.about,
        )
        (folder / "lstm").mkdir()
        self.lstm.save(folder / "lstm")

    @classmethod
    def load(cls, folder: Path, device: torch.device | str | None = None) -> HybridModel:
        """The model that ``save`` wrote."""
        header, tensors = load_model(folder, KIND)
        options = FusionOptions(**header["options"])
        num_inputs = tensors["fusion"]["first.weight"].shape[1]
        if options.mode == "siamese":
            num_inputs *= 2
        fusion = build_fusion(options, num_inputs, len(header["aus"]), seed=0)
        fit_into(fusion, tensors["fusion"], folder)
        lstm = LstmModel.load(folder / "lstm", device)
        return cls(lstm, fusion, options, header["about"], tensors["sizes"])
