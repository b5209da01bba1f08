"""modulated_conv2d against a loop over samples with explicit weights, in float64."""

import numpy as np
import pytest
import scipy.signal
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.ops import modulated_conv2d, setup_filter, use_backend
from tolerances import assert_close, assert_half_rule

SKEWED = torch.tensor([1.0, -0.5, 3.0, 2.0], dtype=torch.float64)


def draw(generator, *shape):
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def sample_weights(weight, style, demodulate):
    """Return the weights of one sample by eqs. 1 and 3 of arXiv:1912.04958."""
    scaled = weight * style[None, :, None, None]
    if not demodulate:
        return scaled
    return scaled / torch.sqrt(scaled.pow(2).sum(dim=(1, 2, 3), keepdim=True) + 1e-8)


def correlate(x, kernel):
    """[H, W] and an odd kernel: zero padding that keeps the size."""
    return scipy.signal.correlate2d(x, kernel, mode="same")


def upsample_and_convolve(x, kernel, taps):
    """Zero-stuff, convolve with kernel and taps in full, cut the middle.

    An impulse at sample i sits at 2i after stuffing and must be centred at 2i + 1/2 (pixel
    centres), while the two full convolutions move it by (K - 1)/2 + (T - 1)/2.
    """
    H, W = x.shape
    stuffed = np.zeros((2 * H, 2 * W))
    stuffed[::2, ::2] = x
    full = scipy.signal.convolve2d(stuffed, kernel)
    full = scipy.signal.convolve2d(full, 4 * np.outer(taps, taps))
    cut = (kernel.shape[0] + len(taps) - 3) // 2
    return full[cut : cut + 2 * H, cut : cut + 2 * W]


def oracle(x, weight, styles, demodulate, up, taps):
    result = []
    for sample, style in zip(x, styles, strict=True):
        weights = sample_weights(weight, style, demodulate).numpy()
        maps = [
            sum(
                correlate(channel, kernel)
                if up == 1
                else upsample_and_convolve(channel, kernel, taps.numpy())
                for channel, kernel in zip(sample.numpy(), kernels, strict=True)
            )
            for kernels in weights
        ]
        result.append(np.stack(maps))
    return torch.from_numpy(np.stack(result))


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("K", [1, 3, 5])
@pytest.mark.parametrize(
    ("up", "taps"),
    [(1, None), (1, SKEWED), (2, setup_filter().double()), (2, SKEWED), (2, SKEWED[1:3])],
    ids=["plain", "taps_unused", "binomial", "skewed", "two_taps"],
)
def test_equals_a_loop_over_samples(generator, device, demodulate, K, up, taps):
    x, weight = draw(generator, 3, 2, 4, 5), draw(generator, 4, 2, K, K)
    styles = draw(generator, 3, 2)
    actual = modulated_conv2d(
        x.to(device),
        weight.to(device),
        styles.to(device),
        demodulate=demodulate,
        up=up,
        taps=None if taps is None else taps.to(device),
    )
    assert actual.shape == (3, 4, 4 * up, 5 * up)
    assert_close(actual.cpu(), oracle(x, weight, styles, demodulate, up, taps))


@pytest.mark.parametrize("up", [1, 2])
def test_one_pixel(generator, device, up):
    x, weight, styles = (
        draw(generator, 2, 3, 1, 1),
        draw(generator, 1, 3, 3, 3),
        draw(generator, 2, 3),
    )
    taps = setup_filter().double()
    actual = modulated_conv2d(
        x.to(device), weight.to(device), styles.to(device), up=up, taps=taps.to(device)
    )
    assert_close(actual.cpu(), oracle(x, weight, styles, True, up, taps))


