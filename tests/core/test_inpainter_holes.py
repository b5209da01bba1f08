"""Far holes, each completed in a square of its own."""

import pytest
import torch

from diverse_inpainting.core.checkpoint import read_checkpoint
from diverse_inpainting.core.editor import Edit
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.faces import Face
from diverse_inpainting.core.image import image_to_uint8
from diverse_inpainting.core.inpainter import Inpainter
from diverse_inpainting.core.networks import Familiarity, FamiliarityConfig

BOXES = (slice(30, 60), slice(20, 50)), (slice(10, 20), slice(300, 325))


PARTS = ("generator", "encoder", "mixer", "skip_encoder")


@pytest.fixture(scope="module")
def model(device, tiny_checkpoint):
    return Inpainter(read_checkpoint(tiny_checkpoint, PARTS), "float32").to(device)


@pytest.fixture(scope="module")
def image():
    return torch.rand(1, 80, 400, 3, generator=torch.Generator().manual_seed(1))


def mask_of(*boxes):
    mask = torch.zeros(1, 80, 400)
    for box in boxes:
        mask[(0, *box)] = 1
    return mask


@pytest.mark.parametrize("blend", ["seamless", "feather", "paste"])
def test_one_hole_is_that_of_mode_hole_bit_for_bit(model, image, blend):
    chosen = {"num_variants": 2, "blend": blend, "feather_px": 6 if blend == "feather" else 0}
    chosen["edits"] = [Edit("sefa:0", 1.0)]
    one, other = (
        model.inpaint(image, mask_of(BOXES[0]), crop_mode=mode, **chosen)
        for mode in ("hole", "holes")
    )
    assert torch.equal(one.images, other.images) and torch.equal(one.weight, other.weight)
    assert torch.equal(one.codes.codes, other.codes.codes)


@pytest.mark.parametrize("feather_px", [0, 9])
@pytest.mark.parametrize("fit_steps", [0, 2])
def test_each_hole_is_completed_as_it_would_be_alone(model, image, feather_px, fit_steps):
    chosen = {"feather_px": feather_px, "fit_steps": fit_steps, "edits": [Edit("sefa:1", 2.0)]}
    both = model.inpaint(image, mask_of(*BOXES), 3, 5, crop_mode="holes", **chosen)
    alone = [model.inpaint(image, mask_of(b), 3, 5, crop_mode="hole", **chosen) for b in BOXES]
    assert both.codes.codes.shape[:2] == (2, 3) and both.images.shape == (1, 3, 80, 400, 3)
    expected = image[:, None].to(both.images)
    for result in alone:
        expected = torch.where(result.weight[:, None, ..., None] > 0, result.images, expected)
    # Networks and blending add up in another order for another number of images.
    assert (both.images - expected).abs().max() <= 1 / 255
    assert torch.equal(both.weight, sum(result.weight for result in alone))
    untouched = both.weight[0] == 0
    assert torch.equal(
        both.images[0, :, untouched], image.to(both.images)[:, untouched].expand(3, -1, -1)
    )
    assert (both.images[0, 0] - both.images[0, 1])[~untouched].abs().mean() > 1e-3


def test_images_of_a_batch_have_as_many_squares_as_they_need(model, image):
    images = torch.cat([image, image.flip(1), image.flip(2)])
    masks = torch.cat([mask_of(BOXES[1]), mask_of(*BOXES), torch.zeros(1, 80, 400)])
    result = model.inpaint(images, masks, 2, crop_mode="holes")
    assert result.erased.image_of == (0, 1, 1, 2) and result.codes.batch == 4
    assert result.images.shape == (3, 2, 80, 400, 3)
    for b in range(3):
        alone = model.inpaint(images[b], masks[b], 2, crop_mode="holes") if b < 2 else None
        kept = masks[b] == 0
        assert torch.equal(
            result.images[b, :, kept], images[b, kept].to(result.images).expand(2, -1, -1)
        )
        if alone is not None:
            assert (result.images[b] - alone.images[0]).abs().max() <= 1 / 255


def test_what_is_erased_shows_in_no_square(model, image):
    mask = mask_of(*BOXES)
    other = torch.where(mask[..., None] == 1, 1 - image, image)
    for chosen in ({"blend": "seamless"}, {"feather_px": 40}):
        pair = [
            model.inpaint(x, mask, 1, crop_mode="holes", **chosen).images for x in (image, other)
        ]
        assert torch.equal(*pair)


