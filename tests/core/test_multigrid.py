"""Laplace's equation, against a sparse direct solver."""

import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
import torch

from diverse_inpainting.core.multigrid import solve_laplace, sum_of_neighbours
from hole_shapes import HOLES


def solved_directly(unknown, values):
    """Solve for bool [h, w] and values [n, h, w] with a factorisation in float64."""
    height, width = unknown.shape
    index = np.arange(height * width).reshape(height, width)
    pairs = np.concatenate(
        [
            np.stack([index[:, 1:].ravel(), index[:, :-1].ravel()]),
            np.stack([index[1:].ravel(), index[:-1].ravel()]),
        ],
        axis=1,
    )
    links = scipy.sparse.coo_array(
        (np.ones(pairs.shape[1]), (pairs[0], pairs[1])), shape=(index.size, index.size)
    ).tocsr()
    links = links + links.T
    inside = unknown.numpy().ravel()
    degrees = scipy.sparse.diags_array(links.sum(axis=1))
    matrix = (degrees - links)[inside]
    known = values.double().numpy().reshape(len(values), -1)
    right = -(matrix[:, ~inside] @ known[:, ~inside].T)
    result = np.zeros_like(known)
    result[:, inside] = (
        scipy.sparse.linalg.spsolve(matrix[:, inside].tocsc(), right).reshape(-1, len(values)).T
    )
    return torch.from_numpy(result.reshape(values.shape)).float()


@pytest.mark.parametrize("name", HOLES)
def test_noise_beside_any_hole_is_solved_to_a_level_of_8_bits(name, generator):
    unknown = HOLES[name](97, 84)
    values = torch.rand(2, *unknown.shape, generator=generator) * 2 - 1
    result = solve_laplace(unknown[None].float(), values)
    assert torch.equal(result, result * unknown)
    assert (result - solved_directly(unknown, values)).abs().max() < 1 / 255


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (2, 1), (1, 9), (8, 3)])
def test_small_grids(size):
    unknown = torch.ones(1, *size)
    unknown[0, 0, 0] = 0
    result = solve_laplace(unknown, torch.full((1, *size), 0.7))
    torch.testing.assert_close(result, 0.7 * unknown)


def test_values_of_unknown_pixels_do_not_matter(generator):
    unknown = HOLES["scribbles"](40, 30)
    values = torch.rand(1, 40, 30, generator=generator)
    other = torch.where(unknown, 9.0, values)
    solved = [solve_laplace(unknown[None].float(), x) for x in (values, other)]
    assert torch.equal(*solved)


def test_right_hand_sides_do_not_mix(generator):
    unknown = HOLES["scribbles"](40, 30)[None].float()
    values = torch.rand(3, 40, 30, generator=generator)
    together, alone = solve_laplace(unknown, values), solve_laplace(unknown, values[1:2])
    torch.testing.assert_close(together[1:2], alone)


def test_neighbours_end_at_the_border():
    counts = sum_of_neighbours(torch.ones(1, 3, 4))
    assert counts[0].tolist() == [[2, 3, 3, 2], [3, 4, 4, 3], [2, 3, 3, 2]]
