"""Tensors and NumPy arrays are found in their records and read as they were written."""

import io
import pickle

import numpy as np
import pytest
import torch

from diverse_inpainting.core.checkpoint.importers.arrays import (
    Array,
    Storage,
    array_of,
    row_major,
    storage_of,
)
from diverse_inpainting.core.checkpoint.importers.errors import Budget, RefusedFileError
from diverse_inpainting.core.checkpoint.importers.machine import Machine
from diverse_inpainting.core.checkpoint.importers.records import Global, number_of
from diverse_inpainting.core.checkpoint.importers.torch_files import read_legacy, read_zip


def pickled(thing, protocol=4):
    content = pickle.dumps(thing, protocol)
    return Machine(memoryview(content), Budget(len(content))).run()


def saved(thing, legacy):
    buffer = io.BytesIO()
    torch.save(thing, buffer, _use_new_zipfile_serialization=not legacy)
    content = memoryview(buffer.getvalue())
    return (read_legacy if legacy else read_zip)(content, Budget(len(content)))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(2, 3, 4),
        torch.randn(()),
        torch.randn(0, 3),
        torch.randn(4, 6).t(),
        torch.randn(4, 6)[1:3, ::2],
        torch.randn(2, 4, 3, 3).to(memory_format=torch.channels_last),
        torch.randn(5).half(),
        torch.randn(5).bfloat16(),
        torch.nn.Parameter(torch.randn(3)),
    ],
    ids=["cube", "scalar", "empty", "turned", "cut", "channels last", "half", "bf16", "parameter"],
)
def test_tensors_of_pytorch(tensor, legacy):
    array = array_of(saved(tensor, legacy))
    assert array.shape == tuple(tensor.shape)
    loaded = array.load(Budget(0))
    assert loaded.is_contiguous() and torch.equal(loaded, tensor.detach().float())


def test_storages_shared_by_tensors():
    whole = torch.arange(6.0)
    first, second = saved([whole[:3], whole[3:]], legacy=False)
    assert array_of(first).storage is array_of(second).storage
    assert torch.equal(array_of(second).load(Budget(0)), whole[3:])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_numpy(protocol, dtype, order):
    values = np.asarray(np.arange(24).reshape(2, 3, 4), dtype, order)
    loaded = array_of(pickled(values, protocol)).load(Budget(0))
    assert torch.equal(loaded, torch.from_numpy(values.astype("f4", order="C")))


def test_numbers_of_numpy():
    assert number_of(pickled(np.float64(0.1))) == 0.1
    assert number_of(pickled(np.int32(-7))) == -7
    assert array_of(pickled(np.float32(0.5))).shape == ()
    assert number_of(True) is None and number_of("1") is None and number_of(2.5) == 2.5


@pytest.mark.parametrize(
    "values",
    [np.array([{}], object), np.array([1.0], ">f4"), np.array(["a"]), np.array([1j])],
    ids=["objects", "big-endian", "texts", "complex"],
)
def test_other_arrays_are_refused(values):
    with pytest.raises(RefusedFileError, match="NumPy"):
        array_of(pickled(values))


def test_weights_are_real_numbers():
    with pytest.raises(RefusedFileError, match=r"torch\.int64"):
        array_of(saved(torch.arange(3), legacy=False)).load(Budget(0))


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((7,), (1,), 0),
        ((2, 3), (3, 1), 1),
        ((6,), (1,), -1),
        ((3,), (-1,), 5),
        ((2, 3), (3,), 0),
        ((6, 6), (0, 0), 0),
        ((2**40, 0), (0, 1), 0),
        ((True,), (1,), 0),
        (("a",), (1,), 0),
        ((1,) * 9, (1,) * 9, 0),
    ],
)
def test_tensors_stay_within_their_storage(shape, strides, offset):
    with pytest.raises(RefusedFileError, match="does not fit"):
        Array(Storage(torch.float32, 6), shape, strides, offset)


def test_a_storage_has_as_many_bytes_as_it_announces():
    with pytest.raises(RefusedFileError, match="announces 8 bytes of values and holds 4"):
        Storage(torch.float32, 2).attach(memoryview(b"1234"))


def test_memory_is_counted_before_it_is_taken():
    array = row_major(Storage(torch.float32, 2**24, memoryview(bytes(2**26))), (2**24,))
    with pytest.raises(RefusedFileError, match="more memory"):
        array.load(Budget(100))
    array.load(Budget(2**26))


@pytest.mark.parametrize(
    "persistent_id",
    [
        None,
        ("module", Global("torch", "FloatStorage"), "0", "cpu", 1),
        ("storage", "FloatStorage", "0", "cpu", 1),
        ("storage", Global("torch", "device"), "0", "cpu", 1),
        ("storage", Global("torch", "FloatStorage"), 0, "cpu", 1),
        ("storage", Global("torch", "FloatStorage"), "0", "cpu", -1),
        ("storage", Global("torch", "FloatStorage"), "0", "cpu", 2**50),
        ("storage", Global("torch", "FloatStorage"), "0", "cpu", 1, ("view", 0, 1)),
    ],
)
def test_malformed_persistent_ids_are_refused(persistent_id):
    with pytest.raises(RefusedFileError, match="unknown place"):
        storage_of(persistent_id)
