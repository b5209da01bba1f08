"""Any images, masks and settings at once: what is valid stays, what is erased is filled."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from diverse_inpainting.core.blending import BLENDS, choose_blend
from diverse_inpainting.core.checkpoint import read_checkpoint
from diverse_inpainting.core.crops import CROP_MODES
from diverse_inpainting.core.editor import Edit
from diverse_inpainting.core.faces import Face
from diverse_inpainting.core.inpainter import SKIP_SOURCES, Inpainter

MODELS = {
    "whole": ("generator", "encoder", "mixer", "skip_encoder"),
    "stage 1": ("generator", "encoder", "mixer"),
    "generator": ("generator",),
}


class Finder:
    """Finds the same faces everywhere, given in fractions of the image's sides."""

    parts = {}  # noqa: RUF012

    def __init__(self, places):
        self.places = places

    def find(self, image_chw):
        height, width = image_chw.shape[1:]
        longest = max(height, width)
        return [
            Face(x * width, y * height, side * longest, angle, 1.0)
            for x, y, side, angle in self.places
        ]


@pytest.fixture(scope="module")
def models(tiny_checkpoint):
    return {
        name: Inpainter(read_checkpoint(tiny_checkpoint, MODELS[name]), "float32")
        for name in MODELS
    }


@st.composite
def images(draw):
    """Images [B, H, W, 3] of one dtype."""
    size = st.sampled_from([1, 2, 7, 32, 41, 66])
    shape = draw(st.tuples(st.integers(1, 2), size, size))
    values = torch.rand(
        *shape, 3, generator=torch.Generator().manual_seed(draw(st.integers(0, 99)))
    )
    if draw(st.booleans()):
        return (values * 255).to(torch.uint8)
    return values.to(draw(st.sampled_from([torch.float32, torch.float64, torch.float16])))


def draw_mask(draw, image):
    """A mask for each image: a box, maybe a soft one, that reaches the first image anyhow."""
    B, H, W, _ = image.shape
    mask = torch.zeros(B, H, W)
    for b in range(B):
        top, left = draw(st.integers(0, H - 1)), draw(st.integers(0, W - 1))
        bottom, right = draw(st.integers(top + 1, H)), draw(st.integers(left + 1, W))
        mask[b, top:bottom, left:right] = draw(st.sampled_from([1.0, 0.6, 0.3]))
        mask[b, top, left] = 1.0 if b == 0 else draw(st.sampled_from([0.0, 1.0]))
    if draw(st.booleans()):
        return mask
    return draw(st.sampled_from([mask.double(), mask >= 0.5, (mask * 255).to(torch.uint8)]))


def settings_of(draw):
    return {
        "num_variants": draw(st.integers(1, 2)),
        "crop_mode": draw(st.sampled_from(CROP_MODES)),
        "margin": draw(st.sampled_from([0.0, 0.25, 3.0])),
        "feather_px": draw(st.sampled_from([0, 0, 3, 1024])),
        "blend": draw(st.sampled_from([None, *BLENDS])),
        "fit_steps": draw(st.sampled_from([0, 0, 0, 1])),
        "skip_source": draw(st.sampled_from(SKIP_SOURCES)),
        "edits": draw(st.sampled_from([(), (Edit("sefa:0", 1.5),)])),
    }


coordinate, angle = st.floats(-0.2, 1.2), st.floats(-180, 180)
faces = st.lists(st.tuples(coordinate, coordinate, st.floats(0.1, 1.5), angle), max_size=2)


@given(st.data(), images(), faces, st.sampled_from(sorted(MODELS)))
@settings(max_examples=25, deadline=None, derandomize=True)
def test_valid_pixels_stay_bit_for_bit_and_holes_are_filled(models, data, image, found, name):
    model, mask, chosen = models[name], draw_mask(data.draw, image), settings_of(data.draw)
    model.face_finder = Finder(found)
    if name == "generator":
        chosen["fit_steps"] = 1  # 0 would take 75
    result = model.inpaint(image, mask, **chosen)

    unit = image.float() / 255 if image.dtype == torch.uint8 else image.float()
    hole = mask.float() / 255 if mask.dtype == torch.uint8 else mask.float()
    assert result.images.min() >= 0 and result.images.max() <= 1
    kept = result.weight == 0
    if choose_blend(chosen["blend"], 0) != "feather" and chosen["feather_px"] == 0:
        kept |= hole == 0
    for b in range(len(image)):
        shown, original = result.images[b, :, kept[b]], unit[b, kept[b]]
        assert torch.equal(shown, original.expand_as(shown))
        if hole[b].max() >= 0.5:  # else the image is left alone
            assert bool((result.weight[b, hole[b] >= 0.5] == 1).all())
