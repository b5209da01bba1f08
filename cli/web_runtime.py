"""ONNX Runtime Web, which runs the models of a page: found as its npm package, and checked.

It is not among this project's files, because it is large.
"""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"
ARCHIVE = f"{PACKAGE}-{VERSION}.tgz"
"""What `npm pack` calls the package."""


@dataclass(frozen=True)
class Backend:
    """The files of one way to run a model, by their names in the package's folder `dist`."""

    folder: str
    """Where a page has them."""
    module: str
    """What the page imports."""
    loader: str
    """What that imports, and what its threads run."""
    binary: str
    """The WebAssembly."""

    @property
    def files(self) -> tuple[str, str, str]:
        """All of them."""
        return self.module, self.loader, self.binary


BACKENDS = {
    "wasm": Backend(
        "runtime/wasm",
        "ort.wasm.min.mjs",
        "ort-wasm-simd-threaded.mjs",
        "ort-wasm-simd-threaded.wasm",
    ),
    "webgpu": Backend(
        "runtime/webgpu",
        "ort.webgpu.min.mjs",
        "ort-wasm-simd-threaded.asyncify.mjs",
        "ort-wasm-simd-threaded.asyncify.wasm",
    ),
}
"""By the execution provider's name; a browser loads the files of those that it uses."""

# fmt: off
_SHA256 = {
    "ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
    "ort.webgpu.min.mjs": "3dffff71811bc13a3a3d9591c57ca5ee5735b8f5f3eaf789510b02bb040ae3a0",
    "ort-wasm-simd-threaded.mjs":
        "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
    "ort-wasm-simd-threaded.wasm":
        "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    "ort-wasm-simd-threaded.asyncify.mjs":
        "3d1c85995364bb643302fc6fd877a0c3ba5ae72401815e0f24828a53d9191e28",
    "ort-wasm-simd-threaded.asyncify.wasm":
        "39f9f0894d478800487ed9f7dbe92618498db320cf55c8e3d89adff8dce658da",
}
# fmt: on


def read_runtime(source: Path | None, *, download: bool) -> Mapping[str, bytes]:
    """Return the runtime's files by name.

    Args:
        source: the package as npm packs it (.tgz) or as a folder; None looks in the current folder.
        download: whether npm may download it where `source` is None and it is not there.

    Raises:
        InputError: no such package, another version, or npm failed.
    """
    if source is None:
        nearby = (Path(ARCHIVE), Path("node_modules") / PACKAGE)
        source = next((path for path in nearby if path.exists()), None)
    if source is not None:
        return _read(source)
    if not download:
        raise InputError(
            f"{PACKAGE} {VERSION}, which runs the model in the browser",
            f"no {ARCHIVE} in this folder",
            f"Give --download, or get it with `npm pack {PACKAGE}@{VERSION}`, on another computer "
            "if need be, and name it with --runtime.",
            problem=f"The page needs {PACKAGE} {VERSION} to run the model in the browser.",
        )
    with tempfile.TemporaryDirectory() as folder:
        return _read(_packed(Path(folder)))


def _packed(folder: Path) -> Path:
    """Let npm download the package into a folder."""
    remedy = f"Get {ARCHIVE} in another way, and name it with --runtime."
    npm = shutil.which("npm")
    if npm is None:
        raise InputError(
            "npm, which downloads the runtime", "none", f"Install Node.js. Or: {remedy}"
        )
    command = [npm, "pack", f"{PACKAGE}@{VERSION}", "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode or not (folder / ARCHIVE).is_file():
        lines = done.stderr.strip().splitlines()
        reason = lines[0] if lines else "no reason given"
        raise InputError(
            f"npm to download {PACKAGE} {VERSION}",
            reason,
            f"Check the connection. Or: {remedy}",
            problem=f"npm could not download {PACKAGE} {VERSION}: {reason}.",
        )
    return folder / ARCHIVE


def _read(source: Path) -> dict[str, bytes]:
    try:
        found = _read_folder(source) if source.is_dir() else _read_archive(source)
    except (OSError, tarfile.TarError, EOFError, zlib.error) as error:
        raise _unsuitable(source, f"cannot be read ({error})") from error
    for name, expected in _SHA256.items():
        if name not in found:
            raise _unsuitable(source, f"has no dist/{name}")
        if hashlib.sha256(found[name]).hexdigest() != expected:
            raise _unsuitable(source, f"has another dist/{name}")
    return found


def _unsuitable(source: Path, reason: str) -> InputError:
    return InputError(
        f"the npm package {PACKAGE} {VERSION}",
        f"{source}, which {reason}",
        f"Get it with `npm pack {PACKAGE}@{VERSION}`.",
    )


def _read_folder(folder: Path) -> dict[str, bytes]:
    inner = folder / "package"  # what an unpacked archive holds
    dist = (inner if inner.is_dir() else folder) / "dist"
    return {name: (dist / name).read_bytes() for name in _SHA256 if (dist / name).is_file()}


def _read_archive(path: Path) -> dict[str, bytes]:
    with tarfile.open(path, "r:gz") as archive:
        named = {f"package/dist/{name}": name for name in _SHA256}
        files = {}
        for member in archive:
            content = archive.extractfile(member) if member.name in named else None
            if content is not None:
                files[named[member.name]] = content.read()
        return files
