"""The processes that train one model together, as `accelerate launch` starts them.

Each holds whole networks and computes its share of every micro-batch; what they find is averaged.
Not DistributedDataParallel: that hooks into backward(), and these gradients come from
torch.autograd.grad.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from .device import resolve_device
from .errors import ConfigError
from .rng import Shard

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

# What launchers call the number of processes: torchrun's, then those of MPI's mpirun.
_NUMS = ("WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")


@dataclass(frozen=True)
class Processes:
    """This process among those that train together; by default it is alone."""

    rank: int = 0
    """Of this process."""
    world_size: int = 1
    """Processes on all machines."""
    control: "ProcessGroup | None" = None
    """Carries what the hosts tell each other, past the queues of their devices."""

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is no other process."""
        return self.world_size == 1

    def shard(self, micro_batch: int, group_size: int) -> Shard:
        """Return what this process computes of micro_batch samples.

        Args:
            micro_batch: samples of all processes together.
            group_size: samples per standard-deviation group of the discriminator.

        Raises:
            ConfigError: the groups cannot be dealt out evenly.
        """
        group_size = min(group_size, micro_batch)
        if micro_batch % (group_size * self.world_size):
            raise ConfigError(
                f"a micro_batch that is a multiple of {group_size * self.world_size}, so that each "
                f"of {self.world_size} processes gets whole groups of {group_size}",
                str(micro_batch),
                "Change micro_batch (batch_size, where it is 0) or the number of processes.",
            )
        return Shard(self.rank, self.world_size, group_size)

    @torch.no_grad()
    def mean(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        """Return the mean of each tensor over the processes, sent in one piece per dtype."""
        means = list(tensors)
        if self.world_size == 1:
            return means
        from accelerate.utils import reduce

        for dtype in dict.fromkeys(tensor.dtype for tensor in tensors):
            places = [i for i, tensor in enumerate(tensors) if tensor.dtype == dtype]
            bucket = reduce(torch.cat([tensors[i].reshape(-1) for i in places]), "mean")
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
        """Give all processes the main one's weights: other processors may round initial ones."""
        if self.world_size == 1:
            return
        from accelerate.utils import broadcast

        for module in modules:
            for tensor in module.state_dict().values():
                tensor.copy_(broadcast(tensor.contiguous()))

    def any(self, flag: bool) -> bool:
        """Tell whether the flag of any process is set; waits for the hosts, not for devices."""
        if self.world_size == 1:
            return flag
        flags = torch.tensor(int(flag))
        torch.distributed.all_reduce(flags, group=self.control)
        return bool(flags)

    def require_same(self, value: object, meaning: str) -> None:
        """Check that a value that can be printed is equal everywhere.

        Raises:
            ConfigError: it is not.
        """
        different = set(self.collect(repr(value)))
        if len(different) > 1:
            raise ConfigError(
                f"the same {meaning} in all processes",
                f"{len(different)} different ones in {self.world_size} processes",
                "Give all machines the same files and one run folder that they share.",
            )

    def collect(self, value: Any) -> list[Any]:  # noqa: ANN401 - whatever can be pickled
        """Return the values of all processes, in their order."""
        values: list[Any] = [value]
        if self.world_size > 1:
            values *= self.world_size
            torch.distributed.all_gather_object(values, value, group=self.control)
        return values

    def leave(self) -> None:
        """Wait for the others and part."""
        if self.world_size > 1:
            from accelerate import PartialState

            torch.distributed.barrier(group=self.control)
            PartialState().destroy_process_group()


ALONE = Processes()
"""One process, which needs no accelerate."""


class _Sum(torch.autograd.Function):
    """The sum over processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:  # noqa: ANN401 - torch's context
        from accelerate.utils import reduce

        return reduce(tensor, "sum")

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # noqa: ANN401 - torch's context
        from accelerate.utils import reduce

        return reduce(gradient.contiguous(), "sum")


def join(device: str | None = None) -> tuple[torch.device, Processes]:
    """Return where to train, and with whom: the processes that `accelerate launch` started.

    Args:
        device: as for `resolve_device`. Among several processes each has a device of its own, and
            only "cpu" may be asked for.

    Raises:
        InputError: there is no such device here.
        ConfigError: a device for several processes, or accelerate is not installed.
    """
    if os.environ.get("ACCELERATE_USE_CPU", "").lower() == "true":  # accelerate launch --cpu
        device = device or "cpu"
    if all(int(os.environ.get(name, "1")) == 1 for name in _NUMS):
        return resolve_device(device), ALONE
    if device not in (None, "cpu"):
        raise ConfigError(
            "no --device, or cpu, where several processes train",
            repr(device),
            "Leave it out: each process has a device of its own.",
        )
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise ConfigError(
            "accelerate, which several processes need",
            "none",
            "Install diverse-inpainting[training].",
        ) from error
    state = PartialState(cpu=device == "cpu")
    control = torch.distributed.new_group(backend="gloo")
    return state.device, Processes(state.process_index, state.num_processes, control)