class Finder:
    """Finds two faces whose squares overlap, so that each shows the other's hole."""

    parts = {}  # noqa: RUF012

    def find(self, image_chw):
        return [Face(62.0, 40.0, 150.0, 5.0, 1.0), Face(132.0, 40.0, 150.0, 0.0, 1.0)]


OVERLAPPING = (
    (slice(38, 42), slice(60, 64)),
    (slice(38, 42), slice(130, 134)),
    (slice(39, 60), slice(340, 360)),
)


@pytest.fixture
def overlapping(model, image, monkeypatch):
    """Return a function that completes holes in squares that overlap."""
    monkeypatch.setattr(model, "face_finder", Finder())

    def inpaint(image=image, **chosen):
        mask = mask_of(*OVERLAPPING)
        return model.inpaint(image, mask, 2, crop_mode="auto", margin=0.0, **chosen)

    return inpaint


def test_squares_that_overlap_leave_each_other_alone(overlapping, image):
    result = overlapping()
    crops = result.erased.crops
    assert [getattr(crop, "angle", None) for crop in crops] == [5.0, 0.0, None]
    columns = [crop.image_area[1] for crop in crops]
    assert columns[0].stop > OVERLAPPING[1][1].stop and columns[1].start < OVERLAPPING[0][1].start
    for layer, box in zip(result.composites.layers, OVERLAPPING, strict=True):
        shown = torch.zeros(80, 400)
        shown[layer.area] = layer.weight.cpu()
        assert torch.equal(shown, mask_of(box)[0])
    kept = mask_of(*OVERLAPPING)[0] == 0
    assert torch.equal(result.weight[0].cpu(), 1 - kept.float())
    shown = result.images[0].cpu()
    assert torch.equal(shown[:, kept], image[:, kept].expand(2, -1, -1))
    mask = mask_of(*OVERLAPPING)
    hidden = torch.where(mask[..., None] == 1, 1 - image, image)
    for chosen in ({}, {"feather_px": 90}):
        pair = [overlapping(x, **chosen).images for x in (image, hidden)]
        assert torch.equal(*pair)


def test_feathers_that_overlap_fade_and_round_alike(overlapping):
    result = overlapping(feather_px=90)
    opacities = torch.zeros(3, 80, 400)
    for opacity, layer in zip(opacities, result.composites.layers, strict=True):
        opacity[layer.area] = layer.weight.cpu()
    assert bool((opacities[:2] > 0).all(dim=0).any())
    union = 1 - (1 - opacities).prod(dim=0)
    torch.testing.assert_close(result.weight[0].cpu(), union)
    assert bool((result.weight[0].cpu()[mask_of(*OVERLAPPING)[0] == 1] == 1).all())
    rounded = list(result.composites.variants(0, torch.uint8))
    assert torch.equal(torch.stack(rounded), image_to_uint8(result.images[0]))


def test_a_square_that_the_model_does_not_know_is_named(image, tiny_checkpoint):
    judging = Inpainter(read_checkpoint(tiny_checkpoint, PARTS), "float32")
    judging.model.familiarity = Familiarity(FamiliarityConfig()).eval().requires_grad_(False)
    judging.model.familiarity.output.bias += 1000
    warnings = judging.inpaint(image, mask_of(*BOXES), 1, crop_mode="holes").warnings
    for warning, place in zip(warnings, ((300, 10), (20, 30)), strict=True):
        assert warning.startswith(f"The image, around the hole at {place}, does not look like")


def test_equal_variants_are_said(model, image):
    mask = mask_of(BOXES[0])
    result = model.inpaint(image, mask, 2, truncation_psi=0.0)
    assert torch.equal(result.images[:, 0], result.images[:, 1])
    assert any("All variants are the same" in warning for warning in result.warnings)
    for chosen in ({"num_variants": 1, "truncation_psi": 0.0}, {"num_variants": 2}):
        assert model.inpaint(image, mask, **chosen).warnings == ()


@pytest.mark.parametrize("feather_px", [2.5, 2.0, "3", 1025])
def test_a_feather_is_a_whole_number(model, image, feather_px):
    with pytest.raises(InputError, match="feather_px to be a whole number from 0 to 1024"):
        model.inpaint(image, mask_of(BOXES[0]), 1, feather_px=feather_px)
