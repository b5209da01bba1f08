"""The prior: StyleGAN2 trained on photographs, which both stages then keep frozen."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from ..core.distributed import ALONE, Draws, Processes
from ..core.errors import InputError
from ..core.networks import Discriminator, DiverseInpaintingModel, Generator
from ..core.rng import generator_for, seed_for
from .accumulate import (
    GradientAccumulator,
    Gradients,
    adam,
    apply_gradients,
    set_learning_rate,
)
from .augment import augment
from .checkpointing import write_prior
from .config import PriorConfig, Recipe
from .cuda_graphs import StepGraphs
from .data import Photographs
from .ema import averaged_copy, update_average
from .feature_network import load_feature_network
from .hardware import feature_dtype, send
from .logger import image_grid
from .losses import discriminate, discriminator_objective, generator_loss
from .projected_gan import ProjectedCritic, critic_generator_loss, critic_loss
from .spread import spread, spread_loss, thumbnails

_SCALING_PHOTOGRAPHS = 64


def _learned(module: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


class PriorTrainer:
    """G against D on photographs, and against a critic on ImageNet features where there is one.

    Non-saturating loss with lazy R1, style mixing, random noise and differentiable augmentation;
    no path-length term. One batch of fakes serves all networks.

    Source: Karras et al. 2020, arXiv:1912.04958; Zhao et al. 2020, arXiv:2006.10738; Sauer et al.
    2021, arXiv:2111.01007.
    """

    config: PriorConfig
    discriminator_since = 0
    """Image at which the judges began: from there G's learning rate rises."""

    def __init__(
        self,
        recipe: Recipe,
        photographs: Photographs,
        device: torch.device,
        processes: Processes = ALONE,
    ) -> None:
        model = recipe.model
        assert model.discriminator is not None
        self.recipe, self.config, self.device = recipe, recipe.prior, device
        self._group_size = model.discriminator.stddev_group_size
        self._processes = processes
        self._wanted_spread: Tensor | None = None
        self.photographs = photographs.to(device)
        torch.manual_seed(self.config.seed)
        self.generator = self._place(Generator(model.generator))
        self.discriminator = self._place(Discriminator(model.discriminator))
        self.generator_ema = averaged_copy(self.generator)
        self.modules: dict[str, nn.Module] = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_ema": self.generator_ema,
        }
        self._rates = {
            "generator": self.config.learning_rate,
            "discriminator": self.config.learning_rate,
        }
        self.critic: ProjectedCritic | None = None
        if self.config.projected_network != "none":
            self.critic = self._judge_by_features(model.generator.resolution, processes)
            self.modules["critic"] = self.critic
            self._rates["critic"] = self.config.projected_learning_rate
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: adam((_learned(self.modules[name]), 1.0), betas=self.config.betas)
            for name in self._rates
        }
        self._micro_batch = self.config.micro_batch or self.config.batch_size
        self._shard = processes.shard(self._micro_batch, self._group_size)
        self._shards = GradientAccumulator(
            device, self.config.batch_size, self._micro_batch, processes
        )
        self._graphs = StepGraphs(device, is_used=self.config.cuda_graphs and processes.is_alone)
        self._dtype = feature_dtype(self.config.precision, device)
        grid = generator_for(self.config.seed, "grid", 0)
        self._grid_z = torch.randn(48, model.generator.z_dim, generator=grid)

    def _judge_by_features(self, resolution: int, processes: Processes) -> ProjectedCritic:
        network = load_feature_network().to(self.device, memory_format=torch.channels_last)
        photographs = self.photographs.batch(0, _SCALING_PHOTOGRAPHS)
        return self._place(ProjectedCritic(network, resolution, photographs, processes))

    def _critic_at(self, nimg: int) -> ProjectedCritic | None:
        return self.critic if nimg >= self.config.projected_from else None

    @torch.no_grad()
    def _measure_spread(self, critic: ProjectedCritic) -> Tensor:
        """Return the mean spread of photographs, [5], equal in all processes."""
        found = []
        for start in range(0, self.config.diversity_images, self._micro_batch):
            photographs = self.photographs.batch(start, self._micro_batch)
            draws = Draws(generator_for(self.config.seed, "spread", start, self.device))
            judged = augment(photographs, self.config.augment, draws)
            found.append(self._spread(photographs, critic.maps(judged, self._dtype)))
        wanted = torch.cat(found).mean(dim=0)
        if not bool((wanted > 0).all()):
            raise InputError(
                "photographs that differ",
                "equal ones",
                "Give more pictures, or set diversity_weight to 0.",
            )
        return self._processes.mean([wanted])[0]

    def _spread(self, images: Tensor, maps: list[Tensor]) -> Tensor:
        return spread([thumbnails(images), *maps], self._group_size)

    def _place(self, module: nn.Module) -> nn.Module:
        return module.to(self.device, memory_format=torch.channels_last)

    def _draws(self, purpose: str, nimg: int, device: torch.device | str = "cpu") -> Draws:
        return Draws(generator_for(self.config.seed, purpose, nimg, device), self._shard)

    def step(self, nimg: int) -> dict[str, Tensor]:
        """Update all networks on one batch; the R1 term joins every r1_every-th step."""
        critic = self._critic_at(nimg)
        if critic is not None:
            critic.renew_norms()
            if self.config.diversity_weight and self._wanted_spread is None:
                self._wanted_spread = self._measure_spread(critic)
        gradients = self._shards.run(lambda start: self._gradients(start, nimg), nimg)
        for name, of_network in gradients.by_network.items():
            set_learning_rate(self.optimizers[name], self._rate(name, nimg))
            apply_gradients(self.optimizers[name], _learned(self.modules[name]), of_network)
        update_average(
            self.generator_ema,
            self.generator,
            num_images=self.config.batch_size,
            nimg=nimg,
            half_life=self.config.ema_half_life,
        )
        return gradients.scalars

    def _rate(self, name: str, nimg: int) -> float:
        ramp = self.config.generator_warmup
        if name != "generator" or not ramp:
            return self._rates[name]
        return self._rates[name] * min((nimg - self.discriminator_since) / ramp, 1.0)

    def _gradients(self, start: int, nimg: int) -> Gradients:
        """Return the gradients of this process's shard of the micro-batch from image `start` on."""
        critic = self._critic_at(nimg)
        r1_weight = self.config.r1_weight(nimg)
        return self._graphs.run(
            (critic is None, r1_weight),
            lambda drawn, generators: self._learn(drawn, generators, critic, r1_weight),
            self._draw(start),
            {name: seed_for(self.config.seed, name, start) for name in ("augment", "noise")},
        )

    def _draw(self, start: int) -> dict[str, Tensor]:
        """Return all that is particular to a micro-batch, on the device.

        `keep` tells which layers take the first of a sample's two latents: two are crossed in a
        share of the samples.
        """
        position = (start, self._micro_batch, self._shard)
        draws, N = self._draws("latents", start), self._micro_batch // self._shard.count
        z = draws.normal(N, 2, self.generator.config.z_dim)
        L = self.generator.config.num_layers
        crossing = draws.integers(1, L, N, 1)
        mixed = draws.uniform(N, 1) < self.config.style_mixing
        keep = (torch.arange(L)[None] < crossing) | ~mixed
        return {
            "real": self.photographs.batch(*position),
            "real_labels": self.photographs.labels(*position),
            "labels": self.photographs.random_labels(*position),
            "z": send(z, self.device),
            "keep": send(keep, self.device),
        }

    def _learn(
        self,
        drawn: Mapping[str, Tensor],
        generators: Mapping[str, torch.Generator],
        critic: ProjectedCritic | None,
        r1_weight: float,
    ) -> Gradients:
        """Return the gradients of what was drawn; a CUDA graph may hold all of it."""
        draws = Draws(generators["augment"], self._shard)
        real, labels = drawn["real"], drawn["labels"]
        samples = self._fakes(drawn, Draws(generators["noise"], self._shard))
        fakes = augment(samples, self.config.augment, draws)
        fake_logits = self._judge(fakes, labels)
        scalars = {"g_loss": generator_loss(fake_logits)}
        g_loss = scalars["g_loss"]
        if critic is not None:
            fake_maps = critic.maps(fakes, self._dtype)
            fake_patches = critic.judge(fake_maps, self._dtype)
            scalars["g_critic_loss"] = critic_generator_loss(fake_patches)
            g_loss = g_loss + scalars["g_critic_loss"]
            if self._wanted_spread is not None:
                found = self._spread(samples, fake_maps)
                scalars["g_spread_loss"] = spread_loss(found, self._wanted_spread)
                g_loss = g_loss + self.config.diversity_weight * scalars["g_spread_loss"]
        # The judges' graphs of the fakes are walked twice: to G here, to their own weights below.
        by_network = {"generator": self._grad("generator", g_loss, retain_graph=True)}
        d_loss, d_scalars = discriminator_objective(
            lambda pictures: self._judge(
                augment(pictures, self.config.augment, draws), drawn["real_labels"]
            ),
            real,
            [fake_logits],
            r1_weight,
        )
        by_network["discriminator"] = self._grad("discriminator", d_loss)
        if critic is not None:
            real_patches = critic(augment(real, self.config.augment, draws), self._dtype)
            scalars["critic_loss"] = critic_loss(real_patches, fake_patches)
            by_network["critic"] = self._grad("critic", scalars["critic_loss"])
        return Gradients(by_network, {**scalars, **d_scalars})

    def _grad(self, name: str, loss: Tensor, *, retain_graph: bool = False) -> Sequence[Tensor]:
        return torch.autograd.grad(
            loss,
            _learned(self.modules[name]),
            retain_graph=retain_graph,
            materialize_grads=True,  # without noise, nothing depends on its strengths
        )

    def _fakes(self, drawn: Mapping[str, Tensor], noise: Draws) -> Tensor:
        """Return pictures of the latents drawn."""
        both = drawn["labels"].repeat_interleave(2, dim=0)
        codes = self.generator.mapping(drawn["z"].flatten(0, 1), both)
        w, other = codes[::2], codes[1::2]
        ws = torch.where(drawn["keep"][:, :, None], w[:, None], other[:, None])

        def draw(x: Tensor) -> Tensor:
            return noise.normal(len(x), 1, *x.shape[2:], dtype=x.dtype)

        return self.generator.synthesis(
            ws,
            draw if self.config.noise else "none",
            dtype=self._dtype,
            memory_format=torch.channels_last,
        )

    def _judge(self, images: Tensor, labels: Tensor) -> Tensor:
        return discriminate(self.discriminator, images, self._dtype, labels)

    @torch.no_grad()
    def grid(self) -> Image.Image:
        """Return 48 samples of the averaged generator with stored noise."""
        generator = self.generator_ema
        w = generator.mapping(self._grid_z.to(self.device))
        images = generator.synthesis(
            generator.broadcast(w), dtype=self._dtype, memory_format=torch.channels_last
        )
        return image_grid(images.clamp(-1, 1), 12)

    def diagnostics(self) -> dict[str, float]:
        """Return nothing: the prior's health shows in its logits and grids."""
        return {}

    def export(self, folder: Path, nimg: int) -> None:
        """Write prior.safetensors (averaged generator and D), and D alone in half precision."""
        self.generator_ema.set_w_avg()
        model = DiverseInpaintingModel(self.generator_ema, discriminator=self.discriminator)
        write_prior(folder, self.recipe, model, nimg)
