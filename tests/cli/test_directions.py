"""`directions`: found, drawn, measured, used; and wrong use."""

import pytest

from answers import box, noise, refused, save
from diverse_inpainting.core.directions import read_direction


@pytest.fixture
def directions(run, tiny_checkpoint):
    """Run `directions` with the tiny model."""

    def answer(command, *arguments):
        return run("directions", command, "--model", tiny_checkpoint, *arguments)

    return answer


def test_from_weights_to_an_edit(run, directions, tiny_checkpoint, tmp_path):
    answer = directions(
        *("ganspace", "--out", "a.safetensors", "--name", "Fur: light", "--component", 1),
        *("--first-layer", 2, "--reverse"),
    )
    assert answer.code == 0 and "GANSpace" in answer.out
    direction = read_direction(tmp_path / "a.safetensors")
    assert (direction.name, direction.first_layer) == ("Fur: light", 2)

    assert directions("sefa", "--out", "b.safetensors").code == 0
    answer = directions("preview", "a.safetensors", "sefa:1", "--out", "strips", "--samples", 2)
    assert answer.code == 0, answer.err
    assert {p.name for p in (tmp_path / "strips").iterdir()} == {"a.png", "sefa-1.png"}

    save(tmp_path / "photo.png", noise(32, 32))
    save(tmp_path / "mask.png", box(32, 32))
    answer = run(
        *("inpaint", "photo.png", "--mask", "mask.png", "--out", "out", "--variants", 1),
        *("--model", tiny_checkpoint, "--edit", "a.safetensors=1.5"),
    )
    assert answer.code == 0, answer.err


def test_a_recipe(directions, tmp_path):
    (tmp_path / "mine.toml").write_text(
        'samples = 200\n[[direction]]\nname = "warm"\nmethod = "interfacegan"\nscore = "warmth"\n'
    )
    answer = directions("recipe", "mine.toml", "--out", "found")
    assert answer.code == 0 and "warmth" in answer.out


def test_other_files_are_not_replaced(directions, tiny_checkpoint, tmp_path):
    (tmp_path / "model.safetensors").write_bytes(tiny_checkpoint.read_bytes())
    assert refused(directions("sefa", "--out", "model.safetensors"))
    assert (tmp_path / "model.safetensors").read_bytes() == tiny_checkpoint.read_bytes()


def test_directions_are_replaced_on_request_only(directions, tmp_path):
    path = tmp_path / "d.safetensors"
    assert directions("sefa", "--out", path.name).code == 0
    answer = directions("sefa", "--out", path.name, "--component", 1)
    assert refused(answer) and "'sefa:0'" in answer.err and "--overwrite" in answer.err
    assert read_direction(path).name == "sefa:0"
    assert directions("sefa", "--out", path.name, "--component", 1, "--overwrite").code == 0
    assert read_direction(path).name == "sefa:1"


def test_a_recipe_replaces_on_request_only(directions, tmp_path):
    (tmp_path / "r.toml").write_text('[[direction]]\nname = "a"\nmethod = "sefa"\n')
    assert directions("recipe", "r.toml", "--out", "found").code == 0
    before = (tmp_path / "found" / "a.safetensors").stat().st_ino
    assert refused(directions("recipe", "r.toml", "--out", "found"))
    assert (tmp_path / "found" / "a.safetensors").stat().st_ino == before
    assert directions("recipe", "r.toml", "--out", "found", "--overwrite").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("sefa", "--out", "x.png"),
        ("sefa", "--out", "nowhere/x.safetensors"),
        ("preview", "sefa:0", "sefa:0", "--out", "strips"),
        ("sefa", "--out", "x.safetensors", "--component", 99),
        ("sefa", "--out", "x.safetensors", "--first-layer", 50),
        ("interfacegan", "--out", "x.safetensors", "--score", "joy"),
        ("recipe", "nothing.toml", "--out", "found"),
        ("preview", "nothing.safetensors", "--out", "strips"),
        ("preview", "joy", "--out", "strips"),
    ],
)
def test_wrong_use_is_one_sentence(directions, arguments):
    assert refused(directions(*arguments))
