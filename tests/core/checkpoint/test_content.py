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


def nested(depth):
    inner = None
    for _ in range(depth):
        inner = [inner]
    return inner


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generator_id": "A" * 64}, "64 hexadecimal digits"),
        ({"generator_id": ""}, "64 hexadecimal digits"),
        ({"training": []}, "training facts as a dict"),
        ({"training": {"rho": float("nan")}}, "plain data for JSON"),
        ({"training": {"when": object()}}, "plain data for JSON"),
        ({"training": {"seen": 10**5000}}, "plain data for JSON"),
        ({"training": {"seen": 2**64}}, "too large"),
        ({"training": {"note": nested(33)}}, "more than 32 levels deep"),
        ({"training": {"note": nested(5000)}}, "plain data for JSON"),
        ({"training": {"note": "x" * 100_000}}, "up to 100000 characters"),
        ({"training": {"stage": 3}}, "stage as a text"),
        ({"training": {"images": 3}}, "images as counts"),
        ({"training": {"images": None}}, "images as counts"),
        ({"training": {"images": {"prior": "3"}}}, "images as counts"),
        ({"training": {"images": {"prior": True}}}, "images as counts"),
        ({"training": {"images": {"prior": -1}}}, "images as counts"),
        ({"training": {"images": {"prior": 1.5}}}, "images as counts"),
        ({"training": {"diagnostics": 5}}, "diagnostics as numbers by stage and name"),
        ({"training": {"diagnostics": {"stage1": None}}}, "diagnostics as numbers"),
        ({"training": {"diagnostics": {"stage1": {"rho": "x"}}}}, "diagnostics as numbers"),
        ({"training": {"recipe": {"prior": []}}}, "recipe as names"),
        ({"training": {"perceptual": "vgg16"}}, "perceptual as tables"),
        ({"title": "two\nlines"}, "title in one line"),
        ({"title": "\x1b[31mred"}, "title in one line"),
        ({"license": "x" * 301}, "license in one line"),
    ],
)
def test_facts_are_checked(checkpoint: Checkpoint, change: dict, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        dataclasses.replace(checkpoint, **change)


def test_facts_of_later_versions_and_any_script_are_kept(checkpoint: Checkpoint) -> None:
    diagnostics = {"stage1": {"rho": 0.25, "unheard_of": 3}, "stage7": {}}
    training = {"stage": "stage7", "diagnostics": diagnostics, "new": [{"a": None}]}
    title = "Schl\u00f6sser, \u732b, \U0001f468\u200d\U0001f469\u200d\U0001f467"
    changed = dataclasses.replace(checkpoint, training=training, title=title)
    assert (changed.training, changed.title) == (training, title)
