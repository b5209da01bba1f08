"""From a foreign file to a checkpoint and back: the same bits, and every refusal a sentence."""

import pytest
import torch
from safetensors.torch import load_file

import foreign_files
import hostile_pickles
from diverse_inpainting.core.checkpoint import (
    convert_file,
    generator_id_of,
    read_checkpoint,
    write_checkpoint,
)
from diverse_inpainting.core.errors import CheckpointError


@pytest.fixture
def foreign(tmp_path):
    return tmp_path / "foreign.pkl"


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out.safetensors"


def test_converting_saving_and_reading_keeps_every_bit(foreign, out):
    golden = foreign_files.read_golden("nvidia_64_labels_clamp")
    foreign_files.write_nvidia(foreign, golden)
    checkpoint = convert_file(foreign, title="noise", license="none").checkpoint
    write_checkpoint(out, checkpoint)
    read = read_checkpoint(out)
    assert read.parts == ("generator", "discriminator")
    assert {*read.tensors} == {*checkpoint.tensors}
    for name, tensor in checkpoint.tensors.items():
        assert torch.equal(read.tensors[name], tensor), name
    assert read.config == checkpoint.config and read.config.generator.conv_clamp == 1.5
    assert (read.title, read.license) == ("noise", "none")
    assert read.training == {
        "imported": {"format": "NVIDIA, PyTorch", "file": "foreign.pkl"},
    }
    assert read.generator_id == generator_id_of(read.tensors)
    source = golden.source["G_ema.synthesis.b64.conv1.weight"]
    assert torch.equal(load_file(out)["generator.synthesis.blocks.4.conv1.weight"], source)


def test_the_model_of_a_converted_file_gives_the_published_image(foreign, out):
    golden = foreign_files.read_golden("nvidia_64_labels_clamp")
    foreign_files.write_nvidia(foreign, golden)
    write_checkpoint(out, convert_file(foreign).checkpoint)
    with torch.no_grad():
        image = read_checkpoint(out).model().generator.synthesis(golden.inputs["ws"].float())
    expected = golden.outputs["image"]
    step = golden.stride
    error = (image[..., ::step, ::step].double() - expected).abs().max() / expected.std()
    assert error < 5e-5


def test_a_mean_code_that_is_absent_is_sampled(foreign):
    foreign_files.write_rosinality(foreign, foreign_files.read_golden("rosinality_32"))
    conversion = convert_file(foreign)
    generator = conversion.checkpoint.model().generator
    mean = generator.w_avg.clone()
    generator.set_w_avg()
    assert mean.abs().min() > 0 and torch.equal(mean, generator.w_avg)
    assert conversion.notes == (
        "The file has no mean code.",
        "It was sampled from 10,000 latents with a fixed seed.",
    )
    assert conversion.family == "rosinality" and conversion.left_out == ("g (71 tensors)",)


def test_our_own_checkpoints_are_not_converted(tiny_checkpoint):
    with pytest.raises(CheckpointError, match="a checkpoint of this project"):
        convert_file(tiny_checkpoint)


def test_a_refusal_names_the_file_the_reason_and_the_remedy(foreign, tmp_path):
    content, _ = hostile_pickles.ATTACKS["os.system"](tmp_path / "canary")
    foreign.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        convert_file(foreign)
    assert str(caught.value) == (
        f"{foreign} cannot be converted. It refers to 'posix.system', which no generator needs. "
        "Nothing of it has been run. Use a file from a source you trust, or ask its authors for "
        "the tensors alone (.safetensors)."
    )
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "a path where there is no file"),
        (b"", "an empty file"),
        (b"<!doctype html>", "a web page"),
        (b"\x89HDF\r\n\x1a\n", "HDF5"),
        (b"hello", "unknown kind"),
    ],
)
def test_other_files_are_named(foreign, content, words):
    if content is not None:
        foreign.write_bytes(content)
    with pytest.raises(CheckpointError, match=words):
        convert_file(foreign)


def test_a_folder_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="a folder"):
        convert_file(tmp_path)


def test_settings_that_no_network_can_have_are_refused(foreign):
    golden = foreign_files.read_golden("nvidia_32")
    golden.settings["G_ema.mapping.fc0"]["bias_gain"] = -1.0
    foreign_files.write_nvidia(foreign, golden)
    with pytest.raises(CheckpointError, match="mapping_lr_multiplier"):
        convert_file(foreign)