@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.transpose(2, 3),
        lambda x: x.contiguous(memory_format=torch.channels_last),
        lambda x: x[:1].expand(2, -1, -1, -1),
    ],
    ids=["transposed", "channels_last", "expanded"],
)
def test_reads_any_memory_layout(generator, device, up, view):
    x = view(draw(generator, 2, 3, 4, 4))
    weight, styles = draw(generator, 3, 2, 3, 3).transpose(0, 1), draw(generator, 3, 2).T
    actual = modulated_conv2d(
        view(x).to(device), weight.to(device), styles.to(device), up=up, taps=SKEWED.to(device)
    )
    assert_close(actual.cpu(), oracle(view(x), weight, styles, True, up, SKEWED))


@pytest.mark.parametrize("up", [1, 2])
@pytest.mark.parametrize("demodulate", [True, False])
def test_gradients(generator, device, backend, up, demodulate):
    """First and second order with respect to x, weight and styles, by finite differences."""
    is_slow = backend == "triton"  # in its interpreter, element by element takes half a minute
    inputs = (draw(generator, 2, 2, 2, 3), draw(generator, 2, 2, 3, 3), draw(generator, 2, 2))
    inputs = tuple(tensor.to(device).requires_grad_() for tensor in inputs)
    taps = SKEWED.to(device)

    def function(x, weight, styles):
        return modulated_conv2d(x, weight, styles, demodulate=demodulate, up=up, taps=taps)

    assert torch.autograd.gradcheck(function, inputs, fast_mode=is_slow)
    assert torch.autograd.gradgradcheck(function, inputs, fast_mode=True)


def test_demodulated_channels_keep_unit_variance(generator, device):
    """White noise in, white noise out, whatever the styles: what demodulation is for."""
    x = draw(generator, 2, 8, 64, 64).to(device)
    weight, styles = draw(generator, 4, 8, 3, 3).to(device), 5 * draw(generator, 2, 8).to(device)
    y = modulated_conv2d(x, weight, styles)[:, :, 1:-1, 1:-1]
    assert_close(y.square().mean(dim=(2, 3)), torch.ones(2, 4, dtype=torch.float64).to(y), 0.1)


def test_demodulation_cancels_the_scale_of_weight_and_styles(generator, device):
    x, weight, styles = (
        draw(generator, 2, 3, 4, 4),
        draw(generator, 2, 3, 3, 3),
        draw(generator, 2, 3),
    )
    x, weight, styles = x.to(device), weight.to(device), styles.to(device)
    scaled = modulated_conv2d(x, 7 * weight, 0.3 * styles)
    assert_close(scaled, modulated_conv2d(x, weight, styles), 1e-6)  # 1e-8 in the root


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_zero_styles_give_zero_not_nan(generator, device, dtype):
    x = draw(generator, 1, 2, 3, 3).to(device, dtype)
    weight = draw(generator, 2, 2, 3, 3).to(device, dtype)
    styles = torch.zeros(1, 2, dtype=dtype, device=device, requires_grad=True)
    y = modulated_conv2d(x, weight, styles)
    (gradient,) = torch.autograd.grad(y.sum(), styles)
    assert not y.any()
    if dtype == torch.float64:  # a division by 1e-4 is near float16's limit
        assert gradient.isfinite().all()


@pytest.mark.parametrize("up", [1, 2])
def test_samples_do_not_mix(generator, device, up):
    """Each sample alone gives what it gives in the batch."""
    x, weight, styles = (
        draw(generator, 3, 2, 4, 4),
        draw(generator, 2, 2, 3, 3),
        draw(generator, 3, 2),
    )
    x, weight, styles = x.to(device), weight.to(device), styles.to(device)
    taps = SKEWED.to(device)
    together = modulated_conv2d(x, weight, styles, up=up, taps=taps)
    for i in range(3):
        alone = modulated_conv2d(x[i : i + 1], weight, styles[i : i + 1], up=up, taps=taps)
        assert_close(alone, together[i : i + 1])


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("up", [1, 2])
def test_half_precision_is_as_good_as_plain_code(generator, device, backend, half, up):
    """Maps in half precision, weight and styles in float32: how training runs."""
    if (backend, device.type, half) == ("triton", "cpu", torch.bfloat16):
        pytest.skip("Triton's interpreter truncates to bfloat16, GPUs round")
    x = draw(generator, 2, 8, 8, 8).to(device, half)
    weight, styles = draw(generator, 4, 8, 3, 3).float(), draw(generator, 2, 8).float()
    weight, styles, taps = weight.to(device), styles.to(device), setup_filter().to(device)
    fast = modulated_conv2d(x, weight, styles, up=up, taps=taps)
    assert fast.dtype == half
    with use_backend("reference"):
        plain = modulated_conv2d(x, weight, styles, up=up, taps=taps)
        exact = modulated_conv2d(
            x.double(), weight.double(), styles.double(), up=up, taps=taps.double()
        )
    assert_half_rule(fast, plain, exact)


