import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from diverse_inpainting.core.checkpoint import Checkpoint, generator_id_of, read_checkpoint
from diverse_inpainting.core.compositing import paste_completions
from diverse_inpainting.core.editor import Edit
from diverse_inpainting.core.errors import GeneratorMismatchError, InputError
from diverse_inpainting.core.faces import Face
from diverse_inpainting.core.fitting import RANDOM_FIT_STEPS
from diverse_inpainting.core.geometry import erase
from diverse_inpainting.core.image_files import read_image, write_png
from diverse_inpainting.core.inpainter import Inpainter
from diverse_inpainting.core.networks import (
    EncoderConfig,
    Familiarity,
    FamiliarityConfig,
    GeneratorConfig,
    MixerConfig,
    ModelConfig,
    SkipEncoderConfig,
    build,
)
from diverse_inpainting.core.progress import chunk_size

R, L, D = 32, 8, 16

PICTURES = Path(__file__).parents[2] / "core" / "weights" / "pictures"


def tiny_checkpoint() -> Checkpoint:
    config = ModelConfig(
        generator=GeneratorConfig(
            resolution=R, z_dim=D, w_dim=D, channel_base=256, channel_max=16, mapping_depth=2
        ),
        encoder=EncoderConfig(
            kind="small", resolution=R, w_dim=D, width=4, max_width=8, depths=(1, 1, 1, 1)
        ),
        mixer=MixerConfig(num_layers=L, w_dim=D),
        skip_encoder=SkipEncoderConfig(resolution=R, stem_width=4, widths=(4, 6, 8)),
    )
    torch.manual_seed(0)
    model = build(config)
    for head in model.skip_encoder.heads:
        torch.nn.init.normal_(head.add[-1].weight, std=0.05)  # or S would change nothing
    tensors = dict(model.state_dict())
    return Checkpoint(
        config=config,
        tensors=tensors,
        generator_id=generator_id_of(tensors),
        title="noise",
    )


def inpaint(model: Inpainter, *args, **kwargs) -> torch.Tensor:
    """Complete, and bring the images to where the originals are."""
    return model.inpaint(*args, **kwargs).images.cpu()


@pytest.fixture(scope="module")
def model(device) -> Inpainter:
    return Inpainter(tiny_checkpoint(), "float32").to(device)


@pytest.fixture
def image(generator) -> torch.Tensor:
    return torch.rand(2, 40, 56, 3, generator=generator)


@pytest.fixture
def hole() -> torch.Tensor:
    mask = torch.zeros(2, 40, 56)
    mask[0, 10:30, 15:40] = 1
    mask[1, :, :28] = 1
    return mask


def test_valid_pixels_come_back_bit_for_bit_and_the_hole_differs(model, image, hole):
    images = inpaint(model, image, hole, 3, seed=1)
    assert images.shape == (2, 3, 40, 56, 3)
    assert images.min() >= 0 and images.max() <= 1
    for v in range(3):
        assert torch.equal(images[:, v][hole == 0], image[hole == 0])
        assert not torch.equal(images[:, v][hole == 1], image[hole == 1])
    assert (images[:, 0] - images[:, 1])[hole == 1].abs().mean() > 1e-4


def test_the_same_seed_repeats_bit_for_bit_and_another_one_does_not(model, image, hole):
    first = inpaint(model, image, hole, 2, seed=9)
    assert torch.equal(first, inpaint(model, image, hole, 2, seed=9))
    assert not torch.equal(first, inpaint(model, image, hole, 2, seed=10))


def test_a_variant_does_not_depend_on_how_many_there_are_nor_on_its_batch(model, image, hole):
    eight = inpaint(model, image, hole, 8, seed=3)
    four = inpaint(model, image[1:], hole[1:], 4, seed=3)
    assert (eight[1, :4] - four[0]).abs().max() <= 1 / 255


