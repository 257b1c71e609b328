"""Training of ANet on still faces (sections 3.1 and 4.2): stochastic gradient descent on Eq. 1.

Each step: the sampler names the frames of the global batch, each worker crops its part on its own
device, the loss is divided by the global count, gradients are added over workers. Every
``evaluate_every`` steps the validation subjects are scored; that decides about the rate, the
weights that are kept, and is a checkpoint. A fixed part of the training frames is scored then as
well, which decides about nothing: it is the curve of Fig. 7, on the same frames for every sampler.

What always holds:
- frames without a known label are never drawn;
- the host never waits for the device between evaluations;
- same seed, same weights on a CPU; a run that was killed and taken up again gives the weights of
  one that was not; 1 and 2 workers give the same losses but for rounding.

Legend: N frames, B frames of a batch, L action units.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.data.frames import FrameSet
from harness.errors import UserError
from harness.method import Context
from hybrid.anet import build_network, parameter_groups
from hybrid.anet_model import AnetModel, autocast, outputs_of
from hybrid.composition_file import write_composition
from hybrid.draws import derived_seed, numpy_generator, torch_generator
from hybrid.dropout import MaskSource, draw_masks_from
from hybrid.faces_on_device import (
    LOCAL_MEAN,
    LOCAL_SCALE,
    Crops,
    FacesOnDevice,
    colour_statistics,
    random_crops,
)
from hybrid.losses import cross_entropy_sum, multilabel_cross_entropy
from hybrid.options import CnnOptions
from hybrid.progress import Progress, check_finite, save_training, take_up
from hybrid.selection import mean_f1
from hybrid.workers import device_of, placed, shared_between_workers, summed_over_workers
from sampling.batches import Batches
from sampling.loss_weights import positive_weights


def train_cnn(
    train: FrameSet, validation: FrameSet, options: CnnOptions, context: Context
) -> AnetModel:
    """ANet with the weights that did best on the validation subjects."""
    labels_NL = known_labels(train)
    device = device_of(context)
    mean, scale = pixel_statistics(train, options)
    network = build_network(options, len(train.aus), context.seed)
    network = placed(network, device)
    try:
        training = CnnTraining(train, labels_NL, validation, network, mean, scale, options, context)
        progress = training.run()
    except torch.OutOfMemoryError as error:
        raise out_of_memory(device, f"a batch of {options.batch} faces", "batch") from error
    if progress.best_weights and options.keep == "best":
        network.load_state_dict(progress.best_weights)
    return AnetModel(
        options,
        train.aus,
        network,
        mean=mean,
        scale=scale,
        correction=training.correction_L if options.prior_correction else None,
        device=device,
        about={
            "steps": progress.step,
            "best_step": progress.best_step,
            "best_validation_mean_f1": progress.best_f1,
        },
    )


def known_labels(train: FrameSet) -> np.ndarray:
    """int8 (N, L) labels of a training part; every AU must have a known one."""
    labels_NL = train.labels
    unknown = np.flatnonzero(~(labels_NL != 0).any(0)) if len(train) else np.arange(len(train.aus))
    if len(unknown):
        raise UserError(
            f"no frame of the training part of {train.dataset!r} has a known label for "
            f"AU{train.aus[unknown[0]]}: leave that AU out, or give frames where it was coded"
        )
    return labels_NL


def rows_with_faces(frames: FrameSet) -> np.ndarray | slice:
    """Rows of the frames in which a face was found, if there is any: the others are black pictures.
    A slice where that is all of them, so that nothing is copied to leave none out."""
    tracked_N = frames.tracked
    some = tracked_N.any() and not tracked_N.all()
    return np.flatnonzero(tracked_N) if some else slice(None)


def with_faces(frames: FrameSet) -> FrameSet:
    """The frames of ``rows_with_faces``."""
    return frames.select(np.arange(len(frames))[rows_with_faces(frames)])


def pixel_statistics(train: FrameSet, options: CnnOptions) -> tuple[Tensor, float]:
    """What is taken off a pixel, and what the difference is divided by."""
    if options.pixels == "local":
        return torch.full((3,), LOCAL_MEAN), LOCAL_SCALE
    mean, scale = colour_statistics(with_faces(train).faces, options.resolution)
    return mean, scale if options.pixels == "unit" else 1.0


def out_of_memory(device: torch.device, what: str, option: str) -> UserError:
    """One line about what did not fit into the device's memory."""
    total = torch.cuda.get_device_properties(device).total_memory if device.type == "cuda" else 0
    return UserError(
        f"{what} did not fit into the {total / 2**30:.1f} GiB of {device}: lower {option}, or set "
        "residence to 'stream' so that the faces stay in host memory"
    )


