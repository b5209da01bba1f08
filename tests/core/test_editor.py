"""What a generator alone can do: codes, edits and images of them."""

import dataclasses

import pytest
import torch

from diverse_inpainting.core.checkpoint import Checkpoint, read_checkpoint
from diverse_inpainting.core.directions import Direction
from diverse_inpainting.core.editor import Edit, Editor
from diverse_inpainting.core.errors import CheckpointError, GeneratorMismatchError, InputError
from diverse_inpainting.core.latents import WPlus
from diverse_inpainting.core.progress import chunk_size
from tolerances import assert_close

L, D = 8, 16


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint) -> Checkpoint:
    return read_checkpoint(tiny_checkpoint, ("generator",))


@pytest.fixture(scope="module")
def model(checkpoint, device) -> Editor:
    return Editor(checkpoint, "float32").to(device)


def direction(**changes) -> Direction:
    return Direction(
        **{
            "name": "x",
            "vector": torch.ones(D),
            "generator_id": "f" * 64,
            "first_layer": 0,
            "last_layer": 1,
            "unit": "u",
        }
        | changes
    )


def test_random_codes_are_the_same_in_all_layers_and_differ_between_variants(model):
    codes = model.sample_w(5, 3).codes
    assert codes.shape == (1, 3, L, D)
    assert torch.equal(codes, codes[:, :, :1].expand_as(codes))
    assert not torch.equal(codes[0, 0], codes[0, 1])
    # One variant or three: only the order of sums within the mapping network may differ.
    assert_close(model.sample_w(5, 1).codes, codes[:, :1])


@pytest.mark.parametrize("psi", [-0.1, 2.1])
def test_truncation_out_of_range_is_refused(model, psi):
    with pytest.raises(InputError, match="truncation_psi"):
        model.sample_w(0, 1, psi)


def test_an_image_does_not_depend_on_the_chunk_it_is_computed_in(model):
    chunk = chunk_size(model.resolution, model.device)
    codes = model.sample_w(0, chunk + 1)
    images = model.synthesize(codes)
    assert images.shape == (chunk + 1, 32, 32, 3)
    assert images.min() >= 0 and images.max() <= 1
    last = model.synthesize(model.codes(codes.codes[:, chunk:]))
    assert_close(images[chunk:], last)
    assert (images[0] - images[chunk]).abs().mean() > 1e-3


def test_steps_are_told_after_each_chunk_and_may_interrupt(model):
    codes = model.sample_w(0, 6)
    seen = []
    model.to("cpu").synthesize(codes, lambda *step: seen.append(step))
    assert seen == [(4, 6), (6, 6)]

    def interrupt(done, total):
        raise KeyboardInterrupt(done)

    with pytest.raises(KeyboardInterrupt, match="4"):
        model.synthesize(codes, interrupt)
    assert len(model.synthesize(codes)) == 6


def test_samples_for_ganspace_are_counted(model):
    seen = []
    found = model.discover("ganspace", 0, on_step=lambda *step: seen.append(step))
    assert seen == [(done, 10_000) for done in range(500, 10_001, 500)]
    assert model.discover("ganspace", 0, on_step=lambda *step: seen.append(step)) is found
    assert len(seen) == 20, "it is not searched for again"


def test_bfloat16_gives_a_similar_image(model, checkpoint, device):
    codes = model.sample_w(0, 2)
    half = Editor(checkpoint, "bfloat16").to(device).synthesize(codes)
    exact = model.synthesize(codes)
    assert half.dtype == torch.float32
    assert 0 < (half - exact).abs().mean() < 0.02


def test_precision_auto_follows_the_device(checkpoint, monkeypatch):
    def has(is_there):
        monkeypatch.setattr("diverse_inpainting.core.precision.has_bfloat16", lambda _: is_there)

    has(False)
    model = Editor(checkpoint)
    assert (model.precision, model.model.feature_dtype) == ("float32", torch.float32)
    has(True)
    assert model.to("cpu").precision == "bfloat16"
    assert model.asked_precision == "auto"
    assert Editor(checkpoint, "float32").to("cpu").precision == "float32"


def test_a_bundled_direction_is_found_by_its_name(checkpoint, device):
    model = Editor(checkpoint, "float32").to(device)
    smile = direction(name="smile", generator_id=model.generator_id)
    model.directions["smile"] = smile
    assert model.direction("smile") is smile
    codes = model.codes(torch.zeros(1, 1, L, D))
    assert model.edit(codes, [Edit("smile", 2.0)]).codes[0, 0, :, 0].tolist() == [2.0] * 2 + [0] * 6
    for name in ("frown", "sefa:", "sefa:-1", "pca:0"):
        with pytest.raises(InputError, match=r"direction of this model \(smile\).*" + name):
            model.direction(name)


