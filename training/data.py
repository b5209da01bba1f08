"""Photographs for training, kept as bytes, and their class labels."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..core.dataset import READ_ERRORS, load_images
from ..core.distributed import WHOLE, Draws, Shard
from ..core.errors import ConfigError, InputError
from ..core.foreign_data import parse_json
from ..core.image import uint8_to_network
from ..core.image_digests import digests_of
from ..core.image_listing import is_image_list, open_zip
from ..core.rng import rng_for
from .config import DataConfig
from .hardware import send

_LABELS_FILE = "dataset.json"
_BLOCK = 4096  # images


@dataclass(frozen=True, eq=False)
class Split:
    """What the files of images say: which they are, and which of them are held out."""

    digests: Sequence[bytes]
    """Of the N images, see core/image_digests.py."""
    apart: Tensor | None = None
    """Images that are held out in place of those that the recipe chooses, [M, 3, R, R] uint8."""
    apart_digests: frozenset[bytes] = frozenset()
    """Of these; images among the N that have one are not trained on."""

    @property
    def is_apart(self) -> Tensor:
        """Which of the N are held out by name of their bytes, [N] bool."""
        return torch.tensor([digest in self.apart_digests for digest in self.digests])

    def digests_where(self, chosen: Tensor) -> frozenset[bytes]:
        """Return the digests of the images chosen by [N] bool."""
        return frozenset(d for d, c in zip(self.digests, chosen.tolist(), strict=True) if c)


def load_photographs(
    source: Path, resolution: int, holdout: Path | None
) -> tuple[list[str], Tensor, Split]:
    """Return the names and images of a source, as `load_images` does, and their split.

    Args:
        source: folder, zip or list.
        resolution: R, in pixels.
        holdout: folder, zip or list of images to hold out; None leaves that to the recipe.

    Raises:
        InputError: one of them is unusable, or all images of the source are held out.
    """
    names, images = load_images(source, resolution)
    found = digests_of(source, names)
    digests = [found[name] for name in names]
    if holdout is None:
        return names, images, Split(digests)
    apart_names, apart = load_images(holdout, resolution)
    split = Split(digests, apart, frozenset(digests_of(holdout, apart_names).values()))
    require_training_images(source, digests, holdout, split.apart_digests)
    return names, images, split


def require_training_images(
    source: Path, digests: Iterable[bytes], holdout: Path, apart: Collection[bytes]
) -> None:
    """Raise InputError if all images of the source are among those that are held out.

    Args:
        source: folder, zip or list.
        digests: of its images, see core/image_digests.py; read up to the first that is left.
        holdout: folder, zip or list of images to hold out.
        apart: their digests.
    """
    if all(digest in apart for digest in digests):
        raise InputError(
            f"images in {source} that are not in {holdout}",
            "none",
            "Give --holdout images that training is to leave out.",
            problem=f"All images of {source} are held out: they are in {holdout}, too.",
        )


class Photographs:
    """Batches of photographs that depend only on (seed, images seen)."""

    def __init__(
        self,
        images: Tensor,
        config: DataConfig,
        seed: int,
        labels: Tensor | None = None,
        split: Split | None = None,
    ) -> None:
        """Split and shuffle images.

        Args:
            images: [N, 3, R, R] uint8.
            config: which are held out for choosing checkpoints, and whether to mirror.
            seed: of the order.
            labels: one-hot [N, K]; None for no classes.
            split: what the files say of the images; None where they come from no files.

        Raises:
            ConfigError: all images would be held out.
        """
        is_held_out = held_out(len(images), config, split)
        self._images = images  # no copies of the parts: they can be larger than the memory
        self._training = (~is_held_out).nonzero().flatten()
        self._held_out = is_held_out.nonzero().flatten()
        self._apart = None if split is None else split.apart
        self.trained = None if split is None else split.digests_where(~is_held_out)
        """Digests of the training images, see core/image_digests.py."""
        labels = torch.zeros(len(images), 0) if labels is None else labels
        self._labels = labels[~is_held_out]
        self._config = config
        self._seed = seed

    def unseen(self, num: int) -> Tensor:
        """Return the first held-out images, [n, 3, R, R]; training images if none are held out."""
        if self._apart is not None:
            return self._apart[:num]
        index = self._held_out if len(self._held_out) else self._training
        return self._images[index[:num].to(self._images.device)]

    def training_blocks(self) -> Iterator[Tensor]:
        """Yield the training images in order, a few at a time."""
        for index in self._training.split(_BLOCK):
            yield self._images[index.to(self._images.device)]

    def to(self, device: torch.device) -> "Photographs":
        """Move the images to the device."""
        self._images, self._labels = self._images.to(device), self._labels.to(device)
        return self

    def batch(self, nimg: int, size: int, shard: Shard = WHOLE) -> Tensor:
        """Return the shard of images nimg .. nimg + size - 1 of the endless shuffled sequence.

        Returns:
            [n, 3, R, R] float32 in [-1, 1], each mirrored with probability one half.
        """
        device = self._images.device
        index = send(self._training[self._index(nimg, size, shard)], device)
        images = uint8_to_network(self._images[index])
        if self._config.mirror:
            draws = Draws(rng_for(self._seed, "mirror", nimg), shard)
            coin = send(draws.uniform(len(images)) < 0.5, device)
            images = torch.where(coin[:, None, None, None], images.flip(3), images)
        return images

    def labels(self, nimg: int, size: int, shard: Shard = WHOLE) -> Tensor:
        """Return the labels of the images of `batch`, one-hot [n, K]."""
        return self._labels[send(self._index(nimg, size, shard), self._labels.device)]

    def random_labels(self, nimg: int, size: int, shard: Shard = WHOLE) -> Tensor:
        """Return the labels of random images, one-hot [n, K]."""
        draws = Draws(rng_for(self._seed, "labels", nimg), shard)
        index = draws.integers(0, len(self._labels), size // shard.count)
        return self._labels[send(index, self._labels.device)]

    def _index(self, nimg: int, size: int, shard: Shard) -> Tensor:
        count = len(self._training)
        positions = torch.arange(nimg, nimg + size)
        order = {e: self._order(e) for e in range(nimg // count, (nimg + size - 1) // count + 1)}
        return torch.stack([order[int(p) // count][int(p) % count] for p in shard.take(positions)])

    def _order(self, epoch: int) -> Tensor:
        generator = rng_for(self._seed, "order", epoch)
        return torch.randperm(len(self._training), generator=generator)


def held_out(count: int, config: DataConfig, split: Split | None) -> Tensor:
    """Return which of count images, in the order of their names, are held out: [count] bool.

    Raises:
        ConfigError: all of them, as the recipe chooses.
    """
    if split is not None and split.apart is not None:
        return split.is_apart
    index = torch.arange(count)
    is_held_out = index >= count - config.holdout_last
    if config.holdout_every and count > 1:  # a single image is always trained on
        is_held_out |= index % config.holdout_every == 0
    if count and bool(is_held_out.all()):
        raise ConfigError(
            f"a holdout_last below {count}, the number of images",
            str(config.holdout_last),
            "Give more images, or hold fewer out, for example with --set data.holdout_last=0.",
        )
    return is_held_out


def load_labels(source: Path, names: Sequence[str], num_classes: int) -> Tensor:
    """Return the class labels of images, one-hot [N, num_classes] float32.

    They come from dataset.json in the folder or zip or beside the list, as StyleGAN's tools write
    it: {"labels": [["00000/img00000000.png", 6], ...]}.

    Args:
        source: folder, zip file or list.
        names: names of the images, as `load_images` returns them.
        num_classes: number of classes; 0 needs no file.

    Raises:
        InputError: the file is missing or of another form, or the label of an image is missing or
            not a number from 0 to num_classes - 1.
    """
    if num_classes == 0:
        return torch.zeros(len(names), 0)
    by_name = _read_labels(source, num_classes)
    labels = [by_name.get(name.replace("\\", "/")) for name in names]
    for name, label in zip(names, labels, strict=True):
        if type(label) is not int or not 0 <= label < num_classes:
            raise InputError(
                f"a label from 0 to {num_classes - 1} for each image in {_LABELS_FILE}",
                f"{label!r} for {name}",
                f"Correct {_LABELS_FILE}, or num_classes of generator and discriminator in the "
                "recipe.",
            )
    return torch.eye(num_classes)[torch.tensor(labels)]


def _read_labels(source: Path, num_classes: int) -> dict[str, object]:
    source = source.parent if is_image_list(source) else source
    try:
        if source.is_dir():
            text = (source / _LABELS_FILE).read_bytes()
        else:
            with open_zip(source) as archive:
                text = archive.read(_LABELS_FILE)
    except (FileNotFoundError, KeyError) as error:
        raise InputError(
            f"{_LABELS_FILE} beside the images, for a recipe with {num_classes} classes",
            f"none in {source}",
            "Add it, or set num_classes of generator and discriminator to 0.",
        ) from error
    except READ_ERRORS as error:
        expected = f"a readable {_LABELS_FILE} in {source}"
        raise InputError(expected, f"an error ({error})", "Pack the images anew.") from error
    try:
        return dict(parse_json(text)["labels"])  # pyright: ignore[reportIndexIssue] - caught
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f'{_LABELS_FILE} of the form {{"labels": [["name.png", 0], ...]}}',
            f"another one in {source} ({type(error).__name__})",
            "Write it again.",
        ) from error
