"""Images that are read when needed, and the files that keep them."""

import gc

import numpy as np
import pytest
import torch

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.evaluation.images import CHUNK, Images, Storage, chunks, spread
from evaluation_samples import in_threads, noise


def test_positions_of_positions():
    images = Images.of(torch.arange(10))
    chosen = images.at(torch.tensor([7, 5, 1])).at(torch.tensor([2, 0]))
    assert len(chosen) == 2 and chosen[:].tolist() == [1, 7]
    assert chosen[torch.tensor([1, 1])].tolist() == [7, 7]


def test_a_variant_is_one_of_each_group():
    whole = noise(4, 2, 3, 8, 8)
    second = Images.of(whole).variant(1)
    assert second.shape == (4, 3, 8, 8) and torch.equal(second[1:3], whole[1:3, 1])


def test_chunks_are_all_positions():
    parts = chunks(2 * CHUNK + 1)
    assert [len(part) for part in parts] == [CHUNK, CHUNK, 1]
    assert torch.equal(torch.cat(parts), torch.arange(2 * CHUNK + 1))
    images = noise(CHUNK + 2, 1, 2, 2)
    assert torch.equal(torch.cat(list(Images.of(images).chunks())), images)


@pytest.mark.parametrize("dtype", [np.uint8, np.bool_])
def test_what_was_written_is_read_and_leaves_nothing(tmp_path, dtype):
    values = noise(6, 3, 4, 4)
    values = values > 128 if dtype is np.bool_ else values
    stored = Storage(tmp_path / "out").room(*values.shape, dtype=dtype)
    order = torch.tensor([4, 0, 5])
    stored.write(order, values[order].transpose(2, 3).contiguous().transpose(2, 3))
    images = stored.images
    assert images.shape == (6, 3, 4, 4) and torch.equal(
        images[order.flip(0)], values[order.flip(0)]
    )
    assert not images[torch.tensor([1])].any(), "nobody wrote it"
    assert not list((tmp_path / "out").iterdir())


def test_processes_share_files_that_vanish_with_the_last_reader(tmp_path):
    values = noise(7, 3, 4, 4)

    def work(processes):
        storage = Storage(tmp_path / "out", processes)
        stored = [storage.room(*values.shape) for _ in range(2)]
        for place, image in storage.share(list(values)):
            stored[1].write(torch.tensor([place]), image[None])
        storage.meet()
        return stored[1].images

    found = in_threads(3, work)
    assert all(torch.equal(images[:], values) for images in found)
    assert len(list((tmp_path / "out").iterdir())) == 1
    del found
    gc.collect()
    assert not list((tmp_path / "out").iterdir())


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    stored = Storage(tmp_path).room(1, 4)

    def fail(data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stored, "_file", type("Full", (), {"seek": id, "write": fail}))
    with pytest.raises(InputError, match=r"No space left on device.*Free some space"):
        stored.write(torch.tensor([0]), torch.zeros(1, 4, dtype=torch.uint8))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="Choose another folder"):
        Storage(tmp_path / "file")


@pytest.mark.parametrize(("num", "expected"), [(3, "ace"), (7, "abcdefg"), (9, "abcdefg")])
def test_evenly_spaced(num, expected):
    assert "".join(spread("abcdefg", num)) == expected
