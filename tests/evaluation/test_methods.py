"""A model's completions, and results of other methods from a folder."""

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from diverse_inpainting.core.distributed import Processes
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.image_files import write_png
from diverse_inpainting.core.inpainter import Inpainter
from diverse_inpainting.evaluation.methods import complete, read_predictions
from evaluation_samples import noise, pairs


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return Inpainter.load(tiny_checkpoint, device="cpu")


def write(folder, stem, image, suffix="png"):
    folder.mkdir(exist_ok=True)
    write_png(folder / f"{stem}.{suffix}", image.movedim(0, -1))


# --- a model ---


def test_both_stages_with_the_original_outside_the_hole(model):
    given = pairs(3, 32)
    methods = complete(model, given, seed=0, batch_size=2)
    assert [m.method for m in methods] == ["stage1", "stage2"]
    for made in methods:
        assert made.results.shape == made.raw.shape == made.independent.shape == (3, 2, 3, 32, 32)
        outside = ~given.holes[:, None]
        assert ((made.results == given.originals[:, None]) | ~outside).all()
        assert ((made.results == made.raw) | outside).all()
        assert (made.raw != given.originals[:, None]).any(dim=(2, 3, 4)).all()
    assert torch.equal(methods[0].independent, methods[1].independent)
    assert not torch.equal(methods[0].raw, methods[1].raw)
    first, second = methods[0].independent.unbind(dim=1)
    assert not torch.equal(first, second) and not torch.equal(first[0], first[1])


def test_results_depend_neither_on_the_batch_nor_on_the_other_images(model):
    given = pairs(4, 32)
    whole = complete(model, given, seed=1, batch_size=4)
    part = dataclasses.replace(
        given, names=given.names[2:], originals=given.originals[2:], holes=given.holes[2:]
    )
    for one, two in zip(whole, complete(model, part, seed=1, batch_size=1), strict=True):
        difference = one.raw[2:].int() - two.raw.int()
        assert difference.abs().max() <= 1, "by rounding"
    assert not torch.equal(complete(model, part, 2, 2)[0].raw, whole[0].raw[2:])


def test_processes_split_the_batches_and_each_returns_everything(model):
    given, sent, both = pairs(5, 32), {}, threading.Barrier(2, timeout=60)

    class Thread(Processes):
        def collect(self, value):
            sent[self.rank] = value
            both.wait()
            return [sent[0], sent[1]]

    alone = complete(model, given, 0, 2)
    members = [Thread(rank=i, world_size=2) for i in range(2)]
    with ThreadPoolExecutor(2) as pool:
        found = list(
            pool.map(lambda member: complete(model, given, 0, 2, processes=member), members)
        )
    assert [list(sent[i]) for i in range(2)] == [[0, 2], [1]], "batches"
    for together in found:
        for one, two in zip(alone, together, strict=True):
            assert one.method == two.method and torch.equal(one.raw, two.raw)


def test_a_model_without_a_skip_encoder_has_one_stage(model, monkeypatch):
    monkeypatch.setattr(model.model, "skip_encoder", None)
    assert [m.method for m in complete(model, pairs(3, 32), 0, 4)] == ["stage1"]


# --- other methods ---


@pytest.mark.parametrize("form", ["{}-{}", "{}_{}"])
def test_two_results_of_each_image(tmp_path, form):
    given, made = pairs(3, 16), noise(3, 3, 3, 16, 16, seed=1)
    for i, name in enumerate(given.names):
        for k in range(3):  # a third is not needed
            write(tmp_path / "made", form.format(name, k), made[i, k])
    found = read_predictions(tmp_path / "made", given)
    assert found.method == "predictions"
    assert torch.equal(found.raw, made[:, :2])
    composite = torch.where(given.holes[:, None], made[:, :2], given.originals[:, None])
    assert torch.equal(found.results, composite)


@pytest.mark.parametrize("form", ["{}", "{}-0", "{}_0"])
def test_one_result_of_each_image_and_other_files(tmp_path, form):
    given, made = pairs(3, 16), noise(3, 3, 16, 16, seed=1)
    for name, image in zip(given.names, made, strict=True):
        write(tmp_path / "made", form.format(name), image)
    write(tmp_path / "made", "image0-sheet", noise(3, 40, 40))
    (tmp_path / "made" / "notes.txt").touch()
    assert torch.equal(read_predictions(tmp_path / "made", given).raw[:, 0], made)


def test_a_name_that_ends_in_a_number_belongs_to_its_own_image(tmp_path):
    given = dataclasses.replace(pairs(3, 16), names=("a", "a-0", "b"))
    made = noise(3, 2, 3, 16, 16, seed=1)
    for i, name in enumerate(given.names):
        for k in range(2):
            write(tmp_path / "made", f"{name}-{k}", made[i, k])
    assert torch.equal(read_predictions(tmp_path / "made", given).raw, made)


def test_unusable_predictions(tmp_path):
    given, folder = pairs(3, 16), tmp_path / "made"
    with pytest.raises(InputError, match="not a folder"):
        read_predictions(folder, given)
    write(folder, "image0-0", given.originals[0])
    with pytest.raises(InputError, match="no result named image1-0, and 1 more are missing"):
        read_predictions(folder, given)
    for name in given.names:
        write(folder, f"{name}-0", given.originals[0])
    write(folder, "image0-1", given.originals[0])
    with pytest.raises(InputError, match="no result named image1-1, and 1 more are missing"):
        read_predictions(folder, given)
    (folder / "image0-1.png").rename(folder / "image0-0.webp")
    with pytest.raises(InputError, match="one result named image0-0"):
        read_predictions(folder, given)
    (folder / "image0-0.webp").unlink()
    write(folder, "image0-0", noise(3, 16, 20))
    with pytest.raises(InputError, match=r"16 x 16 .* 20 x 16"):
        read_predictions(folder, given)