def test_variants_are_computed_a_few_at_once(model, image, hole, monkeypatch):
    sizes = []
    inner = model.model.refine

    def spy(ws, *args):
        sizes.append(len(ws))
        return inner(ws, *args)

    monkeypatch.setattr(model.model, "refine", spy)
    model.inpaint(image[:1], hole[:1], 8)
    size = min(chunk_size(R, model.device), 8)
    assert sizes == [size] * (8 // size)


def test_inpaint_equals_its_steps(model, image, hole):
    whole = model.inpaint(image, hole, 2, seed=4, edits=[Edit("sefa:1", 2.0)], feather_px=3)
    erased, encoded = model.encode(image, hole)
    codes, gate = model.mix(encoded, model.sample_w(4, 2))
    codes = model.edit(codes, [Edit("sefa:1", 2.0)])
    images, _ = paste_completions(erased, model.refine(erased, codes), feather_px=3)
    assert torch.equal(whole.images.flatten(0, 1), images)
    assert torch.equal(whole.codes.codes, codes.codes)
    assert gate.shape == (2, 2, L, D) and gate.min() >= 0 and gate.max() <= 1


def test_skip_sources_differ_only_where_they_should(model, image, hole):
    edits = [Edit("sefa:0", 3.0)]
    images = {
        source: inpaint(model, image, hole, 1, edits=edits, skip_source=source)
        for source in ("edited", "unedited", "none")
    }
    assert not torch.equal(images["edited"], images["unedited"])
    assert not torch.equal(images["edited"], images["none"])
    plain = [inpaint(model, image, hole, 1, skip_source=s) for s in ("edited", "unedited")]
    assert torch.equal(*plain)


def test_the_erased_content_never_shows(model, image, hole):
    other = torch.where(hole[..., None] == 1, 1 - image, image)
    results = [inpaint(model, x, hole, 1) for x in (image, other)]
    assert torch.equal(*results)


def test_soft_masks_blend(model, image):
    soft = torch.zeros(1, 40, 56)
    soft[:, :, :10], soft[:, :, 10:20], soft[:, :, 20:30] = 1.0, 0.5, 0.3
    hard = (soft >= 0.5).float()
    blended = inpaint(model, image[:1], soft, 1, blend="paste")[0, 0]
    erased, encoded = model.encode(image[:1], soft)
    codes, _ = model.mix(encoded, model.sample_w(0, 1))
    full, _ = paste_completions(
        erased, model.refine(erased, codes), blend_mask=torch.ones(1, 40, 56), blend="paste"
    )
    expected = (image[0] + full[0].cpu()) / 2
    torch.testing.assert_close(blended[:, 20:30], expected[:, 20:30])
    torch.testing.assert_close(blended[:, :20], full[0, :, :20].cpu())  # what is erased is gone
    assert torch.equal(model.encode(image[:1], hard)[0].valid, erased.valid)


def test_everything_erased_is_pure_generation(model):
    images = inpaint(model, torch.zeros(1, R, R, 3), torch.ones(1, R, R), 2)
    assert images.std() > 0.01


def test_an_image_that_the_model_does_not_know_earns_a_warning(model, image, hole):
    assert model.warnings(model.encode(image, hole)[0]) == ()  # a file from before the classifier
    torch.manual_seed(1)
    judge = Familiarity(FamiliarityConfig()).eval()
    judging = Inpainter(tiny_checkpoint(), "float32")
    judging.model.familiarity = judge
    erased, _ = judging.encode(image, hole)
    logits = judge(erased.erased, erased.valid)
    with torch.no_grad():
        judge.output.bias -= logits.mean()
    (warning,) = judging.inpaint(image, hole, 1).warnings
    assert (
        warning.startswith(f"Image {int(logits.argmax())} does not look like")
        and "noise" in warning
    )
    alone = [judging.inpaint(image[b : b + 1], hole[b : b + 1], 1).warnings for b in range(2)]
    assert [len(sentences) for sentences in alone] == (logits > logits.mean()).int().tolist()


@pytest.mark.parametrize(
    "arguments",
    [
        {"num_variants": 0},
        {"seed": -1},
        {"truncation_psi": float("nan")},
        {"crop_mode": "faces"},
        {"skip_source": "all"},
        {"feather_px": -1},
        {"blend": "poisson"},
        {"fit_steps": -1},
        {"edits": [Edit("smile", 1.0)]},
        {"edits": [Edit("sefa:0", float("inf"))]},
        {"edits": [Edit("sefa:99", 1.0)]},
    ],
)
def test_unusable_arguments_are_refused(model, image, hole, arguments):
    with pytest.raises(InputError, match=r"Expected .*, got "):
        model.inpaint(image, hole, **arguments)


@pytest.fixture(scope="module")
def generator_alone(device, tiny_checkpoint) -> Inpainter:
    return Inpainter(read_checkpoint(tiny_checkpoint, ("generator",)), "float32").to(device)


def test_a_generator_alone_completes_by_fitting_random_codes(generator_alone, image, hole):
    seen = []
    result = generator_alone.inpaint(
        image, hole, 2, seed=5, on_step=lambda *step: seen.append(step)
    )
    total = 2 * RANDOM_FIT_STEPS + 4
    assert seen[0] == (1, total) and seen[-1] == (total, total)
    assert seen == sorted(seen)
    assert len(result.warnings) == 1 and "no encoder" in result.warnings[0]
    erased = erase(image, hole, R)
    random = generator_alone.sample_w(5, 2)
    expected = generator_alone.fit(erased.to(generator_alone.device), random, RANDOM_FIT_STEPS)
    assert torch.equal(result.codes.codes, expected.codes)
    images = result.images.cpu()
    for v in range(2):
        assert torch.equal(images[:, v][hole == 0], image[hole == 0])
    assert (images[:, 0] - images[:, 1])[hole == 1].abs().mean() > 1e-3


def test_a_generator_alone_takes_the_steps_that_it_is_given(generator_alone, image, hole):
    result = generator_alone.inpaint(image, hole, 1, fit_steps=3)
    erased = erase(image, hole, R).to(generator_alone.device)
    expected = generator_alone.fit(erased, generator_alone.sample_w(0, 1), 3)
    assert torch.equal(result.codes.codes, expected.codes)


def test_fitting_takes_place_between_mixing_and_editing(model, image, hole):
    edits = [Edit("sefa:1", 2.0)]
    seen = []
    whole = model.inpaint(
        image, hole, 2, edits=edits, fit_steps=3, on_step=lambda *step: seen.append(step)
    )
    erased, encoded = model.encode(image, hole)
    mixed, _ = model.mix(encoded, model.sample_w(0, 2))
    fitted = model.fit(erased, mixed, 3)
    assert seen == [(done, 10) for done in range(9)] + [(10, 10)]
    assert not torch.equal(fitted.codes, mixed.codes)
    assert torch.equal(whole.codes.codes, model.edit(fitted, edits).codes)
    images, _ = paste_completions(erased, model.refine(erased, whole.codes))
    assert torch.equal(whole.images.flatten(0, 1), images)


def test_results_know_seed_and_number_of_their_variants(model, image, hole):
    codes = model.inpaint(image, hole, 2, seed=7, edits=[Edit("sefa:0", 1)], fit_steps=1).codes
    assert codes.labels == ("seed 7 / #0", "seed 7 / #1") * codes.batch


def test_fitting_hides_no_warning(image, hole):
    judging = Inpainter(tiny_checkpoint(), "float32")
    judging.model.familiarity = Familiarity(FamiliarityConfig()).eval().requires_grad_(False)
    judging.model.familiarity.output.bias += 1000
    plain, fitted = (judging.inpaint(image, hole, 1, fit_steps=steps).warnings for steps in (0, 5))
    assert plain == fitted and len(plain) == 2


def test_inference_leaves_inputs_and_global_random_state_alone(model, image, hole):
    copies = image.clone(), hole.clone()
    state = torch.random.get_rng_state()
    model.inpaint(image, hole, 2)
    assert torch.equal(image, copies[0]) and torch.equal(hole, copies[1])
    assert torch.equal(state, torch.random.get_rng_state())


def test_results_are_saved_and_shown_as_the_pixels_they_are(model, image, hole, tmp_path):
    result = model.inpaint(image, hole, 2, 1)
    paths = result.save(tmp_path / "new", "cat")
    assert [path.name for path in paths] == [f"cat-{k}.png" for k in range(2 * len(image))]
    shown = [one for variants in result.to_pil() for one in variants]
    for path, variant in zip(paths, shown, strict=True):
        with Image.open(path) as saved:
            assert saved.tobytes() == variant.tobytes()
    expected = (result.images[0, 1].cpu() * 255).round().to(torch.uint8).numpy()
    assert np.array_equal(np.asarray(shown[1]), expected)


def test_images_and_masks_of_other_types_give_the_same(model, image, hole, tmp_path):
    array = (image[0].cpu() * 255).round().to(torch.uint8).numpy()
    mask = (hole[0].cpu() * 255).to(torch.uint8).numpy()
    write_png(tmp_path / "image.png", torch.from_numpy(array))
    write_png(tmp_path / "mask.png", torch.from_numpy(mask))
    expected = inpaint(model, torch.from_numpy(array), torch.from_numpy(mask), 1)
    for pair in (
        (array, mask),
        (Image.fromarray(array), Image.fromarray(mask)),
        (tmp_path / "image.png", str(tmp_path / "mask.png")),
    ):
        assert torch.equal(inpaint(model, *pair, 1), expected)


class Finder:
    """Finds what it is told."""

    parts = {}  # noqa: RUF012

    def __init__(self, *faces):
        self.faces = list(faces)

    def find(self, image_chw):
        return self.faces


def test_a_face_is_completed_turned_and_the_rest_comes_back_bit_for_bit(model, monkeypatch):
    image, hole = torch.rand(1, 80, 100, 3), torch.zeros(1, 80, 100)
    hole[0, 35:45, 45:60] = 1
    monkeypatch.setattr(model, "face_finder", Finder(Face(50.0, 40.0, 44.0, 20.0, 1.0)))
    result = model.inpaint(image, hole, 2, crop_mode="face")
    assert result.warnings == ()
    assert result.erased.crops[0].angle == 20
    valid = hole[0] == 0
    assert torch.equal(result.images[0, :, valid], image[:, valid].expand(2, -1, -1))
    upright = model.inpaint(image, hole, 2, crop_mode="hole").images
    assert not torch.equal(result.images, upright)


def test_a_face_that_is_not_found_is_said(model, monkeypatch):
    image, hole = torch.rand(1, 80, 100, 3), torch.zeros(1, 80, 100)
    hole[0, 35:45, 45:60] = 1
    monkeypatch.setattr(model, "face_finder", Finder())
    result = model.inpaint(image, hole, 1, crop_mode="face")
    assert "The image: no face was found, so the model sees the square around the hole." in (
        result.warnings
    )
    expected = model.inpaint(image, hole, 1, crop_mode="hole").images
    assert torch.equal(result.images, expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "absent.png"}, "No such file: absent.png"),
        ({"image": None}, "an image as a tensor, NumPy array.* got NoneType"),
        ({"image": torch.rand(1, 8, 8, 3).to_sparse()}, "layout torch.sparse_coo"),
        ({"image": torch.empty(1, 8, 8, 3, device="meta")}, "a meta tensor"),
        ({"image": torch.ones(1, 8, 8, 3, dtype=torch.complex64)}, "in floating point or uint8"),
        ({"hole_mask": [[1.0]]}, "a hole mask as a tensor, NumPy array.* got list"),
        ({"seed": "7"}, "seed to be a whole number"),
        ({"seed": 7.0}, "seed to be a whole number"),
        ({"num_variants": "2"}, "num_variants to be a whole number"),
        ({"num_variants": None}, "num_variants to be a whole number"),
        ({"edits": ["smile"]}, "edits as a list of Edit"),
        ({"crop_mode": ["hole"]}, "crop mode to be one of"),
        ({"truncation_psi": "1"}, "truncation_psi to be a number"),
    ],
)
def test_wrong_types_are_one_sentence(model, change, message):
    image, hole_mask = torch.rand(1, 8, 8, 3), torch.ones(1, 8, 8)
    with pytest.raises(InputError, match=message):
        model.inpaint(**{"image": image, "hole_mask": hole_mask, **change})


