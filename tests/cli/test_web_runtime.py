"""ONNX Runtime Web as npm packs it; small stand-ins for its files."""

import hashlib
import io
import random
import stat
import tarfile

import pytest

from diverse_inpainting.cli import web_runtime
from diverse_inpainting.core.errors import InputError


@pytest.fixture
def files(monkeypatch):
    files = {name: name.encode() for name in web_runtime._SHA256}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    monkeypatch.setattr(web_runtime, "_SHA256", hashes)
    return files


def pack(path, files):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def unpack(folder, files):
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def test_every_file_of_each_backend_has_a_hash():
    used = {name for backend in web_runtime.BACKENDS.values() for name in backend.files}
    assert used == set(web_runtime._SHA256)


def test_it_is_read_packed_or_not(tmp_path, files):
    archive = pack(tmp_path / "runtime.tgz", {**files, "other.js": b"not used"})
    unpack(tmp_path / "unpacked" / "package" / "dist", files)
    unpack(tmp_path / "installed" / "dist", files)
    for source in (archive, tmp_path / "unpacked", tmp_path / "installed"):
        assert web_runtime.read_runtime(source, download=False) == files


def test_a_damaged_archive_is_refused(tmp_path, files):
    noise = random.Random(0).randbytes(400_000)  # which the damage is in
    path = pack(tmp_path / "runtime.tgz", {**files, "ort.wasm.min.mjs": noise})
    data = bytearray(path.read_bytes())
    data[200_000:300_000] = b"\xff" * 100_000
    path.write_bytes(data)
    with pytest.raises(InputError, match="cannot be read"):
        web_runtime.read_runtime(path, download=False)


def test_it_is_found_in_the_current_folder(tmp_path, files, monkeypatch):
    monkeypatch.chdir(tmp_path)
    unpack(tmp_path / "node_modules" / "onnxruntime-web" / "dist", files)
    assert web_runtime.read_runtime(None, download=False) == files
    pack(tmp_path / web_runtime.ARCHIVE, {"ort.wasm.min.mjs": b"other"})
    with pytest.raises(InputError, match="which has another dist/ort"):
        web_runtime.read_runtime(None, download=True)


def test_without_it_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="Give --download, or get it with `npm pack"):
        web_runtime.read_runtime(None, download=False)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"no archive", "cannot be read"), (None, "has no dist/ort"), ({}, "has no dist/ort")],
)
def test_other_packages_are_refused(tmp_path, content, message):
    source = tmp_path / "source"
    if content is None:
        source.mkdir()
    elif isinstance(content, bytes):
        source.write_bytes(content)
    else:
        pack(source, content)
    with pytest.raises(InputError, match=message):
        web_runtime.read_runtime(source, download=False)


NPM = """#!/bin/sh
[ "$1 $2" = "pack onnxruntime-web@1.30.0" ] || exit 3
for folder; do :; done
%s
"""


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Return a function that puts a program called npm first on the path."""

    def install(line):
        program = tmp_path / "bin" / "npm"
        program.parent.mkdir()
        program.write_text(NPM % line)
        program.chmod(program.stat().st_mode | stat.S_IEXEC)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    monkeypatch.chdir(tmp_path)
    return install


def test_npm_downloads_it(tmp_path, files, npm):
    packed = pack(tmp_path / "served", files)
    npm(f'cp {packed} "$folder/onnxruntime-web-1.30.0.tgz"')
    assert web_runtime.read_runtime(None, download=True) == files


def test_a_failure_of_npm_is_told(npm):
    npm("echo no connection >&2; exit 1")
    with pytest.raises(InputError, match=r"could not download onnxruntime-web 1.30.0: no conn"):
        web_runtime.read_runtime(None, download=True)


def test_npm_may_be_missing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="Install Node"):
        web_runtime.read_runtime(None, download=True)
