"""Values are read as announced, and nothing is taken that is not there."""

import pytest

from diverse_inpainting.core.checkpoint.importers import RefusedFileError
from diverse_inpainting.core.checkpoint.importers.errors import Budget
from diverse_inpainting.core.checkpoint.importers.stream import Stream


def stream(content, size=0):
    return Stream(memoryview(content), Budget(size or len(content)))


def test_values_follow_each_other():
    read = stream(b"\x01\x02\x03\xff\xfecaf\xc3\xa9caf\xe9name\nrest")
    assert bytes(read.take(1)) == b"\x01"
    assert read.number("<H") == 0x0302
    assert read.whole_number(2) == -257
    assert read.text(5) == read.text(4, "latin-1") == "caf\u00e9"
    assert read.line() == "name"
    assert bytes(read.take(4)) == b"rest" and read.position == 23


@pytest.mark.parametrize(
    ("read", "words"),
    [
        (lambda s: s.take(5), "announces 5 bytes where 4 are left"),
        (lambda s: s.number("<Q"), "announces 8 bytes"),
        (lambda s: s.text(2**40), "where 4 are left"),
        (lambda s: s.whole_number(1025), "whole number of 1,025 bytes"),
        (lambda s: s.line(), "does not end"),
    ],
)
def test_what_is_not_there_is_refused(read, words):
    with pytest.raises(RefusedFileError, match=words):
        read(stream(b"abcd"))


def test_long_texts_are_refused_before_they_are_copied():
    with pytest.raises(RefusedFileError, match="a text of 16,777,217 bytes"):
        stream(bytes(2**24 + 1)).text(2**24 + 1)
    with pytest.raises(RefusedFileError, match="bytes of memory for 10 bytes"):
        stream(bytes(2**23), size=10).text(2**23)
