"""The whole evaluation without the command line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diverse_inpainting.core.errors import CheckpointError, ConfigError, InputError
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
    ],
)
def test_unusable_plans(data, tmp_path, changes, error):
    with pytest.raises(error):
        evaluate(Plan(**{"data": data, "resolution": 16, "out": tmp_path / "out", **changes}))
