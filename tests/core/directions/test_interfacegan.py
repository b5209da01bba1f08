"""Planes between high and low scores, where the answer is known."""

import pytest
import torch

from diverse_inpainting.core.directions import Boundary, find_boundary, independent
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
    assert boundary.accuracy(boundary.normal) > 0.98
    assert abs(boundary.accuracy(unit(0, 1, 0, 0, 0, 0, 0, 0)) - 0.5) < 0.15


def test_scale_and_offset_of_the_codes_do_not_matter():
    w = codes()
    scores = w[:, 0] + 0.5 * w[:, 1]
    first, second = find_boundary(w, scores), find_boundary(100 * w + 30, scores)
    assert first.normal @ second.normal > 0.9999


def test_a_random_score_is_guessed_by_chance():
    noise = torch.randn(2000, generator=torch.Generator().manual_seed(5))
    boundary = find_boundary(codes(), noise)
    assert abs(boundary.accuracy(boundary.normal) - 0.5) < 0.15


def test_accuracy_by_hand():
    """Of six pairs, the high code lies further along in five."""
    low, high = torch.tensor([[0.0], [2.0], [4.0]]), torch.tensor([[3.0], [5.0]])
    boundary = Boundary(unit(1), low.double(), high.double())
    assert boundary.accuracy(unit(1)) == pytest.approx(5 / 6)
    assert boundary.accuracy(unit(-1)) == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    ("w", "scores", "message"),
    [
        (codes(199), torch.arange(199.0), "at least 200 samples"),
        (codes(200), torch.arange(199.0), r"\[199\] scores for 200"),
        (codes(200), torch.ones(200), "lowest scores are equal"),
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
