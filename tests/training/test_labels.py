"""Class labels: the file, what a prior with classes learns from, and a stage on top of it."""

import dataclasses
import json
import zipfile

import pytest
import torch

import tiny_model
from diverse_inpainting.core.checkpoint import read_checkpoint
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.training.config import DataConfig
from diverse_inpainting.training.data import Photographs
from diverse_inpainting.training.labels import load_labels
from diverse_inpainting.training.losses import judge
from diverse_inpainting.training.prior import PriorTrainer
from diverse_inpainting.training.recipe_file import load_recipe
from diverse_inpainting.training.stage1 import Stage1Trainer

NAMES = ["a.png", "sub/b.png"]
GOOD = {"labels": [["sub/b.png", 2], ["a.png", 0], ["unused.png", 9]]}


@pytest.fixture(params=["folder", "zip"])
def pack(request, tmp_path):
    def write(text):
        if request.param == "folder":
            (tmp_path / "dataset.json").write_text(text)
            return tmp_path
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr("dataset.json", text)
        return tmp_path / "a.zip"

    return write


def test_labels_belong_to_pictures_by_name(pack):
    labels = load_labels(pack(json.dumps(GOOD)), NAMES, 3)
    assert labels.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_without_classes_no_file_is_asked_for(tmp_path):
    assert load_labels(tmp_path, NAMES, 0).shape == (2, 0)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"labels": [["a.png", 0]]}', "None for sub/b.png"),
        ('{"labels": [["a.png", 3], ["sub/b.png", 0]]}', "3 for a.png"),
        ('{"labels": [["a.png", true], ["sub/b.png", 0]]}', "True for a.png"),
        ('{"labels": null}', "another one"),
        ("{", "another one"),
    ],
)
def test_unusable_labels_are_refused(pack, text, words):
    with pytest.raises(InputError, match=words):
        load_labels(pack(text), NAMES, 3)


def test_a_missing_file_is_one_sentence_with_both_ways_on(tmp_path):
    with pytest.raises(InputError, match=r"dataset\.json beside.*Add it, or set num_classes"):
        load_labels(tmp_path, NAMES, 3)


def test_batches_keep_each_label_with_its_picture():
    """Every picture shows its class as its grey level; classes occur 1:3."""
    classes = torch.tensor([0, 1, 1, 1] * 5)
    pictures = (classes * 200).to(torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)
    config = DataConfig(holdout_every=5)
    photographs = Photographs(pictures, config, 0, torch.eye(2)[classes])
    for nimg in (0, 12, 40):
        shown = photographs.batch(nimg, 8)[:, 0, 0, 0] > 0
        assert torch.equal(photographs.labels(nimg, 8)[:, 1] > 0, shown)
    drawn = photographs.random_labels(0, 800)
    assert 0.68 < drawn[:, 1].mean() < 0.82
    assert not torch.equal(drawn[:8], photographs.random_labels(8, 8))


@pytest.fixture
def trainer():
    model = tiny_model.config()
    two = {
        name: dataclasses.replace(getattr(model, name), num_classes=2)
        for name in ("generator", "discriminator")
    }
    recipe = load_recipe("demo64-cpu")
    prior = dataclasses.replace(recipe.prior, batch_size=4, micro_batch=0, features="none")
    recipe = dataclasses.replace(recipe, model=dataclasses.replace(model, **two), prior=prior)
    pictures = torch.zeros(4, 3, 32, 32, dtype=torch.uint8)
    labels = torch.eye(2)[[0, 1, 0, 1]]
    return PriorTrainer(recipe, Photographs(pictures, DataConfig(), 0, labels), torch.device("cpu"))


def test_generator_and_discriminator_learn_their_classes(trainer):
    """Adam moves what has a gradient: the embeddings have one only if labels reach them."""
    before = [n.embed.weight.clone() for n in (trainer.generator.mapping, trainer.discriminator)]
    trainer.step(0)
    after = [n.embed.weight for n in (trainer.generator.mapping, trainer.discriminator)]
    for old, new in zip(before, after, strict=True):
        assert (old != new).all()


def test_the_stages_judge_without_a_class(trainer):
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    one, other = (
        judge(trainer.discriminator, images, torch.float32, torch.eye(2)[[k] * 4]) for k in (0, 1)
    )
    neither = judge(trainer.discriminator, images, torch.float32)
    assert not torch.equal(neither, one) and not torch.equal(neither, other)
    assert trainer.grid().size == (12 * 32, 4 * 32)


@pytest.mark.usefixtures("small_measurements")
def test_a_stage_trains_on_a_generator_with_classes(trainer, tmp_path):
    trainer.export(tmp_path, 4)
    checkpoint = read_checkpoint(tmp_path / "prior.safetensors")
    recipe = load_recipe("demo64-cpu", ("stage1.batch_size=4", "stage1.micro_batch=0"))
    recipe = dataclasses.replace(recipe, model=trainer.recipe.model)
    scalars = Stage1Trainer(recipe, checkpoint, None, torch.device("cpu")).step(0)
    assert all(value.isfinite() for value in scalars.values())
