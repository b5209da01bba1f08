"""Stage 2: the skip encoder learns to remove what separates a completion from its picture."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from ..core.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from ..core.compositing import composite_at_resolution
from ..core.distributed import synchronise_batch_norm
from ..core.errors import CheckpointError
from ..core.networks import SkipEncoder
from .batch import Batch
from .completion import CompletionTrainer
from .ema import averaged_copy
from .stage1 import mixed_codes


class Stage2Trainer(CompletionTrainer):
    """S against D; E, Mi and G stay as they are. D goes on from stage 1, its optimiser does not.

    Source: the paper, section 3.2 and Appendix A.
    """

    stage = "stage2"
    _stages_before = ("prior", "stage1")

    def _trained_parts(self) -> tuple[dict[str, nn.Module], dict[str, nn.Module]]:
        if not {"encoder", "mixer"} <= set(self.networks):
            raise CheckpointError(
                "a checkpoint with encoder and mixer",
                "one without",
                "Train stage 1 first and give the file that it wrote.",
            )
        for name in ("encoder", "mixer"):
            self.networks[name].requires_grad_(False)
        config = self.recipe.model.skip_encoder
        assert config is not None
        self._is_calibrated = False
        skip_encoder = SkipEncoder(config, self.checkpoint.config.generator)
        skip_encoder.to(self.device, memory_format=torch.channels_last).train()
        average = averaged_copy(skip_encoder)
        synchronise_batch_norm(skip_encoder, self.processes)
        for norm in _norms(skip_encoder):
            # Batches teach; the averaged weights get statistics of their own, see _recalibrate.
            norm.track_running_stats = False
        return {"skip_encoder": skip_encoder}, {"skip_encoder": average}

    def complete(
        self, erased: Tensor, valid: Tensor, w_rand: Tensor, picture: Tensor, *, averaged: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the output of the second pass, raw, and the gate.

        Batch norm sees all paths in one batch.
        """
        part = (self.averages if averaged else self.trained)["skip_encoder"]
        codes, gate, inputs = self._first_pass(erased, valid, w_rand, picture)
        return self.synthesize(codes, part(*inputs)), gate

    @torch.no_grad()  # nothing that this pass runs through is trained
    def _first_pass(
        self, erased: Tensor, valid: Tensor, w_rand: Tensor, picture: Tensor
    ) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Return W_out, the gate, and the skip encoder's inputs: composite, erased, valid."""
        w_avg = self.generator.w_avg
        codes, gate = mixed_codes(self.networks, w_avg, erased, valid, w_rand, picture)
        erased, valid = erased[picture], valid[picture]
        composite = composite_at_resolution(self.synthesize(codes), erased, valid)
        return codes, gate, (composite, erased, valid)

    def step(self, nimg: int) -> dict[str, Tensor]:
        """Train as `CompletionTrainer.step`; the batch-norm statistics are then out of date."""
        self._is_calibrated = False
        return super().step(nimg)

    @torch.no_grad()
    def _recalibrate(self) -> None:
        """Give the averaged weights batch-norm statistics of their own, from fixed batches."""
        if self._is_calibrated:
            return
        average = self.averages["skip_encoder"]
        for norm in _norms(average):
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean of all batches
        average.train()
        for i in range(self.config.recalibration_batches):
            batch = self.batches.training(
                2**47 + i * self.config.batch_size, self.config.batch_size
            )
            self.complete(*batch.inputs(), averaged=True)
        average.eval()
        self._is_calibrated = True

    def grid(self) -> Image.Image:
        """Return the rows of `CompletionTrainer.grid`, with fresh batch-norm statistics."""
        self._recalibrate()
        return super().grid()

    def _views(self, batch: Batch, w_rand: Tensor) -> tuple[Tensor, ...]:
        """Return those of stage 1, raw and composited, then those of stage 2."""
        each = torch.arange(len(w_rand), device=w_rand.device)
        codes, _, (composite, *_) = self._first_pass(batch.erased, batch.valid, w_rand, each)
        return self.synthesize(codes), composite, *super()._views(batch, w_rand)

    def _measure(self) -> dict[str, float]:
        """Add skip_ratio: mean |G_add| over mean |feature| at the side where it is largest."""
        self._recalibrate()
        return {**super()._measure(), "skip_ratio": self._skip_ratio()}

    @torch.no_grad()
    def _skip_ratio(self) -> float:
        batch = self._fixed(self.config.batch_size)
        features: dict[int, Tensor] = {}
        hooks = [
            block.conv1.register_forward_pre_hook(
                lambda module, args, side=block.side: features.update({side: args[0]})
            )
            for block in self.generator.synthesis.blocks
        ]
        try:
            _, _, inputs = self._first_pass(*batch.inputs())
        finally:
            for hook in hooks:
                hook.remove()
        skips = self.averages["skip_encoder"](*inputs)
        return max(
            float(add.abs().mean() / features[side].abs().mean())
            for side, (add, _) in skips.items()
        )

    def export(self, folder: Path, nimg: int) -> None:
        """Write stage2.safetensors, and model.safetensors: half precision without D."""
        self._recalibrate()
        super().export(folder, nimg)
        parts = ("generator", "encoder", "mixer", "skip_encoder")
        whole: Checkpoint = read_checkpoint(folder / "stage2.safetensors", parts)
        write_checkpoint(folder / "model.safetensors", whole, dtype=torch.float16)


def _norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
