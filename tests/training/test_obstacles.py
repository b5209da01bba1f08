"""What would stop a training: every missing file and refused combination, each in a sentence."""

import dataclasses
import json
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

import tiny_model
from diverse_inpainting.core.checkpoint import Checkpoint, generator_id_of, write_checkpoint
from diverse_inpainting.core.distributed import ALONE, Processes
from diverse_inpainting.training import vgg
from diverse_inpainting.training.checkpointing import States
from diverse_inpainting.training.fingerprint import fingerprint
from diverse_inpainting.training.obstacles import obstacles
from diverse_inpainting.training.options import TrainOptions
from diverse_inpainting.training.recipe_file import load_recipe
from diverse_inpainting.training.stages import STAGES

CPU = torch.device("cpu")
VGG = ("perceptual.network='vgg16'",)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    for k in range(4):
        Image.fromarray(np.full((8, 8, 3), k, np.uint8)).save(folder / f"{k}.png")
    return folder


@pytest.fixture
def plan(tmp_path, tiny_checkpoint):
    """Options of a stage that could start, and what is different."""

    def plan(stage, overrides=(), **changes):
        recipe = load_recipe("demo64-cpu", ("data.holdout_every=0", *overrides))
        recipe = dataclasses.replace(recipe, model=tiny_model.config())
        source = None if stage == "prior" else tiny_checkpoint
        return TrainOptions(
            **{"stage": stage, "recipe": recipe, "out": tmp_path / "run", "source": source}
            | changes
        )

    return plan


def found(options, processes=ALONE):
    return [str(error) for error in obstacles(options, CPU, processes)]


@pytest.mark.parametrize("stage", STAGES)
def test_nothing_stops_what_can_start(plan, images, stage, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    assert found(plan(stage, data=images)) == []
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("stage", "overrides", "changes", "words"),
    [
        ("prior", (), {"data": None}, "The stage prior needs photographs"),
        ("prior", (), {"data": "absent"}, "No such folder or zip file"),
        ("prior", (), {"holdout": "empty"}, "No images in"),
        ("prior", (), {"holdout": "images"}, "are held out: they are in"),
        ("prior", ("data.holdout_last=4",), {}, "holdout_last below 4"),
        ("stage1", ("stage1.real_fraction=0.5",), {"data": None}, "needs photographs"),
        ("stage1", (), {"source": None}, "prior.safetensors, does not exist. Train prior"),
        ("stage2", (), {"source": None}, "stage1.safetensors, does not exist"),
        ("stage1", (), {"source": "cats"}, "32 pixels with codes 16 wide"),
        ("stage1", (), {"restart_from": "absent.safetensors"}, "absent.safetensors"),
        ("prior", (), {"restart_from": "cats"}, "32 pixels with codes 16 wide"),
        ("stage1", VGG, {}, "The recipe names no VGG16 weights"),
        ("stage1", (*VGG, "perceptual.weights='absent.pth'"), {}, "no file absent.pth"),
        ("stage1", (*VGG, "perceptual.weights='download'", "perceptual.layers=[]"), {}, "layers"),
    ],
)
def test_each_obstacle_is_named(plan, images, tmp_path, stage, overrides, changes, words):
    (tmp_path / "empty").mkdir()
    for name in ("data", "holdout"):
        if isinstance(changes.get(name), str):
            changes = {**changes, name: tmp_path / changes[name]}
    (sentence,) = found(plan(stage, overrides, **{"data": images} | changes))
    assert words in sentence


def test_a_copy_that_is_held_out_leaves_the_others_for_training(plan, images, tmp_path):
    """By their bytes: as many images are held out as there are, but one has another content."""
    apart = tmp_path / "apart"
    shutil.copytree(images, apart)
    assert len(found(plan("prior", data=images, holdout=apart))) == 1
    Image.fromarray(np.full((8, 8, 3), 77, np.uint8)).save(apart / "0.png")
    assert found(plan("prior", data=images, holdout=apart)) == []


