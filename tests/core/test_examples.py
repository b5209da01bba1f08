"""The bundled photographs and the holes for them."""

import hashlib

import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.examples import (
    EXAMPLE_MASKS,
    EXAMPLES,
    PHOTOGRAPH,
    demo_input,
    example_image,
    example_mask,
)


def test_every_picture_in_the_folder_is_an_example():
    (folder,) = {path.parent for path in EXAMPLES.values()}
    assert sorted(EXAMPLES.values()) == sorted(folder.glob("*.jpg"))
    for name in EXAMPLES:
        assert example_image(name).shape == (1, 256, 256, 3)


def test_masks_differ_and_leave_enough_to_see():
    masks = [example_mask(kind, 256) for kind in EXAMPLE_MASKS]
    for mask in masks:
        assert mask.shape == (1, 256, 256)
        assert set(mask.unique().tolist()) == {0.0, 1.0}
        assert 0.1 < mask.mean() <= 0.5
    assert len({float(mask.mean()) for mask in masks}) == len(masks)


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="siamese"):
        example_image("siamesse")
    with pytest.raises(InputError, match="strokes"):
        example_mask("stroke", 64)


def test_the_hole_is_the_one_that_was_looked_at():
    image, hole = demo_input()
    assert image.shape == (1, 256, 256, 3) and hole.shape == (1, 256, 256)
    assert set(hole.unique().tolist()) == {0.0, 1.0}
    assert round(float(hole.mean()), 3) == 0.301
    digest = hashlib.sha256(hole.to(torch.uint8).numpy().tobytes()).hexdigest()
    assert digest.startswith("bd9cf52d952bd069")


def test_five_photographs_are_bundled_with_their_licence():
    assert len(list(PHOTOGRAPH.parent.glob("*.jpg"))) == 5
    text = (PHOTOGRAPH.parent / "LICENSE-pictures.txt").read_text("ascii")
    assert "CC BY-NC 4.0" in text and all(p.name in text for p in PHOTOGRAPH.parent.glob("*.jpg"))
