"""Networks prepared for inference: the same results, with what is constant computed once.

The modules beside this package define what they compute, and are what is trained and exported.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ..encoder import Encoder, PspEncoder, SmallEncoder
from .cache import PreparedNetworks
from .features import Features
from .psp_encoder import PreparedPspEncoder
from .skip_encoder import PreparedSkipEncoder
from .small_encoder import PreparedSmallEncoder
from .synthesis import PreparedSynthesis

__all__ = [
    "PreparedEncoder",
    "PreparedNetworks",
    "PreparedSkipEncoder",
    "PreparedSynthesis",
    "Unchanged",
]


class PreparedEncoder:
    """`Encoder` of either kind."""

    def __init__(self, encoder: Encoder, dtype: torch.dtype) -> None:
        """Prepare a network with float32 weights for feature maps of float32 or half precision."""
        self.features = Features(dtype)
        network, side = encoder.network, encoder.config.resolution
        if isinstance(network, PspEncoder):
            self.network = PreparedPspEncoder(network, self.features, side)
        else:
            assert isinstance(network, SmallEncoder)
            self.network = PreparedSmallEncoder(network, self.features, side)

    def __call__(self, x: Tensor) -> Tensor:
        """See `Encoder.forward`."""
        return self.network(self.features.enter(x))


class Unchanged:
    """A network that is used as it is, too small to gain from being prepared."""

    def __init__(self, network: nn.Module, dtype: torch.dtype) -> None:
        """Take a network; its feature maps stay in float32, whatever the dtype."""
        self.network = network

    def __call__(self, *inputs: Any) -> Any:  # noqa: ANN401
        """See the network's `forward`."""
        return self.network(*inputs)
