"""Functions of the user's own that score images."""

import sys

import pytest
import torch

from diverse_inpainting.cli.scorers import UserScorer
from diverse_inpainting.core.errors import ConfigError, InputError

SOURCE = """
from dataclasses import dataclass

@dataclass
class Kept:
    names: "list[str]"

def mean(images):
    assert images.dtype == "uint8" and images.shape[1:] == (4, 6, 3)
    return images.mean(axis=(1, 2, 3))

def several(images):
    return {"red": list(images[:, 0, 0, 0]), "column": images[:, 0, 0, 1:2].astype(float)}

def changing(images):
    return {"a" if len(images) > 1 else "b": [0.0] * len(images)}

def failing(images):
    raise KeyError("no face\\x1b[31m")

class Odd(Exception):
    def __str__(self): raise ValueError

def odd(images): raise Odd
def exiting(images): raise SystemExit(0)
def complex_(images): return images.mean(axis=(1, 2, 3)) + 1j
def nan(images): return [float("nan")] + [0.0] * (len(images) - 1)
def too_few(images): return [1.0]
def words(images): return ["a"] * len(images)
def none(images): pass
def unnamed(images): return {3: [0.0] * len(images)}
def empty(images): return {}
constant = 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own_scores.py").write_text(SOURCE)
    yield tmp_path
    sys.modules.pop("own_scores", None)


@pytest.fixture
def images():
    return torch.rand(3, 4, 6, 3, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("module", ["own_scores", "own_scores.py", "./own_scores.py"])
def test_a_function_scores_images_of_eight_bits(folder, images, module):
    path = list(sys.path)
    scores = UserScorer(f"{module}:mean")(images)
    assert sys.path == path
    expected = (images * 255).round().mean(dim=(1, 2, 3))
    torch.testing.assert_close(scores["mean"], expected.double(), rtol=1e-5, atol=1e-4)


def test_several_scores_by_name(folder, images):
    scores = UserScorer("own_scores:several")(images)
    pixels = (images[:, 0, 0] * 255).round().double()
    assert list(scores) == ["red", "column"]
    assert torch.equal(scores["red"], pixels[:, 0]) and torch.equal(scores["column"], pixels[:, 1])


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("failing", r"own_scores:failing failed: KeyError: 'no face\\x1b\[31m'\."),
        ("odd", r"own_scores:odd failed: Odd\."),
        ("exiting", r"own_scores:exiting failed: SystemExit: 0\."),
        ("complex_", "Expected 3 numbers .*, got array"),
        ("nan", "Expected finite numbers from the scorer own_scores:nan, got 1 that are not"),
        ("too_few", r"Expected 3 numbers .*, got values of shape \[1\]"),
        ("words", r"Expected 3 numbers .*, got \['a', 'a', 'a'\]"),
        ("none", "Expected 3 numbers"),
        ("unnamed", "names as short texts .*, got 3"),
        ("empty", "the same names"),
    ],
)
def test_what_a_function_may_not_return(folder, images, function, message):
    with pytest.raises(InputError, match=message):
        UserScorer(f"own_scores:{function}")(images)


def test_names_are_the_same_for_all_images(folder, images):
    scorer = UserScorer("own_scores:changing")
    scorer(images)
    with pytest.raises(InputError, match=r"same names .*, got \['b'\]"):
        scorer(images[:1])


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("own_scores", "module:function or file.py:function, got 'own_scores'"),
        (":mean", "module:function"),
        ("own_scores:a b", "module:function"),
        ("own_scores:absent", "The module own_scores has no function absent"),
        ("own_scores:constant", "no function constant"),
        ("absent_module:mean", "No module named 'absent_module'"),
        ("absent.py:mean", "cannot be imported: FileNotFoundError"),
        ("broken:mean", "cannot be imported: SyntaxError"),
        ("leaving.py:mean", "cannot be imported: SystemExit: 0"),
    ],
)
def test_what_cannot_be_imported_is_one_sentence(folder, source, message):
    (folder / "broken.py").write_text("def mean(:")
    (folder / "leaving.py").write_text("raise SystemExit(0)")
    with pytest.raises(ConfigError, match=message):
        UserScorer(source)
