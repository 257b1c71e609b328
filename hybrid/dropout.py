"""Dropout whose masks come from a generator of ours, drawn for the whole batch of all workers.

Why not ``torch.nn.Dropout``: it draws from the global generator, so a resumed run and one on
another number of workers would see other masks. Here the training loop hands each dropout layer the
generator and the rows that this worker holds of the global batch; every worker draws the same mask
for the global batch and keeps its own rows.

What always holds: without ``draw_from`` (and in ``eval``) the layer changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

ALL = slice(None)


@dataclass(frozen=True, kw_only=True)
class MaskSource:
    """Where masks are drawn from: ``num_rows`` of the global batch, of which ``rows`` are ours.

    ``rows`` is an index (int64) or None for all of them.
    """

    generator: torch.Generator
    num_rows: int
    rows: Tensor | None = None


class Dropout(nn.Module):
    """Drops features of (rows, D) with probability ``rate`` and scales the others up."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate
        self.source: MaskSource | None = None

    def forward(self, x_ND: Tensor, part: slice = ALL) -> Tensor:
        """Same shape; the identity in ``eval`` and where the rate is 0.

        ``part`` says which of this worker's rows ``x_ND`` are, where it is not all of them.
        """
        if not self.training or self.rate == 0 or self.source is None:
            return x_ND
        source = self.source
        uniform = torch.rand(
            (source.num_rows, x_ND.shape[1]), generator=source.generator, device=x_ND.device
        )
        if source.rows is not None:
            uniform = uniform[source.rows]
        uniform = uniform[part]
        return x_ND * (uniform >= self.rate).to(x_ND.dtype).div_(1 - self.rate)


def draw_masks_from(network: nn.Module, source: MaskSource | None) -> None:
    """Tells every dropout layer of ``network`` where this step's masks come from."""
    for module in network.modules():
        if isinstance(module, Dropout):
            module.source = source
