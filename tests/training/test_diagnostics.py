"""What the diagnostics say about models that ignore an input, and about perfect ones."""

import math

import pytest
import torch
from torch import Tensor

from diverse_inpainting.core.checkpoint import read_checkpoint
from diverse_inpainting.core.errors import CheckpointError
from diverse_inpainting.core.inpainter import Inpainter
from diverse_inpainting.training.diagnostics import LIMITS, measure, measure_model, warnings_of
from diverse_inpainting.training.sampler import Batch


def test_rho_and_swap_ratio_of_models_that_ignore_an_input(tiny_checkpoint, monkeypatch):
    inpainter = Inpainter.load(tiny_checkpoint, device="cpu", precision="float32")
    model, mix = inpainter.model, inpainter.model.mix
    with monkeypatch.context() as patch:
        patch.setattr(model, "mix", lambda w_enc, w_rand: mix(w_enc, w_rand, -1000.0))
        ignores_the_image = measure_model(inpainter, 16)
    assert ignores_the_image["rho"] == pytest.approx(1, abs=1e-3)
    assert ignores_the_image["swap_ratio"] == pytest.approx(1, abs=0.1)
    with monkeypatch.context() as patch:
        patch.setattr(model, "mix", lambda w_enc, w_rand: (w_enc, None))
        assert measure_model(inpainter, 16)["rho"] == 0


def test_a_generator_alone_cannot_be_measured(tiny_checkpoint):
    alone = Inpainter(read_checkpoint(tiny_checkpoint, ("generator",)), "float32")
    with pytest.raises(CheckpointError, match=r"generator alone\. Leave"):
        measure_model(alone)


def uniform(values: Tensor) -> Tensor:
    """Images of one value each."""
    return values[:, :1, :1, None].expand(-1, 3, 4, 4)


@pytest.fixture
def batch(generator) -> Batch:
    """Four images, their upper half erased."""
    image = torch.rand(4, 3, 4, 4, generator=generator) - 1
    valid = torch.ones(4, 1, 4, 4)
    valid[:, :, :2] = 0
    w = torch.arange(4.0).reshape(4, 1, 1)
    return Batch(image, image * valid, valid, w, w / 4)


def test_measures_by_hand(batch):
    """A model that keeps valid pixels and fills with three tenths of what the code shows."""

    def complete(erased, valid, w_rand):
        return erased + (1 - valid) * 0.3 * uniform(w_rand)

    measures = measure(complete, batch, uniform)
    assert measures.keys() == {"rho", "swap_ratio", "valid_l1_p99"}
    assert measures["rho"] == pytest.approx(0.3)
    assert measures["swap_ratio"] == measures["valid_l1_p99"] == 0


def test_a_model_that_ignores_its_image_keeps_no_valid_pixel_of_it(batch):
    measures = measure(lambda erased, valid, w_rand: uniform(w_rand), batch, uniform)
    errors = [
        (uniform(batch.w_r.roll(shift, 0)) - batch.image)[:, :, 2:].abs().mean(dim=(1, 2, 3))
        for shift in (0, 1)
    ]
    assert measures["rho"] == pytest.approx(1)
    assert measures["swap_ratio"] == pytest.approx(float(errors[0].mean() / errors[1].mean()))
    assert measures["valid_l1_p99"] == pytest.approx(float(errors[0].quantile(0.99)))


def test_the_domain_gap_is_the_psnr_that_photographs_lose(batch):
    """Wrong by 0.1 on generated images, which are negative, and by 0.2 on photographs."""
    photographs = torch.full((3, 3, 4, 4), 0.5)

    def complete(erased, valid, w_rand):
        return erased + valid * torch.where(erased > 0, 0.2, 0.1) + (1 - valid) * uniform(w_rand)

    measures = measure(complete, batch, uniform, photographs)
    assert measures["domain_gap_db"] == pytest.approx(-20 * math.log10(2), rel=1e-4)
    assert measures["valid_l1_p99"] == pytest.approx(0.2)


@pytest.mark.parametrize("name", LIMITS)
def test_a_warning_is_given_outside_the_limits_only(name):
    limit = LIMITS[name]
    assert not warnings_of({name: max(limit.low, 0.0)})
    assert not warnings_of({name: min(limit.high, 100.0)})
    if limit.low > 0 or math.isinf(limit.high):
        below = limit.low - 0.01
        assert warnings_of({name: below}) == [f"{name} = {below:.3g}: {limit.meaning}"]
    if not math.isinf(limit.high):
        above = limit.high + 0.01
        assert warnings_of({name: above, "images": 7}) == [f"{name} = {above:.3g}: {limit.meaning}"]


def test_every_measure_that_is_outside_is_named():
    assert [text.split()[0] for text in warnings_of({"d_gap": 9.0, "rho": 0.0})] == ["rho", "d_gap"]