def test_more_images_than_are_held_out_may_all_be_copies_of_those(plan, images, tmp_path):
    apart = tmp_path / "apart"
    shutil.copytree(images, apart)
    shutil.copy(images / "0.png", images / "copy.png")
    (sentence,) = found(plan("prior", data=images, holdout=apart))
    assert "are held out" in sentence


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_images_that_cannot_be_read_are_left_to_the_training(plan, images, tmp_path, kind):
    """A dangling link, or a zip entry with a wrong checksum."""
    apart = tmp_path / "apart"
    shutil.copytree(images, apart)
    data = images
    if kind == "folder":
        (images / "gone.png").symlink_to(tmp_path / "gone.png")
    else:
        data = tmp_path / "images.zip"
        with zipfile.ZipFile(data, "w") as archive:
            for path in sorted(images.iterdir()):
                archive.write(path, path.name)
            archive.writestr("z.png", b"damaged")
        data.write_bytes(data.read_bytes().replace(b"damaged", b"repaint"))
    (sentence,) = found(plan("prior", data=data, holdout=apart))
    assert "are held out" in sentence


def test_they_are_all_named_at_once(plan):
    overrides = (*VGG, "stage1.real_fraction=0.5")
    sentences = found(plan("stage1", overrides, source=None))
    assert len(sentences) == 3
    for words, sentence in zip(("photographs", "prior", "VGG16"), sentences, strict=True):
        assert words in sentence


def test_weights_that_will_be_downloaded_are_no_obstacle(plan):
    assert found(plan("stage1", (*VGG, "perceptual.weights='download'"))) == []


def test_weights_of_torchvision_are_known_by_their_hash(plan, tmp_path, monkeypatch):
    path = tmp_path / "vgg16.pth"
    path.write_bytes(b"weights")
    monkeypatch.setattr(vgg, "sha256_of", lambda path: vgg._TORCHVISION + "0" * 56)
    (sentence,) = found(plan("stage1", (*VGG, f"perceptual.weights='{path}'")))
    assert "torchvision's own" in sentence


def test_a_restart_that_has_seen_everything(plan, tiny_checkpoint):
    options = plan("stage1", ("stage1.total_images=200",), restart_from=tiny_checkpoint)
    (sentence,) = found(options)
    assert "total_images above 200" in sentence


def test_labels(plan, images):
    options = plan("prior", data=images)
    model = options.recipe.model
    labelled = dataclasses.replace(
        model, generator=dataclasses.replace(model.generator, num_classes=2)
    )
    options = dataclasses.replace(
        options, recipe=dataclasses.replace(options.recipe, model=labelled)
    )
    (sentence,) = found(options)
    assert "dataset.json beside the images" in sentence
    labels = {"labels": [[f"{k}.png", k % 2] for k in range(4)]}
    (images / "dataset.json").write_text(json.dumps(labels))
    assert found(options) == []


@pytest.mark.parametrize(("groups", "stops"), [(0, True), (4, False)])
def test_processes_that_a_batch_cannot_be_dealt_out_to(plan, tmp_path, groups, stops):
    """Eight images for two, of a discriminator with groups of eight."""
    model = tiny_model.build_lively()
    tensors = dict(model.state_dict())
    config = tiny_model.config()
    config = dataclasses.replace(
        config, discriminator=dataclasses.replace(config.discriminator, stddev_group_size=8)
    )
    path = tmp_path / "eight.safetensors"
    checkpoint = Checkpoint(config=config, tensors=tensors, generator_id=generator_id_of(tensors))
    write_checkpoint(path, checkpoint)
    overrides = ("stage1.batch_size=8", "stage1.micro_batch=0")
    options = plan("stage1", (*overrides, f"stage1.stddev_group_size={groups}"), source=path)
    assert found(options) == []
    sentences = found(options, Processes(0, 2))
    assert len(sentences) == stops
    assert all("multiple of 16" in sentence for sentence in sentences)


def test_a_folder_with_another_run(plan, images):
    options = plan("prior", data=images)
    states = States(options.out / "prior")
    states.prepare()
    print_ = fingerprint(options.recipe, STAGES["prior"], CPU, {"total_images": None})
    saved = json.dumps({**print_, "photographs": "5e8f"})
    states.save(16, {"fingerprint": saved}, keep_last=1)
    assert found(options) == []
    longer = ("prior.total_images=1_000_000", "prior.log_every=7")
    assert found(plan("prior", longer, data=images)) == []
    (sentence,) = found(plan("prior", ("prior.seed=3",), data=images))
    assert "another seed" in sentence


def test_a_folder_with_checkpoints_but_no_state(plan, images, tiny_checkpoint):
    options = plan("prior", data=images)
    (options.out / "prior").mkdir(parents=True)
    (options.out / "prior" / "prior.safetensors").write_bytes(tiny_checkpoint.read_bytes())
    (sentence,) = found(options)
    assert "which would be replaced" in sentence
