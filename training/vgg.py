"""VGG16 features for the perceptual term, on Caffe's input.

The weight 5e-5 of Appendix B belongs to features of images in 0-255 with the mean subtracted, as in
Caffe and Keras. Torchvision's own ImageNet weights expect inputs about sixty times smaller, which
changes the scale of the features: they are refused.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ..core.errors import ConfigError
from ..core.pretrained import PublishedWeights, obtain, read_state, sha256_of, wrong_network
from ..core.printable import get_logger

_log = get_logger(__name__)

VGG16 = PublishedWeights(
    "VGG16 with Caffe's ImageNet weights",
    "https://download.pytorch.org/models/vgg16_features-amdegroot-88682ab5.pth",
    "88682ab5",
)
"""The original weights (Simonyan and Zisserman 2014, arXiv:1409.1556), first layer turned to RGB;
torchvision publishes them as VGG16_Weights.IMAGENET1K_FEATURES."""

ColourOrder = Literal["rgb", "bgr"]

_TORCHVISION = "397923af"  # VGG16_Weights.IMAGENET1K_V1
_KNOWN_ORDERS: dict[str, ColourOrder] = {
    "88682ab5": "rgb",
    "00b39a1b": "bgr",  # vgg16-00b39a1b.pth of github.com/jcjohnson/pytorch-vgg
}

_MEAN_BGR = (103.939, 116.779, 123.68)
_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels, convolutions


def _layers() -> dict[str, tuple[str, int]]:
    layers, index = {}, 0
    for b, (channels, num_convolutions) in enumerate(_BLOCKS, start=1):
        for c in range(1, num_convolutions + 1):
            layers[f"relu{b}_{c}"] = (f"features.{index}", channels)
            index += 2  # torchvision counts the ReLU as well
        index += 1  # and the pooling
    return layers


LAYERS = _layers()
"""ReLUs by name, relu1_1 to relu5_3: torchvision's key of the convolution, and its channels."""


class VGG16Features(nn.Module):
    """Features after some of VGG16's ReLUs, of images in [-1, 1]; frozen."""

    mean: Tensor

    def __init__(
        self, state: Mapping[str, Tensor], layers: Sequence[str], order: ColourOrder
    ) -> None:
        """Take the weights.

        Args:
            state: tensors named as in torchvision; those of deeper layers are ignored.
            layers: names from `LAYERS`.
            order: of the colours that the first convolution expects.

        Raises:
            RuntimeError: a tensor is missing from the state or has the wrong shape.
        """
        super().__init__()
        self._is_bgr = order == "bgr"
        self._taken: set[int] = set()
        self.features = nn.Sequential()  # numbered as in torchvision
        names, in_channels = list(LAYERS), 3
        for name in names[: max(map(names.index, layers)) + 1]:
            channels = LAYERS[name][1]
            if name.endswith("_1") and in_channels > 3:
                self.features.append(nn.MaxPool2d(2))
            self.features.extend([nn.Conv2d(in_channels, channels, 3, padding=1), nn.ReLU()])
            if name in layers:
                self._taken.add(len(self.features) - 1)
            in_channels = channels
        self.load_state_dict({key: state[key] for key in self.state_dict() if key in state})
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
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self._taken:
                maps.append(x)
        return maps


def check_vgg16(weights: str, layers: Sequence[str]) -> None:
    """Raise as `load_vgg16`, as far as that shows without a download or a look at the tensors."""
    unknown = set(layers) - set(LAYERS)
    if unknown or not layers:
        raise ConfigError(
            f"perceptual.layers among {', '.join(LAYERS)}",
            ", ".join(sorted(unknown)) or "none",
            "Correct the recipe; relu4_3 is the usual choice.",
        )
    if not weights:
        raise _unusable("none", "The recipe names no VGG16 weights.")
    if weights == "download":
        return
    path = Path(weights).expanduser()
    if not path.is_file():
        raise _unusable(f"no file {weights}", f"There is no file {weights}.")
    if sha256_of(path).startswith(_TORCHVISION):
        raise _unusable("torchvision's own, which expect another input")


def load_vgg16(weights: str, layers: Sequence[str]) -> tuple[VGG16Features, str]:
    """Return the network and the SHA-256 of its file.

    Args:
        weights: path of a .pth or .safetensors file named as in torchvision, or "download" for
            `VGG16`. An unknown file is assumed to expect BGR, as Caffe's and Keras's weights do.
        layers: names from `LAYERS`.

    Raises:
        ConfigError: no weights are given, the file does not exist or is torchvision's own; no layer
            is given, or an unknown one.
        CheckpointError: the file cannot be read, or belongs to another network.
    """
    check_vgg16(weights, layers)
    path = obtain(VGG16) if weights == "download" else Path(weights).expanduser()
    sha256 = sha256_of(path)
    order = _KNOWN_ORDERS.get(sha256[:8])
    if order is None:
        _log.warning("%s is not a published file; assuming Caffe's weights in BGR order", path.name)
    try:
        network = VGG16Features(read_state(path), layers, order or "bgr")
    except RuntimeError as error:
        raise wrong_network(VGG16, path, error) from error
    return network, sha256


def _unusable(got: str, problem: str = "") -> ConfigError:
    return ConfigError(
        "Caffe's VGG16 weights for the perceptual term",
        got,
        f'Set perceptual.weights to a copy of {VGG16.filename} or to "download", or set '
        'perceptual.network = "discriminator", which needs no file.',
        problem=problem,
    )
