"""Where a network looks on a given face: class activation maps and integrated gradients.

For each AU some test frames that show it are taken at even ranks of the AU's score (one: the median
frame, so neither the best nor the worst case), and two maps are made of the AU's logit:

- ``cam``: Grad-CAM (Selvaraju et al., 2017) on the maps A of the last convolution: the gradient of
  the logit, averaged over places, weighs them; ReLU; enlarged to the face.
- ``gradients``: integrated gradients (Sundararajan et al., 2017), (x − b) · the mean gradient on
  the straight line from b to x, where b is a picture of the mean training colour (for local
  contrast: none). Summed over colours, absolute.

What always holds: integrated gradients add up to logit(x) − logit(b) but for the steps' coarseness;
the relative gap is kept for each frame (``completeness_gap``). Maps cover what the network saw, its
centre crop, and are 0 around it.

Legend: K frames shown, L action units, H W face, S side of the network's input, C colours, T steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
from pydantic import Field, model_validator

from harness.data.frames import FrameSet
from harness.errors import UserError
from harness.method import Context
from harness.study import StudyResult
from hybrid.studies.cnn_study import CnnStudy, CnnStudyOptions, refuse_single_label

if TYPE_CHECKING:
    from torch import Tensor, nn

    from hybrid.anet_model import AnetModel

STRONG = 0.995  # quantile of a map that is drawn as 1
STEPS_AT_ONCE = 64


class Attention(CnnStudy):
    """Arrays: ``faces`` uint8 (K, H, W, 3), ``cam`` and ``gradients`` float32 (K, H, W) in [0, 1].
    Values: for each of ``frames`` its key, ``au``, ``label``, ``score`` and ``completeness_gap``,
    and ``left_out``: AUs that no frame shows."""

    class Options(CnnStudyOptions):
        """Options of the maps.

        Attributes:
            per_au: frames shown for each AU.
            candidates: frames among which they are chosen, spread evenly over those at hand.
            steps: T of integrated gradients.
        """

        per_au: int = Field(default=1, ge=1)
        candidates: int = Field(default=5000, ge=1)
        steps: int = Field(default=128, ge=1)

        @model_validator(mode="after")
        def _one_network(self) -> Self:
            refuse_single_label(self.cnn)
            return self

    options: Attention.Options

    def study(self, frames: FrameSet, context: Context) -> StudyResult:
        """Chooses the frames, then makes both maps of each."""
        model = self.trained(context)
        rows = np.flatnonzero(frames.tracked)
        places = np.linspace(0, len(rows) - 1, min(self.options.candidates, len(rows)))
        frames = frames.select(rows[np.unique(places.astype(np.int64))])
        scores_NL = model.scores(frames.unlabelled())
        chosen = chosen_frames(frames.labels, scores_NL, self.options.per_au)
        if not chosen:
            raise UserError(f"no frame of {frames.dataset} that the study sees shows an AU")
        cam, gradients, shown = [], [], []
        for row, column in chosen:
            au = frames.aus[column]
            face_1CSS = _seen(model, frames, row)
            output = model.aus.index(au)
            attributions_SS, gap = integrated_gradients(
                model.network, face_1CSS, output, self.options.steps
            )
            cam.append(_on_face(model, grad_cam(model.network, face_1CSS, output)))
            gradients.append(_on_face(model, np.abs(attributions_SS)))
            shown.append(self._entry(frames, row, column, scores_NL) | {"completeness_gap": gap})
            context.report({"frames": len(shown), "completeness_gap": gap})
        found = {entry["au"] for entry in shown}
        return StudyResult(
            values={
                "frames": shown,
                "left_out": [au for au in frames.aus if au not in found],
                "steps": self.options.steps,
            },
            arrays={
                "faces": np.stack([frames.faces[row] for row, _ in chosen]),
                "cam": np.stack([_to_unit(image, 1.0) for image in cam]),
                "gradients": np.stack([_to_unit(image, STRONG) for image in gradients]),
            },
        )

    @staticmethod
    def _entry(frames: FrameSet, row: int, column: int, scores_NL: np.ndarray) -> dict[str, Any]:
        return {
            "subject": str(frames.subjects[row]),
            "sequence": str(frames.sequences[row]),
            "number": int(frames.numbers[row]),
            "au": int(frames.aus[column]),
            "label": int(frames.labels[row, column]),
            "score": float(scores_NL[row, column]),
        }


def chosen_frames(
    labels_NL: np.ndarray, scores_NL: np.ndarray, per_au: int
) -> list[tuple[int, int]]:
    """(row, AU column) of frames that show an AU, at even ranks of its score; AU by AU, from the
    highest score down."""
    chosen: list[tuple[int, int]] = []
    for column in range(labels_NL.shape[1]):
        rows = np.flatnonzero(labels_NL[:, column] > 0)
        ranked = rows[np.argsort(-scores_NL[rows, column], kind="stable")]
        shares = np.arange(1, per_au + 1) / (per_au + 1)
        if len(ranked):
            places = np.unique((shares * len(ranked)).astype(int))
            chosen += [(int(ranked[place]), column) for place in places]
    return chosen


def grad_cam(network: nn.Module, face_1CSS: Tensor, output: int) -> np.ndarray:
    """float32 (S, S) class activation map of one output, not negative."""
    import torch
    from torch.nn import functional

    kept: list[Tensor] = []

    def keep(module: nn.Module, inputs: object, maps: Tensor) -> Tensor:
        kept.append(maps)
        return maps.clone()  # what follows may write into it

    handle = last_maps(network).register_forward_hook(keep)
    try:
        logits_1L = network(face_1CSS.detach().requires_grad_(True))[0]
        maps_1Fhw = kept[-1]
        (slope_1Fhw,) = torch.autograd.grad(logits_1L[0, output], maps_1Fhw)
    finally:
        handle.remove()
    weight_1F11 = slope_1Fhw.mean(dim=(2, 3), keepdim=True)
    cam_11hw = functional.relu((weight_1F11 * maps_1Fhw).sum(dim=1, keepdim=True)).detach()
    size = face_1CSS.shape[-2:]
    enlarged = functional.interpolate(cam_11hw, size, mode="bilinear", align_corners=False)
    image: np.ndarray = enlarged[0, 0].float().cpu().numpy()
    return image


def last_maps(network: nn.Module) -> nn.Module:
    """What gives the maps of the last convolution: in ANet after its ReLU, in another network the
    last convolution itself."""
    from torch import nn

    from hybrid.anet import Anet

    if isinstance(network, Anet):
        return network.trunk
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    if not convolutions:
        raise UserError(
            f"{type(network).__name__} has no convolution: it has no class activation map"
        )
    return convolutions[-1]


def integrated_gradients(
    network: nn.Module, face_1CSS: Tensor, output: int, steps: int
) -> tuple[np.ndarray, float]:
    """float32 (S, S) attributions of one output, summed over colours, against a picture of zeros;
    and by how much of logit(x) − logit(b) their sum misses it."""
    import torch

    share_T = (torch.arange(steps, device=face_1CSS.device) + 0.5) / steps
    total_CSS = torch.zeros_like(face_1CSS[0])
    for some_T in share_T.split(STEPS_AT_ONCE):
        path_TCSS = (some_T.view(-1, 1, 1, 1) * face_1CSS).requires_grad_(True)
        logit_T = network(path_TCSS)[0][:, output]
        total_CSS += torch.autograd.grad(logit_T.sum(), path_TCSS)[0].sum(dim=0)
    attributions_SS = (face_1CSS[0] * total_CSS / steps).sum(dim=0)
    with torch.inference_mode():
        ends_2L = network(torch.cat([face_1CSS, torch.zeros_like(face_1CSS)]))[0]
    risen = float(ends_2L[0, output] - ends_2L[1, output])
    gap = abs(float(attributions_SS.sum()) - risen) / max(abs(risen), 1e-6)
    image: np.ndarray = attributions_SS.float().cpu().numpy()
    return image, gap


def _seen(model: AnetModel, frames: FrameSet, row: int) -> Tensor:
    """float (1, C, S, S): a face as the network sees it."""
    one = frames.select(np.array([row]))
    return next(model.faces_of(one.faces).centred(1)).clone().contiguous()


def _on_face(model: AnetModel, image_SS: np.ndarray) -> np.ndarray:
    """float32 (H, W): a map of the network's input in its place on the whole face."""
    import cv2

    from harness.data.prepared import FACE_SIZE

    resolution, crop = model.options.resolution, model.options.crop
    offset = (resolution - crop) // 2
    start, stop = (round(place * FACE_SIZE / resolution) for place in (offset, offset + crop))
    face_HW = np.zeros((FACE_SIZE, FACE_SIZE), np.float32)
    side = stop - start
    face_HW[start:stop, start:stop] = cv2.resize(
        image_SS, (side, side), interpolation=cv2.INTER_LINEAR
    )
    return face_HW


def _to_unit(image_HW: np.ndarray, strong: float) -> np.ndarray:
    """A map in [0, 1], where 1 is that quantile of it and all above."""
    limit = float(np.quantile(image_HW, strong))
    if limit <= 0:
        limit = float(image_HW.max()) or 1.0
    unit_HW: np.ndarray = np.clip(image_HW / limit, 0, 1).astype(np.float32)
    return unit_HW
