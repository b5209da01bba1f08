"""Files of object stores: names, copies, results; without Ray."""

import os

import fsspec
import pytest

from answers import box, noise, save
from diverse_inpainting.cli.actor import Order, complete_job
from diverse_inpainting.cli.pairing import plan_jobs
from diverse_inpainting.cli.settings import Settings, model_digest
from diverse_inpainting.cli.stores import Stores, is_url
from diverse_inpainting.core.errors import InputError
from diverse_inpainting.core.inpainter import Inpainter


@pytest.fixture
def memory():
    fs = fsspec.filesystem("memory")
    yield fs
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]


@pytest.fixture
def stores(tmp_path):
    (tmp_path / "stores").mkdir()
    return Stores(tmp_path / "stores")


@pytest.fixture(scope="module")
def model(tiny_checkpoint):
    return Inpainter.load(str(tiny_checkpoint), device="cpu", precision="float32")


@pytest.fixture
def photos(memory, tmp_path):
    """memory://b/in with two images and a damaged one, memory://b/m.png."""
    for name in ("a", "c[1]"):
        photo = save(tmp_path / f"{name}.png", noise(32, 32))
        memory.pipe_file(f"/b/in/{name}.png", photo.read_bytes())
    memory.pipe_file("/b/in/bad.png", b"no")
    memory.pipe_file("/b/in/deep/d.png", b"no")
    memory.pipe_file("/b/in/notes.txt", b"no")
    memory.pipe_file("/b/m.png", save(tmp_path / "m.png", box(32, 32)).read_bytes())


