"""A header that is wrong in any respect gives one clear sentence, before any tensor is read."""

import json
import os
import resource
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from diverse_inpainting.core.checkpoint import Checkpoint, write_checkpoint


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
        ({"training": "[1]"}, "training facts as a dict"),
        ({"training": "nonsense"}, "JSON in the metadata's training"),
        ({"trained_images": "nons"}, "digests of images"),
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
        ("generator", {"mapping_lr_multiplier": float("inf")}, "JSON in the metadata's config"),
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


def _metadata(path: Path) -> dict[str, str]:
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + size])["__metadata__"]
