"""The StyleGAN2 generator: mapping and synthesis, with the mean code w_avg."""

import torch
from torch import Tensor, nn

from .config import GeneratorConfig
from .mapping import MappingNetwork
from .synthesis import SynthesisNetwork


class Generator(nn.Module):
    """G: z to w by `mapping`, codes to an image by `synthesis`.

    Source: Karras et al. 2020, arXiv:1912.04958, config F.
    """

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.mapping = MappingNetwork(config)
        self.synthesis = SynthesisNetwork(config)

    @property
    def w_avg(self) -> Tensor:
        """The mean style code, [D]."""
        return self.mapping.w_avg

    def broadcast(self, w: Tensor) -> Tensor:
        """Repeat one code for all layers: [N, D] to [N, L, D]."""
        return w[:, None].expand(-1, self.config.num_layers, -1)

    @torch.no_grad()
    def set_w_avg(self, num_samples: int = 10_000, seed: int = 0) -> None:
        """Set w_avg to the mean code of fixed-seed samples."""
        generator = torch.Generator("cpu").manual_seed(seed)
        z = torch.randn(num_samples, self.config.z_dim, generator=generator)
        device, dtype = self.w_avg.device, self.w_avg.dtype
        self.mapping.w_avg.copy_(self.mapping(z.to(device, dtype)).mean(dim=0))
