"""Checkpoints survive the disk, in full and half precision, whole and in parts."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from diverse_inpainting.core.checkpoint import (
    Checkpoint,
    generator_id_of,
    inspect_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from diverse_inpainting.core.errors import CheckpointError, InputError
from diverse_inpainting.core.networks import PARTS, ModelConfig, build

KEPT = ("running_mean", "running_var", "num_batches_tracked", "w_avg")


def _assert_same(actual: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert actual.keys() == expected.keys()
    for name, tensor in expected.items():
        assert actual[name].dtype == tensor.dtype, name
        assert torch.equal(actual[name], tensor), name


def _rounded(name: str, tensor: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    if name.endswith(KEPT) or not tensor.is_floating_point():
        return tensor
    return tensor.to(dtype)


def test_every_configuration_round_trips(
    config: ModelConfig, make_checkpoint: Callable[[ModelConfig], Checkpoint], path: Path
) -> None:
    written = make_checkpoint(config)
    write_checkpoint(path, written)
    read = read_checkpoint(path)
    _assert_same(read.tensors, written.tensors)
    assert read.config == config
    for name in ("generator_id", "training", "license", "title", "parts"):
        assert getattr(read, name) == getattr(written, name)
    assert generator_id_of(read.tensors) == written.generator_id
    assert load_file(path).keys() == written.tensors.keys()  # plain safetensors, for other tools


def test_half_precision_round_trips(
    config: ModelConfig, make_checkpoint: Callable[[ModelConfig], Checkpoint], path: Path
) -> None:
    _assert_half_round_trip(make_checkpoint(config), path, torch.float16)


def test_bfloat16_round_trips(checkpoint: Checkpoint, path: Path) -> None:
    _assert_half_round_trip(checkpoint, path, torch.bfloat16)


def _assert_half_round_trip(written: Checkpoint, path: Path, dtype: torch.dtype) -> None:
    """Values are rounded once, statistics are not, and the generator's id does not change."""
    write_checkpoint(path, written, dtype=dtype)
    stored = {name: _rounded(name, tensor, dtype) for name, tensor in written.tensors.items()}
    _assert_same(load_file(path), stored)
    _assert_same(read_checkpoint(path, dtype=None).tensors, stored)
    read = read_checkpoint(path)
    _assert_same(
        read.tensors,
        {name: t.float() if t.is_floating_point() else t for name, t in stored.items()},
    )
    assert read.generator_id == written.generator_id
    first = path.read_bytes()
    write_checkpoint(path, read, dtype=dtype)
    assert path.read_bytes() == first


def test_reading_in_half_precision(checkpoint: Checkpoint, path: Path) -> None:
    write_checkpoint(path, checkpoint)
    stored = {n: _rounded(n, t, torch.float16) for n, t in checkpoint.tensors.items()}
    _assert_same(read_checkpoint(path, dtype=torch.float16).tensors, stored)


def test_the_same_content_gives_the_same_bytes(checkpoint: Checkpoint, path: Path) -> None:
    write_checkpoint(path, checkpoint)
    first = path.read_bytes()
    shuffled = dict(reversed(list(checkpoint.tensors.items())))
    write_checkpoint(path, dataclasses.replace(checkpoint, tensors=shuffled))
    assert path.read_bytes() == first


def test_non_contiguous_and_shared_tensors_are_written(checkpoint: Checkpoint, path: Path) -> None:
    mapping = "generator.mapping.layers.0.weight"
    turned = checkpoint.tensors[mapping].t().contiguous().t()
    assert not turned.is_contiguous()
    tensors = {**checkpoint.tensors, mapping: turned}
    tensors["generator.mapping.layers.1.weight"] = turned
    write_checkpoint(path, dataclasses.replace(checkpoint, tensors=tensors))
    _assert_same(read_checkpoint(path).tensors, tensors)


def test_some_parts_are_read(checkpoint: Checkpoint, path: Path) -> None:
    write_checkpoint(path, checkpoint)
    read = read_checkpoint(path, parts=("generator", "mixer"))
    assert read.parts == ("generator", "mixer")
    assert {name.partition(".")[0] for name in read.tensors} == {"generator", "mixer"}
    assert read.config.encoder is None and read.config.mixer == checkpoint.config.mixer
    write_checkpoint(path, read)
    assert read_checkpoint(path).parts == ("generator", "mixer")


def test_a_discriminator_may_be_alone(checkpoint: Checkpoint, path: Path) -> None:
    write_checkpoint(path, checkpoint)
    write_checkpoint(path, read_checkpoint(path, parts=["discriminator"]), dtype=torch.float16)
    alone = read_checkpoint(path)
    assert alone.parts == ("discriminator",)
    assert alone.generator_id == checkpoint.generator_id
    with pytest.raises(CheckpointError, match="one with discriminator alone"):
        alone.model()
    with pytest.raises(CheckpointError, match=r"with generator, got .* which holds discriminator"):
        read_checkpoint(path, parts=["generator"])


def test_a_part_of_another_name_is_refused(checkpoint: Checkpoint, path: Path) -> None:
    write_checkpoint(path, checkpoint)
    with pytest.raises(InputError, match="Did you mean 'encoder'"):
        read_checkpoint(path, parts=["encodr"])


