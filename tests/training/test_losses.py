"""The losses by hand: Eqs. 2, 3, 5 and 6, R1, and what D minimises."""

import math

import pytest
import torch

from diverse_inpainting.training.losses import (
    adversarial_loss,
    compared_pairs,
    discriminator_loss,
    discriminator_objective,
    final_images,
    full_objective,
    generator_loss,
    r1_penalty,
    reconstruction,
)
from diverse_inpainting.training.sampler import Batch, Substitutes
from tolerances import assert_close

LN2 = math.log(2)
R = 4


class Doubled:
    """A perceptual term of one map, the doubled image: 0.1 of the mean square."""

    def features(self, images):
        return [2 * images]

    def __call__(self, first, second):
        return 0.1 * (first[0] - second[0]).square().mean()


def flat(*values):
    return torch.tensor(values)[:, None, None, None].expand(-1, 3, R, R).clone()


def upper_half_erased(*values, substitutes=None, is_generated=True):
    """A batch of images of one value each."""
    N, image = len(values), flat(*values)
    valid = torch.ones(N, 1, R, R)
    valid[:, :, : R // 2] = 0
    codes = torch.zeros(N, 1, 1)
    return Batch(image, image * valid, valid, codes if is_generated else None, codes, substitutes)


def with_substitute():
    """Of images 0.1, 0.2 and 0.3, a photograph of 0.7 substitutes the last on path (r)."""
    valid = upper_half_erased(0.7).valid
    substitutes = Substitutes(torch.tensor([2]), flat(0.7) * valid)
    return upper_half_erased(0.1, 0.2, 0.3, substitutes=substitutes)


def reconstruct(batch, *outputs, pixel_weight=1.0):
    return reconstruction(compared_pairs(batch, torch.cat(outputs)), Doubled(), pixel_weight)


def test_path_g_is_compared_everywhere_and_path_r_where_it_is_valid():
    """Differences of 0.5 and 0.8: 0.25 over all, 0.64 over the valid half; the mean is over all."""
    batch = upper_half_erased(0.1, 0.1)
    losses, terms = reconstruct(batch, flat(0.6, 0.6), flat(0.9, 0.9), pixel_weight=0.5)
    assert terms["pixel_g"].item() == pytest.approx(0.25)
    assert terms["pixel_r"].item() == pytest.approx(0.32)
    assert terms["perceptual_g"].item() == pytest.approx(0.1 * 4 * 0.25)
    assert terms["perceptual_r"].item() == pytest.approx(0.1 * 4 * 0.32)
    assert losses["g"].item() == pytest.approx(0.5 * 0.25 + 0.1)
    assert losses["r"].item() == pytest.approx(0.5 * 0.32 + 0.128)


def test_no_gradient_reaches_what_path_r_draws_into_the_hole():
    I_go, I_ro = flat(0.6).requires_grad_(), flat(0.9).requires_grad_()
    losses, _ = reconstruct(upper_half_erased(0.1), I_go, I_ro)
    of_g, of_r = torch.autograd.grad(losses["g"] + losses["r"], [I_go, I_ro])
    assert of_g.all()
    assert not of_r[:, :, : R // 2].any()
    assert of_r[:, :, R // 2 :].all()


def test_photographs_have_no_path_g():
    batch = upper_half_erased(0.1, 0.2, is_generated=False)
    losses, terms = reconstruct(batch, flat(0.5, 0.6))
    assert set(terms) == {"pixel_r", "perceptual_r"} and set(losses) == {"r"}
    assert losses["r"].item() == pytest.approx(0.08 + 0.4 * 0.08)
    assert len(final_images(batch, flat(0.5, 0.6))) == 1
    assert len(batch.inputs().w_rand) == 2


def test_a_photograph_is_reconstructed_in_place_of_its_sample():
    """Path (r) is right for two generated images; the third output counts only for D."""
    image = flat(0.1, 0.2, 0.3)
    losses, _ = reconstruct(with_substitute(), image, image + flat(0, 0, 9.0), flat(0.7))
    assert losses["g"].item() == losses["r"].item() == pytest.approx(0, abs=1e-9)
    _, terms = reconstruct(with_substitute(), image, image, flat(0.1))
    assert terms["pixel_r"].item() == pytest.approx(0.36 / 2 / 3)


def test_final_images_keep_valid_pixels_and_contain_no_photograph():
    batch = with_substitute()
    fakes = final_images(batch, torch.cat([flat(1, 2, 3), flat(4, 5, 6), flat(9)]).float())
    assert [f[:, 0, 0, 0].tolist() for f in fakes] == [[1, 2, 3], [4, 5, 6]]
    for fake in fakes:
        assert torch.equal(fake * batch.valid, batch.erased)


def test_the_full_objective_is_equation_6():
    terms = torch.tensor(3.0), torch.tensor(5.0), torch.tensor(7.0)
    loss = full_objective(*terms, lambda_r1=2.0, lambda_r2=0.5, lambda_a=torch.tensor(0.25))
    assert loss.item() == 2 * 3 + 0.5 * 5 + 0.25 * 7


def test_the_adversarial_term_sums_both_paths():
    zero, fooled = torch.zeros(2, 1), torch.full((2, 1), 50.0)
    assert adversarial_loss([zero, zero]).item() == pytest.approx(2 * LN2)
    assert adversarial_loss([-fooled, zero]).item() == pytest.approx(50 + LN2)
    assert adversarial_loss([fooled]).item() == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("r1_weight", [0.0, 0.5])
def test_what_d_minimises_by_hand(r1_weight):
    """D(x) = the sum of x: its gradient is 1 everywhere, so |grad D|^2 is 3 R^2 = 48."""
    fakes = [torch.tensor([[30.0]]), torch.tensor([[-40.0]])]
    loss, scalars = discriminator_objective(
        lambda x: x.sum((1, 2, 3))[:, None], flat(1.0), fakes, r1_weight
    )
    assert loss.item() == pytest.approx(30 + r1_weight * 48)
    assert scalars["d_loss"].item() == pytest.approx(30)
    assert scalars["d_gap"].item() == pytest.approx(48 + 5)
    assert ("r1" in scalars) == (r1_weight > 0)


def logits(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_generator_loss_by_hand():
    """The mean of ln(1 + exp(-x)): ln 2 at 0, nearly 0 where D is fooled, nearly -x where not."""
    assert generator_loss(logits(0.0)).item() == pytest.approx(LN2)
    assert generator_loss(logits(100.0, -100.0)).item() == pytest.approx(50.0)
    assert generator_loss(logits(1.0)).item() == pytest.approx(math.log(1 + math.exp(-1)))


def test_discriminator_loss_by_hand():
    assert discriminator_loss(logits(0.0), logits(0.0)).item() == pytest.approx(2 * LN2)
    assert discriminator_loss(logits(50.0), logits(-50.0)).item() == pytest.approx(0.0, abs=1e-9)
    assert discriminator_loss(logits(-50.0), logits(20.0, 40.0)).item() == pytest.approx(80.0)


def test_the_real_term_counts_once_per_fake():
    """Eq. 5 with its two fakes: 2 softplus(-D(I_g)) + softplus(D(f_g)) + softplus(D(f_r))."""
    loss = discriminator_loss(logits(-50.0), logits(20.0), logits(30.0))
    assert loss.item() == pytest.approx(2 * 50 + 20 + 30)


def test_both_pull_the_logit_of_a_fake_apart():
    fake = logits(0.3).requires_grad_()
    (up,) = torch.autograd.grad(generator_loss(fake), fake)
    (down,) = torch.autograd.grad(discriminator_loss(logits(0.0), fake), fake)
    assert up.item() < 0 < down.item()


def test_r1_of_a_linear_discriminator(generator):
    """D(x) = <a, x> has the gradient a everywhere: the penalty is |a|^2, per image."""
    a = torch.randn(3, 4, 4, generator=generator)
    real = torch.randn(2, 3, 4, 4, generator=generator, requires_grad=True)
    scale = torch.tensor([1.0, 3.0])
    output = (real * a * scale[:, None, None, None]).sum(dim=(1, 2, 3))[:, None]
    penalty = r1_penalty(output, real)
    assert_close(penalty, a.square().sum() * torch.tensor([1.0, 9.0]), 1e-5)


def test_r1_teaches_the_discriminator(generator):
    """D(x) = c/2 |x|^2: the penalty is c^2 |x|^2, its derivative 2 c |x|^2."""
    c = torch.tensor(1.5, requires_grad=True)
    real = torch.randn(2, 3, 4, 4, generator=generator, requires_grad=True)
    output = c / 2 * real.square().sum(dim=(1, 2, 3))[:, None]
    penalty = r1_penalty(output, real)
    squares = real.detach().square().sum(dim=(1, 2, 3))
    assert_close(penalty.detach(), 2.25 * squares, 1e-5)
    (derivative,) = torch.autograd.grad(penalty.sum(), c)
    assert_close(derivative, 3 * squares.sum(), 1e-5)
