"""What stages 1 and 2 have in common: the networks, the training step, and what is measured.

Legend: N images per batch, R side, L style layers, D width of a code.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from ..core.checkpoint import Checkpoint
from ..core.compositing import composite_at_resolution
from ..core.contact_sheet import tile_images
from ..core.distributed import ALONE, Processes
from ..core.errors import CheckpointError
from ..core.image import uint8_to_network
from ..core.networks import Discriminator, DiverseInpaintingModel
from .accumulate import GradientAccumulator, Gradients, adam, apply_gradients, set_learning_rate
from .checkpointing import write_stage
from .config import CompletionConfig, Recipe
from .cuda_graphs import StepGraphs
from .data import Photographs
from .diagnostics import measure
from .ema import averaged_copy, update_average
from .hardware import feature_dtype, place, send
from .losses import (
    L_adv,
    Pair,
    discriminate,
    discriminator_objective,
    full_objective,
    pair_rg,
    pair_rr,
    reconstruction,
)
from .perceptual import build_perceptual_loss
from .sampler import Batch, BatchSampler
from .schedules import adversarial_factor, rate_factor
from .stages import STAGES

_GRID_VARIANTS = 4


class CompletionTrainer(ABC):
    """One stage of the method's own training; needs no photographs.

    Attributes:
        model: the networks that learn among those that are frozen.
        averaged: the same with the moving averages of those that learn.

    Source: the paper, section 3, Eqs. 2-6 and Appendix B.
    """

    stage: str
    discriminator_since = 0
    """Image at which D first saw completions: its warm-up begins there."""

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
        self.recipe, self.device, self.checkpoint = recipe, device, checkpoint
        self.photographs, self.processes = photographs, processes
        config = self.config = _completion_config(recipe, self.stage)
        torch.manual_seed(config.seed)
        self.model = self._load(checkpoint, feature_dtype(config.precision, device))
        self.generator = self.model.generator
        self.discriminator = self._discriminator()
        self.perceptual = build_perceptual_loss(
            recipe.perceptual,
            self.generator,
            self.discriminator,
            config.seed,
            self.model.feature_dtype,
        )
        self.batches = BatchSampler(
            config, self.stage, self.generator, self.model.synthesize, photographs
        )
        self.learning = {n: place(net, device) for n, net in self._new_networks().items()}
        self.averages = {name: averaged_copy(network) for name, network in self.learning.items()}
        self._prepare(self.learning)
        self.averaged = self._with_networks(self.averages)
        self.model = self._with_networks(self.learning)
        self._prepare_optimizers()
        micro_batch = self._micro_batch = config.micro_batch or config.batch_size
        group_size = self.discriminator.config.stddev_group_size
        self._shard = processes.shard(micro_batch, group_size)
        self._accumulator = GradientAccumulator(device, config.batch_size, micro_batch, processes)
        self._graphs = StepGraphs(device, is_used=config.cuda_graphs and processes.is_alone)
        self._measured: dict[str, float] | None = None

    def _load(self, checkpoint: Checkpoint, dtype: torch.dtype) -> DiverseInpaintingModel:
        """Return a copy of what the stage begins with: D learns in place."""
        taken = STAGES[self.stage].takes
        missing = {*taken, "discriminator"} - set(checkpoint.parts)
        if missing:
            raise CheckpointError(
                f"a checkpoint with {', '.join(taken)} and discriminator",
                f"one without {', '.join(sorted(missing))}",
                "Give the file that the stage before wrote.",
            )
        model = copy.deepcopy(checkpoint.model()).requires_grad_(False)
        model.feature_dtype = dtype
        return place(model, self.device)

    def _discriminator(self) -> Discriminator:
        assert self.model.discriminator is not None, "_load has checked it"
        return self.model.discriminator.requires_grad_(True)

    def _with_networks(self, networks: Mapping[str, nn.Module]) -> DiverseInpaintingModel:
        """Return a model of the frozen networks and of these."""
        frozen, dtype = self.model.parts, self.model.feature_dtype
        return DiverseInpaintingModel(**{**frozen, **networks}, feature_dtype=dtype)  # pyright: ignore

    def _prepare_optimizers(self) -> None:
        config = self.config
        self.modules: dict[str, nn.Module] = {
            "discriminator": self.discriminator,
            **self.learning,
            **{f"{name}_ema": average for name, average in self.averages.items()},
        }
        self._rates = {
            "completion": config.learning_rate,
            "discriminator": config.discriminator_learning_rate,
        }
        factors = {"mixer": config.mixer_lr_multiplier}
        groups = [(list(m.parameters()), factors.get(n, 1.0)) for n, m in self.learning.items()]
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "completion": adam(*groups, betas=config.betas),
            "discriminator": adam((list(self.discriminator.parameters()), 1.0), betas=config.betas),
        }
        self._parameters = {
            name: [parameter for group in optimizer.param_groups for parameter in group["params"]]
            for name, optimizer in self.optimizers.items()
        }

    @abstractmethod
    def _new_networks(self) -> dict[str, nn.Module]:
        """Return the networks that learn, freshly initialised, by part."""

    def _prepare(self, learning: dict[str, nn.Module]) -> None:  # noqa: B027 - a hook
        """Change the networks that learn after their averages were copied."""

    @abstractmethod
    def complete(
        self,
        model: DiverseInpaintingModel,
        erased: Tensor,
        valid: Tensor,
        w_rand: Tensor,
        index: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return raw outputs I_o [n, 3, R, R] and the gate [n, L, D].

        Args:
            model: `model` or `averaged`.
            erased: [N, 3, R, R].
            valid: [N, 1, R, R].
            w_rand: [n, L, D].
            index: [n] int64, the image that each code completes.
        """

    def step(self, nimg: int) -> dict[str, Tensor]:
        """Update the networks that learn and D on one batch."""
        self._measured = None
        gradients = self._accumulator.run(lambda start: self._gradients(start, nimg), nimg)
        for name, parameters in self._parameters.items():
            self._update(name, parameters, gradients.by_network[name], nimg)
        for name, average in self.averages.items():
            update_average(
                average,
                self.learning[name],
                num_images=self.config.batch_size,
                nimg=nimg,
                half_life=self.config.ema_half_life,
            )
        return gradients.scalars

    def _gradients(self, start: int, nimg: int) -> Gradients:
        """Return the gradients of this process's shard of the micro-batch from image `start` on."""
        lambda_a = self.config.lambda_a * adversarial_factor(
            self.config, nimg - self.discriminator_since
        )
        r1_weight = self.config.r1_weight(nimg)
        drawn = self.batches.draw(start, self._micro_batch, self._shard)
        drawn["lambda_a"] = send(torch.tensor(lambda_a), self.device)
        return self._graphs.run(
            (lambda_a > 0, r1_weight),
            lambda inputs, _: self._learn(inputs, lambda_a > 0, r1_weight),
            drawn,
            seeds={},
        )

    def _learn(
        self, drawn: Mapping[str, Tensor], is_adversarial: bool, r1_weight: float
    ) -> Gradients:
        """Return the gradients of what was drawn; a CUDA graph may hold all of it."""
        batch = self.batches.make(drawn)
        outputs, gate = self.complete(self.model, *batch.inputs())
        losses, scalars = reconstruction(
            compared_pairs(batch, outputs), self.perceptual, self.config.pixel_weight
        )
        # Separate calls: one batch of both would put near-duplicates into one deviation group.
        fake_logits = [self._discriminate(I_f) for I_f in composites(batch, outputs)]
        adversarial = L_adv(fake_logits)
        loss = full_objective(
            losses.get("g", 0.0),
            losses["r"],
            # Left out, or D's gradient would be walked back only to be multiplied by zero.
            adversarial if is_adversarial else 0.0,
            lambda_r1=self.config.lambda_r1,
            lambda_r2=self.config.lambda_r2,
            lambda_a=drawn["lambda_a"] if is_adversarial else 0.0,
        )
        # D's graph of the fakes is walked twice: to E, Mi or S here, and to D's weights below.
        completion = torch.autograd.grad(loss, self._parameters["completion"], retain_graph=True)
        d_loss, d_scalars = discriminator_objective(
            self._discriminate, batch.image, fake_logits, r1_weight
        )
        discriminator = torch.autograd.grad(d_loss, self._parameters["discriminator"])
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

    def _update(
        self,
        name: str,
        parameters: list[nn.Parameter],
        gradients: Sequence[Tensor],
        nimg: int,
    ) -> None:
        set_learning_rate(self.optimizers[name], self._rates[name] * rate_factor(self.config, nimg))
        apply_gradients(self.optimizers[name], parameters, gradients)

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
        return raw, composite_at_resolution(raw, batch.erased, batch.valid)

    def diagnostics(self) -> dict[str, float]:
        """Return the measures of diagnostics.py on fixed generated images, and on photographs."""
        if self._measured is None:
            self._measured = self._measure()
        return self._measured

    def _measure(self) -> dict[str, float]:
        num = self.config.diagnostics_images
        photographs = None
        if self.photographs is not None:
            photographs = uint8_to_network(self.photographs.unseen[:num].to(self.device))
        batch = self._fixed(num)
        return measure(self._complete_averaged, batch, self.model.synthesize, photographs)

    def _complete_averaged(self, erased: Tensor, valid: Tensor, w_rand: Tensor) -> Tensor:
        index = torch.arange(len(erased), device=erased.device)
        return self.complete(self.averaged, erased, valid, w_rand, index)[0]

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
        write_stage(path, self.recipe, self.checkpoint, self.averaged, stage, facts)


