"""Directions of a tiny model, by every method, from recipes; strips and effects."""

import tomllib

import pytest
import torch

from diverse_inpainting.core.errors import ConfigError, InputError
from diverse_inpainting.core.inpainter import SKIP_SOURCES, Edit, Inpainter
from diverse_inpainting.training.directions.effects import measure_effects
from diverse_inpainting.training.directions.finding import (
    RECIPES_DIR,
    Finder,
    Wanted,
    file_stem,
    find_all,
)
from diverse_inpainting.training.directions.scores import SCORES
from diverse_inpainting.training.directions.strips import strip
from diverse_inpainting.training.metrics.protocol import Pairs
from diverse_inpainting.training.recipe_file import read_table

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
    other = finder.find(Wanted(name="b", method="interfacegan", score="brightness"))
    plain, apart = (finder.find(warmth(apart_from=names)) for names in ((), ("brightness",)))
    assert abs(plain.vector @ other.vector) > 1e-4
    assert abs(apart.vector @ other.vector) < 1e-6
    assert "apart from brightness" in apart.source


def test_reverse_layers_and_both_other_methods(model, finder):
    for method in ("sefa", "ganspace"):
        wanted = {"name": "x", "method": method, "component": 1, "first_layer": 2, "last_layer": 4}
        there, back = (finder.find(Wanted(**wanted, reverse=r)) for r in (False, True))
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
        ("samples = [", "recipe of directions"),
        ("direction = 3", r"a table \[direction\]; got 3"),
        (f"sample = 3\n[[direction]]\n{SEFA}", "sample"),
        (f"[[direction]]\n{SEFA}layer = 3", "layer"),
        (f"[[direction]]\n{SEFA}score = 'warmth'", "another method"),
        (f"[[direction]]\n{SEFA}reverse = 'no'", "reverse of type bool"),
        (f"[[direction]]\n{LEARNT}component = 2", "another method"),
        (f"[[direction]]\n{LEARNT}apart_from = 'background'", "apart_from of type"),
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
        find_all(model, write(tmp_path, text), lambda share, what: worked.append(share))
    assert not worked


def test_the_bundled_recipe_fits_any_model(model):
    recipe = RECIPES_DIR / "cats.toml"
    smaller = recipe.read_text().replace("samples = 4000", "samples = 300")
    assert smaller != recipe.read_text()
    names = [one["name"] for one in tomllib.loads(smaller)["direction"]]
    assert len(names) >= 6
    for entry in tomllib.loads(smaller)["direction"]:
        assert read_table(Wanted, "direction", entry).description


def test_names_become_file_names():
    assert file_stem("Fur: light / d\u00e9j\u00e0") == "fur-light-deja"
    assert file_stem("///") == "direction"


def test_a_strip_has_a_row_for_each_sample(model, finder):
    direction = finder.find(warmth(description="warmer"))
    small = strip(model, direction, [-1.0, 0.0, 1.0], num_samples=1)
    tall, wide = (
        strip(model, direction, [-1.0, 0.0, 1.0], num_samples=3),
        strip(model, direction, [-2.0, -1.0, 0.0, 1.0, 2.0], num_samples=1),
    )
    assert tall.width == small.width < wide.width and wide.height == small.height < tall.height


def test_effects_by_hand(model, finder):
    direction = finder.find(warmth())
    drawn = torch.Generator().manual_seed(2)
    originals = torch.randint(0, 256, (3, 3, 32, 32), dtype=torch.uint8, generator=drawn)
    holes = torch.zeros(3, 1, 32, 32, dtype=torch.bool)
    holes[:, :, 8:24, 8:20] = True
    pairs = Pairs(("a", "b", "c"), originals, holes)
    effects = measure_effects(model, [direction], pairs, seed=1)
    assert [e.skip_source for e in effects] == list(SKIP_SOURCES)
    assert all(e.inside > 0.01 and e.outside > 0.01 for e in effects)
    by_source = {e.skip_source: e for e in effects}
    erased, encoded = model.encode(originals.movedim(1, -1), holes)
    codes, _ = model.mix(encoded, model.sample_w(1, 1))
    images = [model.synthesize(model.edit(codes, [Edit(direction, s)])) for s in (-1.0, 0.0, 1.0)]
    change = ((images[0] - images[1]).abs() + (images[2] - images[1]).abs()) / 2 * 255
    inside = change[:, 8:24, 8:20].mean()
    assert by_source["none"].inside == pytest.approx(float(inside), rel=1e-4)
    everywhere = float(change.mean())
    share = holes.float().mean().item()
    mixed = share * by_source["none"].inside + (1 - share) * by_source["none"].outside
    assert mixed == pytest.approx(everywhere, rel=1e-4)
    plain = model.refine(erased, codes)
    edited, held = (
        [
            model.refine(erased, model.edit(codes, [Edit(direction, s)]), skip_codes)
            for s in (-1.0, 1.0)
        ]
        for skip_codes in (None, codes)
    )
    for source, (down, up) in (("edited", edited), ("unedited", held)):
        change = ((down - plain).abs() + (up - plain).abs()) / 2 * 255
        expected = float(change[:, 8:24, 8:20].mean())
        assert by_source[source].inside == pytest.approx(expected, rel=1e-4)
    assert by_source["edited"].inside != pytest.approx(by_source["unedited"].inside, rel=1e-3)
