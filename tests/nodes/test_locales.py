"""Locales: made from the classes and the translations, complete and up to date."""

import re

import pytest
from write_locales import LOCALES, TRANSLATIONS, as_text, locale_files, read_json, wanted_texts

LANGUAGES = sorted(path.stem for path in TRANSLATIONS.glob("*.json"))
REMEDY = "run python tests/support/write_locales.py"


def test_every_locale_is_that_of_classes_and_translations(pack):
    for path, content in locale_files(pack).items():
        assert path.read_text(encoding="utf-8") == as_text(content), REMEDY


def test_there_is_nothing_else_in_locales(pack):
    expected = {*locale_files(pack), LOCALES / "en" / "main.json"}
    assert {path for path in LOCALES.rglob("*") if path.is_file()} == expected


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_translated_and_no_translation_is_stale(language, pack):
    known, wanted = read_json(TRANSLATIONS / f"{language}.json"), wanted_texts(pack)
    assert [text for text in wanted if not known.get(text)] == []
    assert [text for text in known if text not in wanted] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_names_and_numbers(language):
    """What users type or look for: feather_px, W_enc, 0.25, .safetensors."""
    for english, translation in read_json(TRANSLATIONS / f"{language}.json").items():
        fixed = re.findall(r"[A-Za-z]+_[A-Za-z_]+|\d+(?:\.\d+)?|\.[a-z]{5,}", english)
        assert [item for item in fixed if item not in translation] == [], english
