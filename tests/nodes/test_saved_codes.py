"""DI_SaveW and DI_LoadW: what is written where, and what comes back."""

import dataclasses
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture
def codes(part):
    return part("core.latents").WPlus(
        torch.randn(1, 2, 8, 16), "a" * 64, ("seed 7 / #0", "seed 7 / #1")
    )


@pytest.fixture(autouse=True)
def _folders(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "input").mkdir()


@pytest.fixture
def save(classes):
    return lambda *args, **kwargs: classes["DI_SaveW"]().execute(*args, **kwargs)


@pytest.fixture
def load(classes):
    return lambda *args: classes["DI_LoadW"]().execute(*args)


def choices(classes):
    return classes["DI_LoadW"].INPUT_TYPES()["required"]["file"][0]


def test_saved_codes_come_back_with_their_labels(codes, save, load, classes):
    shown = save(codes, "faces/cat")
    assert shown == {"ui": {"text": ["faces/cat_00001_.codes.safetensors"]}}
    (name,) = choices(classes)
    assert name == "faces/cat_00001_.codes.safetensors [output]"
    assert classes["DI_LoadW"].VALIDATE_INPUTS(name) is True
    (loaded,) = load(name)
    assert torch.equal(loaded.codes, codes.codes)
    assert (loaded.generator_id, loaded.labels) == (codes.generator_id, codes.labels)


def test_nothing_is_overwritten(codes, save, classes):
    save(codes, "cat")
    save(codes, "cat")
    save(codes, "other")
    assert {name.split(".")[0] for name in choices(classes)} == {
        "cat_00001_",
        "cat_00002_",
        "other_00001_",
    }


def test_images_carry_the_codes_of_their_variant(codes, save, load, tmp_path):
    images = torch.rand(2, 5, 6, 3)
    shown = save(codes, "a/cat", images)["ui"]["images"]
    names = ["cat_00001_.codes.png", "cat_00002_.codes.png"]
    assert [entry["filename"] for entry in shown] == names
    assert all(entry["subfolder"] == "a" and entry["type"] == "output" for entry in shown)
    second = tmp_path / "output" / "a" / names[1]
    found = torch.from_numpy(np.array(Image.open(second))) / 255
    assert (found - images[1]).abs().max() <= 0.51 / 255
    (loaded,) = load(f"a/{names[1]} [output]")
    assert torch.equal(loaded.codes, codes.codes[:, 1:])
    assert loaded.labels == ("seed 7 / #1",)
    shared = tmp_path / "input" / "renamed.png"
    shared.write_bytes(second.read_bytes())
    assert torch.equal(load("renamed.png")[0].codes, codes.codes[:, 1:])


def test_one_image_carries_the_codes_of_all_its_squares(codes, save, load):
    squares = dataclasses.replace(codes, codes=torch.randn(3, 2, 8, 16), labels=())
    save(squares, "cat", torch.rand(2, 5, 6, 3))
    (loaded,) = load("cat_00002_.codes.png [output]")
    assert torch.equal(loaded.codes, squares.codes[:, 1:])


def test_another_number_of_images_is_refused(codes, save, part):
    with pytest.raises(part("core.errors").InputError, match="2 images"):
        save(codes, "cat", torch.rand(3, 5, 6, 3))


def test_files_bring_the_workflow_back_unless_metadata_are_off(codes, save, monkeypatch, tmp_path):
    workflow = {"prompt": {"1": {}}, "extra_pnginfo": {"workflow": {"nodes": []}}}
    save(codes, "on", torch.rand(2, 4, 4, 3), **workflow)
    info = Image.open(tmp_path / "output/on_00001_.codes.png").info
    assert json.loads(info["prompt"]) == {"1": {}}
    assert json.loads(info["workflow"]) == {"nodes": []}
    off = SimpleNamespace(args=SimpleNamespace(disable_metadata=True))
    monkeypatch.setitem(sys.modules, "comfy.cli_args", off)
    save(codes, "off", torch.rand(2, 4, 4, 3), **workflow)
    info = Image.open(tmp_path / "output/off_00001_.codes.png").info
    assert {"prompt", "workflow"}.isdisjoint(info)


