"""`sft summary`: where the rows and the time of the last build went, and what came of it."""

from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from sftlib.core.errors import UsageError
from sftlib.core.state import state_folder


def print_summary() -> None:
    """Print the tables of the build in the working directory."""
    root, console = Path.cwd(), Console()
    if not (root / "metrics/evaluate.json").is_file():
        raise UsageError("metrics/evaluate.json is missing: build with `make` or `dvc repro` first")
    console.print(rows_table(root))
    console.print(metrics_table(read(root / "metrics/evaluate.json")))
    console.print(timings_table(last_timings(state_folder(root) / "timings.jsonl")))


def read(path: Path) -> Any:
    return orjson.loads(path.read_bytes())


def rows_table(root: Path) -> Table:
    table = Table("stage", "rows in", "kept", "dropped", title="Rows")
    blocks = [(f"clean {p.stem}", read(p)) for p in sorted((root / "metrics/clean").glob("*.json"))]
    blocks += [(stage, read(root / f"metrics/{stage}.json")) for stage in ("curate", "split")]
    blocks.append(("compose train", read(root / "metrics/compose.json")["train"]))
    for split, block in read(root / "metrics/tokenize.json").items():
        blocks.append((f"tokenize {split}", block))
    for name, block in blocks:
        dropped = ", ".join(f"{count} {reason}" for reason, count in block["dropped"].items())
        table.add_row(name, str(block["rows_in"]), str(block["kept"]), dropped or "-")
    return table


def metrics_table(evaluated: dict[str, Any]) -> Table:
    """Every figure that both models have, or the baseline and the tuned one."""
    before = "base" if "base" in evaluated else "baseline"
    asked = f", {evaluated['questions']} answers generated" if "questions" in evaluated else ""
    table = Table("metric", before, "tuned", title=f"Test split: {evaluated['rows']} rows{asked}")
    for name, value in evaluated[before].items():
        if isinstance(value, float):
            table.add_row(name, f"{value:.4f}", f"{evaluated['tuned'][name]:.4f}")
    return table


def last_timings(path: Path) -> list[dict[str, Any]]:
    """The last run of each stage, in the order in which they ran."""
    if not path.is_file():
        return []
    latest: dict[str, dict[str, Any]] = {}
    for line in path.read_bytes().splitlines():
        timing = orjson.loads(line)
        latest.pop(timing["stage"], None)
        latest[timing["stage"]] = timing
    return list(latest.values())


def timings_table(timings: list[dict[str, Any]]) -> Table:
    table = Table("stage", "seconds", "CPU seconds", "peak MB", title="Time (last run of a stage)")
    for timing in timings:
        figures = (
            f"{timing['seconds']:.1f}",
            f"{timing['cpu_seconds']:.1f}",
            str(timing["peak_mb"]),
        )
        table.add_row(timing["stage"], *figures)
    table.add_section()
    seconds = sum(timing["seconds"] for timing in timings)
    table.add_row("all", f"{seconds:.1f}", f"{sum(t['cpu_seconds'] for t in timings):.1f}", "")
    return table
