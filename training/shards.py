"""Gradients of a batch as the mean over its micro-batches.

On a CPU the micro-batches run side by side, one thread each with one core: convolutions of this
size scale far better over pictures than within one picture. On a GPU they run one after the other,
which is gradient accumulation. The result depends on the micro-batch alone, not on the machine.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Gradients:
    """What one micro-batch, or the mean of several, asks of the networks."""

    by_network: dict[str, Sequence[Tensor]]
    """Gradients of the parameters of each network, in the order of its parameters."""
    scalars: dict[str, Tensor]
    """What is logged."""


class ShardRunner:
    """Runs a gradient function over micro-batches and averages."""

    def __init__(self, device: torch.device, batch_size: int, micro_batch: int) -> None:
        self._offsets = range(0, batch_size, micro_batch)
        cores = torch.get_num_threads() if device.type == "cpu" else 1
        workers = min(len(self._offsets), cores)
        self._pool = ThreadPoolExecutor(workers) if workers > 1 else None
        if self._pool is not None:
            torch.set_num_threads(1)

    def run(self, function: Callable[[int], Gradients], nimg: int) -> Gradients:
        """Return the mean of function(nimg + offset) over the micro-batches."""
        starts = [nimg + offset for offset in self._offsets]

        def detached(start: int) -> Gradients:
            """Let the graph go, which a logged loss would hold until the whole batch is done."""
            part = function(start)
            scalars = {name: value.detach() for name, value in part.scalars.items()}
            return Gradients(part.by_network, scalars)

        mapped = map(detached, starts) if self._pool is None else self._pool.map(detached, starts)
        total, *others = mapped
        if not others:
            return total
        return _mean([total, *others])


@torch.no_grad()
def _mean(parts: list[Gradients]) -> Gradients:
    share = 1 / len(parts)
    by_network = {
        name: [
            sum(tensors[1:], tensors[0]).mul(share)
            for tensors in zip(*(part.by_network[name] for part in parts), strict=True)
        ]
        for name in parts[0].by_network
    }
    scalars = {
        name: torch.stack([part.scalars[name] for part in parts]).mean()
        for name in parts[0].scalars
    }
    return Gradients(by_network, scalars)


def apply_gradients(
    optimizer: torch.optim.Optimizer,
    parameters: Iterable[nn.Parameter],
    gradients: Sequence[Tensor],
) -> None:
    """Take one optimiser step with gradients computed elsewhere."""
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()
