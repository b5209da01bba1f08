"""Every file that is no checkpoint is named for what it is, and never unpickled."""

import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from diverse_inpainting.core.checkpoint import Checkpoint, write_checkpoint

PICKLE_REMEDY = "Opening such files can run code, so they are never loaded"


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
    refuse("a Python pickle", PICKLE_REMEDY, f" convert {path} ")
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
    is_ours_to_convert = "StyleGAN2" in words
    refuse(words, "Convert it: " if is_ours_to_convert else "Use a model that this project saved.")


def test_our_keys_without_our_metadata(
    checkpoint: Checkpoint, path: Path, refuse: Callable
) -> None:
    save_file(checkpoint.tensors, path)
    refuse("a .safetensors file of another program")


def test_a_direction_file(path: Path, refuse: Callable) -> None:
    save_file({"vector": torch.zeros(8)}, path, {"format": "diverse-inpainting-direction"})
    refuse("a file of the format 'diverse-inpainting-direction'")
