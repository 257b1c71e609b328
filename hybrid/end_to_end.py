"""CNN and LSTMs trained as one network: the gradient of the LSTMs' loss goes on into the CNN.

The paper trains them one after the other and names this as future work (section 7). Training goes
on from the two trained stages: each update draws short windows, crops and mirrors every face of a
window alike, and runs CNN, normalised fc7, projection and LSTMs on them; the max-margin loss moves
all weights of both networks, the CNN's at a rate of its own.

What always holds:
- the projection stays the one that was fitted before, and a batch norm keeps its statistics: the
  neighbouring frames of a few windows are no sample of the training part;
- the outcome is an ``LstmModel`` like that of the stages, so it is scored, saved and fused alike;
- the weights before the first update are among the candidates on validation subjects;
- a run that was killed and taken up again gives the weights of one that was not.

Legend: M packed rows of a mini-batch's segments, L action units.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from harness.data.frames import FrameSet
from harness.errors import UserError
from harness.method import Context
from hybrid.anet import parameter_groups
from hybrid.anet_model import AnetModel, autocast, normalised
from hybrid.cnn_training import known_labels, out_of_memory
from hybrid.draws import numpy_generator, torch_generator
from hybrid.dropout import MaskSource, draw_masks_from
from hybrid.faces_on_device import Crops, FacesOnDevice, random_crops
from hybrid.losses import max_margin, max_margin_sum
from hybrid.lstm_model import LstmModel, input_divisor
from hybrid.options import CnnOptions, JointOptions, SequenceOptions
from hybrid.progress import Progress, check_finite, save_training, take_up
from hybrid.segments import Packing, pack, places_in_batch
from hybrid.selection import mean_f1
from hybrid.windows import Windows, admissible_windows
from hybrid.workers import device_of, shared_between_workers, summed_over_workers


class Joint(nn.Module):
    """Both networks and the projection between them, as one."""

    def __init__(self, lstm: LstmModel) -> None:
        super().__init__()
        self.cnn, self.stack = lstm.cnn.network, lstm.stack
        self.precision = lstm.cnn.options.precision
        device = lstm.cnn.device
        # Plain attributes: the projection is no part of what training changes or keeps.
        self.mean_D = lstm.pca.mean_D.to(device)
        self.components_DK = lstm.pca.components_DK.to(device)
        self.divisor = input_divisor(lstm.pca, lstm.options)

    def forward(self, faces_MCHW: Tensor, packing: Packing) -> Tensor:
        """Scores (M, L) of faces in packed order."""
        with autocast(faces_MCHW.device, self.precision):
            _, fc7_MD = self.cnn(faces_MCHW)
        centred_MD = normalised(fc7_MD.float()) - self.mean_D
        scores_ML, _ = self.stack(centred_MD @ self.components_DK / self.divisor, packing)
        return torch.as_tensor(scores_ML)

    def train(self, mode: bool = True) -> Joint:
        """Training mode, in which batch norms go on using the statistics that they have."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self


def train_end_to_end(
    lstm: LstmModel,
    train: FrameSet,
    validation: FrameSet,
    options: JointOptions,
    context: Context,
) -> LstmModel:
    """The networks of ``lstm``, trained on together; ``lstm`` itself is used up."""
    device = device_of(context)
    joint = Joint(lstm)
    for parameter in joint.cnn.get_submodule("fc8").parameters():
        parameter.requires_grad_(False)  # it takes no part; workers would wait for its gradient
    try:
        progress = _JointTraining(joint, lstm, train, validation, options, context).run()
    except torch.OutOfMemoryError as error:
        what = f"a mini-batch of {options.windows} windows of {options.window} faces"
        raise out_of_memory(device, what, "joint.window") from error
    if progress.best_weights:
        joint.load_state_dict(progress.best_weights)
    about = {
        **lstm.about,
        "joint_steps": progress.step,
        "joint_best_step": progress.best_step,
        "best_validation_mean_f1": progress.best_f1,
    }
    return LstmModel(lstm.cnn, lstm.pca, lstm.stack, lstm.options, about)