def compared_pairs(batch: Batch, outputs: Tensor) -> dict[str, Pair]:
    """Return what Eqs. 2 and 3 compare, by path; photographs have no path (g).

    A photograph that substitutes a generated image is compared in its place.

    Args:
        batch: N images.
        outputs: [n, 3, R, R] raw, of `batch.inputs()`.
    """
    paths, substituted = batch.by_path(outputs)
    I_ro, I_ge = paths[-1], batch.erased
    if batch.substitutes is not None:
        index, photographs = batch.substitutes
        I_ro = I_ro.index_copy(0, index, substituted)
        I_ge = I_ge.index_copy(0, index, photographs)
    pairs = {"r": pair_rr(I_ro, batch.valid, I_ge)}
    if batch.w_g is not None:
        pairs["g"] = pair_rg(paths[0], batch.image)
    return pairs


def composites(batch: Batch, outputs: Tensor) -> list[Tensor]:
    """Return each path's final images I_f (Eq. 4), [N, 3, R, R], which D takes for fakes.

    Substitutes are not among them: beside real images that are all generated, D would tell a
    photograph by its valid pixels, which no completion can change.
    """
    paths, _ = batch.by_path(outputs)
    return [composite_at_resolution(I_o, batch.erased, batch.valid) for I_o in paths]


def _completion_config(recipe: Recipe, stage: str) -> CompletionConfig:
    config = recipe.stage_config(stage)
    assert isinstance(config, CompletionConfig)
    return config
