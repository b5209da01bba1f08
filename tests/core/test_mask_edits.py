"""Changes to hole masks."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.mask_edits import MaskEdits


def mask_of(*rows):
    return torch.tensor([[float(c == "#") for c in row] for row in rows])[None]


def test_nothing_changes_by_default():
    mask = torch.rand(2, 5, 6)
    assert torch.equal(MaskEdits().apply(mask), mask)


def test_invert():
    assert torch.equal(MaskEdits(invert=True).apply(mask_of("#..")), mask_of(".##"))


def test_an_outline_becomes_an_area():
    outline = mask_of("........", ".####...", ".#..#.#.", ".####.#.", "........")
    filled = mask_of("........", ".####...", ".####.#.", ".####.#.", "........")
    assert torch.equal(MaskEdits(fill=True).apply(outline), filled)


def test_what_is_open_to_the_border_stays_open():
    spiral = mask_of("#######", "#.....#", "#.###.#", "#.#.#.#", "#.#...#", "#.#####")
    assert torch.equal(MaskEdits(fill=True).apply(spiral), spiral)
    closed = spiral.clone()
    closed[0, 5, 1] = 1
    assert MaskEdits(fill=True).apply(closed).min() == 1


@given(st.lists(st.lists(st.booleans(), min_size=6, max_size=6), min_size=5, max_size=5))
def test_filling_agrees_with_a_flood(rows):
    hole = torch.tensor(rows)
    outside, stack = set(), [(-1, -1)]
    while stack:
        y, x = stack.pop()
        inside = 0 <= y < 5 and 0 <= x < 6
        if (y, x) in outside or not (-1 <= y <= 5 and -1 <= x <= 6) or (inside and hole[y, x]):
            continue
        outside.add((y, x))
        stack += [(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)]
    expected = [[(y, x) not in outside for x in range(6)] for y in range(5)]
    assert MaskEdits(fill=True).apply(hole[None].float())[0].bool().tolist() == expected


def test_grow_and_shrink():
    dot = torch.zeros(1, 9, 9)
    dot[0, 4, 4] = 1
    grown = MaskEdits(grow_px=2).apply(dot)
    assert grown.sum() == 25
    assert grown[0, 2:7, 2:7].min() == 1
    assert torch.equal(MaskEdits(grow_px=-2).apply(grown), dot)


def test_blur_keeps_straight_edges_where_they_were():
    half = torch.zeros(1, 20, 20)
    half[:, :, 10:] = 1
    soft = MaskEdits(blur_px=3).apply(half)
    assert torch.equal((soft >= 0.5).float(), half)
    assert soft[0, 5].tolist() == pytest.approx([0] * 7 + [k / 7 for k in range(1, 7)] + [1] * 7)
    assert soft.max() <= 1


def test_a_number_out_of_range_is_refused():
    with pytest.raises(InputError, match="grow_px"):
        MaskEdits(grow_px=2000)
    with pytest.raises(InputError, match="blur_px"):
        MaskEdits(blur_px=-1)
    with pytest.raises(InputError, match="whole number"):
        MaskEdits(grow_px=2.5)
