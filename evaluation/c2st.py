"""Classifier two-sample test: can a small network tell completed pictures from real ones?

Legend: n pictures of side R, each of them real and completed.
"""

import hashlib
import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.errors import InputError
from ..core.rng import generator_for

NUM_FOLDS = 3
"""Parts of the pictures; each is judged by a network that learned from the others."""

MIN_PICTURES = 30
"""With fewer, there are too few to learn from and too few to judge."""

# Chosen on cats of 64 px: 0.93 of pasted photographs and of their originals are told apart,
# of mean-colour fills 0.95, and 0.99 where the hole has over four tenths of the picture.
_EPOCHS = 18
_MIN_STEPS = 100  # where there are few pictures
_BATCH = 32  # pictures, each in both versions
_LEARNING_RATE = 1e-2
_WEIGHT_DECAY = 1e-2
_MOMENTUM = 0.2  # of batch statistics: with 0.1 they lag behind where steps are few
_CROP_FRAC = 0.75  # of the side; judged in crops, too: a maximum grows with the area
_WIDTHS = (16, 32, 64, 64)
_MAP_SIDE = 64  # of larger pictures, blocks of pixels become channels: nothing is scaled away


class Judge(nn.Module):
    """Four convolutions, and mean and maximum of the last map: one logit for each picture."""

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
        """Return the logits [n] of pictures [n, 3, R, R] in [-1, 1]; above 0 says real."""
        images = F.pixel_unshuffle(images, self.factor).contiguous(
            memory_format=torch.channels_last
        )
        maps = self.layers(images)
        pooled = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
        return self.logit(pooled)[:, 0]


def share_told_apart(
    real: Tensor, completed: Tensor, seed: int, device: torch.device | str = "cpu"
) -> Tensor:
    """Return how many of a picture's two versions a network that never saw it judges rightly.

    1. Pictures are dealt into `NUM_FOLDS` folds; a picture, its completion, and pictures whose
       original is pixel for pixel the same or its mirror image are in one fold.
    2. For each fold a `Judge` learns from the others, both versions with the same crop and the
       same mirroring, and judges the fold's pictures.
    3. The mean is 1 where completions are always told from photographs, 0.5 where they never are.

    Args:
        real: [n, 3, R, R] uint8, at least MIN_PICTURES of them different.
        completed: [n, 3, R, R] uint8, row i completes row i of real.
        seed: of folds, weights, order and augmentation: equal arguments give equal results on one
            kind of device and number of threads.
        device: where to train.

    Returns:
        [n] float64: 0, 0.5 or 1; 0.5 where both versions are equal.

    Raises:
        InputError: too few pictures that differ, or shapes that do not fit.

    Source: Lopez-Paz and Oquab 2017, arXiv:1610.06545; deviates in using every picture for the
    test once, by cross-validation.
    """
    _check(real, completed)
    fold = _deal(real, seed)
    if torch.equal(real, completed):  # any answer is right for one version, wrong for the other
        return torch.full([len(real)], 0.5, dtype=torch.float64)
    versions = torch.stack([real, completed], dim=1).to(device)
    shares = torch.zeros(len(real), dtype=torch.float64)  # which not every device has
    with torch.backends.cudnn.flags(deterministic=True, benchmark=False):
        for number in range(NUM_FOLDS):
            judge = _train(versions[fold != number], seed, number)
            shares[fold == number] = _answer(judge, versions[fold == number])
    return shares


def _deal(real: Tensor, seed: int) -> Tensor:
    """The fold [n] of each picture, the same for all that are alike."""
    alike: dict[bytes, list[int]] = {}
    for i, picture in enumerate(real.numpy()):
        views = (picture, picture[:, :, ::-1])
        key = min(hashlib.sha256(view.tobytes()).digest() for view in views)
        alike.setdefault(key, []).append(i)
    groups = list(alike.values())
    if len(groups) < MIN_PICTURES:
        raise InputError(
            f"at least {MIN_PICTURES} pictures that differ, for the classifier's {NUM_FOLDS} folds",
            f"{len(groups)}",
            "Evaluate on more.",
        )
    fold = torch.empty(len(real), dtype=torch.int64)
    order = torch.randperm(len(groups), generator=generator_for(seed, "folds", 0))
    for place, number in enumerate(order.tolist()):
        fold[groups[number]] = place % NUM_FOLDS
    return fold


def _train(versions: Tensor, seed: int, number: int) -> Judge:
    """A judge that learned from pictures [m, 2, 3, R, R] uint8, the real version first."""
    generator = generator_for(seed, "judge", number)
    judge = Judge(versions.shape[-1], generator).to(versions.device)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    steps_per_epoch = math.ceil(len(versions) / _BATCH)
    num_epochs = max(_EPOCHS, math.ceil(_MIN_STEPS / steps_per_epoch))
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, _LEARNING_RATE, total_steps=num_epochs * steps_per_epoch
    )
    for _ in range(num_epochs):
        order = torch.randperm(len(versions), generator=generator)
        for index in order.to(versions.device).split(_BATCH):
            images = _augment(versions[index], generator)
            real, completed = judge(images.flatten(0, 1)).view(-1, 2).unbind(1)
            loss = F.softplus(-real).mean() + F.softplus(completed).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return judge.eval()


def _augment(versions: Tensor, generator: torch.Generator) -> Tensor:
    """One crop for the batch, one mirroring for both versions of a picture."""
    side, spare = _crop(versions)
    top, left = torch.randint(spare + 1, (2,), generator=generator).tolist()
    images = _signed(versions[..., top : top + side, left : left + side])
    mirrored = torch.rand(len(versions), generator=generator) < 0.5
    mirrored = mirrored.to(images.device)[:, None, None, None, None]
    return torch.where(mirrored, images.flip(4), images)


@torch.inference_mode()
def _answer(judge: Judge, versions: Tensor) -> Tensor:
    """Shard of right answers [m], each from the sum over four corner crops and their mirrors."""
    side, spare = _crop(versions)
    logits = torch.zeros(len(versions), 2, device=versions.device)
    for index in torch.arange(len(versions), device=versions.device).split(_BATCH):
        for top, left in itertools.product((0, spare), repeat=2):
            part = versions[index, ..., top : top + side, left : left + side]
            images = _signed(part).flatten(0, 1)
            logits[index] += (judge(images) + judge(images.flip(3))).view(-1, 2)
    real, completed = logits.cpu().unbind(1)
    return ((real > 0).double() + (completed <= 0).double()) / 2


def _crop(versions: Tensor) -> tuple[int, int]:
    """Side of a crop, and what is left of the picture's side."""
    R = versions.shape[-1]
    unit = max(R // _MAP_SIDE, 1)  # crops consist of whole blocks
    side = max(round(_CROP_FRAC * R / unit), 1) * unit
    return side, R - side


def _signed(pictures: Tensor) -> Tensor:
    return pictures.float() / 127.5 - 1


def _check(real: Tensor, completed: Tensor) -> None:
    if real.shape != completed.shape or real.shape[2] != real.shape[3]:
        raise InputError(
            "real and completed square pictures of one shape, [n, 3, R, R]",
            f"{list(real.shape)} and {list(completed.shape)}",
            "Give one result per picture.",
        )
