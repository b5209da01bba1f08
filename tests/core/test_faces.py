import dataclasses
import math

import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.faces import Ellipse, Face, aligned_crop, face_crop, part_mask

LEFT = Face(60.0, 80.0, 80.0, 0.0, 0.9)
RIGHT = Face(200.0, 100.0, 100.0, 30.0, 0.8)


def hole(rows, columns, size=(200, 300)):
    mask = torch.zeros(1, *size)
    mask[:, slice(*rows), slice(*columns)] = 1
    return mask


def test_locate_turns_into_the_square():
    x = torch.tensor([200.0, 200 + 50 * math.cos(math.pi / 6)])
    y = torch.tensor([100.0, 100 + 50 * math.sin(math.pi / 6)])
    across, down = RIGHT.locate(x, y)
    torch.testing.assert_close(across, torch.tensor([0.5, 1.0]))
    torch.testing.assert_close(down, torch.tensor([0.5, 0.5]))


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"centre_x": math.nan}, "centre_x"),
        ({"centre_y": math.inf}, "centre_y"),
        ({"side": 0.0}, "side"),
        ({"angle": 361.0}, "angle"),
    ],
)
def test_a_finder_that_makes_no_square_is_told(change, name):
    with pytest.raises(InputError, match=f"the face's {name}"):
        dataclasses.replace(LEFT, **change)


def test_no_face():
    assert face_crop(hole((0, 5), (0, 5)), []) == (None, "no face was found")


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (((70, 90), (50, 70)), LEFT),
        (((90, 110), (180, 220)), RIGHT),
        (((60, 100), (60, 102)), LEFT),  # reaches a little beyond
    ],
)
def test_the_face_that_the_hole_lies_in(box, expected):
    crop, said = face_crop(hole(*box), [LEFT, RIGHT])
    assert (crop.centre_x, crop.centre_y) == (expected.centre_x, expected.centre_y)
    assert crop.angle == expected.angle
    assert said.startswith("2 faces were found; the one at (")
    inside = crop.inset("cpu") > 0
    assert bool(inside[hole(*box)[0][crop.image_area] > 0].all())


def test_the_square_grows_no_more_than_needed():
    crop, said = face_crop(hole((60, 100), (60, 104)), [LEFT])  # 4 px beyond the side at 100
    assert crop.side == 88
    assert said == "the face's square is enlarged by 9 % for the hole"
    exact, said = face_crop(hole((60, 100), (60, 99)), [LEFT])
    assert (exact.side, said) == (80, "")


def test_a_hole_far_beyond_the_face():
    crop, said = face_crop(hole((60, 100), (60, 160)), [LEFT])
    assert crop is None
    assert said == "the hole reaches beyond the face at (60, 80)"


def test_a_hole_that_no_face_holds_takes_the_nearest():
    crop, said = face_crop(hole((75, 85), (110, 118)), [LEFT, RIGHT])
    assert crop is None
    assert "(60, 80)" in said


def test_a_face_cut_off_by_the_image_is_centred_in_it():
    crop = aligned_crop(Face(-3.0, 10.0, 20.0, 5.0, 1.0), 40, 40, 2.0)
    assert (crop.centre_x, crop.centre_y, crop.side, crop.angle) == (0.0, 10.0, 40, 5.0)


def test_the_square_of_a_face_centred_outside_the_image_holds_the_hole():
    mask = hole((20, 22), (0, 2))
    crop, _ = face_crop(mask, [Face(-20.0, 100.0, 151.0, 80.0, 1.0)])
    assert crop is not None and crop.centre_x == 0.0
    inside = torch.zeros(200, 300, dtype=torch.bool)
    inside[crop.image_area] = crop.inset("cpu") > 0
    assert inside[mask[0] > 0].all()


def test_part_masks_lie_where_the_face_turns_them():
    above = (Ellipse(0.5, 0.1, 0.05, 0.05),)
    face = Face(100.0, 100.0, 100.0, 90.0, 1.0)  # tilted clockwise: its top is on the right
    mask = part_mask(face, above, 200, 220)
    assert mask.shape == (200, 220)
    rows, columns = mask.nonzero(as_tuple=True)
    centre = (rows.float().mean() + 0.5, columns.float().mean() + 0.5)
    assert centre == pytest.approx((100, 140), abs=0.5)
    assert mask.sum().item() == pytest.approx(math.pi * 25, rel=0.1)
    both = part_mask(face, (*above, Ellipse(0.5, 0.9, 0.05, 0.05)), 200, 220)
    assert both.sum().item() == pytest.approx(2 * mask.sum().item(), rel=0.05)


def test_a_tilted_ellipse():
    shape = Ellipse(0.5, 0.5, 0.4, 0.1, 90.0)
    x, y = torch.tensor([0.5, 0.85]), torch.tensor([0.85, 0.5])
    assert shape.holds(x, y).tolist() == [True, False]
