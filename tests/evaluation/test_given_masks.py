"""Published masks: images, .npz files, and what is wrong with them."""

import numpy as np
import pytest
import torch
from PIL import Image

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.evaluation.given_masks import read_mask_set
from diverse_inpainting.evaluation.images import Storage
from evaluation_samples import in_threads


@pytest.fixture
def read(tmp_path):
    def answer(source, resolution=16, inverted=False):
        storage = Storage(tmp_path / "out")
        return read_mask_set(source, resolution, inverted=inverted, storage=storage)

    return answer


def upper(rows, side=16):
    """1 in the upper rows."""
    mask = np.zeros((side, side), np.uint8)
    mask[:rows] = 1
    return mask


def test_images_of_any_size_and_their_names(read, tmp_path):
    (tmp_path / "m" / "sub").mkdir(parents=True)
    Image.fromarray(255 * upper(4)).save(tmp_path / "m" / "b.png")
    Image.fromarray(255 * upper(32, 64)).convert("RGB").save(tmp_path / "m" / "sub" / "a.png")
    (tmp_path / "m" / "notes.txt").touch()
    found = read(tmp_path / "m")
    assert found.names == ["b", "sub_a"] and found.ratios.tolist() == [0.25, 0.5]
    assert found.masks.shape == (2, 1, 16, 16) and found.masks[:].dtype == torch.bool
    assert torch.equal(found.masks[:1][0, 0].byte(), torch.from_numpy(upper(4)))
    assert found.within((0.25, 0.5)).tolist() == [0]


def test_black_that_erases(read, tmp_path):
    (tmp_path / "m").mkdir()
    Image.fromarray(255 * upper(4)).save(tmp_path / "m" / "b.png")
    assert read(tmp_path / "m", inverted=True).ratios.tolist() == [0.75]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
@pytest.mark.parametrize("shape", [(3, 16, 16), (3, 1, 16, 16), (3, 16, 16, 1)])
def test_a_stack_has_no_names(read, tmp_path, dtype, shape):
    stack = np.stack([upper(4), upper(8), upper(12)]).astype(dtype).reshape(shape)
    np.savez(tmp_path / "m.npz", masks=stack)
    found = read(tmp_path / "m.npz")
    assert found.names == [""] * 3 and found.ratios.tolist() == [0.25, 0.5, 0.75]


def test_named_arrays_and_one_mask_for_each_file(read, tmp_path):
    (tmp_path / "m").mkdir()
    np.savez_compressed(tmp_path / "all.npz", a=255 * upper(4), b=255 * upper(8))
    assert read(tmp_path / "all.npz").names == ["a", "b"]
    np.savez(tmp_path / "m" / "y.npz", upper(8))
    np.savez(tmp_path / "m" / "x.npz", upper(4))
    found = read(tmp_path / "m")
    assert found.names == ["x", "y"] and found.ratios.tolist() == [0.25, 0.5]


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (upper(0), "m.npz cannot be used.*erases nothing.*--invert-masks"),
        (upper(16), "a full one, .*m.npz.*--invert-masks"),
        (np.ones((16, 20)), "aspect ratio"),
        (np.ones((2, 2, 2, 2, 2)), "of shape"),
        (np.full((16, 16), 2.5), "cannot be used"),
        (np.array([object()]), "cannot be read"),
        (np.array([["a", "b"], ["c", "d"]]), "other than real numbers"),
    ],
)
def test_unusable_masks(read, tmp_path, mask, words):
    np.savez(tmp_path / "m.npz", mask)
    with pytest.raises(InputError, match=words):
        read(tmp_path / "m.npz")


def test_unusable_sources(read, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "m.zip").write_bytes(b"no archive")
    (tmp_path / "empty" / "._m.npz").write_bytes(b"of macOS")
    np.save(tmp_path / "m.npy", upper(4))
    for source, words in (
        ("empty", "which has none"),
        ("m.zip", "cannot be read"),
        ("m.npy", "cannot be read"),
    ):
        with pytest.raises(InputError, match=words):
            read(tmp_path / source)


def test_processes_read_what_one_reads(read, tmp_path):
    np.savez(tmp_path / "m.npz", np.stack([upper(k) for k in range(1, 6)]))

    def work(processes):
        storage = Storage(tmp_path / "both", processes)
        found = read_mask_set(tmp_path / "m.npz", 16, inverted=False, storage=storage)
        return found.masks[:], found.ratios

    alone = read(tmp_path / "m.npz")
    for masks, ratios in in_threads(2, work):
        assert torch.equal(masks, alone.masks[:]) and torch.equal(ratios, alone.ratios)
