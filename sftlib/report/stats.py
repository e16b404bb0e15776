"""What became of the rows of each source, over all stages of data."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from sftlib.core.errors import UsageError
from sftlib.core.splits import SPLITS


def collect_stats(metrics: Path) -> dict[str, dict[str, Any]]:
    """Source -> rows at each stage, what was dropped by reason over all stages, and languages.

    A language has [rows, rows that were left when they were cleaned]. `added` are the rows that
    train got besides, by what made them, and those whose label was guessed.
    """
    if not (metrics / "split.json").is_file():
        raise UsageError("metrics/split.json is missing: build with `dvc repro split` first")
    curate, split = (read_json(metrics / f"{stage}.json") for stage in ("curate", "split"))
    composed = composed_by_source(metrics / "compose.json")
    stats = {}
    for file in sorted((metrics / "clean").glob("*.json")):
        source, clean = file.stem, read_json(file)
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
            "dropped": summed(clean["dropped"], curated["dropped"], later, last.get("dropped", {})),
            "added": {**last.get("changed", {}), **last.get("added", {})},
        }
    return stats


def summed(*dropped: dict[str, int]) -> dict[str, int]:
    """Reason -> rows, over all stages."""
    total: Counter[str] = Counter()
    for counts in dropped:
        total.update(counts)
    return dict(total)


def composed_by_source(path: Path) -> dict[str, Any]:
    """What composing did to the rows of each source; nothing before, or where it did nothing."""
    if not path.is_file():
        return {}
    found: dict[str, Any] = read_json(path)["train"].get("by_source", {})
    return found


def languages(clean: dict[str, Any]) -> dict[str, list[int]]:
    kept, dropped = clean.get("languages", {}), clean.get("languages_dropped", {})
    return {
        code: [kept.get(code, 0) + dropped.get(code, 0), kept.get(code, 0)]
        for code in sorted({*kept, *dropped})
    }


def read_json(path: Path) -> Any:
    return orjson.loads(path.read_bytes())
