"""PyTorch's two file formats, read without PyTorch's loader: a zip archive, or pickles in a row."""

import struct

from .archive import Archive
from .arrays import Storage, storage_of
from .errors import Budget, RefusedFileError, damaged
from .machine import Machine

MAGIC = 0x1950A86A20F9469CFC6C
"""What the first pickle of an old PyTorch file holds."""

_PICKLE = "data.pkl"
_PROTOCOL = 1001


def read_zip(data: memoryview, budget: Budget) -> object:
    """Return what the pickle of a zip file (PyTorch 1.6 and later) holds.

    Args:
        data: the whole file.
        budget: of the file.

    Raises:
        RefusedFileError: it is damaged, hostile, or no PyTorch file.
    """
    archive = Archive(data, budget)
    pickles = [name for name in archive.names if name.rpartition("/")[2] == _PICKLE]
    if len(pickles) != 1:
        raise RefusedFileError(
            "It is a zip archive and no PyTorch file.", "Unpack it and give the file inside."
        )
    folder = pickles[0].removesuffix(_PICKLE)
    if f"{folder}constants.pkl" in archive.names:
        raise RefusedFileError(
            "It is a TorchScript program, which holds code beside its tensors.",
            "Use the checkpoint that it was made from.",
        )
    if f"{folder}byteorder" in archive.names and archive.read(f"{folder}byteorder") != b"little":
        raise damaged("It was written on a big-endian machine.")
    storages: dict[str, Storage] = {}

    def find(persistent_id: object) -> Storage:
        storage, key = storage_of(persistent_id)
        if key not in storages:
            storage.attach(archive.read(f"{folder}data/{key}"))
            storages[key] = storage
        return _same(storages[key], storage)

    return Machine(archive.read(pickles[0]), budget, persistent=find).run()


def read_legacy(data: memoryview, budget: Budget) -> object:
    """Return what an old PyTorch file holds: five pickles, then the values of each storage.

    Args:
        data: the file from its start, or the bytes of `torch.storage._load_from_bytes`.
        budget: of the whole file.

    Raises:
        RefusedFileError: it is damaged or hostile.
    """
    storages: dict[str, Storage] = {}

    def find(persistent_id: object) -> Storage:
        storage, key = storage_of(persistent_id)
        return _same(storages.setdefault(key, storage), storage)

    values: list[object] = []
    for _ in range(5):
        machine = Machine(data, budget, persistent=find)
        values.append(machine.run())
        data = data[machine.position :]
    magic, protocol, _, content, keys = values
    if magic != MAGIC or protocol != _PROTOCOL or not isinstance(keys, list):
        raise damaged("It has values in PyTorch's old format that are malformed.")
    if not all(isinstance(key, str) for key in keys) or sorted(keys) != sorted(storages):
        raise damaged("It lists other storages than it uses.")
    for key in keys:
        data = _attach(storages[key], data)
    return content


def _attach(storage: Storage, data: memoryview) -> memoryview:
    """Give a storage the values at the start of data; return what follows."""
    if len(data) < 8:
        raise damaged("It is cut: values are missing.")
    (count,) = struct.unpack("<q", data[:8])
    if count != storage.count or 8 + storage.size > len(data):
        raise damaged(
            f"It announces {storage.size:,} bytes of values where {len(data) - 8:,} are left."
        )
    storage.attach(data[8 : 8 + storage.size])
    return data[8 + storage.size :]


def _same(known: Storage, announced: Storage) -> Storage:
    if (known.dtype, known.count) != (announced.dtype, announced.count):
        raise damaged("It describes one storage in two ways.")
    return known
