"""The prior: StyleGAN2 trained on photographs, which both stages then keep frozen."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from ..core.contact_sheet import tile_images
from ..core.distributed import ALONE, Draws, Processes, Shard
from ..core.networks import Discriminator, DiverseInpaintingModel, Generator
from ..core.rng import rng_for, seed_for
from .accumulate import Gradients, adam
from .adversarial_trainer import AdversarialTrainer
from .augment import augment
from .checkpointing import write_prior
from .config import PriorConfig, Recipe
from .data import Photographs
from .diversity_loss import DiversityLoss
from .ema import averaged_copy
from .hardware import feature_dtype, place
from .losses import discriminate, discriminator_objective, generator_loss
from .path_length import PathLength
from .prior_samples import Sampler
from .projected_gan import (
    ProjectedDiscriminator,
    load_feature_network,
    projected_generator_loss,
    projected_loss,
)

_SCALING_PHOTOGRAPHS = 64
_GRID_IMAGES, _GRID_COLUMNS = 48, 12
_GENERATORS = ("augment", "noise", "paths")
_PATH_SHRINK = 2  # as in NVlabs' code: a second derivative needs much memory


class PriorTrainer(AdversarialTrainer[PriorConfig]):
    """G against D on photographs, and against a projected discriminator if the recipe has one.

    Non-saturating loss with lazy R1 and path length regularisation, style mixing, random noise and
    differentiable augmentation. One batch of fakes serves all networks; path lengths are measured
    on half as many samples of their own.

    Source: Karras et al. 2020, arXiv:1912.04958; Zhao et al. 2020, arXiv:2006.10738; Sauer et al.
    2021, arXiv:2111.01007.
    """

    stage = "prior"

    def __init__(
        self,
        recipe: Recipe,
        photographs: Photographs,
        device: torch.device,
        processes: Processes = ALONE,
    ) -> None:
        model = recipe.model
        assert model.discriminator is not None
        super().__init__(recipe, device, processes)
        config = self.config
        group_size = model.discriminator.stddev_group_size
        self._diversity_loss = DiversityLoss(group_size, processes)
        self.photographs = photographs.to(device)
        self.generator = place(Generator(model.generator), device)
        self.discriminator = place(Discriminator(model.discriminator), device)
        self.generator_ema = averaged_copy(self.generator)
        self.modules = {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "generator_ema": self.generator_ema,
        }
        self.path_length = PathLength()
        if config.path_length_weight:
            self.modules["path_length"] = place(self.path_length, device)
        self.projected_discriminator = self._build_projected_discriminator()
        if self.projected_discriminator is not None:
            self.modules["projected_discriminator"] = self.projected_discriminator
        self.optimizers = {
            name: adam((module, 1.0), betas=config.betas)
            for name, module in self.modules.items()
            if name not in ("generator_ema", "path_length")
        }
        self._rates = dict.fromkeys(("generator", "discriminator"), config.learning_rate)
        self._rates["projected_discriminator"] = config.projected_learning_rate
        self._prepare_steps(group_size)
        self._paths_shard = Shard(processes.rank, processes.world_size)
        self._dtype = feature_dtype(config.precision, device)
        self._sampler = Sampler(
            self.generator,
            self.photographs,
            seed=config.seed,
            style_mixing=config.style_mixing,
            noise=config.noise,
            dtype=self._dtype,
        )
        grid = rng_for(config.seed, "grid", 0)
        self._grid_z = torch.randn(_GRID_IMAGES, model.generator.z_dim, generator=grid)

    def _build_projected_discriminator(self) -> ProjectedDiscriminator | None:
        if self.config.projected_network == "none":
            return None
        network = place(load_feature_network(), self.device)
        photographs = self.photographs.batch(0, _SCALING_PHOTOGRAPHS)
        resolution = self.generator.config.resolution
        projected = ProjectedDiscriminator(network, resolution, photographs, self.processes)
        return place(projected, self.device)

    def _projected_at(self, nimg: int) -> ProjectedDiscriminator | None:
        return self.projected_discriminator if nimg >= self.config.projected_from else None

    def _photographs_with_features(
        self, projected: ProjectedDiscriminator
    ) -> Iterator[tuple[Tensor, list[Tensor]]]:
        """Yield batches for the diversity loss to measure; their features are those of training."""
        for start in range(0, self.config.diversity_images, self._micro_batch):
            photographs = self.photographs.batch(start, self._micro_batch)
            # "spread" was the term's name; another one would change the numbers drawn.
            draws = Draws(rng_for(self.config.seed, "spread", start, self.device))
            augmented = augment(photographs, self.config.augment, draws)
            yield photographs, projected.features(augmented, self._dtype)

    def step(self, nimg: int) -> dict[str, Tensor]:
        """Train as `AdversarialTrainer.step`, after what the projected discriminator needs."""
        projected = self._projected_at(nimg)
        if projected is not None:
            projected.update_spectral_norms()
            if self.config.diversity_weight and self._diversity_loss.reference is None:
                batches = self._photographs_with_features(projected)
                self._diversity_loss.measure_photographs(batches)
        scalars = super().step(nimg)
        if "path_length" in scalars:
            self.path_length.update(scalars["path_length"])
        return scalars

    def _rate_factor(self, name: str, nimg: int) -> float:
        warmup = self.config.generator_warmup
        if name != "generator" or not warmup:
            return 1.0
        return min((nimg - self.discriminator_since) / warmup, 1.0)

    def _gradients(self, start: int, nimg: int) -> Gradients:
        projected = self._projected_at(nimg)
        r1_weight, path_weight = self.config.r1_weight(nimg), self.config.path_weight(nimg)
        drawn = self._draw(start)
        if path_weight:
            drawn |= self._draw_paths(start)
        return self._graphs.run(
            (projected is None, r1_weight, path_weight),
            lambda drawn, generators: self._learn(
                drawn, generators, projected, r1_weight, path_weight
            ),
            drawn,
            {name: seed_for(self.config.seed, name, start) for name in _GENERATORS},
        )

    def _draw(self, start: int) -> dict[str, Tensor]:
        """Return everything that is particular to a micro-batch, on the device."""
        position = (start, self._micro_batch, self._shard)
        return {
            "real": self.photographs.batch(*position),
            "real_labels": self.photographs.labels(*position),
            **self._sampler.draw("latents", *position),
        }

    def _draw_paths(self, start: int) -> dict[str, Tensor]:
        """Return what the samples are made of whose path lengths are measured."""
        num = max(self._micro_batch // _PATH_SHRINK, self._paths_shard.count)
        samples = self._sampler.draw("path latents", start, num, self._paths_shard)
        return {f"path_{name}": value for name, value in samples.items()}

    def _learn(
        self,
        drawn: Mapping[str, Tensor],
        generators: Mapping[str, torch.Generator],
        projected: ProjectedDiscriminator | None,
        r1_weight: float,
        path_weight: float,
    ) -> Gradients:
        """Return the gradients for what was drawn; a CUDA graph may capture all of it."""
        draws = Draws(generators["augment"], self._shard)
        codes = self._sampler.codes(drawn)
        samples = self._sampler.synthesize(codes, Draws(generators["noise"], self._shard))
        fakes = augment(samples, self.config.augment, draws)
        fake_logits = self._discriminate(fakes, drawn["labels"])
        scalars = {"g_loss": generator_loss(fake_logits)}
        g_loss = scalars["g_loss"]
        fake_patches: list[Tensor] = []
        if projected is not None:
            features = projected.features(fakes, self._dtype)
            fake_patches = projected.logits(features, self._dtype)
            scalars["g_projected_loss"] = projected_generator_loss(fake_patches)
            g_loss = g_loss + scalars["g_projected_loss"]
            if self.config.diversity_weight:
                scalars["g_diversity_loss"] = self._diversity_loss(samples, features)
                g_loss = g_loss + self.config.diversity_weight * scalars["g_diversity_loss"]
        if path_weight:
            own = {name: drawn[f"path_{name}"] for name in ("z", "labels", "keep")}
            noise = Draws(generators["paths"], self._paths_shard)
            lengths = self._sampler.path_lengths(own, noise)
            scalars |= {"path_length": lengths.mean(), "path_penalty": self.path_length(lengths)}
            g_loss = g_loss + path_weight * scalars["path_penalty"]
        # The graphs of the fakes' logits are walked twice: back to G here, and below to the
        # weights of the discriminators.
        by_network = {"generator": self._grad("generator", g_loss, retain_graph=True)}
        d_loss, d_scalars = discriminator_objective(
            lambda images: self._discriminate(
                augment(images, self.config.augment, draws), drawn["real_labels"]
            ),
            drawn["real"],
            [fake_logits],
            r1_weight,
        )
        by_network["discriminator"] = self._grad("discriminator", d_loss)
        if projected is not None:
            real = augment(drawn["real"], self.config.augment, draws)
            loss = projected_loss(projected(real, self._dtype), fake_patches)
            by_network["projected_discriminator"] = self._grad("projected_discriminator", loss)
            scalars["projected_loss"] = loss
        return Gradients(by_network, {**scalars, **d_scalars})

    def _discriminate(self, images: Tensor, labels: Tensor) -> Tensor:
        return discriminate(self.discriminator, images, self._dtype, labels)

    @torch.no_grad()
    def grid(self) -> Image.Image:
        """Return 48 samples of the averaged generator with stored noise."""
        generator = self.generator_ema
        w = generator.mapping(self._grid_z.to(self.device))
        images = generator.synthesis(
            generator.broadcast(w), dtype=self._dtype, memory_format=torch.channels_last
        )
        return tile_images(images.clamp(-1, 1), _GRID_COLUMNS)

    def diagnostics(self) -> dict[str, float]:
        """Return nothing: a prior's health shows in its logits and grids."""
        return {}

    def export(self, folder: Path, nimg: int) -> None:
        """Write prior.safetensors (averaged generator and D), and D alone in half precision."""
        self.generator_ema.set_w_avg()
        model = DiverseInpaintingModel(self.generator_ema, discriminator=self.discriminator)
        write_prior(folder, self.recipe, model, nimg, self.photographs.trained)
