"""Planes between high and low scores, where the answer is known."""

import pytest
import torch

from diverse_inpainting.core.directions import (
    Boundary,
    discover_interfacegan,
    find_boundary,
    independent,
)
from diverse_inpainting.core.errors import InputError


def codes(num=2000, width=8):
    return torch.randn(num, width, generator=torch.Generator().manual_seed(4))


def unit(*numbers):
    vector = torch.tensor(numbers, dtype=torch.float64)
    return vector / vector.norm()


def test_the_normal_of_a_linear_score_is_found():
    w = codes()
    wanted = unit(1, 0, -2, 0, 0, 0, 3, 0)
    boundary = find_boundary(w, w.double() @ wanted)
    assert boundary.normal @ wanted > 0.98
    assert boundary.normal.norm().item() == pytest.approx(1)
    assert boundary.accuracy() > 0.98
    assert abs(boundary.accuracy([wanted]) - 0.5) < 0.15


def test_scale_and_offset_of_the_codes_do_not_matter():
    w = codes()
    scores = w[:, 0] + 0.5 * w[:, 1]
    first, second = find_boundary(w, scores), find_boundary(100 * w + 30, scores)
    assert first.normal @ second.normal > 0.9999


def test_a_random_score_is_refused():
    w, noise = codes(), torch.randn(2000, generator=torch.Generator().manual_seed(6))
    boundary = find_boundary(w, noise)
    expected = r"accuracy above 0\.59 .* with 500 samples, got 0\.\d\d for joy\."
    with pytest.raises(InputError, match=expected):
        discover_interfacegan(w, boundary, (0, 3), "0" * 64, name="joy")


@pytest.mark.parametrize("width", [4, 64])
def test_one_in_a_hundred_random_scores_exceeds_chance(width):
    random = torch.Generator().manual_seed(6)
    w = torch.randn(60, width, generator=random)
    found = [find_boundary(w, torch.randn(60, generator=random)) for _ in range(200)]
    measured, limit = torch.tensor([boundary.accuracy() for boundary in found]), found[0].chance
    assert measured.mean() == pytest.approx(0.5, abs=0.03)
    assert measured.std() == pytest.approx((limit - 0.5) / 2.33, rel=0.15)
    assert (measured > limit).sum() <= 5


def test_accuracy_by_hand():
    """Of six pairs, the high code lies further along in five; equal codes are in no order."""
    low, high = torch.tensor([[0.0], [2.0], [4.0]]), torch.tensor([[3.0], [5.0]])
    fifths = [torch.zeros(5 * n, 1, dtype=torch.float64) for n in (3, 2)]
    for fold in range(5):
        fifths[0][fold::5], fifths[1][fold::5] = low.double(), high.double()
    forth, back = (
        Boundary(unit(1), *fifths, fold_normals=sign * torch.ones(5, 1, dtype=torch.float64))
        for sign in (1, -1)
    )
    assert forth.accuracy() == pytest.approx(5 / 6)
    assert back.accuracy() == pytest.approx(1 / 6)
    same = Boundary(unit(1), fifths[0], fifths[0], forth.fold_normals)
    assert same.accuracy() == pytest.approx(1 / 3)


def test_each_accuracy_is_of_codes_that_were_held_out():
    """With more dimensions than codes, every plane orders the codes that it was fitted to."""
    w = torch.randn(60, 400, generator=torch.Generator().manual_seed(7))
    boundary = find_boundary(w, torch.randn(60, generator=torch.Generator().manual_seed(8)))
    assert (boundary.high @ boundary.normal).min() > (boundary.low @ boundary.normal).max()
    assert boundary.accuracy() < boundary.chance


@pytest.mark.parametrize(
    ("scores", "sizes"),
    [
        (torch.arange(100.0), (50, 50)),  # few: all
        (torch.arange(1000.0), (250, 250)),
        (torch.arange(4000.0), (400, 400)),  # many: a tenth
        ((torch.arange(100) < 30).float(), (70, 30)),  # two classes
        (torch.arange(100).div(20, rounding_mode="floor").float(), (40, 40)),  # 0-4: without 2
        (torch.tensor([1.0] * 60 + [2.0] * 30 + [3.0] * 10), (60, 40)),
    ],
)
def test_which_samples_count_as_low_and_high(scores, sizes):
    order = torch.randperm(len(scores), generator=torch.Generator().manual_seed(9))
    w = torch.stack([scores, torch.ones(len(scores))], dim=1)[order] + 0.0
    boundary = find_boundary(w, scores[order])
    assert (len(boundary.low), len(boundary.high)) == sizes
    assert boundary.low[:, 0].max() < boundary.high[:, 0].min()
    assert boundary.normal[0] > 0.99


def test_a_direction_says_how_it_was_found():
    w = codes()
    boundary = find_boundary(w, w[:, 0] + w[:, 1])
    plain, apart = (
        discover_interfacegan(w, boundary, (1, 3), "0" * 64, name="joy", others=others)
        for others in ({}, {"age": [unit(1, 0, 0, 0, 0, 0, 0, 0)]})
    )
    assert "on joy, 2000 samples, accuracy 1.000" in plain.source
    assert "on joy, apart from age, 2000 samples" in apart.source
    assert (apart.first_layer, apart.last_layer, apart.name) == (1, 3, "joy")
    assert abs(apart.vector[0]) < 1e-6 < 0.5 < apart.vector[1]
    many = {f"{n} {'x' * 50}": [unit(*(i == n for i in range(8)))] for n in range(2, 8)}
    named = discover_interfacegan(w, boundary, (1, 3), "0" * 64, name="joy", others=many)
    assert "apart from 6 others" in named.source


@pytest.mark.parametrize(
    ("w", "scores", "message"),
    [
        (codes(39), torch.arange(39.0), "at least 40 samples with a score, got 39"),
        (codes(200), torch.arange(199.0), r"\[199\] scores for 200"),
        (codes(200), torch.ones(200), "lowest scores are equal"),
        (codes(200), (torch.arange(200.0) < 19).float(), "181 and 19"),
        (codes(200), torch.full((200,), float("inf")), "scores"),
    ],
)
def test_what_cannot_be_used_is_refused(w, scores, message):
    with pytest.raises(InputError, match=message):
        find_boundary(w, scores)


def test_independent_directions_move_along_no_other():
    others = [unit(1, 1, 0), unit(1, 0, 0), unit(1, 0, 0)]
    rest = independent(unit(1, 2, 3), others)
    torch.testing.assert_close(rest, unit(0, 0, 1))
    torch.testing.assert_close(independent(unit(1, 2, 3), []), unit(1, 2, 3))


def test_nothing_left_is_refused():
    with pytest.raises(InputError, match="Leave fewer unchanged"):
        independent(unit(1, 1, 0), [unit(1, 0, 0), unit(0, 1, 0)])
