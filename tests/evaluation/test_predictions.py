"""Results of other methods, from folders."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.image_files import write_png
from diverse_inpainting.evaluation import predictions
from diverse_inpainting.evaluation.images import Storage
from diverse_inpainting.evaluation.predictions import check_names
from evaluation_samples import in_threads, noise, pairs, whole


@pytest.fixture
def read(tmp_path):
    def answer(folder, given, **options):
        read = predictions.read_predictions("m", folder, given, Storage(tmp_path), **options)
        return whole(read.method), read.facts

    return answer


def write(folder, stem, image, suffix="png"):
    folder.mkdir(exist_ok=True)
    write_png(folder / f"{stem}.{suffix}", image.movedim(0, -1))


@pytest.mark.parametrize("form", ["{}-{}", "{}_{}"])
def test_two_results_of_each_image(read, tmp_path, form):
    given, made = pairs(3, 16), noise(3, 3, 3, 16, 16, seed=1)
    for i, name in enumerate(given.names):
        for k in range(3):  # a third is not needed
            write(tmp_path / "made", form.format(name, k), made[i, k])
    found, facts = read(tmp_path / "made", given)
    assert found.method == "m" and facts["results_for_each"] == 2 and facts["filter"] is None
    assert torch.equal(found.raw, made[:, :2])
    composite = torch.where(found.holes[:, None], made[:, :2], found.originals[:, None])
    assert torch.equal(found.results, composite)


@pytest.mark.parametrize("form", ["{}", "{}-0", "{}_0"])
def test_one_result_of_each_image_and_other_files(read, tmp_path, form):
    given, made = pairs(3, 16), noise(3, 3, 16, 16, seed=1)
    for name, image in zip(given.names, made, strict=True):
        write(tmp_path / "made", form.format(name), image)
    write(tmp_path / "made", "image0-sheet", noise(3, 40, 40))
    (tmp_path / "made" / "notes.txt").touch()
    assert torch.equal(read(tmp_path / "made", given)[0].raw[:, 0], made)


def test_a_name_that_ends_in_a_number_belongs_to_its_own_image(read, tmp_path):
    given = dataclasses.replace(pairs(3, 16), names=("a", "a-0", "b"))
    made = noise(3, 2, 3, 16, 16, seed=1)
    for i, name in enumerate(given.names):
        for k in range(2):
            write(tmp_path / "made", f"{name}-{k}", made[i, k])
    assert torch.equal(read(tmp_path / "made", given)[0].raw, made)


def test_unusable_predictions(read, tmp_path):
    given, folder = pairs(3, 16), tmp_path / "made"
    with pytest.raises(InputError, match="not a folder"):
        read(folder, given)
    write(folder, "image0-0", given.originals[:][0])
    with pytest.raises(InputError, match="no result named image1-0, and 1 more are missing"):
        read(folder, given)
    for name in given.names:
        write(folder, f"{name}-0", given.originals[:][0])
    write(folder, "image0-1", given.originals[:][0])
    with pytest.raises(InputError, match="no result named image1-1, and 1 more are missing"):
        read(folder, given)
    (folder / "image0-1.png").rename(folder / "image0-0.webp")
    with pytest.raises(InputError, match="one result named image0-0"):
        read(folder, given)
    (folder / "image0-0.webp").unlink()
    write(folder, "image0-0", noise(3, 16, 20))
    with pytest.raises(InputError, match=r"square results.*20 x 16 pixels in"):
        read(folder, given)


@pytest.mark.parametrize(
    ("resize", "filter"),
    [("lanczos", Image.Resampling.LANCZOS), ("box", Image.Resampling.BOX)],
)
def test_results_of_another_size_are_resized_by_the_filter_that_is_stated(
    read, tmp_path, resize, filter
):
    given, made = pairs(3, 16), noise(3, 3, 40, 40, seed=1)
    for name, image in zip(given.names, made, strict=True):
        write(tmp_path / "made", name, image)
    found, facts = read(tmp_path / "made", given, resize=resize)
    for image, raw in zip(made, found.raw[:, 0], strict=True):
        small = Image.fromarray(image.movedim(0, -1).numpy()).resize((16, 16), filter)
        assert np.array_equal(raw.movedim(0, -1).numpy(), np.array(small))
    assert (facts["resized_from_px"], facts["filter"]) == ([40], resize)


def test_processes_read_what_one_reads(read, tmp_path):
    given, made = pairs(5, 16), noise(5, 3, 16, 16, seed=1)
    for k, name in enumerate(given.names):
        image = made[k] if k != 3 else made[k].repeat(1, 2, 2)
        write(tmp_path / "made", name, image)

    def work(processes):
        storage = Storage(tmp_path / "shared", processes)
        found = predictions.read_predictions("m", tmp_path / "made", given, storage)
        return whole(found.method).raw, found.facts

    alone, facts = read(tmp_path / "made", given)
    assert facts["resized_from_px"] == [32]
    for raw, own_facts in in_threads(2, work):
        assert torch.equal(raw, alone.raw) and own_facts == facts


@pytest.mark.parametrize("name", ["", "Original", "a/b", "stage2", "con"])
def test_names_that_a_method_cannot_have(name, tmp_path):
    with pytest.raises(InputError, match="Choose another NAME"):
        check_names({name: tmp_path}, taken=("stage2",))
    check_names({"MAT": tmp_path, "pSp": tmp_path})
    with pytest.raises(InputError, match="got 'mat'"):  # its sheets would replace those of MAT
        check_names({"MAT": tmp_path, "mat": tmp_path})