def names(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("text", ["s3://b/a.png", "memory:///b", "abfs+x://b/c"])
def test_urls(text):
    assert is_url(text)


@pytest.mark.parametrize("text", ["a.png", "/tmp/a", "C:/a", "c://a", "file:///tmp/a", "S3://b"])
def test_local_paths(text):
    assert not is_url(text)


@pytest.mark.parametrize("url", ["s3://bucket/a/b.png", "hdfs:///a/b.png", "s3://b/x%2F.png"])
def test_a_path_stands_for_its_url(stores, tmp_path, url):
    path = stores.path(url)
    assert path.is_relative_to(stores.folder)
    assert stores.url(path) == url
    assert stores.shown(f"Cannot read {path}.") == f"Cannot read {url}."
    assert stores.url(tmp_path / "a.png") is None
    assert stores.shown(tmp_path / "a.png") == str(tmp_path / "a.png")


@pytest.mark.parametrize(
    "name",
    ["../a.png", "x/../../a.png", "/etc/a.png", "x//a.png", ".", "x\\a.png", "a\0.png", "%2F/a",
     "a.png::http://host"],
)  # fmt: skip
def test_names_that_lead_elsewhere_are_refused(stores, tmp_path, monkeypatch, name):
    before = names(tmp_path)
    with pytest.raises(InputError, match="leads out of its folder"):
        stores.path(f"s3://bucket/in/{name}")

    class Hostile:
        def isfile(self, place):
            return False

        def find(self, place, **options):
            return {f"bucket/in/{name}": {"type": "file"}}

    monkeypatch.setattr("fsspec.core.url_to_fs", lambda url: (Hostile(), url.partition("://")[2]))
    with pytest.raises(InputError, match="leads out of its folder"):
        stores.mirror("s3://bucket/in", recursive=True, beside=False)
    assert names(tmp_path) == before


def test_a_folder_is_mirrored_by_name(stores, photos):
    path = stores.mirror("memory://b/in/", recursive=False, beside=False)
    assert names(path) == ["a.png", "bad.png", "c[1].png", "notes.txt"]
    assert (path / "deep").is_dir()
    assert (path / "a.png").stat().st_size == 0
    stores.mirror("memory://b/in", recursive=True, beside=False)
    assert "deep/d.png" in names(path)


def test_a_pattern_a_file_and_nothing(stores, photos):
    path = stores.mirror("memory://b/in/*.png", recursive=False, beside=False)
    assert names(path.parent) == ["a.png", "bad.png", "c[1].png", "notes.txt"]
    assert stores.mirror("memory://b/m.png", recursive=False, beside=False).stat().st_size > 0
    single = stores.mirror("memory://b/in/c[1].png", recursive=False, beside=True)
    assert single.stat().st_size > 0, "fetched, and kept when the files beside it were listed"
    assert not stores.mirror("memory://b/absent", recursive=False, beside=False).exists()


def order_of(model, stores, **settings):
    return Order(
        model="",
        digest=model_digest(model),
        model_name="tiny",
        device="cpu",
        precision="float32",
        download=False,
        settings=Settings(num_variants=2, **settings),
        overwrite=False,
        stores=stores,
        shared=(),
    )


def complete_all(model, stores, **settings):
    source = stores.mirror("memory://b/in", recursive=False, beside=False)
    mask = stores.mirror("memory://b/m.png", recursive=False, beside=False)
    plan = plan_jobs([source], [mask], stores.path("memory://b/out"), 2)
    found = [complete_job(model, job, order_of(model, stores, **settings)) for job in plan.jobs]
    return {report.to_dict()["picture"].rpartition("/")[2]: report for report in found}


def test_results_go_to_the_store_and_are_found_there(memory, stores, photos, model, tmp_path):
    found = complete_all(model, stores)
    statuses = {name: report.status for name, report in found.items()}
    assert statuses == {"a.png": "done", "bad.png": "failed", "c[1].png": "done"}
    facts = found["c[1].png"].to_dict()
    assert facts["picture"] == "memory://b/in/c[1].png"
    assert facts["results"] == [f"memory://b/out/c[1]-{k}.png" for k in range(2)]
    assert str(tmp_path) not in str([(r.text, r.facts) for r in found.values()])
    written = {path: data.getvalue() for path, data in memory.store.items() if "/out/" in path}
    assert sorted(written) == [
        *(f"/b/out/a-{end}.png" for end in ("0", "1", "sheet")),
        *(f"/b/out/c[1]-{end}.png" for end in ("0", "1", "sheet")),
    ]
    assert complete_all(model, stores)["a.png"].status == "skipped"
    assert complete_all(model, stores, seed=1)["a.png"].status == "stale"
    memory.rm_file("/b/out/a-1.png")
    assert complete_all(model, stores)["a.png"].status == "done"
    assert memory.cat_file("/b/out/a-1.png") == written["/b/out/a-1.png"]


def test_an_upload_that_was_cut_off_is_repeated(memory, stores, photos, model, monkeypatch):
    upload = Stores.upload

    def fail_at_the_sheet(self, path):
        if path.name == "a-sheet.png":
            raise InputError("a store", "none", "Wait.", problem="The network is down.")
        upload(self, path)

    with monkeypatch.context() as patch:
        patch.setattr(Stores, "upload", fail_at_the_sheet)
        report = complete_all(model, stores)["a.png"]
    assert (report.status, report.to_dict()["error"]) == ("failed", "The network is down. Wait.")
    assert memory.exists("/b/out/.a.unfinished")
    assert complete_all(model, stores)["a.png"].status == "done"
    assert not memory.exists("/b/out/.a.unfinished")


def test_a_writable_store_is_left_as_it_was(memory, stores):
    stores.check_writable(stores.path("memory://b/new"))
    assert not memory.store


def test_a_store_without_its_package_is_one_sentence(stores):
    with pytest.raises(InputError, match=r"^oss://b/a cannot be opened: .*ossfs"):
        stores.mirror("oss://b/a", recursive=False, beside=False)


def test_any_error_of_a_store_is_one_sentence(stores, tmp_path):
    blocked = save(tmp_path / "file.png", noise(8, 8))
    with pytest.raises(InputError, match="cannot be read or written"):
        stores.check_writable(stores.path(f"local://{blocked}{os.sep}below"))
