"""Print the tables of docs/import.md: how exact imports are, and what hostile files achieve.

python experiments/imports.py [--damaged 10000]
"""

import argparse
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import damaged_files
import foreign_files
import hostile_pickles
import import_parity
from diverse_inpainting.core.checkpoint.importers import RefusedFileError, import_file


class Outcome(NamedTuple):
    """What became of one file."""

    refused: bool
    executed: bool
    seconds: float
    """Of the processor."""
    mebibytes: float
    """Most memory that Python and NumPy took."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--damaged", type=int, default=10_000, help="cut and flipped files")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        print_parity(Path(folder) / "foreign.bin")
        print_attacks(Path(folder), options.damaged)


def print_parity(path: Path) -> None:
    print("| format | float64 | float32 |", "|---|---|---|", sep="\n")
    for name in import_parity.CASES:
        worst = []
        for dtype in (torch.float64, torch.float32):
            golden, imported = import_parity.imported_case(name, path)
            worst.append(max(import_parity.measured(golden, imported, dtype).values()))
        print(f"| {name} | {worst[0]:.0e} | {worst[1]:.0e} |", flush=True)


def print_attacks(folder: Path, num_damaged: int) -> None:
    print("| attack | files | refused | executed | worst seconds | worst MiB |")
    print("|---|---|---|---|---|---|")
    canary = folder / "canary"
    made = [make(canary)[0] for make in hostile_pickles.ATTACKS.values()]
    _print_row("made to do harm", made, folder)
    _print_row("source that writes a file", _with_source(folder, canary), folder)
    each = num_damaged // (2 * len(damaged_files.KINDS))
    for kind in damaged_files.KINDS:
        damaged_files.write_small(kind, folder / "whole")
        whole = (folder / "whole").read_bytes()
        _print_row(f"cut, {kind}", damaged_files.cut(whole, each, 3), folder)
        _print_row(f"bits flipped, {kind}", damaged_files.flipped(whole, each, 4), folder)


def _with_source(folder: Path, canary: Path) -> Iterator[bytes]:
    """Yield pickles of NVIDIA's whose source code writes the canary."""
    source, path = hostile_pickles.source(canary), folder / "source.pkl"
    foreign_files.write_nvidia(path, foreign_files.read_golden("nvidia_32"), source=source)
    yield path.read_bytes()
    foreign_files.MODULE_SOURCE = source
    foreign_files.write_tensorflow(path, foreign_files.read_golden("tensorflow_32"))
    yield path.read_bytes()


def _print_row(name: str, contents: Iterable[bytes], folder: Path) -> None:
    outcomes = [_outcome(content, folder) for content in contents]
    counts = (len(outcomes), sum(o.refused for o in outcomes), sum(o.executed for o in outcomes))
    worst = max(o.seconds for o in outcomes), max(o.mebibytes for o in outcomes)
    print(
        f"| {name} | {' | '.join(map(str, counts))} | {worst[0]:.2f} | {worst[1]:.1f} |", flush=True
    )


def _outcome(content: bytes, folder: Path) -> Outcome:
    """Import a file twice: tracing memory takes time."""
    path, canary = folder / "hostile.bin", folder / "canary"
    path.write_bytes(content)
    start = time.process_time()
    refused = _is_refused(path)
    seconds = time.process_time() - start
    tracemalloc.start()
    _is_refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    executed = canary.exists()
    canary.unlink(missing_ok=True)
    return Outcome(refused, executed, seconds, peak / 2**20)


def _is_refused(path: Path) -> bool:
    try:
        import_file(path)
    except RefusedFileError:
        return True
    return False


if __name__ == "__main__":
    main()
