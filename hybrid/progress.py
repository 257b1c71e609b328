"""Where a training stands: step, best weights, rate drops. Kept, taken up again, watched for NaN.

What always holds: a checkpoint is written only after every loss up to it was found finite; taking
it up gives optimiser, sampler, step and best weights as they were, and since all draws are
functions of the step (``hybrid.draws``), training goes on as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from harness.errors import UserError
from harness.method import Context
from hybrid.checkpoints import fit_into, host_copy, load_tensors


@dataclass(kw_only=True)
class Progress:
    """The part of a training's state that is neither weights nor optimiser.

    Attributes:
        step: optimiser steps done.
        best_f1, best_step, best_weights: of the best evaluation so far.
        lowest_loss: lowest validation loss; stale: evaluations since the last improvement (of
            what, the loop decides); drops: times that the rate was lowered.
    """

    step: int = 0
    best_f1: float = -1.0
    best_step: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    lowest_loss: float = float("inf")
    stale: int = 0
    drops: int = 0
    finished: bool = False

    def consider(self, f1: float, network: nn.Module) -> bool:
        """Keeps the weights if ``f1`` is the best so far; tells whether it was."""
        if f1 <= self.best_f1:
            return False
        self.best_f1, self.best_step = f1, self.step
        self.best_weights = host_copy(network)
        return True


def save_training(
    folder: Path,
    network: nn.Module,
    optimiser: torch.optim.Optimizer,
    progress: Progress,
    extra: Mapping[str, Any],
) -> None:
    """Writes all that is needed to go on; ``extra`` holds numbers and strings (the sampler)."""
    state = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "progress": vars(progress),
        "extra": dict(extra),
    }
    torch.save(state, folder / "training.pt")


def take_up(
    folder: Path, network: nn.Module, optimiser: torch.optim.Optimizer
) -> tuple[Progress, dict[str, Any]]:
    """Puts the state of a checkpoint into ``network`` and ``optimiser``; gives (progress,
    extra)."""
    state = load_tensors(folder / "training.pt")
    fit_into(network, state["network"], folder)
    optimiser.load_state_dict(state["optimiser"])
    return Progress(**state["progress"]), dict(state["extra"])


def check_finite(losses: Tensor, first_step: int, context: Context) -> None:
    """Stops training at the first loss that is NaN or infinite, naming its step (from 1).

    Args:
        losses: (n,) of the steps since the last check.
        first_step: number of the first of them.
        context: knows the last good checkpoint, if there is one.
    """
    bad = torch.nonzero(~torch.isfinite(losses))
    if len(bad):
        restart = context.restore()
        kept = f"the last good checkpoint is {restart}" if restart else "no checkpoint was kept yet"
        raise UserError(
            f"the loss became {losses[int(bad[0])].item()} at step {first_step + int(bad[0])}: "
            f"lower lr; {kept}"
        )
