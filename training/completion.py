"""What stages 1 and 2 have in common: the networks, the training step, and what is measured.

Legend: N images per batch, R side, L style layers, D width of a code.
"""

import copy
import dataclasses
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from ..core.checkpoint import Checkpoint
from ..core.compositing import composite
from ..core.contact_sheet import tile_images
from ..core.distributed import ALONE, Processes
from ..core.errors import CheckpointError
from ..core.image import uint8_to_network
from ..core.networks import DiverseInpaintingModel
from .accumulate import Gradients, adam
from .adversarial_trainer import AdversarialTrainer
from .checkpointing import write_stage
from .config import CompletionConfig, Recipe
from .data import Photographs
from .diagnostics import measure
from .ema import averaged_copy
from .hardware import feature_dtype, place, send
from .losses import (
    adversarial_loss,
    compared_pairs,
    discriminate,
    discriminator_objective,
    final_images,
    full_objective,
    reconstruction,
)
from .perceptual import build_perceptual_loss
from .sampler import Batch, BatchSampler, Inputs
from .schedules import adversarial_factor, rate_factor
from .stages import STAGES

_GRID_VARIANTS = 4


class CompletionTrainer(AdversarialTrainer[CompletionConfig]):
    """One stage of the method's own training; needs no photographs.

    Attributes:
        model: the networks that learn among those that are frozen.
        averaged: the same with the moving averages of those that learn.

    Source: the paper, section 3, Eqs. 2-6 and Appendix B.
    """

    def __init__(
        self,
        recipe: Recipe,
        checkpoint: Checkpoint,
        photographs: Photographs | None,
        device: torch.device,
        processes: Processes = ALONE,
    ) -> None:
        """Prepare a stage.

        Args:
            recipe: configuration.
            checkpoint: what the stage before wrote, discriminator included.
            photographs: for the domain gap among the diagnostics, and for recipes that train on
                them; or None.
            device: where to train.
            processes: which train together.

        Raises:
            CheckpointError: a network is missing.
            ConfigError: the recipe trains on photographs, and there are none.
        """
        super().__init__(recipe, device, processes)
        self.checkpoint, self.photographs, config = checkpoint, photographs, self.config
        model = self._load(feature_dtype(config.precision, device))
        assert model.discriminator is not None, "_load has checked it"
        self.generator = model.generator
        self.discriminator = model.discriminator.requires_grad_(True)
        if config.stddev_group_size:
            self.discriminator.config = dataclasses.replace(
                self.discriminator.config, stddev_group_size=config.stddev_group_size
            )
        self.perceptual = build_perceptual_loss(recipe.perceptual, model, config.seed)
        self.batches = BatchSampler(config, self.stage, model, photographs)
        self.trained = {part: place(net, device) for part, net in self._new_networks().items()}
        self.averages = {part: averaged_copy(network) for part, network in self.trained.items()}
        self._prepare_training()
        self.model, self.averaged = model.with_parts(self.trained), model.with_parts(self.averages)
        self.modules = {
            "discriminator": self.discriminator,
            **self.trained,
            **{f"{part}_ema": average for part, average in self.averages.items()},
        }
        self._prepare_optimizers()
        self._prepare_steps(self.discriminator.config.stddev_group_size)
        self._measured: dict[str, float] | None = None

    def _load(self, dtype: torch.dtype) -> DiverseInpaintingModel:
        """Return a frozen copy of what the stage starts from: D learns in place."""
        taken = STAGES[self.stage].takes
        missing = {*taken, "discriminator"} - set(self.checkpoint.parts)
        if missing:
            raise CheckpointError(
                f"a checkpoint with {', '.join(taken)} and discriminator",
                f"one without {', '.join(sorted(missing))}",
                "Give the file that the previous stage wrote.",
            )
        model = copy.deepcopy(self.checkpoint.model()).requires_grad_(False)
        model.feature_dtype = dtype
        return place(model, self.device)

    def _prepare_optimizers(self) -> None:
        config, factors = self.config, {"mixer": self.config.mixer_lr_multiplier}
        groups = [(network, factors.get(part, 1.0)) for part, network in self.trained.items()]
        self.optimizers = {
            "completion": adam(*groups, betas=config.betas),
            "discriminator": adam((self.discriminator, 1.0), betas=config.betas),
        }
        self._rates = {
            "completion": config.learning_rate,
            "discriminator": config.discriminator_learning_rate,
        }

    @abstractmethod
    def _new_networks(self) -> dict[str, nn.Module]:
        """Return the networks that learn, freshly initialised, by part."""

    def _prepare_training(self) -> None:
        """Change the networks that learn after their averages were copied."""

    @abstractmethod
    def complete(self, model: DiverseInpaintingModel, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return raw outputs I_o [n, 3, R, R] and the gate [n, L, D] of `model` or `averaged`."""

    def step(self, nimg: int) -> dict[str, Tensor]:
        """Update the networks that learn and D on one batch."""
        self._measured = None
        return super().step(nimg)

    def _rate_factor(self, name: str, nimg: int) -> float:
        return rate_factor(self.config, nimg)

    def _gradients(self, start: int, nimg: int) -> Gradients:
        ramp = adversarial_factor(self.config, nimg - self.discriminator_since)
        weight = self.config.lambda_a * ramp
        r1_weight = self.config.r1_weight(nimg)
        drawn = self.batches.draw(start, self._micro_batch, self._shard)
        drawn["adversarial_weight"] = send(torch.tensor(weight), self.device)
        return self._graphs.run(
            (weight > 0, r1_weight),
            lambda inputs, _: self._learn(inputs, weight > 0, r1_weight),
            drawn,
            seeds={},
        )

    def _learn(
        self, drawn: Mapping[str, Tensor], is_adversarial: bool, r1_weight: float
    ) -> Gradients:
        """Return the gradients of what was drawn; a CUDA graph may hold all of it."""
        batch = self.batches.make(drawn)
        outputs, gate = self.complete(self.model, batch.inputs())
        losses, scalars = reconstruction(
            compared_pairs(batch, outputs), self.perceptual, self.config.pixel_weight
        )
        # Separate calls: one batch of both would put near-duplicates into one deviation group.
        fake_logits = [self._discriminate(I_f) for I_f in final_images(batch, outputs)]
        adversarial = adversarial_loss(fake_logits)
        loss = full_objective(
            losses.get("g", 0.0),
            losses["r"],
            # Left out, or D's gradient would be walked back only to be multiplied by zero.
            adversarial if is_adversarial else 0.0,
            lambda_r1=self.config.lambda_r1,
            lambda_r2=self.config.lambda_r2,
            lambda_a=drawn["adversarial_weight"] if is_adversarial else 0.0,
        )
        # D's graph of the fakes is walked twice: to E, Mi or S here, and to D's weights below.
        completion = self._grad("completion", loss, retain_graph=True)
        d_loss, d_scalars = discriminator_objective(
            self._discriminate, batch.image, fake_logits, r1_weight
        )
        discriminator = self._grad("discriminator", d_loss)
        assert self.model.mixer is not None
        if self.model.mixer.config.kind == "gated":
            gates = torch.cat(batch.by_path(gate)[0])  # as many in each process
            scalars["gate_extreme"] = ((gates < 0.05) | (gates > 0.95)).float().mean()
        return Gradients(
            {"completion": completion, "discriminator": discriminator},
            {**scalars, "adversarial": adversarial, **d_scalars},
        )

    def _discriminate(self, images: Tensor) -> Tensor:
        return discriminate(self.discriminator, images, self.model.feature_dtype)

    @torch.no_grad()
    def grid(self) -> Image.Image:
        """Return rows of: image, erased, then `_views` of path (g) and of four variants."""
        batch = self._fixed(self.config.grid_images)
        assert batch.w_g is not None
        columns = [batch.image, batch.erased, *self._views(batch, batch.w_g)]
        for k in range(_GRID_VARIANTS):
            columns += self._views(batch, batch.w_r.roll(k, dims=0))
        rows = torch.stack(columns, dim=1).flatten(0, 1)
        return tile_images(rows.clamp(-1, 1), len(columns))

    def _views(self, batch: Batch, w_rand: Tensor) -> tuple[Tensor, ...]:
        """Return completions, raw and composited, [N, 3, R, R] each."""
        raw = self._complete_averaged(batch.erased, batch.valid, w_rand)
        return raw, composite(raw, batch.erased, batch.valid)

    def diagnostics(self) -> dict[str, float]:
        """Return the measures of diagnostics.py on fixed generated images, and on photographs."""
        if self._measured is None:
            self._measured = self._measure()
        return self._measured

    def _measure(self) -> dict[str, float]:
        num, photographs = self.config.diagnostics_images, None
        if self.photographs is not None:
            photographs = uint8_to_network(self.photographs.unseen(num).to(self.device))
        return measure(
            self._complete_averaged, self._fixed(num), self.model.synthesize, photographs
        )

    def _complete_averaged(self, erased: Tensor, valid: Tensor, w_rand: Tensor) -> Tensor:
        return self.complete(self.averaged, Inputs.one_code_each(erased, valid, w_rand))[0]

    def _fixed(self, size: int) -> Batch:
        """Return images that training, which begins at image 0, never sees."""
        return self.batches.generated(2**48, size)

    def export(self, folder: Path, nimg: int) -> None:
        """Write the stage's checkpoint with averaged networks and the present discriminator."""
        facts = {
            "images": nimg,
            "recipe": self.recipe.name,
            "perceptual": {**self.perceptual.facts, "weight": float(self.perceptual.weight)},
            "diagnostics": self.diagnostics(),
        }
        path, stage = folder / f"{self.stage}.safetensors", STAGES[self.stage]
        learned = self.photographs if self.config.uses_photographs else None
        images = None if learned is None else learned.trained
        write_stage(path, self.recipe, self.checkpoint, self.averaged, stage, facts, images)


def mixed_codes(model: DiverseInpaintingModel, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Encode each image once and mix it with each of its codes: W_out and gate, both [n, L, D]."""
    w_enc = model.encode(inputs.erased, inputs.valid)
    return model.mix(w_enc[inputs.index], inputs.w_rand)
