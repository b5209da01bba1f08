"""What stages 1 and 2 share: batches, the step, and what is measured and written.

Legend: N pictures per batch, R side, L style layers, D width of a code. Path (g) mixes with the
code that made the picture, path (r) with another one.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from ..core.checkpoint import Checkpoint
from ..core.compositing import composite_at_resolution
from ..core.distributed import ALONE, Processes
from ..core.errors import CheckpointError
from ..core.networks import Discriminator, Generator
from .accumulate import Gradients, ShardRunner, adam, apply_gradients, set_learning_rate
from .batch import Batch
from .config import CompletionConfig, Recipe
from .cuda_graphs import StepGraphs
from .data import Photographs
from .diagnostics import measure
from .ema import update_average
from .exports import stage_facts, write_stage
from .grids import picture_grid
from .hardware import feature_dtype, send
from .losses import discriminator_objective, judge
from .objective import adversarial, comparisons, composites, reconstruction
from .perceptual import build_perceptual_loss
from .sampler import Batches
from .schedules import adversarial_share, rate_factor

_GRID_SIZE = 8
_GRID_VARIANTS = 4
_ALARM_PICTURES = 64


class CompletionTrainer(ABC):
    """One stage of the method's own training; needs no photographs.

    Source: the paper, section 3, Eqs. 2-6 and Appendix B.
    """

    stage: str
    _stages_before: tuple[str, ...]
    discriminator_since = 0
    """Image at which the discriminator began to judge completions: from there it warms up."""

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
            photographs: for the alarm of a domain gap, and for recipes that train on them; or None.
            device: where to train.
            processes: which train together.

        Raises:
            ConfigError: the recipe trains on photographs, and there are none.
        """
        self.recipe, self.device, self.checkpoint = recipe, device, checkpoint
        self.processes = processes
        self.config: CompletionConfig = getattr(recipe, self.stage)
        self.photographs = photographs
        torch.manual_seed(self.config.seed)
        self.networks = self._load(checkpoint)
        self.generator: Generator = self.networks["generator"].requires_grad_(False)
        self.discriminator: Discriminator = self.networks["discriminator"].requires_grad_(True)
        self._dtype = feature_dtype(self.config.precision, device)
        self.perceptual = build_perceptual_loss(
            recipe.perceptual, self.generator, self.discriminator, self.config.seed, self._dtype
        )
        self.batches = Batches(
            self.config, self.stage, self.generator, self.synthesize, photographs
        )
        self.trained, self.averages = self._trained_parts()
        self._has_gate = {**self.networks, **self.trained}["mixer"].config.kind == "gated"
        self.modules: dict[str, nn.Module] = {
            "discriminator": self.discriminator,
            **self.trained,
            **{f"{name}_ema": average for name, average in self.averages.items()},
        }
        self._rates = {
            "completion": self.config.learning_rate,
            "discriminator": self.config.discriminator_learning_rate,
        }
        factors = {"mixer": self.config.mixer_lr_multiplier}
        parts = [(list(m.parameters()), factors.get(name, 1.0)) for name, m in self.trained.items()]
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "completion": adam(*parts, betas=self.config.betas),
            "discriminator": adam(
                (list(self.discriminator.parameters()), 1.0), betas=self.config.betas
            ),
        }
        self._parameters = {
            name: [parameter for group in optimizer.param_groups for parameter in group["params"]]
            for name, optimizer in self.optimizers.items()
        }
        self._measured: dict[str, float] | None = None
        self._micro_batch = self.config.micro_batch or self.config.batch_size
        group_size = self.discriminator.config.stddev_group_size
        self._shard = processes.shard(self._micro_batch, group_size)
        self._shards = ShardRunner(device, self.config.batch_size, self._micro_batch, processes)
        self._graphs = StepGraphs(device, is_used=self.config.cuda_graphs and processes.is_alone)

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
        self, erased: Tensor, valid: Tensor, w_rand: Tensor, picture: Tensor, *, averaged: bool
    ) -> tuple[Tensor, Tensor]:
        """Return raw outputs I_o [n, 3, R, R] and the gate [n, L, D].

        Args:
            erased: [N, 3, R, R].
            valid: [N, 1, R, R].
            w_rand: [n, L, D].
            picture: [n] int64, the picture that each code completes.
            averaged: use the moving averages.
        """

    def synthesize(self, ws: Tensor, skips: Any = None) -> Tensor:  # noqa: ANN401 - core's Skips
        """Run the frozen generator with stored noise, [N, L, D] to [N, 3, R, R]."""
        return self.generator.synthesis(
            ws, skips=skips, dtype=self._dtype, memory_format=torch.channels_last
        )

    def step(self, nimg: int) -> dict[str, Tensor]:
        """Update the trained networks and D on one batch."""
        self._measured = None
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
        """Return the gradients of this process's shard of the micro-batch from image `start` on."""
        weight = self.config.lambda_adversarial * adversarial_share(
            self.config, nimg - self.discriminator_since
        )
        r1_weight = self.config.r1_weight(nimg)
        drawn = self.batches.draw(start, self._micro_batch, self._shard)
        drawn["fooling_weight"] = send(torch.tensor(weight), self.device)
        return self._graphs.run(
            (weight > 0, r1_weight),
            lambda inputs, _: self._learn(inputs, fools=weight > 0, r1_weight=r1_weight),
            drawn,
            seeds={},
        )

    def _learn(self, drawn: Mapping[str, Tensor], *, fools: bool, r1_weight: float) -> Gradients:
        """Return the gradients of what was drawn; a CUDA graph may hold all of it."""
        batch = self.batches.make(drawn)
        outputs, gate = self.complete(*batch.inputs(), averaged=False)
        compared = comparisons(batch, outputs, self.config)
        loss, scalars = reconstruction(compared, self.perceptual, self.config.pixel_weight)
        # Separate calls: one batch of both would put near-duplicates into one deviation group.
        fake_logits = [self._judge(fakes) for fakes in composites(batch, outputs)]
        fooling = adversarial(fake_logits)
        if fools:  # else D's gradient would be walked back only to be multiplied by zero
            loss = loss + drawn["fooling_weight"] * fooling
        # D's graph of the fakes is walked twice: to E, Mi or S here, and to D's weights below.
        completion = torch.autograd.grad(loss, self._parameters["completion"], retain_graph=True)
        d_loss, d_scalars = discriminator_objective(
            self._judge, batch.image, fake_logits, r1_weight
        )
        discriminator = torch.autograd.grad(d_loss, self._parameters["discriminator"])
        if self._has_gate:
            gates = torch.cat(batch.by_path(gate)[0])  # as many in each process
            scalars["gate_extreme"] = ((gates < 0.05) | (gates > 0.95)).float().mean()
        return Gradients(
            {"completion": completion, "discriminator": discriminator},
            {**scalars, "adversarial": fooling, **d_scalars},
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
        set_learning_rate(self.optimizers[name], self._rates[name] * rate_factor(self.config, nimg))
        apply_gradients(self.optimizers[name], parameters, gradients)

    @torch.no_grad()
    def grid(self) -> Image.Image:
        """Return rows of: picture, erased, then `_views` of path (g) and of four variants."""
        batch = self._fixed(_GRID_SIZE)
        columns = [batch.image, batch.erased, *self._views(batch, batch.w_same)]
        for k in range(_GRID_VARIANTS):
            columns += self._views(batch, batch.w_other.roll(k, dims=0))
        rows = torch.stack(columns, dim=1).flatten(0, 1)
        return picture_grid(rows.clamp(-1, 1), len(columns))

    def _views(self, batch: Batch, w_rand: Tensor) -> tuple[Tensor, ...]:
        """Return completions, raw and composited, [N, 3, R, R] each."""
        raw = self._complete_averaged(batch.erased, batch.valid, w_rand)
        return raw, composite_at_resolution(raw, batch.erased, batch.valid)

    def alarms(self) -> dict[str, float]:
        """Return the measures of alarms.py on fixed generated pictures, and on photographs."""
        if self._measured is None:
            self._measured = self._measure()
        return self._measured

    def _measure(self) -> dict[str, float]:
        batch = self._fixed(_ALARM_PICTURES)
        photographs = None
        if self.photographs is not None:
            photographs = self.photographs.unseen[:_ALARM_PICTURES].to(self.device) / 127.5 - 1
        return measure(self._complete_averaged, batch, self.synthesize, photographs)

    def _complete_averaged(self, erased: Tensor, valid: Tensor, w_rand: Tensor) -> Tensor:
        picture = torch.arange(len(erased), device=erased.device)
        return self.complete(erased, valid, w_rand, picture, averaged=True)[0]

    def _fixed(self, size: int) -> Batch:
        """Return pictures that training, which begins at image 0, never sees."""
        return self.batches.generated(2**48, size)

    def export(self, folder: Path, nimg: int) -> None:
        """Write the stage's checkpoint with averaged networks and the present discriminator."""
        own = {
            "images": nimg,
            "recipe": self.recipe.name,
            "perceptual": {**self.perceptual.facts, "weight": float(self.perceptual.weight)},
            "alarms": self.alarms(),
        }
        write_stage(
            folder / f"{self.stage}.safetensors",
            self.recipe,
            self.checkpoint,
            {**self.networks, "discriminator": self.discriminator, **self.averages},
            self.averages,
            stage_facts(self.checkpoint.training, self.stage, self._stages_before, own),
        )
