"""JSON and TOML from files: plain data, or a few words about what is wrong."""

import codecs

import pytest

from diverse_inpainting.core.errors import ConfigError
from diverse_inpainting.core.foreign_data import DataError, parse_json, parse_toml, read_toml


def nested(levels, left="[", right="]"):
    return left * levels + right * levels


def test_plain_data_is_read():
    assert parse_json('{"a": [1, -2.5, "x", null, true, {}]}') == {
        "a": [1, -2.5, "x", None, True, {}]
    }
    assert parse_json(b"3") == 3
    assert parse_json(f"{2**64 - 1}") == 2**64 - 1
    assert parse_json(nested(32)) is not None
    assert parse_toml("a.b = [1.5]") == {"a": {"b": [1.5]}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expecting value"),
        ("{", "Expecting"),
        ("NaN", "not finite"),
        ("[-Infinity]", "not finite"),
        ('{"a": 1e999}', "not finite"),
        (f"[{2**64}]", "too large"),
        (f"[-{2**64}]", "too large"),
        ("9" * 5000, "limit"),
        ('{"a": {"b": 1, "b": 2}}', "a key occurs twice"),
        (nested(34), "more than 32 levels"),
        (nested(100_000), "more than 32 levels"),
        (nested(40, '{"a":', "}").replace(":}", ":1}"), "more than 32 levels"),
    ],
)
def test_bad_json_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        parse_json(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = ", "Invalid value"),
        ("a = nan", "not finite"),
        ("a = 1e400", "not finite"),
        (f"a = {2**64}", "too large"),
        (f"a = {'9' * 5000}", "limit"),
        (f"a = {nested(5000)}", "more than 32 levels"),
        (f"{'.'.join('a' * 3000)} = 1", "more than 32 levels"),
        ("a = 1\na = 2", "Cannot overwrite"),
    ],
)
def test_bad_toml_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        parse_toml(text)


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_a_byte_order_mark_and_windows_line_ends_are_no_matter(tmp_path, mark):
    path = tmp_path / "a.toml"
    path.write_bytes(mark + 'title = "Schl\u00f6sser"\r\nseed = 1\r\n'.encode())
    assert read_toml(path, "a recipe") == {"title": "Schl\u00f6sser", "seed": 1}


@pytest.mark.parametrize(
    ("encoding", "word"),
    [("utf-16", "UTF-16"), ("latin-1", "another encoding")],
)
def test_another_encoding_is_named(tmp_path, encoding, word):
    path = tmp_path / "a.toml"
    path.write_bytes('title = "Schl\u00f6sser"'.encode(encoding))
    message = rf"a recipe in UTF-8, got .*a\.toml, which is in {word}\. Save it again as UTF-8\."
    with pytest.raises(ConfigError, match=message):
        read_toml(path, "a recipe")


def test_a_bad_file_is_named(tmp_path):
    (tmp_path / "a.toml").write_text("a = ]")
    with pytest.raises(ConfigError, match=r"a recipe in TOML, got .*a\.toml \(Invalid value"):
        read_toml(tmp_path / "a.toml", "a recipe")
