"""Areas, and the connected parts of masks against a flood fill pixel by pixel."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from diverse_inpainting.core.areas import connected_areas, joined, meets, nearest

few = settings(max_examples=150, deadline=None, derandomize=True)


def flood(mask):
    """Return the box of each connected part, in no order."""
    left, boxes = set(zip(*np.nonzero(mask), strict=True)), []
    while left:
        part, front = [], [left.pop()]
        while front:
            row, column = front.pop()
            part.append((row, column))
            near = itertools.product((row - 1, row, row + 1), (column - 1, column, column + 1))
            found = left.intersection(near)
            left -= found
            front += found
        rows, columns = zip(*part, strict=True)
        boxes.append((min(rows), max(rows) + 1, min(columns), max(columns) + 1))
    return boxes


def numbers(areas):
    return sorted((rows.start, rows.stop, columns.start, columns.stop) for rows, columns in areas)


@few
@given(arrays.arrays(bool, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_parts_are_those_of_a_flood_fill(mask):
    assert numbers(connected_areas(torch.from_numpy(mask))) == sorted(flood(mask))


def test_a_winding_part_is_one():
    """A spiral: its arms meet in the middle only."""
    mask = np.zeros((41, 41), bool)
    low, high = 0, 40
    while low < high:
        mask[low, low : high + 1] = mask[low : high + 1, high] = mask[high, low : high + 1] = True
        mask[low + 2 : high + 1, low] = True
        mask[low + 2, low : low + 3] = True
        low, high = low + 2, high - 2
    assert len(flood(mask)) == 1
    assert numbers(connected_areas(torch.from_numpy(mask))) == flood(mask)


def test_a_pattern_counts_in_larger_squares():
    mask = torch.zeros(83, 101, dtype=torch.bool)
    mask[::4, ::4] = True  # 546 parts
    areas = connected_areas(mask)
    assert numbers(areas) == [(0, 83, 0, 101)]
    mask[:, 40:60] = False
    first, second = connected_areas(mask)
    assert first[1].stop <= 40 and second[1].start >= 56
    covered = torch.zeros_like(mask)
    for area in (first, second):
        covered[area] = True
    assert not (mask & ~covered).any()


def test_noise_counts_in_larger_squares_before_it_takes_long():
    noise = torch.zeros(1000, 1200, dtype=torch.bool)
    noise[:, ::2] = True  # 600,000 runs
    noise[:, 500:700] = False
    assert numbers(connected_areas(noise)) == [(0, 1000, 0, 500), (0, 1000, 700, 1200)]


areas = st.tuples(*[st.integers(0, 9)] * 2, *[st.integers(1, 5)] * 2).map(
    lambda n: (slice(n[0], n[0] + n[2]), slice(n[1], n[1] + n[3]))
)


@few
@given(areas, areas)
def test_what_meets_and_what_joins(first, second):
    canvas = np.zeros((2, 20, 20), int)
    canvas[(0, *first)] = canvas[(1, *second)] = 1
    assert meets(first, second) == meets(second, first) == bool(canvas.all(axis=0).any())
    both = canvas.any(axis=0)
    limits = (np.flatnonzero(both.any(axis=axis))[[0, -1]] + [0, 1] for axis in (1, 0))
    assert numbers([joined(first, second)]) == [tuple(np.concatenate(list(limits)).tolist())]


@few
@given(st.lists(areas, min_size=2, max_size=5))
def test_the_nearest_have_the_smallest_common_square(several):
    def side(pair):
        return max(part.stop - part.start for part in joined(*pair))

    first, second = nearest(several)
    assert first != second
    least = min(map(side, itertools.combinations(several, 2)))
    assert side((several[first], several[second])) == least


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (7, 1)])
def test_nothing_and_everything(size):
    assert connected_areas(torch.zeros(size, dtype=torch.bool)) == []
    assert connected_areas(torch.ones(size, dtype=torch.bool)) == [tuple(slice(0, n) for n in size)]
