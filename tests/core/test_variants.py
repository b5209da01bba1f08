"""Keeping variants and walking between them."""

import dataclasses

import pytest
import torch

from diverse_inpainting.core.errors import GeneratorMismatchError, InputError
from diverse_inpainting.core.latents import WPlus
from diverse_inpainting.core.variants import average, kept_first, walk

ID = "a" * 64


def codes(B, V, name=""):
    labels = tuple(f"{name}{b}{v}" for b in range(B) for v in range(V)) if name else ()
    return WPlus(torch.randn(B, V, 3, 4), ID, labels)


@pytest.mark.parametrize(("images", "fresh_images"), [(2, 2), (1, 2), (2, 1)])
def test_kept_variants_come_first_and_fresh_ones_keep_their_places(images, fresh_images):
    kept, fresh = codes(images, 2, "k"), codes(fresh_images, 5, "f")
    found = kept_first(kept, fresh, 5)
    assert torch.equal(found.codes[:, :2], kept.codes.expand(2, -1, -1, -1))
    assert torch.equal(found.codes[:, 2:], fresh.codes[:, 2:].expand(2, -1, -1, -1))
    b = 1 if images == 2 else 0
    f = 1 if fresh_images == 2 else 0
    assert found.labels[5:] == (f"k{b}0", f"k{b}1", f"f{f}2", f"f{f}3", f"f{f}4")


def test_all_places_may_be_kept_and_no_more():
    kept, fresh = codes(1, 3), codes(2, 1)
    found = kept_first(kept, fresh, 3)
    assert torch.equal(found.codes, kept.codes.expand(2, -1, -1, -1))
    assert found.labels == ()
    with pytest.raises(InputError, match="3 variants are kept, but only 2 are wanted"):
        kept_first(kept, fresh, 2)


def test_kept_variants_of_another_generator_are_refused():
    foreign = dataclasses.replace(codes(1, 1), generator_id="b" * 64)
    with pytest.raises(GeneratorMismatchError):
        kept_first(foreign, codes(1, 2), 2)


@pytest.mark.parametrize("shape", [(1, 1, 3, 5), (1, 1, 2, 4)])
def test_forged_codes_of_another_shape_are_refused(shape):
    forged = WPlus(torch.zeros(shape), ID)
    for use in (lambda one: kept_first(forged, one, 2), lambda one: one.blend(forged, 0.5)):
        with pytest.raises(InputError, match="codes of 3 layers of 4, got codes of"):
            use(codes(1, 2))


def test_kept_variants_of_other_images_are_refused():
    with pytest.raises(InputError, match="kept codes for 3 images"):
        kept_first(codes(2, 1), codes(3, 2), 2)


def test_a_walk_goes_through_all_variants_in_equal_steps():
    stops = codes(2, 3)
    found = walk(stops, 4).codes
    assert found.shape[:2] == (2, 9)
    assert torch.equal(found[:, [0, 4, 8]], stops.codes)
    quarter = (stops.codes[:, 1] - stops.codes[:, 0]) / 4
    torch.testing.assert_close(found[:, 3] - found[:, 2], quarter)


def test_a_loop_returns_to_its_start_without_repeating_it():
    stops = codes(1, 2)
    found = walk(stops, 2, loop=True).codes
    assert found.shape[1] == 4
    torch.testing.assert_close(found[:, 3], stops.codes.mean(dim=1))
    assert torch.equal(walk(stops, 1).codes, stops.codes)


def test_a_walk_needs_two_variants_and_a_step():
    with pytest.raises(InputError, match="two variants or more"):
        walk(codes(1, 1), 4)
    with pytest.raises(InputError, match="steps"):
        walk(codes(1, 2), 0)


def test_an_average_weighs_variants_in_proportion():
    three = codes(2, 3)
    found = average(three, [2, 1, 1])
    expected = (2 * three.codes[:, :1] + three.codes[:, 1:2] + three.codes[:, 2:]) / 4
    torch.testing.assert_close(found.codes, expected)
    torch.testing.assert_close(average(three, [20, 10, 10]).codes, expected)
    torch.testing.assert_close(average(three, [0, 5, 0]).codes, three.codes[:, 1:2])


@pytest.mark.parametrize("weights", [[], [1, 1], [1, -1, 0], [1, 1, float("nan")], [1, 1, 1e9]])
def test_weights_that_average_nothing_are_refused(weights):
    with pytest.raises(InputError, match="weight"):
        average(codes(1, 3), weights)
