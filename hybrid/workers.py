"""Several workers on one training: whose gradients are added, and whose scores are put together.

Each worker holds every ``world_size``-th frame of the global batch and divides its loss by the
global count, so the gradient of the global batch is the *sum* over workers.

What always holds: with one worker nothing here does anything; ``torch.distributed`` was set up by
whoever started the workers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, distributed, nn

from harness.method import Context


def device_of(context: Context) -> torch.device:
    """The context's device; also takes the threads that it grants."""
    torch.set_num_threads(context.threads)
    return torch.device(context.device)


def placed(network: nn.Module, device: torch.device) -> nn.Module:
    """``network`` on the device, its convolutions' weights channels last."""
    moved: nn.Module = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return moved


def shared_between_workers(network: nn.Module, context: Context) -> Callable[..., Any]:
    """``network`` itself, or wrapped so that ``backward`` averages gradients over all workers.

    The average becomes the sum by a loss that is multiplied by ``world_size``.
    """
    if context.world_size == 1:
        return network
    from torch.nn.parallel import DistributedDataParallel

    # Buffers are equal on all workers by construction (BatchNorm sees the global batch).
    return DistributedDataParallel(network, broadcast_buffers=False)


def summed_over_workers(values: Tensor, context: Context) -> Tensor:
    """The sum of ``values`` over all workers, on each of them."""
    if context.world_size > 1:
        distributed.all_reduce(values)
    return values