@pytest.fixture
def default_dtype():
    yield torch.set_default_dtype
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16])
def test_another_default_dtype_changes_nothing(image, default_dtype, dtype):
    hole_mask = torch.ones(2, 40, 56)
    arguments = {"num_variants": 2, "edits": [Edit("sefa:0", 1.0)]}
    checkpoint = tiny_checkpoint()
    wanted = Inpainter(checkpoint, "float32").inpaint(image, hole_mask, **arguments).images
    default_dtype(dtype)
    images = Inpainter(checkpoint, "float32").inpaint(image, hole_mask, **arguments).images
    assert images.dtype == torch.float32 and torch.equal(images, wanted)


def test_autocast_changes_nothing(model, image):
    hole_mask = torch.ones(2, 40, 56)
    wanted = inpaint(model, image, hole_mask, 2, edits=[Edit("ganspace:0", 1.0)])
    with torch.autocast(model.device.type, torch.bfloat16), torch.autocast("cpu", torch.bfloat16):
        images = inpaint(model, image, hole_mask, 2, edits=[Edit("ganspace:0", 1.0)])
    assert torch.equal(images, wanted)


def test_an_absent_device_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match="'cuda:99' is not available"):
        Inpainter.load("cats", device="cuda:99")


def test_the_bundled_model_knows_cats_from_other_things():
    model = Inpainter.load("cats")
    generator = torch.Generator().manual_seed(0)
    hole = torch.zeros(1, 256, 256)
    hole[:, 100:180, 80:160] = 1
    cats = {path.name: read_image(path).image[0] for path in PICTURES.glob("*.jpg")}
    steps = torch.arange(256) // 16 % 2
    others = {
        "noise": torch.rand(256, 256, 3, generator=generator),
        "stripes": steps[:, None, None].expand(256, 256, 3).float(),
        "chessboard": (steps[:, None] ^ steps)[:, :, None].expand(256, 256, 3).float(),
        "upside down": next(iter(cats.values())).flip(0),
    }
    warned = {
        name: model.warnings(model.encode(image, hole)[0])
        for name, image in (cats | others).items()
    }
    assert {name for name, warnings in warned.items() if warnings} == set(others)
    assert all("does not look like" in text for name in others for text in warned[name])


