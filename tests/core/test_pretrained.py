"""Published weights: found, downloaded (from a local URL), refused."""

import hashlib

import pytest
import torch
from safetensors.torch import save_file

from diverse_inpainting.core.errors import CheckpointError
from diverse_inpainting.core.pretrained import (
    PublishedWeights,
    obtain,
    read_state,
    sha256_of,
)

CONTENT = b"weights"


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A file at a local URL, and an empty download folder."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    source = tmp_path / "net-1234.pth"
    source.write_bytes(CONTENT)
    return PublishedWeights("a network", source.as_uri(), hashlib.sha256(CONTENT).hexdigest())


def test_a_download_is_kept(published, tmp_path):
    path = obtain(published)
    assert path == tmp_path / "hub" / "checkpoints" / "net-1234.pth"
    assert path.read_bytes() == CONTENT
    (tmp_path / "net-1234.pth").unlink()
    assert obtain(published) == path


def test_a_download_with_another_hash_is_refused_and_removed(published, tmp_path):
    other = PublishedWeights(published.title, published.url, "0" * 64)
    with pytest.raises(CheckpointError, match="invalid hash"):
        obtain(other)
    assert list((tmp_path / "hub" / "checkpoints").iterdir()) == []


def test_a_damaged_local_copy_is_refused(published):
    obtain(published).write_bytes(CONTENT[:3])
    with pytest.raises(CheckpointError, match="Delete the file"):
        obtain(published)


def test_a_failed_download_says_where_to_put_the_file(published, tmp_path):
    (tmp_path / "net-1234.pth").unlink()
    with pytest.raises(
        CheckpointError,
        match=r"^Downloading a network .*put net-1234\.pth into .*checkpoints yourself",
    ):
        obtain(published)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_state_dicts_are_read(tmp_path, suffix):
    path = tmp_path / f"net{suffix}"
    state = {"a": torch.arange(3.0)}
    if suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)
    assert torch.equal(read_state(path)["a"], state["a"])
    assert sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()


class Harmful:
    """Unpickling it would call a function."""

    def __reduce__(self):
        return pytest.fail, ("code of the file was run",)


@pytest.mark.parametrize(
    "content",
    [{"a": Harmful()}, {"a": 1}, [torch.zeros(1)]],
    ids=["code", "not a tensor", "not a dictionary"],
)
def test_pickles_of_other_things_are_refused(tmp_path, content):
    torch.save(content, tmp_path / "net.pth")
    with pytest.raises(CheckpointError, match="a state dict"):
        read_state(tmp_path / "net.pth")


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_damaged_and_missing_files(tmp_path, name):
    with pytest.raises(CheckpointError):
        read_state(tmp_path / name)
    with pytest.raises(CheckpointError, match="No such file"):
        sha256_of(tmp_path / name)
    (tmp_path / name).write_bytes(b"\x80\x02not a pickle")
    with pytest.raises(CheckpointError, match="a state dict"):
        read_state(tmp_path / name)
