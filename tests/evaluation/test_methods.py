"""A model's completions."""

import dataclasses

import pytest
import torch

from diverse_inpainting.core.checkpoint import read_checkpoint
from diverse_inpainting.core.fitting import RANDOM_FIT_STEPS
from diverse_inpainting.core.image import image_to_uint8
from diverse_inpainting.core.inpainter import Inpainter
from diverse_inpainting.evaluation import methods
from diverse_inpainting.evaluation.images import Images, Storage
from diverse_inpainting.evaluation.methods import methods_of
from diverse_inpainting.evaluation.pixel_metrics import seam
from evaluation_samples import in_threads, pairs, whole


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return Inpainter.load(tiny_checkpoint, device="cpu", precision="float32")


@pytest.fixture(scope="module")
def stage1_model(tiny_checkpoint):
    """The same without a skip encoder."""
    loaded = Inpainter.load(tiny_checkpoint, device="cpu", precision="float32")
    loaded.model.skip_encoder = None
    return loaded


@pytest.fixture
def complete(tmp_path):
    """Complete with one process; return all images of each method."""

    def answer(model, given, seed, batch_size, **options):
        storage = Storage(tmp_path / "out")
        made = methods.complete(model, given, seed, batch_size, storage, **options)
        assert tuple(m.method for m in made) == methods_of(model, options.get("fit_steps", 0))
        return [whole(method) for method in made]

    return answer


def test_both_stages_with_the_original_outside_the_hole(model, complete):
    given = pairs(3, 32)
    found = complete(model, given, seed=0, batch_size=2)
    assert [m.method for m in found] == ["stage1", "stage2", "stage2-seamless"]
    for made in found:
        assert made.results.shape == made.raw.shape == made.independent.shape == (3, 2, 3, 32, 32)
        outside = ~made.holes[:, None]
        assert ((made.results == made.originals[:, None]) | ~outside).all()
        is_pasted = not made.method.endswith("seamless")
        assert ((made.results == made.raw) | outside).all() == is_pasted
        assert (made.raw != made.originals[:, None]).any(dim=(2, 3, 4)).all()
    assert torch.equal(found[0].independent, found[1].independent)
    assert not torch.equal(found[0].raw, found[1].raw)
    assert torch.equal(found[1].raw, found[2].raw)
    first, second = found[0].independent.unbind(dim=1)
    assert not torch.equal(first, second) and not torch.equal(first[0], first[1])


def test_a_blend_has_less_of_a_seam(model, complete):
    given = pairs(4, 32)
    smooth = torch.arange(32, dtype=torch.uint8) * 3 + 60
    given = dataclasses.replace(given, originals=Images.of(smooth.expand(4, 3, 32, 32)))
    pasted, blended = (seam(made)["seam"].values for made in complete(model, given, 0, 4)[1:])
    assert (blended < 0.7 * pasted).all()


@pytest.mark.parametrize("last", ["stage2", "stage1"])
def test_the_last_stage_draws_the_fitted_codes(model, stage1_model, complete, monkeypatch, last):
    given, asked = pairs(3, 32), []
    fitted = model.codes(model.sample_w(7, 6).codes.unflatten(1, (3, 2))[0])

    def fit(erased, codes, steps):
        asked.append(steps)
        return fitted

    if last == "stage1":
        model = stage1_model
        raw = model.synthesize(fitted)
    else:
        raw = model.refine(
            model.encode(given.originals[:].movedim(1, -1), given.holes[:])[0], fitted
        )
    monkeypatch.setattr(model, "fit", fit)
    found = complete(model, given, 0, 4, fit_steps=5)[-1]
    assert found.method == f"{last}-fitted-seamless" and asked == [5]
    assert torch.equal(found.raw.flatten(0, 1).movedim(1, -1), image_to_uint8(raw))


def test_a_generator_alone_draws_fitted_codes(tiny_checkpoint, complete, monkeypatch):
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
    hole = pasted.holes[:, None].expand_as(pasted.raw)
    assert torch.equal(pasted.results[hole], pasted.raw[hole])
    originals = pasted.originals[:, None].expand_as(pasted.raw)
    for made in (pasted, blended):
        assert torch.equal(made.results[~hole], originals[~hole])
    assert not torch.equal(pasted.raw, pasted.independent), "fitted"


def test_results_depend_neither_on_the_batch_nor_on_the_other_images(model, complete):
    given = pairs(4, 32)
    every = complete(model, given, seed=1, batch_size=4)
    part = given.at(torch.tensor([2, 3]))
    for one, two in zip(every, complete(model, part, seed=1, batch_size=1), strict=True):
        difference = one.raw[2:].int() - two.raw.int()
        assert difference.abs().max() <= 1, "by rounding"
    assert not torch.equal(complete(model, part, 2, 2)[0].raw, every[0].raw[2:])


def test_processes_share_the_batches(model, complete, tmp_path, monkeypatch):
    """What the main process reads afterwards is what it would have made alone."""
    given, done, returned = pairs(5, 32), {0: [], 1: []}, []
    monkeypatch.setattr(methods, "return_freed_memory", lambda: returned.append(1))

    def work(processes):
        storage = Storage(tmp_path / "both", processes)
        made = methods.complete(model, given, 0, 2, storage, on_batch=done[processes.rank].append)
        return [whole(method) for method in made]

    together = in_threads(2, work)
    assert done == {0: [2, 5], 1: [4]}, "images after each batch"
    assert len(returned) == 3, "once a batch, or the heap grows"
    for found in together:
        for one, two in zip(complete(model, given, 0, 2), found, strict=True):
            assert one.method == two.method and torch.equal(one.raw, two.raw)
    assert not list((tmp_path / "both").iterdir()), "shared files vanish"


def test_a_model_without_a_skip_encoder_has_one_stage(stage1_model, complete):
    found = complete(stage1_model, pairs(3, 32), 0, 4)
    assert [m.method for m in found] == ["stage1", "stage1-seamless"]
