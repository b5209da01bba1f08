"""Files as a careless or malicious person would make them, each from a seed alone.

A maker takes a random generator, an empty folder and sound files to start from; it writes files
into the folder and returns the command line that opens them. Results belong in `out`.
"""

import io
import json
import os
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

HOSTILE_TEXTS = (
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b2J",
    "\u202egnp.cats",
    "two\nfailed: lines",
    "over\rwritten",
    "zero\x00byte",
    "[bold red]markup[/]",
    "%s%n{0}{x.y}",
    "../../outside",
    "x" * 500_000,
    "Schl\u00f6sser \u732b \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\udcff\udcfe",
    "",
)
_RAW = {  # JSON that json.dumps would not write, by the text that stands for it
    "@deep": "[" * 100_000 + "]" * 100_000,
    "@nested": '{"a":' * 40 + "1" + "}" * 40,
    "@digits": "9" * 5000,
    "@large": "1" + "0" * 400,
    "@twins": '{"stage1": 1, "stage1": {}}',
    "@infinite": "1e999",
    "@nan": "NaN",
}
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 2**63, 1.5, -0.0, 1e308, [], {}, [[]], [None], {"": None}),
    *("stage1", "nan", "1"),
    *_RAW,
    *HOSTILE_TEXTS,
)


class Sound(NamedTuple):
    """Files that are as they should be."""

    model: Path
    direction: Path
    picture: Path
    mask: Path


Maker = Callable[[random.Random, Path, Sound], list[str]]


