"""Moving averages: the half-life counted in images, its ramp, and buffers."""

import pytest
import torch
from torch import nn

from diverse_inpainting.training.ema import averaged_copy, update_average
from tolerances import assert_close


class Tiny(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.a = nn.Parameter(torch.full((3,), value, dtype=torch.float64))
        self.b = nn.Parameter(torch.full((2, 2), 10 * value, dtype=torch.float64))
        self.register_buffer("count", torch.tensor(int(value)))


def weight_of_the_old(*steps, half_life):
    """Return how much of 1 is left after steps of (num_images, nimg) towards 0."""
    average, module = averaged_copy(Tiny(1.0)), Tiny(0.0)
    for num_images, nimg in steps:
        update_average(average, module, num_images=num_images, nimg=nimg, half_life=half_life)
    assert_close(average.b, 10 * average.a[:2].expand(2, 2))
    return average.a[0].item()


def test_half_is_left_after_the_half_life():
    steps = [(8, 10_000 + 8 * i) for i in range(125)]
    assert weight_of_the_old(*steps, half_life=1000) == pytest.approx(0.5)
    assert weight_of_the_old((1000, 10_000), half_life=1000) == pytest.approx(0.5)
    assert weight_of_the_old((2000, 50_000), half_life=1000) == pytest.approx(0.25)


def test_the_batch_size_does_not_matter():
    one = weight_of_the_old((64, 10**6), half_life=500)
    many = weight_of_the_old(*[(4, 10**6 + 4 * i) for i in range(16)], half_life=500)
    assert one == pytest.approx(many)


def test_at_the_start_the_half_life_is_a_tenth_of_what_was_seen():
    assert weight_of_the_old((10, 100), half_life=1000) == pytest.approx(0.5)
    assert weight_of_the_old((100, 9_999), half_life=1000) == pytest.approx(0.5**0.1, rel=1e-4)
    assert weight_of_the_old((16, 0), half_life=1000) == pytest.approx(0.5**10), "init is forgotten"


def test_the_average_moves_towards_the_module():
    average, module = averaged_copy(Tiny(1.0)), Tiny(5.0)
    update_average(average, module, num_images=100, nimg=10**6, half_life=100)
    assert_close(average.a, torch.full((3,), 3.0, dtype=torch.float64))
    assert average.count.item() == 5, "buffers are copied"
    assert module.a[0].item() == 5.0


def test_the_copy_is_its_own_and_does_not_learn():
    module = Tiny(1.0)
    average = averaged_copy(module)
    with torch.no_grad():
        module.a.fill_(9.0)
    assert average.a[0].item() == 1.0
    assert not average.training
    assert not any(p.requires_grad for p in average.parameters())
    assert module.training
    assert all(p.requires_grad for p in module.parameters())
