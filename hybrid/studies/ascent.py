"""What a network wants to see for each AU: gradient ascent on its logit (paper, Eq. 3 and Fig. 9).

From random pixels, the picture climbs the gradient of the AU's logit. Eq. 3's penalty is a sequence
of operators after each step, as in the toolbox of Yosinski et al. (2015) that the paper follows:

    x ← clip to valid pixels
    x ← x + η ∂ logit / ∂ x            η such that the logit should rise by ``progress`` of its
                                        standard deviation over the data, at most ``max_rate``
    x ← (1 − decay) x
    x ← Gaussian blur of x             every ``blur_every`` steps
    x ← 0 where ‖x‖ of a pixel is small, or its contribution |x · ∂ logit / ∂ x| is

``preset`` names the operators' strengths: ``paper`` has the three that the paper names; ``decay``,
``sparse``, ``blur`` and ``contribution`` are the four combinations of Yosinski et al.

What always holds: x is a picture less the network's mean colour; the one kept is the best that was
met, and the last step is not followed by operators; all AUs climb as one batch, independently; of
several starts the median one is shown, so that neither luck nor failure is. A network that was
trained on grey local contrast climbs in grey.

The check on Fig. 9's claim that co-occurring AUs excite each other: row k of ``activations`` is the
picture made for AU k, column l the logit of AU l that it excites, in standard deviations above the
mean over the data.

Legend: L action units, S side of the network's input, N frames.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from harness.data.frames import FrameSet
from harness.errors import UserError
from harness.method import Context
from harness.study import StudyResult
from hybrid.studies.cnn_study import CnnStudy, CnnStudyOptions

if TYPE_CHECKING:
    from torch import Tensor

    from hybrid.anet_model import AnetModel

START = 10.0  # standard deviation of the first pixels, 0 to 255
REPORTS = 20  # rows of progress for each start
SHOWN = 0.999  # quantile of |x| that is drawn as black or white

PRESETS: Mapping[str, Mapping[str, Any]] = {
    "paper": {},
    "decay": {"decay": 0.0, "blur": 0.5, "norm_percentile": 50.0},
    "sparse": {"decay": 0.3, "blur": 0.0, "norm_percentile": 20.0},
    "blur": {"decay": 1e-4, "blur": 1.0, "norm_percentile": 0.0},
    "contribution": {
        "decay": 0.0,
        "blur": 0.5,
        "norm_percentile": 0.0,
        "contribution_percentile": 90.0,
    },
}


class AscentOptions(CnnStudyOptions):
    """Options of gradient ascent; one given beside ``preset`` overrides it.

    Attributes:
        preset: strengths of the operators, see the module.
        iterations: steps of each start.
        starts: pictures that are begun for each AU; the median one is kept.
        progress: what a step should add to the logit, in standard deviations of it over the data.
            The operators take most of it away again: with a tenth of the default they take all.
        max_rate: the largest η; flat places would ask for more.
        decay: share of x that a step takes away.
        blur, blur_every: standard deviation in pixels, and how often; 0 for no blur.
        norm_percentile: pixels of smaller norm become 0.
        contribution_percentile: pixels that contribute less become 0.
        order: whether blur comes before small pixels are cut (the toolbox) or after (the paper's
            order of words).
        frames: the data that logits are standardised over, spread evenly over those at hand.
    """

    preset: Literal["paper", "decay", "sparse", "blur", "contribution"] = "paper"
    iterations: int = Field(default=10_000, ge=1)
    starts: int = Field(default=3, ge=1)
    progress: float = Field(default=0.5, gt=0)
    max_rate: float = Field(default=1e6, gt=0)
    decay: float = Field(default=1e-4, ge=0, lt=1)
    blur: float = Field(default=1.0, ge=0)
    blur_every: int = Field(default=4, ge=1)
    norm_percentile: float = Field(default=20.0, ge=0, lt=100)
    contribution_percentile: float = Field(default=0.0, ge=0, lt=100)
    order: Literal["blur-first", "cut-first"] = "blur-first"
    frames: int = Field(default=2000, ge=2)

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        return {**PRESETS.get(str(data.get("preset", "paper")), {}), **data}


class Ascent(CnnStudy):
    """Arrays: ``images`` uint8 (L, S, S, 3), mid-grey where x is 0; ``activations`` float32 (L, L).
    Values: ``aus``, ``iterations``, ``starts``, what each start ``reached`` in the logit's standard
    deviations, and ``own_largest``: AUs whose logit no other AU's picture excites more."""

    Options = AscentOptions
    options: AscentOptions

    def study(self, frames: FrameSet, context: Context) -> StudyResult:
        """Climbs from every start, keeps the median pictures, and shows them to all logits."""
        import torch

        from hybrid.draws import torch_generator

        options, model = self.options, self.trained(context)
        if not len(frames):
            raise UserError(
                "gradient ascent needs frames to standardise logits over; there are none"
            )
        mean_L, sd_L = logit_statistics(model, frames, options.frames)
        generator = torch_generator(context.seed, "ascent")
        pictures, reached = [], []
        for start in range(options.starts):
            climb = Climb(model, sd_L, options)
            first = START * torch.randn((len(model.aus), *climb.shape), generator=generator)
            climb.begin(first)
            for iteration in range(1, options.iterations + 1):
                climb_on = climb.step(iteration)
                if iteration % max(1, options.iterations // REPORTS) == 0:
                    mean = float((climb.best_L / sd_L).mean())
                    context.report({"start": start, "iteration": iteration, "activation": mean})
                if not climb_on:
                    break
            pictures.append(climb.best_LCSS.cpu())
            reached.append(((climb.best_L - mean_L) / sd_L).cpu())
        reached_KL = torch.stack(reached)
        middle_L = reached_KL.argsort(dim=0)[(options.starts - 1) // 2]
        columns = torch.arange(len(model.aus))
        chosen_LCSS = torch.stack(pictures)[middle_L, columns]
        with torch.inference_mode():
            logits_LL = model.network(chosen_LCSS.to(model.device) / model.scale)[0].float()
        activations_LL = ((logits_LL - mean_L) / sd_L).cpu().numpy()
        return StudyResult(
            values={
                "aus": list(model.aus),
                "preset": options.preset,
                "iterations": options.iterations,
                "starts": options.starts,
                "frames": min(options.frames, len(frames)),
                "reached": [[round(float(v), 4) for v in row] for row in reached_KL],
                "chosen_start": middle_L.tolist(),
                "own_largest": int((activations_LL.argmax(axis=0) == columns.numpy()).sum()),
            },
            arrays={"images": displayed(chosen_LCSS), "activations": activations_LL},
        )


class Climb:
    """The pictures of one start: one for each AU, all climbing as one batch.

    ``best_LCSS`` is the best picture met for each AU, less the mean colour, and ``best_L`` its
    logit; both on the network's device.
    """

    def __init__(self, model: AnetModel, sd_L: Tensor, options: AscentOptions) -> None:
        self.model, self.options, self.sd_L = model, options, sd_L
        self.grey = model.options.pixels == "local"
        self.shape = (3, model.options.crop, model.options.crop)
        self.mean_C11 = model.mean.to(model.device).float().view(3, 1, 1)

    def begin(self, first_LCSS: Tensor) -> None:
        """Takes the first pictures."""
        import torch

        self.x_LCSS = first_LCSS.to(self.model.device)
        if self.grey:
            self.x_LCSS = self.x_LCSS[:, :1].expand(-1, 3, -1, -1)
        self.best_LCSS = self.x_LCSS.clone()
        self.best_L = torch.full((len(first_LCSS),), -math.inf, device=self.model.device)

    def step(self, iteration: int) -> bool:
        """One step up and, but for the last, the operators; False once there is no slope left."""
        import torch

        options = self.options
        x_LCSS = (self.x_LCSS + self.mean_C11).clamp(0, 255) - self.mean_C11
        x_LCSS = x_LCSS.detach().requires_grad_(True)
        logit_L = self._logits(x_LCSS)
        (slope_LCSS,) = torch.autograd.grad(logit_L.sum(), x_LCSS)
        x_LCSS = x_LCSS.detach()
        self._remember(x_LCSS, logit_L.detach())
        if self.grey:
            slope_LCSS = slope_LCSS.mean(dim=1, keepdim=True).expand_as(slope_LCSS)
        squared_L = slope_LCSS.square().sum(dim=(1, 2, 3))
        # A picture without a slope stays where it is; looking whether all do would make the host
        # wait for the device, so it is looked at as often as progress is reported.
        rate_L = torch.where(squared_L > 0, options.progress * self.sd_L / squared_L, 0.0)
        x_LCSS = x_LCSS + rate_L.clamp(max=options.max_rate).view(-1, 1, 1, 1) * slope_LCSS
        if iteration == options.iterations:
            x_LCSS = (x_LCSS + self.mean_C11).clamp(0, 255) - self.mean_C11
            with torch.inference_mode():
                self._remember(x_LCSS, self._logits(x_LCSS))
        else:
            x_LCSS = regularised(x_LCSS, slope_LCSS, iteration, options)
        self.x_LCSS = x_LCSS
        looked = iteration % max(1, options.iterations // REPORTS) == 0
        return not looked or bool((squared_L > 0).any())

    def _logits(self, x_LCSS: Tensor) -> Tensor:
        """(L,) each AU's logit of its own picture."""
        logits_LL: Tensor = self.model.network(x_LCSS / self.model.scale)[0]
        return logits_LL.float().diagonal()

    def _remember(self, x_LCSS: Tensor, logit_L: Tensor) -> None:
        import torch

        better_L = logit_L > self.best_L
        self.best_L = torch.where(better_L, logit_L, self.best_L)
        self.best_LCSS = torch.where(better_L.view(-1, 1, 1, 1), x_LCSS, self.best_LCSS)


def regularised(
    x_LCSS: Tensor, slope_LCSS: Tensor, iteration: int, options: AscentOptions
) -> Tensor:
    """The operators that keep a picture natural, in the order of ``options``."""
    x_LCSS = x_LCSS * (1 - options.decay)
    cut_first = options.order == "cut-first"
    if cut_first:
        x_LCSS = _without_small(x_LCSS, slope_LCSS, options)
    if options.blur > 0 and iteration % options.blur_every == 0:
        x_LCSS = blurred(x_LCSS, options.blur)
    return x_LCSS if cut_first else _without_small(x_LCSS, slope_LCSS, options)


def _without_small(x_LCSS: Tensor, slope_LCSS: Tensor, options: AscentOptions) -> Tensor:
    if options.norm_percentile > 0:
        x_LCSS = cut(x_LCSS, x_LCSS.norm(dim=1), options.norm_percentile)
    if options.contribution_percentile > 0:
        contribution_LSS = (x_LCSS * slope_LCSS).sum(dim=1).abs()
        x_LCSS = cut(x_LCSS, contribution_LSS, options.contribution_percentile)
    return x_LCSS


def cut(x_LCSS: Tensor, weight_LSS: Tensor, percentile: float) -> Tensor:
    """``x`` with the pixels at 0 whose weight is below that percentile of their picture."""
    flat_LP = weight_LSS.flatten(1)
    rank = max(1, math.ceil(percentile / 100 * flat_LP.shape[1]))
    limit_L = flat_LP.kthvalue(rank, dim=1).values
    return x_LCSS * (weight_LSS >= limit_L.view(-1, 1, 1))[:, None]


def blurred(x_LCSS: Tensor, sigma: float) -> Tensor:
    """Each colour of each picture, smoothed by a Gaussian; edges are mirrored."""
    import torch
    from torch.nn import functional

    radius = min(math.ceil(3 * sigma), x_LCSS.shape[-1] - 1)
    steps = torch.arange(-radius, radius + 1, device=x_LCSS.device, dtype=x_LCSS.dtype)
    kernel = torch.exp(-0.5 * (steps / sigma) ** 2)
    kernel = (kernel / kernel.sum()).expand(3, 1, 1, -1)
    padded = functional.pad(x_LCSS, (radius, radius, 0, 0), mode="reflect")
    rows = functional.conv2d(padded, kernel, groups=3)
    padded = functional.pad(rows, (0, 0, radius, radius), mode="reflect")
    return functional.conv2d(padded, kernel.transpose(2, 3), groups=3)


def logit_statistics(model: AnetModel, frames: FrameSet, num: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (L,) of the logits over ``num`` frames, on the device."""
    import torch

    from hybrid.cnn_training import with_faces

    frames = with_faces(frames)
    rows = np.unique(np.linspace(0, len(frames) - 1, min(num, len(frames))).astype(np.int64))
    faces = model.faces_of(frames.select(rows).faces)
    with torch.inference_mode():
        logits_NL = torch.cat([logits_BL for logits_BL, _ in model.outputs(faces)])
    sd_L = logits_NL.std(dim=0, unbiased=False)
    # An AU whose logit never moves is measured in logits.
    return logits_NL.mean(dim=0), torch.where(sd_L > 0, sd_L, 1.0)


def displayed(x_LCSS: Tensor) -> np.ndarray:
    """uint8 (L, S, S, 3): each picture stretched about mid-grey, which is the mean colour."""
    x_LSSC = x_LCSS.permute(0, 2, 3, 1).numpy()
    reach_L = np.quantile(np.abs(x_LSSC), SHOWN, axis=(1, 2, 3))
    stretched = x_LSSC / np.where(reach_L > 0, reach_L, 1)[:, None, None, None]
    return np.clip(np.rint(127.5 + 127.5 * stretched), 0, 255).astype(np.uint8)