def mutated(rng: random.Random, data: bytes, head: int = 4096) -> bytes:
    """Flip bits, cut, repeat, insert or overwrite, mostly near the start."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 8))):
        if not out:
            break
        at = rng.randrange(min(len(out), head) if rng.random() < 0.8 else len(out))
        kind = rng.randrange(6)
        if kind == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del out[at:]
        elif kind == 2:
            del out[at : at + rng.randrange(1, 64)]
        elif kind == 3:
            out[at:at] = rng.randbytes(rng.randrange(1, 64))
        elif kind == 4:
            out[at : at + 4] = rng.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff"))
        else:
            out[at:at] = out[at : at + rng.randrange(1, 256)]
    return bytes(out)


def _replaced(rng: random.Random, tree: Any) -> Any:
    """Return a copy of plain data with one value, key or entry made hostile."""
    if not isinstance(tree, dict | list) or not tree or rng.random() < 0.2:
        return rng.choice(_VALUES)
    if isinstance(tree, list):
        index = rng.randrange(len(tree))
        return [_replaced(rng, v) if i == index else v for i, v in enumerate(tree)]
    key = rng.choice(list(tree))
    kind = rng.random()
    if kind < 0.1:
        return {k: v for k, v in tree.items() if k != key}
    if kind < 0.2:
        return {rng.choice(HOSTILE_TEXTS) if k == key else k: v for k, v in tree.items()}
    if kind < 0.3:
        return {**tree, rng.choice(HOSTILE_TEXTS): rng.choice(_VALUES)}
    return {k: _replaced(rng, v) if k == key else v for k, v in tree.items()}


def _json(tree: Any) -> str:
    text = json.dumps(tree)
    for name, raw in _RAW.items():
        text = text.replace(f'"{name}"', raw)
    return text


def _split(path: Path) -> tuple[dict[str, Any], bytes]:
    """Return the header and the data of a safetensors file."""
    data = path.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + size]), data[8 + size :]


def _join(path: Path, header: str, data: bytes) -> None:
    encoded = header.encode("utf-8", "surrogatepass")
    encoded += b" " * (-len(encoded) % 8)
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + data)


def _open_model(rng: random.Random, sound: Sound) -> list[str]:
    if rng.random() < 0.6:
        return ["info", "m.safetensors", *rng.choice(([], ["--json"]))]
    return _inpaint(sound.picture, "--mask", sound.mask, "--model", "m.safetensors")


def _inpaint(*arguments: object) -> list[str]:
    return ["inpaint", *map(str, arguments), "--variants", "1", "--out", "out"]


def model_bytes(rng: random.Random, folder: Path, sound: Sound) -> list[str]:
    """A model with damaged bytes."""
    data = sound.model.read_bytes()
    (folder / "m.safetensors").write_bytes(mutated(rng, data, head=rng.choice((16, 4096))))
    return _open_model(rng, sound)


def model_metadata(rng: random.Random, folder: Path, sound: Sound) -> list[str]:
    """A model whose texts or JSON were forged."""
    header, data = _split(sound.model)
    metadata = header["__metadata__"]
    name = rng.choice(("training", "training", "training", "config", *metadata))
    if name in ("training", "config"):
        tree = json.loads(metadata[name])
        for _ in range(rng.choice((1, 1, 2, 3))):
            tree = _replaced(rng, tree)
        metadata[name] = _json(tree)
        if rng.random() < 0.1:
            metadata[name] = rng.choice((*HOSTILE_TEXTS, *_RAW.values()))
    else:
        metadata[name] = rng.choice(_VALUES)
    _join(folder / "m.safetensors", json.dumps(header), data)
    return _open_model(rng, sound)


def model_header(rng: random.Random, folder: Path, sound: Sound) -> list[str]:
    """A model whose tensors have other names, types, shapes or places."""
    header, data = _split(sound.model)
    keys = [key for key in header if key != "__metadata__"]
    key = rng.choice(keys)
    kind = rng.randrange(5)
    if kind == 0:
        header = {rng.choice(HOSTILE_TEXTS) if k == key else k: v for k, v in header.items()}
    elif kind == 1:
        header[key]["dtype"] = rng.choice(("F64", "I8", "BOOL", "F8_E4M3", "F16", 3, "\x1b[31m"))
    elif kind == 2:
        header[key]["shape"] = rng.choice(([], [0], [2**62, 2**62], [-1], [1.5], "x", [1] * 3000))
    elif kind == 3:
        ends = ([0, 0], [0, 2**63], [-8, 8], [8, 0], [1e400, 1e400], ["a", "b"], [], None)
        header[key]["data_offsets"] = rng.choice(ends)
    else:
        header = _replaced(rng, header)
    _join(folder / "m.safetensors", _json(header), data)
    return _open_model(rng, sound)


class _Pickled:
    def __reduce__(self) -> tuple[Any, ...]:
        return open, ("pickle-ran.txt", "w")


def other_format(rng: random.Random, folder: Path, sound: Sound) -> list[str]:
    """A file of another format under a model's name."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr(rng.choice(("archive/data.pkl", "../data.pkl", "\x1b[31m")), b"x")
    torch_zip = archive.getvalue()
    contents = (
        *(pickle.dumps(_Pickled(), protocol) for protocol in (0, 2, 5)),
        *(torch_zip, torch_zip[:40], b"", b"{", b"GGUF\x03\0\0\0", b"\x89HDF\r\n\x1a\n"),
        *(b"version https://git-lfs.github.com/spec/v1\n", b"<!doctype html>\x1b[31m"),
        *(sound.picture.read_bytes(), b"\x93NUMPY\x01\0", struct.pack("<Q", 2**62) + b"{}"),
        *(struct.pack("<Q", 8) + b"{}      ", rng.randbytes(2000)),
    )
    content = rng.choice(contents)
    if rng.random() < 0.3:
        content = mutated(rng, content)
    (folder / "m.safetensors").write_bytes(content)
    return _open_model(rng, sound)


def direction(rng: random.Random, folder: Path, sound: Sound) -> list[str]:
    """A direction that was damaged or forged."""
    path = folder / "d.safetensors"
    if rng.random() < 0.4:
        path.write_bytes(mutated(rng, sound.direction.read_bytes(), head=1024))
    else:
        header, data = _split(sound.direction)
        part = rng.choice(("__metadata__", "__metadata__", "vector"))
        if part == "vector":
            header = _replaced(rng, header)
        else:
            name = rng.choice(list(header[part]))
            header[part][name] = rng.choice(_VALUES)
        _join(path, _json(header), data)
    if rng.random() < 0.5:
        return ["directions", "preview", path.name, "--model", str(sound.model), "--out", "out"]
    edit = ("--edit", f"{path.name}=1", "--model", sound.model)
    return _inpaint(sound.picture, "--mask", sound.mask, *edit)


