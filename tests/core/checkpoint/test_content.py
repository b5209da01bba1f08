"""What a checkpoint holds in memory: the generator's id, and facts that are checked."""

import dataclasses
import hashlib
import struct

import pytest
import torch

from diverse_inpainting.core.checkpoint import Checkpoint, generator_id_of
from diverse_inpainting.core.errors import CheckpointError


def test_generator_id(checkpoint: Checkpoint) -> None:
    tensors = checkpoint.tensors
    assert generator_id_of(dict(reversed(list(tensors.items())))) == checkpoint.generator_id
    only = {name: t for name, t in tensors.items() if name.startswith("generator.")}
    assert generator_id_of(only) == checkpoint.generator_id
    name = "generator.synthesis.const"
    changed = {**tensors, name: tensors[name] + 1e-3}
    renamed = {**tensors, f"{name}x": tensors[name]}
    turned = {**tensors, name: tensors[name].reshape(-1)}
    others = {generator_id_of(t) for t in (changed, renamed, turned)}
    assert len(others | {checkpoint.generator_id}) == 4
    with pytest.raises(CheckpointError, match="tensors of a generator"):
        generator_id_of({"encoder.x": torch.zeros(1)})


def test_generator_id_is_fixed_for_good() -> None:
    tensors = {"generator.b": torch.tensor([[1.5, -2.0]]), "generator.a": torch.tensor(3.0)}
    wanted = hashlib.sha256(
        b"diverse-inpainting/generator/1\n"
        + b"generator.a []\n"
        + struct.pack("<f", 3.0)
        + b"generator.b [1, 2]\n"
        + struct.pack("<2f", 1.5, -2.0)
    )
    assert generator_id_of(tensors) == wanted.hexdigest()
    assert generator_id_of({k: v.half() for k, v in tensors.items()}) == wanted.hexdigest()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generator_id": "A" * 64}, "64 hexadecimal digits"),
        ({"generator_id": ""}, "64 hexadecimal digits"),
        ({"training": []}, "training facts as a dict"),
        ({"training": {"rho": float("nan")}}, "plain data without NaN"),
        ({"training": {"when": object()}}, "plain data without NaN"),
        ({"training": {"images": 3}}, "images as numbers"),
        ({"training": {"images": {"prior": "3"}}}, "images as numbers"),
        ({"training": {"images": {"prior": True}}}, "images as numbers"),
        ({"training": {"diagnostics": 5}}, "diagnostics by stage and name"),
        ({"training": {"diagnostics": {"stage1": None}}}, "diagnostics by stage and name"),
        ({"training": {"diagnostics": {"stage1": {"rho": "x"}}}}, "diagnostics by stage and name"),
        ({"title": "two\nlines"}, "title in one line"),
        ({"title": "\x1b[31mred"}, "title in one line"),
        ({"license": "x" * 301}, "license in one line"),
    ],
)
def test_facts_are_checked(checkpoint: Checkpoint, change: dict, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        dataclasses.replace(checkpoint, **change)
