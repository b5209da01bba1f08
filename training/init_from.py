"""What a stage starts from: the model of the previous stage, or weights that it continues with.

A restart continues from weights alone, for example from a published file in half precision. The
image count continues, and with it learning rates, the half-life of the moving averages and the
order of the photographs; Adam starts afresh (as in arXiv:2006.06676). A discriminator that has only
seen photographs must unlearn that generated images are fake: its warm-up and the ramp of the
adversarial term then count from the restart.

Progressive growing: a prior may restart from one of a lower resolution, where layouts are learned
at a fraction of the cost; see `grow`.
"""

import dataclasses
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from ..core.checkpoint import Checkpoint, inspect_checkpoint, read_checkpoint
from ..core.errors import CheckpointError, ConfigError
from ..core.image_digests import joined
from ..core.networks import Discriminator, Generator
from ..core.printable import get_logger
from .config import Recipe
from .stages import STAGES, Stage, Trainer

_log = get_logger(__name__)

BUNDLED_DISCRIMINATOR = Path(__file__).parent / "state" / "discriminator.safetensors"
"""Discriminator of the bundled model's prior, which the model file omits."""

_GROWING = ("generator", "discriminator")
"""Parts that can start from a lower resolution."""


class Source(NamedTuple):
    """What a stage starts from."""

    checkpoint: Checkpoint
    """The parts that the stage takes, and a discriminator."""
    has_seen_completions: bool
    """Whether the discriminator was trained on completions, and not only on photographs."""

    def also_trained_on(self, images: frozenset[bytes] | None) -> "Source":
        """Return it with further photographs that its networks know."""
        images = joined(self.checkpoint.trained_images, images)
        return self._replace(checkpoint=dataclasses.replace(self.checkpoint, trained_images=images))


def read_source(path: Path, stage: Stage, recipe: Recipe) -> Source:
    """Return what a stage starts from, checked against the recipe.

    The discriminator is that of the file, or of discriminator.safetensors beside it, or of the
    bundled model's prior, whichever first belongs to the file's generator.

    Raises:
        CheckpointError: the file is unusable or lacks a part.
        ConfigError: its generator does not have the recipe's size.
    """
    source = _read_with_discriminator(path, stage)
    wanted, given = recipe.model.generator, source.checkpoint.config.generator
    grows = "generator" in stage.trains and given.resolution < wanted.resolution
    if given.w_dim != wanted.w_dim or (given.resolution != wanted.resolution and not grows):
        raise ConfigError(
            f"a generator of {wanted.resolution} pixels with codes {wanted.w_dim} wide, as in the "
            f"recipe {recipe.name}",
            f"one of {given.resolution} pixels with codes {given.w_dim} wide",
            "Choose the recipe that the prior was trained with.",
        )
    return source


def _read_with_discriminator(path: Path, stage: Stage) -> Source:
    header = inspect_checkpoint(path)
    needs_photographs = stage.previous is None
    completing = [row.name for row in STAGES.values() if row.previous is not None]
    for candidate in (path, path.with_name("discriminator.safetensors"), BUNDLED_DISCRIMINATOR):
        if not candidate.is_file():
            continue
        found = inspect_checkpoint(candidate)
        has_seen_completions = found.training.get("stage") in completing
        is_fit = "discriminator" in found.parts and found.generator_id == header.generator_id
        if is_fit and not (needs_photographs and has_seen_completions):
            discriminator = read_checkpoint(candidate, ("discriminator",))
            joined = _join(read_checkpoint(path, stage.takes), discriminator)
            return Source(joined, has_seen_completions)
    raise CheckpointError(
        "a model with generator and discriminator"
        + (", the latter trained on photographs" if needs_photographs else ""),
        f"{path}, which contains {', '.join(header.parts)}",
        "Give the file that the previous stage wrote, put discriminator.safetensors beside it "
        "(that of the bundled model is in training/state of the repository), or convert a file "
        "that also has the discriminator.",
    )


def _join(checkpoint: Checkpoint, other: Checkpoint) -> Checkpoint:
    """Return a checkpoint with the discriminator of another."""
    config = dataclasses.replace(checkpoint.config, discriminator=other.config.discriminator)
    tensors = {**checkpoint.tensors, **other.tensors}
    return dataclasses.replace(checkpoint, config=config, tensors=tensors)