@pytest.mark.parametrize(
    "name", ["long hair", "long-hair", "Long_Hair", " LONG  HAIR ", "long\u2013hair"]
)
def test_a_name_is_found_whatever_its_dashes_and_case(checkpoint, device, name):
    model = Editor(checkpoint, "float32").to(device)
    long_hair = direction(name="long hair", generator_id=model.generator_id)
    exact = direction(name="Long-Hair", generator_id=model.generator_id)
    model.directions |= {"long hair": long_hair}
    assert model.direction(name) is long_hair
    model.directions |= {"Long-Hair": exact}
    assert model.direction(name) is long_hair and model.direction("Long-Hair") is exact
    assert model.direction("SeFa:1") is model.direction("sefa:1")
    with pytest.raises(InputError):
        model.direction("longhair")


def test_discovered_directions_are_kept_for_each_range_of_layers(model):
    first = model.direction("sefa:1")
    assert first is model.discover("sefa", 1) and first is model.discover("sefa", 1, 0, L - 1)
    part = model.discover("sefa", 1, 2, 4)
    assert (part.first_layer, part.last_layer) == (2, 4)
    assert not torch.equal(part.vector, first.vector)


def test_codes_and_directions_of_another_generator_are_refused(model):
    codes = model.sample_w(0, 1)
    with pytest.raises(GeneratorMismatchError):
        model.synthesize(WPlus(codes.codes, "f" * 64))
    with pytest.raises(GeneratorMismatchError):
        model.edit(codes, [Edit(direction(), 1.0)])


@pytest.mark.parametrize("shape", [(1, 1, L, D - 1), (1, 1, L + 1, D), (1, L, D)])
def test_codes_of_another_shape_are_refused(model, shape):
    with pytest.raises(InputError, match=rf"\[B, V, {L}, {D}\], got"):
        model.codes(torch.zeros(shape))


def test_codes_that_are_not_finite_are_refused(model):
    with pytest.raises(InputError, match="codes are NaN or infinite"):
        model.codes(torch.full((1, 1, L, D), float("nan")))


def test_an_editor_needs_a_generator_and_a_known_precision(checkpoint):
    others = {k: v for k, v in checkpoint.tensors.items() if not k.startswith("generator.")}
    with pytest.raises(CheckpointError, match="generator"):
        Editor(dataclasses.replace(checkpoint, tensors=others))
    with pytest.raises(InputError, match="precision"):
        Editor(checkpoint, "float64")


def test_truncation_moves_random_codes_towards_the_mean(model):
    w_avg = model.model.generator.w_avg
    assert torch.equal(model.sample_w(0, 2, 0.0).codes, w_avg.expand(1, 2, L, D))
    full, half = model.sample_w(0, 2).codes, model.sample_w(0, 2, 0.5).codes
    torch.testing.assert_close(half - w_avg, (full - w_avg) / 2)


def test_edits_move_codes_and_strength_zero_does_not(model):
    codes = model.sample_w(0, 2)
    moved = model.edit(codes, [Edit("sefa:0", 1.0, first_layer=2, last_layer=3)]).codes
    changed = (moved != codes.codes).any(dim=3)[0]
    assert changed.sum(dim=0).tolist() == [0, 0, 2, 2, 0, 0, 0, 0]
    assert torch.equal(model.edit(codes, [Edit("sefa:0", 0.0)]).codes, codes.codes)


@pytest.mark.parametrize(
    "edits",
    [
        *("sefa:0", ["sefa:0"], ("sefa:0", 1.0), [("sefa:0", 1.0)], {"sefa:0": 1.0}, None, 5),
        Edit("sefa:0", 1.0),
    ],
)
def test_what_is_no_list_of_edits_is_one_sentence(model, edits):
    codes = model.sample_w(0, 1)
    with pytest.raises(InputError, match=r"edits as a list of Edit\(direction, strength\), got"):
        model.edit(codes, edits)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (Edit(3, 1.0), "a direction or its name, got 3"),
        (Edit("sefa:" + "9" * 5000, 1.0), "a direction of this model"),
        (Edit("sefa:0", "1"), "strength to be a number"),
        (Edit("sefa:0", None), "strength to be a number"),
        (Edit("sefa:0", 10**5000), "strength to be a number from .* got one int"),
        (Edit("sefa:0", 1.0, first_layer="0"), "first_layer to be a whole number"),
    ],
)
def test_wrong_types_in_an_edit_are_one_sentence(model, edit, message):
    with pytest.raises(InputError, match=message):
        model.edit(model.sample_w(0, 1), [edit])


@pytest.mark.parametrize("shape", [(1, 1, L, D + 1), (1, 1, L - 1, D), (1, 1, L + 1, D)])
def test_forged_codes_of_another_shape_are_refused(model, shape):
    with pytest.raises(InputError, match=f"codes of {L} layers of {D}, got codes of"):
        model.synthesize(WPlus(torch.zeros(shape), model.generator_id))
