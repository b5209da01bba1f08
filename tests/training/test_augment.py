"""Augmentations: what they may change, their gradients, and their random numbers."""

import pytest
import torch
import torch.nn.functional as F

from diverse_inpainting.core.distributed import Draws
from diverse_inpainting.training.augment import AUGMENTATIONS, augment, colour, cutout, translation
from tolerances import assert_close

N, R = 24, 16
REACH = R // 8


def draws_of(seed, device):
    return Draws(torch.Generator(device).manual_seed(seed))


@pytest.fixture
def images(generator, device):
    """Images without a zero, so that only cutout makes zeros."""
    x = torch.rand(N, 3, R, R, generator=generator, dtype=torch.float64)
    return (0.1 + 0.9 * x).to(device)


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_shape_dtype_and_repeatability(images, device, kind):
    state = torch.get_rng_state()
    first = augment(images, [kind], draws_of(1, device))
    assert first.shape == images.shape
    assert first.dtype == images.dtype
    assert torch.equal(augment(images, [kind], draws_of(1, device)), first)
    assert not torch.equal(augment(images, [kind], draws_of(2, device)), first)
    assert torch.equal(torch.get_rng_state(), state), "the global generator was used"


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_each_sample_is_changed_in_its_own_way(images, device, kind):
    same = images[:1].expand(N, -1, -1, -1)
    changed = augment(same, [kind], draws_of(1, device))
    assert len({tuple(x.flatten().tolist()) for x in changed}) > N // 3


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_the_input_is_left_alone(images, device, kind):
    before = images.clone()
    augment(images, [kind], draws_of(1, device))
    assert torch.equal(images, before)


def test_kinds_apply_in_turn(images, device):
    drawn = draws_of(1, device)
    expected = cutout(translation(colour(images, drawn), drawn), drawn)
    kinds = ("colour", "translation", "cutout")
    assert torch.equal(augment(images, kinds, draws_of(1, device)), expected)
    assert torch.equal(augment(images, (), draws_of(1, device)), images)


def test_gradients_pass_through_all_augmentations(images, device):
    """As R1 and the generator need them: first and second order."""
    small = images[:2, :, :8, :8].clone().requires_grad_()

    def function(x):
        return augment(x, AUGMENTATIONS, draws_of(3, device)).square()

    assert torch.autograd.gradcheck(function, small, fast_mode=True)
    assert torch.autograd.gradgradcheck(function, small, fast_mode=True)


def test_translation_shifts_and_never_wraps(images, device):
    """Every output is the input shifted by up to R/8 and reflected at its border."""
    shifted = translation(images, draws_of(1, device))
    padded = F.pad(images, (REACH,) * 4, mode="reflect")
    seen = set()
    for before, after in zip(padded, shifted, strict=True):
        matches = [
            (dy, dx)
            for dy in range(2 * REACH + 1)
            for dx in range(2 * REACH + 1)
            if torch.equal(before[:, dy : dy + R, dx : dx + R], after)
        ]
        assert len(matches) == 1
        seen.update(matches)
    assert {dy for dy, _ in seen} == set(range(2 * REACH + 1)), "all shifts occur, including zero"
    assert {dx for _, dx in seen} == set(range(2 * REACH + 1))


def test_cutout_zeroes_a_square_of_half_the_side(images, device):
    cut = cutout(images, draws_of(1, device))
    whole = 0
    for before, after in zip(images, cut, strict=True):
        hidden = (after == 0).all(dim=0)
        rows, columns = hidden.any(dim=1), hidden.any(dim=0)
        assert torch.equal(hidden, rows[:, None] & columns[None, :]), "a rectangle"
        assert torch.equal(after[:, ~hidden], before[:, ~hidden])
        for line in (rows, columns):
            # Contiguous, and half the side unless the border cuts it off.
            places = line.nonzero().flatten()
            assert len(places) == places.max() - places.min() + 1
            assert R // 4 <= len(places) <= R // 2
        whole += int(rows.sum() == columns.sum() == R // 2)
    assert whole > 0


def test_colour_shifts_the_mean_by_up_to_a_half(images, device):
    """Saturation and contrast keep an image's mean; only brightness moves it."""
    x = images.repeat(10, 1, 1, 1)
    moved = (colour(x, draws_of(1, device)) - x).mean(dim=(1, 2, 3))
    assert moved.abs().max() <= 0.5
    assert moved.min() < -0.4
    assert moved.max() > 0.4


def test_colour_keeps_grey_images_grey(images, device):
    grey = images[:, :1].expand(-1, 3, -1, -1)
    changed = colour(grey, draws_of(1, device))
    assert_close(changed[:, 0], changed[:, 1])
    assert_close(changed[:, 0], changed[:, 2])
    contrast = changed.std(dim=(1, 2, 3)) / grey.std(dim=(1, 2, 3))
    assert 0.5 <= contrast.min() < 0.7
    assert 1.3 < contrast.max() <= 1.5


def test_colour_scales_saturation_and_contrast(images, device):
    """Chroma (the channels' distance from grey) is scaled by both, up to 2 times 1.5."""
    x = images.repeat(10, 1, 1, 1)
    changed = colour(x, draws_of(1, device))

    def chroma(images):
        return images - images.mean(dim=1, keepdim=True)

    factor = (chroma(changed) * chroma(x)).sum(dim=(1, 2, 3)) / chroma(x).square().sum((1, 2, 3))
    assert_close(chroma(changed), chroma(x) * factor[:, None, None, None])
    assert 0 <= factor.min() < 0.2
    assert 2 < factor.max() <= 3