def test_another_picture_is_noticed(codes, save, load, image):
    save(codes, "cat", picture=image[:1])
    name = "cat_00001_.codes.safetensors [output]"
    assert isinstance(load(name, image[:1]), tuple)
    (warning,) = load(name, image[1:])["ui"]["warnings"]
    assert "another image" in warning
    assert isinstance(load(name), tuple)


BAD_PREFIXES = [
    *("../cat", "/tmp/cat", "a/../../cat", "", "folder/", ".", "..", "a/..", "link/cat"),
    *("ca\x00t", "ca\nt", "\u202ecat", "\ud800", "c" * 300, "d/" * 3000 + "cat"),
]


@pytest.mark.parametrize("prefix", BAD_PREFIXES)
def test_no_name_leads_out_of_the_output_folder(codes, save, part, prefix, tmp_path):
    (tmp_path / "output").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "output" / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(part("core.errors").InputError, match="filename_prefix"):
        save(codes, prefix)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not written


def test_names_with_wildcards_are_not_overwritten(codes, save, classes):
    for _ in range(2):
        save(codes, "[a]*")
    assert len(choices(classes)) == 2


def test_links_to_nothing_and_folders_are_no_choices(codes, save, classes, tmp_path):
    save(codes, "cat")
    broken = ("input/a.png", "output/b.codes.png", "output/c.codes.safetensors")
    for name in broken:
        (tmp_path / name).symlink_to("nowhere")
    (tmp_path / "output" / "d.codes.png").mkdir()
    assert choices(classes) == ["cat_00001_.codes.safetensors [output]"]


def test_endings_in_capitals_are_found(codes, save, load, tmp_path):
    save(codes, "cat", torch.rand(2, 4, 4, 3))
    (tmp_path / "output" / "cat_00001_.codes.png").rename(tmp_path / "input" / "SHARED.PNG")
    assert torch.equal(load("SHARED.PNG")[0].codes, codes.codes[:, :1])


@pytest.mark.parametrize("name", ["../secret.safetensors", "../secret.safetensors [output]"])
def test_no_name_leads_out_of_the_folders(classes, load, part, codes, tmp_path, name):
    codes.save(tmp_path / "secret.safetensors")
    assert "is not in ComfyUI's input and output folders" in classes["DI_LoadW"].VALIDATE_INPUTS(
        name
    )
    with pytest.raises(part("core.errors").CheckpointError, match="is not in"):
        load(name)


def test_a_workflow_made_on_windows_finds_its_file(codes, save, load, classes):
    save(codes, "faces\\cat")
    name = "faces\\cat_00001_.codes.safetensors [output]"
    assert classes["DI_LoadW"].VALIDATE_INPUTS(name) is True
    assert torch.equal(load(name)[0].codes, codes.codes)


def test_a_picture_without_codes_and_an_empty_folder_are_explained(load, classes, part, tmp_path):
    assert choices(classes) == ["(no saved codes)"]
    assert "Run Save Codes" in classes["DI_LoadW"].VALIDATE_INPUTS("(no saved codes)")
    Image.new("RGB", (4, 4)).save(tmp_path / "input" / "plain.png")
    with pytest.raises(part("core.errors").CheckpointError, match="carries none"):
        load("plain.png")


def test_a_changed_file_is_read_again(codes, save, classes, tmp_path):
    save(codes, "cat")
    node, name = classes["DI_LoadW"], "cat_00001_.codes.safetensors [output]"
    before = node.IS_CHANGED(name)
    assert node.IS_CHANGED(name) == before
    dataclasses.replace(codes[:, 0], labels=()).save(tmp_path / "output" / name.split(" ")[0])
    assert node.IS_CHANGED(name) != before
