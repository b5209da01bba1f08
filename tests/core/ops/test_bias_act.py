"""bias_act against its formula in float64, and its gradients against finite differences."""

import math

import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.ops import ACTIVATIONS, bias_act, dispatch, use_backend
from diverse_inpainting.core.ops.bias_act import scale_channels
from tolerances import assert_close, assert_half_rule

SLOPES = {"linear": 1.0, "relu": 0.0, "lrelu": 0.2}
GAINS = {"linear": 1.0, "relu": math.sqrt(2), "lrelu": math.sqrt(2)}
FORMATS = [torch.contiguous_format, torch.channels_last]
MAPS = [(2, 3, 5, 4), (3, 70, 2, 3), (1, 4, 37, 33)]
EMPTY = [(0, 4, 2, 2), (2, 2, 0, 3)]
SHAPES = [(3, 4), (2, 4, 5), (2, 4, 3, 5), (1, 1, 1, 1), (0, 4, 2, 2)]


def draw(generator, shape, device="cpu", away_from_kink=False):
    x = torch.randn(shape, generator=generator, dtype=torch.float64)
    # Finite differences across the kink at zero say nothing.
    return (x + 0.1 * x.sign() if away_from_kink else x).to(device)


def oracle(x, bias, activation, gain, scale=None, noise=None):
    gain = GAINS[activation] if gain is None else gain
    if scale is not None:
        x = x * scale.reshape(*scale.shape, *[1] * (x.ndim - 2))
    if noise is not None:
        x = x + noise
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


@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
@pytest.mark.parametrize("shape", MAPS + EMPTY, ids=str)
@pytest.mark.parametrize("parts", ["scale", "noise", "scale noise"])
@pytest.mark.parametrize("shared", [True, False])
def test_scale_and_noise_equal_the_formula(generator, device, memory_format, shape, parts, shared):
    x = draw(generator, shape, device).contiguous(memory_format=memory_format)
    B, C, H, W = shape
    bias = draw(generator, (C,), device)
    scale = draw(generator, (C, B), device).T if "scale" in parts else None
    noise_shape = (1 if shared else B, 1, H, W)
    noise = draw(generator, noise_shape, device) if "noise" in parts else None
    actual = bias_act(x, bias, "lrelu", 0.5, scale=scale, noise=noise)
    assert_close(actual, oracle(x, bias, "lrelu", 0.5, scale, noise))
    assert actual.is_contiguous(memory_format=memory_format) or not actual.numel()


@pytest.mark.parametrize("shared", [True, False])
def test_few_channels_in_half_precision_give_the_same_in_both_formats(generator, device, shared):
    """Channels last, the terms are repeated along rows first."""
    shape = (2, 16, 5, 7)
    x, bias = draw(generator, shape, device).bfloat16(), draw(generator, (16,), device)
    terms = {
        "scale": draw(generator, (2, 16), device),
        "noise": draw(generator, (1 if shared else 2, 1, 5, 7), device),
    }
    plain = bias_act(x, bias, "lrelu", **terms)
    x = x.contiguous(memory_format=torch.channels_last)
    assert torch.equal(bias_act(x, bias, "lrelu", **terms), plain)


@pytest.mark.parametrize("shape", [(3, 70), (2, 4, 5), *MAPS, *EMPTY], ids=str)
def test_scaled_channels_are_products(generator, device, shape):
    x, scale = draw(generator, shape, device), draw(generator, shape[:2], device)
    assert_close(scale_channels(x, scale), oracle(x, None, "linear", 1.0, scale))


WANTS = ["bias", "scale", "noise", "x scale", "x bias scale noise"]


