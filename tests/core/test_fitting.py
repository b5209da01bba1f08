"""Codes that are fitted to the visible part of an image."""

import pytest
import torch

from diverse_inpainting.core import fitting
from diverse_inpainting.core.fitting import deviation_of_w, fit_codes
from diverse_inpainting.core.networks import (
    DiverseInpaintingModel,
    Generator,
    GeneratorConfig,
)

R, L, D = 32, 8, 16
CONFIG = GeneratorConfig(
    resolution=R, z_dim=D, w_dim=D, channel_base=256, channel_max=16, mapping_depth=2
)


def build_model(device="cpu"):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = Generator(CONFIG)
        for block in generator.synthesis.blocks_by_side.values():
            block.conv1.noise_strength.data.fill_(0.1)  # detail
    return DiverseInpaintingModel(generator).to(device).requires_grad_(False)


@pytest.fixture(scope="module")
def model(device):
    return build_model(device)


@pytest.fixture
def case(model):
    """Nine codes, and images of other codes with holes of different sizes."""
    drawn = torch.Generator().manual_seed(1)
    codes, others = (torch.randn(9, L, D, generator=drawn).to(model.generator.w_avg) for _ in "ab")
    valid = torch.ones(9, 1, R, R, device=codes.device)
    for index in range(9):
        valid[index, :, 5 : 8 + 2 * index, 7:20] = 0
    return codes, model.synthesize(others).clamp(-1, 1) * valid, valid


def colour_error(model, codes, erased, valid):
    """The squared error [N] of the mean colours of the valid pixels of 2 x 2 blocks, in loops.

    A pixel's weight is 1/4 plus twice the hole's share of the 9 x 9 pixels around it; pixels
    outside the image are no hole.
    """
    image = model.synthesize(codes)
    hole = torch.nn.functional.pad(1 - valid, (4, 4, 4, 4))
    errors = []
    for image_chw, e, m, h in zip(image, erased, valid, hole, strict=True):
        total = weight = 0.0
        for i in range(0, R, 2):
            for j in range(0, R, 2):
                known = m[0, i : i + 2, j : j + 2] > 0
                if known.any():
                    means = [
                        a[:, i : i + 2, j : j + 2][:, known].mean(dim=1) for a in (image_chw, e)
                    ]
                    own = sum(
                        0.25 + 2 * float(h[0, y : y + 9, x : x + 9].mean())
                        for y, x in (
                            known.nonzero() + torch.tensor([i, j], device=known.device)
                        ).tolist()
                    )
                    total += float((means[0] - means[1]).square().mean()) * own
                    weight += own
        errors.append(total / weight)
    return torch.tensor(errors)


def detail_of(model, codes):
    image = model.synthesize(codes)
    return (image.diff(dim=2)[..., :-1] - image.diff(dim=2)[..., 1:]).square().mean(dim=(1, 2, 3))


def test_the_colours_of_the_valid_pixels_come_closer(model, case):
    codes, erased, valid = case
    fitted = fit_codes(model, codes, erased, valid, 40, anchor=0.0)
    before, after = (colour_error(model, c, erased, valid) for c in (codes, fitted))
    assert bool((after < 0.5 * before).all()), (before, after)
    assert fitted.shape == codes.shape and not fitted.requires_grad


def test_the_loss_is_that_of_the_docstring(model, case):
    codes, erased, valid = case
    objective = fitting._Objective(model, codes, erased, valid, deviation_of_w(model.generator), 0)
    losses = objective(torch.zeros_like(codes), torch.arange(9))
    torch.testing.assert_close(losses.cpu(), colour_error(model, codes, erased, valid))


def test_a_code_does_not_depend_on_the_others(model, case):
    together = fit_codes(model, *case, 12)
    for index in (3, 8):  # of the first chunk and the only one of the second
        alone = fit_codes(model, *(tensor[index : index + 1] for tensor in case), 12)
        torch.testing.assert_close(alone[0], together[index], atol=1e-3, rtol=0)


def test_images_without_valid_pixels_keep_their_codes(model, case):
    codes, erased, valid = case
    valid[2] = erased[2] = 0
    fitted = fit_codes(model, codes, erased, valid, 3)
    assert torch.equal(fitted[2], codes[2])
    assert not torch.isclose(fitted, codes).flatten(1).all(dim=1)[[0, 1, 3]].any()
    assert torch.equal(fit_codes(model, *case, 0), codes)
    nothing = [torch.zeros_like(tensor) for tensor in (erased, valid)]
    assert torch.equal(fit_codes(model, codes, *nothing, 3), codes)


