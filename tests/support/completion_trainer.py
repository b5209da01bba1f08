"""Trainers of stages 1 and 2 on a tiny model, and what tests ask about them."""

import dataclasses

import torch

import tiny_model
from diverse_inpainting.core.checkpoint import Checkpoint
from diverse_inpainting.training.completion import CompletionTrainer
from diverse_inpainting.training.config import DataConfig
from diverse_inpainting.training.data import Photographs
from diverse_inpainting.training.recipe_file import load_recipe
from diverse_inpainting.training.stage1 import Stage1Trainer
from diverse_inpainting.training.stage2 import Stage2Trainer

CPU = torch.device("cpu")
TRAINERS = {"stage1": Stage1Trainer, "stage2": Stage2Trainer}


def recipe(**changes):
    base = load_recipe("demo64-cpu", tiny_model.SMALL_MEASUREMENTS)
    settings = {
        "batch_size": 4,
        "micro_batch": 2,
        "total_images": 16,
        "discriminator_warmup": 4,
        "adversarial_ramp": 4,
        "r1_every": 2,
        "log_every": 4,
        "grid_every": 1000,
        "save_every": 1000,
    } | changes
    base = base.with_stage("stage1", **settings).with_stage("stage2", **settings)
    return dataclasses.replace(base, model=tiny_model.config())


def trainer_of(stage: str, checkpoint: Checkpoint, **changes) -> CompletionTrainer:
    return TRAINERS[stage](recipe(**changes), checkpoint, photographs(), CPU)


def photographs() -> Photographs:
    images = torch.randint(0, 256, (3, 3, 32, 32), generator=torch.Generator().manual_seed(0))
    return Photographs(images.to(torch.uint8), DataConfig(mirror=False), seed=0)


def snapshot(trainer: CompletionTrainer) -> dict[str, torch.Tensor]:
    modules = trainer.model.parts | trainer.modules
    return {
        f"{name}/{key}": value.clone()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }


def changed_modules(before, after) -> set[str]:
    return {key.split("/")[0] for key in before if not torch.equal(before[key], after[key])}
