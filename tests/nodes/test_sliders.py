"""DI_EditSliders: the same as the single nodes, and the sliders that it tells of."""

import dataclasses
import json

import pytest
import torch


@pytest.fixture(autouse=True)
def _inference_mode():
    with torch.inference_mode():
        yield


@pytest.fixture
def errors(part):
    return part("core.errors")


@pytest.fixture
def named(model, model_folder, part):
    """A direction file of the model, and one of another."""
    directions = part("core.directions")
    folder = model_folder / "directions"
    folder.mkdir()
    found = dataclasses.replace(model.discover("sefa", 1), name="age", description="to old")
    directions.write_direction(folder / "own.safetensors", found)
    foreign = dataclasses.replace(found, name="smile", generator_id="f" * 64)
    directions.write_direction(folder / "foreign.safetensors", foreign)
    return found


@pytest.fixture
def completed(model, image, mask):
    erased, encoded = model.encode(image, mask, "hole")
    return erased, model.mix(encoded, model.sample_w(7, 3))[0]


def run(classes, *inputs, **more):
    return classes["DI_EditSliders"]().execute(*inputs, **more)


def test_it_gives_what_the_single_nodes_give(classes, model, completed, named):
    erased, codes = completed
    text = json.dumps({"age": 1.5, "sefa:0": -2})
    edited, images = run(classes, model, codes, text, erased)["result"]
    expected = codes
    for direction, strength in ((named, 1.5), (model.discover("sefa", 0), -2.0)):
        expected = classes["DI_ApplyEdit"]().execute(expected, direction, strength, -1, -1)[0]
    assert torch.equal(edited.codes, expected.codes)
    assert edited.labels == codes.labels != ()
    refined = classes["DI_SkipRefine"]().execute(model, erased, expected)[0]
    pasted = classes["DI_Composite"]().execute(erased, refined, 0)[0]
    assert torch.equal(images, pasted)
    whole = run(classes, model, codes, text)["result"][1]
    assert torch.equal(whole, classes["DI_Synthesize"]().execute(model, expected)[0])


@pytest.mark.parametrize("text", ["", "{}", '{"sefa:3": 0}'])
def test_sliders_at_rest_change_nothing(classes, model, completed, text):
    codes = completed[1]
    assert torch.equal(run(classes, model, codes, text)["result"][0].codes, codes.codes)


def test_the_run_tells_of_the_directions_of_the_connected_model(classes, model, completed, named):
    (told,) = run(classes, model, completed[1], "{}")["ui"]["directions"]
    assert told == {"name": "age", "limit": 3.0, "description": "to old"}


def test_a_model_without_named_directions_has_those_of_sefa(classes, model, completed):
    told = run(classes, model, completed[1], "{}")["ui"]["directions"]
    assert [one["name"] for one in told] == [f"sefa:{k}" for k in range(6)]


def test_the_declaration_tells_of_the_bundled_directions(classes):
    options = classes["DI_EditSliders"].INPUT_TYPES()["required"]["sliders"][1]
    assert {"brightness", "warmth"} <= {one["name"] for one in options["directions"]}
    assert json.loads(json.dumps(options)) == options


def test_a_new_direction_file_runs_the_node_again(classes, model, named, model_folder):
    before = classes["DI_EditSliders"].IS_CHANGED("{}")
    assert classes["DI_EditSliders"].IS_CHANGED("{}") == before
    (model_folder / "directions" / "own.safetensors").unlink()
    assert classes["DI_EditSliders"].IS_CHANGED("{}") != before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"smile": 1}', "a direction of this model"),
        ('{"sefa:0": 1e9}', "strength to be a number"),
        ("{", r'sliders as \{"name": strength\}'),
        ("[1]", "got another value"),
        ('{"sefa:0": "1"}', "got another value"),
        ('{"sefa:0": true}', "got another value"),
        ('{"sefa:0": NaN}', "not finite"),
    ],
)
def test_sliders_that_cannot_be_met_are_one_sentence(
    classes, model, completed, errors, text, message
):
    with pytest.raises(errors.InputError, match=message):
        run(classes, model, completed[1], text)


def test_a_model_of_stage_1_is_composited_without_refinement(
    classes, model, completed, errors, monkeypatch
):
    erased, codes = completed
    monkeypatch.setattr(model.model, "skip_encoder", None)
    images = run(classes, model, codes, "{}", erased)["result"][1]
    whole = classes["DI_Synthesize"]().execute(model, codes)[0]
    assert torch.equal(images, classes["DI_Composite"]().execute(erased, whole, 0)[0])
    twice = dataclasses.replace(codes, codes=codes.codes.repeat(2, 1, 1, 1), labels=())
    with pytest.raises(errors.InputError, match="codes for 2 images, or for one, got codes for 4"):
        run(classes, model, twice, "{}", erased)


def test_files_that_cannot_be_sliders_are_named_and_the_others_work(
    classes, model, completed, named, model_folder, part
):
    folder = model_folder / "directions"
    (folder / "bad.safetensors").write_bytes(b"junk")
    (folder / "link.safetensors").symlink_to("nowhere")
    other = dataclasses.replace(named, vector=-named.vector)
    part("core.directions").write_direction(folder / "zz.safetensors", other)
    (folder / "copy.safetensors").write_bytes((folder / "own.safetensors").read_bytes())
    shown = run(classes, model, completed[1], '{"age": 1}')
    expected = run(classes, model, completed[1], "{}")["result"][0].codes + named.vector
    assert torch.allclose(shown["result"][0].codes, expected, atol=1e-5)
    bad, link, twin = shown["ui"]["warnings"]
    assert bad.startswith("directions/bad.safetensors is left out: ")
    assert link.startswith("directions/link.safetensors is left out: ")
    assert twin == "directions/zz.safetensors is left out: another direction is named 'age'."
    assert classes["DI_EditSliders"].IS_CHANGED("{}")


def test_a_long_text_is_not_repeated(classes, model, completed, errors):
    with pytest.raises(errors.InputError) as caught:
        run(classes, model, completed[1], "[" * 100_000)
    assert len(str(caught.value)) < 300
