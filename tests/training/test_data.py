"""Photographs: the order of batches, and what is held out."""

import pytest
import torch

from diverse_inpainting.training.config import DataConfig
from diverse_inpainting.training.data import Photographs

R = 8


def numbered(count):
    """Pictures whose left half says which one it is."""
    pictures = torch.zeros(count, 3, R, R, dtype=torch.uint8)
    pictures[:, :, :, : R // 2] = torch.arange(1, count + 1, dtype=torch.uint8)[:, None, None, None]
    return pictures


def shown(batch):
    """Return [(number, is mirrored), ...] of a batch."""
    values = batch.add(1).mul(127.5).round().long()[:, 0, 0]
    return [(int(row.max()) - 1, bool(row[0] == 0)) for row in values]


def photographs(count=10, seed=3, **config):
    return Photographs(numbered(count), DataConfig(**config), seed)


def test_values_lie_in_minus_one_to_one():
    pictures = torch.tensor([0, 255], dtype=torch.uint8)[:, None, None, None].expand(2, 3, R, R)
    batch = Photographs(pictures, DataConfig(), 0).batch(0, 2)
    assert batch.dtype == torch.float32
    assert sorted(batch[:, 0, 0, 0].tolist()) == [-1.0, 1.0]


@pytest.mark.parametrize("every", [2, 3, 11])
def test_every_nth_is_held_out(every):
    data = photographs(30, holdout_every=every, mirror=False)
    held = [int(p.max()) - 1 for p in data.held_out]
    assert held == list(range(0, 30, every))
    seen = {number for number, _ in shown(data.batch(0, len(data.training)))}
    assert seen == set(range(30)) - set(held)


def test_nothing_held_out_by_default():
    data = photographs(10)
    assert len(data.held_out) == 0
    assert len(data.training) == 10


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


def test_training_does_not_write_into_the_pictures():
    data = photographs(mirror=False)
    before = data.training.clone()
    data.batch(0, 10).zero_()
    assert torch.equal(data.training, before)
