"""Stage 1: encoder and mixer learn to complete in many ways, with G frozen."""

from typing import Any

import torch
from torch import Tensor, nn

from ..core.networks import Encoder, Mixer
from .completion import CompletionTrainer
from .ema import averaged_copy


class Stage1Trainer(CompletionTrainer):
    """E and Mi against D on generated pictures.

    Source: the paper, section 3.1, Fig. 3.
    """

    stage = "stage1"
    _stages_before = ("prior",)

    def _trained_parts(self) -> tuple[dict[str, nn.Module], dict[str, nn.Module]]:
        model = self.recipe.model
        assert model.encoder is not None and model.mixer is not None
        learned: dict[str, nn.Module] = {
            "encoder": Encoder(model.encoder),
            "mixer": Mixer(model.mixer),
        }
        for module in learned.values():
            module.to(self.device, memory_format=torch.channels_last)
        return learned, {name: averaged_copy(module) for name, module in learned.items()}

    def complete(
        self, erased: Tensor, valid: Tensor, w_rand: Tensor, picture: Tensor, *, averaged: bool
    ) -> tuple[Tensor, Tensor]:
        """Return G(Mi(E(M*I, M), w_rand)), raw, and the gate."""
        parts = self.averages if averaged else self.trained
        w_out, gate = mixed_codes(parts, self.generator.w_avg, erased, valid, w_rand, picture)
        return self.synthesize(w_out), gate


def mixed_codes(
    parts: dict[str, Any],
    w_avg: Tensor,
    erased: Tensor,
    valid: Tensor,
    w_rand: Tensor,
    picture: Tensor,
) -> tuple[Tensor, Tensor]:
    """Encode each picture once and mix it with each of its random codes.

    Args:
        parts: `encoder` and `mixer`.
        w_avg: [D].
        erased: [N, 3, R, R].
        valid: [N, 1, R, R].
        w_rand: [n, L, D].
        picture: [n], the picture that each code completes.

    Returns:
        W_out and the gate, both [n, L, D].
    """
    features = torch.cat([erased, valid], dim=1).contiguous(memory_format=torch.channels_last)
    encoded = parts["encoder"](features) + w_avg
    return parts["mixer"](encoded[picture], w_rand)
