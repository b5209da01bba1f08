"""The term that keeps samples apart."""

import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.training.spread import spread, spread_loss, thumbnails


def pictures(num, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(num, 3, 32, 32, generator=generator) * 2 - 1


def test_distances_by_hand():
    """Corners of a rectangle of 3 by 4: two sides, two sides and two diagonals of 5."""
    corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0], [3.0, 4.0]])
    found = spread([corners[:, :, None, None], 2 * corners], 4)
    assert found.tolist() == [[4.0, 8.0]]


def test_thumbnails_are_means_of_squares():
    images = pictures(2)
    assert thumbnails(images).shape == (2, 3, 16, 16)
    torch.testing.assert_close(thumbnails(images)[1, 2, 3, 5], images[1, 2, 6:8, 10:12].mean())


def test_only_samples_of_a_group_are_compared():
    images = pictures(8)
    whole = spread([images], 4)
    assert whole.shape == (2, 1)
    for group in range(2):
        alone = spread([images[group::2]], 4)
        torch.testing.assert_close(whole[group : group + 1], alone)


def test_fewer_samples_than_a_group_are_one():
    images = pictures(2)
    expected = (images[0] - images[1]).norm()
    torch.testing.assert_close(spread([images], 4), expected[None, None])


def test_loss_by_hand():
    found = torch.tensor([[8.0, 3.0], [5.0, 1.0]])
    wanted = torch.tensor([10.0, 2.0])
    expected = (0.2**2 + (0.5**2 + 0.5**2)) / 2
    assert spread_loss(found, wanted).item() == pytest.approx(expected)


def test_a_step_down_moves_alike_samples_apart():
    wanted = spread([pictures(64)], 4).mean(dim=0)
    images = (pictures(1) + 0.01 * pictures(4, seed=1)).requires_grad_()
    loss = spread_loss(spread([images], 4), wanted)
    (gradient,) = torch.autograd.grad(loss, images)
    moved = images.detach() - 0.1 * gradient / gradient.norm()
    assert (spread([moved], 4) > spread([images], 4)).all()


def test_equal_samples_have_a_finite_gradient():
    images = pictures(1).repeat(4, 1, 1, 1).requires_grad_()
    loss = spread_loss(spread([images], 4), torch.ones(1))
    (gradient,) = torch.autograd.grad(loss, images)
    assert loss.item() == pytest.approx(1) and gradient.isfinite().all()


@pytest.mark.parametrize(("num", "group_size"), [(1, 4), (4, 1)])
def test_groups_of_one_are_refused(num, group_size):
    with pytest.raises(InputError, match=r"least two samples.*got groups of 1.*diversity_weight"):
        spread([pictures(num)], group_size)
