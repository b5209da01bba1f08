"""Every file that is no checkpoint gives one clear sentence, before any tensor is read."""

import json
import os
import pickle
import resource
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from diverse_inpainting.core.checkpoint import (
    Checkpoint,
    inspect_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from diverse_inpainting.core.errors import CheckpointError

PICKLE_REMEDY = "Opening such files can run code, so they are never loaded"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "model.safetensors"


@pytest.fixture
def refuse(path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Read the file; assert that it is refused with the words given and without reading on."""

    def no_load(*_: object) -> None:
        raise AssertionError("a tensor was read before the header was checked")

    def check(*words: str) -> str:
        monkeypatch.setattr("diverse_inpainting.core.checkpoint.container.Container.load", no_load)
        messages = []
        for read in (read_checkpoint, inspect_checkpoint):
            with pytest.raises(CheckpointError) as caught:
                read(path)
            messages.append(str(caught.value))
        assert messages[0] == messages[1]
        assert str(path) in messages[0]
        for word in words:
            assert word in messages[0]
        return messages[0]

    return check


def _edit(path: Path, change: Callable[[dict], None]) -> None:
    """Rewrite the header of a safetensors file; the data stays."""
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    header = json.loads(content[8 : 8 + size])
    change(header)
    encoded = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + content[8 + size :])


def _edit_metadata(path: Path, **values: str | None) -> None:
    def change(header: dict) -> None:
        for name, value in values.items():
            header["__metadata__"][name] = value
            if value is None:
                del header["__metadata__"][name]

    _edit(path, change)


def _edit_config(path: Path, part: str, **values: object) -> None:
    def change(header: dict) -> None:
        config = json.loads(header["__metadata__"]["config"])
        config.setdefault(part, {}).update(values)
        header["__metadata__"]["config"] = json.dumps(config)

    _edit(path, change)


def test_nothing_there(refuse: Callable) -> None:
    refuse("a path where there is no file", "Check the spelling.")


def test_a_folder(path: Path, refuse: Callable) -> None:
    path.mkdir()
    refuse("a folder", "Give the .safetensors file inside it.")


def test_no_access(path: Path, refuse: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"x")

    def refuse_access(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse_access)  # root may read files of mode 0
    refuse("an unreadable file (Permission denied)")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"\x00", "a file of an unknown kind"),
        (b"hello, this is a text file\n", "a file of an unknown kind"),
        (b"\n  <!DOCTYPE html><html><body>Sign in", "a web page instead of a model"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            "a Git LFS pointer instead of the file it points to",
        ),
        (b"\x93NUMPY\x01\x00", "a NumPy array file (.npy)"),
        (b"GGUF\x03\x00\x00\x00", "a GGUF language or diffusion model"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file (Keras)"),
        (b"\x89PNG\r\n\x1a\n", "a PNG image"),
        (b"\xff\xd8\xff\xe0", "a JPEG image"),
        (b"PK\x03\x04broken", "a truncated zip archive or .pt file"),
        (struct.pack("<Q", 2**63) + b"{" + b" " * 100, "a file of an unknown kind"),
        (struct.pack("<Q", 50_000) + b'{"a":', "truncated .safetensors file (13 of at least 50008"),
        (struct.pack("<Q", 4) + b"{[}]", "a .safetensors file that cannot be read"),
        (struct.pack("<Q", 50_000) + b"{" * 50_000, "a .safetensors file that cannot be read"),
    ],
)
def test_other_content(path: Path, refuse: Callable, content: bytes, words: str) -> None:
    path.write_bytes(content)
    refuse("Expected a diverse-inpainting checkpoint (.safetensors)", words)


class _Bomb:
    """Unpickling it makes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple:
        return (Path.touch, (self.target,))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_is_never_opened(
    path: Path, refuse: Callable, tmp_path: Path, protocol: int
) -> None:
    path.write_bytes(pickle.dumps(_Bomb(tmp_path / "exploded"), protocol))
    refuse("a Python pickle", PICKLE_REMEDY)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("new_zip_format", [True, False])
def test_a_torch_file(path: Path, refuse: Callable, new_zip_format: bool) -> None:
    torch.save({"a": torch.zeros(2)}, path, _use_new_zipfile_serialization=new_zip_format)
    refuse("a PyTorch pickle" if new_zip_format else "a Python pickle", PICKLE_REMEDY)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("torch_utils.persistence", "an NVIDIA pickle (stylegan2-ada-pytorch or StyleGAN3)"),
        ("dnnlib.tflib.network", "an NVIDIA pickle (StyleGAN2 for TensorFlow)"),
    ],
)
def test_nvidia_pickles(path: Path, refuse: Callable, module: str, words: str) -> None:
    # What pickle.dump writes for an object of a class in that module.
    path.write_bytes(b"\x80\x03}X\x01\x00\x00\x00Gc" + module.encode() + b"\nNetwork\n)\x81s.")
    refuse(words, PICKLE_REMEDY)


