"""The prior: StyleGAN2 trained on photographs, which both stages then keep frozen."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from ..core.checkpoint import Checkpoint, generator_id_of, write_checkpoint
from ..core.networks import Discriminator, Generator, ModelConfig
from .augment import augment
from .config import PriorConfig, Recipe
from .data import Photographs
from .ema import averaged_copy, update_average
from .grids import picture_grid
from .hardware import feature_dtype
from .losses import discriminator_loss, generator_loss, r1_penalty
from .seeding import generator_for


class PriorTrainer:
    """G against D on photographs.

    Non-saturating loss with lazy R1, style mixing, random noise and differentiable augmentation;
    no path-length term. One batch of fakes serves both networks.

    Source: Karras et al. 2020, arXiv:1912.04958; Zhao et al. 2020, arXiv:2006.10738.
    """

    config: PriorConfig

    def __init__(self, recipe: Recipe, photographs: Photographs, device: torch.device) -> None:
        model = recipe.model
        assert model.discriminator is not None
        self.recipe, self.config, self.device = recipe, recipe.prior, device
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
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "generator": self._adam(self.generator, 1),
            "discriminator": self._adam(self.discriminator, self.config.r1_every),
        }
        self._dtype = feature_dtype(self.config.precision, device)
        self._grid_z = torch.randn(48, model.generator.z_dim, generator=self._random("grid", 0))

    def _place(self, module: nn.Module) -> nn.Module:
        return module.to(self.device, memory_format=torch.channels_last)

    def _adam(self, module: nn.Module, lazy_every: int) -> torch.optim.Optimizer:
        """Lazy regularisation takes an extra share of the steps: scale rate and betas by it."""
        share = lazy_every / (lazy_every + 1) if lazy_every > 1 else 1.0
        betas = tuple(beta**share for beta in self.config.betas)
        return torch.optim.Adam(
            module.parameters(), lr=self.config.learning_rate * share, betas=betas, eps=1e-8
        )

    def _random(
        self, purpose: str, nimg: int, device: torch.device | str = "cpu"
    ) -> torch.Generator:
        return generator_for(self.config.seed, purpose, nimg, device)

    def step(self, nimg: int) -> dict[str, Tensor]:
        """Update G and D on one batch; the R1 term joins every r1_every-th step."""
        N = self.config.batch_size
        real = self.photographs.batch(nimg, N)
        fakes = self._fakes(nimg, N)
        drawn = self._random("augment", nimg, self.device)
        fake_logits = self._judge(augment(fakes, self.config.augment, drawn))
        g_loss = generator_loss(fake_logits)
        parameters = list(self.generator.parameters())
        gradients = torch.autograd.grad(g_loss, parameters, retain_graph=True)
        # D's graph of the fakes is used a second time; it ends at D's own weights.
        lazily = (nimg // N) % self.config.r1_every == 0
        d_loss, scalars = self._discriminator_loss(real, fake_logits, drawn, lazily)
        self._update("discriminator", self._gradients(d_loss, self.discriminator))
        self._update("generator", gradients)
        update_average(
            self.generator_ema,
            self.generator,
            num_images=N,
            nimg=nimg,
            half_life=self.config.ema_half_life,
        )
        return {"g_loss": g_loss, **scalars, "fake_logit": fake_logits.mean()}

    def _fakes(self, nimg: int, N: int) -> Tensor:
        """Return pictures of fresh latents, two of them crossed in a share of the samples."""
        drawn = self._random("latents", nimg)
        z = torch.randn(2 * N, self.generator.config.z_dim, generator=drawn).to(self.device)
        w, other = self.generator.mapping(z).chunk(2)
        L = self.generator.config.num_layers
        crossing = torch.randint(1, L, (N, 1), generator=drawn)
        mixed = torch.rand(N, 1, generator=drawn) < self.config.style_mixing
        keep = (torch.arange(L)[None] < crossing) | ~mixed
        ws = torch.where(keep.to(self.device)[:, :, None], w[:, None], other[:, None])
        return self.generator.synthesis(
            ws,
            self._random("noise", nimg, self.device),
            dtype=self._dtype,
            memory_format=torch.channels_last,
        )

    def _judge(self, images: Tensor) -> Tensor:
        return self.discriminator(images.to(self._dtype, memory_format=torch.channels_last)).float()

    def _discriminator_loss(
        self, real: Tensor, fake_logits: Tensor, drawn: torch.Generator, lazily: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        real.requires_grad_(lazily)
        real_logits = self._judge(augment(real, self.config.augment, drawn))
        loss = discriminator_loss(real_logits, fake_logits)
        scalars = {"d_loss": loss, "real_logit": real_logits.mean()}
        if lazily:
            penalty = r1_penalty(real_logits, real).mean()
            scalars["r1"] = penalty
            loss = loss + penalty * (self.config.r1_gamma / 2 * self.config.r1_every)
        return loss, scalars

    @staticmethod
    def _gradients(loss: Tensor, module: nn.Module) -> tuple[Tensor, ...]:
        return torch.autograd.grad(loss, list(module.parameters()))

    def _update(self, name: str, gradients: tuple[Tensor, ...]) -> None:
        for parameter, gradient in zip(self.modules[name].parameters(), gradients, strict=True):
            parameter.grad = gradient
        self.optimizers[name].step()

    @torch.no_grad()
    def grid(self) -> Image.Image:
        """Return 48 samples of the averaged generator with stored noise."""
        generator = self.generator_ema
        w = generator.mapping(self._grid_z.to(self.device))
        images = generator.synthesis(
            generator.broadcast(w), dtype=self._dtype, memory_format=torch.channels_last
        )
        return picture_grid(images.clamp(-1, 1), 12)

    def alarms(self) -> dict[str, float]:
        """Return nothing: the prior's health shows in its logits and grids."""
        return {}

    def export(self, folder: Path, nimg: int) -> None:
        """Write prior.safetensors: averaged generator and discriminator."""
        self.generator_ema.set_w_avg()
        parts = {"generator": self.generator_ema, "discriminator": self.discriminator}
        tensors = {
            f"{part}.{key}": value.detach().cpu().contiguous()
            for part, module in parts.items()
            for key, value in module.state_dict().items()
        }
        write_checkpoint(
            folder / "prior.safetensors",
            Checkpoint(
                config=ModelConfig(
                    generator=self.recipe.model.generator,
                    discriminator=self.recipe.model.discriminator,
                ),
                tensors=tensors,
                generator_id=generator_id_of(tensors),
                training={"stage": "prior", "images": {"prior": nimg}, "recipe": self.recipe.name},
                license=self.recipe.license,
                title=self.recipe.title,
            ),
        )