_RECIPE = """
title = "a title"
license = "CC0"
preset = "demo64"
[model.generator]
channel_base = 256
[data]
holdout_last = 3
[prior]
total_images = 64
batch_size = 4
"""
_DIRECTIONS = """
samples = 8
seed = 1
[[direction]]
name = "first"
method = "sefa"
component = 0
"""
_TOML_VALUES = (
    *("nan", "inf", "-1", "1e400", "9" * 5000, "1" + "0" * 400, "true", '""', "[]", "{}", "[[]]"),
    *("1979-05-27", "[" * 5000 + "]" * 5000, "{a=" * 500 + "1" + "}" * 500, '"\\u001b[31m"', "0x"),
    *('"\u202e"', '"""\n\nlines"""', '"' + "x" * 300_000 + '"', "'../../../etc/passwd.toml'"),
)


def recipe(rng: random.Random, folder: Path, sound: Sound) -> list[str]:
    """A recipe of a training, or of directions, with forged values, lines or encoding."""
    is_training = rng.random() < 0.7
    lines = (_RECIPE if is_training else _DIRECTIONS).splitlines()
    at = rng.randrange(len(lines))
    name, equals, _ = lines[at].partition("=")
    kind = rng.randrange(5)
    if kind <= 1 and equals:
        lines[at] = f"{name}= {rng.choice(_TOML_VALUES)}"
    elif kind == 2:
        lines.insert(at, f"{'.'.join('a' * rng.choice((1, 50, 3000)))} = 1")
    elif kind == 3:
        lines.insert(at, rng.choice((*HOSTILE_TEXTS, "base = 'r.toml'", "base = 5", "[prior]")))
    data = "\n".join(lines).encode("utf-8", "surrogateescape")
    if kind == 4:
        encoding = rng.choice(("utf-16", "utf-8-sig", "utf-32", "utf-16-le"))
        data = "\n".join(lines).encode(encoding) if rng.random() < 0.4 else mutated(rng, data)
    (folder / "r.toml").write_bytes(data)
    if is_training:
        return ["train", "prior", "--config", "r.toml", "--out", "out", "--dry-run"]
    return ["directions", "recipe", "r.toml", "--out", "out", "--model", str(sound.model)]


def _encoded(rng: random.Random, array: np.ndarray) -> tuple[bytes, str]:
    """Return an image file with hostile metadata, and its extension."""
    suffix = rng.choice(("png", "png", "png", "jpg", "tif", "gif", "webp", "bmp", "ppm", "tga"))
    image, options, file = Image.fromarray(array), {}, io.BytesIO()
    if suffix == "png":
        chunks = PngInfo()
        chunks.add_itxt(rng.choice(("Title", "diverse-inpainting")), rng.choice(HOSTILE_TEXTS[:9]))
        options["pnginfo"] = chunks
    if suffix in ("png", "jpg", "webp"):
        options["icc_profile"] = rng.choice((b"", b"\x1b[31m" * 40, rng.randbytes(200)))
        options["exif"] = rng.choice((b"", b"Exif\0\0" + rng.randbytes(60), b"\x1b[31m"))
    Image.Image.save(image, file, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix.upper()),
                     **options)  # fmt: skip
    data = file.getvalue()
    return (mutated(rng, data, head=256) if rng.random() < 0.8 else data), suffix


def picture(rng: random.Random, folder: Path, sound: Sound) -> list[str]:
    """A picture that was damaged, or carries hostile metadata."""
    data, suffix = _encoded(rng, np.asarray(Image.open(sound.picture)))
    (folder / f"p.{suffix}").write_bytes(data)
    return _inpaint(f"p.{suffix}", "--mask", sound.mask, "--model", sound.model)


def mask(rng: random.Random, folder: Path, sound: Sound) -> list[str]:
    """A mask that was damaged, or carries hostile metadata."""
    data, suffix = _encoded(rng, np.asarray(Image.open(sound.mask)))
    (folder / f"m.{suffix}").write_bytes(data)
    return _inpaint(sound.picture, "--mask", f"m.{suffix}", "--model", sound.model)


