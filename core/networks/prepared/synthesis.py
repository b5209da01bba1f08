"""The synthesis network for inference with stored noise.

Legend: N samples, C channels, H x W features, L style layers, D width of one code.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from ...ops import ACTIVATIONS, bias_act, list_backends, normalized_styles, normalized_weight
from ..synthesis import (
    PartialSynthesis,
    Skips,
    StyledConv,
    SynthesisBlock,
    SynthesisNetwork,
    ToRGB,
)
from .convolution import Convolution, as_map, limited
from .gradient import DifferentiableConvolution
from .linear import Linear
from .upsampling import UpsamplingConvolution, upsample_image

_SLOPE, _SQRT2 = ACTIVATIONS["lrelu"]
_LARGE = 2**20  # values of a map: several such maps do not stay in a processor's cache


class PreparedConvolution:
    """`StyledConv` with stored noise."""

    def __init__(self, layer: StyledConv, dtype: torch.dtype) -> None:
        self.affine, self.clamp = Linear.of(layer.affine), layer.clamp
        weight, side = layer.weight, layer.noise.shape[-1]
        if dtype == torch.float16:
            weight = normalized_weight(weight)
        self.power = weight.square().sum(dim=(2, 3)).t().contiguous()
        self.convolution: Convolution | UpsamplingConvolution = (
            Convolution(weight, None, dtype, side)
            if layer.up == 1
            else UpsamplingConvolution(weight, layer.taps, dtype, side // 2)
        )
        self.with_gradient = DifferentiableConvolution(
            self.convolution, layer.weight, layer.taps, dtype, side
        )
        self.finish = _Finish(layer, dtype)
        self.is_half = dtype == torch.float16

    def __call__(self, x: Tensor, w: Tensor) -> Tensor:
        """Map [N, in, H, W] and w [N, D] to [N, out, H*up, W*up]."""
        styles = self.affine(w)
        if self.is_half:  # see `style_convolve`
            styles = normalized_styles(styles)
        convolve = self.with_gradient if torch.is_grad_enabled() else self.convolution
        y = convolve(x, styles)
        y = self.finish(y, torch.rsqrt(styles.square() @ self.power + 1e-8))
        return limited(y, self.clamp)


class _Finish:
    """What follows the convolution: demodulation, noise, bias and rectifier."""

    def __init__(self, layer: StyledConv, dtype: torch.dtype) -> None:
        self.noise = (layer.noise * layer.noise_strength)[None, None].to(dtype)
        self.bias = layer.bias.to(dtype)
        # One kernel does it all on a GPU; elsewhere noise and bias are one map.
        self.is_fused = layer.bias.is_cuda and list_backends(layer.bias.device)["triton"] is None
        if not self.is_fused:
            # The rectifier's gain of sqrt(2) is in both summands: they are rectified afterwards.
            offset = (layer.noise * layer.noise_strength + layer.bias[:, None, None]) * _SQRT2
            self.offset = offset[None].to(dtype, memory_format=torch.channels_last)

    def __call__(self, y: Tensor, demodulation: Tensor) -> Tensor:
        if self.is_fused:
            return bias_act(y, self.bias, "lrelu", scale=demodulation, noise=self.noise)
        scale = as_map(demodulation * _SQRT2, y)
        # A part of a map becomes a map of its own.
        is_own = y.is_contiguous(memory_format=torch.channels_last)
        out = y if is_own and not torch.is_grad_enabled() else None
        return F.leaky_relu_(torch.addcmul(self.offset, y, scale, out=out), _SLOPE)


class _PreparedToRGB:
    """`ToRGB` as one matrix product for each sample."""

    def __init__(self, layer: ToRGB, dtype: torch.dtype) -> None:
        self.affine = Linear.of(layer.affine, layer.weight_gain)
        self.weight = layer.weight[:, :, 0, 0]
        self.bias, self.dtype, self.clamp = layer.bias.to(dtype), dtype, layer.clamp

    def __call__(self, x: Tensor, w: Tensor) -> Tensor:
        N, C, H, W = x.shape
        weight = (self.weight * self.affine(w)[:, None]).to(self.dtype)
        pixels = x.permute(0, 2, 3, 1).reshape(N, H * W, C)
        rgb = torch.baddbmm(self.bias, pixels, weight.transpose(1, 2))
        rgb = limited(rgb, self.clamp).float()
        return rgb.view(N, H, W, 3).permute(0, 3, 1, 2)


class _PreparedBlock:
    """`SynthesisBlock`, with its to-RGB layer."""

    def __init__(self, block: SynthesisBlock, dtype: torch.dtype) -> None:
        self.side, self.first_layer = block.side, block.first_layer
        self.conv0 = None if block.conv0 is None else PreparedConvolution(block.conv0, dtype)
        self.conv1 = PreparedConvolution(block.conv1, dtype)
        self.to_rgb = _PreparedToRGB(block.to_rgb, dtype)
        weight = block.conv1.weight
        self.is_large = weight.device.type == "cpu" and len(weight) * self.side**2 >= _LARGE
        """Whether several samples at once are slower than one after the other."""

    def __call__(
        self, x: Tensor, ws: Tensor, skip: tuple[Tensor, Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        """Return features [N, C, side, side] and their part of the image [N, 3, side, side]."""
        layer = self.first_layer
        if self.conv0 is not None:
            x = self.conv0(x, ws[:, layer])
            layer += 1
        if skip is not None:  # `modulate_features`
            g_add, g_mult = (part.to(x.dtype) for part in skip)
            x = limited(torch.addcmul(x + g_add, x, g_mult))
        x = self.conv1(x, ws[:, layer])
        return x, self.to_rgb(x, ws[:, layer + 1])


class PreparedSynthesis:
    """A synthesis network for inference with stored noise; its results are those of the original.

    Gradients: with respect to codes, of first order.

    Weights are cast, squared, summed and laid out once, to-RGB layers are matrix products, and what
    follows a convolution happens in place.
    """

    def __init__(self, network: SynthesisNetwork, dtype: torch.dtype) -> None:
        """Prepare a network with float32 weights for feature maps of float32 or half precision."""
        self.taps = tuple(network.taps.tolist())
        self.const = network.const[None].to(dtype, memory_format=torch.channels_last)
        self.blocks = [_PreparedBlock(b, dtype) for b in network.blocks_by_side.values()]

    def __call__(
        self, ws: Tensor, *, skips: Skips | None = None, start: PartialSynthesis | None = None
    ) -> Tensor:
        """See `SynthesisNetwork.forward`."""
        start = self.start(ws, 0) if start is None else start
        blocks = [block for block in self.blocks if block.side >= start.side]
        first = next((i for i, block in enumerate(blocks) if block.is_large), len(blocks))
        middle = self._run(blocks[:first], ws, start, skips)
        large = blocks[first:]
        if not large or len(ws) == 1:
            return _image(self._run(large, ws, middle, skips))
        rows = [slice(n, n + 1) for n in range(len(ws))]
        parts = [
            self._run(large, ws[row], _part_of(middle, row), _skips_of(skips, row)) for row in rows
        ]
        return torch.cat([_image(part) for part in parts])

    def start(self, ws: Tensor, side: int) -> PartialSynthesis:
        """See `SynthesisNetwork.start`."""
        constant = PartialSynthesis(side, self.const.expand(len(ws), -1, -1, -1), None)
        return self._run([b for b in self.blocks if b.side < side], ws, constant, None)

    def _run(
        self,
        blocks: list[_PreparedBlock],
        ws: Tensor,
        start: PartialSynthesis,
        skips: Skips | None,
    ) -> PartialSynthesis:
        x, image = start.features, start.image
        for block in blocks:
            x, rgb = block(x, ws, None if skips is None else skips.get(block.side))
            image = rgb if image is None else upsample_image(image, self.taps).add_(rgb)
        return PartialSynthesis(start.side, x, image)


def _image(result: PartialSynthesis) -> Tensor:
    assert result.image is not None
    return result.image


def _part_of(whole: PartialSynthesis, rows: slice) -> PartialSynthesis:
    image = None if whole.image is None else whole.image[rows]
    return PartialSynthesis(whole.side, whole.features[rows], image)


def _skips_of(skips: Skips | None, rows: slice) -> Skips | None:
    if skips is None:
        return None
    return {side: (add[rows], mult[rows]) for side, (add, mult) in skips.items()}
