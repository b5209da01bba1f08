"""A run over many images: what is written, what fails alone, what is reported."""

import dataclasses
import hashlib
import json
import logging
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from diverse_inpainting.cli import batch, result_files
from diverse_inpainting.cli.batch import run_jobs
from diverse_inpainting.cli.job_inputs import JobInputs
from diverse_inpainting.cli.pairing import plan_jobs
from diverse_inpainting.cli.settings import Settings
from diverse_inpainting.core.image_files import write_png, write_result
from diverse_inpainting.core.inpainter import Inpainter

SETTINGS = Settings(num_variants=2, seed=3)


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return Inpainter.load(tiny_checkpoint, device="cpu", precision="float32")


@pytest.fixture
def photos(tmp_path):
    """Two images and their masks in two folders; the first image is not square."""
    drawn = torch.Generator().manual_seed(1)
    for index, (name, height, width) in enumerate((("a", 40, 56), ("b", 32, 32))):
        image = torch.rand(height, width, 3, generator=drawn)
        hole = torch.zeros(height, width)
        hole[5:20, 8 + index : 25] = 1
        for folder, content in (("photos", image), ("masks", hole)):
            (tmp_path / folder).mkdir(exist_ok=True)
            write_png(tmp_path / folder / f"{name}.png", content)
    return tmp_path


def run(model, photos, settings=SETTINGS, overwrite=False, jobs=None):
    (photos / "out").mkdir(exist_ok=True)
    return list(run_jobs(model, jobs or plan(photos), settings, overwrite))


def plan(photos, source="photos", masks="masks"):
    """The jobs of a folder, or of one image in it."""
    masks = masks and photos / masks
    masks = [] if masks is None else [masks]
    return plan_jobs([photos / source], masks, photos / "out", SETTINGS.num_variants).jobs


def pixels(path):
    return np.array(Image.open(path))


def test_results_are_those_of_the_library(model, photos):
    outcomes = run(model, photos)
    assert [outcome.status for outcome in outcomes] == ["done", "done"]
    for name in "ab":
        image = pixels(photos / "photos" / f"{name}.png")
        hole = pixels(photos / "masks" / f"{name}.png") > 0
        wanted = model.inpaint(
            torch.from_numpy(image)[None] / 255.0, torch.from_numpy(hole)[None].float(), 2, 3
        ).images[0]
        for k in range(2):
            result = pixels(photos / "out" / f"{name}-{k}.png")
            assert np.array_equal(result[~hole], image[~hole])
            assert abs(result - wanted[k].numpy() * 255).max() <= 0.51


def test_nothing_but_results_is_left_behind(model, photos):
    run(model, photos)
    names = {f"{stem}-{end}.png" for stem in "ab" for end in ("0", "1", "sheet")}
    assert {path.name for path in (photos / "out").iterdir()} == names


def test_transparency_is_the_mask_where_none_is_given(model, photos):
    image, hole = pixels(photos / "photos" / "a.png"), pixels(photos / "masks" / "a.png")
    path = photos / "alpha.png"
    Image.fromarray(np.dstack([image, 255 - hole])).save(path)
    run(model, photos)
    outcomes = run(model, photos, jobs=plan(photos, "alpha.png", None))
    assert outcomes[0].status == "done"
    for k in range(2):
        alpha, mask = (pixels(photos / "out" / f"{stem}-{k}.png") for stem in ("alpha", "a"))
        assert np.array_equal(alpha, mask)


def test_an_image_that_would_take_too_much_memory_is_refused(model, photos):
    settings = dataclasses.replace(SETTINGS, max_megapixels=40 * 55 / 1e6)
    large, small = run(model, photos, settings)
    assert (large.status, small.status) == ("failed", "done")
    assert "--max-megapixels" in large.error
    settings = dataclasses.replace(SETTINGS, max_megapixels=40 * 56 / 1e6)
    assert [outcome.status for outcome in run(model, photos, settings)] == ["done", "skipped"]


def test_an_image_without_mask_and_transparency_fails(model, photos):
    (outcome,) = run(model, photos, jobs=plan(photos, "photos/a.png", None))
    assert outcome.status == "failed" and "Provide a mask" in outcome.error
    assert list((photos / "out").iterdir()) == []


def test_a_bad_image_does_not_stop_the_others(model, photos):
    (photos / "photos" / "a.png").write_text("not an image")
    bad, good = run(model, photos)
    assert (bad.status, good.status) == ("failed", "done")
    assert bad.to_dict()["results"] == [] and "a.png" in bad.error


