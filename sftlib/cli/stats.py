"""`sft stats`: rows and tokens of every source through the stages."""

from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from sftlib.cli.terminal import printable
from sftlib.core.errors import UsageError
from sftlib.core.splits import SPLITS


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


def collect_stats(metrics: Path) -> dict[str, dict[str, Any]]:
    """Source -> rows at each stage, what was dropped by reason over all stages, and languages.

    A language has [rows, rows that were left when they were cleaned]. `added` are the rows that
    train got besides, by what made them, and those whose label was guessed.
    """
    if not (metrics / "split.json").is_file():
        raise UsageError("metrics/split.json is missing: build with `dvc repro split` first")
    curate, split = (read(metrics / f"{stage}.json") for stage in ("curate", "split"))
    composed = composed_by_source(metrics / "compose.json")
    stats = {}
    for file in sorted((metrics / "clean").glob("*.json")):
        source, clean = file.stem, read(file)
        curated = curate["by_source"].get(source, {"kept": 0, "dropped": {}})
        later = split["dropped_by_source"].get(source, {})
        last = composed.get(source, {})
        splits = {name: split["by_source"][name].get(source, 0) for name in SPLITS}
        stats[source] = {
            "rows": clean["rows_in"],
            "cleaned": clean["kept"],
            "curated": curated["kept"],
            "kept_share": round(sum(splits.values()) / clean["rows_in"], 4),
            "splits": splits,
            "languages": languages(clean),
            "dropped": {
                **clean["dropped"],
                **curated["dropped"],
                **later,
                **last.get("dropped", {}),
            },
            "added": {**last.get("changed", {}), **last.get("added", {})},
        }
    return stats


def composed_by_source(path: Path) -> dict[str, Any]:
    """What composing did to the rows of each source; nothing before, or where it did nothing."""
    found: dict[str, Any] = read(path)["train"].get("by_source", {}) if path.is_file() else {}
    return found


def languages(clean: dict[str, Any]) -> dict[str, list[int]]:
    kept, dropped = clean.get("languages", {}), clean.get("languages_dropped", {})
    return {
        code: [kept.get(code, 0) + dropped.get(code, 0), kept.get(code, 0)]
        for code in sorted({*kept, *dropped})
    }


def read(path: Path) -> Any:
    return orjson.loads(path.read_bytes())
