"""NumPy's files are read as NumPy reads them; those made to do harm are refused."""

import io
import struct
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch

from diverse_inpainting.core.checkpoint.importers import RefusedFileError
from diverse_inpainting.core.checkpoint.importers.contents import read_contents
from diverse_inpainting.core.checkpoint.importers.errors import Budget

FREE = 32 * 2**20


def npy(array, version=None, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asanyarray(array), version, **options)
    return buffer.getvalue()


def npz(save=np.savez_compressed, **arrays):
    buffer = io.BytesIO()
    save(buffer, **arrays)
    return buffer.getvalue()


def loaded(content):
    contents = read_contents(memoryview(content))
    return {name: array.load(Budget(0)) for name, array in contents.arrays.items()}


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(6.0, dtype="f4").reshape(2, 3),
        np.arange(24.0).reshape(2, 3, 4),
        np.asfortranarray(np.arange(24.0).reshape(2, 3, 4)),
        np.float64(3),
        np.zeros((0, 3), "f2"),
        np.arange(5, dtype="f2"),
    ],
)
def test_arrays(array, version):
    (tensor,) = loaded(npy(array, version)).values()
    np.testing.assert_array_equal(tensor.numpy(), np.float32(array))
    assert tensor.shape == array.shape


def test_a_header_of_python_2():
    content = npy(np.arange(6.0).reshape(1, 6))
    old = content.replace(b"(1, 6), }  ", b"(1L, 6L), }")
    assert old != content and torch.equal(loaded(old)[""], torch.arange(6.0)[None])


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_archives(save):
    first, second = np.zeros((80, 1, 512), "f4"), np.random.default_rng(0).normal(size=(3, 4))
    found = loaded(npz(save, lat_comp=first, lat_mean=second))
    assert list(found) == ["lat_comp", "lat_mean"]
    np.testing.assert_array_equal(found["lat_mean"].numpy(), np.float32(second))
    assert not found["lat_comp"].any() and found["lat_comp"].shape == first.shape


def header(text, version=b"\x01\x00"):
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text


def sized(content, old, new):
    """Change the unpacked sizes that a zip file announces."""
    return content.replace(struct.pack("<I", old), struct.pack("<I", new))


ARRAY = npy(np.ones(1000))


def shaped(axes):
    return header(f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({axes}), }}\n".encode())


def packed(method):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("a.npy", ARRAY)
    return buffer.getvalue()


HOSTILE = {
    "objects": (npy(np.array([{}], object)), "Python objects"),
    "an expression": (header(b"{'descr': __import__('os'), }\n"), "Python objects"),
    "nested": (header(b"{'shape': " + b"(" * 60000 + b"\n"), "announces a header"),
    "fields": (npy(np.zeros(2, [("a", "f4")])), "Python objects"),
    "big-endian": (npy(np.ones(3, ">f4")), "type f4"),
    "text": (npy(np.array(["a"])), "type U1"),
    "gigabytes": (shaped("2147483648,"), "shape"),
    "overflow": (shaped("9999999999999, " * 9), "shape"),
    "version": (header(b"{}", b"\x09\x00"), "unknown version"),
    "long header": (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b" " * 99, "header of 2,147"),
    "cut": (ARRAY[:-1], "bytes"),
    "cut header": (ARRAY[:9], "cut"),
    "bomb": (npz(a=np.zeros(2**25, "u1")), "Its tensors take more memory"),
    "announced size": (sized(npz(a=np.ones(1000)), len(ARRAY), 2**31), "more memory"),
    "smaller size": (sized(npz(a=np.ones(1000)), len(ARRAY), 200), "another size"),
    "lzma": (packed(zipfile.ZIP_LZMA), "packed oddly"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_hostile_or_damaged_is_refused_quickly(name):
    content, message = HOSTILE[name]
    start = time.process_time()
    tracemalloc.start()
    try:
        with pytest.raises(RefusedFileError, match=message):
            loaded(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert time.process_time() - start < 5 and peak <= FREE


def test_every_cut_and_many_flips_are_refused_or_read():
    content = npz(a=np.arange(50.0), b=np.ones((1, 3)))
    chance = np.random.default_rng(1)
    for size in range(0, len(content), 3):
        with pytest.raises(RefusedFileError):
            loaded(content[:size])
    for _ in range(300):
        flipped = bytearray(content)
        flipped[chance.integers(len(content))] ^= 1 << int(chance.integers(8))
        try:
            loaded(bytes(flipped))
        except RefusedFileError:
            continue
