"""VGG16 features as the paper's laboratory takes them: Caffe's input, whatever file they come from.

The weight 5e-5 of Appendix B belongs to features of pictures in 0-255 with the mean subtracted, as
Caffe and Keras have it. Torchvision's own ImageNet weights expect inputs about sixty times smaller,
with features to match: they are refused.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.errors import ConfigError
from ..core.pretrained import PublishedWeights, obtain, read_state, sha256_of, wrong_network

_log = logging.getLogger(__name__)

VGG16 = PublishedWeights(
    "VGG16 with Caffe's ImageNet weights",
    "https://download.pytorch.org/models/vgg16_features-amdegroot-88682ab5.pth",
    "88682ab5",
)
"""The original weights (Simonyan and Zisserman 2014, arXiv:1409.1556), first layer turned to RGB;
torchvision publishes them as VGG16_Weights.IMAGENET1K_FEATURES."""

_FILE_NOT_TO_TAKE = "397923af"  # torchvision's VGG16_Weights.IMAGENET1K_V1
_KNOWN_ORDERS: dict[str, Literal["rgb", "bgr"]] = {
    "88682ab5": "rgb",
    "00b39a1b": "bgr",  # vgg16-00b39a1b.pth of github.com/jcjohnson/pytorch-vgg
}

_MEAN_BGR = (103.939, 116.779, 123.68)
_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions


def _layers() -> dict[str, tuple[str, int]]:
    """Return each ReLU's convolution in torchvision's numbering, and its channels, in order."""
    layers, index = {}, 0
    for b, (channels, num_convolutions) in enumerate(_BLOCKS, start=1):
        for c in range(1, num_convolutions + 1):
            layers[f"relu{b}_{c}"] = (f"features.{index}", channels)
            index += 2  # the ReLU counts, too
        index += 1  # the pooling
    return layers


LAYERS = _layers()
"""By the names of the ReLUs, relu1_1 to relu5_3: the convolution's key, and its channels."""


class VGG16Features(nn.Module):
    """Features after some of VGG16's ReLUs, of pictures in [-1, 1]."""

    mean: Tensor

    def __init__(
        self, state: Mapping[str, Tensor], layers: Sequence[str], order: Literal["rgb", "bgr"]
    ) -> None:
        """Take the weights.

        Args:
            state: tensors under torchvision's names; those of deeper layers are left out.
            layers: which features, by the names in `LAYERS`.
            order: of the colours that the first convolution expects.

        Raises:
            RuntimeError: the state lacks a tensor, or one has another shape.
        """
        super().__init__()
        self._layers = tuple(layers)
        self._is_bgr = order == "bgr"
        names = list(LAYERS)
        self.convolutions = nn.ModuleDict()
        before = 3
        for name in names[: max(map(names.index, layers)) + 1]:
            _, channels = LAYERS[name]
            self.convolutions[name] = nn.Conv2d(before, channels, 3, padding=1)
            before = channels
        self.load_state_dict(
            {
                f"convolutions.{name}.{kind}": state[f"{LAYERS[name][0]}.{kind}"]
                for name in self.convolutions
                for kind in ("weight", "bias")
                if f"{LAYERS[name][0]}.{kind}" in state
            }
        )
        mean = _MEAN_BGR if self._is_bgr else _MEAN_BGR[::-1]
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the maps of the chosen layers, the shallowest first.

        Args:
            images: [N, 3, R, R] in about [-1, 1], RGB.

        Gradients: with respect to images.
        """
        x = (images + 1) * 127.5
        x = (x.flip(1) if self._is_bgr else x) - self.mean
        maps = []
        for name, convolution in self.convolutions.items():
            if name.endswith("_1") and name != "relu1_1":
                x = F.max_pool2d(x, 2)
            x = F.relu(convolution(x))
            if name in self._layers:
                maps.append(x)
        return maps


def load_vgg16(weights: str, layers: Sequence[str]) -> tuple[VGG16Features, str]:
    """Return the network, and the SHA-256 of its file.

    Args:
        weights: path of a .pth or .safetensors file under torchvision's names, or "download" for
            `VGG16`. Of a file that is not known the first convolution is taken to expect BGR, as
            Keras's and Caffe's do.
        layers: names among `LAYERS`.

    Raises:
        ConfigError: no weights are named, they are not there or are torchvision's own; no layer is
            named, or an unknown one.
        CheckpointError: they cannot be read, or are those of another network.
    """
    unknown = set(layers) - set(LAYERS)
    if unknown or not layers:
        raise ConfigError(
            f"perceptual.layers among {', '.join(LAYERS)}",
            ", ".join(sorted(unknown)) or "none",
            "Correct the recipe; the paper's laboratory takes relu4_3.",
        )
    path = obtain(VGG16) if weights == "download" else Path(weights).expanduser()
    if not path.is_file():
        raise _without_weights(f"no file {weights}" if weights else "none")
    digest = sha256_of(path)
    if digest.startswith(_FILE_NOT_TO_TAKE):
        raise _without_weights("torchvision's own, which expect another input")
    if digest[:8] not in _KNOWN_ORDERS:
        _log.warning("%s is no published file: taken as Caffe's weights, for BGR", path.name)
    try:
        network = VGG16Features(read_state(path), layers, _KNOWN_ORDERS.get(digest[:8], "bgr"))
    except RuntimeError as error:
        raise wrong_network(VGG16, path, error) from error
    return network, digest


def _without_weights(got: str) -> ConfigError:
    return ConfigError(
        "Caffe's VGG16 weights for the perceptual term",
        got,
        f'Give {VGG16.filename} as perceptual.weights, or "download" for it; or set '
        'perceptual.network = "discriminator", which needs no file.',
    )
