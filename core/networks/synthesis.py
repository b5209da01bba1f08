"""The synthesis network: style codes to an image, with the places where Eq. 7 enters."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..ops import bias_act, modulated_conv2d, setup_filter, style_convolve, upsample2d
from .config import GeneratorConfig
from .layers import EqualizedLinear, clamp_features

Noise = Literal["const", "none"] | Callable[[Tensor], Tensor]
"""Stored noise, no noise, or a function from features [N, C, H, W] to noise [N or 1, 1, H, W].

The features are not demodulated yet; their shape and dtype are what counts."""
Skips = Mapping[int, tuple[Tensor, Tensor]]
"""Side of a block to (G_add, G_mult), each [N, C, side, side]: Eq. 7."""


class PartialSynthesis(NamedTuple):
    """What the blocks below a side leave to the others."""

    side: int
    """Of the first block that has not been run."""
    features: Tensor
    """[N, C, H, W]; the constant where no block has been run."""
    image: Tensor | None
    """[N, 3, H, W], the sum of the to-RGB outputs; None where no block has been run."""


class StyledConv(nn.Module):
    """Modulated 3x3 convolution, noise, bias and leaky rectifier.

    Source: Karras et al. 2020, arXiv:1912.04958, Fig. 2 (d).
    """

    taps: Tensor
    noise: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        side: int,
        w_dim: int,
        *,
        up: int,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.up = up
        self.clamp = clamp
        self.affine = EqualizedLinear(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.register_buffer("noise", torch.randn(side, side))
        self.register_buffer("taps", setup_filter(), persistent=False)

    def forward(self, x: Tensor, w: Tensor, noise: Noise) -> Tensor:
        """Map [N, in, H, W] and w [N, D] to [N, out, H*up, W*up]."""
        # No equalised gain on the weight: demodulation cancels it.
        y, demodulation = style_convolve(x, self.weight, self.affine(w), up=self.up, taps=self.taps)
        if noise == "none":
            added = None
        else:
            drawn = noise(y) if callable(noise) else self.noise[None, None]
            added = drawn * self.noise_strength
        y = bias_act(y, self.bias, "lrelu", scale=demodulation, noise=added)
        return clamp_features(y, self.clamp)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to three channels, without demodulation."""

    def __init__(self, in_channels: int, w_dim: int, clamp: float | None = None) -> None:
        super().__init__()
        self.clamp = clamp
        self.affine = EqualizedLinear(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(3, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.weight_gain = 1.0 / math.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map [N, in, H, W] and w [N, D] to [N, 3, H, W]."""
        styles = self.affine(w) * self.weight_gain
        rgb = bias_act(modulated_conv2d(x, self.weight, styles, demodulate=False), self.bias)
        return clamp_features(rgb, self.clamp)


class SynthesisBlock(nn.Module):
    """One resolution: conv0 (upsamples; absent at 4x4), conv1 and to_rgb."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        side: int,
        w_dim: int,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.side = side
        self.conv0 = (
            None
            if side == 4
            else StyledConv(in_channels, out_channels, side, w_dim, up=2, clamp=clamp)
        )
        self.conv1 = StyledConv(out_channels, out_channels, side, w_dim, up=1, clamp=clamp)
        self.to_rgb = ToRGB(out_channels, w_dim, clamp)

    @property
    def num_convs(self) -> int:
        """Style layers that the block's convolutions take; to_rgb shares the next one."""
        return 1 if self.side == 4 else 2

    @property
    def first_layer(self) -> int:
        """The style layer of the block's first convolution."""
        return 0 if self.side == 4 else 2 * int(math.log2(self.side)) - 5

    def forward(
        self,
        x: Tensor,
        ws: Tensor,
        noise: Noise,
        skip: tuple[Tensor, Tensor] | None,
    ) -> Tensor:
        """Map features [N, in, H, W] and ws [N, num_convs + 1, D] to [N, out, side, side]."""
        if self.conv0 is not None:
            x = self.conv0(x, ws[:, 0], noise)
        if skip is not None:
            x = modulate_features(x, *skip)
        return self.conv1(x, ws[:, self.num_convs - 1], noise)


def modulate_features(features: Tensor, g_add: Tensor, g_mult: Tensor) -> Tensor:
    """Return G_f + G_f * G_mult + G_add, all [N, C, H, W].

    Source: the paper, Eq. 7.
    """
    return features + features * g_mult.to(features.dtype) + g_add.to(features.dtype)


class SynthesisNetwork(nn.Module):
    """Style codes [N, L, D] to images [N, 3, R, R], by a sum of upsampled to-RGB outputs.

    Source: Karras et al. 2020, arXiv:1912.04958, Fig. 7 (b), skip generator.
    """

    taps: Tensor

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.num_layers = config.num_layers
        sides = config.block_resolutions
        self.const = nn.Parameter(torch.randn(config.channels(4), 4, 4))
        widths = {side: config.channels(side) for side in sides}
        self.blocks = nn.ModuleList(
            SynthesisBlock(
                widths[max(side // 2, 4)], widths[side], side, config.w_dim, config.conv_clamp
            )
            for side in sides
        )
        self.register_buffer("taps", setup_filter(), persistent=False)

    def forward(
        self,
        ws: Tensor,
        noise: Noise = "const",
        *,
        skips: Skips | None = None,
        start: PartialSynthesis | None = None,
        dtype: torch.dtype | None = None,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> Tensor:
        """Return images, unclamped, about [-1, 1]: [N, 3, R, R] float32.

        Args:
            ws: [N, L, D].
            noise: `const` takes the stored noise, `none` leaves it out, a function draws it.
            skips: side to (G_add, G_mult), applied between conv0 and conv1 of that block (Eq. 7).
            start: what `start` returned for the same codes; its blocks are not run again.
            dtype: of the feature maps; None takes that of ws, or of start.
            memory_format: of the feature maps; channels_last is the faster one on most hardware.

        Raises:
            InputError: a wrong number of layers, or unknown noise.
        """
        if start is None:
            start = self.start(ws, 0, noise, dtype=dtype, memory_format=memory_format)
        blocks = [block for block in self.blocks_by_side.values() if block.side >= start.side]
        image = self._run(blocks, ws, noise, start, skips).image
        assert image is not None
        return image

    def start(
        self,
        ws: Tensor,
        side: int,
        noise: Noise = "const",
        *,
        dtype: torch.dtype | None = None,
        memory_format: torch.memory_format = torch.contiguous_format,
    ) -> PartialSynthesis:
        """Run the blocks below a side, for several calls of `forward` to continue from.

        Args:
            ws: [N, L, D].
            side: of the first block that is not run.
            noise: as for `forward`.
            dtype: as for `forward`.
            memory_format: as for `forward`.

        Raises:
            InputError: a wrong number of layers, or unknown noise.
        """
        if ws.ndim != 3 or ws.shape[1] != self.num_layers:
            raise InputError(
                f"codes [N, {self.num_layers}, D]", str(tuple(ws.shape)), "Give one per layer."
            )
        if not callable(noise) and noise not in ("const", "none"):
            raise InputError(
                "noise that is 'const', 'none' or a function of the features",
                repr(noise),
                "For random noise pass a function that draws it.",
            )
        x = self.const.to(dtype or ws.dtype).expand(ws.shape[0], -1, -1, -1)
        constant = PartialSynthesis(side, x.contiguous(memory_format=memory_format), None)
        blocks = [block for block in self.blocks_by_side.values() if block.side < side]
        return self._run(blocks, ws, noise, constant, None)

    def _run(
        self,
        blocks: Sequence[SynthesisBlock],
        ws: Tensor,
        noise: Noise,
        start: PartialSynthesis,
        skips: Skips | None,
    ) -> PartialSynthesis:
        x, image = start.features, start.image
        for block in blocks:
            block_ws = ws[:, block.first_layer : block.first_layer + block.num_convs + 1]
            x = block(x, block_ws, noise, None if skips is None else skips.get(block.side))
            rgb = block.to_rgb(x, block_ws[:, -1]).to(ws.dtype)
            image = rgb if image is None else upsample2d(image, self.taps) + rgb
        return PartialSynthesis(start.side, x, image)

    @property
    def blocks_by_side(self) -> dict[int, SynthesisBlock]:
        """The blocks by the side of their features, the smallest first."""
        # ModuleList forgets their type.
        return {block.side: block for block in self.blocks if isinstance(block, SynthesisBlock)}

    def style_affines(self) -> list[tuple[int, Tensor]]:
        """Return (style layer, affine weight [C, D]) of every modulated convolution, in order.

        A to-RGB layer shares its style with the next block's first convolution.
        """
        affines: list[tuple[int, Tensor]] = []
        for block in self.blocks_by_side.values():
            layer, num_convs = block.first_layer, block.num_convs
            if block.conv0 is not None:
                affines.append((layer, block.conv0.affine.weight))
            affines.append((layer + num_convs - 1, block.conv1.affine.weight))
            affines.append((layer + num_convs, block.to_rgb.affine.weight))
        return affines
