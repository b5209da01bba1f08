"""Stage 1: encoder and mixer learn to complete in many ways, with G frozen."""

from torch import Tensor, nn

from ..core.networks import DiverseInpaintingModel, Encoder, Mixer
from .completion import CompletionTrainer, mixed_codes
from .sampler import Inputs


class Stage1Trainer(CompletionTrainer):
    """E and Mi against D on generated images.

    Source: the paper, section 3.1, Fig. 3.
    """

    stage = "stage1"

    def _new_networks(self) -> dict[str, nn.Module]:
        config = self.recipe.model
        assert config.encoder is not None and config.mixer is not None
        return {"encoder": Encoder(config.encoder), "mixer": Mixer(config.mixer)}

    def complete(self, model: DiverseInpaintingModel, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return G(Mi(E(M*I, M), W_rand)), raw, and the gate."""
        w_out, gate = mixed_codes(model, inputs)
        return model.synthesize(w_out), gate
