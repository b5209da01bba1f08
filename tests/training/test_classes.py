"""What a prior with class labels learns, and a stage on top of it."""

import dataclasses

import pytest
import torch

import tiny_model
from diverse_inpainting.core.checkpoint import read_checkpoint
from diverse_inpainting.training.config import DataConfig
from diverse_inpainting.training.data import Photographs
from diverse_inpainting.training.losses import discriminate
from diverse_inpainting.training.prior import PriorTrainer
from diverse_inpainting.training.recipe_file import load_recipe
from diverse_inpainting.training.stage1 import Stage1Trainer


@pytest.fixture
def trainer():
    model = tiny_model.config()
    two = {
        name: dataclasses.replace(getattr(model, name), num_classes=2)
        for name in ("generator", "discriminator")
    }
    recipe = load_recipe("demo64-cpu")
    recipe = recipe.with_stage("prior", batch_size=4, micro_batch=0, projected_network="none")
    recipe = dataclasses.replace(recipe, model=dataclasses.replace(model, **two))
    images = torch.zeros(4, 3, 32, 32, dtype=torch.uint8)
    labels = torch.eye(2)[[0, 1, 0, 1]]
    return PriorTrainer(recipe, Photographs(images, DataConfig(), 0, labels), torch.device("cpu"))


def test_generator_and_discriminator_learn_their_classes(trainer):
    """Adam moves what has a gradient: the embeddings have one only if labels reach them."""
    before = [n.embed.weight.clone() for n in (trainer.generator.mapping, trainer.discriminator)]
    trainer.step(0)
    after = [n.embed.weight for n in (trainer.generator.mapping, trainer.discriminator)]
    for old, new in zip(before, after, strict=True):
        assert (old != new).all()


def test_the_stages_ask_the_discriminator_about_all_classes(trainer):
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    one, other = (
        discriminate(trainer.discriminator, images, torch.float32, torch.eye(2)[[k] * 4])
        for k in (0, 1)
    )
    neither = discriminate(trainer.discriminator, images, torch.float32)
    assert not torch.equal(neither, one) and not torch.equal(neither, other)
    assert trainer.grid().size == (12 * 32, 4 * 32)


def test_a_stage_trains_on_a_generator_with_classes(trainer, tmp_path):
    trainer.export(tmp_path, 4)
    checkpoint = read_checkpoint(tmp_path / "prior.safetensors")
    small = (*tiny_model.SMALL_MEASUREMENTS, "stage1.batch_size=4", "stage1.micro_batch=0")
    recipe = load_recipe("demo64-cpu", small)
    recipe = dataclasses.replace(recipe, model=trainer.recipe.model)
    scalars = Stage1Trainer(recipe, checkpoint, None, torch.device("cpu")).step(0)
    assert all(value.isfinite() for value in scalars.values())
