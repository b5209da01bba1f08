"""Scores of images drawn by hand."""

import pytest
import torch

from diverse_inpainting.core.directions import SCORES

R = 32


def flat(red, green, blue):
    return torch.tensor([red, green, blue]).expand(1, R, R, 3).clone()


def score(name, images):
    (value,) = SCORES[name](images).tolist()
    return value


def dotted(rows, columns):
    """Grey with single white pixels in a part."""
    image = flat(0.5, 0.5, 0.5)
    image[:, rows, columns][:, ::2, ::2] = 1.0
    return image


def test_colours_of_flat_images():
    image = flat(0.8, 0.4, 0.2)
    luma = 0.2126 * 0.8 + 0.7152 * 0.4 + 0.0722 * 0.2
    assert score("brightness", image) == pytest.approx(luma, rel=1e-5)
    assert score("background", image) == pytest.approx(luma, rel=1e-5)
    assert score("warmth", image) == pytest.approx(0.6, rel=1e-5)
    for name in ("markings", "white_chin"):
        assert score(name, image) == pytest.approx(0, abs=1e-5)


def test_background_is_the_frame_without_the_bottom():
    image = flat(0.0, 0.0, 0.0)
    image[:, -4:] = 1.0
    assert score("background", image) == 0
    image[:, :4] = 1.0
    assert 0.2 < score("background", image) < 0.5
    image[:, 8:-8, 8:-8] = 0.3
    assert score("brightness", image) > 0.1


def test_a_white_chin_is_below():
    image = flat(0.0, 0.0, 0.0)
    image[:, R // 2 :] = 1.0
    assert score("white_chin", image) == pytest.approx(1, rel=1e-5)
    assert score("white_chin", image.flip(1)) == pytest.approx(-1, rel=1e-5)


def test_detail_is_what_is_fine():
    plain, striped = flat(0.5, 0.5, 0.5), flat(0.5, 0.5, 0.5)
    striped[:, :, ::2] = 0.8
    plain[:, :, R // 2 :] = 0.8
    assert score("markings", striped) > 3 * score("markings", plain)


def test_turn_follows_detail_to_the_right():
    left = dotted(slice(12, 20), slice(4, 12))
    assert score("turn", left) < -0.2
    assert score("turn", left.flip(2)) == pytest.approx(-score("turn", left), rel=1e-4)
    assert score("turn", flat(0.5, 0.5, 0.5)) == 0


def test_size_grows_with_the_distance_of_detail():
    near = dotted(slice(12, 20), slice(12, 20))
    far = dotted(slice(2, 30), slice(2, 30))
    assert score("size", near) < 0.2 < score("size", far)


def test_each_image_is_scored_alone():
    images = torch.rand(3, R, R, 3, generator=torch.Generator().manual_seed(1))
    for name, measure in SCORES.items():
        assert measure(images).shape == (3,), name
        torch.testing.assert_close(measure(images)[1:2], measure(images[1:2]))
