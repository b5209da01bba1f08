import itertools
import math

import pytest
import torch
from crop_samples import hole_box, images_with_holes, whole
from hypothesis import given, settings
from hypothesis import strategies as st

from diverse_inpainting.core.areas import meets
from diverse_inpainting.core.crops import MAX_SQUARES, choose_crops, fit_crop
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.faces import Face
from diverse_inpainting.core.square_crop import SquareCrop
from diverse_inpainting.core.turned_crop import TurnedCrop

few = settings(max_examples=40, deadline=None, derandomize=True)
IMAGE = torch.zeros(3, 200, 300)


class Finder:
    """Finds what it is told, and remembers what it saw."""

    parts = {}  # noqa: RUF012

    def __init__(self, *faces):
        self.faces = list(faces)
        self.seen = []

    def find(self, image_chw):
        self.seen.append(image_chw)
        return self.faces


def choose_crop(*args):
    """Choose the squares where there is to be one, for its whole box."""
    (((crop, area),), said) = choose_crops(*args)
    assert area == crop.image_area
    return crop, said


@few
@given(images_with_holes())
def test_the_crop_holds_the_hole_and_stays_inside_where_it_fits(hole_and_crop):
    hole, crop = hole_and_crop
    outside = hole.clone()
    outside[(0, *crop.image_area)] = 0.0
    assert outside.max() == 0.0
    assert crop.side <= max(crop.height, crop.width)
    for start, length in ((crop.top, crop.height), (crop.left, crop.width)):
        if crop.side <= length:
            assert 0 <= start <= length - crop.side
        else:
            assert start <= 0
            assert start + crop.side >= length


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((7, 7), (0, 0, 7)),
        ((4, 10), (-3, 0, 10)),
        ((10, 4), (0, -3, 10)),
        ((1, 1), (0, 0, 1)),
        ((3, 8), (-3, 0, 8)),
    ],
)
def test_picture_mode_centres_the_smallest_square(size, expected):
    crop = whole(*size)
    assert (crop.top, crop.left, crop.side) == expected


@pytest.mark.parametrize(
    ("rows", "columns", "margin", "expected"),
    [
        ((300, 400), (500, 580), 0.25, (275, 465, 150)),  # 100 px and a quarter on either side
        ((300, 400), (500, 580), 0.0, (300, 490, 100)),
        ((0, 100), (900, 1000), 0.5, (0, 800, 200)),  # moved inside at a corner
        ((300, 310), (500, 510), 0.0, (273, 473, 64)),  # never under 64 px
        ((10, 590), (100, 200), 0.25, (-135, 0, 870)),  # higher than the image: centred over it
        ((0, 600), (0, 1000), 1.0, (-200, 0, 1000)),  # never larger than the whole
    ],
)
def test_hole_mode_follows_the_hole(rows, columns, margin, expected):
    crop = fit_crop(hole_box(600, 1000, rows, columns), "hole", margin)
    assert (crop.top, crop.left, crop.side) == expected


def test_hole_mode_holds_the_faint_rim_of_a_soft_mask():
    mask = torch.zeros(1, 200, 200)
    mask[:, 50:150, 50:150] = 0.01
    mask[:, 90:110, 90:110] = 1.0
    assert fit_crop(mask, "hole", 0.0).side == 100


@pytest.mark.parametrize(
    ("mode", "margin", "mask", "message"),
    [
        ("hloe", 0.25, torch.ones(1, 8, 8), "Did you mean 'hole'"),
        ("hole", -0.1, torch.ones(1, 8, 8), "margin"),
        ("hole", math.nan, torch.ones(1, 8, 8), "margin"),
        ("hole", 0.25, torch.zeros(1, 8, 8), "all zeros"),
    ],
)
def test_fit_crop_refuses_what_it_cannot_use(mode, margin, mask, message):
    with pytest.raises(InputError, match=message):
        fit_crop(mask, mode, margin)


@pytest.mark.parametrize("place", [(8, 0, 4), (0, -4, 4), (0, 0, 0)])
def test_a_crop_meets_its_image(place):
    with pytest.raises(InputError, match="crop's"):
        SquareCrop(*place, height=8, width=8)


@pytest.mark.parametrize("mode", ["face", "auto"])
def test_the_square_of_the_face(mode):
    finder = Finder(Face(140.0, 90.0, 100.0, 12.0, 0.9))
    crop, said = choose_crop(IMAGE, hole_box(200, 300, (80, 90), (130, 150)), mode, 0.25, finder)
    assert crop == TurnedCrop(140.0, 90.0, 100, 12.0, 200, 300)
    assert said == ""
    assert finder.seen[0] is IMAGE


