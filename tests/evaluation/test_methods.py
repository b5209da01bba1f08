"""A model's completions, and results of other methods from a folder."""

import dataclasses
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from diverse_inpainting.core.checkpoint import read_checkpoint
from diverse_inpainting.core.distributed import Processes
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.fitting import RANDOM_FIT_STEPS
from diverse_inpainting.core.image import image_to_uint8
from diverse_inpainting.core.image_files import write_png
from diverse_inpainting.core.inpainter import Inpainter
from diverse_inpainting.evaluation.methods import complete, read_predictions
from diverse_inpainting.evaluation.pixel_metrics import seam
from evaluation_samples import noise, pairs


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return Inpainter.load(tiny_checkpoint, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def stage1_model(tiny_checkpoint):
    """The same without a skip encoder."""
    loaded = Inpainter.load(tiny_checkpoint, device="cpu", precision="float32")
    loaded.model.skip_encoder = None
    return loaded


def write(folder, stem, image, suffix="png"):
    folder.mkdir(exist_ok=True)
    write_png(folder / f"{stem}.{suffix}", image.movedim(0, -1))


# --- a model ---


def test_both_stages_with_the_original_outside_the_hole(model):
    given = pairs(3, 32)
    methods = complete(model, given, seed=0, batch_size=2)
    assert [m.method for m in methods] == ["stage1", "stage2", "stage2-seamless"]
    for made in methods:
        assert made.results.shape == made.raw.shape == made.independent.shape == (3, 2, 3, 32, 32)
        outside = ~given.holes[:, None]
        assert ((made.results == given.originals[:, None]) | ~outside).all()
        is_pasted = not made.method.endswith("seamless")
        assert ((made.results == made.raw) | outside).all() == is_pasted
        assert (made.raw != given.originals[:, None]).any(dim=(2, 3, 4)).all()
    assert torch.equal(methods[0].independent, methods[1].independent)
    assert not torch.equal(methods[0].raw, methods[1].raw)
    assert torch.equal(methods[1].raw, methods[2].raw)
    first, second = methods[0].independent.unbind(dim=1)
    assert not torch.equal(first, second) and not torch.equal(first[0], first[1])


def test_a_blend_has_less_of_a_seam(model):
    given = pairs(4, 32)
    smooth = torch.arange(32, dtype=torch.uint8) * 3 + 60
    given = dataclasses.replace(given, originals=smooth.expand(4, 3, 32, 32))
    pasted, blended = (seam(made)["seam"].values for made in complete(model, given, 0, 4)[1:])
    assert (blended < 0.7 * pasted).all()


@pytest.mark.parametrize("last", ["stage2", "stage1"])
def test_the_last_stage_draws_the_fitted_codes(model, stage1_model, monkeypatch, last):
    given, asked = pairs(3, 32), []
    fitted = model.codes(model.sample_w(7, 6).codes.unflatten(1, (3, 2))[0])

    def fit(erased, codes, steps):
        asked.append(steps)
        return fitted

    if last == "stage1":
        model = stage1_model
        raw = model.synthesize(fitted)
    else:
        raw = model.refine(model.encode(given.originals.movedim(1, -1), given.holes)[0], fitted)
    monkeypatch.setattr(model, "fit", fit)
    found = complete(model, given, 0, 4, fit_steps=5)[-1]
    assert found.method == f"{last}-fitted-seamless" and asked == [5]
    assert torch.equal(found.raw.flatten(0, 1).movedim(1, -1), image_to_uint8(raw))


def test_a_generator_alone_draws_fitted_codes(tiny_checkpoint, monkeypatch):
    model = Inpainter(read_checkpoint(tiny_checkpoint, ("generator",)), "float32")
    given, asked, fit = pairs(3, 32), [], model.fit

    def count(erased, codes, steps):
        asked.append(steps)
        return fit(erased, codes, min(steps, 2))

    monkeypatch.setattr(model, "fit", count)
    pasted, blended = complete(model, given, 0, 4)
    complete(model, given, 0, 4, fit_steps=5)
    assert (pasted.method, blended.method) == ("fitted", "fitted-seamless")
    assert asked == [RANDOM_FIT_STEPS, 5]
    hole = given.holes[:, None].expand_as(pasted.raw)
    assert torch.equal(pasted.results[hole], pasted.raw[hole])
    originals = given.originals[:, None].expand_as(pasted.raw)
    for made in (pasted, blended):
        assert torch.equal(made.results[~hole], originals[~hole])
    assert not torch.equal(pasted.raw, pasted.independent), "fitted"


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


def test_a_model_without_a_skip_encoder_has_one_stage(stage1_model):
    methods = complete(stage1_model, pairs(3, 32), 0, 4)
    assert [m.method for m in methods] == ["stage1", "stage1-seamless"]


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
