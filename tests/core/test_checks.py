"""Checks of arguments: what passes, and what is refused with which words."""

import math

import numpy as np
import pytest
import torch

from diverse_inpainting.core.checks import (
    check_choice,
    check_finite,
    check_generator_id,
    check_int,
    check_range,
    checked_layers,
    is_generator_id,
)
from diverse_inpainting.core.errors import InputError


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.uint8, torch.bool])
def test_finite_tensors_pass(dtype):
    check_finite(torch.ones(2, 3).to(dtype), "image")
    check_finite(torch.ones(0, 3).to(dtype), "image")


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_check_finite_counts_what_is_not(bad):
    image = torch.zeros(2, 3)
    image[0, 1] = image[1, 2] = bad
    with pytest.raises(InputError, match="2 of 6 values of the image are NaN"):
        check_finite(image, "image")


@pytest.mark.parametrize("value", [0, 1, 0.5, np.float32(0.25), np.int64(1)])
def test_numbers_within_the_range_pass(value):
    check_range(value, "psi", 0, 1)


@pytest.mark.parametrize("value", [-0.001, 1.001, math.nan, math.inf, "0.5", None, True, 1j])
def test_check_range_refuses(value):
    with pytest.raises(InputError, match="psi to be a number from 0 to 1"):
        check_range(value, "psi", 0, 1)


@pytest.mark.parametrize(
    ("low", "high", "value", "text"),
    [
        (0, math.inf, -1, "of at least 0"),
        (-math.inf, 2, 3, "of at most 2"),
        (-math.inf, math.inf, math.nan, "of any size"),
    ],
)
def test_open_ranges_are_worded_so(low, high, value, text):
    with pytest.raises(InputError, match=text):
        check_range(value, "strength", low, high)


@pytest.mark.parametrize("value", [0, 2**64 - 1, np.uint64(5)])
def test_whole_numbers_pass(value):
    check_int(value, "seed", 0, 2**64 - 1)


@pytest.mark.parametrize("value", [-1, 2**64, 1.0, True, "3", None])
def test_check_int_refuses(value):
    with pytest.raises(InputError, match="seed to be a whole number from 0 to"):
        check_int(value, "seed", 0, 2**64 - 1)


def test_choices_pass_and_the_nearest_is_proposed():
    choices = ("picture", "hole")
    check_choice("hole", "crop_mode", choices)
    with pytest.raises(InputError, match=r"one of 'picture', 'hole', got 'pictur'.*mean 'picture'"):
        check_choice("pictur", "crop_mode", choices)
    with pytest.raises(InputError, match="Choose another crop_mode"):
        check_choice("zzz", "crop_mode", choices)


@pytest.mark.parametrize("value", [None, 3, ["hole"]])
def test_check_choice_refuses_what_is_no_text(value):
    with pytest.raises(InputError):
        check_choice(value, "crop_mode", ("picture", "hole"))


def test_the_form_of_a_generator_id():
    assert is_generator_id("0f" * 32)
    check_generator_id("0f" * 32)


@pytest.mark.parametrize("value", ["", "0f" * 31, "0f" * 33, "0F" * 32, "0f" * 32 + "\n", None, 3])
def test_other_generator_ids_are_refused(value):
    assert not is_generator_id(value)
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        check_generator_id(value)


def test_checked_layers_completes_a_range():
    assert checked_layers(2, None, 8) == (2, 7)
    assert checked_layers(3, 3, 8) == (3, 3)


@pytest.mark.parametrize(
    ("first", "last", "named"),
    [(8, None, "first_layer"), (-1, 2, "first_layer"), (3, 2, "last_layer"), (0, 8, "last_layer")],
)
def test_checked_layers_refuses(first, last, named):
    with pytest.raises(InputError, match=f"{named} to be a whole number"):
        checked_layers(first, last, 8)
