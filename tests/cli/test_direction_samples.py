"""Samples to rate: which seed is which image, and whose."""

import csv

import pytest
import torch
from PIL import Image

from diverse_inpainting.cli.direction_samples import TEMPLATE, seed_of, seeds_in, write_samples
from diverse_inpainting.core.errors import GeneratorMismatchError, InputError
from diverse_inpainting.core.image_files import read_image
from diverse_inpainting.core.inpainter import Inpainter
from diverse_inpainting.core.latents import sample_z


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return Inpainter.load(tiny_checkpoint, device="cpu", precision="float32")


def test_a_sample_is_variant_0_of_its_seed(model, tmp_path):
    paths = write_samples(model, tmp_path / "s", [7, 2**64 - 1])
    assert [p.name for p in paths] == ["000007.png", f"{2**64 - 1}.png"]
    assert [seed_of(p, model) for p in paths] == [7, 2**64 - 1]
    w = model.model.generator.mapping(sample_z(7, 1, model.config.generator.z_dim))
    image = model.synthesize(model.codes(w[None, :, None].expand(1, 1, model.num_layers, -1)))
    assert (read_image(paths[0]).image - image).abs().max() < 1 / 255
    codes = model.sample_seeds([3, 7]).codes
    torch.testing.assert_close(codes[:, 1:], model.sample_w(7, 1).codes)
    half = model.sample_seeds([3, 7], truncation_psi=0.5).codes
    torch.testing.assert_close(half[:, 1:], model.sample_w(7, 1, 0.5).codes)


def test_the_table_names_each_file(model, tmp_path):
    write_samples(model, tmp_path, range(3))
    with (tmp_path / TEMPLATE).open() as file:
        rows = list(csv.reader(file))
    assert rows == [["file", "score"], *([f"00000{k}.png", ""] for k in range(3))]


def test_a_second_run_keeps_what_is_there(model, tmp_path):
    (first, second) = write_samples(model, tmp_path, range(2))
    (tmp_path / TEMPLATE).write_text("mine")
    before = first.stat().st_ino
    second.unlink()
    write_samples(model, tmp_path, range(3))
    assert first.stat().st_ino == before and second.exists() and len(seeds_in(tmp_path, model)) == 3
    assert (tmp_path / TEMPLATE).read_text() == "mine"


def test_other_images_are_replaced_on_request_only(model, tmp_path):
    path = tmp_path / "000000.png"
    Image.new("RGB", (8, 8)).save(path)
    with pytest.raises(InputError, match="exists and is not sample 0"):
        write_samples(model, tmp_path, [0])
    write_samples(model, tmp_path, [0], overwrite=True)
    assert seed_of(path, model) == 0


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_seeds_out_of_range_are_refused(model, tmp_path, seed):
    with pytest.raises(InputError, match="seed"):
        write_samples(model, tmp_path, [seed])


def test_samples_of_another_model_are_refused(model, tmp_path):
    (path,) = write_samples(model, tmp_path, [0])
    other = Inpainter.load("cats", device="cpu", precision="float32")
    with pytest.raises(GeneratorMismatchError, match=r"sample .*000000\.png of generator"):
        seed_of(path, other)


def test_what_is_no_folder_of_samples_is_refused(model, tmp_path):
    with pytest.raises(InputError, match="No such folder"):
        seeds_in(tmp_path / "none", model)
    with pytest.raises(InputError, match="no images"):
        seeds_in(tmp_path, model)
    (path,) = write_samples(model, tmp_path, [4])
    path.with_name("copy.png").write_bytes(path.read_bytes())
    with pytest.raises(InputError, match="sample of seed 4 occurs twice"):
        seeds_in(tmp_path, model)
    Image.new("RGB", (8, 8)).save(tmp_path / "copy.png")
    with pytest.raises(InputError, match=r"copy\.png does not say which sample"):
        seeds_in(tmp_path, model)
    with pytest.raises(InputError, match="No such file"):
        seed_of(tmp_path / "none.png", model)
