"""bias_act against its formula in float64, and its gradients against finite differences."""

import math

import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.ops import ACTIVATIONS, bias_act, use_backend
from tolerances import assert_close, assert_half_rule

SLOPES = {"linear": 1.0, "relu": 0.0, "lrelu": 0.2}
GAINS = {"linear": 1.0, "relu": math.sqrt(2), "lrelu": math.sqrt(2)}
SHAPES = [(3, 4), (2, 4, 5), (2, 4, 3, 5), (1, 1, 1, 1), (0, 4, 2, 2)]


def draw(generator, shape, device="cpu", away_from_kink=False):
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    # Finite differences across the kink at zero say nothing.
    return (x + 0.1 * x.sign() if away_from_kink else x).to(device)


def oracle(x, bias, activation, gain):
    gain = GAINS[activation] if gain is None else gain
    if bias is not None:
        x = x + bias.reshape(1, -1, *[1] * (x.ndim - 2))
    return torch.where(x > 0, x, SLOPES[activation] * x) * gain


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("gain", "with_bias"), [(None, True), (0.25, True), (0.25, False)])
def test_equals_the_formula(generator, device, activation, shape, gain, with_bias):
    x = draw(generator, shape, device)
    bias = draw(generator, shape[1:2], device) if with_bias else None
    before = x.clone()
    actual = bias_act(x, bias, activation, gain)
    assert_close(actual, oracle(x, bias, activation, gain))
    assert torch.equal(x, before), "the input was changed in place"


def test_every_activation_is_known_here():
    assert set(ACTIVATIONS) == set(SLOPES)


@pytest.mark.parametrize("activation", ["relu", "lrelu"])
def test_default_gain_keeps_the_mean_square(generator, activation):
    """He et al. 2015: sqrt(2) makes up for the half that a rectifier drops."""
    y = bias_act(draw(generator, (1, 100_000)), None, activation)
    kept = (1 + SLOPES[activation] ** 2) / 2 * 2
    assert y.square().mean().item() == pytest.approx(kept, rel=0.02)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.transpose(2, 3),
        lambda x: x[:, :, ::2, 1:],
        lambda x: x[:1].expand(3, -1, -1, -1),
        lambda x: x.contiguous(memory_format=torch.channels_last),
    ],
    ids=["transposed", "strided", "expanded", "channels_last"],
)
def test_reads_any_memory_layout(generator, device, view):
    x = view(draw(generator, (2, 3, 4, 5), device))
    bias = draw(generator, (6,), device)[::2]
    assert_close(bias_act(x, bias, "lrelu"), oracle(x, bias, "lrelu", None))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 2, 2)], ids=str)
@pytest.mark.parametrize(("gain", "wanted"), [(None, "both"), (0.25, "x"), (0.25, "bias")])
def test_gradients(generator, device, activation, shape, gain, wanted):
    """First and second order, by finite differences."""
    bias = torch.full((shape[1],), 0.03, dtype=torch.float64, device=device)
    x = draw(generator, shape, device, away_from_kink=True)
    x.requires_grad_(wanted != "bias")
    bias.requires_grad_(wanted != "x")

    def function(x, bias):
        # Squared: the second derivative of a piecewise linear function would be zero.
        return bias_act(x, bias, activation, gain).square()

    assert torch.autograd.gradcheck(function, (x, bias))
    assert torch.autograd.gradgradcheck(function, (x, bias))


def test_gradients_without_bias(generator, device):
    x = draw(generator, (2, 3, 2), device, away_from_kink=True).requires_grad_()

    def function(x):
        return bias_act(x, None, "lrelu", 0.5).square()

    assert torch.autograd.gradcheck(function, x)
    assert torch.autograd.gradgradcheck(function, x)


def test_float32_bias_on_half_precision_maps_gets_a_float32_gradient(generator, device):
    x = draw(generator, (2, 3, 4, 4), device).bfloat16()
    bias = draw(generator, (3,), device).float().requires_grad_()
    y = bias_act(x, bias, "lrelu")
    (gradient,) = torch.autograd.grad(y.float().sum(), bias)
    assert y.dtype == torch.bfloat16
    assert gradient.dtype == torch.float32


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_as_good_as_plain_code(generator, device, half):
    x = draw(generator, (2, 3, 8, 8), device).to(half)
    bias = draw(generator, (3,), device).float()
    fast = bias_act(x, bias, "lrelu")
    with use_backend("reference"):
        plain = bias_act(x, bias, "lrelu")
        exact = bias_act(x.double(), bias.double(), "lrelu")
    assert_half_rule(fast, plain, exact)


@pytest.mark.parametrize(
    ("x", "options"),
    [
        (torch.zeros(2, 3), {"activation": "swish"}),
        (torch.zeros(2, 3), {"gain": 0.0}),
        (torch.zeros(2, 3), {"gain": -1.0}),
        (torch.zeros(2, 3), {"gain": math.nan}),
        (torch.zeros(2, 3), {"bias": torch.zeros(2)}),
        (torch.zeros(2, 3), {"bias": torch.zeros(3, 1)}),
        (torch.zeros(3), {"bias": torch.zeros(3)}),
    ],
    ids=["activation", "zero_gain", "negative_gain", "nan_gain", "length", "rank", "no_batch"],
)
def test_rejects(x, options):
    with pytest.raises(InputError):
        bias_act(x, **options)
