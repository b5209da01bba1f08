"""Files of PyTorch that are damaged in ways that chance rarely finds."""

import io
import struct
import zipfile

import pytest
import torch

from diverse_inpainting.core.checkpoint.importers.errors import Budget, RefusedFileError
from diverse_inpainting.core.checkpoint.importers.torch_files import read_legacy, read_zip


def saved(legacy):
    buffer = io.BytesIO()
    tree = {"a": torch.arange(4.0), "b": torch.arange(3.0)}
    torch.save(tree, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def rewritten(change):
    """Return a zip file of PyTorch whose entries have been changed."""
    with zipfile.ZipFile(io.BytesIO(saved(legacy=False))) as archive:
        entries = {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}
    change(entries)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in entries.items():
            archive.writestr(f"archive/{name}", content)
    return buffer.getvalue()


def name_one_storage(entries):
    """Let both tensors, of different sizes, refer to storage 0."""
    key = b"X\x01\0\0\0"
    entries["data.pkl"] = entries["data.pkl"].replace(key + b"1", key + b"0")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: e.pop("data/1"), "without its entry"),
        (lambda e: e.update({"data/1": b"123"}), "announces 12 bytes of values and holds 3"),
        (lambda e: e.pop("data.pkl"), "no PyTorch file"),
        (lambda e: e.update({"constants.pkl": b""}), "TorchScript"),
        (lambda e: e.update({"byteorder": b"big"}), "big-endian"),
        (name_one_storage, "one storage in two ways"),
    ],
)
def test_changed_zip_files(change, words):
    content = rewritten(change)
    with pytest.raises(RefusedFileError, match=words):
        read_zip(memoryview(content), Budget(len(content)))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c[:-1], r"bytes of values where \d+ are left"),
        (lambda c: c.replace(struct.pack("<q", 3), struct.pack("<q", 5)), "announces"),
        (lambda c: c.replace(b"M\xe9\x03", b"M\xe8\x03"), "malformed"),
        (lambda c: c[:-20], "values are missing"),
    ],
)
def test_changed_old_files(change, words):
    content = change(saved(legacy=True))
    with pytest.raises(RefusedFileError, match=words):
        read_legacy(memoryview(content), Budget(len(content)))
