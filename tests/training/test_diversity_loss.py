"""The term that keeps samples as diverse as photographs."""

import pytest
import torch

from diverse_inpainting.core.errors import ConfigError, InputError
from diverse_inpainting.training.diversity_loss import (
    DiversityLoss,
    pairwise_distances,
    thumbnails,
)


def random_images(num, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(num, 3, 32, 32, generator=generator) * 2 - 1


def loss_with_reference(reference, group_size=4):
    loss = DiversityLoss(group_size)
    loss.reference = reference
    return loss


def test_distances_by_hand():
    """Corners of a 3x4 rectangle: two sides of 3, two of 4, two diagonals of 5."""
    corners = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0], [3.0, 4.0]])
    distances = pairwise_distances([corners[:, :, None, None], 2 * corners], 4)
    assert distances.tolist() == [[4.0, 8.0]]


def test_thumbnails_are_means_of_squares():
    images = random_images(2)
    assert thumbnails(images).shape == (2, 3, 16, 16)
    torch.testing.assert_close(thumbnails(images)[1, 2, 3, 5], images[1, 2, 6:8, 10:12].mean())


def test_only_samples_of_a_group_are_compared():
    images = random_images(8)
    whole = pairwise_distances([images], 4)
    assert whole.shape == (2, 1)
    for group in range(2):
        alone = pairwise_distances([images[group::2]], 4)
        torch.testing.assert_close(whole[group : group + 1], alone)


def test_fewer_samples_than_a_group_form_one():
    images = random_images(2)
    expected = (images[0] - images[1]).norm()
    torch.testing.assert_close(pairwise_distances([images], 4), expected[None, None])


def test_loss_by_hand():
    """Two groups of two; thumbnails of constant images are 16 sqrt(3) times their difference."""
    images = torch.tensor([0.0, 0.0, 0.5, 0.25])[:, None, None, None].expand(-1, 3, 32, 32)
    features = torch.tensor([[0.0], [0.0], [3.0], [1.0]])
    unit = 16 * 3**0.5
    loss = loss_with_reference(torch.tensor([unit, 2.0]), group_size=2)
    expected = (0.5**2 + 0 + 0.75**2 + 0.5**2) / 2
    assert loss(images, [features]).item() == pytest.approx(expected)


def test_the_reference_is_the_mean_distance_between_photographs():
    loss = DiversityLoss(4)
    batches = [(random_images(4, seed), [random_images(4, seed + 10)]) for seed in range(3)]
    loss.measure_photographs(iter(batches))
    expected = [
        torch.stack([pairwise_distances([kind(*batch)], 4)[0, 0] for batch in batches]).mean()
        for kind in (lambda x, _: thumbnails(x), lambda _, maps: maps[0])
    ]
    torch.testing.assert_close(loss.reference, torch.stack(expected))


def test_photographs_without_a_difference_are_refused():
    same = random_images(1).repeat(4, 1, 1, 1)
    with pytest.raises(InputError, match=r"photographs are identical\..*prior\.diversity_weight"):
        DiversityLoss(4).measure_photographs([(same, [random_images(4)])])


def test_gradient_descent_moves_similar_samples_apart():
    loss = DiversityLoss(4)
    loss.measure_photographs([(random_images(64), [])])
    images = (random_images(1) + 0.01 * random_images(4, seed=1)).requires_grad_()
    (gradient,) = torch.autograd.grad(loss(images, []), images)
    moved = images.detach() - 0.1 * gradient / gradient.norm()
    assert (pairwise_distances([moved], 4) > pairwise_distances([images], 4)).all()


def test_identical_samples_have_a_finite_gradient():
    images = random_images(1).repeat(4, 1, 1, 1).requires_grad_()
    value = loss_with_reference(torch.ones(1))(images, [])
    (gradient,) = torch.autograd.grad(value, images)
    assert value.item() == pytest.approx(1)
    assert gradient.isfinite().all()


@pytest.mark.parametrize(("num", "group_size"), [(1, 4), (4, 1)])
def test_groups_of_one_are_refused(num, group_size):
    with pytest.raises(ConfigError, match=r"at least two samples.*groups of 1.*diversity_weight"):
        pairwise_distances([random_images(num)], group_size)
