"""The pack as ComfyUI loads it, a tiny model on disk, an image with a hole."""

import dataclasses
import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from write_locales import load_by_path

ROOT = Path(__file__).resolve().parents[2]
MODEL_NAME = "tiny.safetensors"


@pytest.fixture(scope="session")
def pack():
    """The pack under a name made from its path, as ComfyUI gives it."""
    return load_by_path(str(ROOT).replace(".", "_x_"), ROOT / "__init__.py")


@pytest.fixture(scope="session")
def part(pack):
    """Import a module of that pack: part("core.image")."""
    return lambda name: importlib.import_module(f"{pack.__name__}.{name}")


@pytest.fixture(scope="session")
def classes(pack):
    return pack.NODE_CLASS_MAPPINGS


def moved(tensors):
    """Move every value, or the parts that start as the identity would have no effect."""
    generator = torch.Generator("cpu").manual_seed(5)
    result = dict(tensors)
    for name, tensor in sorted(tensors.items()):
        if tensor.is_floating_point() and "running_var" not in name:
            noise = torch.randn(tensor.shape, generator=generator)
            result[name] = tensor + 0.1 * noise
    return result


@pytest.fixture(scope="session")
def active_checkpoint(tiny_checkpoint, part, tmp_path_factory):
    """A model file with every part, each of which changes the image."""
    checkpoint = part("core.checkpoint")
    content = checkpoint.read_checkpoint(tiny_checkpoint)
    path = tmp_path_factory.mktemp("models") / MODEL_NAME
    content = dataclasses.replace(content, tensors=moved(content.tensors))
    checkpoint.write_checkpoint(path, content)
    return path


@pytest.fixture
def model_folder(tmp_path, monkeypatch):
    """The folder where the nodes look for models without ComfyUI."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "models" / "diverse_inpainting"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def model_name(active_checkpoint, model_folder):
    (model_folder / MODEL_NAME).write_bytes(active_checkpoint.read_bytes())
    return MODEL_NAME


@pytest.fixture
def model(classes, model_name):
    return classes["DI_LoadModel"]().execute(model_name, "float32")[0]


@pytest.fixture
def image():
    """Two images that are not square, [2, 40, 48, 3]."""
    return torch.rand(2, 40, 48, 3, generator=torch.Generator("cpu").manual_seed(3))


@pytest.fixture
def mask():
    """A hole with a soft edge, [1, 40, 48]."""
    hole = torch.zeros(1, 40, 48)
    hole[:, 10:25, 12:30] = 1.0
    hole[:, 25, 12:30] = 0.3
    return hole


@pytest.fixture
def folder_paths(tmp_path, monkeypatch):
    """What of ComfyUI's folder_paths (v0.3.64) the host uses."""
    registered = {}

    def get_filename_list(name):
        folders, suffixes = registered[name]
        found = [
            path.relative_to(folder)
            for folder in map(type(tmp_path), folders)
            for path in folder.rglob("*")
            if not suffixes or path.suffix in suffixes
        ]
        return sorted({path.as_posix() for path in found})

    def get_full_path(name, filename):
        folders = map(type(tmp_path), registered[name][0])
        return next((str(f / filename) for f in folders if (f / filename).is_file()), None)

    module = SimpleNamespace(
        models_dir=str(tmp_path / "models"),
        folder_names_and_paths=registered,
        get_filename_list=get_filename_list,
        get_full_path=get_full_path,
        get_folder_paths=lambda name: registered[name][0],
    )
    monkeypatch.setitem(sys.modules, "folder_paths", module)
    return module
