"""upfirdn2d against SciPy, its gradients against finite differences, and what up/down preserve."""

import numpy as np
import pytest
import scipy.signal
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.ops import (
    downsample2d,
    setup_filter,
    upfirdn2d,
    upsample2d,
    use_backend,
)
from tolerances import assert_close, assert_half_rule

SKEWED = torch.tensor([0.5, -1.25, 2.0, 0.75, 3.0], dtype=torch.float64)
"""Asymmetric, so that a missing flip shows."""
SKEWED_2D = torch.tensor([[1.0, -2.0, 0.5], [0.25, 4.0, -1.0]], dtype=torch.float64)

# up, down, padding (left, right, top, bottom), flip, gain
SETTINGS = [
    (1, 1, (0, 0, 0, 0), False, 1.0),
    (1, 1, (4, 4, 4, 4), True, 1.0),
    (2, 1, (2, 1, 3, 0), False, 4.0),
    (2, 1, (2, 1, 2, 1), True, 4.0),  # as a transposed convolution that crops all sides equally
    (3, 1, (3, 1, 1, -1), False, 9.0),
    (1, 2, (1, 2, 0, 3), True, 0.5),
    (2, 3, (5, 0, 1, 4), False, -1.5),
    (3, 2, (2, 2, 2, 2), True, 9.0),
    (4, 4, (7, 7, 7, 7), False, 1.0),
    (1, 1, (-2, 4, 3, -1), False, 1.0),
    (2, 2, (-3, -1, -2, -4), True, 2.0),
    (1, 3, (9, -1, -2, 8), False, 1.0),
]


def random_map(generator, *shape, dtype=torch.float64, device="cpu"):
    return torch.randn(shape, generator=generator, dtype=dtype).to(device)


def oracle(x, taps, up, down, padding, flip, gain):
    """Apply the definition: SciPy's full convolution of the zero-stuffed map, cut and strided."""
    kernel = np.outer(taps, taps) if taps.ndim == 1 else taps.numpy()
    kernel = kernel[::-1, ::-1] if flip else kernel
    left, right, top, bottom = padding
    B, C, H, W = x.shape
    KH, KW = kernel.shape
    height, width = H * up + top + bottom - KH + 1, W * up + left + right - KW + 1
    result = np.zeros((B, C, height, width))
    for b in range(B):
        for c in range(C):
            stuffed = np.zeros((H * up, W * up))
            stuffed[::up, ::up] = x[b, c].numpy()
            full = scipy.signal.convolve2d(stuffed, kernel * gain)
            for i in range(height):
                for j in range(width):
                    row, column = i + KH - 1 - top, j + KW - 1 - left
                    if 0 <= row < full.shape[0] and 0 <= column < full.shape[1]:
                        result[b, c, i, j] = full[row, column]
    return torch.from_numpy(result[:, :, ::down, ::down].copy())


@pytest.mark.parametrize("taps", [SKEWED, SKEWED_2D], ids=["separable", "two_axes"])
@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_equals_the_definition(generator, device, taps, setting):
    up, down, padding, flip, gain = setting
    x = random_map(generator, 2, 3, 6, 5)
    actual = upfirdn2d(
        x.to(device), taps.to(device), up=up, down=down, padding=padding, flip=flip, gain=gain
    )
    assert_close(actual.cpu(), oracle(x, taps, *setting))


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format], ids=str)
@pytest.mark.parametrize(
    ("C", "H", "W", "setting"),
    [
        (16, 9, 9, (1, 1, (1, 1, 1, 1), False, 1.0)),  # 8 rows: two whole columns of four
        (16, 9, 21, (1, 1, (2, 1, 2, 1), True, 2.0)),  # 9 rows: one too many, 3 columns x 21 > 64
        (65, 6, 3, (1, 1, (1, 2, 2, 2), False, 1.0)),  # a second block with one channel
        (65, 5, 3, (2, 1, (2, 1, 2, 1), False, 4.0)),
        (5, 8, 7, (2, 1, (1, 2, 1, 2), True, 4.0)),  # the other parity
        (3, 7, 9, (2, 1, (2, 3, 1, 0), False, 4.0)),  # a parity for each axis
        (3, 6, 5, (2, 1, (-1, 2, -3, 2), False, 4.0)),
        (16, 13, 10, (1, 2, (1, 1, 1, 1), False, 1.0)),
        (3, 10, 12, (1, 2, (-1, -3, 1, -2), True, 1.0)),
        (1, 17, 33, (1, 1, (-1, 2, -2, 1), False, 1.0)),
        (1, 5, 23, (3, 1, (2, 4, 3, 2), False, 9.0)),  # 17 x 69, rows in all three phases
    ],
    ids=str,
)
def test_equals_the_definition_at_the_edges_of_tiles(
    generator, device, C, H, W, setting, memory_format
):
    """A kernel computes some rows, pixels and channels together, and the last of them may lack."""
    up, down, padding, flip, gain = setting
    # Channels that do not lie side by side are maps of their own: two show what 65 would.
    C = C if memory_format == torch.channels_last else min(C, 2)
    x = random_map(generator, 2, C, H, W)
    actual = upfirdn2d(
        x.to(device).contiguous(memory_format=memory_format),
        SKEWED[:4].to(device),
        **{"up": up, "down": down, "padding": padding, "flip": flip, "gain": gain},
    )
    assert_close(actual.cpu(), oracle(x, SKEWED[:4], *setting))


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize(
    "setting", [(1, 1, (5, 6, 5, 6), False, 1.0), (2, 1, (6, 5, 6, 5), True, 4.0)], ids=str
)
def test_long_filters(generator, device, axes, setting):
    """Twelve taps, as many as the filters of wavelets have."""
    up, down, padding, flip, gain = setting
    x, taps = random_map(generator, 1, 2, 6, 5), random_map(generator, *(12,) * axes)
    actual = upfirdn2d(
        x.to(device), taps.to(device), up=up, down=down, padding=padding, flip=flip, gain=gain
    )
    assert_close(actual.cpu(), oracle(x, taps, *setting))


