"""What every benchmark prints and writes."""

import argparse
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

Figure = dict[str, str | float]


def figure(case: str, system: str, metric: str, value: float, unit: str) -> Figure:
    return {"case": case, "system": system, "metric": metric, "value": value, "unit": unit}


def publish(figures: list[Figure]) -> None:
    """Print the figures, and write them where `--json FILE` says."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    parser.add_argument("--peers", action="store_true", help="measure peers that need an install")
    arguments = parser.parse_args()
    table = Table("case", "system", "metric", "value", "unit")
    for f in figures:
        table.add_row(f["case"], f["system"], f["metric"], f"{f['value']:.3f}", f["unit"])  # type: ignore[arg-type]
    Console().print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
