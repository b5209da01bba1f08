"""LPIPS: the distance of two pictures as a network sees them.

Legend: n pictures of side R.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

from ..core.pretrained import PublishedWeights, read_state, sha256_of, wrong_network
from .libraries import import_library
from .provenance import Provenance, in_full_batches

ALEXNET = PublishedWeights(
    "torchvision's AlexNet, the usual trunk of LPIPS",
    "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
    "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
)
VGG16 = PublishedWeights(
    "torchvision's VGG16, the other trunk of LPIPS",
    "https://download.pytorch.org/models/vgg16-397923af.pth",
    "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
)


@dataclass(frozen=True)
class PairDistance:
    """A distance of two pictures, with all that its values depend on."""

    provenance: Provenance
    """Network, weights, treatment of the pictures."""
    compute: Callable[[Tensor, Tensor], Tensor]
    """Twice [n, 3, R, R] uint8 on the CPU to [n] of any dtype and device."""

    def distances(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the distances of n >= 1 pairs [n, 3, R, R] uint8: [n] float32 on the CPU."""
        return in_full_batches(self.compute, first, second)


def lpips_distance(weights: Path, device: torch.device) -> PairDistance:
    """Return LPIPS v0.1 with its published linear heads, which come with the package.

    Args:
        weights: the trunk, `ALEXNET`'s or `VGG16`'s file; which of them it is, its shapes tell.
        device: where to compute.

    Raises:
        CheckpointError: other weights, or lpips is not installed.

    Source: Zhang et al. 2018, arXiv:1801.03924.
    """
    library = import_library("lpips")
    state = read_state(weights)
    first = state.get("features.0.weight", torch.empty(0))
    kind, published = ("vgg", VGG16) if first.shape[-2:] == (3, 3) else ("alex", ALEXNET)
    with warnings.catch_warnings():  # the package speaks torchvision's old dialect
        warnings.simplefilter("ignore")
        # Its model_path would replace the heads alone and leave the trunk to chance.
        network = library.LPIPS(net=kind, pnet_rand=True, verbose=False)
    try:
        _load_trunk(network.net, state)
    except (KeyError, RuntimeError) as error:
        raise wrong_network(published, weights, error) from error
    network.to(device)
    return PairDistance(
        Provenance(
            name=f"LPIPS v0.1 over {published.title.split(',')[0]} (lpips {version('lpips')})",
            weights_sha256=sha256_of(weights),
            treatment="its own size, values in [-1, 1]",
        ),
        compute=lambda a, b: network(_signed(a, device), _signed(b, device)).flatten(),
    )


def _load_trunk(trunk: nn.Module, state: dict[str, Tensor]) -> None:
    """Give the trunk's slices the layers that torchvision numbers through."""
    for part in trunk.children():
        for number, layer in part.named_children():
            keys = {key: f"features.{number}.{key}" for key in layer.state_dict()}
            layer.load_state_dict({key: state[full] for key, full in keys.items()})


def _signed(pictures: Tensor, device: torch.device) -> Tensor:
    return pictures.to(device).float() / 127.5 - 1
