"""Directions of a tiny model, by every method, from recipes, and strips."""

import tomllib

import pytest
import torch

from diverse_inpainting.cli.direction_recipes import (
    RECIPES_DIR,
    DirectionSpec,
    Finder,
    file_stem,
    find_all,
)
from diverse_inpainting.cli.directions import strip
from diverse_inpainting.core.config_fields import from_mapping
from diverse_inpainting.core.directions.scores import SCORES
from diverse_inpainting.core.editor import Edit
from diverse_inpainting.core.errors import ConfigError, InputError
from diverse_inpainting.core.inpainter import Inpainter

NUM_SAMPLES = 400


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return Inpainter.load(tiny_checkpoint, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def finder(model):
    return Finder(model, NUM_SAMPLES)


def warmth(name="warm", **changes):
    return DirectionSpec(name=name, method="interfacegan", score="warmth", **changes)


def test_a_learnt_direction_raises_its_score(model, finder):
    direction = finder.find(warmth(description="warmer"))
    codes = model.sample_w(99, 64)
    values = [
        SCORES["warmth"](model.synthesize(model.edit(codes, [Edit(direction, s)]))).mean()
        for s in (-1.0, 0.0, 1.0)
    ]
    assert values[0] < values[1] < values[2]
    assert (direction.name, direction.description) == ("warm", "warmer")
    assert "warmth, 400 samples, accuracy" in direction.source
    assert float(direction.source.rpartition(" ")[2]) > 0.8


def test_its_length_is_a_deviation_of_w(model, finder):
    vector = finder.find(warmth()).vector.double()
    w = model.sample_w(0, NUM_SAMPLES).codes[0, :, 0].double()
    assert (w @ (vector / vector.norm())).std().item() == pytest.approx(vector.norm().item())


def test_apart_from_leaves_the_other_normal_alone(finder):
    other = finder.find(DirectionSpec(name="b", method="interfacegan", score="brightness"))
    plain, apart = (finder.find(warmth(apart_from=names)) for names in ((), ("brightness",)))
    assert abs(plain.vector @ other.vector) > 1e-4
    assert abs(apart.vector @ other.vector) < 1e-6
    assert "apart from brightness" in apart.source


def test_reverse_layers_and_both_other_methods(model, finder):
    for method in ("sefa", "ganspace"):
        wanted = {"name": "x", "method": method, "component": 1, "first_layer": 2, "last_layer": 4}
        there, back = (finder.find(DirectionSpec(**wanted, reverse=r)) for r in (False, True))
        assert torch.equal(there.vector, -back.vector)
        assert torch.equal(there.vector, model.discover(method, 1, 2, 4).vector)
        assert (there.first_layer, there.last_layer) == (2, 4)


@pytest.mark.parametrize(
    "changes", [{"first_layer": 99}, {"last_layer": 99}, {"first_layer": 3, "last_layer": 2}]
)
def test_layers_out_of_range_are_refused(finder, changes):
    with pytest.raises(InputError, match="layer"):
        finder.find(warmth(**changes))


def write(folder, text):
    path = folder / "recipe.toml"
    path.write_text(text)
    return path


def test_a_recipe_is_found_again(model, tmp_path):
    recipe = write(
        tmp_path,
        'samples = 300\nseed = 5\n[[direction]]\nname = "warm"\nmethod = "interfacegan"\n'
        'score = "warmth"\napart_from = ["brightness"]\nfirst_layer = 1\n'
        '[[direction]]\nname = "first"\nmethod = "sefa"\nlast_layer = 2\n',
    )
    first, second = (find_all(model, recipe) for _ in range(2))
    assert [d.name for d in first] == ["warm", "first"]
    assert [(d.first_layer, d.last_layer) for d in first] == [(1, model.num_layers - 1), (0, 2)]
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.vector, b.vector)
    assert "300 samples" in first[0].source


SEFA = 'name = "x"\nmethod = "sefa"\n'
LEARNT = 'name = "x"\nmethod = "interfacegan"\nscore = "warmth"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no direction"),
        ("samples = [", "recipe of directions in TOML"),
        ("direction = 3", r"a table \[direction\], got 3"),
        (f"sample = 3\n[[direction]]\n{SEFA}", "sample"),
        (f"[[direction]]\n{SEFA}layer = 3", "layer"),
        (f"[[direction]]\n{SEFA}score = 'warmth'", "score for sefa"),
        (f"[[direction]]\n{SEFA}reverse = 'no'", "reverse to be true or false"),
        (f"[[direction]]\n{LEARNT}component = 2", "component for interfacegan"),
        (f"[[direction]]\n{LEARNT}apart_from = 'background'", "apart_from to be a list"),
        (f"[[direction]]\n{LEARNT}apart_from = ['joy']", "joy"),
        (f"[[direction]]\n{SEFA}[[direction]]\n{LEARNT}", "x twice"),
        (f"[[direction]]\n{LEARNT}[[direction]]\n{SEFA[:8]}y{SEFA[9:]}last_layer = 99", "last"),
        ('[[direction]]\nname = "x"\nmethod = "magic"', "magic"),
        ('[[direction]]\nname = "x"\nmethod = "interfacegan"\nscore = "joy"', "joy"),
        ('[[direction]]\nmethod = "sefa"', "name"),
    ],
)
def test_a_wrong_recipe_is_one_sentence_before_any_work(model, tmp_path, text, message):
    worked = []
    with pytest.raises((ConfigError, InputError), match=message):
        find_all(model, write(tmp_path, text), lambda fraction, task: worked.append(fraction))
    assert not worked


def test_the_bundled_recipe_fits_any_model(model):
    recipe = RECIPES_DIR / "cats.toml"
    smaller = recipe.read_text().replace("samples = 4000", "samples = 300")
    assert smaller != recipe.read_text()
    names = [one["name"] for one in tomllib.loads(smaller)["direction"]]
    assert len(names) >= 6
    for entry in tomllib.loads(smaller)["direction"]:
        assert from_mapping(DirectionSpec, entry, "[direction]").description


def test_names_become_file_names():
    assert file_stem("Fur: light / d\u00e9j\u00e0") == "fur-light-deja"
    assert file_stem("///") == "direction"
    assert file_stem("../\u5fae \u7b11") == "\u5fae-\u7b11"
    assert file_stem("Con") == "_con"
    assert file_stem("\u7b11" * 300) == "\u7b11" * 60


def test_a_strip_has_a_row_for_each_sample(model, finder):
    direction = finder.find(warmth(description="warmer"))
    small = strip(model, direction, [-1.0, 0.0, 1.0], num_samples=1)
    tall, wide = (
        strip(model, direction, [-1.0, 0.0, 1.0], num_samples=3),
        strip(model, direction, [-2.0, -1.0, 0.0, 1.0, 2.0], num_samples=1),
    )
    assert tall.width == small.width < wide.width and wide.height == small.height < tall.height
