"""DI_LoadModel: names, the cache, what changes it, and files that are refused."""

import gc
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

import foreign_files

BUNDLED = "cats (bundled)"


@pytest.fixture
def loader(classes):
    return classes["DI_LoadModel"]


@pytest.fixture
def errors(part):
    return part("core.errors")


def choices(loader):
    return loader.INPUT_TYPES()["required"]["model_name"][0]


def test_the_permanent_name_comes_first_whatever_is_installed(loader, model_folder):
    assert choices(loader)[0] == BUNDLED
    assert choices(loader).count(BUNDLED) == 1


def test_files_are_listed_by_relative_name(loader, model_name, model_folder):
    (model_folder / "faces").mkdir()
    (model_folder / "faces" / "b.safetensors").write_bytes(b"")
    (model_folder / "notes.txt").write_text("no model", encoding="utf-8")
    assert choices(loader)[-2:] == ["faces/b.safetensors", model_name]


@pytest.mark.parametrize("suffix", ["pkl", "pt", "pth", "bin"])
def test_files_of_other_programs_are_listed_and_refused_with_the_command(
    loader, errors, model_folder, suffix
):
    name, marked = f"my faces/b.{suffix}", f"my faces/b.{suffix} (convert first)"
    (model_folder / "my faces").mkdir()
    foreign_files.write_nvidia(model_folder / name, foreign_files.read_golden("nvidia_32"))
    (model_folder / "directions").mkdir()
    (model_folder / "directions" / f"age.{suffix}").write_bytes(b"")
    assert choices(loader)[-1] == marked and not any("age" in name for name in choices(loader))
    message = loader.VALIDATE_INPUTS(marked)
    assert loader.VALIDATE_INPUTS(name) == message
    with pytest.raises(errors.CheckpointError) as caught:
        loader().execute(marked, "float32")
    assert str(caught.value) == message
    assert f"{name!r} comes from another program." in message
    command = message.partition("terminal: ")[2].partition(" -- then")[0]
    assert subprocess.run(command, shell=True, capture_output=True).returncode == 0
    assert choices(loader)[-1] == "my faces/b.safetensors", "instead of the original"
    model, about = loader().execute("my faces/b.safetensors", "float32")
    assert about.startswith("untitled: 32 px; completes by fitting random codes")
    assert not model.can_encode
    assert loader.VALIDATE_INPUTS(marked).endswith(
        "Choose 'my faces/b.safetensors', which was made of it."
    )
    for path in (model_folder / "my faces").iterdir():
        path.unlink()
    assert "any more: choose another model" in loader.VALIDATE_INPUTS(marked)


def test_a_foreign_safetensors_file_is_refused_with_the_command(loader, errors, model_folder):
    tensors = foreign_files.state_dicts(foreign_files.read_golden("nvidia_32"))["G_ema"]
    save_file(tensors, model_folder / "b.safetensors")
    with pytest.raises(errors.CheckpointError) as caught:
        loader().execute("b.safetensors", "float32")
    command = str(caught.value).partition("Convert it: ")[2].removesuffix(".")
    assert subprocess.run(command, shell=True, capture_output=True).returncode == 0
    assert choices(loader)[-2:] == ["b-converted.safetensors", "b.safetensors"]
    assert loader().execute("b-converted.safetensors", "float32")[0].resolution == 32


def test_one_line_says_what_the_model_can_do(loader, model_name):
    assert loader().execute(model_name, "float32")[1] == (
        "nothing, 32x32: 32 px; completes with codes from its encoder, as in the paper; refines; "
        "no named directions, but SeFa and GANSpace find some"
    )


def test_a_model_in_use_is_read_once(loader, model_name):
    first = loader().execute(model_name, "float32")[0]
    assert loader().execute(model_name, "float32")[0] is first
    assert loader().execute(model_name, "bfloat16")[0] is not first


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, "auto"),
        ({"force_fp32": True}, "float32"),
        ({"fp32_unet": True}, "float32"),
        ({"bf16_unet": True}, "bfloat16"),
        ({"fp16_unet": True}, "float16"),
        ({"fp16_unet": False}, "auto"),
    ],
)
def test_auto_is_what_comfyui_was_started_with(loader, model_name, monkeypatch, options, wanted):
    started = SimpleNamespace(args=SimpleNamespace(**options))
    monkeypatch.setitem(sys.modules, "comfy.cli_args", started)
    assert loader().execute(model_name, "auto")[0].asked_precision == wanted
    assert loader().execute(model_name, "float32")[0].precision == "float32", "asked for by name"


def test_a_model_that_nobody_holds_is_freed(loader, model_name, part):
    loaded = part("nodes.model")._loaded
    gc.collect()
    before = len(loaded)
    model = loader().execute(model_name, "float32")[0]
    assert len(loaded) == before + 1
    del model
    gc.collect()
    assert len(loaded) == before


def test_another_file_of_the_same_name_is_read_again(loader, model_name, model_folder):
    path = model_folder / model_name
    first = loader().execute(model_name, "float32")[0]
    before = loader.IS_CHANGED(model_name, "float32")
    assert loader.IS_CHANGED(model_name, "float32") == before
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))
    assert loader.IS_CHANGED(model_name, "float32") != before
    assert loader().execute(model_name, "float32")[0] is not first


def test_what_is_saved_with_images_shows_no_path(loader, model_name, model_folder):
    value = loader.IS_CHANGED(model_name, "float32")
    assert isinstance(value, str)
    assert str(model_folder) not in value
    assert model_name not in value


def test_weights_loaded_in_inference_mode_can_still_be_trained(loader, model_name):
    with torch.inference_mode():
        model = loader().execute(model_name, "float32")[0]
    assert not model.model.generator.w_avg.is_inference()


@pytest.mark.parametrize(
    "name",
    [
        "absent.safetensors",
        "../secret.safetensors",
        "..\\secret.safetensors",
        "faces/../../secret.safetensors",
        "secret (bundled)",
        "owner/name",
        "",
    ],
)
def test_names_lead_nowhere_but_into_the_folder(loader, errors, model_folder, name):
    (model_folder.parent / "secret.safetensors").write_bytes(b"")
    assert loader.VALIDATE_INPUTS(name) is not True
    with pytest.raises(errors.CheckpointError, match="not on this machine"):
        loader().execute(name, "float32")


def test_an_absolute_path_is_no_name(loader, errors, model_folder):
    secret = model_folder.parent / "secret.safetensors"
    secret.write_bytes(b"")
    assert loader.VALIDATE_INPUTS(str(secret)) is not True
    with pytest.raises(errors.CheckpointError, match="not on this machine"):
        loader().execute(str(secret), "float32")


def test_validation_says_where_to_put_the_file(loader, model_name):
    assert loader.VALIDATE_INPUTS(model_name) is True
    assert loader.VALIDATE_INPUTS(None) is True, "filled by a link: unknown yet"
    message = loader.VALIDATE_INPUTS("cars.safetensors")
    assert "'cars.safetensors' is not in" in message
    assert "diverse_inpainting" in message
    assert BUNDLED in message
    message = loader.VALIDATE_INPUTS("cars (bundled)")
    assert "does not come with this version" in message and BUNDLED in message
    assert "Put the file" not in message


def test_a_damaged_file_is_refused(loader, errors, model_folder, model_name):
    content = (model_folder / model_name).read_bytes()
    (model_folder / "short.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(errors.CheckpointError):
        loader().execute("short.safetensors", "float32")


def test_an_unknown_precision_is_refused(loader, errors, model_name):
    with pytest.raises(errors.InputError, match="precision to be one of"):
        loader().execute(model_name, "float8")
