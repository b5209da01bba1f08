"""Mi: mixes the codes of the erased image with those of a random latent (Eq. 1)."""

import math

import torch
from torch import Tensor, nn

from .config import MixerConfig


class Mixer(nn.Module):
    """W_comb, g = NN(W_enc, W_rand);  W_out = sigmoid(g) W_comb + (1 - sigmoid(g)) W_rand.

    NN is one fully connected map per style layer, from the pair (2D wide) to (W_comb, g), each D
    wide: our reading of "input and output dimensions of 512". It starts at W_comb = W_enc and
    g = 0. Kind `fc` leaves the gate out (model 3 of Table 3); `none` returns W_enc.

    Source: the paper, section 3.1, Eq. 1, and Appendix A.
    """

    def __init__(self, config: MixerConfig) -> None:
        super().__init__()
        self.config = config
        if config.kind == "none":
            return
        L, D = config.num_layers, config.w_dim
        outputs = 2 * D if config.kind == "gated" else D
        weight = torch.randn(L, outputs, 2 * D) * (0.01 / math.sqrt(2 * D))
        weight[:, :D, :D] += torch.eye(D)
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(L, outputs))

    def forward(
        self, w_enc: Tensor, w_rand: Tensor, gate_bias: float | Tensor = 0.0
    ) -> tuple[Tensor, Tensor]:
        """Return (W_out, gate), both [N, L, D]; the gate, in [0, 1], is the weight of W_comb.

        Args:
            w_enc: [N, L, D] codes of the erased image.
            w_rand: [N, L, D] codes of the random latent.
            gate_bias: added to g; above 0 trusts the image more, below 0 the random latent.
        """
        if self.config.kind == "none":
            return w_enc, torch.ones_like(w_enc)
        pair = torch.cat([w_enc, w_rand], dim=2)
        # [L, N, 2D] @ [L, 2D, out]: one batched product for all layers.
        joined = torch.baddbmm(
            self.bias[:, None], pair.transpose(0, 1), self.weight.transpose(1, 2)
        ).transpose(0, 1)
        if self.config.kind == "fc":
            return joined, torch.ones_like(joined)
        w_comb, g = joined.chunk(2, dim=2)
        gate = torch.sigmoid(g + gate_bias)
        return gate * w_comb + (1 - gate) * w_rand, gate
