"""How much memory a stage will take, estimated without training: shapes are enough.

    weights       4 bytes for each parameter of every network
    learning      16 more for each that learns: gradient, its successor, Adam's two moments
    averages      4 for each parameter of a moving average, or of the perceptual network
    activations   what autograd saves in one step with an R1 term, counted on the meta device

Left out: photographs (3 R^2 bytes each), libraries (about half a gigabyte on a GPU), and what
single operations take for a moment.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..core.checkpoint import build_blank
from .config import Recipe, StageConfig
from .hardware import feature_dtype
from .losses import discriminator_objective, judge
from .restart import TRAINED

_FLOAT_BYTES = 4
_PERCEPTUAL_BLOCKS = 3
_PATHS = 2  # (g) and (r)


@dataclass(frozen=True)
class Memory:
    """Bytes that one process needs."""

    parameters: dict[str, int]
    """Numbers of each network, by name."""
    learning: tuple[str, ...]
    """Names of the networks that learn."""
    weights: int
    """Bytes of weights, gradients, Adam's moments and averages."""
    activations: int
    """Bytes that autograd saves."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.weights + self.activations


def estimate_memory(
    recipe: Recipe, stage: str, device: torch.device, num_processes: int = 1
) -> Memory:
    """Return what a stage takes of the device's memory in each process.

    Args:
        recipe: configuration.
        stage: prior, stage1 or stage2.
        device: decides the precision and, on a CPU, that micro-batches run side by side.
        num_processes: which share each micro-batch.
    """
    config: StageConfig = getattr(recipe, stage)
    networks = {n: m for n, m in build_blank(recipe.model).items() if n in _USED[stage]}
    parameters = {n: sum(p.numel() for p in m.parameters()) for n, m in networks.items()}
    learning = tuple(dict.fromkeys((*TRAINED[stage], "discriminator")))
    copied = ("generator",) if stage == "prior" else (*TRAINED[stage], "discriminator")
    weights = sum(parameters.values()) + sum(parameters[name] for name in copied)
    weights += 4 * sum(parameters[name] for name in learning)
    size = config.micro_batch or config.batch_size
    num_shards = config.batch_size // size
    is_parallel = device.type == "cpu" and num_processes == 1
    at_once = min(num_shards, torch.get_num_threads()) if is_parallel else 1
    step = _PriorStep if stage == "prior" else _CompletionStep
    with _counted_savings(networks) as count:
        step(networks, config, feature_dtype(config.precision, device)).run(size // num_processes)
    return Memory(parameters, learning, weights * _FLOAT_BYTES, count.total * at_once)


_USED = {
    "prior": ("generator", "discriminator"),
    "stage1": ("generator", "discriminator", "encoder", "mixer"),
    "stage2": ("generator", "discriminator", "encoder", "mixer", "skip_encoder"),
}


class _Count:
    """Bytes of the storages that autograd has saved, each once, parameters left out."""

    def __init__(self, networks: dict[str, nn.Module]) -> None:
        tensors = [t for network in networks.values() for t in network.state_dict().values()]
        self._known = {t.untyped_storage()._cdata: t.untyped_storage() for t in tensors}
        self.total = 0

    def add(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in self._known:
            self._known[storage._cdata] = storage  # held, or another would get its address
            self.total += storage.nbytes()
        return tensor


@contextmanager
def _counted_savings(networks: dict[str, nn.Module]) -> Iterator[_Count]:
    count = _Count(networks)
    with torch.autograd.graph.saved_tensors_hooks(count.add, lambda tensor: tensor):
        yield count


class _Step:
    """The forward passes of a training step on networks without values."""

    def __init__(
        self, networks: dict[str, nn.Module], config: StageConfig, dtype: torch.dtype
    ) -> None:
        self.networks: dict[str, Any] = networks
        self.config, self.dtype = config, dtype
        self.generator: Any = networks["generator"]

    def pictures(self, N: int, channels: int = 3) -> Tensor:
        R = self.generator.config.resolution
        return torch.empty(N, channels, R, R, device="meta")

    def codes(self, N: int) -> Tensor:
        w = self.generator.mapping(torch.empty(N, self.generator.config.z_dim, device="meta"))
        return self.generator.broadcast(w)

    def synthesize(self, ws: Tensor, skips: Any = None) -> Tensor:  # noqa: ANN401 - core's Skips
        return self.generator.synthesis(
            ws, skips=skips, dtype=self.dtype, memory_format=torch.channels_last
        )

    def judge(self, images: Tensor) -> Tensor:
        return judge(self.networks["discriminator"], images, self.dtype)


class _PriorStep(_Step):
    def run(self, N: int) -> None:
        fake_logits = self.judge(self.synthesize(self.codes(N)))
        discriminator_objective(self.judge, self.pictures(N), [fake_logits], 1.0)


class _CompletionStep(_Step):
    def run(self, N: int) -> None:
        self.generator.requires_grad_(False)
        outputs = self.complete(N)
        self.networks["discriminator"].features(outputs, _PERCEPTUAL_BLOCKS)
        fake_logits = [self.judge(fakes) for fakes in outputs.chunk(_PATHS)]
        discriminator_objective(self.judge, self.pictures(N), fake_logits, 1.0)

    def complete(self, N: int) -> Tensor:
        skip_encoder, n = self.networks.get("skip_encoder"), _PATHS * N
        with torch.set_grad_enabled(skip_encoder is None):
            encoded = self.networks["encoder"](self.pictures(N, 4)) + self.generator.w_avg
            codes, _ = self.networks["mixer"](encoded.repeat(_PATHS, 1, 1), self.codes(n))
        if skip_encoder is None:
            return self.synthesize(codes)
        skips = skip_encoder.train()(self.pictures(n), self.pictures(n), self.pictures(n, 1))
        return self.synthesize(codes, skips)
