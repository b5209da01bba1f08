"""How much memory a stage will take, estimated without training: shapes are enough.

    weights       4 bytes for each parameter of every network
    learning      16 more for each that learns: gradient, its successor, Adam's two moments
    averages      4 for each parameter of a moving average
    activations   what autograd saves in one step with an R1 term, counted on the meta device

Left out: photographs (3 R^2 bytes each), what the libraries take themselves, and what single
operations take for a moment. The peak of a real step on a CPU was 1.20
to 1.42 times the estimate (three stages, 64 and 128 pixels): allow `PEAK_FACTOR`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..core.checkpoint import build_blank
from .config import CompletionConfig, PerceptualConfig, PriorConfig, Recipe, StageConfig
from .feature_network import blank_feature_network
from .hardware import feature_dtype
from .losses import discriminator_objective, judge
from .projected_gan import ProjectedCritic
from .restart import TRAINED
from .vgg import LAYERS, VGG16Features

PEAK_FACTOR = 1.5
"""Peak of a real step over the estimate, at most."""

_FLOAT_BYTES = 4
_PERCEPTUAL_BLOCKS = 3


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

    Raises:
        ConfigError: the recipe leaves one of the networks out.
    """
    recipe.require_parts(_USED[stage])
    config: StageConfig = getattr(recipe, stage)
    dtype = feature_dtype(config.precision, device)
    networks = _networks(recipe, stage, dtype)
    parameters = {n: sum(p.numel() for p in m.parameters()) for n, m in networks.items()}
    learning = tuple(n for n in networks if n in {*TRAINED[stage], "discriminator", "critic"})
    averaged = ("generator",) if stage == "prior" else TRAINED[stage]
    weights = sum(parameters.values()) + sum(parameters[name] for name in averaged)
    learned = (p for name in learning for p in networks[name].parameters() if p.requires_grad)
    weights += 4 * sum(p.numel() for p in learned)
    size = config.micro_batch or config.batch_size
    num_shards = config.batch_size // size
    is_parallel = device.type == "cpu" and num_processes == 1
    at_once = min(num_shards, torch.get_num_threads()) if is_parallel else 1
    step = _PriorStep if stage == "prior" else _CompletionStep
    with _counted_savings(networks) as count:
        step(networks, config, dtype).run(size // num_processes)
    return Memory(parameters, learning, weights * _FLOAT_BYTES, count.total * at_once)


_USED = {
    "prior": ("generator", "discriminator"),
    "stage1": ("generator", "discriminator", "encoder", "mixer"),
    "stage2": ("generator", "discriminator", "encoder", "mixer", "skip_encoder"),
}


def _networks(recipe: Recipe, stage: str, dtype: torch.dtype) -> dict[str, nn.Module]:
    """Return all that a stage holds, without values."""
    networks = {n: m for n, m in build_blank(recipe.model).items() if n in _USED[stage]}
    if stage != "prior":
        networks["perceptual"] = _perceptual_network(recipe.perceptual, recipe)
    elif recipe.prior.features != "none":
        networks["features"] = network = blank_feature_network()
        R = recipe.model.generator.resolution
        with torch.device("meta"):
            networks["critic"] = ProjectedCritic(network, R, torch.empty(1, 3, R, R))
        for judge_part in (network, networks["critic"]):
            judge_part.to(dtype)  # in training autocast does that
    return networks


def _perceptual_network(config: PerceptualConfig, recipe: Recipe) -> nn.Module:
    if config.network == "discriminator":
        return build_blank(recipe.model)["discriminator"]
    state, before = {}, 3
    with torch.device("meta"):
        for name, channels in LAYERS.values():
            state[f"{name}.weight"] = torch.empty(channels, before, 3, 3)
            state[f"{name}.bias"] = torch.empty(channels)
            before = channels
        return VGG16Features(state, config.layers, "bgr")


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
    config: PriorConfig

    def run(self, N: int) -> None:
        fakes = self.synthesize(self.codes(N))
        discriminator_objective(self.judge, self.pictures(N), [self.judge(fakes)], 1.0)
        if self.config.features != "none":
            for images in (fakes, self.pictures(N)):
                self.networks["critic"](images.to(self.dtype))


class _CompletionStep(_Step):
    config: CompletionConfig

    def run(self, N: int) -> None:
        self.generator.requires_grad_(False)
        num_paths = 1 if self.config.pictures == "photographs" else 2
        outputs = self.complete(N, num_paths)
        perceptual = self.networks["perceptual"].requires_grad_(False)
        if isinstance(perceptual, VGG16Features):
            perceptual(outputs)
        else:
            perceptual.features(outputs, _PERCEPTUAL_BLOCKS)
        fake_logits = [self.judge(fakes) for fakes in outputs.chunk(num_paths)]
        discriminator_objective(self.judge, self.pictures(N), fake_logits, 1.0)

    def complete(self, N: int, num_paths: int) -> Tensor:
        skip_encoder, n = self.networks.get("skip_encoder"), num_paths * N
        with torch.set_grad_enabled(skip_encoder is None):
            encoded = self.networks["encoder"](self.pictures(N, 4)) + self.generator.w_avg
            codes, _ = self.networks["mixer"](encoded.repeat(num_paths, 1, 1), self.codes(n))
        if skip_encoder is None:
            return self.synthesize(codes)
        skips = skip_encoder.train()(self.pictures(n), self.pictures(n), self.pictures(n, 1))
        return self.synthesize(codes, skips)
