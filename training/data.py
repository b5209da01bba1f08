"""Photographs for training, kept in memory as bytes."""

import torch
from torch import Tensor

from ..core.rng import WHOLE, Draws, Shard, generator_for
from .config import DataConfig
from .hardware import send


class Photographs:
    """Batches of photographs that depend on (seed, images seen) alone."""

    def __init__(
        self, pictures: Tensor, config: DataConfig, seed: int, labels: Tensor | None = None
    ) -> None:
        """Deal out pictures.

        Args:
            pictures: [N, 3, R, R] uint8.
            config: which are kept for choosing checkpoints, and whether they are mirrored.
            seed: of the order.
            labels: one-hot [N, K]; None for no classes.
        """
        # A single picture is kept for training: there would be nothing left to draw from.
        every = config.holdout_every if len(pictures) > 1 else 0
        held = torch.arange(len(pictures)) % every == 0 if every else torch.zeros(len(pictures)) > 0
        self.training = pictures[~held]
        self.held_out = pictures[held]
        labels = torch.zeros(len(pictures), 0) if labels is None else labels
        self._labels = labels[~held]
        self._config = config
        self._seed = seed

    @property
    def unseen(self) -> Tensor:
        """Pictures that no training sees; where none are kept for that, those that it sees."""
        return self.held_out if len(self.held_out) else self.training

    def to(self, device: torch.device) -> "Photographs":
        """Move the training pictures to the device."""
        self.training, self._labels = self.training.to(device), self._labels.to(device)
        return self

    def batch(self, nimg: int, size: int, shard: Shard = WHOLE) -> Tensor:
        """Return the shard of images nimg .. nimg + size - 1 of the endless shuffled sequence.

        Returns:
            [n, 3, R, R] float32 in [-1, 1], each mirrored with probability one half.
        """
        device = self.training.device
        index = send(self._index(nimg, size, shard), device)
        images = self.training[index].float().div_(127.5).sub_(1)
        if self._config.mirror:
            draws = Draws(generator_for(self._seed, "mirror", nimg), shard)
            coin = send(draws.uniform(len(images)) < 0.5, device)
            images = torch.where(coin[:, None, None, None], images.flip(3), images)
        return images

    def labels(self, nimg: int, size: int, shard: Shard = WHOLE) -> Tensor:
        """Return the labels of the pictures of `batch`, one-hot [n, K]."""
        return self._labels[send(self._index(nimg, size, shard), self._labels.device)]

    def random_labels(self, nimg: int, size: int, shard: Shard = WHOLE) -> Tensor:
        """Return labels of random pictures, one-hot [n, K], as often as they occur."""
        draws = Draws(generator_for(self._seed, "labels", nimg), shard)
        index = draws.integers(0, len(self._labels), size // shard.count)
        return self._labels[send(index, self._labels.device)]

    def _index(self, nimg: int, size: int, shard: Shard) -> Tensor:
        count = len(self.training)
        positions = torch.arange(nimg, nimg + size)
        order = {e: self._order(e) for e in range(nimg // count, (nimg + size - 1) // count + 1)}
        return torch.stack([order[int(p) // count][int(p) % count] for p in shard.take(positions)])

    def _order(self, epoch: int) -> Tensor:
        generator = generator_for(self._seed, "order", epoch)
        return torch.randperm(len(self.training), generator=generator)
