"""Which photographs a model has learned from, so that nobody measures it on them unknowingly.

A digest belongs to the bytes of an image file: it is the same at every resolution, in a folder, a
zip or a list, and under every name. A copy that was resized or encoded again has another one.
"""

import base64
import binascii
import hashlib
from collections.abc import Collection, Iterable
from pathlib import Path

from .errors import InputError
from .image_listing import image_files

_BYTES = 6
"""Of a digest. 60,000 of them are 480 kB of text, and one of 10,000 other images has the digest of
one of those by chance once in 470,000 times."""

_MAX_TEXT = 2**24  # characters: two million images


def digests_of(source: Path, names: Collection[str]) -> dict[str, bytes]:
    """Return the digest of each image of a folder, zip or list, by name.

    Args:
        source: see `image_files`.
        names: of the images to read.
    """
    wanted = frozenset(names)  # a list of 70,000 would be searched from its start for each image
    return {name: digest(read()) for name, read in image_files(source) if name in wanted}


def digest(data: bytes) -> bytes:
    """Return the digest of the bytes of an image file."""
    return hashlib.sha256(data).digest()[:_BYTES]


def joined(*known: frozenset[bytes] | None) -> frozenset[bytes] | None:
    """Return the union of what is known; None if nothing is."""
    sets = [digests for digests in known if digests is not None]
    return frozenset().union(*sets) if sets else None


def pack(digests: Iterable[bytes]) -> str:
    """Return digests as text; the same set gives the same text."""
    return base64.b64encode(b"".join(sorted(set(digests)))).decode()


def unpack(text: str) -> frozenset[bytes]:
    """Return the digests of a text that `pack` wrote.

    Raises:
        InputError: it is another text.
    """
    try:
        data = base64.b64decode(text[: _MAX_TEXT + 1], validate=True)
    except (binascii.Error, ValueError) as error:
        raise _foreign(f"{text[:60]!r} ({error})") from error
    if len(text) > _MAX_TEXT or len(data) % _BYTES:
        raise _foreign(f"{len(text)} characters for {len(data)} bytes")
    return frozenset(data[i : i + _BYTES] for i in range(0, len(data), _BYTES))


def _foreign(got: str) -> InputError:
    return InputError(
        f"digests of images, {_BYTES} bytes each in base 64",
        got,
        "The file is damaged or was edited: copy or download it again.",
    )