def test_steps_are_counted_over_all_chunks(model, case):
    seen = []
    codes, erased, valid = (torch.cat([tensor, tensor])[:6] for tensor in case)
    fit_codes(model, codes, erased, valid, 4, on_step=lambda *step: seen.append(step))
    assert seen == [(done, 24) for done in range(2, 25, 2)], "two codes at once"


def test_codes_whose_loss_stalls_are_left_alone(model, case):
    codes, _, valid = case
    perfect = model.synthesize(codes) * valid
    seen = []
    fitted = fit_codes(
        model, codes[:2], perfect[:2], valid[:2], 50, on_step=lambda *step: seen.append(step)
    )
    assert torch.equal(fitted, codes[:2])
    assert len(seen) < 15 and seen[-1] == (100, 100)


def test_only_the_stalled_codes_stop(model, case):
    codes, erased, valid = case
    erased[0] = (model.synthesize(codes[:1]) * valid[:1])[0]
    fitted = fit_codes(model, codes[:2], erased[:2], valid[:2], 30)
    alone = fit_codes(model, codes[1:2], erased[1:2], valid[1:2], 30)
    assert torch.equal(fitted[0], codes[0])
    torch.testing.assert_close(fitted[1], alone[0], atol=1e-3, rtol=0)


def test_the_anchor_keeps_codes_near_their_start(model, case):
    moved = [
        float((fit_codes(model, *case, 15, anchor=anchor) - case[0]).square().mean())
        for anchor in (0.0, 3.0, 300.0)
    ]
    assert moved[0] > 1.2 * moved[1] > 2 * moved[2] > 0


def test_detail_is_not_traded_for_colour(model, case, monkeypatch):
    codes, erased, valid = case
    gray = torch.zeros_like(erased)
    kept = {}
    for weight in (0.0, 1.0):
        monkeypatch.setattr(fitting, "_DETAIL_WEIGHT", weight)
        kept[weight] = detail_of(model, fit_codes(model, codes, gray, valid, 20)).mean()
    start = detail_of(model, codes).mean()
    assert kept[0.0] < 0.85 * start < 0.95 * kept[1.0]


def test_bfloat16_converges_alike(model, case):
    exact = fit_codes(model, *case, 15)
    half = DiverseInpaintingModel(model.generator, feature_dtype=torch.bfloat16)
    coarse = fit_codes(half, *case, 15)
    before, *after = (colour_error(model, codes, *case[1:]) for codes in (case[0], exact, coarse))
    assert float(after[1].mean()) < float(after[0].mean() + 0.05 * before.mean())


@pytest.mark.parametrize("is_loaded_in_inference_mode", [False, True])
def test_works_in_inference_mode(case, device, is_loaded_in_inference_mode):
    with torch.inference_mode(is_loaded_in_inference_mode):
        model = build_model(device)
    expected = fit_codes(build_model(device), *case, 5)
    with torch.inference_mode():
        inputs = [tensor.clone() for tensor in case]
        fitted = fit_codes(model, *inputs, 5)
    torch.testing.assert_close(fitted, expected)
    assert not fitted.is_inference(), "so that it can be fitted or trained further"
    assert model.generator.w_avg.is_inference() == is_loaded_in_inference_mode


def test_an_interruption_passes_through_and_leaves_nothing_behind(case, device):
    class InterruptionError(Exception):
        pass

    def interrupt(done, total):
        if done >= 8:  # after the second step of a chunk
            raise InterruptionError

    model = build_model(device).requires_grad_(True)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    copies = [tensor.clone() for tensor in case]
    with torch.inference_mode(), pytest.raises(InterruptionError):
        fit_codes(model, *case, 5, on_step=interrupt)
    assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
    for name, parameter in model.named_parameters():
        assert parameter.requires_grad and parameter.grad is None, name
    after = model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert all(torch.equal(a, b) for a, b in zip(case, copies, strict=True))


def test_the_deviation_is_that_of_many_random_codes(model):
    z = torch.randn(20_000, D, generator=torch.Generator().manual_seed(3))
    expected = model.generator.mapping(z.to(model.generator.w_avg)).std(dim=0)
    torch.testing.assert_close(deviation_of_w(model.generator), expected, rtol=0.12, atol=0)
