"""`sft stats`: rows and tokens of every source through the stages."""

from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from sftlib.console.printable import printable
from sftlib.core.splits import SPLITS
from sftlib.report.stats import collect_stats


def print_stats(as_json: bool) -> None:
    """Print a line per source, and per language of it; `UsageError` before the first build."""
    stats = collect_stats(Path.cwd() / "metrics")
    if as_json:
        print(orjson.dumps(stats).decode())
        return
    console = Console(markup=False, highlight=False)
    console.print(sources_table(stats))
    if any(found["languages"] for found in stats.values()):
        console.print(languages_table(stats))


def sources_table(stats: dict[str, dict[str, Any]]) -> Table:
    heads = ("source", "rows", "cleaned", "curated", *SPLITS, "kept", "dropped, by reason")
    notes = ["dropped", "added"] if any(found["added"] for found in stats.values()) else ["dropped"]
    table = Table(*heads, *notes[1:])
    for source, found in stats.items():
        counts = [found["rows"], found["cleaned"], found["curated"]]
        counts += [found["splits"].get(split, 0) for split in SPLITS]
        kept = f"{found['kept_share']:.1%}"
        listings = (listed(found[note]) for note in notes)
        table.add_row(printable(source), *map(str, counts), kept, *listings)
    return table


def listed(counts: dict[str, int]) -> str:
    return "\n".join(f"{count} {name}" for name, count in counts.items()) or "-"


def languages_table(stats: dict[str, dict[str, Any]]) -> Table:
    table = Table("source", "language", "rows", "cleaned", "kept")
    for source, found in stats.items():
        for code, (rows, kept) in found["languages"].items():
            table.add_row(printable(source), code, str(rows), str(kept), f"{kept / rows:.1%}")
    return table
