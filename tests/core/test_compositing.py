"""Eq. 4 at the network's resolution and at the image's own."""

import pytest
import torch
import torch.nn.functional as F

from diverse_inpainting.core.compositing import composite, composites, paste_completions
from diverse_inpainting.core.faces import Face
from diverse_inpainting.core.geometry import erase
from diverse_inpainting.core.image import image_to_uint8
from diverse_inpainting.core.opacity import feather, paste_weight

R = 32


def test_composite_is_equation_4(generator):
    image = torch.randn(2, 3, 4, 4, generator=generator)
    valid = (torch.rand(2, 1, 4, 4, generator=generator) > 0.5).float()
    output = torch.randn(2, 3, 4, 4, generator=generator)
    expected = torch.where(valid.bool(), image, output)
    assert torch.equal(composite(output, image * valid, valid), expected)


def pasted_whole(erased, images, weight):
    """Eq. 4 over whole images, each square resized and placed among zeros, in plain steps."""
    results = []
    for index, image in enumerate(images.movedim(-1, 1)):
        b = index * len(erased.crops) // len(images)
        crop, canvas = erased.crops[b], torch.zeros_like(erased.original[0])
        size = (crop.side, crop.side)
        square = F.interpolate(image[None], size=size, mode="bicubic", antialias=True)[0]
        low, high = image.amin(dim=(1, 2)), image.amax(dim=(1, 2))
        square = square.clamp(low[:, None, None], high[:, None, None])
        canvas[(..., *crop.image_area)] = square[(..., *crop.square_area)]
        results.append(torch.lerp(erased.original[b], canvas, weight[b]).movedim(0, -1))
    return torch.stack(results)


def test_autocast_of_the_caller_changes_nothing(generator):
    image, mask = torch.rand(1, 40, 40, 3, generator=generator), torch.zeros(1, 40, 40)
    mask[0, 5:30, 8:33] = 1
    erased, completion = erase(image, mask, R), torch.rand(1, R, R, 3, generator=generator)
    expected, _ = paste_completions(erased, completion)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(paste_completions(erased, completion)[0], expected)


@pytest.mark.parametrize("feather_px", [0, 1, 6])
@pytest.mark.parametrize("crop_mode", ["picture", "hole"])
def test_only_the_box_is_computed_and_nothing_else_changes(generator, crop_mode, feather_px):
    images = torch.rand(2, 90, 110, 3, generator=generator)
    mask = torch.zeros(2, 90, 110)
    mask[0, 20:40, 3:30], mask[1, 70:90, 60:75], mask[1, 68:70, 60:75] = 1, 0.6, 0.2
    erased = erase(images, mask, R, crop_mode=crop_mode)
    completions = torch.rand(6, R, R, 3, generator=generator)
    blend = "feather" if feather_px else "paste"
    results, weight = paste_completions(erased, completions, feather_px, blend=blend)
    assert torch.equal(results, pasted_whole(erased, completions, weight))
    outside = (weight == 0).repeat_interleave(3, dim=0)
    assert outside.any() and (results != images.repeat_interleave(3, dim=0))[~outside].any()
    assert torch.equal(results[outside], images.repeat_interleave(3, dim=0)[outside])
    if crop_mode == "picture":
        whole = feather(paste_weight(erased.hole_mask), feather_px)[:, 0]
        assert torch.equal(weight, whole)


def test_the_completion_fades_out_before_its_square_ends():
    mask = torch.zeros(1, 200, 200)
    mask[:, 90:110, 90:110] = 1
    erased = erase(torch.zeros(1, 200, 200, 3), mask, R, crop_mode="hole", margin=1.0)
    rows, columns = erased.crops[0].image_area
    images, opacity = paste_completions(erased, torch.ones(1, R, R, 3), feather_px=60)
    assert torch.equal(opacity[0][mask[0] == 1], torch.ones(400))
    assert opacity[0, 100, columns.start] <= 1 / 60 and opacity[0, rows.stop - 1, 100] <= 1 / 60
    torch.testing.assert_close(images[0, ..., 0], opacity[0])
    steps = opacity[0].diff(dim=1).abs()[:, [columns.start - 1, columns.stop - 1]]
    assert steps.max() <= 1 / 60


def test_a_blend_mask_reaches_no_further_than_the_square():
    mask = torch.zeros(1, 200, 200)
    mask[:, 90:110, 90:110] = 1
    erased = erase(torch.zeros(1, 200, 200, 3), mask, R, crop_mode="hole", margin=1.0)
    images, opacity = paste_completions(
        erased, torch.ones(1, R, R, 3), blend_mask=torch.ones(1, 200, 200), blend="paste"
    )
    inside = torch.zeros(200, 200)
    inside[erased.crops[0].image_area] = 1
    assert torch.equal(opacity[0], inside) and torch.equal(images[0, ..., 0], inside)


class Finder:
    """Finds one tilted face."""

    parts = {}  # noqa: RUF012

    def find(self, image_chw):
        return [Face(60.0, 45.0, 50.0, 25.0, 1.0)]


