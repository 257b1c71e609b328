"""A trained ANet: scores faces, and represents them by fc7.

What always holds: faces are centre-cropped and dropout is off; scores are logits, so 0 is
probability one half; ``represent`` gives rows of length 1 unless ``raw``.

Legend: N frames, L action units, D size of fc7.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.data.frames import FrameSet, Rows
from harness.errors import UserError
from hybrid.anet import build_network
from hybrid.checkpoints import fit_into, load_model, save_model
from hybrid.faces_on_device import FacesOnDevice
from hybrid.options import CnnOptions
from hybrid.workers import placed

KIND = "anet"
INFERENCE_BATCH = {"cuda": 2048, "cpu": 64}


class AnetModel:
    """The network with what it needs to see a face as it did in training.

    Args:
        aus: what its outputs stand for.
        mean, scale: colour normalisation, see ``FacesOnDevice``.
        correction: (L,) taken off the logits; zeros unless ``prior_correction``.
        about: facts about its training, kept with it.
    """

    def __init__(
        self,
        options: CnnOptions,
        aus: tuple[int, ...],
        network: nn.Module,
        *,
        mean: Tensor,
        scale: float,
        correction: np.ndarray | None = None,
        device: torch.device | str | None = None,
        about: Mapping[str, Any] | None = None,
    ) -> None:
        self.options = options
        self.aus = tuple(aus)
        self.device = usual_device() if device is None else torch.device(device)
        self.network = placed(network, self.device)
        self.mean, self.scale = mean, scale
        self.correction_L = np.zeros(len(aus), np.float32) if correction is None else correction
        self.about = dict(about or {})

    def scores(self, frames: FrameSet) -> np.ndarray:
        """float32 (N, L) logits; a face above 0 shows the AU."""
        columns = columns_of(self.aus, frames.aus)
        return np.ascontiguousarray(self.evaluate(frames)[0][:, columns])

    def represent(self, frames: FrameSet, raw: bool = False) -> np.ndarray:
        """float32 (N, D) fc7, each row L2-normalised unless ``raw`` (section 3.1)."""
        return self.evaluate(frames, raw=raw)[1]

    def evaluate(self, frames: FrameSet, raw: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Scores of all AUs of the model, and representation, in one pass."""
        faces = self.faces_of(frames.faces)
        logits, fc7 = [], []
        for logits_BL, fc7_BD in self.outputs(faces):
            logits.append(logits_BL.cpu())
            fc7.append((fc7_BD if raw else normalised(fc7_BD)).cpu())
        if not logits:
            return (
                np.empty((0, len(self.aus)), np.float32),
                np.empty((0, self.options.fc), np.float32),
            )
        return torch.cat(logits).numpy() - self.correction_L, torch.cat(fc7).numpy()

    def faces_of(self, faces: Rows) -> FacesOnDevice:
        """The faces as this network sees them; they pass once, so they are streamed."""
        return FacesOnDevice(
            faces,
            resolution=self.options.resolution,
            crop=self.options.crop,
            mean=self.mean,
            scale=self.scale,
            device=self.device,
            residence="stream",
            local=self.options.pixels == "local",
        )

    def outputs(self, faces: FacesOnDevice) -> Iterator[tuple[Tensor, Tensor]]:
        """float32 logits and fc7 of all faces in order, batch by batch, on the device."""
        return outputs_of(self.network, faces, self.options)

    def save(self, folder: Path) -> None:
        """Writes the model into an existing folder."""
        save_model(
            folder,
            kind=KIND,
            aus=self.aus,
            options=self.options.model_dump(mode="json"),
            tensors={
                "network": self.network.state_dict(),
                "mean": self.mean,
                "scale": self.scale,
                "correction": torch.from_numpy(self.correction_L),
            },
            about=self.about,
        )

    @classmethod
    def load(cls, folder: Path, device: torch.device | str | None = None) -> AnetModel:
        """The model that ``save`` wrote."""
        header, tensors = load_model(folder, KIND)
        options = CnnOptions(**header["options"])
        aus = tuple(header["aus"])
        network = build_network(options, len(aus), seed=0)
        fit_into(network, tensors["network"], folder)
        return cls(
            options,
            aus,
            network,
            mean=tensors["mean"],
            scale=tensors["scale"],
            correction=tensors["correction"].numpy(),
            device=device,
            about=header["about"],
        )


def outputs_of(
    network: nn.Module, faces: FacesOnDevice, options: CnnOptions
) -> Iterator[tuple[Tensor, Tensor]]:
    """float32 logits (B, L) and fc7 (B, D) of all faces in order, without gradients."""
    was_training = network.training
    network.eval()
    try:
        for batch in faces.centred(INFERENCE_BATCH[faces.device.type]):
            with torch.inference_mode(), autocast(faces.device, options.precision):
                logits_BL, fc7_BD = network(batch)
            yield logits_BL.float(), fc7_BD.float()
    finally:
        network.train(was_training)


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """bfloat16 where asked for, or on CUDA by default."""
    enabled = precision == "bf16" or (precision == "auto" and device.type == "cuda")
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=enabled)


def normalised(fc7_ND: Tensor) -> Tensor:
    """Rows of length 1 (a row of zeros stays zero)."""
    return functional.normalize(fc7_ND, dim=1, eps=1e-12)


def usual_device() -> torch.device:
    """The first GPU that this process may see, else the CPU."""
    return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")


def columns_of(aus: tuple[int, ...], wanted: tuple[int, ...]) -> list[int]:
    """Where the wanted AUs stand among a model's outputs."""
    missing = [au for au in wanted if au not in aus]
    if missing:
        raise UserError(f"the model was trained without AU{missing[0]}; it knows {list(aus)}")
    return [aus.index(au) for au in wanted]