@pytest.mark.parametrize("taps", [SKEWED, SKEWED_2D], ids=["separable", "two_axes"])
@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2)])
def test_what_is_not_finite_reaches_no_further_than_the_filter(device, taps, up, down):
    x = torch.zeros(1, 1, 11, 11, dtype=torch.float64, device=device)
    x[..., 5, 5] = 1.0
    padding = (2, 2, 2, 2)
    reached = upfirdn2d(x, taps.to(device), up=up, down=down, padding=padding) != 0
    x[..., 5, 5] = torch.nan
    y = upfirdn2d(x, taps.to(device), up=up, down=down, padding=padding)
    assert torch.equal(y.isnan(), reached)


def test_equals_scipy_upfirdn_along_two_axes(generator, device):
    """SciPy's upfirdn is the full convolution; our padding for that is K - 1 on both sides."""
    x = random_map(generator, 1, 1, 7, 4)
    K = len(SKEWED)
    # SciPy stuffs no zeros after the last sample.
    padding = (K - 1, K - 1 - 2, K - 1, K - 1 - 2)
    actual = upfirdn2d(x.to(device), SKEWED.to(device), up=3, down=2, padding=padding)
    expected = scipy.signal.upfirdn(SKEWED.numpy(), x.numpy(), up=3, down=2, axis=2)
    expected = scipy.signal.upfirdn(SKEWED.numpy(), expected, up=3, down=2, axis=3)
    assert_close(actual.cpu(), torch.from_numpy(expected))


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x.transpose(2, 3),
        lambda x: x[:, ::2, 1:, ::2],
        lambda x: x.flip(3),
        lambda x: x[:1, :1].expand(2, 3, -1, -1),
        lambda x: x.contiguous(memory_format=torch.channels_last),
        lambda x: x[:, :, :1, :1],
    ],
    ids=["transposed", "strided", "flipped", "expanded", "channels_last", "one_pixel"],
)
@pytest.mark.parametrize("setting", [SETTINGS[2], SETTINGS[3]], ids=str)
def test_reads_any_memory_layout(generator, device, view, setting):
    x = view(random_map(generator, 2, 4, 6, 7, device=device))
    up, down, padding, flip, gain = setting
    padding = tuple(p + 4 for p in padding)
    taps = SKEWED.to(device)
    actual = upfirdn2d(x, taps, up=up, down=down, padding=padding, flip=flip, gain=gain)
    assert_close(actual.cpu(), oracle(x.cpu(), SKEWED, up, down, padding, flip, gain))


def test_leaves_its_input_alone(generator, device):
    x = random_map(generator, 1, 2, 4, 4, device=device)
    before = x.clone()
    upfirdn2d(x, SKEWED[:1].to(device), gain=3.0)
    assert torch.equal(x, before)


@pytest.mark.parametrize("padding", [(-9, 20, 0, 0), (10, -12, 0, 0), (0, 0, -9, 20)], ids=str)
def test_padding_may_move_the_whole_map_out_of_view(generator, device, padding):
    x = random_map(generator, 1, 1, 8, 8, device=device).requires_grad_()
    y = upfirdn2d(x, SKEWED[:2].to(device), padding=padding)
    assert_close(y.detach().cpu(), oracle(x.detach().cpu(), SKEWED[:2], 1, 1, padding, False, 1.0))
    assert not torch.autograd.grad(y.sum(), x)[0].any()


@pytest.mark.parametrize(
    ("taps", "setting"),
    [(SKEWED[:4], setting) for setting in SETTINGS] + [(SKEWED_2D, SETTINGS[4])],
    ids=str,
)
def test_gradients(generator, device, taps, setting):
    """First and second order, by finite differences."""
    up, down, padding, flip, gain = setting
    taps = taps.to(device)
    x = random_map(generator, 1, 1, 5, 4, device=device).requires_grad_()

    def function(x):
        # Squared: the second derivative of a linear function would be zero whatever we compute.
        y = upfirdn2d(x, taps, up=up, down=down, padding=padding, flip=flip, gain=gain)
        return y * y

    assert torch.autograd.gradcheck(function, x)
    assert torch.autograd.gradgradcheck(function, x, fast_mode=True)