class _JointTraining:
    """One training; ``run`` is the loop, told from top to bottom."""

    def __init__(
        self,
        joint: Joint,
        lstm: LstmModel,
        train: FrameSet,
        validation: FrameSet,
        options: JointOptions,
        context: Context,
    ) -> None:
        if options.windows < context.world_size:
            raise UserError(
                f"joint.windows is {options.windows}, fewer than the {context.world_size} workers: "
                "each needs one at least"
            )
        self.joint, self.lstm, self.options, self.context = joint, lstm, options, context
        self.device = lstm.cnn.device
        self.labels_NL = known_labels(train)
        self.labels = torch.from_numpy(np.array(self.labels_NL)).to(self.device)
        self.windows = short_windows(train, lstm.options, options)
        self.faces = faces_to_train(train, lstm.cnn)
        self.validation = validation
        self.optimiser = torch.optim.RMSprop(
            _groups(joint, lstm.cnn.options, options),
            alpha=lstm.options.rms_alpha,
            momentum=lstm.options.momentum,
            eps=1e-8,
        )

    def run(self) -> Progress:
        """Trains to the end, from the last checkpoint if there is one."""
        options, context = self.options, self.context
        progress = Progress()
        if (folder := context.restore()) is not None:
            progress, _ = take_up(folder, self.joint, self.optimiser)
        else:
            self._evaluate(progress)
        model = shared_between_workers(self.joint, context)
        self.joint.train()
        while progress.step < options.updates:
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
                "frames_per_second": frames / max(time.perf_counter() - began, 1e-9),
                **self._evaluate(progress),
            }
            context.report(
                row,
                checkpoint=lambda into: save_training(
                    into, self.joint, self.optimiser, progress, {}
                ),
            )
        return progress

    def _step(self, model: Any, step: int) -> Tensor:
        """One update; gives this worker's share of the loss, on the device."""
        options, context, sequence = self.options, self.context, self.lstm.options
        drawn = self.windows.draw(
            options.windows, numpy_generator(context.seed, "joint windows", step)
        )
        denominator = self._labelled(*self.windows.segments(drawn))
        mine = np.arange(len(drawn))[context.rank :: context.world_size]
        starts, lengths = self.windows.segments(drawn[mine])
        lengths_W = self.windows.lengths_W[drawn]
        first_rows_W = np.cumsum(lengths_W) - lengths_W
        by_row = pack(starts, lengths)
        by_place = pack(places_in_batch(lengths, first_rows_W[mine], lengths_W[mine]), lengths)
        window_M = np.searchsorted(first_rows_W, by_place.order_M, side="right") - 1
        faces, rows = self._faces(by_row, window_M, step)
        draw_masks_from(
            self.joint,
            MaskSource(
                generator=torch_generator(context.seed, "joint dropout", step, self.device),
                num_rows=int(lengths_W.sum()),
                rows=torch.from_numpy(by_place.order_M).to(self.device),
            ),
        )
        scores_ML = model(faces, by_row)
        begun = int(by_row.batch_sizes_T[: options.burn_in].sum())  # packed order is by time
        loss = max_margin_sum(
            scores_ML[begun:], self.labels[rows[begun:]], sequence.margin, sequence.gate
        )
        loss = loss / denominator
        (loss * context.world_size).backward()
        nn.utils.clip_grad_norm_(self.joint.parameters(), options.clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        return loss.detach()

    def _faces(self, by_row: Packing, window_M: np.ndarray, step: int) -> tuple[Tensor, Tensor]:
        """The faces in packed order, all of one window cropped alike; and their rows."""
        cnn = self.lstm.cnn.options
        numbers = torch.arange(self.options.windows)
        draws = torch_generator(self.context.seed, "joint crops", step)
        crops_W = random_crops(numbers, cnn.resolution, cnn.crop, cnn.flip, draws).table
        table = crops_W[:, torch.from_numpy(window_M)]
        table[0] = torch.from_numpy(by_row.order_M)
        return next(iter(self.faces.batches([Crops(table=table)])))

    def _labelled(self, starts: np.ndarray, lengths: np.ndarray) -> float:
        """Frames of the whole mini-batch that carry a loss, at least 1."""
        burn_in = self.options.burn_in
        rows = pack(starts + burn_in, np.maximum(lengths - burn_in, 0)).order_M
        return max(float((self.labels_NL[rows] != 0).any(1).sum()), 1.0)

    def _evaluate(self, progress: Progress) -> dict[str, float]:
        """Scores the validation subjects; keeps the best weights."""
        labels_NL = self.validation.labels
        if not len(labels_NL):
            return {}
        self.joint.eval()
        scores_NL = self.lstm.scores(self.validation.unlabelled().with_aus(self.lstm.aus))
        self.joint.train()
        loss = max_margin(
            torch.from_numpy(scores_NL),
            torch.from_numpy(np.array(labels_NL)),
            self.lstm.options.margin,
        )
        f1 = mean_f1(labels_NL, scores_NL)
        progress.consider(f1, self.joint)
        return {"validation_loss": float(loss), "validation_mean_f1": f1}


def short_windows(train: FrameSet, sequence: SequenceOptions, options: JointOptions) -> Windows:
    """The windows of the LSTMs' own training, shorter."""
    shorter = {"window": options.window, "burn_in": options.burn_in, "burnin": "mask_loss"}
    return admissible_windows(train, sequence.model_copy(update=shorter))


def faces_to_train(train: FrameSet, cnn: AnetModel) -> FacesOnDevice:
    """The training faces as the CNN sees them, on the device where they fit."""
    return FacesOnDevice(
        train.faces,
        resolution=cnn.options.resolution,
        crop=cnn.options.crop,
        mean=cnn.mean,
        scale=cnn.scale,
        device=cnn.device,
        residence=cnn.options.residence,
        local=cnn.options.pixels == "local",
    )


def _groups(joint: Joint, cnn: CnnOptions, options: JointOptions) -> list[dict[str, Any]]:
    """The CNN's weights and biases as in its own training, and the LSTMs' weights."""
    groups = []
    for group in parameter_groups(joint.cnn, cnn):
        rate = options.lr * options.cnn_rate * group["lr_factor"]
        groups.append(
            {"params": group["params"], "weight_decay": group["weight_decay"], "lr": rate}
        )
    stack = [p for p in joint.stack.parameters() if p.requires_grad]
    return [*groups, {"params": stack, "weight_decay": 0.0, "lr": options.lr}]
