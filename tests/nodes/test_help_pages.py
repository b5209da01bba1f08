"""The help pages: complete, with a picture each, and true to the nodes they name."""

import re

import pytest
from PIL import Image

CORE_NODES = {"Load Image"}
KEYS = {"R"}
MAX_PICTURE_KIB = 80


@pytest.fixture
def folder(root):
    return root / "web" / "docs"


@pytest.fixture(scope="session")
def ids(classes):
    return sorted(classes)


@pytest.fixture
def pages(folder, ids):
    return {node_id: (folder / f"{node_id}.md").read_text(encoding="utf-8") for node_id in ids}


@pytest.fixture
def names(part):
    return part("nodes").TITLES


def inputs_of(node):
    sections = node.INPUT_TYPES()
    return {**sections["required"], **sections.get("optional", {})}


def test_each_node_has_a_page_and_each_page_a_node(folder, ids):
    assert sorted(path.stem for path in folder.glob("*.md")) == ids


def test_pages_are_titled_and_name_every_input_output_and_choice(pages, classes, names):
    for node_id, page in pages.items():
        node = classes[node_id]
        assert page.startswith(f"# {names[node_id]}\n")
        for name in (*inputs_of(node), *node.RETURN_NAMES):
            assert f"\n| `{name}` |" in page, (node_id, name)
        for kind, _ in inputs_of(node).values():
            for option in kind if isinstance(kind, list) else ():
                bundled_or_own = option.endswith((".safetensors", "(bundled)"))
                assert bundled_or_own or f"`{option}`" in page, (node_id, option)


def test_each_page_shows_its_node(pages, folder):
    for node_id, page in pages.items():
        (found,) = re.findall(r"!\[([^]]+)\]\(([^)]+)\)", page)
        assert found[1] == f"images/{node_id}.webp"
        path = folder / found[1]
        assert path.stat().st_size < MAX_PICTURE_KIB * 1024, path
        with Image.open(path) as picture:
            assert 600 <= picture.width <= 900, path
    shown = {f"{node_id}.webp" for node_id in pages}
    assert {path.name for path in (folder / "images").iterdir()} == shown


def test_pages_name_nodes_that_exist(pages, names):
    known = {*names.values(), *CORE_NODES, *KEYS}
    for node_id, page in pages.items():
        bold = [" ".join(text.split()) for text in re.findall(r"\*\*([^*]+)\*\*", page)]
        assert set(bold) <= known, node_id
        assert names[node_id] not in bold or node_id == "DI_ApplyEdit", node_id


def test_texts_in_the_node_name_nodes_that_exist(classes, names):
    """Tooltips say "from NAME" and "for NAME", with names in capitals."""
    words = {word for name in names.values() for word in name.split()}
    for node_id, node in classes.items():
        tooltips = [options["tooltip"] for _, options in inputs_of(node).values()]
        for text in (node.DESCRIPTION, *node.OUTPUT_TOOLTIPS, *tooltips):
            for phrase in re.findall(r"\b(?:from|for|after|use) ((?:[A-Z][a-z]+ ?)+)", text):
                assert set(phrase.split()) <= words, (node_id, phrase)


def test_code_is_not_wider_than_the_panel(pages):
    """ComfyUI's panel breaks code at spaces and hyphens only, and cuts off what is too long."""
    for page in pages.values():
        cells = [line.split("|", 2)[2] for line in page.splitlines() if line.startswith("|")]
        for text, most in ((page, 25), *((cell, 20) for cell in cells)):
            for code in text.split("`")[1::2]:
                assert all(len(word) <= most for word in re.split(r"[\s-]", code)), code
