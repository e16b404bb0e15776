"""CPU time, memory and correctness of curation and encoding, against other libraries.

Run in the root of the repository. Everything lies in .sft/benchmarks: the rows, their near pairs,
the peers' environments. What is there is not made again, so that a run that was stopped goes on
with `--case`. Figures of other cases that FILE holds already stay. See docs/benchmarks.md.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks.cases import CASES, Bench
from benchmarks.report import Figure, add_json, merged, print_table, write_figures
from benchmarks.usage import CommandFailed


def main() -> None:
    chosen = arguments()
    bench = Bench(
        chosen.folder.absolute(),
        chosen.runs,
        chosen.scale,
        chosen.peers,
        chosen.peers_at_520k,
        chosen.model,
        failures=[],
    )
    bench.folder.mkdir(parents=True, exist_ok=True)
    figures: list[Figure] = []
    for case in chosen.case or CASES:
        figures += measured(case, bench)
        if chosen.json:
            write_figures(chosen.json, merged(chosen.json, figures))
    print_table(figures)
    for failure in bench.failures:
        print(f"error: {failure}", file=sys.stderr)
    sys.exit(1 if bench.failures else 0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_json(parser)
    parser.add_argument("--peers", action="store_true", help="measure other libraries too")
    parser.add_argument("--peers-at-520k", action="store_true", help="for an hour")
    parser.add_argument("--case", action="append", choices=CASES, help="only this one; repeatable")
    parser.add_argument("--folder", type=Path, default=Path(".sft/benchmarks"))
    parser.add_argument("--model", type=Path, default=Path("models/base"))
    parser.add_argument("--runs", type=int, default=3, help="of ours, of which the median counts")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the rows, for a trial")
    return parser.parse_args()


def measured(case: str, bench: Bench) -> list[Figure]:
    """What could be measured of a case."""
    figures: list[Figure] = []
    print(f"{case} ...", flush=True)
    try:
        for entry in CASES[case](bench):
            figures.append(entry)
    except (CommandFailed, subprocess.CalledProcessError) as error:
        bench.failures.append(f"{case}: {error}")
    return figures


if __name__ == "__main__":
    main()
