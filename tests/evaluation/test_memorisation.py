"""Nearest training images inside the hole, on images whose neighbours are known."""

import pytest
import torch

from diverse_inpainting.evaluation import images as module
from diverse_inpainting.evaluation.images import Images
from diverse_inpainting.evaluation.memorisation import memorisation, nearest_neighbours
from evaluation_samples import method, noise, noise_output
from tolerances import assert_close


def nearest(*tensors):
    return nearest_neighbours(*map(Images.of, tensors))


@pytest.fixture
def training(generator):
    return torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8, generator=generator)


@pytest.fixture
def left_half():
    holes = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    holes[..., :8] = True
    return holes


def test_a_pasted_training_image_is_found(training, left_half, generator):
    """Outside the hole everything differs: that does not count."""
    other = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8, generator=generator)
    holes = left_half.expand(2, -1, -1, -1)
    images = torch.where(holes, torch.stack([training[3], training[1].flip(2)]), other)
    found = nearest(images, holes, training)
    assert found.index.tolist() == [3, 1]
    assert found.mirrored.tolist() == [False, True]
    assert_close(found.distance, torch.zeros(2, dtype=torch.float64), 1e-6)


def test_the_distance_against_a_loop(training, left_half):
    image = torch.full([1, 3, 16, 16], 90, dtype=torch.uint8)
    found = nearest(image, left_half, training)
    both = torch.cat([training, training.flip(3)]).double() / 255
    each = (both[..., :8] - 90 / 255).square().mean(dim=(1, 2, 3)).sqrt()
    assert_close(found.distance, each.min()[None])
    assert (found.index.item(), found.mirrored.item()) == (each.argmin() % 5, each.argmin() >= 5)


def test_large_images_are_compared_coarsely():
    """A chessboard of pixels and its even grey are alike at half the side, not at the full one."""
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 255
    board = board.to(torch.uint8).expand(1, 3, -1, -1)
    grey = torch.full([1, 3, 64, 64], 128, dtype=torch.uint8)
    found = nearest(board, torch.ones(1, 1, 64, 64), grey)
    assert_close(found.distance, torch.tensor([0.5 / 255], dtype=torch.float64))


def test_squares_that_the_hole_covers_in_part_do_not_count(generator):
    """At 64 px a coarse pixel has 2 x 2: of a hole in columns 1 to 4 only columns 2 and 3 count."""
    holes = torch.zeros(2, 1, 64, 64)
    holes[0, ..., 1:5] = 1
    holes[1, ..., 1] = 1
    image = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    training = torch.full([1, 3, 64, 64], 255, dtype=torch.uint8)
    training[..., 2:4] = 51
    training[..., 60:62] = 51
    found = nearest(image, holes, training)
    assert_close(found.distance[0], torch.tensor(0.2, dtype=torch.float64))
    assert found.distance[1].isnan()


def test_the_chunk_does_not_matter(training, left_half, monkeypatch):
    image = training[4:5].roll(1, dims=1)
    expected = nearest(image, left_half, training)
    monkeypatch.setattr(module, "CHUNK", 2)
    found = nearest(image, left_half, training)
    assert (found.distance, found.index) == (expected.distance, expected.index)


def test_a_fill_from_the_training_set_is_near():
    """Two of twenty fills are training images; the others are as new as the originals."""
    training = noise(30, 3, 16, 16, seed=2)
    some = noise_output(20, num_variants=1)
    pasted = torch.where(some.holes[:2], training[4:6], some.originals[:2])
    results = torch.cat([pasted, some.results[2:, 0]])[:, None]
    (metric,) = memorisation(Images.of(training)).per_method
    values = metric(method(noise_output(20, results=results)))
    assert values["neighbour_distance"].values[:2].tolist() == pytest.approx([0, 0], abs=1e-6)
    assert values["near_training"].values[:2].tolist() == [1, 1]
    assert values["near_training"].values[2:].mean() < 0.3
    assert values["neighbour_ratio"].values[2:].mean() == pytest.approx(1, abs=0.1)


def test_thin_holes_are_left_out():
    holes = torch.zeros(4, 1, 64, 64, dtype=torch.bool)
    holes[:2, ..., :8] = True
    holes[2:, ..., 1] = True
    originals = noise(4, 3, 64, 64)
    some = noise_output(4, originals=originals, holes=holes, results=originals[:, None])
    (metric,) = memorisation(Images.of(noise(3, 3, 64, 64, seed=2))).per_method
    for values in metric(method(some)).values():
        assert values.denominator[:2].gt(0).all()
        assert values.numerator[2:].tolist() == values.denominator[2:].tolist() == [0, 0]


def test_originals_that_were_trained_on_are_left_out_with_a_warning(caplog):
    """Of six originals two are in the training set, one of them as its mirror image."""
    some = noise_output(6)
    mine = some.originals
    training = torch.cat([noise(30, 3, 16, 16, seed=2), mine[3:4], mine[5:].flip(3)])
    (metric,) = memorisation(Images.of(training)).per_method
    some = method(some)
    for values in metric(some).values():
        assert values.values.isnan().tolist() == [False, False, False, True, False, True]
        assert values.values[[0, 1, 2, 4]].isfinite().all()
    metric(some)
    (message,) = caplog.messages
    assert message.startswith("2 of 6 images are among the training images")
