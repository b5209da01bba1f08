"""The pickle machine reads what Python's pickler writes, and leaves names alone."""

import argparse
import collections
import pickle

import pytest

from diverse_inpainting.core.checkpoint.importers.errors import Budget, RefusedFileError
from diverse_inpainting.core.checkpoint.importers.machine import Machine
from diverse_inpainting.core.checkpoint.importers.records import Record, mapping_of

PLAIN = {
    "none": None,
    "truth": [True, False],
    "numbers": [0, 255, 256, 65535, 65536, -1, 2**31, -(2**31) - 1, 2**70, 1.5, float("inf")],
    "texts": ["", "a", "\u732b", "x" * 300, "\ud800"],
    "tuples": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)],
    "nested": {"a": {"b": [{"c": ()}]}, 3: None},
}


def read(content, **options):
    return Machine(memoryview(content), Budget(len(content)), **options).run()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", PLAIN)
def test_plain_data_comes_back(name, protocol):
    assert read(pickle.dumps(PLAIN[name], protocol)) == PLAIN[name]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_shared_objects_stay_shared(protocol):
    shared = [1]
    first, second = read(pickle.dumps([shared, shared], protocol))
    assert first is second


def test_an_object_that_holds_itself():
    circle = []
    circle.append(circle)
    found = read(pickle.dumps(circle))
    assert found[0] is found


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_bytes_are_views_of_the_file(protocol):
    content = pickle.dumps([b"short", b"long" * 100], protocol)
    short, long = read(content)
    assert bytes(short) == b"short" and bytes(long) == b"long" * 100
    assert long.obj is content, "nothing was copied"


def test_bytes_of_protocol_2_are_text():
    assert bytes(read(pickle.dumps(b"\x00\xff", 2))) == b"\x00\xff"


def test_bytearrays_and_sets():
    assert bytes(read(pickle.dumps(bytearray(b"ab"), 5))) == b"ab"
    assert sorted(read(pickle.dumps({1, 2}, 4)).elements) == [1, 2]
    assert read(pickle.dumps(frozenset({1}), 4)).args == ([1],)


@pytest.mark.parametrize("protocol", [2, 4])
def test_objects_become_records(protocol):
    found = read(pickle.dumps(argparse.Namespace(size=32), protocol))
    assert isinstance(found, Record) and found.path == "argparse.Namespace"
    assert mapping_of(found) == {"size": 32}


def test_an_ordered_dict_is_a_mapping():
    found = read(pickle.dumps(collections.OrderedDict(a=1, b=2)))
    assert mapping_of(found) == {"a": 1, "b": 2}
    assert mapping_of(3) is None


def test_what_follows_the_pickle_is_left():
    content = pickle.dumps(3) + b"rest"
    machine = Machine(memoryview(content), Budget(len(content)))
    assert machine.run() == 3
    assert content[machine.position :] == b"rest"


def test_persistent_ids_are_given_to_the_caller():
    content = b"\x80\x02X\x01\x00\x00\x00aQ."
    assert read(content, persistent=lambda name: (name, 1)) == ("a", 1)
    with pytest.raises(RefusedFileError, match="refers to data outside it"):
        read(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x80\x02", "the end is missing"),
        (b"\x80\x02.", "cut or damaged"),
        (b"\x80\x06N.", "protocol 6"),
        (b"\x80\x02h\x07.", "does not hold"),
        (b"\x80\x02Na.", "cut or damaged"),
        (b"\x80\x02NNa.", "appends"),
        (b"\x80\x02NNNs.", "sets items"),
        (b"\x80\x02}(Nu.", "sets items"),
        (b"\x80\x02}(NNNu.", "sets items"),
        (b"\x80\x02}(]Nu.", "whose key is a list"),
        (b"\x80\x02NNb.", "sets the state"),
        (b"\x80\x02N)R.", "plain name"),
        (b"\x80\x02NN\x93.", "no text"),
        (b"\x80\x02cnowhere", "does not end"),
        (b"\x80\x02X\x02\x00\x00\x00\xff\xff.", "cut or damaged"),
        (b"\x80\x02t.", "cut or damaged"),
        (b"\x80\x02N\x86.", "cut or damaged"),
        (b"\x80\x02S'a'\n.", "opcode b'S'"),
        (b"\x80\x02ctorch.storage\n_load_from_bytes\nN\x85R.", "pickle within a pickle"),
        (b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aN\x86R.", "unusual encoding"),
    ],
)
def test_broken_pickles_are_refused(content, words):
    with pytest.raises(RefusedFileError) as caught:
        read(content)
    assert words in caught.value.problem


def test_no_text_is_taken_for_bytes_that_are_none():
    content = "\u732b".encode()
    text = b"X" + len(content).to_bytes(4, "little") + content
    with pytest.raises(RefusedFileError, match="bytes are no bytes"):
        read(b"\x80\x02c_codecs\nencode\n" + text + b"X\x06\x00\x00\x00latin1\x86R.")
