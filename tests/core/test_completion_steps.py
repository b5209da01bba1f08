"""The single steps of a completion: what they refuse, and what a mixer at its extremes does."""

import pytest
import torch

from diverse_inpainting.core.checkpoint import read_checkpoint
from diverse_inpainting.core.completion_steps import CompletionSteps
from diverse_inpainting.core.compositing import paste_completions
from diverse_inpainting.core.errors import CheckpointError, GeneratorMismatchError, InputError
from diverse_inpainting.core.fitting import MAX_FIT_STEPS
from diverse_inpainting.core.latents import WPlus

PARTS = ("generator", "encoder", "mixer", "skip_encoder")


@pytest.fixture(scope="module")
def model(device, tiny_checkpoint):
    return CompletionSteps(read_checkpoint(tiny_checkpoint, PARTS)).to(device)


@pytest.fixture
def image(generator):
    return torch.rand(2, 40, 56, 3, generator=generator)


@pytest.fixture
def hole():
    mask = torch.zeros(2, 40, 56)
    mask[0, 10:30, 15:40] = 1
    mask[1, :, :28] = 1
    return mask


def test_an_extreme_gate_bias_leaves_one_side_only(model, image, hole):
    _, encoded = model.encode(image, hole)
    random = model.sample_w(0, 3)
    out, gate = model.mix(encoded, random, gate_bias=-1000)
    assert gate.max() == 0
    assert torch.equal(out.codes, random.codes.expand(2, -1, -1, -1))


def test_codes_of_another_generator_are_refused(model, image, hole):
    erased, encoded = model.encode(image, hole)
    foreign = WPlus(encoded.codes, "f" * 64)
    for call in (
        lambda: model.mix(foreign, model.sample_w(0, 1)),
        lambda: model.refine(erased, foreign),
    ):
        with pytest.raises(GeneratorMismatchError):
            call()


def test_codes_that_do_not_belong_to_the_images_are_refused(model, image, hole):
    erased, encoded = model.encode(image, hole)
    with pytest.raises(InputError, match="codes for 2 images, or for one, got codes for 3"):
        model.refine(erased, model.codes(encoded.codes[[0, 1, 0]]))
    with pytest.raises(InputError, match="skip codes for 2 images and 1 variants"):
        model.refine(erased, encoded, model.codes(encoded.codes.expand(-1, 3, -1, -1)))
    with pytest.raises(InputError):
        paste_completions(erased, torch.rand(3, model.resolution, model.resolution, 3))
    with pytest.raises(InputError):
        model.mix(
            WPlus(encoded.codes.expand(-1, 3, -1, -1), model.generator_id), model.sample_w(0, 2)
        )


@pytest.mark.parametrize("missing", ["encoder", "mixer"])
def test_a_checkpoint_without_encoder_or_mixer_alone_is_refused(tiny_checkpoint, missing):
    parts = [part for part in PARTS if part != missing]
    with pytest.raises(CheckpointError, match=f"nothing, 32x32 without {missing}"):
        CompletionSteps(read_checkpoint(tiny_checkpoint, parts))


def test_a_generator_alone_says_what_to_do_instead(tiny_checkpoint, model, image, hole):
    alone = CompletionSteps(read_checkpoint(tiny_checkpoint, ("generator",)))
    codes = alone.sample_w(0, 1)
    for call in (lambda: alone.encode(image, hole), lambda: alone.mix(codes, codes)):
        with pytest.raises(CheckpointError, match=r"nothing, 32x32 without them\. Use inpaint"):
            call()
    erased, _ = model.encode(image, hole)
    with pytest.raises(CheckpointError, match="model with a skip encoder, got nothing, 32x32"):
        alone.refine(erased, codes)


def test_fitting_refuses_codes_of_others_and_odd_steps(model, image, hole):
    erased, encoded = model.encode(image, hole)
    with pytest.raises(GeneratorMismatchError):
        model.fit(erased, WPlus(encoded.codes, "f" * 64))
    with pytest.raises(InputError, match="codes for 2 images"):
        model.fit(erased, model.codes(encoded.codes.repeat(2, 1, 1, 1)[:3]))
    for steps in (-1, 2.5, MAX_FIT_STEPS + 1):
        with pytest.raises(InputError, match="steps"):
            model.fit(erased, encoded, steps)
