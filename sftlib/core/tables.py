"""Write small tables for plots."""

import csv
from collections.abc import Iterable
from pathlib import Path


def write_csv(path: Path, lines: Iterable[Iterable[object]]) -> None:
    """Write lines, the header first, as CSV with Unix line ends."""
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows(lines)
