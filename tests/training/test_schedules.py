"""Learning rates and the ramp of the adversarial term, by hand."""

import pytest

from diverse_inpainting.training.config import CompletionConfig
from diverse_inpainting.training.schedules import adversarial_factor, rate_factor


def config(**settings):
    required = {"batch_size": 8, "r1_gamma": 1.0, "r1_every": 1, "ema_half_life": 100}
    return CompletionConfig(**(required | {"total_images": 1000} | settings))


def test_the_papers_schedule_halves_every_50000_batches_of_8():
    paper = config(schedule="halved", total_images=4_000_000)
    factors = {0: 1, 399_992: 1, 400_000: 0.5, 799_999: 0.5, 800_000: 0.25, 3_999_992: 0.5**9}
    for nimg, factor in factors.items():
        assert rate_factor(paper, nimg) == factor
    assert rate_factor(config(schedule="halved", halve_every=30), 91) == 0.125


def test_the_cosine_falls_to_its_final_fraction():
    cosine = config(schedule="cosine", final_fraction=0.2)
    assert rate_factor(cosine, 0) == pytest.approx(1)
    assert rate_factor(cosine, 500) == pytest.approx(0.6)
    assert rate_factor(cosine, 250) == pytest.approx(0.2 + 0.8 * (1 + 0.5**0.5) / 2)
    assert rate_factor(cosine, 1000) == rate_factor(cosine, 2000) == pytest.approx(0.2)


def test_the_adversarial_term_waits_and_then_grows_linearly():
    ramped = config(discriminator_warmup=100, adversarial_ramp=50)
    factors = {0: 0, 100: 0, 110: 0.2, 140: 0.8, 150: 1, 900: 1}
    for nimg, factor in factors.items():
        assert adversarial_factor(ramped, nimg) == pytest.approx(factor)


def test_without_warmup_or_ramp_the_term_counts_at_once():
    at_once = config(discriminator_warmup=0, adversarial_ramp=0)
    assert adversarial_factor(at_once, 8) == 1