def test_a_zip_archive(path: Path, refuse: Callable) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "x")
    refuse("a zip archive", "Unpack it")


@pytest.mark.parametrize("kept_frac", [0.0001, 0.01, 0.5, 0.999])
def test_a_cut_checkpoint(
    checkpoint: Checkpoint, path: Path, refuse: Callable, kept_frac: float
) -> None:
    write_checkpoint(path, checkpoint)
    content = path.read_bytes()
    path.write_bytes(content[: max(20, int(len(content) * kept_frac))])
    refuse("a truncated .safetensors file", "Copy or download it again.")


def test_surplus_data(checkpoint: Checkpoint, path: Path, refuse: Callable) -> None:
    write_checkpoint(path, checkpoint)
    path.write_bytes(path.read_bytes() + b"surplus")
    refuse("a .safetensors file that cannot be read")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("model.diffusion_model.input_blocks.0.0.weight", "a Stable Diffusion checkpoint"),
        ("lora_unet_down_blocks_0.lora_up.weight", "a LoRA"),
        ("control_model.input_blocks.0.0.weight", "a ControlNet"),
        ("double_blocks.0.img_attn.qkv.weight", "a Flux"),
        ("down_blocks.0.resnets.0.conv1.weight", "a diffusers UNet"),
        ("decoder.up.0.block.0.conv1.weight", "a VAE"),
        ("text_model.encoder.layers.0.mlp.fc1.weight", "a language or text encoder"),
        ("encoder.input_layer.0.weight", "a pSp or e4e encoder"),
        ("synthesis.b4.const", "a StyleGAN2 generator in NVIDIA's key names"),
        ("G_ema.synthesis.b4.const", "a StyleGAN2 generator in NVIDIA's key names"),
        ("g_ema.to_rgbs.0.bias", "a StyleGAN2 generator in rosinality's key names"),
        ("something.else", "of another program (tensors: 'something.else')"),
    ],
)
def test_foreign_models(path: Path, refuse: Callable, key: str, words: str) -> None:
    save_file({key: torch.zeros(2)}, path)
    refuse(words, "Use a model that this project saved.")


def test_our_keys_without_our_metadata(
    checkpoint: Checkpoint, path: Path, refuse: Callable
) -> None:
    save_file(checkpoint.tensors, path)
    refuse("a .safetensors file of another program")


def test_a_direction_file(path: Path, refuse: Callable) -> None:
    save_file({"vector": torch.zeros(8)}, path, {"format": "diverse-inpainting-direction"})
    refuse("a file of the format 'diverse-inpainting-direction'")


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"format_version": "2"}, "version 2"),
        ({"format_version": "one"}, "a checkpoint's format_version, got 'one'"),
        ({"format_version": "0"}, "a checkpoint's format_version, got '0'"),
        ({"format_version": "9" * 5000}, "a checkpoint's format_version, got '9999"),
        ({"format_version": None}, "a checkpoint's format_version, got ''"),
        ({"config": None, "title": None}, "with metadata for config, title"),
        ({"config": "{"}, "JSON in the metadata's config"),
        ({"config": "[" * 100_000}, "JSON in the metadata's config"),
        ({"config": "9" * 5000}, "JSON in the metadata's config"),
        ({"config": "[]"}, "a JSON object as config"),
        ({"config": "{}"}, "a model configuration with a generator"),
        ({"generator_id": "abc"}, "a generator_id of 64 hexadecimal digits, got 'abc'"),
        ({"training": "[1]"}, "the training facts as a dict"),
        ({"training": "nonsense"}, "JSON in the metadata's training"),
        ({"title": "a\nb"}, "a title in one line"),
        ({"license": "\x1b[2J"}, "a license in one line"),
    ],
)
def test_bad_metadata(
    checkpoint: Checkpoint, path: Path, refuse: Callable, metadata: dict, words: str
) -> None:
    write_checkpoint(path, checkpoint)
    _edit_metadata(path, **metadata)
    refuse(words)


