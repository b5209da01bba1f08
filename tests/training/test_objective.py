"""The objective of the stages by hand: Eqs. 2-6, and what D is shown."""

import math
from types import SimpleNamespace

import pytest
import torch

from diverse_inpainting.training.batch import Batch, Substitutes
from diverse_inpainting.training.losses import discriminator_objective
from diverse_inpainting.training.objective import (
    adversarial,
    comparisons,
    composites,
    reconstruction,
)
from tolerances import assert_close

R = 4
WEIGHTS = SimpleNamespace(lambda_r1=2.0, lambda_r2=3.0)


class Doubled:
    """A perceptual term of one map, the doubled picture: 0.1 of the mean square."""

    def features(self, images):
        return [2 * images]

    def __call__(self, first, second):
        return 0.1 * (first[0] - second[0]).square().mean()


def flat(*values):
    return torch.tensor(values)[:, None, None, None].expand(-1, 3, R, R).clone()


def half_batch(*values, substitutes=None, is_generated=True):
    """Pictures of one value each, the upper half erased; the codes say which picture and path."""
    N, image = len(values), flat(*values)
    valid = torch.ones(N, 1, R, R)
    valid[:, :, : R // 2] = 0
    w_same, w_other = torch.zeros(N, 1, 1), torch.arange(1.0, N + 1)[:, None, None]
    codes = w_same if is_generated else None
    return Batch(image, image * valid, valid, codes, w_other, substitutes)


def compare(batch, *outputs):
    return comparisons(batch, torch.cat(outputs), WEIGHTS)


def test_path_g_is_compared_everywhere_and_path_r_where_it_is_valid():
    """Differences of 0.5 and 0.8: 0.25 over all, 0.64 over the valid half; the mean is over all."""
    compared = compare(half_batch(0.1, 0.1), flat(0.6, 0.6), flat(0.9, 0.9))
    loss, terms = reconstruction(compared, Doubled(), 0.5)
    assert terms["pixel_same"].item() == pytest.approx(0.25)
    assert terms["pixel_other"].item() == pytest.approx(0.32)
    assert terms["feature_same"].item() == pytest.approx(0.1 * 4 * 0.25)
    assert terms["feature_other"].item() == pytest.approx(0.1 * 4 * 0.32)
    expected = 2 * (0.5 * 0.25 + 0.1) + 3 * (0.5 * 0.32 + 0.128)
    assert loss.item() == pytest.approx(expected)


def test_no_gradient_reaches_what_path_r_draws_into_the_hole():
    outputs = torch.cat([flat(0.6), flat(0.9)]).requires_grad_()
    loss, _ = reconstruction(comparisons(half_batch(0.1), outputs, WEIGHTS), Doubled(), 1.0)
    (gradient,) = torch.autograd.grad(loss, outputs)
    assert gradient[0].all()
    assert not gradient[1, :, : R // 2].any()
    assert gradient[1, :, R // 2 :].all()


def test_photographs_have_no_path_g():
    batch = half_batch(0.1, 0.2, is_generated=False)
    compared = compare(batch, flat(0.5, 0.6))
    loss, terms = reconstruction(compared, Doubled(), 1.0)
    assert set(terms) == {"pixel_other", "feature_other"}
    assert loss.item() == pytest.approx(3 * (0.08 + 0.4 * 0.08))
    assert len(composites(batch, flat(0.5, 0.6))) == 1
    assert len(batch.inputs()[2]) == 2


def substituted_batch():
    """Of three pictures, the last one's place on path (r) is taken by a photograph of 0.7."""
    plain = half_batch(0.1, 0.2, 0.3)
    photograph = flat(0.7) * plain.valid[:1]
    return half_batch(0.1, 0.2, 0.3, substitutes=Substitutes(torch.tensor([2]), photograph))


def test_a_substitute_is_completed_with_the_hole_and_the_code_of_its_sample():
    batch = substituted_batch()
    erased, valid, codes, picture = batch.inputs()
    assert len(erased) == len(valid) == 4
    assert picture.tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert codes.flatten().tolist() == [0, 0, 0, 1, 2, 3, 3]
    assert_close(erased[3], flat(0.7)[0] * valid[3], 0)


def test_a_photograph_is_reconstructed_in_place_of_its_sample():
    """Path (r) is right for two generated pictures; the third output counts only for D."""
    same = other = flat(0.1, 0.2, 0.3)
    batch = substituted_batch()
    right = compare(batch, same, other + flat(0, 0, 9.0), flat(0.7))
    loss, _ = reconstruction(right, Doubled(), 1.0)
    assert loss.item() == pytest.approx(0, abs=1e-9)
    wrong = compare(batch, same, other, flat(0.1))
    _, terms = reconstruction(wrong, Doubled(), 1.0)
    assert terms["pixel_other"].item() == pytest.approx(0.36 / 2 / 3)


def test_final_images_keep_valid_pixels_and_hold_no_photograph():
    batch = substituted_batch()
    outputs = torch.cat([flat(1, 2, 3), flat(4, 5, 6), flat(9)]).float()
    fakes = composites(batch, outputs)
    assert [f[:, 0, 0, 0].tolist() for f in fakes] == [[1, 2, 3], [4, 5, 6]]
    for fake in fakes:
        assert torch.equal(fake * batch.valid, batch.erased)


def test_the_adversarial_term_sums_both_paths():
    zero, fooled = torch.zeros(2, 1), torch.full((2, 1), 50.0)
    assert adversarial([zero, zero]).item() == pytest.approx(2 * math.log(2))
    assert adversarial([-fooled, zero]).item() == pytest.approx(50 + math.log(2))
    assert adversarial([fooled]).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("r1_weight", [0.0, 0.5])
def test_what_d_minimises_by_hand(r1_weight):
    """D(x) = the sum of x: its gradient is 1 everywhere, so |grad D|^2 is 3 R^2 = 48."""
    fakes = [torch.tensor([[30.0]]), torch.tensor([[-40.0]])]
    real = flat(1.0)
    loss, scalars = discriminator_objective(
        lambda x: x.sum((1, 2, 3))[:, None], real, fakes, r1_weight
    )
    assert loss.item() == pytest.approx(30 + r1_weight * 48)
    assert scalars["d_loss"].item() == pytest.approx(30)
    assert scalars["d_gap"].item() == pytest.approx(48 + 5)
    assert ("r1" in scalars) == (r1_weight > 0)
