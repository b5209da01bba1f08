"""Equalised layers by hand, and against SciPy in float64."""

import math

import numpy as np
import pytest
import torch
from scipy.signal import correlate2d

from diverse_inpainting.core.networks.layers import EqualizedConv2d, EqualizedLinear
from tolerances import assert_close


def test_linear_layer_by_hand():
    layer = EqualizedLinear(4, 2, activation="lrelu", lr_multiplier=0.5).double()
    layer.load_state_dict(
        {
            "weight": torch.tensor([[1.0, 2.0, 3.0, 4.0], [-1.0, 0.0, 0.0, 2.0]]),
            "bias": torch.tensor([2.0, -10.0]),
        }
    )
    # (1 + 2 + 3 + 4) * 0.5 / 2 + 2 * 0.5 = 3.5; (-1 + 2) * 0.5 / 2 - 10 * 0.5 = -4.75
    actual = layer(torch.ones(1, 4, dtype=torch.float64))
    expected = torch.tensor([[3.5, -4.75 * 0.2]], dtype=torch.float64) * math.sqrt(2)
    assert_close(actual, expected)


def test_lr_multiplier_scales_the_steps_not_the_function():
    """The same function at the start; a step of the raw weight moves it a hundredth as far."""
    slow = EqualizedLinear(8, 3, bias_init=1.0, lr_multiplier=0.01).double()
    fast = EqualizedLinear(8, 3, bias_init=1.0).double()
    fast.load_state_dict({k: v * 0.01 for k, v in slow.state_dict().items()})
    x = torch.ones(1, 8, dtype=torch.float64)
    assert_close(slow(x), fast(x))
    assert_close(slow.bias * 0.01, torch.ones(3, dtype=torch.float64), 1e-6)
    gradients = [torch.autograd.grad(layer(x).sum(), layer.weight)[0] for layer in (slow, fast)]
    assert_close(gradients[0], gradients[1] * 0.01)


def correlated(x, weight):
    """Sum over input channels of correlations, as zero padding and stride 1 leave them."""
    return np.stack(
        [
            sum(correlate2d(a, k, "same") for a, k in zip(x, kernels, strict=True))
            for kernels in weight
        ]
    )


def smoothed(x):
    """Smooth with [1, 3, 3, 1] on both axes; row i is centred between pixels i and i + 1."""
    taps = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64
    padded = np.pad(x, ((0, 0), (1, 2), (1, 2)))
    return np.stack([correlate2d(channel, taps, "valid") for channel in padded])


@pytest.mark.parametrize("size", [1, 3])
def test_a_convolution_scales_its_weights_by_their_fan_in(generator, size):
    layer = EqualizedConv2d(5, 2, size).double()
    torch.nn.init.normal_(layer.bias)
    x = torch.randn(3, 5, 6, 7, generator=generator, dtype=torch.float64)
    weight = layer.weight.detach().numpy() / math.sqrt(5 * size * size)
    bias = layer.bias.detach().numpy()[:, None, None]
    expected = np.stack([correlated(image, weight) + bias for image in x.numpy()])
    assert_close(layer(x).detach(), torch.from_numpy(expected))
    gains = layer(x, gain=0.5).detach()
    assert_close(gains, torch.from_numpy(expected * 0.5))


@pytest.mark.parametrize("size", [1, 3])
def test_a_halving_convolution_smooths_first(generator, size):
    """Every second pixel of the smoothed image, convolved with stride 2."""
    layer = EqualizedConv2d(3, 2, size, down=2, bias=False).double()
    x = torch.randn(1, 3, 8, 6, generator=generator, dtype=torch.float64)
    weight = layer.weight.detach().numpy() / math.sqrt(3 * size * size)
    # Smooth beyond the border, where a 3x3 kernel still reads.
    smooth = smoothed(np.pad(x[0].numpy(), ((0, 0), (1, 1), (1, 1))))
    whole = correlated(smooth, weight)[:, 1:-1, 1:-1]
    assert_close(layer(x)[0].detach(), torch.from_numpy(whole[:, ::2, ::2].copy()))


def test_activation_keeps_the_variance_and_outputs_start_with_unit_variance(generator):
    x = torch.randn(64, 100, 4, 4, generator=generator)
    plain = EqualizedConv2d(100, 50, 3)(x).detach()[..., 1:3, 1:3]
    assert plain.var() == pytest.approx(1, rel=0.05)
    activated = EqualizedConv2d(100, 50, 3, activation="lrelu")(x).detach()[..., 1:3, 1:3]
    # E[lrelu(n)^2] * 2 = 1 + 0.2^2
    assert activated.square().mean() == pytest.approx(1.04, rel=0.05)
