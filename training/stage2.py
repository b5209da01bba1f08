"""Stage 2: the skip encoder learns to remove what separates a completion from its image."""

import functools
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor, nn

from ..core.checkpoint import read_checkpoint, write_checkpoint
from ..core.compositing import composite
from ..core.distributed import synchronise_batch_norm
from ..core.networks import DiverseInpaintingModel, Refinement, SkipEncoder
from .completion import CompletionTrainer, mixed_codes
from .sampler import Batch, Inputs


class Stage2Trainer(CompletionTrainer):
    """S against D; E, Mi and G stay frozen. D continues from stage 1 with a fresh optimiser.

    Source: the paper, section 3.2 and Appendix A.
    """

    stage = "stage2"
    _is_calibrated = False

    def _new_networks(self) -> dict[str, nn.Module]:
        config = self.recipe.model.skip_encoder
        assert config is not None
        return {"skip_encoder": SkipEncoder(config, self.checkpoint.config.generator).train()}

    def _prepare_training(self) -> None:
        skip_encoder = self.trained["skip_encoder"]
        synchronise_batch_norm(skip_encoder, self.processes)
        for norm in _norms(skip_encoder):
            # Training uses batch statistics; the averaged weights get their own, see _recalibrate.
            norm.track_running_stats = False

    def complete(self, model: DiverseInpaintingModel, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the output of the second pass, raw, and the gate.

        Batch norm sees all paths in one batch.
        """
        refined, gate = self._refine(model, inputs)
        return refined.output, gate

    def _refine(self, model: DiverseInpaintingModel, inputs: Inputs) -> tuple[Refinement, Tensor]:
        with torch.no_grad():  # E and Mi are frozen
            w_out, gate = mixed_codes(model, inputs)
        return model.refine(w_out, inputs.erased[inputs.index], inputs.valid[inputs.index]), gate

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
        size = self.config.batch_size
        for i in range(self.config.recalibration_batches):
            self.complete(self.averaged, self.batches.training(2**47 + i * size, size).inputs())
        average.eval()
        self._is_calibrated = True

    def grid(self) -> Image.Image:
        """Return the rows of `CompletionTrainer.grid`, with fresh batch-norm statistics."""
        self._recalibrate()
        return super().grid()

    def _views(self, batch: Batch, w_rand: Tensor) -> tuple[Tensor, ...]:
        """Return stage 1, raw and composited, then stage 2, raw and composited."""
        inputs = Inputs.one_code_each(batch.erased, batch.valid, w_rand)
        refined, _ = self._refine(self.averaged, inputs)
        final = composite(refined.output, batch.erased, batch.valid)
        return refined.stage1, refined.final, refined.output, final

    def _measure(self) -> dict[str, float]:
        """Add skip_ratio: mean |G_add| over mean |feature| at the side where it is largest."""
        self._recalibrate()
        return {**super()._measure(), "skip_ratio": self._skip_ratio()}

    @torch.no_grad()
    def _skip_ratio(self) -> float:
        inputs = self._fixed(self.config.batch_size).inputs()
        w_out, _ = mixed_codes(self.averaged, inputs)
        erased, valid = inputs.erased[inputs.index], inputs.valid[inputs.index]
        # Without skips, conv1 reads the features of Eq. 7 unchanged, so the hook sees G_f.
        features: dict[int, Tensor] = {}
        hooks = []
        for side, block in self.generator.synthesis.blocks_by_side.items():
            hook = functools.partial(_remember, features, side)
            hooks.append(block.conv1.register_forward_pre_hook(hook))
        try:
            stage1 = self.averaged.synthesize(w_out)
        finally:
            for handle in hooks:
                handle.remove()
        final = composite(stage1, erased, valid)
        skips = self.averages["skip_encoder"](final, erased, valid)
        return max(
            float(add.abs().mean() / features[side].abs().mean())
            for side, (add, _) in skips.items()
        )

    def export(self, folder: Path, nimg: int) -> None:
        """Write stage2.safetensors, and model.safetensors: half precision without D."""
        self._recalibrate()
        super().export(folder, nimg)
        parts = ("generator", "encoder", "mixer", "skip_encoder")
        whole = read_checkpoint(folder / "stage2.safetensors", parts)
        write_checkpoint(folder / "model.safetensors", whole, dtype=torch.float16)


def _remember(
    features: dict[int, Tensor], side: int, module: nn.Module, args: tuple[Tensor, ...]
) -> None:
    features[side] = args[0]


def _norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
