"""Classifier two-sample test (C2ST): can a small network separate completed from real images?

Legend: n images of side R, each of them real and completed.
"""

import hashlib
import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.image import uint8_to_network
from ..core.rng import rng_for
from .images import Images
from .types import ImageValues, Method, MetricSuite

NUM_FOLDS = 3
"""Cross-validation folds."""

MIN_IMAGES = 30
"""Fewer are too few to train on and to test on."""

# Chosen on cats of 64 px: the accuracy is 0.93 on pasted photographs against their originals, 0.95
# on mean-colour fills, and 0.99 on those where the hole covers over four tenths of the image.
_EPOCHS = 18
_MIN_STEPS = 100  # with few images
_BATCH = 32  # images, each in both versions
_LEARNING_RATE = 1e-2
_WEIGHT_DECAY = 1e-2
_MOMENTUM = 0.2  # of batch statistics: with 0.1 they lag behind when there are few steps
_CROP_FRAC = 0.75  # of the side; tested on crops, too, because a maximum grows with the area
_WIDTHS = (16, 32, 64, 64)
_MAP_SIDE = 64  # in larger images, blocks of pixels become channels: nothing is scaled away


def two_sample_test(num_images: int, seed: int, device: torch.device) -> MetricSuite:
    """Return `c2st_accuracy` of first results: 1 if the classifier never errs, 0.5 if it guesses.

    It is trained once for each method, on all images; the mean over a bucket is over its
    predictions for the bucket's images. Left out with fewer than `MIN_IMAGES`.
    """
    if num_images < MIN_IMAGES:
        return MetricSuite.left_out("two_sample", f"measure on at least {MIN_IMAGES} images")

    def measure(method: Method) -> dict[str, ImageValues]:
        accuracy = c2st_accuracy(method.originals, method.first_results, seed, device)
        return {"c2st_accuracy": ImageValues.of(accuracy)}

    facts = {"two_sample": {"seed": seed, "folds": NUM_FOLDS}}
    return MetricSuite(per_method=(measure,), facts=facts)


