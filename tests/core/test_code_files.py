"""Files of style codes: the same bits come back, and nothing else is taken for codes."""

import pytest
import torch
from safetensors.torch import save_file

from diverse_inpainting.core.code_files import (
    PNG_KEY,
    StoredCodes,
    codes_as_text,
    read_codes,
    write_codes,
)
from diverse_inpainting.core.directions import Direction, write_direction
from diverse_inpainting.core.errors import CheckpointError
from diverse_inpainting.core.image_files import write_png
from diverse_inpainting.core.latents import WPlus

ID = "ab" * 32


@pytest.fixture
def codes():
    return WPlus(torch.randn(2, 3, 4, 5), ID)


def test_the_same_codes_come_back(codes, tmp_path):
    codes.save(tmp_path / "codes.safetensors")
    loaded = WPlus.load(tmp_path / "codes.safetensors")
    assert torch.equal(loaded.codes, codes.codes)
    assert loaded.generator_id == ID
    codes[0].save(tmp_path / "codes.safetensors")
    assert WPlus.load(tmp_path / "codes.safetensors").batch == 1


def test_other_files_are_neither_read_nor_replaced(codes, tmp_path):
    path = tmp_path / "direction.safetensors"
    direction = Direction(
        name="smile", vector=torch.randn(5), generator_id=ID, first_layer=0, last_layer=3
    )
    write_direction(path, direction)
    before = path.read_bytes()
    for use in (WPlus.load, codes.save):
        with pytest.raises(CheckpointError, match="style codes"):
            use(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("tensor", "changes", "words"),
    [
        (torch.full((1, 1, 2, 2), torch.nan), {}, "NaN, infinity or values beyond"),
        (torch.zeros(1, 2, 2), {}, r"shape \[B, V, L, D\]"),
        (torch.zeros(0, 1, 2, 2), {}, r"shape \[B, V, L, D\]"),
        (torch.zeros(1, 1, 2, 2), {"generator_id": "x"}, "generator_id"),
        (torch.zeros(1, 1, 2, 2), {"format_version": "9"}, "Update"),
    ],
)
def test_damaged_codes_are_refused(tmp_path, tensor, changes, words):
    path = tmp_path / "codes.safetensors"
    facts = {"format": "diverse-inpainting-codes", "format_version": "1", "generator_id": ID}
    save_file({"codes": tensor}, path, facts | changes)
    with pytest.raises(CheckpointError, match=words):
        WPlus.load(path)


def test_labels_and_facts_come_back(tmp_path):
    path = tmp_path / "codes.safetensors"
    stored = StoredCodes(torch.randn(1, 2, 4, 5), ID, ("seed 7 / #0", "b"), {"picture": "x"})
    write_codes(path, stored)
    found = read_codes(path)
    assert torch.equal(found.codes, stored.codes)
    assert found[1:] == stored[1:]
    assert WPlus.load(path).labels == stored.labels


@pytest.mark.parametrize("labels", ["[", '["a"]', '["a", 1]', '["a", "b\\u0007"]'])
def test_damaged_labels_are_refused(tmp_path, labels):
    path = tmp_path / "codes.safetensors"
    facts = {"format": "diverse-inpainting-codes", "format_version": "1", "generator_id": ID}
    save_file({"codes": torch.zeros(1, 2, 2, 2)}, path, {**facts, "labels": labels})
    with pytest.raises(CheckpointError, match="2 labels"):
        read_codes(path)


def save_png(path, text):
    write_png(path, torch.rand(4, 4, 3), {PNG_KEY: text} if text is not None else None)


def test_a_png_carries_codes(tmp_path):
    stored = StoredCodes(torch.randn(1, 1, 4, 5), ID, ("seed 7 / #0",), {"picture": "x"})
    save_png(tmp_path / "a.png", codes_as_text(stored))
    found = read_codes(tmp_path / "a.png")
    assert torch.equal(found.codes, stored.codes)
    assert found[1:] == stored[1:]


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "carries none"), ("?", "cannot be read"), ("AAAA", "other data under")],
)
def test_a_png_without_codes_is_refused(tmp_path, text, words):
    save_png(tmp_path / "a.png", text)
    with pytest.raises(CheckpointError, match=words):
        read_codes(tmp_path / "a.png")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_codes(tmp_path / "missing.png")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e30])
def test_codes_that_give_no_image_are_refused(tmp_path, value):
    codes = torch.zeros(1, 1, 4, 5)
    codes[0, 0, 3, 4] = value
    save_png(tmp_path / "a.png", codes_as_text(StoredCodes(codes, ID)))
    with pytest.raises(CheckpointError, match="codes that give an image"):
        read_codes(tmp_path / "a.png")
