"""The processes that train one model together, as `accelerate launch` starts them.

Each holds complete networks and computes its shard of every micro-batch; gradients are averaged.
The result does not depend on the number of processes. DistributedDataParallel is no option: it
hooks into backward(), and these gradients come from torch.autograd.grad.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from .device import resolve_device
from .errors import ConfigError

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

# Environment variables with the number of processes: torchrun's, then those of MPI launchers.
_WORLD_SIZES = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")


@dataclass(frozen=True)
class Shard:
    """The samples of a micro-batch that one process computes.

    The discriminator's standard-deviation group j of N samples is {j, j + N/G, j + 2N/G, ...}: the
    columns of [G, N/G]. Each of P processes takes N/(G P) neighbouring columns, whole groups, which
    are also the groups of its own N/P samples.
    """

    index: int = 0
    """Rank of the process."""
    count: int = 1
    """P, number of processes."""
    group_size: int = 1
    """G, samples per group."""

    def take(self, whole: Tensor) -> Tensor:
        """Return this process's samples of [N, ...], in their order, [N/P, ...]."""
        groups = whole.unflatten(0, (self.group_size, self.count, -1))
        return groups[:, self.index].flatten(0, 1)


WHOLE = Shard()
"""All samples."""


@dataclass(frozen=True)
class Draws:
    """Random numbers for a shard, drawn for the whole micro-batch and then cut.

    So they do not depend on the number of processes. The waste is small: a feature map's noise has
    one channel.
    """

    generator: torch.Generator
    shard: Shard = WHOLE

    def uniform(self, num: int, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return numbers in [0, 1) for the num samples of the shard, [num, *shape]."""
        return self.shard.take(self._empty(num, shape, dtype).uniform_(generator=self.generator))

    def normal(self, num: int, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return normal numbers for the num samples of the shard, [num, *shape]."""
        return self.shard.take(self._empty(num, shape, dtype).normal_(generator=self.generator))

    def integers(self, low: int, high: int, num: int, *shape: int) -> Tensor:
        """Return integers low to high - 1 for the num samples of the shard, [num, *shape] int64."""
        whole = self._empty(num, shape, torch.int64)
        return self.shard.take(whole.random_(low, high, generator=self.generator))

    def _empty(self, num: int, shape: tuple[int, ...], dtype: torch.dtype | None) -> Tensor:
        size = (num * self.shard.count, *shape)
        return torch.empty(size, device=self.generator.device, dtype=dtype)


@dataclass(frozen=True)
class Processes:
    """This process among those that train together; by default it is alone."""

    rank: int = 0
    """Rank of this process."""
    world_size: int = 1
    """Number of processes on all machines."""
    control: "ProcessGroup | None" = None
    """Connects the hosts directly, so that they do not wait for their devices."""

    @property
    def is_main(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is no other process."""
        return self.world_size == 1

    def shard(self, micro_batch: int, group_size: int) -> Shard:
        """Return which of micro_batch samples this process computes.

        Args:
            micro_batch: samples of all processes together.
            group_size: samples per standard-deviation group of the discriminator.

        Raises:
            ConfigError: the groups cannot be distributed evenly.
        """
        group_size = min(group_size, micro_batch)
        if micro_batch % (group_size * self.world_size):
            raise ConfigError(
                f"a micro_batch that is a multiple of {group_size * self.world_size}, so that each "
                f"of {self.world_size} processes gets whole groups of {group_size}",
                str(micro_batch),
                "Change micro_batch (batch_size, where it is 0), stddev_group_size or the number "
                "of processes.",
            )
        return Shard(self.rank, self.world_size, group_size)

    @torch.no_grad()
    def mean(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the mean of each tensor over the processes; one transfer per dtype."""
        means = list(tensors)
        if self.world_size == 1:
            return means
        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
            places = [i for i, tensor in enumerate(tensors) if tensor.dtype == dtype]
            bucket = _reduce(torch.cat([tensors[i].reshape(-1) for i in places]), "mean")
            parts = bucket.split([tensors[i].numel() for i in places])
            for i, part in zip(places, parts, strict=True):
                means[i] = part.view(tensors[i].shape)
        return means

    def gather(self, tensor: Tensor) -> Tensor:
        """Return the tensors of all processes, [P, *shape].

        Gradients: with respect to tensor, of the sum of all processes' losses, first order.
        """
        ranks = range(self.world_size)
        slots = [tensor if rank == self.rank else torch.zeros_like(tensor) for rank in ranks]
        return _Sum.apply(torch.stack(slots))

    def synchronise(self, modules: Iterable[nn.Module]) -> None:
        """Copy the main process's weights to all: other hardware may round initial ones."""
        if self.world_size == 1:
            return
        from accelerate.utils import broadcast

        for module in modules:
            for tensor in module.state_dict().values():
                tensor.copy_(broadcast(tensor.contiguous()))

    def any(self, flag: bool) -> bool:
        """Return whether any process has set its flag; waits for hosts, not for devices."""
        if self.world_size == 1:
            return flag
        flags = torch.tensor(int(flag))
        torch.distributed.all_reduce(flags, group=self.control)
        return bool(flags)

    def require_same(self, value: object, meaning: str) -> None:
        """Raise ConfigError unless the value's repr is the same in all processes."""
        different = set(self.collect(repr(value)))
        if len(different) > 1:
            raise ConfigError(
                f"the same {meaning} in all processes",
                f"{len(different)} different ones in {self.world_size} processes",
                "Give all machines the same files and one shared run folder.",
            )

    def collect(self, value: Any) -> list[Any]:  # noqa: ANN401 - whatever can be pickled
        """Return the values of all processes, by rank."""
        values: list[Any] = [value]
        if self.world_size > 1:
            values *= self.world_size
            torch.distributed.all_gather_object(values, value, group=self.control)
        return values

    def leave(self) -> None:
        """Wait for the other processes, then disconnect."""
        if self.world_size > 1:
            from accelerate import PartialState

            torch.distributed.barrier(group=self.control)
            PartialState().destroy_process_group()


ALONE = Processes()
"""A single process, which does not need accelerate."""


class _Sum(torch.autograd.Function):
    """The sum over processes; its gradient is the sum of their gradients."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:  # noqa: ANN401 - torch's context
        return _reduce(tensor, "sum")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401 - torch's context
        return _reduce(gradient.contiguous(), "sum")


def _reduce(tensor: Tensor, reduction: Literal["sum", "mean"]) -> Tensor:
    from accelerate.utils import reduce

    result = reduce(tensor, reduction)
    assert isinstance(result, Tensor)
    return result


class SyncBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over the samples of all processes.

    It always normalises by the current batch and does not update the running statistics. Unlike
    nn.SyncBatchNorm, it takes CPU tensors.
    """

    def __init__(self, norm: nn.BatchNorm2d, processes: Processes) -> None:
        """Copy the weights of a batch norm."""
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
        fractions = nums / nums.sum(dim=0)
        # Chan et al. 1983: exact, and no difference of large squares.
        mean = (fractions * means).sum(dim=0)
        variance = (fractions * (variances + (means - mean).square())).sum(dim=0)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        centred = exact - mean[:, None, None]
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)


def synchronise_batch_norm(module: nn.Module, processes: Processes) -> None:
    """Replace each batch norm in the module with one over the samples of all processes."""
    if processes.world_size == 1:
        return
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.BatchNorm2d):
                setattr(parent, name, SyncBatchNorm2d(child, processes))


def join(device: str | None = None) -> tuple[torch.device, Processes]:
    """Return where to train, and the processes that `accelerate launch` started.

    Args:
        device: as for `resolve_device`. With several processes, each has its own device, and only
            "cpu" may be given.

    Raises:
        InputError: there is no such device.
        ConfigError: a device other than "cpu" for several processes, or no accelerate.
    """
    if os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true":  # accelerate launch --cpu
        device = device or "cpu"
    if all(int(os.environ.get(name, "1")) == 1 for name in _WORLD_SIZES):
        return resolve_device(device), ALONE
    if device not in (None, "cpu"):
        raise ConfigError(
            "no --device, or cpu, where several processes train",
            repr(device),
            "Omit it: each process has its own device.",
        )
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise ConfigError(
            "accelerate, which several processes need",
            "none",
            "Run: pip install diverse-inpainting[training].",
            problem="accelerate is not installed, and training with several processes needs it.",
        ) from error
    state = PartialState(cpu=device == "cpu")
    control = torch.distributed.new_group(backend="gloo")
    assert state.device is not None
    assert isinstance(control, torch.distributed.ProcessGroup)
    return state.device, Processes(state.process_index, state.num_processes, control)
