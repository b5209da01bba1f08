"""Gradients of a batch as the mean over its micro-batches, and over the processes.

On a CPU the micro-batches run side by side, one thread each with one core: convolutions of this
size scale far better over pictures than within one picture. On a GPU they run one after the other,
which is gradient accumulation. The result depends on the micro-batch alone, not on the machine.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..core.distributed import ALONE, Processes


@dataclass(frozen=True)
class Gradients:
    """What one micro-batch, or the mean of several, asks of the networks."""

    by_network: dict[str, Sequence[Tensor]]
    """Gradients of the parameters of each network, in the order of its parameters."""
    scalars: dict[str, Tensor]
    """What is logged."""


class ShardRunner:
    """Runs a gradient function over micro-batches and averages."""

    def __init__(
        self,
        device: torch.device,
        batch_size: int,
        micro_batch: int,
        processes: Processes = ALONE,
    ) -> None:
        self._offsets = range(0, batch_size, micro_batch)
        self._processes = processes
        # Among several processes one by one: threads would mix up what the processes exchange.
        is_parallel = device.type == "cpu" and processes.world_size == 1
        workers = min(len(self._offsets), torch.get_num_threads()) if is_parallel else 1
        self._pool = ThreadPoolExecutor(workers) if workers > 1 else None

    def run(self, function: Callable[[int], Gradients], nimg: int) -> Gradients:
        """Return the mean of function(nimg + offset) over the micro-batches and processes."""
        starts = [nimg + offset for offset in self._offsets]

        def detached(start: int) -> Gradients:
            """Let the graph go, which a logged loss would hold until the whole batch is done."""
            part = function(start)
            scalars = {name: value.detach() for name, value in part.scalars.items()}
            return Gradients(part.by_network, scalars)

        if self._pool is None:
            return self._mean(map(detached, starts))
        with _one_core_each():
            return self._mean(self._pool.map(detached, starts))

    def _mean(self, parts: Iterator[Gradients]) -> Gradients:
        """Add up in the order of the batch, as parts come in: only the sum stays in memory."""
        share = 1 / len(self._offsets)
        total = _scaled(next(parts), share)
        for part in parts:
            _add(total, part, share)
        mean = self._processes.mean
        scalars = mean(list(total.scalars.values()))
        return Gradients(
            {name: mean(tensors) for name, tensors in total.by_network.items()},
            dict(zip(total.scalars, scalars, strict=True)),
        )


def _scaled(part: Gradients, share: float) -> Gradients:
    """Return new tensors: a CUDA graph overwrites its own with the next micro-batch."""
    if share == 1:
        return part
    return Gradients(
        {name: torch._foreach_mul(tensors, share) for name, tensors in part.by_network.items()},
        {name: value * share for name, value in part.scalars.items()},
    )


def _add(total: Gradients, part: Gradients, share: float) -> None:
    for name, tensors in total.by_network.items():
        torch._foreach_add_(tensors, part.by_network[name], alpha=share)
    for name, value in part.scalars.items():
        total.scalars[name].add_(value, alpha=share)


@contextlib.contextmanager
def _one_core_each() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def adam(
    *groups: tuple[Sequence[nn.Parameter], float], betas: tuple[float, float]
) -> torch.optim.Optimizer:
    """Return Adam in one pass over memory, on a CPU 2.6 times as fast as in PyTorch's default.

    Args:
        groups: parameters, and the factor by which they multiply the learning rate.
        betas: decay rates of the moments.
    """
    param_groups = [{"params": parameters, "lr_factor": factor} for parameters, factor in groups]
    return torch.optim.Adam(param_groups, betas=betas, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Let the next step take it, times the factor of each group."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group["lr_factor"]


@torch.no_grad()
def apply_gradients(
    optimizer: torch.optim.Optimizer,
    parameters: Iterable[nn.Parameter],
    gradients: Sequence[Tensor],
) -> None:
    """Take one optimiser step with gradients computed elsewhere."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if gradient.stride() != parameter.stride():  # fused kernels walk both alike
            gradient = torch.empty_like(parameter).copy_(gradient)
        parameter.grad = gradient
    optimizer.step()