@pytest.mark.parametrize("up", [1, 2])
def test_float16_does_not_overflow(generator, device, up):
    """Wide layers with large maps and styles: the sums before demodulation exceed 65504."""
    x = 200 * draw(generator, 2, 512, 4, 4).to(device)
    weight, styles = draw(generator, 2, 512, 3, 3).to(device), 20 * draw(generator, 2, 512).abs()
    styles, taps = styles.to(device), setup_filter().to(device)
    raw = modulated_conv2d(x, weight, styles, demodulate=False)
    assert raw.abs().max() > 65504
    exact = modulated_conv2d(x, weight, styles, up=up, taps=taps.double())
    half = modulated_conv2d(x.half(), weight.float(), styles.float(), up=up, taps=taps)
    assert half.dtype == torch.float16
    assert (half.double() - exact).abs().max() < 0.01 * exact.std()


def test_float16_gradients_are_those_of_float32(generator, device):
    """The scales that avoid the overflow do not show in the gradients."""
    x, probe = draw(generator, 2, 8, 4, 4).to(device), draw(generator, 2, 4, 4, 4).to(device)
    results = []
    for dtype in (torch.float16, torch.float32):
        weight = draw(torch.Generator().manual_seed(1), 4, 8, 3, 3).float().to(device)
        styles = draw(torch.Generator().manual_seed(2), 2, 8).float().to(device)
        inputs = (weight.requires_grad_(), styles.requires_grad_())
        y = modulated_conv2d(x.to(dtype), *inputs)
        results.append(torch.autograd.grad((y.float() * probe.float()).sum(), inputs))
    for half, exact in zip(*results, strict=True):
        assert (half - exact).abs().max() < 0.01 * exact.std()


X, WEIGHT, STYLES = torch.zeros(2, 3, 4, 4), torch.zeros(5, 3, 3, 3), torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("x", "weight", "styles", "options"),
    [
        (X[0], WEIGHT, STYLES, {}),
        (X, WEIGHT[0], STYLES, {}),
        (X, WEIGHT[:, :2], STYLES, {}),
        (X, WEIGHT[:, :, :2, :2], STYLES, {}),
        (X, WEIGHT[:, :, :1], STYLES, {}),
        (X, WEIGHT, STYLES[:1], {}),
        (X, WEIGHT, STYLES[:, :2], {}),
        (X, WEIGHT, STYLES[:, :, None], {}),
        (X, WEIGHT, STYLES, {"up": 2}),
        (X, WEIGHT, STYLES, {"up": 2, "taps": torch.ones(4, 4)}),
        (X, WEIGHT, STYLES, {"up": 3, "taps": torch.ones(4)}),
        (X, WEIGHT, STYLES, {"up": 0}),
    ],
    ids=[
        *("x_rank", "weight_rank", "weight_channels", "even_kernel", "oblong_kernel"),
        *("style_batch", "style_channels", "style_rank"),
        *("no_taps", "taps_rank", "up_3", "up_0"),
    ],
)
def test_rejects(x, weight, styles, options):
    with pytest.raises(InputError):
        modulated_conv2d(x, weight, styles, **options)
