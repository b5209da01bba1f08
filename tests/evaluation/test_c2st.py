"""The classifier two-sample test on pictures that can, and that cannot, be told apart."""

import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.evaluation import c2st
from diverse_inpainting.evaluation.c2st import NUM_FOLDS, Judge, share_told_apart


def noise(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, 16, 16), dtype=torch.uint8, generator=generator)


@pytest.fixture(autouse=True)
def small_and_short(monkeypatch):
    """Sizes for tests."""
    monkeypatch.setattr(c2st, "_MIN_STEPS", 20)
    monkeypatch.setattr(c2st, "MIN_PICTURES", 6)


def test_flat_fills_are_told_apart():
    real = noise(30)
    completed = real.clone()
    completed[:, :, 4:12, 4:12] = 128
    assert share_told_apart(real, completed, seed=0).mean() > 0.9


def test_one_distribution_is_not():
    """40 mean answers of pairs that are right by chance: five standard deviations around a half."""
    share = share_told_apart(noise(40), noise(40, seed=1), seed=0).mean()
    assert abs(share - 0.5) < 5 * (0.125 / 40) ** 0.5


def test_an_equal_pair_is_half_right_exactly(monkeypatch):
    monkeypatch.setattr(c2st, "_EPOCHS", 1)
    monkeypatch.setattr(c2st, "_MIN_STEPS", 2)
    real = noise(6)
    assert share_told_apart(real, real.clone(), seed=0).tolist() == [0.5] * 6
    completed = torch.cat([real[:3], noise(3, seed=1)])
    assert share_told_apart(real, completed, seed=0)[:3].tolist() == [0.5] * 3


def test_equal_arguments_give_equal_judges(monkeypatch):
    monkeypatch.setattr(c2st, "_EPOCHS", 1)
    monkeypatch.setattr(c2st, "_MIN_STEPS", 2)
    versions = torch.stack([noise(4), noise(4, seed=1)], dim=1)
    first, again, other = (c2st._train(versions, seed, 0) for seed in (3, 3, 4))
    assert torch.equal(first.logit.weight, again.logit.weight)
    assert not torch.equal(first.logit.weight, other.logit.weight)


def test_copies_and_mirror_images_share_a_fold():
    real = noise(12)
    fold = c2st._deal(torch.cat([real, real, real.flip(3)]), seed=0).view(3, 12)
    assert torch.equal(fold[0], fold[1])
    assert torch.equal(fold[0], fold[2])
    assert fold[0].bincount().tolist() == [12 // NUM_FOLDS] * NUM_FOLDS
    assert not torch.equal(fold[0], c2st._deal(real, seed=1))


def test_nobody_is_judged_by_who_saw_it(monkeypatch):
    """Judges that know the pictures they learned from by heart, and nothing else."""
    real, completed = noise(9), noise(9, seed=1)
    seen = []

    def learn(versions, seed, number):
        seen.append({picture.numpy().tobytes() for picture in versions.flatten(0, 1)})
        return seen[-1]

    def answer(known, versions):
        met = [p.numpy().tobytes() in known for p in versions.flatten(0, 1)]
        return torch.tensor(met).double().view(-1, 2).mean(dim=1)

    monkeypatch.setattr(c2st, "_train", learn)
    monkeypatch.setattr(c2st, "_answer", answer)
    assert share_told_apart(real, completed, seed=0).tolist() == [0.0] * 9
    assert [len(pictures) for pictures in seen] == [12] * NUM_FOLDS


def test_large_pictures_keep_their_pixels():
    """Stripes of single pixels vanish when 128 px are halved; the network sees them."""
    grey = torch.zeros(1, 3, 128, 128)
    stripes = grey.clone()
    stripes[..., ::2] = 0.5
    stripes[..., 1::2] = -0.5
    judge = Judge(128, torch.Generator().manual_seed(0)).eval()
    torch.nn.init.ones_(judge.logit.weight)
    assert abs(judge(stripes) - judge(grey)) > 0.1


@pytest.mark.parametrize(
    ("real", "completed", "message"),
    [
        (noise(5), noise(5), "at least 6 pictures"),
        (noise(1).expand(20, -1, -1, -1), noise(20), "at least 6 pictures"),
        (noise(9), noise(10), "one shape"),
        (noise(9)[..., 1:], noise(9)[..., 1:], "square"),
    ],
    ids=["few", "all alike", "unpaired", "side"],
)
def test_what_cannot_be_tested(real, completed, message):
    with pytest.raises(InputError, match=message):
        share_told_apart(real, completed, seed=0)
