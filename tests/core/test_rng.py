"""The random generators that every stage draws from."""

import torch

from diverse_inpainting.core.rng import rng_for


def draw(*key):
    return torch.rand(4, generator=rng_for(*key))


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
