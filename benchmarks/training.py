"""Speed, memory and loss of training, against TRL and transformers' Trainer on the same rows.

Run in the root of a repository built to `tokenize`. All systems train the same weights on the same
rows: one epoch in which the rows of each optimizer step are given, losses averaged over the labels
of a step, fused AdamW without weight decay, half a cosine without warm-up, gradients clipped alike,
one precision. So their losses on these rows, measured by one function afterwards, must agree.
Everything lies in .sft/benchmarks; figures of other cases that FILE holds already stay.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks.report import Figure, add_json, merged, print_table, write_figures
from benchmarks.training_cases import CASES, Bench, figures_of_case
from benchmarks.usage import CommandFailed
from sftlib.core.processor import has_bf16, settled_precision


def main() -> None:
    chosen = arguments()
    precision = settled_precision(chosen.precision, has_bf16())
    bench = Bench(Path.cwd(), chosen.folder.absolute(), chosen.peers, chosen.runs, precision)
    figures: list[Figure] = []
    failures = []
    for name in chosen.case or CASES:
        print(f"{name} ...", flush=True)
        try:
            for case in CASES[name]:
                figures += figures_of_case(bench, case)
        except (CommandFailed, subprocess.CalledProcessError) as error:
            failures.append(f"error: {name}: {error}")
        if chosen.json:
            write_figures(chosen.json, merged(chosen.json, figures))
    print_table(figures)
    sys.exit("\n".join(failures) or 0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_json(parser)
    parser.add_argument("--peers", action="store_true", help="measure other libraries too")
    parser.add_argument("--case", action="append", choices=CASES, help="only this one; repeatable")
    parser.add_argument("--runs", type=int, default=3, help="of each system; medians count")
    parser.add_argument("--precision", choices=("auto", "bf16", "fp32"), default="auto")
    parser.add_argument("--folder", type=Path, default=Path(".sft/benchmarks"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
