"""Batch norm over the global batch, however many workers hold a part of it.

torch's own normalises each worker's part by itself, so that two workers would train another network
than one; its synchronised kind knows CUDA only.

What always holds: with one worker this is ``torch.nn.BatchNorm2d``; with several, the statistics
are those of all parts together, weighted by their sizes, and gradients flow through them.
"""

from __future__ import annotations

import torch
from torch import Tensor, distributed, nn
from torch.distributed.nn.functional import all_reduce


class BatchNorm(nn.BatchNorm2d):
    """Batch norm of (B, C, H, W) maps whose batch may be spread over workers."""

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Same shape, normalised over batch and picture."""
        alone = not distributed.is_initialized() or distributed.get_world_size() == 1
        if alone or not self.training:
            return super().forward(x_BCHW)
        x = x_BCHW.float()
        count = x.new_tensor([x.numel() / x.shape[1]])
        sums = torch.cat([x.sum((0, 2, 3)), (x * x).sum((0, 2, 3)), count])
        sums = all_reduce(sums)
        total = sums[-1]
        mean_C, square_C = sums[:-1].div(total).chunk(2)
        variance_C = (square_C - mean_C * mean_C).clamp(min=0)
        with torch.no_grad():
            assert self.running_mean is not None
            assert self.running_var is not None
            assert self.num_batches_tracked is not None
            unbiased_C = variance_C * (total / (total - 1).clamp(min=1))
            self.running_mean.lerp_(mean_C, self.momentum or 0.1)
            self.running_var.lerp_(unbiased_C, self.momentum or 0.1)
            self.num_batches_tracked.add_(1)
        scale_C = self.weight * torch.rsqrt(variance_C + self.eps)
        shift_C = self.bias - mean_C * scale_C
        return (x * scale_C[:, None, None] + shift_C[:, None, None]).to(x_BCHW.dtype)


def over_global_batch(network: nn.Module) -> nn.Module:
    """``network`` itself, its batch norms of pictures turned into ours; their weights stay."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d and module.affine and module.track_running_stats:
            module.__class__ = BatchNorm
    return network
