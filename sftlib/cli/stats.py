"""`sft stats`: rows and tokens of every source through the stages."""

from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from sftlib.cli.terminal import printable
from sftlib.core.errors import UsageError

SPLITS = ("train", "validation", "test")


def print_stats(as_json: bool) -> None:
    """Print a line per source; raises `UsageError` before the first build."""
    stats = collect_stats(Path.cwd() / "metrics")
    if as_json:
        print(orjson.dumps(stats).decode())
        return
    table = Table("source", "rows", "cleaned", "curated", *SPLITS, "dropped, by reason")
    for source, found in stats.items():
        counts = [found["rows"], found["cleaned"], found["curated"]]
        counts += [found["splits"].get(split, 0) for split in SPLITS]
        reasons = "\n".join(f"{count} {reason}" for reason, count in found["dropped"].items())
        table.add_row(printable(source), *map(str, counts), reasons or "-")
    Console(markup=False, highlight=False).print(table)


def collect_stats(metrics: Path) -> dict[str, dict[str, Any]]:
    """Source -> rows at each stage, and what was dropped by reason, over all stages."""
    if not (metrics / "split.json").is_file():
        raise UsageError("metrics/split.json is missing: build with `dvc repro split` first")
    curate, split = (read(metrics / f"{stage}.json") for stage in ("curate", "split"))
    stats = {}
    for file in sorted((metrics / "clean").glob("*.json")):
        source, clean = file.stem, read(file)
        curated = curate["by_source"].get(source, {"kept": 0, "dropped": {}})
        later = split["dropped_by_source"].get(source, {})
        stats[source] = {
            "rows": clean["rows_in"],
            "cleaned": clean["kept"],
            "curated": curated["kept"],
            "splits": {name: split["by_source"][name].get(source, 0) for name in SPLITS},
            "dropped": {**clean["dropped"], **curated["dropped"], **later},
        }
    return stats


def read(path: Path) -> Any:
    return orjson.loads(path.read_bytes())
