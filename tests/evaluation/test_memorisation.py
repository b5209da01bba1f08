"""Nearest training pictures inside the hole, on pictures whose neighbours are known."""

import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.evaluation.memorisation import nearest_neighbours
from tolerances import assert_close


@pytest.fixture
def training(generator):
    return torch.randint(0, 256, (5, 3, 16, 16), dtype=torch.uint8, generator=generator)


@pytest.fixture
def left_half():
    holes = torch.zeros(1, 1, 16, 16, dtype=torch.bool)
    holes[..., :8] = True
    return holes


def test_a_pasted_training_picture_is_found(training, left_half, generator):
    """Outside the hole everything differs: that does not count."""
    other = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8, generator=generator)
    holes = left_half.expand(2, -1, -1, -1)
    pictures = torch.where(holes, torch.stack([training[3], training[1].flip(2)]), other)
    found = nearest_neighbours(pictures, holes, training)
    assert found.index.tolist() == [3, 1]
    assert found.mirrored.tolist() == [False, True]
    assert_close(found.distance, torch.zeros(2, dtype=torch.float64), 1e-6)


def test_the_distance_against_a_loop(training, left_half):
    picture = torch.full([1, 3, 16, 16], 90, dtype=torch.uint8)
    found = nearest_neighbours(picture, left_half, training)
    both = torch.cat([training, training.flip(3)]).double() / 255
    each = (both[..., :8] - 90 / 255).square().mean(dim=(1, 2, 3)).sqrt()
    assert_close(found.distance, each.min()[None])
    assert (found.index.item(), found.mirrored.item()) == (each.argmin() % 5, each.argmin() >= 5)


def test_large_pictures_are_compared_coarsely():
    """A chessboard of pixels and its even grey are alike at half the side, not at the full one."""
    board = (torch.arange(64)[:, None] + torch.arange(64)) % 2 * 255
    board = board.to(torch.uint8).expand(1, 3, -1, -1)
    grey = torch.full([1, 3, 64, 64], 128, dtype=torch.uint8)
    found = nearest_neighbours(board, torch.ones(1, 1, 64, 64), grey)
    assert_close(found.distance, torch.tensor([0.5 / 255], dtype=torch.float64))


def test_squares_that_the_hole_covers_in_part_do_not_count(generator):
    """At 64 px a coarse pixel has 2 x 2: of a hole in columns 1 to 4 only columns 2 and 3 count."""
    holes = torch.zeros(2, 1, 64, 64)
    holes[0, ..., 1:5] = 1
    holes[1, ..., 1] = 1
    picture = torch.zeros(2, 3, 64, 64, dtype=torch.uint8)
    training = torch.full([1, 3, 64, 64], 255, dtype=torch.uint8)
    training[..., 2:4] = 51
    training[..., 60:62] = 51
    found = nearest_neighbours(picture, holes, training)
    assert_close(found.distance[0], torch.tensor(0.2, dtype=torch.float64))
    assert found.distance[1].isnan()


def test_the_chunk_does_not_matter(training, left_half, monkeypatch):
    picture = training[4:5].roll(1, dims=1)
    expected = nearest_neighbours(picture, left_half, training)
    monkeypatch.setattr("diverse_inpainting.evaluation.memorisation._CHUNK", 2)
    found = nearest_neighbours(picture, left_half, training)
    assert (found.distance, found.index) == (expected.distance, expected.index)


def test_what_cannot_be_compared(training, left_half):
    picture = training[:1]
    with pytest.raises(InputError, match=r"\[2, 1, 16, 16\]"):
        nearest_neighbours(picture, left_half.expand(2, -1, -1, -1), training)
    with pytest.raises(InputError, match="at least one training picture"):
        nearest_neighbours(picture, left_half, training[:0])
