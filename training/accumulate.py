"""Gradients of a batch: the mean over its micro-batches and over the processes; and Adam.

On a CPU the micro-batches run in parallel, one per core: convolutions of this size scale far better
over images than within an image. On a GPU they run one after the other, which is gradient
accumulation. The result depends on the size of the micro-batch, not on the machine.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..core.distributed import ALONE, Processes


@dataclass(frozen=True)
class Gradients:
    """Of one micro-batch, or the mean of several."""

    by_network: dict[str, Sequence[Tensor]]
    """Gradients of the parameters of each network, in the order of its parameters."""
    scalars: dict[str, Tensor]
    """What is logged."""


class GradientAccumulator:
    """Runs a gradient function on each micro-batch and averages."""

    def __init__(
        self,
        device: torch.device,
        batch_size: int,
        micro_batch: int,
        processes: Processes = ALONE,
    ) -> None:
        self._offsets = range(0, batch_size, micro_batch)
        self._processes = processes
        # With several processes one by one: threads would mix up what the processes exchange.
        is_parallel = device.type == "cpu" and processes.world_size == 1
        workers = min(len(self._offsets), torch.get_num_threads()) if is_parallel else 1
        self._pool = ThreadPoolExecutor(workers) if workers > 1 else None

    def run(self, function: Callable[[int], Gradients], nimg: int) -> Gradients:
        """Return the mean of function(nimg + offset) over the micro-batches and processes."""
        starts = [nimg + offset for offset in self._offsets]

        def detached(start: int) -> Gradients:
            """Free the graph, which a logged loss would hold until the batch is done."""
            part = function(start)
            scalars = {name: value.detach() for name, value in part.scalars.items()}
            return Gradients(part.by_network, scalars)

        if self._pool is None:
            return self._mean(map(detached, starts))
        with _one_core_each():
            return self._mean(self._pool.map(detached, starts))

    def _mean(self, parts: Iterator[Gradients]) -> Gradients:
        """Add up in the order of the batch, as results arrive: only the sum stays in memory."""
        weight = 1 / len(self._offsets)
        total = _scaled(next(parts), weight)
        for part in parts:
            _add(total, part, weight)
        mean = self._processes.mean
        scalars = mean(list(total.scalars.values()))
        return Gradients(
            {name: mean(tensors) for name, tensors in total.by_network.items()},
            dict(zip(total.scalars, scalars, strict=True)),
        )


def _scaled(part: Gradients, weight: float) -> Gradients:
    """Return new tensors: a CUDA graph overwrites its own with the next micro-batch."""
    if weight == 1:
        return part
    multiply = torch._foreach_mul  # pyright: ignore[reportPrivateImportUsage]
    return Gradients(
        {name: multiply(list(tensors), weight) for name, tensors in part.by_network.items()},
        {name: value * weight for name, value in part.scalars.items()},
    )


def _add(total: Gradients, part: Gradients, weight: float) -> None:
    add_in_place = torch._foreach_add_  # pyright: ignore[reportPrivateImportUsage]
    for name, tensors in total.by_network.items():
        add_in_place(list(tensors), list(part.by_network[name]), alpha=weight)
    for name, value in part.scalars.items():
        total.scalars[name].add_(value, alpha=weight)


@contextlib.contextmanager
def _one_core_each() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def adam(*groups: tuple[nn.Module, float], betas: tuple[float, float]) -> torch.optim.Optimizer:
    """Return PyTorch's fused Adam, which on a CPU is 2.6 times as fast as its default.

    Args:
        groups: networks that learn, and the factor of their learning rate.
        betas: decay rates of the moments.
    """
    param_groups = [
        {"params": [p for p in network.parameters() if p.requires_grad], "lr_factor": factor}
        for network, factor in groups
    ]
    return torch.optim.Adam(param_groups, betas=betas, fused=True)


def parameters_of(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """Return what an optimiser updates, in the order of its groups."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


@torch.no_grad()
def apply_gradients(
    optimizer: torch.optim.Optimizer, gradients: Sequence[Tensor], learning_rate: float
) -> None:
    """Take one optimiser step with gradients computed elsewhere.

    Args:
        optimizer: see `adam`.
        gradients: of `parameters_of(optimizer)`.
        learning_rate: each group takes it times its factor.
    """
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group["lr_factor"]
    for parameter, gradient in zip(parameters_of(optimizer), gradients, strict=True):
        if gradient.stride() != parameter.stride():  # fused kernels need equal strides
            gradient = torch.empty_like(parameter).copy_(gradient)
        parameter.grad = gradient
    optimizer.step()