@pytest.mark.parametrize(
    ("mode", "rows", "expected", "words"),
    [
        ("face", (80, 90), "hole", "the square around the hole"),
        ("face", (10, 190), "hole", "the square around the hole"),
        ("auto", (80, 90), "hole", "the square around the hole"),
        ("auto", (10, 190), "picture", "the whole image"),
    ],
)
@pytest.mark.parametrize("faces", [(), (Face(20.0, 20.0, 30.0, 0.0, 0.9),)])
def test_without_the_face_it_says_what_is_used(mode, rows, expected, words, faces):
    hole = hole_box(200, 300, rows, (130, 150))
    crop, said = choose_crop(IMAGE, hole, mode, 0.25, Finder(*faces))
    assert crop == fit_crop(hole, expected, 0.25)
    assert said.endswith(f", so the model sees {words}")
    assert said.startswith("the hole reaches beyond the face" if faces else "no face was found")


def test_an_image_that_is_its_face_stays_as_it_is():
    image, hole = torch.zeros(3, 200, 200), hole_box(200, 200, (80, 90), (80, 90))
    same = Finder(Face(105.0, 96.0, 190.0, -4.0, 0.9))
    assert choose_crop(image, hole, "face", 0.25, same) == (fit_crop(hole, "picture", 0.25), "")
    for other in ((105, 96, 190, 8), (105, 96, 150, 0), (130, 96, 190, 0)):
        crop, _ = choose_crop(image, hole, "face", 0.25, Finder(Face(*map(float, other), 0.9)))
        assert isinstance(crop, TurnedCrop)


def test_nothing_is_looked_for_where_no_face_is_asked_for():
    finder, hole = Finder(), hole_box(200, 300, (80, 90), (130, 150))
    for mode in ("picture", "hole"):
        assert choose_crop(IMAGE, hole, mode, 0.5, finder) == (fit_crop(hole, mode, 0.5), "")
    whole, said = choose_crop(IMAGE, torch.zeros_like(hole), "face", 0.5, finder)
    assert (whole.side, said) == (300, "")
    assert finder.seen == []


@pytest.mark.parametrize("mode", ["face", "auto"])
def test_a_face_needs_a_finder(mode):
    with pytest.raises(InputError, match="face finder"):
        choose_crop(IMAGE, hole_box(200, 300, (80, 90), (130, 150)), mode, 0.25, None)


@pytest.mark.parametrize(
    ("mode", "margin", "words"), [("fcae", 0.2, "face"), ("face", -1, "margin")]
)
def test_bad_settings_are_refused_in_every_mode(mode, margin, words):
    with pytest.raises(InputError, match=words):
        choose_crop(IMAGE, hole_box(200, 300, (1, 9), (1, 9)), mode, margin, Finder())


def hole_boxes(height, width, *boxes):
    mask = torch.zeros(1, height, width)
    for rows, columns in boxes:
        mask[:, slice(*rows), slice(*columns)] = 1.0
    return mask


NEAR, FAR = ((100, 120), (80, 95)), ((110, 116), (900, 930))


@pytest.mark.parametrize("margin", [0.0, 0.25, 3.0])
def test_each_far_hole_has_the_square_that_it_would_have_alone(margin):
    squares, said = choose_crops(IMAGE, hole_boxes(300, 1000, FAR, NEAR), "holes", margin, None)
    expected = [fit_crop(hole_boxes(300, 1000, box), "hole", margin) for box in (NEAR, FAR)]
    assert ([crop for crop, _ in squares], said) == (expected, "")
    assert [area for _, area in squares] == [tuple(slice(*p) for p in box) for box in (NEAR, FAR)]


def test_holes_whose_squares_would_overlap_share_one():
    """The second overlaps the first, and their common square the third."""
    boxes = ((100, 160), (0, 60)), ((100, 160), (80, 140)), ((100, 110), (190, 200))
    assert len(choose_crops(IMAGE, hole_boxes(300, 1000, *boxes, FAR), "holes", 0.25, None)[0]) == 2
    assert len(choose_crops(IMAGE, hole_boxes(300, 1000, *boxes[1:]), "holes", 0.1, None)[0]) == 2
    ((crop, area), _), _ = choose_crops(
        IMAGE, hole_boxes(300, 1000, *boxes, FAR), "holes", 0.25, None
    )
    assert crop == fit_crop(hole_boxes(300, 1000, *boxes), "hole", 0.25)
    assert area == (slice(100, 160), slice(0, 200))


