"""Teaches `Familiarity` to tell images that the model knows from those that it does not.

Legend: N images, R side in pixels, s the side at which they are judged.
"""

import dataclasses
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ..core.checkpoint import Checkpoint
from ..core.image import network_to_uint8, uint8_to_network
from ..core.latents import sample_z
from ..core.masks import sample_hole_masks
from ..core.networks import Familiarity, FamiliarityConfig
from ..core.printable import get_logger
from .outliers import make_outliers

_log = get_logger(__name__)

_CHUNK = 32
_LEARNING_RATE = 2e-3
_WARNED_FRAC = 0.025
"""Of known images that training has not seen; the threshold is set by it."""
_MASKS_EACH = 4  # masks for each held-out image when the threshold is set


@dataclass(frozen=True, kw_only=True)
class Teaching:
    """How the classifier is taught."""

    num_steps: int = 6000
    """Updates."""
    batch_size: int = 64
    """Known images of a step; as many outliers are added."""
    num_outliers: int = 24_000
    """Outliers that are made of the known images, once."""
    num_masks: int = 3000
    """Hole masks (`paper`), in any combination with the images."""
    num_generated: int = 2048
    """Images that the generator makes where there are no photographs; an eighth is held out."""
    seed: int = 0
    """Of everything random."""


def add_familiarity(
    checkpoint: Checkpoint,
    photographs: tuple[Tensor, Tensor] | None = None,
    teaching: Teaching = Teaching(),
) -> Checkpoint:
    """Return a checkpoint with the classifier; its other parts are untouched.

    Args:
        checkpoint: with a generator.
        photographs: [N, 3, R, R] uint8, to learn from and to set the threshold with; None takes
            images that the generator makes.
        teaching: sizes and seed.
    """
    if photographs is None:
        generated = _generated(checkpoint, teaching)
        photographs = generated[len(generated) // 8 :], generated[: len(generated) // 8]
    config = FamiliarityConfig()
    classifier, measures = learn(*photographs, config, teaching)
    tensors = {f"familiarity.{name}": value for name, value in classifier.state_dict().items()}
    diagnostics = {**checkpoint.training.get("diagnostics", {}), "familiarity": measures}
    return dataclasses.replace(
        checkpoint,
        config=dataclasses.replace(checkpoint.config, familiarity=config),
        tensors={**checkpoint.tensors, **tensors},
        training={**checkpoint.training, "diagnostics": diagnostics},
    )


def learn(
    known: Tensor, held_out: Tensor, config: FamiliarityConfig, teaching: Teaching
) -> tuple[Familiarity, dict[str, float]]:
    """Return a trained classifier, and how often it warns of images that it has not seen.

    Args:
        known: [N, 3, R, R] uint8.
        held_out: [N', 3, R, R] uint8, set the threshold.
        config: of the classifier.
        teaching: sizes and seed.

    Returns:
        The classifier in eval mode; `known_warned` and `outliers_warned`, fractions.
    """
    generator = torch.Generator().manual_seed(teaching.seed)
    R, side = known.shape[-1], config.side
    known, held_out = (_shrunk(images, side) for images in (known, held_out))
    num_drawn = teaching.num_steps * teaching.batch_size
    num_outliers = min(teaching.num_outliers, num_drawn)
    picks = torch.randint(len(known), (num_outliers,), generator=generator)
    outliers = make_outliers(known[picks], generator)
    num_masks = min(teaching.num_masks, 2 * num_drawn)
    holes = sample_hole_masks("paper", num_masks, R, teaching.seed)
    valid = (F.avg_pool2d(holes, R // side) < 0.5).float()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(teaching.seed)
        classifier = Familiarity(config)
        _train(classifier, (known, outliers, valid), teaching, generator)
    classifier.eval().requires_grad_(False)
    fresh = make_outliers(held_out, generator)
    scores = [_scores(classifier, images, valid, generator) for images in (held_out, fresh)]
    threshold = scores[0].quantile(1 - _WARNED_FRAC)
    classifier.output.bias.sub_(threshold)
    rates = [float((score > threshold).float().mean()) for score in scores]
    return classifier, dict(zip(("known_warned", "outliers_warned"), rates, strict=True))


def _train(
    classifier: Familiarity,
    pools: tuple[Tensor, Tensor, Tensor],
    teaching: Teaching,
    generator: Generator,
) -> None:
    """Train on known images, outliers and masks."""
    known, outliers, valid = pools
    num_steps, batch_size = teaching.num_steps, teaching.batch_size
    optimizer = torch.optim.AdamW(classifier.parameters(), _LEARNING_RATE, weight_decay=1e-2)
    label = torch.ones(2 * batch_size)
    label[:batch_size] = -1
    for step in range(num_steps):
        for group in optimizer.param_groups:
            warm_up = min(1.0, (step + 1) / 100)
            group["lr"] = _LEARNING_RATE * warm_up * (1 + math.cos(math.pi * step / num_steps)) / 2
        images = torch.cat(
            [
                _varied(_draw(known, batch_size, generator), generator),
                _draw(outliers, batch_size, generator),
            ]
        )
        masks = _draw(valid, 2 * batch_size, generator)
        loss = F.softplus(-label * classifier(images * masks, masks)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 500 == 0:
            _log.info("familiarity: step %d of %d, loss %.3f", step, num_steps, loss.item())


def _draw(images: Tensor, num: int, generator: Generator) -> Tensor:
    """Return random images or masks, each mirrored with probability one half."""
    drawn = images[torch.randint(len(images), (num,), generator=generator)]
    mirrored = torch.rand(num, 1, 1, 1, generator=generator) < 0.5
    return torch.where(mirrored, drawn.flip(3), drawn)


def _varied(images: Tensor, generator: Generator) -> Tensor:
    """Move, scale and relight known images: a cat a little aside is still a cat."""
    N = len(images)

    def around_zero(*shape: int) -> Tensor:
        return 2 * torch.rand(*shape, generator=generator) - 1

    transform = torch.zeros(N, 2, 3)
    transform[:, 0, 0] = transform[:, 1, 1] = 1 + 0.12 * around_zero(N)
    transform[:, :, 2] = 0.1 * around_zero(N, 2)
    where = F.affine_grid(transform, list(images.shape), align_corners=False)
    moved = F.grid_sample(images, where, padding_mode="reflection", align_corners=False)
    contrast, light = 1 + 0.2 * around_zero(N, 1, 1, 1), 0.2 * around_zero(N, 1, 1, 1)
    return (moved * contrast + light + 0.07 * around_zero(N, 3, 1, 1)).clamp(-1, 1)


def _scores(classifier: Familiarity, images: Tensor, valid: Tensor, generator: Generator) -> Tensor:
    """Return the logits of images, each under several masks."""
    images = images.repeat(_MASKS_EACH, 1, 1, 1)
    masks = _draw(valid, len(images), generator)
    return classifier(images * masks, masks)


def _shrunk(images: Tensor, side: int) -> Tensor:
    factor = images.shape[-1] // side
    chunks = [F.avg_pool2d(uint8_to_network(chunk), factor) for chunk in images.split(_CHUNK)]
    return torch.cat(chunks)


@torch.no_grad()
def _generated(checkpoint: Checkpoint, teaching: Teaching) -> Tensor:
    """Return images that the generator makes, [N, 3, R, R] uint8."""
    model = checkpoint.model()
    z = sample_z(teaching.seed, teaching.num_generated, model.generator.config.z_dim)
    codes = model.generator.mapping(z)
    images = [model.synthesize(model.generator.broadcast(w)) for w in codes.split(_CHUNK)]
    return network_to_uint8(torch.cat(images))
