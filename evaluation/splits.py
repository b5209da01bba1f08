"""Which images a model has learned from: they are left out, or measuring on them is refused."""

from collections.abc import Collection, Sequence
from pathlib import Path

from ..core.checkpoint import inspect_checkpoint, resolve_source
from ..core.dataset import READ_ERRORS
from ..core.errors import ConfigError, InputError
from ..core.image_digests import digest
from ..core.image_listing import image_files
from .images import Storage

SPLITS = ("all", "held-out")
"""Which images of the data are measured on: all, or those that training has left out."""


def known_images(model: str | Path | None) -> frozenset[bytes] | None:
    """Return the digests of the images that a model has learned from; None if nothing is known."""
    return None if model is None else inspect_checkpoint(resolve_source(model)).trained_images


def trained_names(
    source: Path, names: Sequence[str], known: Collection[bytes], storage: Storage
) -> set[str]:
    """Return the names of those images of a folder, zip or list that a model has learned from.

    Args:
        source: see `image_files`.
        names: of the images to look at; each process looks at some.
        known: digests, see `known_images`.
        storage: whose processes do it.
    """
    own, found = {name for _, name in storage.share(names)}, set()
    for name, read in image_files(source):
        try:
            if name in own and digest(read()) in known:
                found.add(name)
        except (InputError, *READ_ERRORS):
            continue  # whoever decodes it says so
    return set().union(*storage.processes.collect(found))


def require_known(known: frozenset[bytes] | None) -> frozenset[bytes]:
    """Return the digests, which the split held-out cannot do without.

    Raises:
        ConfigError: nothing is known.
    """
    if known is None:
        raise ConfigError(
            "a model whose file says which images it has learned from, for the split held-out",
            "none",
            "Leave --split out, and measure on images that were not trained on.",
            problem="It is not known which images the model has learned from.",
        )
    return known


def refuse_trained(names: Collection[str], num_images: int) -> None:
    """Raise InputError if any image was trained on."""
    if names:
        raise InputError(
            "images that the model has not learned from",
            f"{min(names)} and {len(names) - 1} others of {num_images} that it has",
            "Give --split held-out to leave them out, or --allow-training-pictures to measure on "
            "them all the same.",
            problem=f"The model has learned from {len(names)} of the {num_images} images, the "
            f"first being {min(names)}.",
        )