@pytest.mark.parametrize("skip_source", ["edited", "unedited", "none"])
def test_kept_variants_come_out_as_they_were(model, image, hole, skip_source):
    settings = {"edits": [Edit("sefa:0", 2.0)], "skip_source": skip_source}
    first = model.inpaint(image, hole, 4, seed=1, **settings)
    again = model.inpaint(image, hole, 4, seed=2, keep=first.codes[:, [3, 1]], **settings)
    fresh = model.inpaint(image, hole, 4, seed=2, **settings)
    assert torch.equal(again.codes.codes[:, :2], first.codes.codes[:, [3, 1]])
    torch.testing.assert_close(again.codes.codes[:, 2:], fresh.codes.codes[:, 2:])
    assert (again.images[:, 2:] - fresh.images[:, 2:]).abs().max() <= 1 / 255
    is_said = any("Kept variants bring only" in text for text in again.warnings)
    assert is_said == (skip_source == "unedited")
    if not is_said:
        assert (again.images[:, :2] - first.images[:, [3, 1]]).abs().max() <= 1 / 255


def test_all_may_be_kept_and_no_more(model, image, hole):
    first = model.inpaint(image, hole, 2, seed=1)
    again = model.inpaint(image, hole, 2, seed=2, keep=first.codes)
    assert (again.images - first.images).abs().max() <= 1 / 255
    with pytest.raises(InputError, match="2 variants are kept, but only 1 are wanted"):
        model.inpaint(image, hole, 1, keep=first.codes)
    foreign = dataclasses.replace(first.codes, generator_id="f" * 64)
    with pytest.raises(GeneratorMismatchError):
        model.inpaint(image, hole, 2, keep=foreign)


@pytest.mark.parametrize("skip_source", ["edited", "none"])
def test_kept_codes_of_another_number_of_images_are_refused_at_once(
    model, image, hole, skip_source, monkeypatch
):
    kept = model.sample_w(0, 2)
    kept = dataclasses.replace(kept, codes=kept.codes.repeat(3, 1, 1, 1), labels=())
    monkeypatch.setattr(model, "fit", None)
    with pytest.raises(InputError, match=r"codes for one image, got codes for 3"):
        model.inpaint(image[:1], hole[:1], 4, keep=kept, skip_source=skip_source, fit_steps=9)
    forged = dataclasses.replace(kept, codes=kept.codes[:, :, :, 1:])
    with pytest.raises(InputError, match=r"codes of 8 layers of 16, got codes of 8 layers of 15"):
        model.inpaint(image, hole, 4, keep=forged)
