"""Zip files as PyTorch writes them, and those that it does not write."""

import io
import zipfile

import pytest
import torch

from diverse_inpainting.core.checkpoint.importers.archive import Archive
from diverse_inpainting.core.checkpoint.importers.errors import Budget, RefusedFileError


def zipped(entries, method=zipfile.ZIP_STORED, zip64=False):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content in entries.items():
            with archive.open(name, "w", force_zip64=zip64) as file:
                file.write(content)
    return buffer.getvalue()


def opened(content):
    return Archive(memoryview(content), Budget(len(content)))


@pytest.mark.parametrize("zip64", [False, True])
def test_stored_entries_are_views_of_the_file(zip64):
    content = zipped({"a/x": b"12", "a/\u732b": b"", "b": b"345"}, zip64=zip64)
    archive = opened(content)
    assert archive.names == ("a/x", "a/\u732b", "b")
    assert [bytes(archive.read(name)) for name in archive.names] == [b"12", b"", b"345"]
    assert archive.read("b").obj is content


def test_pytorchs_own_files():
    buffer = io.BytesIO()
    torch.save({"a": torch.arange(4, dtype=torch.uint8)}, buffer)
    archive = opened(buffer.getvalue())
    (name,) = [name for name in archive.names if name.endswith("data/0")]
    assert bytes(archive.read(name)) == b"\0\1\2\3"


def test_a_comment_at_the_end_is_skipped():
    buffer = io.BytesIO(zipped({"a": b"1"}))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.comment = b"x" * 1000
    assert opened(buffer.getvalue()).names == ("a",)


def test_compressed_entries_are_refused():
    archive = opened(zipped({"a": b"1" * 10}, zipfile.ZIP_BZIP2))
    with pytest.raises(RefusedFileError, match="compressed"):
        archive.read("a")


def test_an_absent_entry_is_named():
    with pytest.raises(RefusedFileError, match="without its entry 'b'"):
        opened(zipped({"a": b""})).read("b")


def test_a_name_may_be_used_once():
    content = zipped({"a": b"1", "b": b"2"})
    with pytest.raises(RefusedFileError, match="two entries"):
        opened(content.replace(b"b", b"a"))


def test_every_cut_is_refused():
    content = zipped({"a": b"1" * 50, "b": b"2" * 50})
    for size in range(len(content)):
        with pytest.raises(RefusedFileError):
            opened(content[:size])


def test_an_entry_beyond_the_end_is_refused():
    content = zipped({"a": b"1" * 50})
    start = content.index(b"PK\x01\x02")
    moved = content[: start + 42] + (len(content) - 20).to_bytes(4, "little")
    with pytest.raises(RefusedFileError, match="cut or damaged"):
        opened(moved + content[start + 46 :]).read("a")
