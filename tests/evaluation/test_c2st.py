"""The classifier two-sample test on images that a classifier can, and cannot, separate."""

import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.evaluation import c2st
from diverse_inpainting.evaluation.c2st import NUM_FOLDS, Classifier, two_sample_test
from diverse_inpainting.evaluation.images import Images
from evaluation_samples import method, noise_output


def noise(n, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, 16, 16), dtype=torch.uint8, generator=generator)


def c2st_accuracy(real, completed, seed):
    return c2st.c2st_accuracy(Images.of(real), Images.of(completed), seed)


def folds(real, seed):
    return c2st._assign_folds(Images.of(real), seed)


@pytest.fixture(autouse=True)
def small_and_short(monkeypatch):
    """Sizes for tests."""
    monkeypatch.setattr(c2st, "_MIN_STEPS", 20)
    monkeypatch.setattr(c2st, "MIN_IMAGES", 6)


def test_flat_fills_are_recognised():
    real = noise(30)
    completed = real.clone()
    completed[:, :, 4:12, 4:12] = 128
    assert c2st_accuracy(real, completed, seed=0).mean() > 0.9


def test_one_distribution_is_not():
    """The accuracy of 40 pairs that are right by chance: five standard deviations around a half."""
    accuracy = c2st_accuracy(noise(40), noise(40, seed=1), seed=0).mean()
    assert abs(accuracy - 0.5) < 5 * (0.125 / 40) ** 0.5


def test_an_equal_pair_is_half_right_exactly(monkeypatch):
    monkeypatch.setattr(c2st, "_EPOCHS", 1)
    monkeypatch.setattr(c2st, "_MIN_STEPS", 2)
    real = noise(6)
    assert c2st_accuracy(real, real.clone(), seed=0).tolist() == [0.5] * 6
    completed = torch.cat([real[:3], noise(3, seed=1)])
    assert c2st_accuracy(real, completed, seed=0)[:3].tolist() == [0.5] * 3


def test_equal_arguments_give_equal_classifiers(monkeypatch):
    monkeypatch.setattr(c2st, "_EPOCHS", 1)
    monkeypatch.setattr(c2st, "_MIN_STEPS", 2)
    versions = Images.of(torch.stack([noise(4), noise(4, seed=1)], dim=1))
    first, again, other = (c2st._train(versions, seed, 0) for seed in (3, 3, 4))
    assert torch.equal(first.logit.weight, again.logit.weight)
    assert not torch.equal(first.logit.weight, other.logit.weight)


def test_copies_and_mirror_images_are_in_one_fold():
    real = noise(12)
    fold = folds(torch.cat([real, real, real.flip(3)]), seed=0).view(3, 12)
    assert torch.equal(fold[0], fold[1])
    assert torch.equal(fold[0], fold[2])
    assert fold[0].bincount().tolist() == [12 // NUM_FOLDS] * NUM_FOLDS
    assert not torch.equal(fold[0], folds(real, seed=1))


def test_no_image_is_tested_by_a_classifier_that_saw_it(monkeypatch):
    """Classifiers that memorise the images they are trained on, and nothing else."""
    real, completed = noise(9), noise(9, seed=1)
    seen = []

    def learn(versions, seed, number, device):
        seen.append({image.numpy().tobytes() for image in versions[:].flatten(0, 1)})
        return seen[-1]

    def answer(known, versions):
        met = [p.numpy().tobytes() in known for p in versions[:].flatten(0, 1)]
        return torch.tensor(met).double().view(-1, 2).mean(dim=1)

    monkeypatch.setattr(c2st, "_train", learn)
    monkeypatch.setattr(c2st, "_test", answer)
    assert c2st_accuracy(real, completed, seed=0).tolist() == [0.0] * 9
    assert [len(images) for images in seen] == [12] * NUM_FOLDS


def test_large_images_keep_their_pixels():
    """Stripes of single pixels vanish when 128 px are halved; the network sees them."""
    grey = torch.zeros(1, 3, 128, 128)
    stripes = grey.clone()
    stripes[..., ::2] = 0.5
    stripes[..., 1::2] = -0.5
    classifier = Classifier(128, torch.Generator().manual_seed(0)).eval()
    torch.nn.init.ones_(classifier.logit.weight)
    assert abs(classifier(stripes) - classifier(grey)) > 0.1


@pytest.mark.parametrize("real", [noise(5), noise(1).expand(20, -1, -1, -1)], ids=["few", "equal"])
def test_too_few_different_images(real):
    with pytest.raises(InputError, match="at least 6 different images"):
        c2st_accuracy(real, noise(len(real), seed=1), seed=0)


def test_every_image_has_an_accuracy_of_its_own(monkeypatch):
    monkeypatch.setattr(c2st, "_MIN_STEPS", 1)
    monkeypatch.setattr(c2st, "_EPOCHS", 1)
    (metric,) = two_sample_test(30, seed=0, device=torch.device("cpu")).per_method
    values = metric(method(noise_output(30)))["c2st_accuracy"].values
    assert values.shape == (30,)
    assert set(values.tolist()) <= {0.0, 0.5, 1.0}
    few = two_sample_test(5, seed=0, device=torch.device("cpu"))
    assert not few.per_method and "6 images" in few.facts["two_sample"]["left_out"]