def test_existing_results_are_kept_and_overwritten_on_demand(model, photos):
    run(model, photos)
    result = photos / "out" / "a-1.png"
    before = result.read_bytes()
    write_png(result, torch.zeros(40, 56, 3))
    assert [outcome.status for outcome in run(model, photos)] == ["skipped", "skipped"]
    assert result.read_bytes() != before
    assert [o.status for o in run(model, photos, overwrite=True)] == ["done", "done"]
    assert result.read_bytes() == before


def test_an_image_that_another_process_completes_is_passed_over(model, photos):
    jobs = plan(photos)
    with jobs[0].files.claimed():
        first, second = run(model, photos, jobs=jobs)
        again, _ = run(model, photos, overwrite=True, jobs=jobs)
    assert [first.status, second.status, again.status] == ["skipped", "done", "skipped"]
    assert first.to_dict()["results"] == []
    assert first.lines() == (
        f"skipped: {photos / 'photos' / 'a.png'}: another process is completing it",
    )
    assert [outcome.status for outcome in run(model, photos)] == ["done", "skipped"]


def test_a_deleted_result_comes_back_and_the_others_stay(model, photos):
    run(model, photos)
    deleted, kept = photos / "out" / "a-0.png", photos / "out" / "a-1.png"
    before = deleted.read_bytes()
    deleted.unlink()
    write_png(kept, torch.zeros(40, 56, 3))
    assert [outcome.status for outcome in run(model, photos)] == ["done", "skipped"]
    assert deleted.read_bytes() == before
    assert pixels(kept).max() == 0


@pytest.mark.parametrize("changed", ["settings", "picture", "mask"])
def test_results_of_something_else_are_kept_as_stale(model, photos, changed):
    run(model, photos)
    if changed == "settings":
        outcome = run(model, photos, Settings(num_variants=2, seed=4))[0]
    else:
        folder, shape = {"picture": ("photos", (40, 56, 3)), "mask": ("masks", (40, 56))}[changed]
        write_png(photos / folder / "a.png", torch.ones(shape))
        outcome = run(model, photos)[0]
    assert outcome.status == "stale"
    assert {"settings": "seed 3 instead of 4"}.get(changed, changed) in outcome.error


def test_results_of_version_0_1_are_of_the_same_model(model, photos, monkeypatch):
    """That version called diagnostics alarms, also in what it hashed into the sheet."""
    monkeypatch.setattr(model, "generator_id", "0" * 64)
    monkeypatch.setattr(model, "title", "noise")
    monkeypatch.setattr(model, "training", {"diagnostics": {"stage1": {"rho": 0.25}}})
    run(model, photos)
    with Image.open(photos / "out" / "a-sheet.png") as sheet:
        record = json.loads(sheet.text["diverse-inpainting"])
    facts = f'["{"0" * 64}", "noise", {{"alarms": {{"stage1": {{"rho": 0.25}}}}}}]'
    assert record["model"] == hashlib.sha256(facts.encode()).hexdigest()[:16]


def test_no_image_or_mask_is_overwritten(model, photos):
    path, mask = photos / "out" / "cat.png", photos / "out" / "cat-1.png"
    (photos / "out").mkdir()
    path.write_bytes((photos / "photos" / "a.png").read_bytes())
    mask.write_bytes((photos / "masks" / "a.png").read_bytes())
    before = mask.read_bytes()
    jobs = plan(photos, "out/cat.png", "out/cat-1.png")
    (outcome,) = run(model, photos, overwrite=True, jobs=jobs)
    assert outcome.status == "failed" and "would overwrite" in outcome.error
    assert mask.read_bytes() == before


def test_warnings_of_the_library_are_in_the_report(model, photos):
    path = photos / "photos" / "a.png"
    image = Image.open(path)
    image.load()
    image.save(path, icc_profile=b"damaged")
    outcome = run(model, photos)[0]
    assert outcome.status == "done"
    assert len(outcome.warnings) == 1 and "colour profile" in outcome.warnings[0]
    assert logging.getLogger("diverse_inpainting.core").handlers == []