def names(rng: random.Random, folder: Path, sound: Sound) -> list[str]:
    """Pictures and masks with hostile names, some of them damaged."""
    (folder / "in").mkdir()
    for _ in range(2):
        stem = rng.choice((*HOSTILE_TEXTS[:10], *("\u732b" * 83, "a" * 251, "-rf", "CON", "a..b")))
        stem = stem.replace("/", "_").replace("\0", "_")
        path = folder / "in" / f"{stem}{rng.choice(('.png', '.PNG', '.txt', '.heic', ''))}"
        data = sound.picture.read_bytes()
        path.write_bytes(data if rng.random() < 0.5 else mutated(rng, data, head=64))
    return _inpaint("in", "--mask", sound.mask, "--model", sound.model, *rng.choice(
        ((), ("--json",), ("--dry-run",))))  # fmt: skip


def sheet(rng: random.Random, folder: Path, sound: Sound) -> list[str]:
    """Results of an earlier run whose sheet has a forged record."""
    (folder / "out").mkdir()
    record = {"seed": 5, "edits": [["smile", 1.0]], "picture": "0", "mask": "1", "model": "x"}
    chunks = PngInfo()
    text = _json(_replaced(rng, record)) if rng.random() < 0.8 else rng.choice(HOSTILE_TEXTS)
    chunks.add_itxt("diverse-inpainting", text.encode("utf-8", "replace").decode())
    image = Image.open(sound.picture)
    image.save(folder / "out" / f"{sound.picture.stem}-0.png")
    image.save(folder / "out" / f"{sound.picture.stem}-sheet.png", pnginfo=chunks)
    return _inpaint(sound.picture, "--mask", sound.mask, "--model", sound.model)


def archive(rng: random.Random, folder: Path, sound: Sound) -> list[str]:
    """A zip of pictures with hostile names, sizes or bytes."""
    data = sound.picture.read_bytes()
    hostile = (
        *("/abs.png", "../up.png", "..\\up.png", "C:\\x.png", "a/../../b.png", "\x1b[31m.png"),
        *(
            "dup.png",
            "x" * 300 + ".png",
            "\u202e.png",
            "new\nline.png",
            ".hidden/a.png",
            "\\\\s.png",
        ),
    )
    with zipfile.ZipFile(folder / "z.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for k in range(3):
            packed.writestr(f"{k}.png", data)
        for _ in range(rng.choice((1, 1, 2))):
            name = rng.choice(hostile)
            content = data if rng.random() < 0.3 else mutated(rng, data, head=64)
            packed.writestr(name, content)
            if name == "dup.png":
                packed.writestr("DUP.png", data)
    if rng.random() < 0.4:
        whole = (folder / "z.zip").read_bytes()
        tail = mutated(rng, whole[-400:], head=400)
        (folder / "z.zip").write_bytes(whole[:-400] + tail)
    return ["evaluate", str(sound.model), "--data", "z.zip", "--out", "out", "--masks", "half"]


MAKERS: dict[str, tuple[Maker, int]] = {
    "model, bytes": (model_bytes, 12),
    "model, metadata": (model_metadata, 24),
    "model, tensors": (model_header, 12),
    "other format": (other_format, 6),
    "direction": (direction, 10),
    "recipe": (recipe, 12),
    "picture": (picture, 8),
    "mask": (mask, 5),
    "file names": (names, 5),
    "record of results": (sheet, 4),
    "zip of pictures": (archive, 2),
}
"""Makers by name, and how many of a hundred files they make."""


def kinds(num: int) -> list[str]:
    """Return the kind of each of num cases; the first ones of a longer list are the same."""
    hundred = [name for name, (_, share) in MAKERS.items() for _ in range(share)]
    random.Random(0).shuffle(hundred)
    assert len(hundred) == 100
    return [hundred[k % 100] for k in range(num)]


def make(kind: str, seed: int, number: int, folder: Path, sound: Sound) -> list[str]:
    """Write the files of a case into an empty folder and return its command line."""
    rng = random.Random(f"{seed}/{kind}/{number}")
    try:
        return MAKERS[kind][0](rng, folder, sound)
    except OSError:  # a name that this file system does not have
        return ["info", os.devnull]
