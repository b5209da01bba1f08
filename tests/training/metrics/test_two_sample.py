"""The classifier two-sample test on pictures that can, and that cannot, be told apart."""

import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.training.metrics.two_sample import NUM_FOLDS, _deal, share_told_apart


def noise(n, seed=0, R=16):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, R, R), dtype=torch.uint8, generator=generator)


def test_flat_fills_are_told_apart():
    real = noise(40)
    completed = real.clone()
    completed[:, :, 4:12, 4:12] = 128
    assert share_told_apart(real, completed, seed=0).mean() > 0.95


def test_one_distribution_is_not():
    """200 answers, in pairs, that are right by chance: five standard deviations around a half."""
    share = share_told_apart(noise(100), noise(100, seed=1), seed=0).mean()
    assert 0.5 - 5 * 0.05 < share < 0.5 + 5 * 0.05


def test_an_equal_pair_is_half_right_exactly():
    real = noise(12)
    assert share_told_apart(real, real.clone(), seed=0).tolist() == [0.5] * 12
    completed = torch.cat([real[:6], noise(6, seed=1)])
    assert share_told_apart(real, completed, seed=0)[:6].tolist() == [0.5] * 6


def test_equal_arguments_give_equal_answers():
    real, completed = noise(24), noise(24, seed=1)
    first = share_told_apart(real, completed, seed=3)
    assert torch.equal(first, share_told_apart(real, completed, seed=3))
    assert not torch.equal(first, share_told_apart(real, completed, seed=4))


def test_copies_and_mirror_images_share_a_fold():
    real = noise(12)
    fold = _deal(torch.cat([real, real, real.flip(3)]), seed=0).view(3, 12)
    assert torch.equal(fold[0], fold[1])
    assert torch.equal(fold[0], fold[2])
    assert fold[0].bincount().tolist() == [12 // NUM_FOLDS] * NUM_FOLDS
    assert not torch.equal(fold[0], _deal(real, seed=1))


def test_large_pictures_keep_their_pixels():
    """Stripes of single pixels at 128 px vanish when halved; here they tell."""
    real = noise(10, R=1).expand(-1, -1, 128, 128).contiguous()
    completed = real.clone()
    completed[:, :, :, ::2] ^= 32
    assert share_told_apart(real, completed, seed=0).mean() > 0.9


@pytest.mark.parametrize(
    ("real", "completed", "message"),
    [
        (noise(5), noise(5), "at least 6 pictures"),
        (noise(1).expand(20, -1, -1, -1), noise(20), "at least 6 pictures"),
        (noise(9), noise(10), "one shape"),
        (noise(9, R=130), noise(9, R=130), "multiple of 64"),
    ],
    ids=["few", "all alike", "unpaired", "side"],
)
def test_what_cannot_be_tested(real, completed, message):
    with pytest.raises(InputError, match=message):
        share_told_apart(real, completed, seed=0)