def hash_checkpoint(checkpoint: Checkpoint) -> str:
    """Return the SHA-256 of a checkpoint's generator id and tensors."""
    digest = hashlib.sha256(checkpoint.generator_id.encode())
    for name in sorted(checkpoint.tensors):
        digest.update(name.encode())
        digest.update(checkpoint.tensors[name].contiguous().numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class Restart:
    """The weights that a stage continues with."""

    stage: Stage
    checkpoint: Checkpoint
    """Has the parts that the stage trains."""
    first: int = 0
    """Images that they have seen in this stage."""
    discriminator_since: int = 0
    """Image at which the discriminator first saw completions."""

    def apply(self, trainer: Trainer) -> None:
        """Load the weights into a trainer's networks and their moving averages."""
        resolution = self.checkpoint.config.generator.resolution
        for part in self.stage.trains:
            network, average = trainer.modules[part], trainer.modules.get(f"{part}_ema")
            state = self.checkpoint.state_dict_of(part)
            if resolution < trainer.recipe.model.generator.resolution:
                grow(network, state, resolution)
            else:
                network.load_state_dict(state)
            if average is not None:
                average.load_state_dict(network.state_dict())

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What a resumed run must share."""
        return {
            "first": self.first,
            "discriminator_since": self.discriminator_since,
            "weights": hash_checkpoint(self.checkpoint),
        }


def plan_restart(path: Path, source: Source, stage: Stage, recipe: Recipe) -> Restart:
    """Return how a stage continues from the weights of a file.

    Args:
        path: model with the parts that the stage trains.
        source: what the stage starts from, possibly from another file.
        stage: the stage.
        recipe: configuration.

    Raises:
        CheckpointError: the file is unusable or lacks a part.
        ConfigError: a part differs from the recipe's, or has already seen all images.
    """
    is_already_read = set(stage.trains) <= set(source.checkpoint.parts)
    learned = source.checkpoint if is_already_read else read_checkpoint(path, stage.trains)
    for part in stage.trains:
        _check_part(part, recipe, learned, path)
    first = learned.training.get("images", {}).get(stage.name, 0)
    total = recipe.stage_config(stage.name).total_images
    if first >= total:
        raise ConfigError(
            f"{stage.name}.total_images above {first}, the images that {path} has already seen",
            f"{total}",
            f"Raise it, for example with --set {stage.name}.total_images={2 * first}.",
        )
    if learned.generator_id != source.checkpoint.generator_id:
        _log.warning("%s was trained for another generator; it continues with this one", path)
    warms_up = stage.previous is not None and not source.has_seen_completions
    if warms_up:
        _log.warning("the discriminator has only seen photographs: its warm-up starts again")
    return Restart(stage, learned, first, first if warms_up else 0)


def _check_part(part: str, recipe: Recipe, learned: Checkpoint, path: Path) -> None:
    wanted, given = (dataclasses.asdict(getattr(m, part)) for m in (recipe.model, learned.config))
    may_grow = part in _GROWING and given["resolution"] < wanted["resolution"]
    differing = [
        name
        for name in wanted
        if wanted[name] != given.get(name) and not (may_grow and name == "resolution")
    ]
    if differing:
        raise ConfigError(
            f"the {part} of the recipe {recipe.name}, with "
            + ", ".join(f"{name} {wanted[name]}" for name in differing),
            f"{', '.join(f'{name} {given.get(name)}' for name in differing)} in {path}",
            "Choose the recipe that the file was trained with.",
        )


def grow(module: nn.Module, smaller: dict[str, Tensor], resolution: int) -> None:
    """Load the weights of a network of a lower resolution; new blocks keep their initialisation.

    The skip generator adds up its blocks' images, so that a new block whose to-RGB layer is zero
    leaves the upsampled image unchanged. D's new blocks are untrained: let G wait for them
    (`generator_warmup`).

    Args:
        module: freshly initialised Generator or Discriminator.
        smaller: state of one of the given resolution, with as many channels at each side.
        resolution: of that state.

    Source: Karras et al. 2018, arXiv:1710.10196; Karras et al. 2020, arXiv:1912.04958, whose skip
    and residual connections need no fading in.
    """
    assert isinstance(module, Generator | Discriminator)
    num_new = int(math.log2(module.config.resolution // resolution))
    own = module.state_dict()
    if isinstance(module, Generator):
        num_blocks = len(module.synthesis.blocks)
        for index in range(num_blocks - num_new, num_blocks):
            own[f"synthesis.blocks.{index}.to_rgb.weight"].zero_()
    else:
        kept = {k: value for k, value in smaller.items() if not k.startswith("from_rgb.")}
        smaller = {_renumbered(name, num_new): value for name, value in kept.items()}
    module.load_state_dict({**own, **smaller})


def _renumbered(name: str, num_new: int) -> str:
    """Return a key of D with new blocks before its own: it counts from the highest resolution."""
    if not name.startswith("blocks."):
        return name
    first, index, rest = name.split(".", 2)
    return f"{first}.{int(index) + num_new}.{rest}"
