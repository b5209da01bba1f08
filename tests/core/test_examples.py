"""The bundled photographs and the holes for them."""

import pytest

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.examples import (
    EXAMPLE_MASKS,
    EXAMPLES,
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
