"""Training of the stacked LSTMs (sections 3.2 and 4.2): back-propagation through time, RMSProp.

fc7 of all frames is computed once and projected; then each update draws ten windows, runs them as
one packed batch of segments, and takes the max-margin loss of the frames past each burn-in.

What always holds:
- the projection is fitted on the training part alone;
- the loss is divided by the labelled frames of the whole mini-batch, whoever holds them, so 1 and 2
  workers give the same losses but for rounding;
- a run that was killed and taken up again gives the weights of one that was not.

Legend: N frames, M packed rows, K components, L action units.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.data.frames import FrameSet
from harness.errors import UserError
from harness.method import Context
from hybrid.anet_model import AnetModel
from hybrid.cnn_training import known_labels, out_of_memory
from hybrid.draws import numpy_generator, torch_generator
from hybrid.dropout import MaskSource, draw_masks_from
from hybrid.losses import max_margin, max_margin_sum
from hybrid.lstm_model import LstmModel, run_through
from hybrid.lstm_stack import LstmStack, build_stack
from hybrid.options import SequenceOptions
from hybrid.progress import Progress, check_finite, save_training, take_up
from hybrid.projections import projections
from hybrid.segments import pack, places_in_batch
from hybrid.selection import mean_f1
from hybrid.windows import Windows, admissible_windows
from hybrid.workers import device_of, shared_between_workers, summed_over_workers

CONSTANT_EPOCHS = 10  # after which the rate begins to fall


def train_lstm(
    cnn: AnetModel,
    train: FrameSet,
    validation: FrameSet,
    options: SequenceOptions,
    context: Context,
) -> LstmModel:
    """The stack with the weights that did best on the validation subjects."""
    labels_NL = known_labels(train)
    windows = admissible_windows(train, options)
    device = device_of(context)
    read = projections(cnn, train, validation, options, device)
    pca, num_inputs = read.pca, read.train_NK.shape[1]
    stack = build_stack(options, num_inputs, len(train.aus), context.seed).to(device)
    try:
        progress = _SequenceTraining(
            read.train_NK,
            labels_NL,
            windows,
            read.validation_NK,
            validation,
            stack,
            options,
            context,
        ).run()
    except torch.OutOfMemoryError as error:
        what = f"a mini-batch of {options.windows} windows of {options.window} frames"
        raise out_of_memory(device, what, "windows") from error
    if progress.best_weights and options.keep == "best":
        stack.load_state_dict(progress.best_weights)
    about = {
        "steps": progress.step,
        "best_step": progress.best_step,
        "best_validation_mean_f1": progress.best_f1,
        "pca_energy": pca.energy,
    }
    return LstmModel(cnn, pca, stack, options, about)


class _SequenceTraining:
    """One training; ``run`` is the loop, told from top to bottom."""

    def __init__(
        self,
        features_NK: Tensor,
        labels_NL: np.ndarray,
        windows: Windows,
        validation_NK: Tensor,
        validation: FrameSet,
        stack: LstmStack,
        options: SequenceOptions,
        context: Context,
    ) -> None:
        if options.windows < context.world_size:
            raise UserError(
                f"windows is {options.windows}, fewer than the {context.world_size} workers: each "
                "needs one at least"
            )
        self.options, self.context, self.stack = options, context, stack
        self.features_NK, self.windows = features_NK, windows
        self.device = features_NK.device
        self.labels_NL = labels_NL
        self.labels = torch.from_numpy(np.array(labels_NL)).to(self.device)
        self.validation_NK, self.validation = validation_NK, validation
        self.trained = [p for p in stack.parameters() if p.requires_grad]
        smoothing = options.rms_alpha
        if options.rms == "rms_alpha":
            smoothing = options.decay
        if options.momentum_is == "rms_alpha":
            smoothing = options.momentum
        self.optimiser = torch.optim.RMSprop(
            self.trained,
            lr=options.lr,
            alpha=smoothing,
            momentum=options.momentum if options.momentum_is == "momentum" else 0.0,
            eps=1e-8,
            weight_decay=options.decay if options.rms == "weight_decay" else 0.0,
        )

    def run(self) -> Progress:
        """Trains to the end, from the last checkpoint if there is one."""
        options, context = self.options, self.context
        progress = Progress()
        if (folder := context.restore()) is not None:
            progress, _ = take_up(folder, self.stack, self.optimiser)
        model = shared_between_workers(self.stack, context)
        self.stack.train()
        while progress.step < options.updates and not progress.finished:
            first, began = progress.step, time.perf_counter()
            until = min(first + options.evaluate_every, options.updates)
            losses = [self._step(model, step) for step in range(first, until)]
            progress.step = until
            loss = summed_over_workers(torch.stack(losses), context).cpu()
            check_finite(loss, first + 1, context)
            frames = options.windows * options.window * (until - first)
            row = {
                "step": until,
                "loss": float(loss.mean()),
                "lr": self._rate(until - 1),
                "frames_per_second": frames / max(time.perf_counter() - began, 1e-9),
                **self._evaluate(progress),
            }
            context.report(
                row,
                checkpoint=lambda into: save_training(
                    into, self.stack, self.optimiser, progress, {}
                ),
            )
        return progress

    def _step(self, model: Callable[..., Any], step: int) -> Tensor:
        """One update; gives this worker's share of the loss, on the device."""
        options, context = self.options, self.context
        drawn = self.windows.draw(options.windows, numpy_generator(context.seed, "windows", step))
        starts, lengths = self.windows.segments(drawn)
        denominator = self._labelled_past_burn_in(starts, lengths)
        # Rows of the global mini-batch are numbered window by window; masks are drawn for them all.
        mine = np.arange(len(drawn))[context.rank :: context.world_size]
        own_starts, own_lengths = self.windows.segments(drawn[mine])
        ends = np.cumsum(self.windows.lengths_W[drawn])
        first_rows = ends - self.windows.lengths_W[drawn]
        own_places = places_in_batch(
            own_lengths, first_rows[mine], self.windows.lengths_W[drawn[mine]]
        )
        by_row, by_place = pack(own_starts, own_lengths), pack(own_places, own_lengths)
        rows = torch.from_numpy(by_row.order_M).to(self.device, non_blocking=True)
        masks = MaskSource(
            generator=torch_generator(context.seed, "dropout", step, self.device),
            num_rows=int(ends[-1]),
            rows=torch.from_numpy(by_place.order_M).to(self.device, non_blocking=True),
        )
        draw_masks_from(self.stack, masks)
        for group in self.optimiser.param_groups:
            group["lr"] = self._rate(step)
        scores_ML, _ = model(self.features_NK[rows], by_row)
        begun = int(by_row.batch_sizes_T[: options.burn_in].sum())  # packed order is by time
        loss = max_margin_sum(
            scores_ML[begun:], self.labels[rows[begun:]], options.margin, options.gate
        )
        loss = loss / denominator
        (loss * context.world_size).backward()
        nn.utils.clip_grad_value_(self.trained, options.clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return loss.detach()

    def _labelled_past_burn_in(self, starts: np.ndarray, lengths: np.ndarray) -> float:
        """Frames of the whole mini-batch that carry a loss, at least 1."""
        rows = pack(starts + self.options.burn_in, np.maximum(lengths - self.options.burn_in, 0))
        return max(float((self.labels_NL[rows.order_M] != 0).any(1).sum()), 1.0)

    def _rate(self, step: int) -> float:
        options = self.options
        if options.rms != "lr_decay":
            return options.lr
        updates_in_epoch = -(-self.windows.num_frames // (options.windows * options.window))
        epoch = step // updates_in_epoch
        past = max(epoch + 1 - CONSTANT_EPOCHS, 0)
        return options.lr * float(options.decay**past)

    def _evaluate(self, progress: Progress) -> dict[str, float]:
        """Scores the validation subjects; keeps the best weights, and stops when none come."""
        labels_NL = self.validation.labels
        if not len(labels_NL):
            return {}
        scores_NL, _ = run_through(self.stack, self.validation_NK, self.validation.sequences)
        loss = max_margin(
            torch.from_numpy(scores_NL), torch.from_numpy(np.array(labels_NL)), self.options.margin
        )
        f1 = mean_f1(labels_NL, scores_NL)
        progress.stale = 0 if progress.consider(f1, self.stack) else progress.stale + 1
        progress.finished = progress.stale >= self.options.patience
        return {"validation_loss": float(loss), "validation_mean_f1": f1}
