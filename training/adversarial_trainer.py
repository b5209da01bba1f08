"""What the trainers of all stages share: a step of networks that learn against a discriminator."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from ..core.distributed import Processes
from .accumulate import GradientAccumulator, Gradients, apply_gradients, parameters_of
from .config import Recipe, StageConfig
from .cuda_graphs import StepGraphs
from .ema import update_average

Config = TypeVar("Config", bound=StageConfig)


class AdversarialTrainer(ABC, Generic[Config]):
    """One batch after another: gradients, Adam, and moving averages.

    A module named `<name>_ema` in `modules` is the moving average of the module `<name>`.
    """

    stage: str
    modules: dict[str, nn.Module]
    optimizers: dict[str, torch.optim.Optimizer]
    _rates: dict[str, float]
    """Learning rates of the optimisers; see `_rate_factor`."""
    discriminator_since = 0
    """Image at which the discriminators first saw what they have to judge: G's learning rate, or
    the weight of the adversarial term, rises from there on."""

    def __init__(self, recipe: Recipe, device: torch.device, processes: Processes) -> None:
        """Seed PyTorch, so that networks made after this are initialised as the recipe says."""
        self.recipe, self.device, self.processes = recipe, device, processes
        self.config = cast("Config", recipe.stage_config(self.stage))
        torch.manual_seed(self.config.seed)

    def _prepare_steps(self, group_size: int) -> None:
        """Divide batches, so that each process has whole groups of `minibatch_stddev`."""
        config, processes = self.config, self.processes
        size = self._micro_batch = config.micro_batch or config.batch_size
        self._shard = processes.shard(size, group_size)
        self._accumulator = GradientAccumulator(self.device, config.batch_size, size, processes)
        self._graphs = StepGraphs(self.device, is_used=config.cuda_graphs and processes.is_alone)

    def step(self, nimg: int) -> dict[str, Tensor]:
        """Update all networks on one batch; the R1 term joins every r1_every-th step."""
        config = self.config
        gradients = self._accumulator.run(lambda start: self._gradients(start, nimg), nimg)
        for name, of_networks in gradients.by_network.items():
            apply_gradients(self.optimizers[name], of_networks, self._rate(name, nimg))
        sizes = {"num_images": config.batch_size, "half_life": config.ema_half_life}
        for name, module in self.modules.items():
            if f"{name}_ema" in self.modules:
                update_average(self.modules[f"{name}_ema"], module, nimg=nimg, **sizes)
        return gradients.scalars

    def _rate(self, name: str, nimg: int) -> float:
        return self._rates[name] * self._rate_factor(name, nimg)

    @abstractmethod
    def _gradients(self, start: int, nimg: int) -> Gradients:
        """Return the gradients of this process's shard of the micro-batch from image `start` on."""

    @abstractmethod
    def _rate_factor(self, name: str, nimg: int) -> float:
        """Return an optimiser's learning rate at image nimg over that in `_rates`."""

    def _grad(self, name: str, loss: Tensor, *, retain_graph: bool = False) -> Sequence[Tensor]:
        """Return the gradients of what an optimiser updates."""
        return torch.autograd.grad(
            loss,
            parameters_of(self.optimizers[name]),
            retain_graph=retain_graph,
            materialize_grads=True,  # without noise, nothing in G depends on its strengths
        )