@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
@pytest.mark.parametrize("activation", ["linear", "lrelu"])
@pytest.mark.parametrize("wanted", WANTS)
@pytest.mark.parametrize("noises", [1, 2])
def test_gradients_with_scale_and_noise(
    generator, device, memory_format, activation, wanted, noises
):
    """First and second order, by finite differences."""
    tensors = {
        "x": draw(generator, (2, 3, 1, 2), device).contiguous(memory_format=memory_format),
        "bias": draw(generator, (3,), device),
        "scale": draw(generator, (2, 3), device),
        "noise": draw(generator, (noises, 1, 1, 2), device),
    }
    wanted = wanted.split()
    inputs = tuple(tensors[name].requires_grad_() for name in wanted)

    def function(*inputs):
        x, bias, scale, noise = (tensors | dict(zip(wanted, inputs, strict=True))).values()
        return bias_act(x, bias, activation, 0.7, scale=scale, noise=noise).square()

    assert torch.autograd.gradcheck(function, inputs, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


@pytest.mark.parametrize("shape", EMPTY, ids=str)
def test_empty_maps_have_gradients(device, shape):
    x = torch.zeros(shape, device=device, requires_grad=True)
    bias = torch.zeros(shape[1], device=device, requires_grad=True)
    scale = torch.zeros(shape[:2], device=device, requires_grad=True)
    y = bias_act(x, bias, "lrelu", scale=scale)
    gradients = torch.autograd.grad(y.sum(), (x, bias, scale))
    assert [gradient.shape for gradient in gradients] == [x.shape, bias.shape, scale.shape]
    assert not any(gradient.any() for gradient in gradients)


@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
@pytest.mark.parametrize("shape", MAPS, ids=str)
@pytest.mark.parametrize("wants", [(0, 1, 2), (0, 1), (2,), (0, 2)], ids=str)
def test_first_gradients_are_those_that_can_be_differentiated(
    generator, device, memory_format, shape, wants
):
    """The pass that computes all at once and the sum of its parts, which autograd sees through."""
    x = draw(generator, shape, device).float().contiguous(memory_format=memory_format)
    bias, scale = draw(generator, shape[1:2], device).float(), draw(generator, shape[:2], device)
    dy, inputs = draw(generator, shape, device).float(), (x, bias, scale.float())
    wanted = [inputs[i].requires_grad_() for i in wants]
    y = bias_act(x, bias, "lrelu", scale=inputs[2])
    fused = torch.autograd.grad(y, wanted, dy, retain_graph=True)
    with use_backend("reference"):
        y = bias_act(x, bias, "lrelu", scale=inputs[2])
    plain = torch.autograd.grad(y, wanted, dy, create_graph=True)
    for one, other in zip(fused, plain, strict=True):
        assert not one.requires_grad
        assert other.requires_grad
        # Relative to the largest: a sum of many terms may be near zero.
        size = other.detach().abs().max().clamp(min=1)
        assert_close(one / size, other.detach() / size)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
def test_half_precision_gradients_are_as_good_as_plain_code(generator, device, half, memory_format):
    x, dy = (draw(generator, (2, 5, 9, 8), device).to(half) for _ in range(2))
    x = x.contiguous(memory_format=memory_format)
    bias, scale = draw(generator, (5,), device).float(), draw(generator, (2, 5), device).float()

    def gradients(dtype, backend):
        inputs = [tensor.to(dtype) for tensor in (x, bias, scale)]
        if dtype == half:  # as in training: features in half precision, what belongs to weights not
            inputs[1:] = [bias, scale]
        inputs = [tensor.detach().requires_grad_() for tensor in inputs]
        with use_backend(backend):
            y = bias_act(*inputs[:2], "lrelu", scale=inputs[2])
        return torch.autograd.grad(y, inputs, dy.to(dtype))

    exact = gradients(torch.float64, "reference")
    plain = gradients(half, "reference")
    fast = gradients(half, dispatch.requested())
    for one, other, true, like in zip(fast, plain, exact, (x, bias, scale), strict=True):
        assert one.dtype == like.dtype
        # Plain code rounds sums to half precision, whatever it returns them in.
        assert_half_rule(one.to(half), other.to(half), true)


@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
def test_programs_walk_through_several_tiles(
    generator, device, backend, memory_format, monkeypatch
):
    """With three programs in place of thousands, each has many tiles."""
    if backend != "triton":
        pytest.skip("the reference has no programs")
    monkeypatch.setattr("diverse_inpainting.core.ops.triton.bias_act._PROGRAMS", 3)
    x = draw(generator, (2, 5, 70, 61), device).contiguous(memory_format=memory_format)
    bias, scale = draw(generator, (5,), device), draw(generator, (2, 5), device)
    noise, dy = draw(generator, (2, 1, 70, 61), device), draw(generator, x.shape, device)
    inputs = [tensor.requires_grad_() for tensor in (x, bias, scale)]
    actual = bias_act(x, bias, "lrelu", scale=scale, noise=noise)
    expected = oracle(x, bias, "lrelu", None, scale, noise)
    assert_close(actual, expected)
    for one, other in zip(
        torch.autograd.grad(actual, inputs, dy),
        torch.autograd.grad(expected, inputs, dy),
        strict=True,
    ):
        assert_close(one, other)


def test_a_large_map_is_walked_in_tiles(generator, device):
    """More tiles than programs; addresses beyond 2**31."""
    if device.type != "cuda":
        pytest.skip("too large for a CPU; give --device cuda")
    x = torch.ones(1, dtype=torch.bfloat16, device=device).expand(2, 96, 3600, 3200)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    scale = draw(generator, (2, 96), device).float().requires_grad_()
    y = scale_channels(x, scale)
    assert torch.equal(y[1, :, -1, -1], scale[1].bfloat16())
    (gradient,) = torch.autograd.grad(y, scale, torch.ones_like(y))
    # The reference rounds the sum to bfloat16, which keeps eight bits.
    assert_close(gradient / (3600 * 3200), torch.ones_like(gradient), 2**-8)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 2, 2)], ids=str)
@pytest.mark.parametrize(("gain", "wanted"), [(None, "both"), (0.25, "x"), (0.25, "bias")])
def test_gradients(generator, device, backend, activation, shape, gain, wanted):
    """First and second order, by finite differences."""
    bias = torch.full((shape[1],), 0.03, dtype=torch.float64, device=device)
    x = draw(generator, shape, device, away_from_kink=True)
    x.requires_grad_(wanted != "bias")
    bias.requires_grad_(wanted != "x")

    def function(x, bias):
        # Squared: the second derivative of a piecewise linear function would be zero.
        return bias_act(x, bias, activation, gain).square()

    is_slow = backend == "triton"  # in its interpreter, element by element takes half a minute
    assert torch.autograd.gradcheck(function, (x, bias))
    assert torch.autograd.gradgradcheck(function, (x, bias), fast_mode=is_slow)


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
        (torch.zeros(2, 3), {"scale": torch.zeros(3)}),
        (torch.zeros(2, 3), {"scale": torch.zeros(1, 3)}),
        (torch.zeros(2, 3, 4), {"noise": torch.zeros(2, 3, 4)}),
        (torch.zeros(4, 3, 4), {"noise": torch.zeros(2, 1, 4)}),
        (torch.zeros(2, 3, 4), {"noise": torch.zeros(1, 1, 1)}),
    ],
    ids=[
        *("activation", "zero_gain", "negative_gain", "nan_gain", "length", "rank", "no_batch"),
        *("scale_rank", "scale_batch", "noise_channels", "noise_batch", "noise_size"),
    ],
)
def test_rejects(x, options):
    with pytest.raises(InputError):
        bias_act(x, **options)
