"""The pack as ComfyUI loads it, a tiny model on disk, a picture with a hole."""

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
MODEL_NAME = "tiny.safetensors"
RESOLUTION = 32


def load_by_path(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


load_by_path("executor", ROOT / "tests" / "nodes" / "executor.py")
load_by_path("write_locales", ROOT / "tests" / "nodes" / "write_locales.py")


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


def tiny_config(networks):
    generator = networks.GeneratorConfig(
        resolution=RESOLUTION, z_dim=16, w_dim=16, channel_base=256, channel_max=16, mapping_depth=2
    )
    return networks.ModelConfig(
        generator=generator,
        encoder=networks.EncoderConfig(
            kind="small",
            resolution=RESOLUTION,
            w_dim=16,
            width=8,
            max_width=16,
            depths=(1, 1, 1, 1),
        ),
        mixer=networks.MixerConfig(num_layers=generator.num_layers, w_dim=16),
        skip_encoder=networks.SkipEncoderConfig(
            resolution=RESOLUTION, stem_width=8, widths=(8, 8, 8), layers_per_block=1
        ),
    )


def randomise(tensors):
    """Move every value, or the parts that start as the identity would have no effect."""
    generator = torch.Generator("cpu").manual_seed(5)
    for name, tensor in sorted(tensors.items()):
        if tensor.is_floating_point() and "running_var" not in name:
            tensor.add_(torch.randn(tensor.shape, generator=generator), alpha=0.1)


@pytest.fixture(scope="session")
def tiny_checkpoint(part, tmp_path_factory):
    """A model file with every part, of random values."""
    checkpoint, networks = part("core.checkpoint"), part("core.networks")
    torch.manual_seed(5)
    config = tiny_config(networks)
    tensors = checkpoint.collect_tensors(networks.build(config))
    randomise(tensors)
    path = tmp_path_factory.mktemp("models") / MODEL_NAME
    content = checkpoint.Checkpoint(
        config=config,
        tensors=tensors,
        generator_id=checkpoint.generator_id_of(tensors),
        license="none: random values",
        title="random values",
    )
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
def model_name(tiny_checkpoint, model_folder):
    (model_folder / MODEL_NAME).write_bytes(tiny_checkpoint.read_bytes())
    return MODEL_NAME


@pytest.fixture
def model(classes, model_name):
    return classes["DI_LoadModel"]().execute(model_name, "float32")[0]


@pytest.fixture
def picture():
    """Two pictures that are not square, [2, 40, 48, 3]."""
    return torch.rand(2, 40, 48, 3, generator=torch.Generator("cpu").manual_seed(3))


@pytest.fixture
def mask():
    """A hole with a soft edge, [1, 40, 48]."""
    hole = torch.zeros(1, 40, 48)
    hole[:, 10:25, 12:30] = 1.0
    hole[:, 25, 12:30] = 0.3
    return hole
