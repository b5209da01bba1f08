"""The command that teaches a model to warn."""

import pytest
import torch

from diverse_inpainting.core.checkpoint import read_checkpoint
from diverse_inpainting.core.image_files import write_png


@pytest.fixture
def folder(tmp_path, generator):
    """Three images."""
    path = tmp_path / "images"
    path.mkdir()
    for name in "abc":
        write_png(path / f"{name}.png", torch.rand(32, 32, 3, generator=generator))
    return path


@pytest.mark.parametrize(
    ("stored", "dtype"), [("float16", torch.float16), ("float32", torch.float32)]
)
def test_the_model_is_written_with_the_classifier(
    run, tiny_checkpoint, tmp_path, folder, stored, dtype
):
    path = tmp_path / "taught.safetensors"
    options = ("--out", path, "--data", folder, "--steps", 1, "--stored-as", stored)
    answer = run("familiarity", tiny_checkpoint, *options)
    assert answer.code == 0 and f"Wrote {path}" in answer.out and "warns of" in answer.out
    taught = read_checkpoint(path, dtype=None)
    assert (
        "familiarity" in taught.parts and taught.tensors["familiarity.output.bias"].dtype == dtype
    )
    answer = run("info", path)
    assert "known_warned" in answer.out and "familiarity" in answer.out


def test_one_image_is_too_few(run, tiny_checkpoint, tmp_path, folder):
    for name in "ab":
        (folder / f"{name}.png").unlink()
    out = ("--out", tmp_path / "x.safetensors")
    answer = run("familiarity", tiny_checkpoint, *out, "--data", folder)
    assert answer.code == 2 and "at least two images" in answer.err
    answer = run("familiarity", tiny_checkpoint, *out, "--stored-as", "int8")
    assert answer.code == 2 and "stored-as" in answer.err


def test_no_file_is_replaced_and_no_name_is_wrong_after_minutes(run, tiny_checkpoint, tmp_path):
    before = tiny_checkpoint.read_bytes()
    answer = run("familiarity", tiny_checkpoint, "--out", tiny_checkpoint)
    assert answer.code == 2 and "--overwrite" in answer.err
    assert tiny_checkpoint.read_bytes() == before
    answer = run("familiarity", tiny_checkpoint, "--out", tmp_path / "taught.pt")
    assert answer.code == 2 and ".safetensors" in answer.err
