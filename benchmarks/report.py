"""The arguments, the table and the file of every benchmark."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

Figure = dict[str, str | float]


def figure(case: str, system: str, metric: str, value: float, unit: str) -> Figure:
    return {"case": case, "system": system, "metric": metric, "value": value, "unit": unit}


def run_benchmark(measure: Callable[..., list[Figure]], **options: list[int]) -> None:
    """Measure, print the figures, and write them where `--json FILE` says.

    options: name -> numbers that `--name` takes in their stead; `measure` is called with them.
    """
    parser = argparse.ArgumentParser()
    add_json(parser)
    for name, numbers in options.items():
        parser.add_argument(f"--{name}", type=int, nargs="+", default=numbers, metavar="N")
    given = vars(parser.parse_args())
    file = given.pop("json")
    figures = measure(**given)
    print_table(figures)
    if file:
        write_figures(file, figures)


def add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")


def print_table(figures: list[Figure]) -> None:
    table = Table("case", "system", "metric", "value", "unit")
    for f in figures:
        table.add_row(f["case"], f["system"], f["metric"], f"{f['value']:.3f}", f["unit"])  # type: ignore[arg-type]
    Console().print(table)


def write_figures(file: Path, figures: list[Figure]) -> None:
    file.write_text(json.dumps(figures, indent=2) + "\n")


def merged(file: Path, figures: list[Figure]) -> list[Figure]:
    """Those of cases that were not measured now, as the file has them, and `figures`."""
    new = {figure["case"] for figure in figures}
    old = json.loads(file.read_text()) if file.exists() else []
    return [figure for figure in old if figure["case"] not in new] + figures
