"""Batch norm over the samples of all processes."""

import torch
from torch import Tensor, nn

from ..core.distributed import Processes


class SyncBatchNorm2d(nn.BatchNorm2d):
    """Batch norm whose batch is that of all processes.

    It normalises by the present batch and leaves the running statistics alone. nn.SyncBatchNorm
    does the same, but refuses CPU tensors.
    """

    def __init__(self, norm: nn.BatchNorm2d, processes: Processes) -> None:
        """Take over the weights of a batch norm."""
        super().__init__(
            norm.num_features,
            norm.eps,
            norm.momentum,
            track_running_stats=norm.track_running_stats,
        )
        self.load_state_dict(norm.state_dict())
        self.to(norm.weight)
        self._processes = processes

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, C, H, W] to the same shape."""
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        mean, variance = exact.mean(dim=(0, 2, 3)), exact.var(dim=(0, 2, 3), correction=0)
        own = torch.stack([mean, variance, torch.full_like(mean, len(x))])
        means, variances, nums = self._processes.gather(own).unbind(1)  # each [P, C]
        shares = nums / nums.sum(dim=0)
        # Chan et al. 1983: exact, and no difference of large squares.
        mean = (shares * means).sum(dim=0)
        variance = (shares * (variances + (means - mean).square())).sum(dim=0)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        centred = exact - mean[:, None, None]
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def synchronise_batch_norm(module: nn.Module, processes: Processes) -> None:
    """Let every batch norm within the module see the samples of all processes."""
    if processes.world_size == 1:
        return
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, SyncBatchNorm2d(child, processes))
