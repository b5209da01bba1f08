"""The command `page`, with stand-ins for an export and the runtime; tests/web shows the rest."""

import gzip
import hashlib
import json

import pytest

from diverse_inpainting.cli import page as module
from diverse_inpainting.cli.page import page
from diverse_inpainting.cli.web_runtime import BACKENDS
from diverse_inpainting.core.errors import CheckpointError, InputError
from diverse_inpainting.core.examples import EXAMPLES

RUNTIME = {name: name.encode() for backend in BACKENDS.values() for name in backend.files}
CARD = {
    **{"format": "diverse-inpainting-export", "format_version": 1, "title": "Tiny", "license": ""},
    **{"generator_id": "ab" * 32, "resolution": 32, "num_layers": 8, "w_dim": 16, "z_dim": 16},
}


@pytest.fixture(autouse=True)
def runtime(monkeypatch):
    monkeypatch.setattr(module, "read_runtime", lambda source, download: RUNTIME)


def export(folder, *, graphs=("map", "encode", "mix", "synthesize", "inpaint")):
    """Write what an export looks like; return the folder."""
    folder.mkdir()
    names = [f"{graph}.onnx" for graph in graphs]
    for name in (*names, "weights.bin"):
        (folder / name).write_bytes(name.encode())
    (folder / "directions.json").write_text(json.dumps({"smile": {"vector": [1.0]}}))
    files = {
        path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        for path in folder.iterdir()
    }
    card = {**CARD, "graphs": {graph: {} for graph in graphs}, "files": files}
    (folder / "model.json").write_text(json.dumps(card))
    return folder


def listed(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_it_writes_everything_that_it_lists(tmp_path):
    page(out=tmp_path / "page", model=str(export(tmp_path / "export")))
    out = tmp_path / "page"
    told = json.loads((out / "page.json").read_text())
    assert {name: (out / name).stat().st_size for name in told["sizes"]} == told["sizes"]
    assert listed(out) == {*told["sizes"], "page.json"}
    assert {"index.html", "app.mjs", "sw.mjs", "style.css"} <= listed(out)
    assert told["model"]["graphs"] == ["encode", "map", "mix", "synthesize"]
    assert told["model"]["directions"] == {"smile": {"vector": [1.0]}}
    assert gzip.decompress((out / "model" / "weights.bin.gz").read_bytes()) == b"weights.bin"
    for name, digest in told["digests"].items():
        content = gzip.decompress((out / name).read_bytes())
        assert hashlib.sha256(content).hexdigest() == digest, name
    assert {"model/weights.bin.gz", "model/encode.onnx.gz"} < set(told["digests"])
    for backend, told_backend in told["runtime"].items():
        binary = gzip.decompress((out / told_backend["binary"]).read_bytes())
        assert binary.decode() == BACKENDS[backend].binary
    assert {example["name"] for example in told["examples"]} == set(EXAMPLES)


def test_the_same_input_gives_the_same_files(tmp_path):
    source = str(export(tmp_path / "export"))
    for name in ("first", "second", "first"):
        page(out=tmp_path / name, model=source)
    contents = [
        {name: (tmp_path / folder / name).read_bytes() for name in listed(tmp_path / folder)}
        for folder in ("first", "second")
    ]
    assert contents[0] == contents[1]


def test_examples_may_be_given(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "My cat.JPG").write_bytes(b"1")
    (pictures / "notes.txt").write_bytes(b"2")
    page(out=tmp_path / "page", model=str(export(tmp_path / "export")), pictures=pictures)
    told = json.loads((tmp_path / "page" / "page.json").read_text())
    assert told["examples"] == [{"name": "My cat", "file": "pictures/0.jpg"}]
    for name in ("My cat.png", "scan.tiff"):
        (pictures / name).write_bytes(b"3")
    page(out=tmp_path / "page", model=str(tmp_path / "export"), pictures=pictures)
    told = json.loads((tmp_path / "page" / "page.json").read_text())
    assert [example["name"] for example in told["examples"]] == ["My cat.JPG", "My cat.png"]


def test_nothing_of_an_older_page_stays(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for index in range(7):
        (pictures / f"{index}.png").write_bytes(b"private")
    source = str(export(tmp_path / "export"))
    page(out=tmp_path / "page", model=source, pictures=pictures)
    assert "pictures/6.png" in listed(tmp_path / "page")
    page(out=tmp_path / "page", model=source)
    told = json.loads((tmp_path / "page" / "page.json").read_text())
    assert listed(tmp_path / "page") == {*told["sizes"], "page.json"}


def test_an_edited_list_removes_nothing_elsewhere(tmp_path):
    (tmp_path / "page").mkdir()
    (tmp_path / "thesis.txt").write_text("mine")
    told = {"sizes": {"../thesis.txt": 4, str(tmp_path / "thesis.txt"): 4}}
    (tmp_path / "page" / "page.json").write_text(json.dumps(told))
    page(out=tmp_path / "page", model=str(export(tmp_path / "export")))
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["weights.bin", "encode.onnx", "directions.json"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_export_is_refused(tmp_path, name, damage):
    path = export(tmp_path / "export") / name
    path.write_bytes(path.read_bytes()[:-1]) if damage == "cut" else path.unlink()
    with pytest.raises(InputError, match=f"is damaged: {name}"):
        page(out=tmp_path / "page", model=str(tmp_path / "export"))
    assert listed(tmp_path / "page") == set()


@pytest.mark.parametrize(
    "change", [{"graphs": 3}, {"files": None}, {"w_dim": ...}, {"files": {"../x.bin": {}}}]
)
def test_an_edited_card_is_refused(tmp_path, change):
    path = export(tmp_path / "export") / "model.json"
    card = {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps({name: value for name, value in card.items() if value != ...}))
    with pytest.raises(InputError, match="is damaged"):
        page(out=tmp_path / "page", model=str(tmp_path / "export"))


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match=r"thesis\.txt"):
        page(out=tmp_path / "page", model=str(export(tmp_path / "export")))
    assert listed(tmp_path / "page") == {"thesis.txt"}


def test_unusable_input_is_refused(tmp_path):
    generator_alone = str(export(tmp_path / "generator", graphs=("map", "synthesize")))
    with pytest.raises(InputError, match=r"without encode\.onnx, mix\.onnx"):
        page(out=tmp_path / "page", model=generator_alone)
    other = export(tmp_path / "other")
    (other / "model.json").write_text("{}")
    with pytest.raises(InputError, match=r"another model\.json"):
        page(out=tmp_path / "page", model=str(other))
    (other / "model.json").unlink()
    with pytest.raises(InputError, match=r"the folder of an export with its model\.json"):
        page(out=tmp_path / "page", model=str(other))
    with pytest.raises(CheckpointError, match="got ''"):
        page(out=tmp_path / "page", model="")
    good = str(export(tmp_path / "good"))
    (tmp_path / "empty").mkdir()
    for pictures, message in ((tmp_path / "empty", "none in"), (tmp_path / "no", "a folder of")):
        with pytest.raises(InputError, match=message):
            page(out=tmp_path / "page", model=good, pictures=pictures)
    assert listed(tmp_path / "page") == set(), "nothing is written before all is checked"
