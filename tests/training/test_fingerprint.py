"""What a resumed run must share, and that states of older versions still count."""

import json

import pytest
import torch

from diverse_inpainting.core.errors import ConfigError
from diverse_inpainting.training.config import RENAMED
from diverse_inpainting.training.fingerprint import fingerprint, hash_images, require_same_run
from diverse_inpainting.training.recipe_file import load_recipe
from diverse_inpainting.training.stages import STAGES

CPU = torch.device("cpu")
NEWER = ("diversity_images", "recalibration_batches")
INPUTS = {
    "prior": {"photographs": "5e8f", "labels": "e3b0", "total_images": None},
    "stage1": {
        "checkpoint": "c0de",
        "perceptual": {"network": "discriminator", "weight": 5e-5, "calibration_pairs": 256},
        "restart": {"first": 8, "discriminator_since": 8, "weights": "aa"},
    },
}


def present(stage, overrides=(), **inputs):
    recipe = load_recipe("demo64-cpu", overrides)
    return fingerprint(recipe, STAGES[stage], CPU, INPUTS[stage] | inputs)


def as_once_saved(data):
    """What the version before the renaming wrote for the same run."""
    old = json.loads(json.dumps(data))
    former = {new: old for old, new in RENAMED.items()}
    old = {former.get(name, name): value for name, value in old.items() if name not in NEWER}
    if "photographs" in old:
        old["pictures"] = old.pop("photographs")  # in place of the setting
    del old["data"]["holdout_last"]
    if "perceptual" in old:
        del old["perceptual"]["calibration_pairs"]
    if "restart" in old:
        old["restart"]["judge_since"] = old["restart"].pop("discriminator_since")
    return old


RUNS = {
    "prior": ("prior", (), {}),
    "generated": ("stage1", (), {}),
    "some photographs": ("stage1", ("stage1.real_fraction=0.5",), {"photographs": "5e8f"}),
    "photographs": ("stage1", ("stage1.train_on='photographs'",), {"photographs": "5e8f"}),
}


@pytest.mark.parametrize("run", RUNS)
def test_the_same_run_of_an_older_version_may_go_on(run, tmp_path):
    stage, overrides, inputs = RUNS[run]
    data = present(stage, overrides, **inputs)
    old = as_once_saved(data)
    assert old.keys().isdisjoint({"train_on", "lambda_r1", "projected_network", "photographs"})
    require_same_run(old, data, tmp_path)
    require_same_run(json.loads(json.dumps(data)), data, tmp_path)


@pytest.mark.parametrize(
    ("run", "override", "named"),
    [
        ("prior", "prior.diversity_images=64", "diversity_images"),
        ("prior", "prior.projected_from=1", "projected_from"),
        ("prior", "data.holdout_last=3", "data"),
        ("generated", "stage1.recalibration_batches=2", "recalibration_batches"),
        ("generated", "stage1.lambda_r2=0.5", "lambda_r2"),
        ("photographs", "stage1.train_on='generated'", "train_on"),
        ("some photographs", "stage1.real_fraction=0.25", "real_fraction"),
    ],
)
def test_what_differs_from_an_older_state_is_refused(run, override, named, tmp_path):
    stage, overrides, inputs = RUNS[run]
    old = as_once_saved(present(stage, overrides, **inputs))
    with pytest.raises(ConfigError) as caught:
        require_same_run(old, present(stage, (*overrides, override), **inputs), tmp_path)
    assert caught.value.got == f"another {named}"


def test_how_much_is_shown_and_measured_may_change(tmp_path):
    free = ("stage1.grid_images=2", "stage1.diagnostics_images=8", "stage1.log_every=7")
    require_same_run(present("stage1"), present("stage1", free), tmp_path)


def test_the_hash_of_images_counts_names_and_bytes():
    images = torch.arange(12, dtype=torch.uint8)
    hashes = {hash_images([images]), hash_images([images], ["a"]), hash_images([images + 1], ["a"])}
    assert len(hashes) == 3
    assert hash_images([images]) == hash_images(images.clone().split(1), [])
