"""What stages 1 and 2 share: the two paths, their objective (Eqs. 2-6) and the alarms.

Legend: N pictures per batch, R side, L style layers, D width of a code. Path (g) mixes with the
code that made the picture, path (r) with another one.
"""

import copy
import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from ..core.checkpoint import Checkpoint, collect_tensors, write_checkpoint
from ..core.compositing import composite_at_resolution
from ..core.errors import CheckpointError
from ..core.masks import sample_hole_masks
from ..core.networks import Discriminator, Generator
from .alarms import measure
from .batch import Batch
from .config import CompletionConfig, Recipe
from .ema import update_average
from .grids import picture_grid
from .hardware import feature_dtype, send
from .losses import discriminator_objective, judge
from .objective import adversarial, comparisons, reconstruction
from .perceptual import DiscriminatorFeatures
from .processes import ALONE, Processes
from .schedules import adversarial_share, rate_factor
from .seeding import WHOLE, Draws, Share, generator_for
from .shards import Gradients, ShardRunner, adam, apply_gradients

_GRID_SIZE = 8
_GRID_VARIANTS = 4
_ALARM_PICTURES = 64


class CompletionTrainer(ABC):
    """One stage of the method's own training; needs no photographs.

    Source: the paper, section 3, Eqs. 2-6 and Appendix B.
    """

    stage: str

    def __init__(
        self,
        recipe: Recipe,
        checkpoint: Checkpoint,
        pictures: Tensor | None,
        device: torch.device,
        processes: Processes = ALONE,
    ) -> None:
        """Prepare a stage.

        Args:
            recipe: configuration.
            checkpoint: what the stage before wrote, discriminator included.
            pictures: [n, 3, R, R] uint8 photographs for the alarm of a domain gap, or None.
            device: where to train.
            processes: which train together.
        """
        self.recipe, self.device, self.checkpoint = recipe, device, checkpoint
        self.processes = processes
        self.config: CompletionConfig = getattr(recipe, self.stage)
        self.pictures = pictures
        torch.manual_seed(self.config.seed)
        self.networks = self._load(checkpoint)
        self.generator: Generator = self.networks["generator"].requires_grad_(False)
        self.discriminator: Discriminator = self.networks["discriminator"].requires_grad_(True)
        self.features = DiscriminatorFeatures(self.discriminator).to(device)
        self._dtype = feature_dtype(self.config.precision, device)
        self.trained, self.averages = self._trained_parts()
        self.modules: dict[str, nn.Module] = {
            "discriminator": self.discriminator,
            "features": self.features,
            **self.trained,
            **{f"{name}_ema": average for name, average in self.averages.items()},
        }
        self._rates = {
            "completion": self.config.learning_rate,
            "discriminator": self.config.discriminator_learning_rate,
        }
        self._parameters = {
            "completion": [p for part in self.trained.values() for p in part.parameters()],
            "discriminator": list(self.discriminator.parameters()),
        }
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: adam(parameters, self._rates[name], self.config.betas)
            for name, parameters in self._parameters.items()
        }
        self._micro_batch = self.config.micro_batch or self.config.batch_size
        group_size = self.discriminator.config.stddev_group_size
        self._share = processes.share(self._micro_batch, group_size)
        self._shards = ShardRunner(device, self.config.batch_size, self._micro_batch, processes)
        # Anew in each stage: D has learned since, and a weight belongs to its network.
        self.features.calibrate(self.generator, self.config.seed)

    def _load(self, checkpoint: Checkpoint) -> dict[str, Any]:
        missing = {"generator", "discriminator"} - set(checkpoint.parts)
        if missing:
            raise CheckpointError(
                "a checkpoint with generator and discriminator",
                f"one without {', '.join(sorted(missing))}",
                "Give the file that the stage before wrote.",
            )
        return {
            # A copy: D learns in place, and the checkpoint's tensors are the caller's.
            name: copy.deepcopy(module).to(self.device, memory_format=torch.channels_last)
            for name, module in checkpoint.networks().items()
        }

    @abstractmethod
    def _trained_parts(self) -> tuple[dict[str, nn.Module], dict[str, nn.Module]]:
        """Return the networks that learn, and their moving averages."""

    @abstractmethod
    def complete(
        self, erased: Tensor, valid: Tensor, w_rand: Tensor, *, averaged: bool
    ) -> tuple[Tensor, Tensor]:
        """Return raw outputs I_o [K*N, 3, R, R] and the gate [K*N, L, D].

        Args:
            erased: [N, 3, R, R].
            valid: [N, 1, R, R].
            w_rand: [K*N, L, D], K codes for each picture, path by path.
            averaged: use the moving averages.
        """

    def _draws(self, purpose: str, nimg: int, share: Share) -> Draws:
        return Draws(generator_for(self.config.seed, f"{self.stage}/{purpose}", nimg), share)

    @torch.no_grad()
    def batch(self, nimg: int, size: int, share: Share = WHOLE) -> Batch:
        """Generate the share of `size` pictures, holes and codes: (seed, nimg) alone counts."""
        draws = self._draws("latents", nimg, share)
        z = draws.normal(size // share.count, 2, self.generator.config.z_dim)
        w = self.generator.mapping(send(z, self.device).flatten(0, 1))
        w_same, w_other = (self.generator.broadcast(code) for code in (w[::2], w[1::2]))
        image = self.synthesize(w_same)
        valid = 1 - send(self._holes(share.of(torch.arange(nimg, nimg + size))), self.device)
        return Batch(image, image * valid, valid, w_same, w_other)

    def _holes(self, indices: Tensor) -> Tensor:
        """Return the masks of images, [n, 1, R, R]; the host makes them while the device works."""
        kind, R, seed = self.config.masks, self.generator.config.resolution, self.config.seed
        masks = [sample_hole_masks(kind, 1, R, seed, first=i) for i in indices.tolist()]
        return torch.cat(masks)

    def synthesize(self, ws: Tensor, skips: Any = None) -> Tensor:  # noqa: ANN401 - core's Skips
        """Run the frozen generator with stored noise, [N, L, D] to [N, 3, R, R]."""
        return self.generator.synthesis(
            ws, skips=skips, dtype=self._dtype, memory_format=torch.channels_last
        )

    def step(self, nimg: int) -> dict[str, Tensor]:
        """Update the trained networks and D on one batch of generated pictures."""
        gradients = self._shards.run(lambda start: self._gradients(start, nimg), nimg)
        for name, parameters in self._parameters.items():
            self._update(name, parameters, gradients.by_network[name], nimg)
        for name, average in self.averages.items():
            update_average(
                average,
                self.trained[name],
                num_images=self.config.batch_size,
                nimg=nimg,
                half_life=self.config.ema_half_life,
            )
        return gradients.scalars

    def _gradients(self, start: int, nimg: int) -> Gradients:
        """Return the gradients of the own share of the micro-batch from image `start` on."""
        batch = self.batch(start, self._micro_batch, self._share)
        codes = torch.cat([batch.w_same, batch.w_other])
        outputs, gate = self.complete(batch.erased, batch.valid, codes, averaged=False)
        same, other = outputs.chunk(2)
        compared = comparisons(batch, same, other, self.config)
        loss, scalars = reconstruction(compared, self.features, self.config.pixel_weight)
        fakes = [composite_at_resolution(x, batch.erased, batch.valid) for x in (same, other)]
        # Separate calls: one batch of both would put near-duplicates into one deviation group.
        fake_logits = [self._judge(fake) for fake in fakes]
        fooling = adversarial(fake_logits)
        weight = self.config.lambda_adversarial * adversarial_share(self.config, nimg)
        if weight:  # else D's gradient would be walked back only to be multiplied by zero
            loss = loss + weight * fooling
        # D's graph of the fakes is walked twice: to E, Mi or S here, and to D's weights below.
        completion = torch.autograd.grad(loss, self._parameters["completion"], retain_graph=True)
        d_loss, d_scalars = discriminator_objective(
            self._judge, batch.image, fake_logits, self.config.r1_weight(nimg)
        )
        discriminator = torch.autograd.grad(d_loss, self._parameters["discriminator"])
        extreme = ((gate < 0.05) | (gate > 0.95)).float().mean()
        return Gradients(
            {"completion": completion, "discriminator": discriminator},
            {**scalars, "adversarial": fooling, **d_scalars, "gate_extreme": extreme},
        )

    def _judge(self, images: Tensor) -> Tensor:
        return judge(self.discriminator, images, self._dtype)

    def _update(
        self,
        name: str,
        parameters: list[nn.Parameter],
        gradients: Sequence[Tensor],
        nimg: int,
    ) -> None:
        for group in self.optimizers[name].param_groups:
            group["lr"] = self._rates[name] * rate_factor(self.config, nimg)
        apply_gradients(self.optimizers[name], parameters, gradients)

    @torch.no_grad()
    def grid(self) -> Image.Image:
        """Return rows of: picture, erased, path (g), four variants raw and composited."""
        batch = self._fixed(_GRID_SIZE)
        columns = [batch.image, batch.erased]
        columns += list(self._variants(batch, batch.w_same))
        for k in range(_GRID_VARIANTS):
            columns += list(self._variants(batch, batch.w_other.roll(k, dims=0)))
        rows = torch.stack(columns, dim=1).flatten(0, 1)
        return picture_grid(rows.clamp(-1, 1), len(columns))

    def _variants(self, batch: Batch, w_rand: Tensor) -> tuple[Tensor, Tensor]:
        raw = self._complete_averaged(batch.erased, batch.valid, w_rand)
        return raw, composite_at_resolution(raw, batch.erased, batch.valid)

    def alarms(self) -> dict[str, float]:
        """Return the measures of alarms.py on fixed generated pictures, and on photographs."""
        batch = self._fixed(_ALARM_PICTURES)
        photographs = None
        if self.pictures is not None:
            photographs = self.pictures[:_ALARM_PICTURES].to(self.device) / 127.5 - 1
        return measure(self._complete_averaged, batch, self.synthesize, photographs)

    def _complete_averaged(self, erased: Tensor, valid: Tensor, w_rand: Tensor) -> Tensor:
        return self.complete(erased, valid, w_rand, averaged=True)[0]

    def _fixed(self, size: int) -> Batch:
        """Return pictures that training, which begins at image 0, never sees."""
        return self.batch(2**48, size)

    def export(self, folder: Path, nimg: int) -> None:
        """Write the stage's checkpoint with averaged networks and the present discriminator."""
        networks = {**self.networks, "discriminator": self.discriminator, **self.averages}
        learned = {name: getattr(self.recipe.model, name) for name in self.averages}
        training = {
            **self.checkpoint.training,
            "stage": self.stage,
            "images": {**self.checkpoint.training.get("images", {}), self.stage: nimg},
            "recipe": self.recipe.name,
            "perceptual": "discriminator",
            "perceptual_weight": float(self.features.weight),
            "alarms": {**self.checkpoint.training.get("alarms", {}), self.stage: self.alarms()},
        }
        write_checkpoint(
            folder / f"{self.stage}.safetensors",
            Checkpoint(
                config=dataclasses.replace(self.checkpoint.config, **learned),
                tensors={
                    key: value.cpu().contiguous()
                    for key, value in collect_tensors(networks).items()
                },
                generator_id=self.checkpoint.generator_id,
                training=training,
                # Those of the generator's data, whatever recipe the stage was trained with.
                license=self.checkpoint.license or self.recipe.license,
                title=self.checkpoint.title or self.recipe.title,
            ),
        )
