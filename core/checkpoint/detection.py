"""Identify foreign files, so that the error can say what to do. Nothing is unpickled.

Sources of the signatures: the pickle, zip, NumPy and safetensors formats; Git LFS pointer files;
the module names that NVIDIA's pickles mention; the key names of the published checkpoints.
"""

import json
import os
import struct
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..invocation import command_line

_HEAD_SIZE = 1 << 20
_MAX_HEADER_SIZE = 100_000_000  # the limit of the safetensors package

_NOT_OURS = "Use a model that this project saved as .safetensors."
_FETCH_AGAIN = "Copy or download it again."

_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (
        b"version https://git-lfs",
        "a Git LFS pointer instead of the file it points to",
        "Run `git lfs pull` in its repository, or download the file itself.",
    ),
    (b"\x93NUMPY", "a NumPy array file (.npy)", _NOT_OURS),
    (b"GGUF", "a GGUF language or diffusion model", _NOT_OURS),
    (b"\x89HDF", "an HDF5 file (Keras)", _NOT_OURS),
    (b"\x89PNG", "a PNG image", _NOT_OURS),
    (b"\xff\xd8\xff", "a JPEG image", _NOT_OURS),
)

_MARKUP = (b"<!doctype", b"<html", b"<?xml")

_KEY_PATTERNS: tuple[tuple[tuple[str, ...], str], ...] = (
    ((".lora_up", ".lora_A", ".lora_down"), "a LoRA"),
    ((".control_model.", ".controlnet_"), "a ControlNet"),
    ((".model.diffusion_model.",), "a Stable Diffusion checkpoint or diffusion model"),
    ((".double_blocks.", ".joint_blocks."), "a Flux or Stable Diffusion 3 diffusion model"),
    ((".down_blocks.",), "a diffusers UNet or VAE"),
    ((".first_stage_model.", ".decoder.up.0.", ".decoder.up_blocks."), "a VAE"),
    ((".text_model.encoder.", ".model.layers.0."), "a language or text encoder model"),
    ((".encoder.input_layer.", ".encoder.body."), "a pSp or e4e encoder"),
    ((".synthesis.b4.",), "a StyleGAN2 generator in NVIDIA's key names"),
    ((".to_rgbs.0.",), "a StyleGAN2 generator in rosinality's key names"),
)


@dataclass(frozen=True)
class Detection:
    """What a path holds."""

    kind: str
    """One word: safetensors, pickle, nvidia-pickle, torch-zip, folder, missing, empty, ..."""
    description: str
    """Noun phrase with article, for an error message."""
    remedy: str
    """One sentence that says what to do instead."""

    @property
    def is_safetensors(self) -> bool:
        """Whether the container is a complete safetensors file (its content may be foreign)."""
        return self.kind == "safetensors"


def detect(path: Path) -> Detection:
    """Return what kind of file a path holds, from its first bytes."""
    path = Path(path)
    if path.is_dir():
        return Detection("folder", "a folder", "Give the .safetensors file inside it.")
    if not path.is_file():
        return Detection("missing", "a path where there is no file", "Check the spelling.")
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_SIZE)
    except OSError as error:
        reason = error.strerror or str(error)
        return Detection("unreadable", f"an unreadable file ({reason})", "Check its access rights.")
    if not head:
        return Detection("empty", "an empty file", _FETCH_AGAIN)
    return _by_signature(head) or _pickle(path, head) or _safetensors(path, head)


def _by_signature(head: bytes) -> Detection | None:
    for signature, description, remedy in _SIGNATURES:
        if head.startswith(signature):
            return Detection("foreign", description, remedy)
    if head[:512].lstrip().lower().startswith(_MARKUP):
        return Detection(
            "web-page",
            "a web page instead of a model",
            "The download needs a login or a direct link: fetch the file itself.",
        )
    return None


def _pickle(path: Path, head: bytes) -> Detection | None:
    if head.startswith(b"PK\x03\x04"):
        return _zip(path)
    if not (head[0] == 0x80 and len(head) > 1 and 2 <= head[1] <= 5):
        return None
    if b"torch_utils.persistence" in head:
        description = "an NVIDIA pickle (stylegan2-ada-pytorch or StyleGAN3)"
        return Detection("nvidia-pickle", description, _never_unpickled(path))
    if b"dnnlib.tflib" in head:
        description = "an NVIDIA pickle (StyleGAN2 for TensorFlow)"
        return Detection("nvidia-pickle", description, _never_unpickled(path))
    return Detection("pickle", "a Python pickle (.pkl or an old .pt)", _never_unpickled(path))


def _never_unpickled(path: Path) -> str:
    return (
        "Opening such files can run code, so they are never loaded. If it is a StyleGAN2, convert "
        f"it: {convert_command(path)}; else use a model that this project saved."
    )


def convert_command(path: Path) -> str:
    """Return the command that converts a file of another program."""
    return command_line("convert", path, converted_name(path))


def converted_name(path: Path) -> Path:
    """Return where the conversion of a file goes: beside it."""
    target = path.with_suffix(".safetensors")
    return target if target != path else path.with_name(f"{path.stem}-converted.safetensors")


def _zip(path: Path) -> Detection:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return Detection("zip", "a truncated zip archive or .pt file", _FETCH_AGAIN)
    if any(name.endswith("data.pkl") for name in names):
        return Detection("torch-zip", "a PyTorch pickle (.pt or .pth)", _never_unpickled(path))
    return Detection("zip", "a zip archive", "Unpack it and give the .safetensors file inside.")


def _safetensors(path: Path, head: bytes) -> Detection:
    """Tell a whole safetensors container from a cut one and from anything else."""
    unknown = Detection("unknown", "a file of an unknown kind", _NOT_OURS)
    if len(head) < 9 or head[8:9] != b"{":
        return unknown
    header_size = struct.unpack("<Q", head[:8])[0]
    if header_size > _MAX_HEADER_SIZE:
        return unknown
    size = path.stat().st_size
    needed = 8 + header_size
    if size >= needed:
        needed += _data_size(path, header_size)
    if size < needed:
        description = f"a truncated .safetensors file ({size} of at least {needed} bytes)"
        return Detection("truncated", description, _FETCH_AGAIN)
    return Detection("safetensors", "a .safetensors file", _NOT_OURS)


def _data_size(path: Path, header_size: int) -> int:
    """Return the bytes of tensor data that the header announces; 0 when it cannot be read."""
    with path.open("rb") as file:
        file.seek(8, os.SEEK_SET)
        encoded = file.read(header_size)
    try:
        entries = json.loads(encoded)  # may hold anything: only the ends of the tensors matter
        entries.pop("__metadata__", None)
        return max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return 0  # the safetensors package will say what is wrong with it


def describe_keys(keys: Iterable[str], metadata: dict[str, str]) -> str:
    """Return what a foreign safetensors file looks like, as a noun phrase with article.

    Args:
        keys: names of its tensors.
        metadata: its header's strings.
    """
    named = metadata.get("format", "")
    if named.startswith("diverse-inpainting"):
        return f"a file of the format {named[:60]!r}"
    keys = list(keys)
    for patterns, description in _KEY_PATTERNS:
        if any(pattern in f".{key}" for key in keys for pattern in patterns):
            return f"what looks like {description}"
    shown = ", ".join(repr(key[:60]) for key in sorted(keys)[:3]) or "none"
    return f"a .safetensors file of another program (tensors: {shown})"