@pytest.mark.parametrize("feather_px", [0, 5])
def test_a_turned_square_ends_at_its_sides_and_keeps_its_hole(generator, feather_px):
    images, mask = torch.rand(1, 90, 110, 3, generator=generator), torch.zeros(1, 90, 110)
    mask[0, 40:50, 50:70] = 1
    erased = erase(images, mask, R, crop_mode="face", face_finder=Finder())
    blend_mask = torch.ones(1, 90, 110) if feather_px else None
    completions = torch.rand(2, R, R, 3, generator=generator)
    results, weight = paste_completions(erased, completions, feather_px, blend_mask)
    inside = torch.zeros(90, 110, dtype=torch.bool)
    inside[erased.crops[0].image_area] = erased.crops[0].inset("cpu") > 0
    assert weight[0][~inside].max() == 0 and weight[0][mask[0] == 1].min() == 1
    assert torch.equal(results[:, ~inside], images.expand(2, -1, -1, -1)[:, ~inside])
    if feather_px:
        assert weight[0][inside].min() < 0.2
    else:
        assert torch.equal(weight[0], mask[0])
    assert (results[0] != results[1])[mask[0] == 1].any()


@pytest.mark.parametrize("crop_mode", ["picture", "hole"])
def test_seamless_moves_the_completion_to_the_colours_around_it(generator, crop_mode):
    """An image and its brighter copy as completion: the hole gets the image back."""
    image = torch.rand(1, 3, 12, 9, generator=generator) * 0.5
    image = F.interpolate(image, size=(120, 90), mode="bicubic").clamp(0, 0.6).movedim(1, -1)
    mask = torch.zeros(1, 120, 90)
    mask[0, 40:70, 0:30], mask[0, 80, 60], mask[0, 38:40, 0:30] = 1, 0.7, 0.3
    erased = erase(image, mask, 160, crop_mode=crop_mode)
    brighter = erase(image + 0.3, torch.ones(1, 120, 90), 160, crop_mode=crop_mode)
    crop, square = erased.crops[0], torch.zeros(1, 3, erased.crops[0].side, erased.crops[0].side)
    area = (..., *crop.image_area)
    square[(..., *crop.square_area)] = (brighter.original)[area]
    completion = F.interpolate(square, size=(160, 160), mode="bilinear").movedim(1, -1)
    pasted, weight = paste_completions(erased, completion, blend="paste")
    result, same_weight = paste_completions(erased, completion, blend="seamless")
    assert torch.equal(weight, same_weight)
    assert torch.equal(result[weight == 0], image[weight == 0])
    assert (result - image).abs().mean() < 0.05 * (pasted - image).abs().mean()


def test_a_hole_that_reaches_the_side_of_its_square_uses_the_image_beyond(generator):
    image = torch.full((1, 100, 100, 3), 0.25)
    mask = torch.zeros(1, 100, 100)
    mask[:, 20:84, 20:84] = 1
    erased = erase(image, mask, R, crop_mode="hole", margin=0.0)
    assert erased.crops[0].side == 64
    images, _ = paste_completions(erased, torch.full((1, R, R, 3), 0.75))
    assert (images - image).abs().max() < 1 / 255


@pytest.mark.parametrize("side", [50, 300, 600])
@pytest.mark.parametrize("blend", ["seamless", "paste"])
def test_a_variant_has_the_same_bits_however_many_there_are(generator, side, blend):
    """Several small ones are blended together; of large ones, each channel by itself."""
    mask = torch.zeros(2, side, side - 7)
    mask[:, side // 5 : -3, 5 : side - 9] = 1
    erased = erase(torch.rand(2, side, side - 7, 3, generator=generator), mask, R)
    images = torch.rand(6, R, R, 3, generator=generator)
    together, _ = paste_completions(erased, images, blend=blend)
    alone, _ = paste_completions(erased, images[1::3], blend=blend)
    assert torch.equal(together[1::3], alone)
    assert not torch.equal(together[::3], alone)


def test_variants_come_one_by_one_in_both_types(generator):
    mask = torch.zeros(2, 40, 30)
    mask[0, 10:30, 5:25], mask[1, 0:9, 0:9] = 1, 0.7
    erased = erase(torch.rand(2, 40, 30, 3, generator=generator), mask, R)
    images = torch.rand(6, R, R, 3, generator=generator)
    whole, _ = paste_completions(erased, images)
    one_by_one = composites(erased, images)
    for b in range(2):
        exact = list(one_by_one.variants(b))
        assert torch.equal(torch.stack(exact), whole[3 * b : 3 * b + 3])
        rounded = torch.stack(list(one_by_one.variants(b, torch.uint8)))
        assert torch.equal(rounded, image_to_uint8(whole[3 * b : 3 * b + 3]))
        assert len({one.data_ptr() for one in exact}) == 3


def test_an_image_without_a_hole_comes_back(generator):
    images, mask = torch.rand(2, 40, 30, 3, generator=generator), torch.zeros(2, 40, 30)
    mask[0, 10:30, 5:25] = 1
    results, weight = paste_completions(erase(images, mask, R), torch.ones(4, R, R, 3))
    assert weight[1].max() == 0 and torch.equal(results[2:], images[1:].expand(2, -1, -1, -1))
