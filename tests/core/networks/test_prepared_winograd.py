"""Winograd's convolution against float64, and how much it errs beside the direct one."""

import pytest
import torch
import torch.nn.functional as F

from diverse_inpainting.core.networks.prepared.winograd import WinogradConvolution


def draw(num, channels_in, channels_out, height, width, generator):
    x = torch.randn(num, channels_in, height, width, generator=generator)
    weight = torch.randn(channels_out, channels_in, 3, 3, generator=generator)
    return x.contiguous(memory_format=torch.channels_last), weight / (9 * channels_in) ** 0.5


@pytest.mark.parametrize(
    ("num", "height", "width"), [(1, 4, 4), (3, 8, 12), (5, 16, 16), (2, 64, 96), (1, 4, 1040)]
)
def test_equals_the_direct_convolution(num, height, width, generator):
    """Chunks of several samples, of several rows, and of less than a row of tiles."""
    x, weight = draw(num, 5, 7, height, width, generator)
    y = WinogradConvolution(weight)(x)
    expected = F.conv2d(x.double(), weight.double(), padding=1)
    assert y.shape == expected.shape and y.is_contiguous(memory_format=torch.channels_last)
    assert (y - expected).abs().max() < 1e-5


def test_scales_each_sample_by_channel(generator):
    x, weight = draw(3, 6, 4, 8, 8, generator)
    scale = torch.rand(3, 6, generator=generator)
    expected = F.conv2d(x.double() * scale[:, :, None, None], weight.double(), padding=1)
    assert (WinogradConvolution(weight)(x, scale) - expected).abs().max() < 1e-5


def test_rounds_no_worse_than_twice_the_direct_convolution(generator):
    x, weight = draw(1, 256, 256, 32, 32, generator)
    exact = F.conv2d(x.double(), weight.double(), padding=1)
    direct = (F.conv2d(x, weight, padding=1) - exact).std()
    assert (WinogradConvolution(weight)(x) - exact).std() < 2 * direct
