"""Loss terms by hand, and the random generators that every stage draws from."""

import math

import pytest
import torch

from diverse_inpainting.core.rng import generator_for
from diverse_inpainting.training.losses import discriminator_loss, generator_loss, r1_penalty
from tolerances import assert_close

LN2 = math.log(2)


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
    """D(x) = <a, x> has the gradient a everywhere: the penalty is |a|^2, per picture."""
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


def draw(*key):
    return torch.rand(4, generator=generator_for(*key))


def test_equal_keys_give_equal_numbers():
    torch.manual_seed(0)
    first = draw(7, "latents", 3000)
    torch.manual_seed(1)
    assert torch.equal(draw(7, "latents", 3000), first)


def test_every_part_of_the_key_counts():
    keys = [(7, "latents", 3000), (8, "latents", 3000), (7, "noise", 3000), (7, "latents", 3001)]
    assert len({tuple(draw(*key).tolist()) for key in keys}) == 4


def test_seed_plus_one_is_not_position_plus_one():
    """Runs with neighbouring seeds share nothing, wherever each of them is."""
    ours = {tuple(draw(0, "latents", n).tolist()) for n in range(50)}
    theirs = {tuple(draw(1, "latents", n).tolist()) for n in range(50)}
    assert not ours & theirs


def test_the_global_generator_is_left_alone():
    state = torch.get_rng_state()
    draw(2**63, "order", 2**48)
    assert torch.equal(torch.get_rng_state(), state)
