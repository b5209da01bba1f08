"""What alpha hides: not seen by the networks, and continued from what is visible."""

import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.geometry import erase
from diverse_inpainting.core.transparency import cover_hidden, hidden_mask


def test_half_transparent_pixels_are_hidden():
    alpha = torch.tensor([[0.0, 0.5, 0.51, 1.0]])
    assert hidden_mask(alpha, 2, 1, 4).tolist() == [[[[True, True, False, False]]]] * 2
    assert hidden_mask(alpha[None], 1, 1, 4).shape == (1, 1, 1, 4)


def test_bytes_are_alpha_too_and_nothing_beyond_its_range():
    alpha = torch.tensor([[0, 127, 128, 255]], dtype=torch.uint8)
    assert hidden_mask(alpha, 1, 1, 4).tolist() == [[[[True, True, False, False]]]]
    with pytest.raises(InputError, match="values from 0 to 1"):
        hidden_mask(alpha.float(), 1, 1, 4)


@pytest.mark.parametrize("shape", [(4,), (2, 1, 4), (1, 5, 4), (1, 1, 1, 4)])
def test_alpha_of_another_shape_is_refused(shape):
    with pytest.raises(InputError, match="Take alpha from the same file"):
        hidden_mask(torch.ones(shape), 1, 1, 4)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (7, 5), (16, 16), (33, 2)])
def test_hidden_pixels_take_colours_of_visible_ones(generator, height, width):
    image = torch.rand(2, 3, height, width, generator=generator) * 0.5 + 0.25
    hidden = torch.rand(2, 1, height, width, generator=generator) < 0.7
    hidden[0, 0, 0, 0] = hidden[1, 0, -1, -1] = False
    image = torch.where(hidden, float("nan"), image)
    covered = cover_hidden(image, hidden)
    seen = ~hidden.expand_as(image)
    assert torch.equal(covered[seen], image[seen])
    for b in range(2):
        colours = image[b][seen[b]]
        assert covered[b].min() >= colours.min() - 1e-6
        assert covered[b].max() <= colours.max() + 1e-6


def test_the_nearest_colour_wins():
    image = torch.zeros(1, 1, 8, 8)
    image[..., 4:] = 1.0
    hidden = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    hidden[0, 0, :, 1] = hidden[0, 0, :, 6] = True
    image[hidden] = 0.5
    covered = cover_hidden(image, hidden)
    assert covered[..., 1].max() == 0.0 and covered[..., 6].min() == 1.0


def test_nothing_visible_is_black():
    hidden = torch.ones(1, 1, 3, 3, dtype=torch.bool)
    assert cover_hidden(torch.ones(1, 3, 3, 3), hidden).max() == 0.0


def test_hidden_colours_do_not_reach_the_networks(generator):
    image = torch.rand(1, 20, 30, 3, generator=generator)
    hole, alpha = torch.zeros(1, 20, 30), torch.ones(1, 20, 30)
    hole[:, 5:10, 5:10], alpha[:, :8] = 1, 0.2
    other = image.clone()
    other[:, :8] = 1 - other[:, :8]
    first, second = (erase(x, hole, 16, alpha=alpha) for x in (image, other))
    assert torch.equal(first.erased, second.erased)
    assert torch.equal(first.original, second.original)
    assert torch.equal(first.hole_mask, hole[:, None])
    plain = erase(image, hole, 16)
    assert first.valid.sum() < plain.valid.sum() and not bool((first.valid > plain.valid).any())
    assert torch.equal(erase(image, hole, 16, alpha=torch.ones(1, 20, 30)).erased, plain.erased)
