"""LPIPS: a distance between two images as a network sees them, here of two completions."""

import warnings
from importlib.metadata import version
from pathlib import Path

import torch
from torch import Tensor, nn

from ..core.image import uint8_to_network
from ..core.pretrained import PublishedWeights, read_state, sha256_of, wrong_network
from .features import FeatureNetwork, import_library
from .types import ImageValues, MethodOutput, MetricSuite

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


def lpips_diversity(distance: FeatureNetwork) -> MetricSuite:
    """Return `lpips_diversity`: the distance of two results for one image and mask.

    Whole composites are compared, as CoModGAN does. The equal pixels around the hole count, so
    values on different masks are not comparable.
    """

    def measure(output: MethodOutput) -> dict[str, ImageValues]:
        if output.num_variants < 2:
            return {}
        first, second = output.results[:, 0], output.results[:, 1]
        return {"lpips_diversity": ImageValues.of(distance(first, second)[:, 0])}

    facts = {**distance.facts, "compared": "two full composites"}
    return MetricSuite(per_image=(measure,), facts={"lpips": facts})


def lpips_distance(weights: Path, device: torch.device) -> FeatureNetwork:
    """Return LPIPS v0.1 with its published linear heads, which come with the package.

    The weights are those of the trunk, `ALEXNET` or `VGG16`; their shapes tell which.

    Source: Zhang et al. 2018, arXiv:1801.03924.
    """
    library = import_library("lpips")
    state = read_state(weights)
    kernel_px = state.get("features.0.weight", torch.empty(0)).shape[-2:]
    kind, published = ("vgg", VGG16) if kernel_px == (3, 3) else ("alex", ALEXNET)
    with warnings.catch_warnings():  # the package uses deprecated arguments of torchvision
        warnings.simplefilter("ignore")
        # Its model_path would replace the heads alone and leave the trunk random.
        network = library.LPIPS(net=kind, pnet_rand=True, verbose=False)
    try:
        _load_trunk(network.net, state)
    except (KeyError, RuntimeError) as error:
        raise wrong_network(published, weights, error) from error
    network.to(device)

    def compute(first: Tensor, second: Tensor) -> Tensor:
        pair = (uint8_to_network(images.to(device)) for images in (first, second))
        return network(*pair).flatten(1)

    return FeatureNetwork(
        name=f"LPIPS v0.1 over {published.title.split(',')[0]} (lpips {version('lpips')})",
        weights_sha256=sha256_of(weights),
        treatment="its own size, values in [-1, 1]",
        num_features=1,
        compute=compute,
    )


def _load_trunk(trunk: nn.Module, state: dict[str, Tensor]) -> None:
    """Load the slices of a trunk, whose layers keep the numbers that torchvision gives them."""
    for part in trunk.children():
        for number, layer in part.named_children():
            keys = {key: f"features.{number}.{key}" for key in layer.state_dict()}
            layer.load_state_dict({key: state[full] for key, full in keys.items()})
