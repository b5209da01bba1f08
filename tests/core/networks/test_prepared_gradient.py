"""Adjoints of G's convolutions against autograd's own."""

import pytest
import torch

from diverse_inpainting.core.networks.prepared import upsampling
from diverse_inpainting.core.networks.prepared.synthesis import PreparedConvolution
from diverse_inpainting.core.networks.synthesis import StyledConv
from diverse_inpainting.core.ops import normalized_weight, style_convolve


@pytest.fixture(params=[(12, 20, 8, 1), (12, 20, 8, 2), (128, 128, 16, 1), (5, 7, 16, 2)], ids=str)
def layer(request):
    channels_in, channels_out, side, up = request.param
    layer = StyledConv(channels_in, channels_out, side, 6, up=up).requires_grad_(False)
    layer.taps.copy_(torch.tensor([0.1, 0.2, 0.3, 0.4]))  # not symmetric
    return layer


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
@pytest.mark.parametrize("has_matrix_units", [False, True])
def test_gradients_are_those_of_the_plain_convolution(
    layer, has_matrix_units, dtype, monkeypatch, generator
):
    monkeypatch.setattr(upsampling, "has_matrix_units", lambda *_: has_matrix_units)
    channels, side = layer.weight.shape[1], layer.noise.shape[-1] // layer.up
    x = torch.randn(2, channels, side, side, generator=generator).requires_grad_()
    styles = torch.randn(2, channels, generator=generator).requires_grad_()
    weight = normalized_weight(layer.weight) if dtype == torch.float16 else layer.weight
    expected, _ = style_convolve(x, weight, styles, up=layer.up, taps=layer.taps)
    with torch.no_grad():
        prepared = PreparedConvolution(layer, dtype)
    got = prepared.with_gradient(x.to(dtype), styles).float()
    limit = 5e-5 if dtype == torch.float32 else 16 * torch.finfo(dtype).eps
    dy = torch.randn(expected.shape, generator=generator)
    for value, wanted in (
        (got, expected),
        *zip(
            torch.autograd.grad(got, (x, styles), dy),
            torch.autograd.grad(expected, (x, styles), dy),
            strict=True,
        ),
    ):
        assert (value - wanted).abs().max() <= limit * wanted.std()