def test_a_full_disk_fails_and_the_next_run_mends_it(model, photos, monkeypatch):
    def full(path, *content, **options):
        if path.name == "a-1.png":
            raise OSError(28, "No space left on device", str(path))
        write_result(path, *content, **options)

    with monkeypatch.context() as patch:
        patch.setattr(result_files, "write_result", full)
        bad, good = run(model, photos)
    assert bad.status == "failed" and "No space left on device" in bad.error
    assert good.status == "done"
    assert not (photos / "out" / "a-sheet.png").exists()
    assert [outcome.status for outcome in run(model, photos)] == ["done", "skipped"]
    assert pixels(photos / "out" / "a-1.png").shape == (40, 56, 3)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: 8 bytes"),
    ],
)
def test_too_little_memory_fails_one_image(model, photos, monkeypatch, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(model, "inpaint", fail)
    outcomes = run(model, photos)
    assert ["Not enough memory" in outcome.error for outcome in outcomes] == [True, True]


def test_our_own_mistakes_are_not_hidden(model, photos, monkeypatch):
    def fail(*args, **kwargs):
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(model, "inpaint", fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        run(model, photos)


def test_outcomes_are_plain_data(model, photos):
    (photos / "masks" / "b.png").unlink()
    done, failed = json.loads(json.dumps([one.to_dict() for one in run(model, photos)]))
    out = photos / "out"
    assert done == {
        "picture": str(photos / "photos" / "a.png"),
        "status": "done",
        "results": [str(out / "a-0.png"), str(out / "a-1.png")],
        "sheet": str(out / "a-sheet.png"),
        "warnings": [],
        "error": None,
    }
    assert failed["results"] == [] and failed["sheet"] is None and "one mask" in failed["error"]


def test_an_outcome_in_words(model, photos):
    (photos / "photos" / "b.png").write_bytes(b"")
    done, failed = run(model, photos)
    (line,) = done.lines()
    assert line.startswith("done: ") and line.endswith("a-sheet.png")
    (line,) = failed.lines()
    assert line.startswith(f"failed: {photos / 'photos' / 'b.png'} is damaged or not")
    warned = dataclasses.replace(done, warnings=("first", "second"))
    assert warned.lines()[1:] == ("  warning: first", "  warning: second")


def test_a_name_with_control_characters_is_named_once(model, photos):
    image = photos / "photos" / "\x1b[31m.png"
    image.write_bytes(b"")
    failed = next(outcome for outcome in run(model, photos) if outcome.image == image)
    (line,) = failed.lines()
    assert line.count("[31m.png") == 1


WAIT_S = 60.0


def copies(photos, names):
    """Copies of an image, with masks, under other names; return the jobs."""
    for folder in ("photos", "masks"):
        content = (photos / folder / "b.png").read_bytes()
        (photos / folder / "a.png").unlink()
        (photos / folder / "b.png").unlink()
        for name in names:
            (photos / folder / f"{name}.png").write_bytes(content)
    return plan(photos)


def test_the_next_image_is_read_and_the_last_one_written_meanwhile(model, photos, monkeypatch):
    reads_c, completes_b = threading.Event(), threading.Event()
    decode, complete, met = JobInputs.decode, model.inpaint, []

    def reading(self, settings):
        if self.job.image.name == "c.png":
            reads_c.set()
        return decode(self, settings)

    def completing(*args, **kwargs):
        if met:  # b, while c is read
            completes_b.set()
            met.append(reads_c.wait(WAIT_S))
        else:
            met.append("a")
        return complete(*args, **kwargs)

    def writing(path, *content, **options):
        if path.name == "a-0.png":  # while b is completed
            met.append(completes_b.wait(WAIT_S))
        write_result(path, *content, **options)

    monkeypatch.setattr(JobInputs, "decode", reading)
    monkeypatch.setattr(model, "inpaint", completing)
    monkeypatch.setattr(result_files, "write_result", writing)
    outcomes = run(model, photos, jobs=copies(photos, "abc"))
    assert [(o.image.stem, o.status) for o in outcomes] == [("a", "done"), ("b", "done"),
                                                            ("c", "done")]  # fmt: skip
    assert len(met) == 4 and all(met)


def test_each_image_has_its_own_warnings(model, photos):
    names = [f"{k:02}" for k in range(12)]
    jobs = copies(photos, names)
    for name in names[::3]:
        path = photos / "photos" / f"{name}.png"
        with Image.open(path) as image:
            image.load()
        image.save(path, icc_profile=b"damaged")
    outcomes = run(model, photos, jobs=jobs)
    assert [outcome.image.stem for outcome in outcomes] == names
    for k, outcome in enumerate(outcomes):
        assert [outcome.image.name in text for text in outcome.warnings] == [True] * (k % 3 == 0)


@pytest.mark.parametrize(("most_pixels", "together"), [(1, 1), (32 * 32 * 2, 2), (10**6, 3)])
def test_large_images_are_completed_alone(model, photos, monkeypatch, most_pixels, together):
    decode, save, lock, counts = JobInputs.decode, batch.save_results, threading.Lock(), [0]
    full = threading.Barrier(together)

    def entered(self, settings):
        with lock:
            counts.append(counts[-1] + 1)
            is_early = len(counts) - 1 <= together
        if is_early:  # the first ones are there at the same time
            full.wait(WAIT_S)
        return decode(self, settings)

    def saved(*args, **kwargs):
        save(*args, **kwargs)
        with lock:
            counts.append(counts[-1] - 1)

    monkeypatch.setattr(batch, "_MOST_PIXELS", most_pixels)
    monkeypatch.setattr(JobInputs, "decode", entered)
    monkeypatch.setattr(batch, "save_results", saved)
    outcomes = run(model, photos, jobs=copies(photos, "abcdef"))
    assert {outcome.status for outcome in outcomes} == {"done"}
    assert max(counts) == together


@pytest.fixture
def stopped(monkeypatch):
    """An event: the run was told to stop."""
    event, stop = threading.Event(), batch._Run.stop

    def stop_and_say(self):
        stop(self)
        event.set()

    monkeypatch.setattr(batch._Run, "stop", stop_and_say)
    return event


def test_a_closed_run_stops_between_two_results_and_is_finished_by_the_next(
    model, photos, monkeypatch, stopped
):
    begun = threading.Event()

    def write(path, *content, **options):
        if path.name == "b-0.png":
            begun.set()
            stopped.wait(WAIT_S)
        write_result(path, *content, **options)

    jobs = copies(photos, "abcdef")
    with monkeypatch.context() as patch:
        patch.setattr(result_files, "write_result", write)
        outcomes = run_jobs(model, jobs, SETTINGS)
        assert next(outcomes).status == "done" and begun.wait(WAIT_S)
        outcomes.close()
    names = {path.name for path in (photos / "out").iterdir()}
    assert {"a-sheet.png", "b-0.png", ".b.unfinished"} <= names
    assert not names & {"b-1.png", "b-sheet.png", "f-0.png"}
    assert not [t for t in threading.enumerate() if t.name.startswith("diverse-inpainting")]
    a, b, *others, f = (outcome.status for outcome in run(model, photos, jobs=jobs))
    assert (a, b, f) == ("skipped", "done", "done") and set(others) <= {"skipped", "done"}
    assert len([*(photos / "out").iterdir()]) == 6 * 3


def test_a_closed_run_stops_between_two_steps_of_the_model(model, photos, monkeypatch, stopped):
    shown, begun, has_a = [], threading.Event(), threading.Event()
    decode = JobInputs.decode

    def after_a(self, settings):
        if self.job.image.name == "b.png":  # or the model might complete it first
            has_a.wait(WAIT_S)
        return decode(self, settings)

    def show(step, of):
        has_a.set()
        shown.append((step, of))
        if step == 6 and shown.count((step, of)) == 2:  # b's sixth
            begun.set()
            stopped.wait(WAIT_S)

    monkeypatch.setattr(JobInputs, "decode", after_a)
    settings = dataclasses.replace(SETTINGS, fit_steps=5, on_step=show)
    outcomes = run_jobs(model, copies(photos, "ab"), settings)
    assert next(outcomes).status == "done" and begun.wait(WAIT_S)
    outcomes.close()
    assert shown[-1][0] == 6 < shown[-1][1]


def test_our_own_mistake_ends_the_run(model, photos, monkeypatch):
    decode = JobInputs.decode

    def fail(self, settings):
        if self.job.image.name == "b.png":
            raise KeyError("mistake")
        return decode(self, settings)

    monkeypatch.setattr(JobInputs, "decode", fail)
    outcomes = run_jobs(model, copies(photos, "abcdef"), SETTINGS)
    assert next(outcomes).status == "done"
    with pytest.raises(KeyError, match="mistake"):
        next(outcomes)
    assert not (photos / "out" / "f-0.png").exists()
