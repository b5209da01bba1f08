"""The whole evaluation without the command line."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from diverse_inpainting.core.checkpoint import read_checkpoint, write_checkpoint
from diverse_inpainting.core.errors import CheckpointError, ConfigError, InputError
from diverse_inpainting.core.image_digests import digest
from diverse_inpainting.core.image_files import write_png
from diverse_inpainting.evaluation import c2st
from diverse_inpainting.evaluation.evaluate import Plan, evaluate
from diverse_inpainting.evaluation.report import describe, results


def write_noise(folder, n, seed):
    folder.mkdir()
    noise = np.random.default_rng(seed).integers(256, size=[n, 16, 16, 3], dtype=np.uint8)
    for k, image in enumerate(noise):
        Image.fromarray(image).save(folder / f"{k}.png")
    return folder


@pytest.fixture
def data(tmp_path):
    """Four images of noise."""
    return write_noise(tmp_path / "data", 4, seed=0)


def test_another_method_on_the_images_and_masks_of_an_evaluation(data, tmp_path):
    plan = {"data": data, "resolution": 16, "masks": "mat-large", "seed": 4}
    first = evaluate(Plan(**plan, out=tmp_path / "first"))
    assert list(first.methods) == ["mean-colour", "other-photo", "original", "other-half"]
    made = tmp_path / "made"
    made.mkdir()
    for path in (tmp_path / "first" / "pairs" / "pictures").glob("*.png"):
        mask = np.array(Image.open(tmp_path / "first" / "pairs" / "masks" / path.name))
        for k in range(2):  # a method that fills with 10 and 30
            fill = np.where(mask[:, :, None] > 0, 10 + 20 * k, np.array(Image.open(path)))
            Image.fromarray(fill.astype(np.uint8)).save(made / f"{path.stem}-{k}.png")
    seen = []
    second = evaluate(
        Plan(**plan, out=tmp_path / "second", predictions={"predictions": made}),
        lambda *step: seen.append(step),
    )
    found = second.buckets["predictions"]["(0,1]"]
    assert found["diversity"].value == 20 and found["valid_psnr"].value == 100
    assert "rho" not in found, "nothing is known of the method's generator"
    assert second.per_image["predictions"]["diversity"].values.tolist() == [20] * 4
    assert second.buckets["other-photo"] == first.buckets["other-photo"]
    hashes = [found.facts["protocol"]["pairs_sha256"] for found in (first, second)]
    assert hashes[0] == hashes[1]
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions) and fractions[-1] == 1
    assert "measuring predictions" in [step for _, step in seen]
    assert results(second)["methods"]["predictions"]["(0,1]"]["diversity"]["value"] == 20


def test_a_model_has_two_stages_and_a_blend_beside_the_baselines(data, tmp_path, tiny_checkpoint):
    plan = Plan(data=data, out=tmp_path / "out", model=tiny_checkpoint, device="cpu")
    expected = [
        "stage1",
        "stage2",
        "stage2-seamless",
        "mean-colour",
        "other-photo",
        "original",
        "other-half",
    ]
    assert list(evaluate(plan).methods) == expected


def test_a_model_measures_as_its_own_results_from_a_folder(data, tmp_path, tiny_checkpoint):
    """Equal to the last digit; rho alone needs the generator."""
    plan = {"data": data, "model": tiny_checkpoint, "device": "cpu", "masks": "mat-large"}
    first = evaluate(Plan(**plan, out=tmp_path / "first"))
    made = tmp_path / "made"
    made.mkdir()
    stage2 = first.methods["stage2"]
    for name, raw in zip(stage2.names, stage2.raw[:], strict=True):
        for k, image in enumerate(raw):
            write_png(made / f"{name}-{k}.png", image.movedim(0, -1))
    second = evaluate(Plan(**plan, out=tmp_path / "second", predictions={"again": made}))
    assert list(second.methods)[:4] == ["stage1", "stage2", "stage2-seamless", "again"]
    assert second.buckets["stage2"] == first.buckets["stage2"]
    for label, own in second.buckets["stage2"].items():
        again = second.buckets["again"][label]
        assert again == {name: value for name, value in own.items() if name != "rho"}
        assert "swd" in again and "diversity" in again and "valid_psnr" in again


def test_several_methods_and_metrics_that_are_left_out(data, tmp_path):
    """One with two results has a diversity, one of another size and with one result has none."""
    made = {name: write_noise(tmp_path / name, 4, seed=k) for k, name in enumerate(["one", "two"])}
    for path in list(made["two"].glob("*.png")):
        for k in range(2):
            Image.open(path).resize((40, 40)).save(path.with_name(f"{path.stem}-{k}.png"))
        path.unlink()
    plan = Plan(
        data=data,
        resolution=16,
        masks="half",
        out=tmp_path / "out",
        predictions=made,
        resize="bicubic",
        without=frozenset({"swd", "c2st"}),
        show=("2",),
    )
    found = evaluate(plan)
    one, two = (found.buckets[name]["(0,1]"] for name in made)
    assert "diversity" in two and "diversity" not in one and "seam" in one
    assert not any(name.startswith("swd") for name in two)
    assert found.facts["metrics"]["swd"] == {"left_out": "asked for with --without"}
    facts = found.facts["protocol"]["predictions"]
    assert (facts["two"]["resized_from_px"], facts["two"]["filter"]) == ([40], "bicubic")
    assert facts["one"]["resized_from_px"] == [] and found.shown == ("2",)


def test_what_training_left_out(data, tmp_path, tiny_checkpoint):
    """Two of four images were trained on: they are refused, left out or allowed."""
    checkpoint = read_checkpoint(tiny_checkpoint)
    digests = frozenset(digest((data / f"{k}.png").read_bytes()) for k in (0, 1))
    more = write_noise(tmp_path / "more", 3, seed=5)
    for path in more.iterdir():
        path.rename(data / f"more{path.name}")
    model = tmp_path / "model.safetensors"
    write_checkpoint(model, dataclasses.replace(checkpoint, trained_images=digests))
    plan = {"data": data, "model": model, "device": "cpu", "without": frozenset({"swd"})}
    with pytest.raises(InputError, match=r"has learned from 2 of the 7 images.*0\.png.*--split"):
        evaluate(Plan(**plan, out=tmp_path / "a"))
    held_out = evaluate(Plan(**plan, out=tmp_path / "b", split="held-out"))
    assert held_out.methods["stage2"].names == ("2", "3", "more0", "more1", "more2")
    assert held_out.facts["protocol"]["trained_pictures"] == 0
    every = evaluate(Plan(**plan, out=tmp_path / "c", allow_training_images=True))
    assert len(every.methods["stage2"].names) == 7
    assert every.facts["protocol"]["trained_pictures"] == 2
    assert "the model has learned from 2 of these images" in list(describe(every))
    kept = torch.tensor([2, 3, 4, 5, 6])
    assert torch.equal(held_out.methods["stage2"].holes[:], every.methods["stage2"].holes[kept])


def test_networks_and_training_images_add_their_metrics(tmp_path, monkeypatch):
    """Without weights, the classifier and the neighbours are there, and the rest says why not."""
    monkeypatch.setattr(c2st, "_MIN_STEPS", 1)
    monkeypatch.setattr(c2st, "_EPOCHS", 1)
    monkeypatch.setattr(c2st, "MIN_IMAGES", 6)
    for part in ("data", "training"):
        write_noise(tmp_path / part, 6, seed=len(part))
    plan = Plan(
        data=tmp_path / "data",
        training=tmp_path / "training",
        resolution=16,
        masks="half",
        out=tmp_path / "out",
    )
    found = evaluate(plan)
    values = found.buckets["original"]["(0,1]"]
    assert values["c2st_accuracy"].value == 0.5
    assert values["neighbour_ratio"].value == 1
    assert "c2st_accuracy" not in found.buckets["training-photos"]["(0,1]"]
    assert found.facts["metrics"]["neighbours"]["pictures"] == 6
    assert "--lpips alexnet-owt-7be5be79.pth" in found.facts["metrics"]["lpips"]["left_out"]
    assert any("--download" in line for line in describe(found))


def test_buckets_hold_their_images_and_empty_ones_are_left_out(data, tmp_path):
    found = evaluate(Plan(data=data, resolution=16, masks="half", out=tmp_path / "out"))
    assert set(found.buckets["original"]) == {"(0,1]", "(0.4,1]", "(0.4,0.6]"}
    counts = found.facts["protocol"]["pictures_by_bucket"]
    assert counts["(0.4,0.6]"] == 4 and counts["(0,0.4]"] == 0


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"resolution": None}, ConfigError),
        ({"training": Path("absent.zip")}, InputError),
        ({"weights": {"lpips": Path("absent.pth")}}, CheckpointError),
        ({"without": frozenset({"fid"})}, InputError),
        ({"show": ("absent",)}, InputError),
        ({"split": "test"}, InputError),
        ({"resize": "lanczo"}, InputError),
        ({"fit_steps": 3}, ConfigError),
        ({"split": "held-out"}, ConfigError),
        ({"predictions": {"original": Path("made")}}, InputError),
    ],
)
def test_unusable_plans(data, tmp_path, changes, error):
    with pytest.raises(error):
        evaluate(Plan(**{"data": data, "resolution": 16, "out": tmp_path / "out", **changes}))
