"""Directions are checked, move what they say, and survive the disk."""

import dataclasses
import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from diverse_inpainting.core.directions import (
    Direction,
    apply_direction,
    bundled_direction_names,
    bundled_directions,
    read_direction,
    read_directions,
    write_direction,
)
from diverse_inpainting.core.errors import CheckpointError, GeneratorMismatchError, InputError
from diverse_inpainting.core.latents import WPlus

ID = "0123456789abcdef" * 4
OTHER_ID = "f" * 64
L, D = 6, 5


def _direction(**changes: object) -> Direction:
    fields = {
        "name": "colour",
        "vector": torch.linspace(-1, 1, D),
        "generator_id": ID,
        "first_layer": 2,
        "last_layer": 4,
        "unit": "one standard deviation of w",
        "source": "by hand",
        "description": "makes the fur redder \u732b",
    }
    return Direction(**{**fields, **changes})


def _codes(dtype: torch.dtype = torch.float32) -> WPlus:
    codes = torch.arange(2 * 3 * L * D, dtype=torch.float32).reshape(2, 3, L, D)
    return WPlus(codes.to(dtype), ID)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "colour.safetensors"


def test_apply_moves_its_layers_of_every_variant() -> None:
    w, direction = _codes(), _direction()
    moved = apply_direction(w, direction, 1.5)
    assert moved.generator_id == ID
    for layer in range(L):
        step = 1.5 * direction.vector if 2 <= layer <= 4 else torch.zeros(D)
        assert torch.equal(moved.codes[:, :, layer], w.codes[:, :, layer] + step)


def test_apply_takes_one_row_per_layer() -> None:
    w, rows = _codes(), torch.arange(L * D, dtype=torch.float32).reshape(L, D) + 1
    moved = apply_direction(w, _direction(vector=rows), -2.0)
    for layer in range(L):
        step = -2 * rows[layer] if 2 <= layer <= 4 else torch.zeros(D)
        assert torch.equal(moved.codes[:, :, layer], w.codes[:, :, layer] + step)


@pytest.mark.parametrize(
    ("first", "last", "layers"),
    [(None, None, {2, 3, 4}), (0, None, {0, 1, 2, 3, 4}), (None, 2, {2}), (5, 5, {5}), (0, 0, {0})],
)
def test_the_callers_layers_win(first: int | None, last: int | None, layers: set) -> None:
    moved = apply_direction(_codes(), _direction(), 1.0, first_layer=first, last_layer=last)
    changed = (moved.codes != _codes().codes).any(dim=3).any(dim=0).any(dim=0)
    assert {layer for layer in range(L) if changed[layer]} == layers


def test_apply_leaves_its_arguments_alone() -> None:
    w, direction = _codes(), _direction()
    moved = apply_direction(w, direction, 3.0)
    assert torch.equal(w.codes, _codes().codes)
    assert torch.equal(direction.vector, _direction().vector)
    same = apply_direction(w, direction, 0)
    assert torch.equal(same.codes, w.codes)
    same.codes.zero_()
    moved.codes.zero_()
    assert torch.equal(w.codes, _codes().codes)


def test_apply_keeps_the_type_of_the_codes() -> None:
    moved = apply_direction(_codes(torch.float16), _direction(), 1.0)
    assert moved.codes.dtype == torch.float16
    wanted = _codes(torch.float16).codes[:, :, 3] + _direction().vector.half()
    assert torch.equal(moved.codes[:, :, 3], wanted)


@pytest.mark.parametrize("strength", [float("nan"), float("inf"), -float("inf"), "1", None])
def test_strength_must_be_finite(strength: float) -> None:
    with pytest.raises(InputError, match="strength to be a number"):
        apply_direction(_codes(), _direction(), strength)


@pytest.mark.parametrize(
    ("first", "last", "name"),
    [(-1, 3, "first_layer"), (2, L, "last_layer"), (3, 2, "last_layer"), (L, L, "first_layer")],
)
def test_layers_outside_the_codes_are_refused(first: int, last: int, name: str) -> None:
    with pytest.raises(InputError, match=name):
        apply_direction(_codes(), _direction(), 1.0, first_layer=first, last_layer=last)


def test_a_direction_for_more_layers_is_refused() -> None:
    with pytest.raises(InputError, match=r"last_layer to be a whole number from 2 to 5"):
        apply_direction(_codes(), _direction(last_layer=6), 1.0)


def test_another_generator_is_refused() -> None:
    message = "direction 'colour' of generator 012345.*, got .* of generator ffff"
    with pytest.raises(GeneratorMismatchError, match=message):
        apply_direction(_codes(), _direction(generator_id=OTHER_ID), 1.0)


@pytest.mark.parametrize("shape", [(D + 1,), (L + 1, D), (L, D - 1)])
def test_another_size_is_refused(shape: tuple) -> None:
    with pytest.raises(InputError, match="a direction of shape"):
        apply_direction(_codes(), _direction(vector=torch.ones(shape)), 1.0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"vector": torch.zeros(D)}, "all zeros"),
        ({"vector": torch.tensor([1.0, float("nan")])}, "1 of 2 values of the direction are NaN"),
        ({"vector": torch.ones(1, L, D)}, r"shape \[D\] or \[L, D\]"),
        ({"vector": torch.ones(0)}, r"shape \[D\] or \[L, D\]"),
        ({"vector": [1.0]}, r"shape \[D\] or \[L, D\], got list"),
        ({"vector": torch.ones(D, dtype=torch.float64)}, "in float32 on the CPU"),
        ({"vector": torch.ones(4, D)}, "a row for each layer up to 4, got 4 rows"),
        ({"first_layer": -1}, "first_layer"),
        ({"first_layer": 5}, "last_layer"),
        ({"last_layer": 64}, "last_layer"),
        ({"name": ""}, "has no name"),
        ({"name": " "}, "has no name"),
        ({"name": "a\nb"}, "name in one line"),
        ({"name": "x" * 61}, "name in one line"),
        ({"description": "\x1b[2J"}, "description in one line"),
        ({"source": None}, "source in one line"),
        ({"generator_id": "x"}, "a generator_id of 64 hexadecimal digits"),
    ],
)
def test_fields_are_checked(changes: dict, words: str) -> None:
    with pytest.raises(InputError, match=words):
        _direction(**changes)


