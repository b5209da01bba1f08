"""Photographs that several processes read, some of them damaged."""

import numpy as np
import pytest
import torch
from PIL import Image

from diverse_inpainting.core import dataset
from diverse_inpainting.core.dataset import load_images
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.evaluation.images import Storage
from diverse_inpainting.evaluation.photographs import names_of, read_photographs
from evaluation_samples import in_threads


@pytest.fixture
def data(tmp_path):
    """Six images of noise and several sizes, of which number 2 is damaged."""
    (tmp_path / "data").mkdir()
    for k in range(6):
        noise = np.random.default_rng(k).integers(256, size=[20 + k, 30, 3], dtype=np.uint8)
        Image.fromarray(noise).save(tmp_path / "data" / f"{k}.png")
    (tmp_path / "data" / "2.png").write_bytes(b"no image")
    return tmp_path / "data"


def test_they_are_read_as_training_reads_them(data, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(dataset, "_MAX_UNREADABLE_FRAC", 0.5)
    names, expected = load_images(data, 16)
    caplog.clear()
    found = read_photographs(data, names_of(data), 16, Storage(tmp_path))
    assert found.names == names == [f"{k}.png" for k in (0, 1, 3, 4, 5)]
    assert torch.equal(found.images[:], expected)
    assert len(caplog.messages) == 1 and "skipped 2.png" in caplog.text

    def work(processes):
        storage = Storage(tmp_path / "both", processes)
        read = read_photographs(data, names_of(data), 16, storage)
        return read.names, read.images[:]

    for own_names, images in in_threads(2, work):
        assert own_names == names and torch.equal(images, expected)


def test_only_some_and_in_the_order_that_is_asked_for(data, tmp_path):
    found = read_photographs(data, ["5.png", "0.png"], 16, Storage(tmp_path))
    assert found.names == ["5.png", "0.png"]
    every = [read_photographs(data, [name], 16, Storage(tmp_path)) for name in found.names]
    assert torch.equal(found.images[:], torch.cat([one.images[:] for one in every]))


def test_too_many_unreadable_ones(data, tmp_path):
    with pytest.raises(InputError, match=r"1 of 6 images.*the first being 2\.png"):
        read_photographs(data, names_of(data), 16, Storage(tmp_path))
    with pytest.raises(InputError, match="No such folder"):
        names_of(tmp_path / "absent")
