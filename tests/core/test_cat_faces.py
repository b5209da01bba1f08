import math

import pytest
import torch
from PIL import Image

from diverse_inpainting.core.cat_faces import CatFaces
from diverse_inpainting.core.faces import part_mask
from diverse_inpainting.core.image_files import read_image

SIZE = (420, 560)


@pytest.fixture(scope="module")
def finder():
    return CatFaces()


@pytest.fixture
def cats(root):
    return sorted((root / "core/weights/pictures").glob("*.jpg"))


def background(seed=0):
    """Coloured noise, smooth enough to look like something."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 7, 9, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, SIZE, mode="bilinear")[0]
    return (smooth + 0.05 * torch.randn(3, *SIZE, generator=generator)).clamp(0, 1)


def paste(image_chw, path, x, y, side, angle):
    """Paste a picture around (x, y), tilted clockwise."""
    cat = Image.open(path).convert("RGBA").resize((side, side), Image.Resampling.LANCZOS)
    cat = cat.rotate(-angle, Image.Resampling.BICUBIC, expand=True)
    array = torch.frombuffer(bytearray(cat.tobytes()), dtype=torch.uint8)
    array = array.view(cat.height, cat.width, 4).movedim(-1, 0).float() / 255
    top, left = round(y - cat.height / 2), round(x - cat.width / 2)
    area = (slice(None), slice(top, top + cat.height), slice(left, left + cat.width))
    result = image_chw.clone()
    result[area] = torch.lerp(result[area], array[:3], array[3:])
    return result


def assert_is(face, x, y, side, angle):
    assert math.hypot(face.centre_x - x, face.centre_y - y) < 0.15 * side
    assert 0.75 < face.side / side < 1.25
    assert abs(face.angle - angle) < 15


@pytest.mark.parametrize("place", [(260, 200, 150, 0), (330, 210, 90, -25), (270, 215, 260, 20)])
def test_pasted_cats_are_found(finder, cats, place):
    found = [finder.find(paste(background(i), path, *place)) for i, path in enumerate(cats)]
    for faces in found:
        assert_is(faces[0], *place)
    assert sum(map(len, found)) <= len(cats) + 1


def test_two_cats_are_two_faces(finder, cats):
    places = ((130, 150, 140, 10), (410, 270, 170, -10))
    image = background(3)
    for path, place in zip(cats, places, strict=False):
        image = paste(image, path, *place)
    faces = sorted(finder.find(image), key=lambda face: face.centre_x)
    assert len(faces) == 2
    for face, place in zip(faces, places, strict=True):
        assert_is(face, *place)
    scores = [face.score for face in finder.find(image)]
    assert scores == sorted(scores, reverse=True)


def test_an_aligned_picture_is_its_own_face(finder, cats):
    for path in cats:
        pixels = read_image(path).image[0].movedim(-1, 0)
        face = finder.find(pixels)[0]
        assert_is(face, pixels.shape[2] / 2, pixels.shape[1] / 2, pixels.shape[2], 0)


def test_no_cat_is_no_face(finder):
    generator = torch.Generator().manual_seed(0)
    for image in (background(5), torch.rand(3, 90, 300, generator=generator), torch.zeros(3, 1, 1)):
        assert finder.find(image) == []


def test_a_threshold_of_one_finds_nothing(cats):
    assert CatFaces(threshold=1.0).find(paste(background(), cats[0], 260, 200, 150, 0)) == []


def test_what_is_not_finite_is_black(finder, cats):
    image = paste(background(), cats[0], 260, 200, 150, 0)
    broken, black = image.clone(), image.clone()
    broken[:, 30:60, 30:60], black[:, 30:60, 30:60] = math.nan, 0
    assert finder.find(broken) == finder.find(black)


def test_parts_lie_in_the_face_and_on_their_side(finder, cats):
    image = paste(background(), cats[0], 260, 200, 200, 0)
    face = finder.find(image)[0]
    masks = {name: part_mask(face, part, *SIZE) for name, part in finder.parts.items()}
    middles = {name: mask.nonzero().float().mean(dim=0) for name, mask in masks.items()}
    for side in ("eye", "ear"):
        assert middles[f"left {side}"][1] < middles["muzzle"][1] < middles[f"right {side}"][1]
        both = torch.maximum(masks[f"left {side}"], masks[f"right {side}"])
        assert torch.equal(masks[f"{side}s"], both)
    assert middles["ears"][0] < middles["eyes"][0] < middles["muzzle"][0]
    assert 0.3 < masks["face"].sum() / face.side**2 < 0.6