def make_sampler(labels_NL: np.ndarray, options: CnnOptions, seed: int) -> Batches:
    """The stream of global batches; indices are into ``labels_NL``."""
    from sampling.registry import make_batches

    chosen = dict(options.sampler_options)
    if options.sampler == "random" and len(labels_NL) >= options.batch:
        chosen.setdefault("drop_last", True)  # equal batches: no step on a handful of frames
    try:
        return make_batches(
            options.sampler, labels_NL, options.batch, seed=derived_seed(seed, "sampler"), **chosen
        )
    except (ValueError, TypeError) as error:
        raise UserError(f"sampler {options.sampler!r}: {error}") from error


def probe_rows(rows_K: np.ndarray, num: int, seed: int) -> np.ndarray:
    """(min(num, K),) of ``rows_K`` in order, each as likely as any other: so rates are those of
    the training part."""
    draw = numpy_generator(seed, "training probe")
    return np.sort(draw.choice(rows_K, min(num, len(rows_K)), replace=False))


class CnnTraining:
    """One training; ``run`` is the loop, told from top to bottom."""

    def __init__(
        self,
        train: FrameSet,
        labels_NL: np.ndarray,
        validation: FrameSet,
        network: nn.Module,
        mean: Tensor,
        scale: float,
        options: CnnOptions,
        context: Context,
    ) -> None:
        self.options, self.context = options, context
        self.network, self.device = network, next(network.parameters()).device
        self.aus = train.aus
        self.rows_K = np.flatnonzero((labels_NL != 0).any(1))
        self.labels_NL = labels_NL
        self.labels = torch.from_numpy(np.array(labels_NL)).to(self.device)
        self.positive_weights_L = None
        if options.positive_weights:
            weights_L = positive_weights(labels_NL[self.rows_K]).astype(np.float32)
            self.positive_weights_L = torch.from_numpy(weights_L).to(self.device)
        self.sampler = make_sampler(labels_NL[self.rows_K], options, context.seed)
        self.correction_L = self._prior_correction()
        self.faces = self._on_device(train, mean, scale)
        # Each worker scores its share of the validation frames, and of the training probe.
        share = slice(context.rank, None, context.world_size)
        self.validation_labels = torch.from_numpy(np.array(validation.labels))
        part = validation.select(np.arange(len(validation))[share])
        self.validation_faces = self._on_device(part, mean, scale)
        self.probe_P = probe_rows(self.rows_K, options.training_probe, context.seed)
        self.probe_faces = self._on_device(train.select(self.probe_P[share]), mean, scale)
        self.optimiser = torch.optim.SGD(
            parameter_groups(network, options),
            lr=options.lr,
            momentum=options.momentum,
            fused=True if self.device.type == "cuda" else None,
        )

    def run(self) -> Progress:
        """Trains to the end, from the last checkpoint if there is one."""
        options, context = self.options, self.context
        progress = Progress()
        if (folder := context.restore()) is not None:
            progress, sampler_state = take_up(folder, self.network, self.optimiser)
            self.sampler.load_state_dict(sampler_state)
        if context.rank == 0:
            self._record_batches()
        model = shared_between_workers(self.network, context)
        stream = _endless(self.sampler)
        self.network.train()
        while progress.step < options.iterations and not progress.finished:
            first, began = progress.step, time.perf_counter()
            until = min(first + options.evaluate_every, options.iterations)
            plan = [self.rows_K[next(stream)] for _ in range(first, until)]
            losses = [
                self.step(model, faces, rows, whole, step, self._rate(step, progress.drops))
                for step, whole, (faces, rows) in zip(
                    range(first, until),
                    plan,
                    self.faces.batches(self.crops(plan, first)),
                    strict=True,
                )
            ]
            progress.step = until
            loss = summed_over_workers(torch.stack(losses), context).cpu()
            check_finite(loss, first + 1, context)
            seconds = time.perf_counter() - began
            row = {
                "step": until,
                "loss": float(loss.mean()),
                "lr": self._rate(until - 1, progress.drops),
                "images_per_second": sum(map(len, plan)) / max(seconds, 1e-9),
                **self._probe(),
                **self._evaluate(progress),
            }
            context.report(row, checkpoint=lambda into: self._save(into, progress))
        return progress

    def step(
        self,
        model: Callable[..., Any],
        faces: Tensor,
        rows: Tensor,
        whole: np.ndarray,
        step: int,
        rate: float,
    ) -> Tensor:
        """One update; gives this worker's share of the loss, on the device."""
        context, options = self.context, self.options
        mine = None
        if context.world_size > 1:
            mine = torch.arange(context.rank, len(whole), context.world_size, device=self.device)
        masks = torch_generator(context.seed, "dropout", step, self.device)
        draw_masks_from(self.network, MaskSource(generator=masks, num_rows=len(whole), rows=mine))
        for group in self.optimiser.param_groups:
            group["lr"] = group["lr_factor"] * rate
        with autocast(self.device, options.precision):
            logits_BL, _ = model(faces)
        total = cross_entropy_sum(logits_BL, self.labels[rows], self.positive_weights_L)
        share = 1 / self._denominator(whole)
        (total * (share * context.world_size)).backward()
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return total.detach() * share

    def crops(self, plan: list[np.ndarray], first: int) -> Iterator[Crops]:
        """This worker's crops of each batch; drawn for the whole batch, alike on every worker."""
        options, context = self.options, self.context
        for step, rows in enumerate(plan, start=first):
            draws = torch_generator(context.seed, "crops", step)
            crops = random_crops(
                torch.from_numpy(rows), options.resolution, options.crop, options.flip, draws
            )
            yield crops.part(context.rank, context.world_size)

    def _denominator(self, rows: np.ndarray) -> float:
        """What the summed loss of the whole batch is divided by (Eq. 1), known to every worker."""
        options = self.options
        if options.ce_norm == "valid":
            return max(float((self.labels_NL[rows] != 0).sum()), 1.0)
        per_frame = options.ce_norm == "batch_only" or options.labels == "single"
        return float(len(rows) * (1 if per_frame else self.labels_NL.shape[1]))

    def _rate(self, step: int, drops: int) -> float:
        options = self.options
        if options.schedule == "plateau":
            return options.lr * 0.1**drops
        if options.schedule == "step":
            return options.lr * 0.1 ** (step // options.step_every)
        if options.schedule == "cosine":
            return options.lr * 0.5 * (1 + math.cos(math.pi * step / options.iterations))
        return options.lr

    def _evaluate(self, progress: Progress) -> dict[str, float]:
        """Scores the validation subjects; keeps the best weights, lowers the rate, or stops."""
        options = self.options
        labels_NL = self.validation_labels
        if not len(labels_NL):
            return {}
        logits_NL = self._logits(self.validation_faces, len(labels_NL))
        loss = float(multilabel_cross_entropy(logits_NL, labels_NL, options.ce_norm))
        f1 = mean_f1(labels_NL.numpy(), logits_NL.numpy() - self.correction_L)
        progress.consider(f1, self.network)
        if loss < progress.lowest_loss:
            progress.lowest_loss, progress.stale = loss, 0
        else:
            progress.stale += 1
        if options.schedule == "plateau" and progress.stale >= options.patience:
            progress.stale = 0
            progress.drops += 1
            progress.finished = progress.drops > options.max_drops
        return {"validation_loss": loss, "validation_mean_f1": f1}

    def _probe(self) -> dict[str, float]:
        """F1 on the frames of the training probe, by which nothing is decided."""
        if not len(self.probe_P):
            return {}
        logits_PL = self._logits(self.probe_faces, len(self.probe_P)).numpy()
        labels_PL = self.labels_NL[self.probe_P]
        return {"training_mean_f1": mean_f1(labels_PL, logits_PL - self.correction_L)}

    def _logits(self, faces: FacesOnDevice, num_frames: int) -> Tensor:
        """(num_frames, L) logits on the host, put together from each worker's share of the
        frames."""
        num_aus = self.labels_NL.shape[1]
        logits_NL = torch.zeros((num_frames, num_aus), device=self.device)
        mine = [logits for logits, _ in outputs_of(self.network, faces, self.options)]
        if mine:
            logits_NL[self.context.rank :: self.context.world_size] = torch.cat(mine)
        return summed_over_workers(logits_NL, self.context).cpu()

    def _record_batches(self) -> None:
        """Leaves the composition of one epoch's batches beside the history."""
        known_KL = self.labels_NL[self.rows_K]
        batches = make_sampler(known_KL, self.options, self.context.seed)
        write_composition(self.context.folder, self.aus, known_KL, batches)

    def _save(self, folder: Path, progress: Progress) -> None:
        save_training(folder, self.network, self.optimiser, progress, self.sampler.state_dict())

    def _on_device(self, frames: FrameSet, mean: Tensor, scale: float) -> FacesOnDevice:
        return FacesOnDevice(
            frames.faces,
            resolution=self.options.resolution,
            crop=self.options.crop,
            mean=mean,
            scale=scale,
            device=self.device,
            residence=self.options.residence,
            local=self.options.pixels == "local",
        )

    def _prior_correction(self) -> np.ndarray:
        """float32 (L,): log-odds by which one epoch of batches raised each AU above its base
        rate; 0 where that is left alone."""
        if not self.options.prior_correction:
            return np.zeros(self.labels_NL.shape[1], np.float32)
        drawn = make_sampler(self.labels_NL[self.rows_K], self.options, self.context.seed)
        rows = self.rows_K[np.concatenate(list(drawn))]
        raised = _log_odds(self.labels_NL[rows]) - _log_odds(self.labels_NL[self.rows_K])
        return raised.astype(np.float32)


def _log_odds(labels_NL: np.ndarray) -> np.ndarray:
    # Half a count each keeps an AU that is never (or always) present finite.
    return np.log(((labels_NL > 0).sum(0) + 0.5) / ((labels_NL < 0).sum(0) + 0.5))


def _endless(sampler: Batches) -> Iterator[np.ndarray]:
    """Epoch after epoch; the sampler counts them."""
    while True:
        yield from sampler
