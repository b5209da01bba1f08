"""Photographs: the order of batches, what is held out, and class labels."""

import json
import shutil
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from diverse_inpainting.core.errors import ConfigError, InputError
from diverse_inpainting.core.image_digests import digest
from diverse_inpainting.training.config import DataConfig
from diverse_inpainting.training.data import Photographs, load_labels, load_photographs

R = 8


def numbered(count):
    """Images whose left half says which one it is."""
    images = torch.zeros(count, 3, R, R, dtype=torch.uint8)
    images[:, :, :, : R // 2] = torch.arange(1, count + 1, dtype=torch.uint8)[:, None, None, None]
    return images


def shown(batch):
    """Return [(number, is mirrored), ...] of a batch."""
    values = batch.add(1).mul(127.5).round().long()[:, 0, 0]
    return [(int(row.max()) - 1, bool(row[0] == 0)) for row in values]


def photographs(count=10, seed=3, **config):
    return Photographs(numbered(count), DataConfig(**config), seed)


def test_values_lie_in_minus_one_to_one():
    images = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 3, R, R)
    batch = Photographs(images, DataConfig(), 0).batch(0, 2)
    assert batch.dtype == torch.float32
    assert sorted(batch[:, 0, 0, 0].tolist()) == [-1.0, 1.0]


@pytest.mark.parametrize("every", [2, 3, 11])
def test_every_nth_is_held_out(every):
    data = photographs(30, holdout_every=every, mirror=False)
    held = [int(p.max()) - 1 for p in data.unseen(99)]
    assert held == list(range(0, 30, every))
    seen = {number for number, _ in shown(data.batch(0, 30 - len(held)))}
    assert seen == set(range(30)) - set(held)


def test_the_last_are_held_out():
    data = photographs(30, holdout_last=4, mirror=False)
    assert [int(p.max()) - 1 for p in data.unseen(99)] == [26, 27, 28, 29]
    both = photographs(30, holdout_last=4, holdout_every=10, mirror=False)
    assert [int(p.max()) - 1 for p in both.unseen(99)] == [0, 10, 20, 26, 27, 28, 29]


def test_something_is_left_to_train_on():
    with pytest.raises(ConfigError, match="holdout_last below 4"):
        photographs(4, holdout_last=4)


def test_nothing_held_out_by_default():
    data = photographs(10)
    assert sum(map(len, data.training_blocks())) == 10
    assert torch.equal(data.unseen(2), torch.cat(list(data.training_blocks()))[:2])


def test_a_single_picture_is_trained_on():
    data = photographs(1, holdout_every=11, mirror=False)
    assert shown(data.batch(0, 3)) == [(0, False)] * 3


def test_each_picture_once_per_epoch():
    data = photographs(10)
    batches = [shown(data.batch(nimg, 4)) for nimg in range(0, 40, 4)]
    numbers = [number for batch in batches for number, _ in batch]
    epochs = [numbers[i : i + 10] for i in range(0, 40, 10)]
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 4, "each epoch has an order of its own"
    assert epochs[0] != sorted(epochs[0])


def test_batches_depend_on_seed_and_position_alone():
    data = photographs()
    expected = data.batch(12, 4)
    for nimg in (0, 100, 36):
        data.batch(nimg, 4)
    torch.manual_seed(1)
    assert torch.equal(data.batch(12, 4), expected)
    assert torch.equal(photographs().batch(12, 4), expected)
    assert not torch.equal(photographs(seed=4).batch(12, 4), expected)


def test_a_batch_may_span_epochs():
    numbers = [number for number, _ in shown(photographs(4).batch(2, 10))]
    assert sorted(numbers[2:6]) == sorted(numbers[6:10]) == [0, 1, 2, 3]


def test_mirroring():
    data = photographs(10)
    mirrored = [flag for nimg in range(0, 400, 8) for _, flag in shown(data.batch(nimg, 8))]
    assert 0.4 < sum(mirrored) / len(mirrored) < 0.6
    plain_ = photographs(10, mirror=False)
    assert not any(flag for nimg in range(0, 80, 8) for _, flag in shown(plain_.batch(nimg, 8)))


def test_training_does_not_write_into_the_images():
    data = photographs(mirror=False)
    before = torch.cat(list(data.training_blocks()))
    data.batch(0, 10).zero_()
    assert torch.equal(torch.cat(list(data.training_blocks())), before)


@pytest.fixture
def folders(tmp_path):
    """Images 0 to 4 to train on and 5 to 6 to hold out, of which 6 has a copy among the former."""
    for place, numbers in (("train", range(5)), ("val", (5, 6))):
        for number in numbers:
            save(tmp_path / place / f"{number}.png", flat(number))
    shutil.copy(tmp_path / "val" / "6.png", tmp_path / "train" / "copy.png")
    return tmp_path


def save(path, image):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(image).save(path)


def flat(value):
    return np.full((R, R, 3), value, np.uint8)


def split(folder, holdout, config):
    _, images, found = load_photographs(folder / "train", R, holdout)
    return Photographs(images, config, 0, split=found)


def test_a_folder_of_held_out_images_replaces_the_choice_of_the_recipe(folders):
    data = split(folders, folders / "val", DataConfig(holdout_every=2, mirror=False))
    learned = {number + 1 for number, _ in shown(data.batch(0, 5))}
    assert learned == {0, 1, 2, 3, 4}, "not the copy of a held-out one"
    assert data.unseen(9)[:, 0, 0, 0].tolist() == [5, 6]
    assert data.trained == digests(folders, range(5))


def test_a_list_holds_out_images_of_the_same_folder(folders):
    (folders / "held.txt").write_text("train/1.png\ntrain/3.png\n")
    data = split(folders, folders / "held.txt", DataConfig())
    assert data.unseen(9)[:, 0, 0, 0].tolist() == [1, 3]
    assert data.trained == digests(folders, (0, 2, 4, "copy"))


def test_the_choice_of_the_recipe_is_known_as_well(folders):
    data = split(folders, None, DataConfig(holdout_last=2))
    assert data.trained == digests(folders, range(4))
    assert photographs().trained is None, "these come from no files"


def digests(folder, names):
    return {digest((folder / "train" / f"{name}.png").read_bytes()) for name in names}


def test_holding_everything_out_is_refused(folders):
    with pytest.raises(InputError, match=r"All images of .*train are held out"):
        load_photographs(folders / "train", R, folders / "train")


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


def test_labels_lie_beside_a_list(tmp_path):
    (tmp_path / "dataset.json").write_text(json.dumps(GOOD))
    (tmp_path / "some.txt").write_text("sub/b.png")
    assert load_labels(tmp_path / "some.txt", NAMES[1:], 3).tolist() == [[0, 0, 1]]


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


def test_batches_keep_each_label_with_its_image():
    """Every image shows its class as its grey level; classes occur 1:3."""
    classes = torch.tensor([0, 1, 1, 1] * 5)
    images = (classes * 200).to(torch.uint8)[:, None, None, None].expand(-1, 3, 4, 4)
    config = DataConfig(holdout_every=5)
    photographs = Photographs(images, config, 0, torch.eye(2)[classes])
    for nimg in (0, 12, 40):
        shown = photographs.batch(nimg, 8)[:, 0, 0, 0] > 0
        assert torch.equal(photographs.labels(nimg, 8)[:, 1] > 0, shown)
    drawn = photographs.random_labels(0, 800)
    assert 0.68 < drawn[:, 1].mean() < 0.82
    assert not torch.equal(drawn[:8], photographs.random_labels(8, 8))
