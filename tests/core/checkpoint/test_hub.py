"""Names, paths and hub ids; no test touches the network."""

import sys
from collections.abc import Callable
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from diverse_inpainting.core.checkpoint import bundled_names, resolve_source
from diverse_inpainting.core.errors import CheckpointError


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    for name in ("dogs.safetensors", "cats.safetensors", "LICENSE"):
        (folder / name).write_bytes(b"x")
    (folder / "directions").mkdir()
    monkeypatch.setattr("diverse_inpainting.core.checkpoint.hub.WEIGHTS_FOLDER", folder)
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple]:
    """A hub that has every file; returns the calls."""
    calls = []

    def download(repository: str, filename: str, local_files_only: bool = False) -> str:
        calls.append((repository, filename, local_files_only))
        return str(tmp_path / "downloaded")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    return calls


def _fail_with(error: Exception) -> Callable:
    def download(*_: object, **__: object) -> str:
        raise error

    return download


def test_bundled_names(weights: Path, hub: list) -> None:
    assert bundled_names() == ("cats", "dogs")
    assert resolve_source("cats") == weights / "cats.safetensors"
    assert hub == []


def test_bundled_names_without_the_folder(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("diverse_inpainting.core.checkpoint.hub.WEIGHTS_FOLDER", weights / "absent")
    assert bundled_names() == ()
    with pytest.raises(CheckpointError, match="bundled models: none"):
        resolve_source("cats")


@pytest.mark.parametrize("as_type", [str, Path])
def test_an_existing_file(
    tmp_path: Path, hub: list, monkeypatch: pytest.MonkeyPatch, as_type: type
) -> None:
    file = tmp_path / "owner" / "name"
    file.parent.mkdir()
    file.write_bytes(b"x")
    assert resolve_source(as_type(file)) == file
    monkeypatch.chdir(tmp_path)
    assert resolve_source(as_type("owner/name"), download=True).resolve() == file
    assert hub == []


def test_the_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "a.safetensors").write_bytes(b"x")
    assert resolve_source("~/a.safetensors") == tmp_path / "a.safetensors"


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("owner/name", ("owner/name", "model.safetensors")),
        ("Owner-1/na.me_2", ("Owner-1/na.me_2", "model.safetensors")),
        ("owner/name/cats.safetensors", ("owner/name", "cats.safetensors")),
        ("owner/name/sub/cats.safetensors", ("owner/name", "sub/cats.safetensors")),
    ],
)
@pytest.mark.parametrize("download", [True, False])
def test_hub_ids(
    weights: Path, hub: list, tmp_path: Path, source: str, wanted: tuple, download: bool
) -> None:
    assert resolve_source(source, download=download) == tmp_path / "downloaded"
    assert hub == [(*wanted, not download)]


@pytest.mark.parametrize(
    "source",
    [
        "",
        "cat",
        "models/cats.safetensors",
        "/absent/cats.safetensors",
        "../owner/name.safetensors",
        "owner/../name.safetensors",
        "owner/name/../cats.safetensors",
        "owner/name/model.pkl",
        "owner\\name",
        "https://example.org/owner/name",
        "owner/name\n",
    ],
)
def test_what_is_neither(weights: Path, hub: list, source: str) -> None:
    with pytest.raises(CheckpointError, match="bundled models: cats, dogs"):
        resolve_source(source, download=True)
    assert hub == []


def test_a_folder_is_no_hub_id(
    weights: Path, hub: list, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "owner" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="got the folder owner/name"):
        resolve_source("owner/name", download=True)
    assert hub == []


def test_a_path_is_no_hub_id(weights: Path, hub: list) -> None:
    with pytest.raises(CheckpointError, match="got 'owner/name'"):
        resolve_source(Path("owner/name"), download=True)
    assert hub == []


def test_no_download_without_permission(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "empty"))
    with pytest.raises(CheckpointError, match=r"no permission to download.*download=True"):
        resolve_source("owner/name")


def test_the_local_cache_needs_no_permission(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = tmp_path / "cache" / "models--owner--name"
    snapshot = repository / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(b"x")
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("a" * 40)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    assert resolve_source("owner/name") == snapshot / "model.safetensors"
    with pytest.raises(CheckpointError, match="no permission"):
        resolve_source("owner/name/other.safetensors")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (LocalEntryNotFoundError("offline"), "no connection and no copy on this machine"),
        (ConnectionError("unreachable\nsecond line"), r"ConnectionError \(unreachable\)"),
        (ValueError("not a repo id"), r"ValueError \(not a repo id\)"),
        (RuntimeError(""), r"RuntimeError \(RuntimeError\)"),
    ],
)
def test_a_failed_download(
    weights: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", _fail_with(error))
    with pytest.raises(CheckpointError, match=words) as caught:
        resolve_source("owner/name", download=True)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error


def test_without_the_hub_package(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert resolve_source("cats") == weights / "cats.safetensors"
    with pytest.raises(CheckpointError, match="pip install huggingface-hub"):
        resolve_source("owner/name", download=True)


@pytest.mark.parametrize("source", [5, None, "a\0b", "x" * 5000, "~nobody-of-this-name/m"])
def test_what_names_no_file_is_one_sentence(source):
    with pytest.raises(CheckpointError, match="a bundled model's name"):
        resolve_source(source)