@pytest.mark.parametrize("shape", [(D,), (L, D)])
def test_round_trip(path: Path, shape: tuple) -> None:
    written = _direction(vector=torch.randn(shape, generator=torch.Generator().manual_seed(1)))
    write_direction(path, written)
    read = read_direction(path)
    assert torch.equal(read.vector, written.vector)
    for field in dataclasses.fields(Direction):
        if field.name != "vector":
            assert getattr(read, field.name) == getattr(written, field.name)
    assert list(path.parent.iterdir()) == [path]


def test_all_directions_of_a_folder(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_direction(tmp_path / "b.safetensors", _direction(name="age"))
    write_direction(tmp_path / "a.safetensors", _direction(name="colour"))
    write_direction(tmp_path / "c.safetensors", _direction(name="age", source="again"))
    write_direction(tmp_path / "d.safetensors", _direction(name="pose", generator_id=OTHER_ID))
    (tmp_path / "README.md").write_text("x")
    found = read_directions(tmp_path, ID)
    assert list(found) == ["colour", "age"]
    assert found["age"].source == "by hand"
    assert "c.safetensors is ignored" in caplog.text
    assert read_directions(tmp_path / "absent", ID) == {}


def test_bundled_directions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "diverse_inpainting.core.directions.direction"
    monkeypatch.setattr(f"{module}._BUNDLED", tmp_path)
    write_direction(tmp_path / "a.safetensors", _direction())
    assert list(bundled_directions(ID)) == bundled_direction_names() == ["colour"]
    assert bundled_directions(OTHER_ID) == {}


def _write(path: Path, tensors: dict | None = None, **metadata: str | None) -> None:
    """Write a direction file with some of its metadata changed (None: left out)."""
    write_direction(path, _direction())
    content = path.read_bytes()
    size = struct.unpack("<Q", content[:8])[0]
    present = json.loads(content[8 : 8 + size])["__metadata__"] | metadata
    kept = {name: text for name, text in present.items() if text is not None}
    save_file(tensors or {"vector": _direction().vector}, path, kept)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"format": "diverse-inpainting"}, "a file of the format 'diverse-inpainting'"),
        ({"format": None}, "of another program"),
        ({"format_version": "2"}, "Update diverse-inpainting"),
        ({"format_version": None}, "Update diverse-inpainting"),
        ({"layers": "2"}, "metadata for layers"),
        ({"layers": "9-2"}, "last_layer"),
        ({"layers": "0-999"}, "last_layer"),
        ({"source": None}, "metadata for source"),
        ({"name": "a\nb"}, "name in one line"),
        ({"generator_id": "abc"}, "64 hexadecimal digits"),
    ],
)
def test_bad_metadata(path: Path, metadata: dict, words: str) -> None:
    _write(path, **metadata)
    with pytest.raises(CheckpointError, match=words) as caught:
        read_direction(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "tensors",
    [
        {"other": torch.ones(D)},
        {"vector": torch.ones(D), "more": torch.ones(1)},
        {"vector": torch.tensor(1.0)},
        {"vector": torch.ones(1, L, D)},
        {"vector": torch.ones(65, D)},
        {"vector": torch.ones(2**16 + 1)},
    ],
)
def test_bad_vectors_are_not_read(
    path: Path, tensors: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write(path, tensors)
    monkeypatch.setattr("diverse_inpainting.core.checkpoint.container.Container.load", None)
    with pytest.raises(CheckpointError, match="one tensor `vector`"):
        read_direction(path)


@pytest.mark.parametrize(
    ("vector", "words"),
    [
        (torch.full((D,), float("inf")), "finite values only"),
        (torch.zeros(D), "moves something"),
        (torch.ones(D, dtype=torch.float64), "in float32"),
    ],
)
def test_bad_values(path: Path, vector: torch.Tensor, words: str) -> None:
    _write(path, {"vector": vector})
    with pytest.raises(CheckpointError, match=words):
        read_direction(path)


def test_a_pickle_and_a_cut_file(path: Path) -> None:
    torch.save({"vector": torch.ones(D)}, path)
    with pytest.raises(CheckpointError, match=r"a diverse-inpainting direction .* PyTorch pickle"):
        read_direction(path)
    before = path.read_bytes()
    with pytest.raises(CheckpointError, match="PyTorch pickle"):
        write_direction(path, _direction())
    assert path.read_bytes() == before, "only a direction is replaced"
    path.unlink()
    write_direction(path, _direction())
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="truncated"):
        read_direction(path)


def test_a_reversed_direction_moves_the_other_way() -> None:
    moved = apply_direction(_codes(), _direction(), 1.5)
    back = apply_direction(_codes(), _direction().reversed(), -1.5)
    assert torch.equal(moved.codes, back.codes)
    assert not torch.equal(moved.codes, _codes().codes)
