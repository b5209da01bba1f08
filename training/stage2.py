"""Stage 2: the skip encoder learns to remove what separates a completion from its picture."""

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from ..core.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from ..core.compositing import composite_at_resolution
from ..core.errors import CheckpointError
from ..core.networks import SkipEncoder
from .batch_norm import share_batches
from .completion import CompletionTrainer
from .ema import averaged_copy
from .stage1 import mixed_codes

_RECALIBRATION_BATCHES = 16


class Stage2Trainer(CompletionTrainer):
    """S against D; E, Mi and G stay as they are. D goes on from stage 1, its optimiser does not.

    Source: the paper, section 3.2 and Appendix A.
    """

    stage = "stage2"

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
        skip_encoder = SkipEncoder(config, self.checkpoint.config.generator)
        skip_encoder.to(self.device, memory_format=torch.channels_last).train()
        average = averaged_copy(skip_encoder)
        share_batches(skip_encoder, self.processes)
        for norm in _norms(skip_encoder):
            # Batches teach; the averaged weights get statistics of their own, see _recalibrate.
            norm.track_running_stats = False
        return {"skip_encoder": skip_encoder}, {"skip_encoder": average}

    def complete(
        self, erased: Tensor, valid: Tensor, w_rand: Tensor, *, averaged: bool
    ) -> tuple[Tensor, Tensor]:
        """Return the output of the second pass, raw, and the gate.

        Batch norm sees all paths in one batch. The first pass needs no gradient: nothing that it
        runs through is trained.
        """
        part = (self.averages if averaged else self.trained)["skip_encoder"]
        with torch.no_grad():
            codes, gate = mixed_codes(self.networks, self.generator.w_avg, erased, valid, w_rand)
            repeat = (len(w_rand) // len(erased), 1, 1, 1)
            erased, valid = erased.repeat(repeat), valid.repeat(repeat)
            composite = composite_at_resolution(self.synthesize(codes), erased, valid)
        return self.synthesize(codes, part(composite, erased, valid)), gate

    @torch.no_grad()
    def _recalibrate(self) -> None:
        """Give the averaged weights batch-norm statistics of their own, from fixed batches."""
        average = self.averages["skip_encoder"]
        for norm in _norms(average):
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean of all batches
        average.train()
        for i in range(_RECALIBRATION_BATCHES):
            batch = self.batch(2**47 + i * self.config.batch_size, self.config.batch_size)
            codes = torch.cat([batch.w_same, batch.w_other])
            self.complete(batch.erased, batch.valid, codes, averaged=True)
        average.eval()

    def grid(self) -> Image.Image:
        """Return the rows of `CompletionTrainer.grid`, with fresh batch-norm statistics."""
        self._recalibrate()
        return super().grid()

    def alarms(self) -> dict[str, float]:
        """Add skip_ratio: mean |G_add| over mean |feature| at the side where it is largest."""
        return {**super().alarms(), "skip_ratio": self._skip_ratio()}

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
            codes, _ = mixed_codes(
                self.networks, self.generator.w_avg, batch.erased, batch.valid, batch.w_other
            )
            composite = composite_at_resolution(self.synthesize(codes), batch.erased, batch.valid)
        finally:
            for hook in hooks:
                hook.remove()
        skips = self.averages["skip_encoder"](composite, batch.erased, batch.valid)
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