def test_inspection_reads_no_tensor(
    checkpoint: Checkpoint, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(path, checkpoint, dtype=torch.float16)
    monkeypatch.setattr("diverse_inpainting.core.checkpoint.container.Container.load", None)
    seen = inspect_checkpoint(path)
    assert (seen.config, seen.title, seen.parts) == (
        checkpoint.config,
        checkpoint.title,
        PARTS[:-1],
    )
    for name, tensor in checkpoint.tensors.items():
        assert seen.tensors[name].is_meta and seen.tensors[name].shape == tensor.shape
        assert seen.tensors[name].dtype == _rounded(name, tensor, torch.float16).dtype


def test_a_read_checkpoint_does_not_depend_on_its_file(checkpoint: Checkpoint, path: Path) -> None:
    write_checkpoint(path, checkpoint)
    read = read_checkpoint(path)
    size = path.stat().st_size
    with path.open("r+b") as file:  # in place: a mapped view would change or crash
        file.write(b"\0" * size)
    _assert_same(read.tensors, checkpoint.tensors)


def test_a_failed_write_leaves_the_old_file(
    checkpoint: Checkpoint, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_checkpoint(path, checkpoint)
    before = path.read_bytes()

    def full_disk(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(CheckpointError, match="No space left on device"):
        write_checkpoint(path, dataclasses.replace(checkpoint, title="other"))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="access rights of POSIX")
def test_files_get_the_usual_access_rights(checkpoint: Checkpoint, path: Path) -> None:
    write_checkpoint(path, checkpoint)
    other = path.with_name("other")
    other.touch()
    assert path.stat().st_mode == other.stat().st_mode


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_run_that_has_diverged_is_not_saved(
    checkpoint: Checkpoint, path: Path, value: float
) -> None:
    checkpoint.tensors["mixer.bias"][0, 0] = value
    with pytest.raises(CheckpointError, match=r"NaN or infinity in mixer\.bias"):
        write_checkpoint(path, checkpoint)
    assert not path.exists()


def test_values_that_half_precision_cannot_hold(checkpoint: Checkpoint, path: Path) -> None:
    checkpoint.tensors["mixer.bias"][0, 0] = 1e5
    with pytest.raises(CheckpointError, match="values over 65504"):
        write_checkpoint(path, checkpoint, dtype=torch.float16)
    write_checkpoint(path, checkpoint, dtype=torch.bfloat16)
    assert read_checkpoint(path).tensors["mixer.bias"].max() > 9e4


def test_values_whose_sum_overflows_are_finite(checkpoint: Checkpoint, path: Path) -> None:
    checkpoint.tensors["mixer.bias"][:2] = 3e38
    write_checkpoint(path, checkpoint)
    _assert_same(read_checkpoint(path).tensors, checkpoint.tensors)


def test_tensors_must_fit_the_configuration(checkpoint: Checkpoint, path: Path) -> None:
    del checkpoint.tensors["mixer.bias"]
    with pytest.raises(CheckpointError, match=r"to be written \(missing: mixer\.bias\)"):
        write_checkpoint(path, checkpoint)


@pytest.mark.parametrize("dtype", [torch.int64, torch.float64])
def test_other_types_are_not_stored(checkpoint: Checkpoint, path: Path, dtype: torch.dtype) -> None:
    with pytest.raises(CheckpointError, match="float32, float16 or bfloat16"):
        write_checkpoint(path, checkpoint, dtype=dtype)
    checkpoint.tensors["mixer.bias"] = checkpoint.tensors["mixer.bias"].to(dtype)
    with pytest.raises(CheckpointError, match=r"misshapen: mixer\.bias"):
        write_checkpoint(path, checkpoint)


@pytest.mark.parametrize("name", ["model.pt", "absent/model.safetensors"])
def test_names_and_folders_are_checked(checkpoint: Checkpoint, tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match=r"ending with \.safetensors in an existing folder"):
        write_checkpoint(tmp_path / name, checkpoint)


def test_surplus_data(checkpoint: Checkpoint, path: Path, refuse: Callable) -> None:
    write_checkpoint(path, checkpoint)
    path.write_bytes(path.read_bytes() + b"surplus")
    refuse("a .safetensors file that cannot be read")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_values_that_are_no_numbers(
    checkpoint: Checkpoint, path: Path, value: float, dtype: torch.dtype
) -> None:
    write_checkpoint(path, checkpoint, dtype=dtype)
    tensors = load_file(path)
    tensors["mixer.bias"][3, 2] = value
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    save_file(tensors, path, metadata)
    with pytest.raises(CheckpointError, match=r"NaN or infinity in mixer\.bias of .*model\.saf"):
        read_checkpoint(path)


def test_the_model_is_the_one_that_was_stored(checkpoint: Checkpoint, path: Path) -> None:
    write_checkpoint(path, checkpoint)
    read = read_checkpoint(path)
    model = read.model()
    built = build(checkpoint.config)
    assert model.parts.keys() == built.parts.keys()
    built.load_state_dict(checkpoint.tensors)
    assert not model.training
    # Buffers that no checkpoint holds (filter taps) are complete, too.
    for kind in ("named_parameters", "named_buffers"):
        present, wanted = (dict(getattr(n, kind)()) for n in (model, built))
        _assert_same(present, wanted)
        assert all(present[k].requires_grad == v.requires_grad for k, v in wanted.items())
    z = torch.linspace(-1, 1, 16).reshape(2, 8)
    assert torch.equal(model.generator.mapping(z), built.generator.mapping(z))


@pytest.mark.parametrize("images", [None, frozenset(), frozenset([b"123456", b"abcdef"])])
def test_what_was_trained_on_is_kept(checkpoint: Checkpoint, tmp_path: Path, images) -> None:
    path = tmp_path / "known.safetensors"
    write_checkpoint(path, dataclasses.replace(checkpoint, trained_images=images))
    assert inspect_checkpoint(path).trained_images == images
    assert read_checkpoint(path).trained_images == images