def test_a_newer_version_asks_for_an_update(
    checkpoint: Checkpoint, path: Path, refuse: Callable
) -> None:
    write_checkpoint(path, checkpoint)
    # Nothing else of a newer file is checked: everything but these two may have changed.
    _edit_metadata(path, format_version="2", config="?", generator_id=None)
    refuse("Update diverse-inpainting.")


@pytest.mark.parametrize(
    ("part", "values", "words"),
    [
        ("generator", {"colour": 1}, "GeneratorConfig fields among"),
        ("generator", {"resolution": 100}, "a resolution of 32, 64"),
        ("generator", {"w_dim": 16}, "style layers, w_dim"),
        ("generator", {"mapping_depth": 10**9}, "mapping_depth in the checkpoint's config"),
        ("generator", {"channel_max": 10**12}, "channel_max in the checkpoint's config"),
        ("generator", {"num_classes": -1}, "GeneratorConfig.num_classes"),
        ("generator", {"num_classes": "x"}, "num_classes"),
        ("generator", {"mapping_lr_multiplier": float("inf")}, "mapping_lr_multiplier"),
        ("generator", {"mapping_lr_multiplier": "fast"}, "mapping_lr_multiplier"),
        ("encoder", {"depths": [1, 1, 1, 10**9]}, "depths in the checkpoint's config"),
        ("encoder", {"depths": 3}, "a checkpoint whose config this version reads"),
        ("skip_encoder", {"layers_per_block": 10**9}, "layers_per_block"),
        ("teacher", {"a": 1}, "parts among"),
    ],
)
def test_bad_configurations(
    checkpoint: Checkpoint, path: Path, refuse: Callable, part: str, values: dict, words: str
) -> None:
    write_checkpoint(path, checkpoint)
    _edit_config(path, part, **values)
    refuse(words)


def test_a_configuration_that_disagrees_with_the_tensors(
    checkpoint: Checkpoint, path: Path, refuse: Callable
) -> None:
    write_checkpoint(path, checkpoint)
    _edit_config(path, "skip_encoder", stem_width=5)
    refuse("skip_encoder.stem.weight F32 [4, 7, 3, 3] instead of F32 [5, 7, 3, 3]")


@pytest.mark.skipif(os.name == "nt", reason="resource is POSIX only")
def test_a_forged_size_allocates_nothing(
    checkpoint: Checkpoint, path: Path, refuse: Callable
) -> None:
    write_checkpoint(path, checkpoint)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _edit_config(path, "generator", channel_base=2**20, channel_max=2**20)  # terabytes
    refuse("misshapen: generator.synthesis")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib < 200_000


def test_all_wrong_keys_are_listed(checkpoint: Checkpoint, path: Path, refuse: Callable) -> None:
    write_checkpoint(path, checkpoint)
    tensors = load_file(path)
    for name in ("mixer.bias", "encoder.extra", "generator.mapping.w_avg"):
        tensors.pop(name, None)
    tensors["encoder.extra"] = torch.zeros(1)
    tensors["mixer.weight"] = tensors["mixer.weight"].double()
    save_file(tensors, path, _metadata(path))
    message = refuse("missing: generator.mapping.w_avg, mixer.bias; unexpected: encoder.extra;")
    assert "misshapen: mixer.weight F64 [8, 16, 16] instead of F32 [8, 16, 16]" in message


def test_long_lists_are_shortened(checkpoint: Checkpoint, path: Path, refuse: Callable) -> None:
    write_checkpoint(path, checkpoint)
    tensors = {k: v for k, v in load_file(path).items() if not k.startswith("encoder.")}
    num_missing = len(checkpoint.tensors) - len(tensors)
    save_file(tensors, path, _metadata(path))
    message = refuse(f" and {num_missing - 10} more")
    assert message.count("encoder.") == 10


def test_no_tensors_at_all(checkpoint: Checkpoint, path: Path, refuse: Callable) -> None:
    write_checkpoint(path, checkpoint)
    save_file({}, path, _metadata(path))
    message = refuse()
    # safetensors 0.4 refuses an empty file by itself.
    assert "tensors of at least one network" in message or "cannot be read" in message


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_values_that_are_no_numbers(
    checkpoint: Checkpoint, path: Path, value: float, dtype: torch.dtype
) -> None:
    write_checkpoint(path, checkpoint, dtype=dtype)
    tensors = load_file(path)
    tensors["mixer.bias"][3, 2] = value
    save_file(tensors, path, _metadata(path))
    with pytest.raises(CheckpointError, match=r"NaN or infinity in mixer\.bias of .*model\.saf"):
        read_checkpoint(path)


def _metadata(path: Path) -> dict[str, str]:
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + size])["__metadata__"]
