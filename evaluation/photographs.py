"""Photographs, read into an evaluation's storage by all its processes together.

Legend: n images, R their side in pixels.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from ..core.dataset import READ_ERRORS, check_readable, square_of
from ..core.errors import InputError
from ..core.image_decoding import decode_rgb
from ..core.image_listing import image_files
from ..core.printable import get_logger
from .images import Images, Storage

_log = get_logger(__name__)


class Photographs(NamedTuple):
    """Those that could be read."""

    names: list[str]
    """Paths below the folder or in the zip."""
    images: Images
    """[n, 3, R, R] uint8."""


def names_of(source: Path) -> list[str]:
    """Return the names of the images in a folder or zip.

    Raises:
        InputError: there are none, or the zip is damaged.
    """
    names = [name for name, _ in image_files(source)]
    if not names:
        check_readable(source, 0, [])
    return names


def read_photographs(
    source: Path, names: Sequence[str], resolution: int, storage: Storage
) -> Photographs:
    """Read images as `load_images` does; each process reads some of them.

    Args:
        source: folder or zip of images.
        names: of those to read, in this order.
        resolution: R.
        storage: keeps them.

    Raises:
        InputError: more than 1 % of them are unreadable.
    """
    stored = storage.room(len(names), 3, resolution, resolution)
    own = {name: place for place, name in storage.share(names)}
    unreadable: dict[str, object] = {}
    for name, read in image_files(source):
        if name not in own:
            continue
        try:
            square = square_of(decode_rgb(read(), name), resolution)
            stored.write(torch.tensor([own[name]]), torch.from_numpy(square)[None])
        except InputError as error:
            unreadable[name] = error.got
        except READ_ERRORS as error:
            unreadable[name] = error
    unreadable = {
        n: why for part in storage.processes.collect(unreadable) for n, why in part.items()
    }
    for name, reason in unreadable.items() if storage.processes.is_main else ():
        _log.warning("skipped %s: %s", name, reason)
    kept = [place for place, name in enumerate(names) if name not in unreadable]
    check_readable(source, len(kept), list(unreadable))
    return Photographs([names[place] for place in kept], stored.images.at(torch.tensor(kept)))
