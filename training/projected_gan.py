"""A critic on features of a network trained on ImageNet, for priors with little time to learn.

Against it, a generator has faces after thousands of pictures; against StyleGAN2's discriminator
alone, after hundreds of thousands.

Source: Sauer et al. 2021, "Projected GANs Converge Faster", arXiv:2111.01007; deviates in smaller
widths, features scaled to unit variance, and pictures enlarged by no more than two.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ..core.distributed import ALONE, Processes, synchronise_batch_norm
from .feature_network import FEATURE_CHANNELS, FeatureNetwork

_PROJECTED_CHANNELS = (32, 48, 64, 96)
_MAX_HEAD_CHANNELS = 128
_HEAD_SIDE_PX = 8
_MAX_SIDE_PX = 256


class Projection(nn.Module):
    """Four maps of features to four maps that each see those of the coarser ones.

    Frozen random 1x1 convolutions mix the channels, frozen random 3x3 convolutions the scales.
    Source: arXiv:2111.01007, section 3.2.
    """

    scales: Tensor

    def __init__(self) -> None:
        super().__init__()
        wide = _PROJECTED_CHANNELS
        self.across_channels = nn.ModuleList(
            nn.Conv2d(c, w, 1) for c, w in zip(FEATURE_CHANNELS, wide, strict=True)
        )
        self.across_scales = nn.ModuleList(
            nn.Conv2d(w, wide[max(i - 1, 0)], 3, padding=1) for i, w in enumerate(wide)
        )
        for conv in (*self.across_channels, *self.across_scales):
            nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
        self.register_buffer("scales", torch.ones(len(wide)))
        self.requires_grad_(False)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Map [N, C_i, S_i, S_i] to [N, C_(i-1)', S_(i-1), S_(i-1)], the finest first."""
        maps: list[Tensor] = []
        x: Tensor | None = None
        for i in reversed(range(len(features))):
            mixed = self.across_channels[i](features[i])
            x = self.across_scales[i](mixed if x is None else x + mixed)
            if i > 0:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            maps.insert(0, x / self.scales[i])
        return maps


def _head(channels: int, side: int) -> nn.Sequential:
    """Return a map from [N, channels, side, side] to patch logits: halve to 8, judge 4x4.

    Batch norm sees real pictures and fakes in batches of their own, so it takes from each what all
    samples share: G cannot please a head by moving all of them one way.
    """
    head = nn.Sequential()
    while side > _HEAD_SIDE_PX:
        wider = min(2 * channels, _MAX_HEAD_CHANNELS)
        conv = spectral_norm(nn.Conv2d(channels, wider, 4, 2, 1, bias=False))
        norm = nn.BatchNorm2d(wider, track_running_stats=False)
        head.extend([conv, norm, nn.LeakyReLU(0.2)])
        channels, side = wider, side // 2
    return head.append(spectral_norm(nn.Conv2d(channels, 1, 4)))


class ProjectedCritic(nn.Module):
    """Pictures [N, 3, R, R] to one map of patch logits for each of four scales."""

    def __init__(
        self,
        network: FeatureNetwork,
        resolution: int,
        photographs: Tensor,
        processes: Processes = ALONE,
    ) -> None:
        """Scale the features by those of photographs.

        Args:
            network: kept out of the state: its weights lie in a package.
            resolution: R.
            photographs: [n, 3, R, R] in [-1, 1].
            processes: that share a batch.
        """
        super().__init__()
        self._network = [network]
        self._side = max(resolution, min(2 * resolution, _MAX_SIDE_PX))
        self.projection = Projection().to(photographs.device)
        with torch.no_grad():
            maps = self.maps(photographs)
            self.projection.scales.copy_(torch.stack([x.std() for x in maps]))
        self.heads = nn.ModuleList(_head(x.shape[1], x.shape[2]) for x in maps)
        synchronise_batch_norm(self.heads, processes)
        self.eval()  # spectral norms iterate in renew_norms alone

    def maps(self, images: Tensor, dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """Return what the heads judge, four maps [N, C, h, w], the finest first.

        Args:
            images: [N, 3, R, R] in about [-1, 1].
            dtype: of feature maps.
        """
        images = F.interpolate(
            images, size=(self._side, self._side), mode="bilinear", align_corners=False
        )
        with _autocast(images.device, dtype):
            return self.projection(
                self._network[0](images.contiguous(memory_format=torch.channels_last))
            )

    def judge(self, maps: list[Tensor], dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """Return patch logits [N, 1, h, w] for each of the maps."""
        with _autocast(maps[0].device, dtype):
            return [head(x) for head, x in zip(self.heads, maps, strict=True)]

    def forward(self, images: Tensor, dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """Return patch logits [N, 1, h, w] for each of the four scales."""
        return self.judge(self.maps(images, dtype), dtype)

    @torch.no_grad()
    def renew_norms(self) -> None:
        """Take one power iteration; in `forward`, micro-batches side by side would race for it."""
        self.heads.train()
        for module in self.heads.modules():
            if isinstance(module, nn.Conv2d):
                module.weight  # noqa: B018 - computing it is what iterates
        self.heads.eval()


def _autocast(device: torch.device, dtype: torch.dtype) -> AbstractContextManager[object]:
    is_full = dtype.itemsize >= 4  # and the meta device, which counts memory, has no autocast
    return nullcontext() if is_full else torch.autocast(device.type, dtype)


def critic_loss(real: list[Tensor], fake: list[Tensor]) -> Tensor:
    """Return the hinge loss of the heads, the sum over scales.

    Source: arXiv:2111.01007, Eq. 2, with the hinge of Lim and Ye 2017, arXiv:1705.02894.
    """
    scales = zip(real, fake, strict=True)
    return torch.stack([F.relu(1 - r).mean() + F.relu(1 + f).mean() for r, f in scales]).sum()


def critic_generator_loss(fake: list[Tensor]) -> Tensor:
    """Return what G minimises against the heads: minus their mean logits, summed over scales."""
    return -torch.stack([logits.mean() for logits in fake]).sum()
