"""Count what goes wrong with thousands of hostile files; also for another revision.

    python experiments/fuzz.py --model SMALL_MODEL [--cases 5000] [--seed 0] [--show]

The files depend on the seed and their number alone. Another revision is measured by running this
script with an interpreter, or a PYTHONPATH, that imports it.
"""

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import hostile_files
from fuzzing import FAULTS, Result, make_sound, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a small model to forge")
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--show", action="store_true", help="show each fault")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sound = make_sound(Path(folder), options.model.resolve())
        report(run(options.cases, options.seed, sound, options.first), options.show)


def report(results: Iterable[Result], show: bool) -> None:
    cases: Counter[str] = Counter()
    found: dict[str, Counter[str]] = {kind: Counter() for kind in hostile_files.MAKERS}
    for kind, number, faults in results:
        cases[kind] += 1
        found[kind].update(faults.keys())
        if faults and show:
            evidence = [f"{fault}: {text[-1200:]}" for fault, text in faults.items()]
            print(f"--- {kind} {number}", *evidence, sep="\n", flush=True)
    rows = [(kind, cases[kind], *(found[kind][f] for f in FAULTS)) for kind in sorted(cases)]
    sums = (sum(counts[fault] for counts in found.values()) for fault in FAULTS)
    totals = ("all", cases.total(), *sums)
    for row in (("kind", "cases", *FAULTS), ("---",) * (len(FAULTS) + 2), *rows, totals):
        print(f"| {' | '.join(map(str, row))} |")


if __name__ == "__main__":
    main()
