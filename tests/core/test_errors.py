"""Tests of core.errors: the two texts, and copies that lose nothing."""

import copy
import pickle

import pytest

from diverse_inpainting.core.errors import DiverseInpaintingError, InputError

PARTS = ("an image with 3 channels", "4", "Remove the alpha channel.")


def test_the_text_names_what_was_expected_what_came_and_what_to_do():
    error = DiverseInpaintingError(*PARTS)
    assert str(error) == "Expected an image with 3 channels, got 4. Remove the alpha channel."
    assert (error.expected, error.got, error.remedy, error.problem) == (*PARTS, "")


def test_a_problem_replaces_the_first_sentence_and_keeps_the_parts():
    error = InputError(*PARTS, problem="The image has an alpha channel.")
    assert str(error) == "The image has an alpha channel. Remove the alpha channel."
    assert (error.expected, error.got, error.remedy) == PARTS


def unpickle(error):
    return pickle.loads(pickle.dumps(error))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, unpickle])
@pytest.mark.parametrize("problem", ["", "No such file."])
def test_copies_say_the_same(duplicate, problem):
    error = InputError(*PARTS, problem=problem)
    twin = duplicate(error)
    assert type(twin) is InputError and str(twin) == str(error)
    assert vars(twin) == vars(error)


def test_quoted_files_do_no_harm():
    error = InputError("a\x1b[31m name", "x" * 500_000, "Rename\nit.")
    assert "\\x1b[31m" in str(error) and "\\n" in str(error)
    assert len(str(error)) < 7000
    assert error.got == "x" * 500_000, "the parts stay as they are"
