"""Directions of a tiny model, by every method, from recipes; strips and effects."""

import pytest
import torch

from diverse_inpainting.core.errors import ConfigError, InputError
from diverse_inpainting.core.inpainter import SKIP_SOURCES, Edit, Inpainter
from diverse_inpainting.training.directions.effects import measure_effects
from diverse_inpainting.training.directions.finding import (
    RECIPES_DIR,
    Finder,
    Wanted,
    find_all,
)
from diverse_inpainting.training.directions.scores import SCORES
from diverse_inpainting.training.directions.strips import strip
from diverse_inpainting.training.metrics.protocol import Pairs

NUM_SAMPLES = 400


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return Inpainter.load(tiny_checkpoint, device="cpu")


@pytest.fixture(scope="module")
def finder(model):
    return Finder(model, NUM_SAMPLES)


def warmth(name="warm", **changes):
    return Wanted(name=name, method="interfacegan", score="warmth", **changes)


def test_a_learnt_direction_raises_its_score(model, finder):
    found = finder.find(warmth(description="warmer"))
    codes = model.sample_w(99, 64)
    values = [
        SCORES["warmth"](model.synthesize(model.edit(codes, [Edit(found.direction, s)]))).mean()
        for s in (-1.0, 0.0, 1.0)
    ]
    assert values[0] < values[1] < values[2]
    assert found.accuracy > 0.8
    assert (found.direction.name, found.direction.description) == ("warm", "warmer")
    assert "warmth, 400 samples, accuracy" in found.direction.source


def test_its_length_is_a_deviation_of_w(model, finder):
    vector = finder.find(warmth()).direction.vector.double()
    w = model.sample_w(0, NUM_SAMPLES).codes[0, :, 0].double()
    assert (w @ (vector / vector.norm())).std().item() == pytest.approx(vector.norm().item())


def test_apart_from_leaves_the_other_normal_alone(finder):
    other = finder.find(Wanted(name="b", method="interfacegan", score="brightness")).direction
    plain, apart = (finder.find(warmth(apart_from=names)) for names in ((), ("brightness",)))
    assert abs(plain.direction.vector @ other.vector) > 1e-4
    assert abs(apart.direction.vector @ other.vector) < 1e-6
    assert "apart from brightness" in apart.direction.source


def test_reverse_layers_and_both_other_methods(model, finder):
    for method in ("sefa", "ganspace"):
        wanted = {"name": "x", "method": method, "component": 1, "first_layer": 2, "last_layer": 4}
        there, back = (finder.find(Wanted(**wanted, reverse=r)).direction for r in (False, True))
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
    first, second = ([f.direction for f in find_all(model, recipe)] for _ in range(2))
    assert [d.name for d in first] == ["warm", "first"]
    assert [(d.first_layer, d.last_layer) for d in first] == [(1, model.num_layers - 1), (0, 2)]
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a.vector, b.vector)
    assert "300 samples" in first[0].source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no direction"),
        ("samples = [", "recipe of directions"),
        ('sample = 3\n[[direction]]\nname = "x"\nmethod = "sefa"', "sample"),
        ('[[direction]]\nname = "x"\nmethod = "sefa"\nlayer = 3', "layer"),
        ('[[direction]]\nname = "x"\nmethod = "magic"', "magic"),
        ('[[direction]]\nname = "x"\nmethod = "interfacegan"\nscore = "joy"', "joy"),
        ('[[direction]]\nmethod = "sefa"', "name"),
    ],
)
def test_a_wrong_recipe_is_one_sentence(model, tmp_path, text, message):
    with pytest.raises(ConfigError, match=message):
        list(find_all(model, write(tmp_path, text)))


def test_bundled_recipes_can_be_read():
    names = [wanted.stem for wanted in RECIPES_DIR.glob("*.toml")]
    assert names == ["cats"]


def test_a_strip_has_a_row_for_each_sample(model, finder):
    direction = finder.find(warmth(description="warmer")).direction
    small = strip(model, direction, [-1.0, 0.0, 1.0], num_samples=1)
    tall, wide = (
        strip(model, direction, [-1.0, 0.0, 1.0], num_samples=3),
        strip(model, direction, [-2.0, -1.0, 0.0, 1.0, 2.0], num_samples=1),
    )
    assert tall.width == small.width < wide.width and wide.height == small.height < tall.height


def test_effects_by_hand(model, finder):
    direction = finder.find(warmth()).direction
    drawn = torch.Generator().manual_seed(2)
    originals = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=drawn)
    holes = torch.zeros(3, 1, 32, 32, dtype=torch.bool)
    holes[:, :, 8:24, 8:20] = True
    pairs = Pairs(("a", "b", "c"), originals, holes)
    effects = list(measure_effects(model, [direction], pairs, seed=1))
    assert [e.skip_source for e in effects] == list(SKIP_SOURCES)
    assert all(e.inside > 0.01 and e.outside > 0.01 for e in effects)
    by_source = {e.skip_source: e for e in effects}
    _, encoded = model.encode(originals.movedim(1, -1), holes)
    codes, _ = model.mix(encoded, model.sample_w(1, 1))
    images = [model.synthesize(model.edit(codes, [Edit(direction, s)])) for s in (-1.0, 0.0, 1.0)]
    change = ((images[0] - images[1]).abs() + (images[2] - images[1]).abs()) / 2 * 255
    inside = change[:, 8:24, 8:20].mean()
    assert by_source["none"].inside == pytest.approx(float(inside), rel=1e-4)
    everywhere = float(change.mean())
    share = holes.float().mean().item()
    mixed = share * by_source["none"].inside + (1 - share) * by_source["none"].outside
    assert mixed == pytest.approx(everywhere, rel=1e-4)