@pytest.mark.parametrize("setting", SETTINGS, ids=str)
def test_backward_is_the_adjoint(generator, device, setting):
    """<A x, y> = <x, A^T y>, also where the last samples are not used (down > 1)."""
    up, down, padding, flip, gain = setting
    x = random_map(generator, 2, 3, 9, 7, device=device).requires_grad_()
    y = upfirdn2d(x, SKEWED.to(device), up=up, down=down, padding=padding, flip=flip, gain=gain)
    other = random_map(generator, *y.shape, device=device)
    (adjoint,) = torch.autograd.grad(y, x, other)
    assert_close((y * other).sum().detach(), (x * adjoint).sum().detach())


@pytest.mark.parametrize("resample", [upsample2d, downsample2d])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_maps_and_gradients_stay_channels_last(device, resample, dtype):
    """Convolutions and products of two layouts take several times as long."""
    x = torch.ones(2, 16, 8, 8, dtype=dtype, device=device)
    x = x.contiguous(memory_format=torch.channels_last).requires_grad_()
    y = resample(x, setup_filter().to(device))
    (gradient,) = torch.autograd.grad(y, x, torch.ones_like(y))
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("half", [torch.float16, torch.bfloat16])
def test_half_precision_is_as_good_as_plain_code(generator, device, half):
    x = random_map(generator, 2, 3, 8, 8, dtype=torch.float32, device=device).to(half)
    taps = setup_filter().to(device)
    fast = upsample2d(x, taps)
    with use_backend("reference"):
        plain, exact = upsample2d(x, taps), upsample2d(x.double(), taps.double())
    assert_half_rule(fast, plain, exact)


def test_setup_filter_sums_to_one():
    assert setup_filter().tolist() == [0.125, 0.375, 0.375, 0.125]
    assert_close(setup_filter((2, 1)), torch.tensor([2 / 3, 1 / 3]))


@pytest.mark.parametrize("num_taps", [2, 4, 6])
def test_resampling_preserves_a_constant(device, num_taps):
    taps = setup_filter([1.0, 2.0, 5.0, 5.0, 2.0, 1.0][3 - num_taps // 2 : 3 + num_taps // 2])
    x = torch.full((1, 2, 16, 16), 0.7, dtype=torch.float64, device=device)
    reach = num_taps // 2
    up = upsample2d(x, taps.to(device).double())
    down = downsample2d(x, taps.to(device).double())
    assert up.shape == (1, 2, 32, 32)
    assert down.shape == (1, 2, 8, 8)
    for y in (up, down):
        inner = y[:, :, reach:-reach, reach:-reach]
        # The taps are float32 numbers that sum to one within its rounding.
        assert_close(inner, torch.full_like(inner, 0.7), 1e-6)


def test_resampling_stays_centred(device):
    """Pixel centres lie at n + 1/2: a ramp stays the same ramp, with no shift."""
    taps = setup_filter().to(device).double()
    ramp = (torch.arange(12.0, dtype=torch.float64, device=device) + 0.5).expand(1, 1, 12, 12)
    up = upsample2d(ramp, taps)[0, 0, 2:-2, 2:-2]
    assert_close(up, ((torch.arange(2.0, 22.0) + 0.5) / 2).double().to(device).expand(20, 20))
    down = downsample2d(ramp.mT, taps)[0, 0, 1:-1, 1:-1]
    assert_close(down, ((torch.arange(1.0, 5.0) + 0.5) * 2).double().to(device).expand(4, 4).mT)


def test_up_then_down_keeps_the_mean(generator, device):
    """Nothing is lost inside: an impulse's total stays 1 through both."""
    x = torch.zeros(1, 1, 9, 9, dtype=torch.float64, device=device)
    x[0, 0, 4, 4] = 1.0
    taps = setup_filter().to(device).double()
    up = upsample2d(x, taps)
    assert up.sum().item() == pytest.approx(4.0)
    assert downsample2d(up, taps).sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("x", "taps", "options"),
    [
        (torch.zeros(3, 8, 8), SKEWED, {}),
        (torch.zeros(1, 3, 8, 8), SKEWED.reshape(1, 1, 5), {}),
        (torch.zeros(1, 3, 8, 8), SKEWED, {"up": 0}),
        (torch.zeros(1, 3, 8, 8), SKEWED, {"down": 0}),
        (torch.zeros(1, 3, 8, 8), SKEWED, {"padding": (1, 1)}),
        (torch.zeros(1, 3, 4, 8), SKEWED, {}),
        (torch.zeros(1, 3, 8, 8), SKEWED, {"padding": (-2, -2, 0, 0)}),
        (torch.zeros(1, 3, 0, 8), SKEWED, {}),
    ],
    ids=["rank", "taps_rank", "up", "down", "padding", "small", "cropped", "empty"],
)
def test_rejects(x, taps, options):
    with pytest.raises(InputError):
        upfirdn2d(x, taps, **options)