def check_parts(hole, squares):
    """Each pixel of the hole is completed by one square, which sees all of its part."""
    times = torch.zeros_like(hole)
    for crop, area in squares:
        times[(0, *area)] += 1
        inside = torch.zeros_like(hole)
        inside[(0, *crop.image_area)] = 1
        assert inside[(0, *area)].min() == 1
    assert bool((times[hole > 0] == 1).all())


def test_more_holes_than_squares_share_them_and_it_is_said():
    boxes = [((y, y + 5), (x, x + 5)) for x in range(0, 2000, 100) for y in (0, 200, 400)]
    squares, said = choose_crops(IMAGE, hole_boxes(600, 2000, *boxes), "holes", 0.25, None)
    assert MAX_SQUARES / 2 <= len(squares) <= MAX_SQUARES
    check_parts(hole_boxes(600, 2000, *boxes), squares)
    assert said.startswith("the hole has 60 parts")
    assert max(crop.side for crop, _ in squares) < 600
    grid = [((y, y + 5), (x, x + 5)) for x in range(0, 800, 100) for y in (0, 200)]
    squares, said = choose_crops(IMAGE, hole_boxes(600, 2000, *grid), "holes", 0.25, None)
    assert (len(squares), said) == (MAX_SQUARES, "")


@few
@given(st.data(), st.integers(1, 400), st.integers(1, 400), st.sampled_from([0.0, 0.25, 1.0]))
def test_squares_do_not_overlap_and_each_pixel_of_the_hole_has_one(data, height, width, margin):
    hole = torch.zeros(1, height, width)
    for _ in range(data.draw(st.integers(1, 12))):
        top, left = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
        size = data.draw(st.integers(1, 40))
        hole[:, top : top + size, left : left + size] = data.draw(st.sampled_from([1.0, 0.01]))
    squares, _ = choose_crops(IMAGE, hole, "holes", margin, None)
    check_parts(hole, squares)
    pairs = itertools.combinations([crop.image_area for crop, _ in squares], 2)
    assert not any(meets(*pair) for pair in pairs)


@pytest.mark.parametrize("boxes", [[NEAR], [NEAR, ((125, 130), (90, 99))]])
def test_one_square_is_that_of_mode_hole(boxes):
    hole = hole_boxes(300, 1000, *boxes)
    assert choose_crop(IMAGE, hole, "holes", 0.25, None) == (fit_crop(hole, "hole", 0.25), "")


def test_auto_takes_far_holes_one_by_one_each_in_its_face():
    hole = hole_boxes(300, 1000, NEAR, FAR)
    expected, _ = choose_crops(IMAGE, hole, "holes", 0.25, None)
    squares, said = choose_crops(IMAGE, hole, "auto", 0.25, Finder())
    assert squares == expected
    assert said == "parts of the hole are far apart, so the model sees 2 squares"
    finder = Finder(Face(910.0, 115.0, 90.0, 7.0, 0.9))
    squares, said = choose_crops(IMAGE, hole, "auto", 0.25, finder)
    assert squares == (expected[0], (TurnedCrop(910.0, 115.0, 90, 7.0, 300, 1000), expected[1][1]))
    assert said.endswith("2 squares, 1 of them faces")


def test_far_holes_of_one_face_share_its_square():
    hole = hole_boxes(300, 1000, NEAR, ((100, 105), (250, 255)), FAR)
    finder = Finder(Face(170.0, 110.0, 250.0, 0.0, 0.9))
    squares, _ = choose_crops(IMAGE, hole, "auto", 0.25, finder)
    assert [type(crop) for crop, _ in squares] == [TurnedCrop, SquareCrop]
    assert squares[0][1] == (slice(100, 120), slice(80, 255))


def test_faces_among_each_other_leave_each_hole_its_own_square():
    """Two parts in one face, and between them a third in a smaller one."""
    boxes = NEAR, ((100, 120), (400, 415)), ((105, 110), (300, 310))
    hole = hole_boxes(300, 2000, *boxes, ((110, 116), (1900, 1930)))
    large, small = Face(250.0, 110.0, 360.0, 0.0, 0.9), Face(305.0, 107.0, 20.0, 0.0, 0.9)
    finder = Finder(small, large)
    squares, said = choose_crops(IMAGE, hole, "auto", 0.25, finder)
    assert squares == choose_crops(IMAGE, hole, "holes", 0.25, None)[0]
    assert said.endswith("4 squares")


def test_near_holes_are_one_for_auto():
    hole = hole_boxes(300, 1000, NEAR, ((100, 120), (180, 195)))
    assert len(choose_crops(IMAGE, hole, "holes", 0.25, None)[0]) == 2
    crop, said = choose_crop(IMAGE, hole, "auto", 0.25, Finder())
    assert crop == fit_crop(hole, "hole", 0.25) and said.startswith("no face was found")