class Classifier(nn.Module):
    """Four convolutions, then mean and maximum of the last map: one logit for each image."""

    def __init__(self, resolution: int, generator: torch.Generator) -> None:
        super().__init__()
        self.factor = max(resolution // _MAP_SIDE, 1)
        self.layers = nn.Sequential()
        for inputs, outputs in itertools.pairwise((3 * self.factor**2, *_WIDTHS)):
            stride = 2 if self.layers else 1
            conv = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
            nn.init.kaiming_normal_(conv.weight, generator=generator)
            norm = nn.BatchNorm2d(outputs, momentum=_MOMENTUM)
            self.layers.extend([conv, norm, nn.LeakyReLU(0.1)])
        self.logit = nn.Linear(2 * _WIDTHS[-1], 1)
        nn.init.zeros_(self.logit.weight)
        nn.init.zeros_(self.logit.bias)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits [n] of images [n, 3, R, R] in [-1, 1]; above 0 means real."""
        images = F.pixel_unshuffle(images, self.factor).contiguous(
            memory_format=torch.channels_last
        )
        maps = self.layers(images)
        pooled = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
        return self.logit(pooled)[:, 0]


def c2st_accuracy(
    real: Images, completed: Images, seed: int, device: torch.device | str = "cpu"
) -> Tensor:
    """Return the fraction of each image's two versions that a classifier labels correctly.

    1. Images are split into `NUM_FOLDS` folds. An image, its completion, and images with the same
       original or its mirror image are in one fold.
    2. For each fold a `Classifier` is trained on the others, with the same crop and mirroring for
       both versions, and tested on the fold.

    Args:
        real: [n, 3, R, R] uint8, at least MIN_IMAGES of them different.
        completed: [n, 3, R, R] uint8, row i completes row i of real.
        seed: of folds, weights, order and augmentation. Equal arguments give equal results on one
            kind of device and number of threads.
        device: where to train.

    Returns:
        [n] float64: 0, 0.5 or 1; 0.5 where both versions are equal.

    Raises:
        InputError: too few different images.

    Source: Lopez-Paz and Oquab 2017, arXiv:1610.06545; deviates in testing on every image once, by
        cross-validation.
    """
    fold = _assign_folds(real, seed)
    if all(map(torch.equal, real.chunks(), completed.chunks())):
        # Any label is right for one version, wrong for the other.
        return torch.full([len(real)], 0.5, dtype=torch.float64)

    def read(index: Tensor) -> Tensor:
        return torch.stack([real[index], completed[index]], dim=1).to(device)

    versions = Images((len(real), 2, *real.shape[1:]), read)
    accuracy = torch.zeros(len(real), dtype=torch.float64)  # CPU: some devices lack float64
    with torch.backends.cudnn.flags(deterministic=True, benchmark=False):
        for number in range(NUM_FOLDS):
            others, own = ((fold != number).nonzero()[:, 0], (fold == number).nonzero()[:, 0])
            classifier = _train(versions.at(others), seed, number, device)
            accuracy[own] = _test(classifier, versions.at(own))
    return accuracy


def _assign_folds(real: Images, seed: int) -> Tensor:
    """The fold [n] of each image, the same for images that are equal or mirrored."""
    alike: dict[bytes, list[int]] = {}
    every = itertools.chain.from_iterable(images.numpy() for images in real.chunks())
    for i, image in enumerate(every):
        views = (image, image[:, :, ::-1])
        key = min(hashlib.sha256(view.tobytes()).digest() for view in views)
        alike.setdefault(key, []).append(i)
    groups = list(alike.values())
    if len(groups) < MIN_IMAGES:
        raise InputError(
            f"at least {MIN_IMAGES} different images for the classifier's {NUM_FOLDS} folds",
            f"{len(groups)}",
            "Measure on more images.",
        )
    fold = torch.empty(len(real), dtype=torch.int64)
    order = torch.randperm(len(groups), generator=rng_for(seed, "folds", 0))
    for place, number in enumerate(order.tolist()):
        fold[groups[number]] = place % NUM_FOLDS
    return fold


def _train(
    versions: Images, seed: int, number: int, device: torch.device | str = "cpu"
) -> Classifier:
    """Train on images [m, 2, 3, R, R] uint8 on the device, the real version first."""
    generator = rng_for(seed, "judge", number)  # the name of the stream is permanent
    classifier = Classifier(versions.shape[-1], generator).to(device)
    optimizer = torch.optim.AdamW(
        classifier.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY
    )
    steps_per_epoch = math.ceil(len(versions) / _BATCH)
    num_epochs = max(_EPOCHS, math.ceil(_MIN_STEPS / steps_per_epoch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _LEARNING_RATE, total_steps=num_epochs * steps_per_epoch
    )
    for _ in range(num_epochs):
        order = torch.randperm(len(versions), generator=generator)
        for index in order.split(_BATCH):
            images = _augment(versions[index], generator)
            real, completed = classifier(images.flatten(0, 1)).view(-1, 2).unbind(1)
            loss = F.softplus(-real).mean() + F.softplus(completed).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return classifier.eval()


def _augment(versions: Tensor, generator: torch.Generator) -> Tensor:
    """One crop for the batch, one mirroring for both versions of an image."""
    side, spare = _crop(versions.shape[-1])
    top, left = torch.randint(spare + 1, (2,), generator=generator).tolist()
    images = uint8_to_network(versions[..., top : top + side, left : left + side])
    mirrored = torch.rand(len(versions), generator=generator) < 0.5
    mirrored = mirrored.to(images.device)[:, None, None, None, None]
    return torch.where(mirrored, images.flip(4), images)


@torch.inference_mode()
def _test(classifier: Classifier, versions: Images) -> Tensor:
    """Accuracy of each image [m], on the sum over four corner crops and their mirror images."""
    side, spare = _crop(versions.shape[-1])
    logits = torch.zeros(len(versions), 2)
    for index in torch.arange(len(versions)).split(_BATCH):
        whole = versions[index]
        for top, left in itertools.product((0, spare), repeat=2):
            part = whole[..., top : top + side, left : left + side]
            images = uint8_to_network(part).flatten(0, 1)
            found = classifier(images) + classifier(images.flip(3))
            logits[index] += found.view(-1, 2).cpu()
    real, completed = logits.unbind(1)
    return ((real > 0).double() + (completed <= 0).double()) / 2


def _crop(R: int) -> tuple[int, int]:
    """Side of a crop, and the rest of the image's side."""
    unit = max(R // _MAP_SIDE, 1)  # crops consist of whole blocks
    side = max(round(_CROP_FRAC * R / unit), 1) * unit
    return side, R - side
