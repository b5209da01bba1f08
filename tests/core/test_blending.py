"""Seamless blending: completions with the colours of their surroundings."""

import logging

import pytest
import torch
import torch.nn.functional as F

from diverse_inpainting.core.blending import BLENDS, choose_blend, seamless
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.multigrid import solve_laplace, sum_of_neighbours
from hole_shapes import HOLES


def pair(generator, height, width, variants=2):
    """An image and completions, far enough from 0 and 1 that nothing is clamped."""
    original = torch.rand(3, height, width, generator=generator) * 0.2 + 0.4
    return original, torch.rand(variants, 3, height, width, generator=generator) * 0.2 + 0.4


def rim_of(hole):
    return (sum_of_neighbours(hole[None].float())[0] > 0) & ~hole


@pytest.mark.parametrize("name", HOLES)
def test_the_result_has_the_gradients_of_the_completion(name, generator):
    """Inside the hole the Laplacian is the completion's; valid neighbours count as the image."""
    hole = HOLES[name](61, 50)
    original, completed = pair(generator, 61, 50)
    result = torch.where(hole, seamless(original, completed.clone(), hole.float(), 1.0), original)
    size = sum_of_neighbours(torch.ones(1, 61, 50))
    for image, guide in zip(result, completed, strict=True):
        laplacian, wanted = (size * x - sum_of_neighbours(x) for x in (image, guide))
        assert ((laplacian - wanted) * hole).abs().max() < 2 / 255


def test_a_change_of_colour_is_undone_and_detail_kept(generator):
    original, _ = pair(generator, 40, 50)
    shift = torch.tensor([0.1, -0.2, 0.05])[:, None, None]
    hole = HOLES["scribbles"](40, 50)
    result = seamless(original, (original + shift)[None].clone(), hole.float(), 4.0)[0]
    assert ((result - original) * hole).abs().max() < 1 / 255


def test_colours_are_averaged_along_the_rim(generator):
    """With scale, noise in the image no longer reaches the hole; Gaussian weights on the rim."""
    hole = HOLES["box"](70, 60)
    original, completed = pair(generator, 70, 60, variants=1)
    sigma_px, rim = 2.0, rim_of(hole).double()
    kernels = []
    for length in (70, 60):
        index = torch.arange(length, dtype=torch.float64)
        distance = (index[:, None] - index).abs()
        weights = torch.exp(-0.5 * (distance / sigma_px) ** 2)
        kernels.append(weights.where(distance <= 2 * sigma_px, 0.0))
    rows, columns = kernels
    difference = (original - completed[0]).double()
    smooth = (rows @ (difference * rim) @ columns) / (rows @ rim @ columns).clamp(min=1e-9)
    membrane = solve_laplace(hole[None].float(), (smooth * rim).float())
    result = seamless(original, completed.clone(), hole.float(), 4 * sigma_px)[0]
    assert ((result - completed[0] - membrane) * hole).abs().max() < 1e-4


def test_a_hole_over_everything_is_a_paste(generator):
    original, completed = pair(generator, 9, 7)
    assert torch.equal(seamless(original, completed.clone(), torch.ones(9, 7), 1.0), completed)
    assert torch.equal(seamless(original, completed.clone(), torch.zeros(9, 7), 1.0), completed)


def test_only_the_box_of_the_hole_changes_and_values_stay_in_range(generator):
    original, completed = torch.ones(3, 40, 40), torch.rand(1, 3, 40, 40, generator=generator)
    weight = torch.zeros(40, 40)
    weight[10:20, 12:18] = 0.3
    result = seamless(original, completed.clone(), weight, 1.0)
    outside = torch.ones(40, 40, dtype=torch.bool)
    outside[9:21, 11:19] = False
    assert torch.equal(result[..., outside], completed[..., outside])
    assert result.min() >= 0
    assert result.max() <= 1
    assert (result[..., 10:20, 12:18] == 1).any()


def test_above_a_megapixel_a_coarser_solution_is_close(generator):
    size = (1300, 900)
    colours = torch.rand(1, 3, 7, 5, generator=generator) * 0.4 + 0.3
    completed = F.interpolate(colours, size=size, mode="bilinear")
    original = torch.full((3, *size), 0.5)
    hole = torch.zeros(size, dtype=torch.bool)
    hole[3:1295, 6:897] = True
    hole[600:640, 400:407] = False
    membrane = solve_laplace(hole[None].float(), original - completed[0])
    result = seamless(original, completed.clone(), hole.float(), 8.0)[0]
    error = ((result - completed[0] - membrane) * hole).abs()
    assert error.max() < 5 / 255 and error.mean() < 1 / 255


@pytest.mark.parametrize("feather_px", [0, 5])
def test_the_default_follows_the_feather(feather_px, caplog):
    assert choose_blend(None, feather_px) == ("feather" if feather_px else "seamless")
    with caplog.at_level(logging.WARNING):
        assert [choose_blend(blend, feather_px) for blend in BLENDS] == list(BLENDS)
    warned = [record.getMessage() for record in caplog.records]
    assert len(warned) == (2 if feather_px else 0)
    assert all("feather of 5 px has no effect" in text for text in warned)


def test_an_unknown_blend_is_refused():
    with pytest.raises(InputError, match="'seamless'"):
        choose_blend("seemless", 0)
