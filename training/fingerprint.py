"""What must be equal for a resumed run to continue the same training.

A saved state holds its run's fingerprint, plain data for JSON.
"""

import dataclasses
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.errors import ConfigError
from .config import RENAMED, DataConfig, PerceptualConfig, Recipe
from .hardware import feature_dtype
from .stages import STAGES, Stage

# Settings that may change between two parts of a run, because they do not change its result.
_FREE = {
    *("cuda_graphs", "log_every", "grid_every", "save_every", "keep_last", "keep_every"),
    *("diagnostics_images", "grid_images"),
}

_VERSION = 2
"""Raised when the same recipe begins to train differently: 2, `translation` mirrors."""


def fingerprint(
    recipe: Recipe, stage: Stage, device: torch.device, inputs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the fingerprint of a run.

    Args:
        recipe: configuration.
        stage: what is trained.
        device: where.
        inputs: what is particular to the stage; replaces settings of the same name.
    """
    config, model = recipe.stage_config(stage.name), recipe.model.to_dict()
    settings = dataclasses.asdict(config)
    return {
        "version of the training code": _VERSION,
        "stage": stage.name,
        "model": {part: model.get(part) for part in stage.trains},
        "data": dataclasses.asdict(recipe.data),
        **{name: value for name, value in settings.items() if name not in _FREE},
        "device": device.type,
        "precision": str(feature_dtype(config.precision, device)),
        **inputs,
    }


def hash_images(blocks: Iterable[Tensor], names: Sequence[str] = ()) -> str:
    """Return the SHA-256 of names and of the bytes of tensors, one after the other."""
    digest = hashlib.sha256("\n".join(names).encode())
    for block in blocks:
        digest.update(block.cpu().contiguous().numpy().data)
    return digest.hexdigest()


def require_same_run(saved: Mapping[str, Any], present: Mapping[str, Any], folder: Path) -> None:
    """Raise ConfigError unless a saved fingerprint, perhaps an older one, equals the present."""
    saved = _updated(saved)
    _require_equal(saved, present, saved.keys() | present.keys(), folder)


def require_same_recipe(saved: Mapping[str, Any], present: Mapping[str, Any], folder: Path) -> None:
    """Raise as `require_same_run`, where the present fingerprint lacks inputs that are unread."""
    _require_equal(_updated(saved), present, present.keys(), folder)


def _require_equal(
    saved: Mapping[str, Any], present: Mapping[str, Any], names: Collection[str], folder: Path
) -> None:
    # Tuples become lists, as in what was saved.
    saved, present = (json.loads(json.dumps(data)) for data in (saved, present))
    differing = sorted(name for name in names if saved.get(name) != present.get(name))
    if differing:
        raise ConfigError(
            f"the recipe and inputs that the run in {folder} was started with",
            f"another {', another '.join(differing)}",
            "Give another --out folder, or the original recipe and inputs.",
        )


def _updated(saved: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a fingerprint with present names, and defaults for settings that are newer than it."""
    if saved.get("stage") not in STAGES:
        return saved
    stage = STAGES[saved["stage"]]
    data = {RENAMED.get(name, name): value for name, value in saved.items()}
    if "pictures" in saved:
        _separate_photographs(data, has_setting=stage.previous is not None)
    for field in dataclasses.fields(stage.config_type):
        if field.name not in _FREE:
            data.setdefault(field.name, field.default)
    data["data"] = {**dataclasses.asdict(DataConfig()), **data["data"]}
    if "perceptual" in data:
        pairs = PerceptualConfig().calibration_pairs
        data["perceptual"] = {"calibration_pairs": pairs, **data["perceptual"]}
    if "restart" in data:
        present = {"judge_since": "discriminator_since"}
        data["restart"] = {present.get(name, name): v for name, v in data["restart"].items()}
    return data


def _separate_photographs(data: dict[str, Any], *, has_setting: bool) -> None:
    """Separate what was once called `pictures`: a setting, or the hash of photographs over it."""
    if data["train_on"] in ("generated", "photographs"):
        return
    data["photographs"] = data.pop("train_on")
    if has_setting:  # a fraction of photographs is allowed among generated images only
        data["train_on"] = "generated" if data["real_fraction"] else "photographs"
