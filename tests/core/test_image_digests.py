"""Digests of image files: the same wherever a file lies, and text for a checkpoint."""

import base64
import hashlib
import zipfile

import pytest

from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.image_digests import digest, digests_of, joined, pack, unpack

FILES = {"a.png": b"first", "sub/b.png": b"second"}


def test_a_file_has_the_same_digest_in_a_folder_a_zip_and_a_list(tmp_path):
    for name, data in FILES.items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(data)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, data in FILES.items():
            archive.writestr(name, data)
    (tmp_path / "list.txt").write_text("folder/sub/b.png\nfolder/a.png\n")
    expected = {name: hashlib.sha256(data).digest()[:6] for name, data in FILES.items()}
    for source in ("folder", "a.zip"):
        assert digests_of(tmp_path / source, FILES) == expected
    listed = digests_of(tmp_path / "list.txt", ["folder/a.png"])
    assert listed == {"folder/a.png": expected["a.png"]}


def test_text_and_back():
    digests = {digest(bytes([k])) for k in range(100)}
    text = pack([*digests, *digests])
    assert unpack(text) == digests and len(text) == 100 * 8
    assert text == pack(sorted(digests))
    assert unpack(pack([])) == frozenset()


@pytest.mark.parametrize("text", ["?", "AAAA", "\u00e4" * 8, base64.b64encode(b"1234567").decode()])
def test_another_text_is_refused(text):
    with pytest.raises(InputError, match="digests of images"):
        unpack(text)


def test_what_is_known_of_several_models():
    one, two = frozenset([digest(b"1")]), frozenset([digest(b"2")])
    assert joined(None, None) is None
    assert joined(None, one) == one
    assert joined(one, two, one) == one | two
