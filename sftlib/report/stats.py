"""What became of the rows of each source, over all stages of data."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from sftlib.core.errors import UsageError
from sftlib.core.splits import SPLITS


def collect_stats(metrics: Path) -> dict[str, dict[str, Any]]:
    """Source -> rows at each stage, what was dropped by reason over all stages, and languages.

    A language has [rows, rows that were left when they were cleaned].
    """
    if not (metrics / "split.json").is_file():
        raise UsageError("metrics/split.json is missing: build with `dvc repro split` first")
    curate, split = (read_json(metrics / f"{stage}.json") for stage in ("curate", "split"))
    stats = {}
    for file in sorted((metrics / "clean").glob("*.json")):
        source, clean = file.stem, read_json(file)
        curated = curate["by_source"].get(source, {"kept": 0, "dropped": {}})
        later = split["dropped_by_source"].get(source, {})
        splits = {name: split["by_source"][name].get(source, 0) for name in SPLITS}
        stats[source] = {
            "rows": clean["rows_in"],
            "cleaned": clean["kept"],
            "curated": curated["kept"],
            "kept_share": round(sum(splits.values()) / clean["rows_in"], 4),
            "splits": splits,
            "languages": languages(clean),
            "dropped": added(clean["dropped"], curated["dropped"], later),
        }
    return stats


def added(*dropped: dict[str, int]) -> dict[str, int]:
    """Reason -> rows, over all stages."""
    total: Counter[str] = Counter()
    for counts in dropped:
        total.update(counts)
    return dict(total)


def languages(clean: dict[str, Any]) -> dict[str, list[int]]:
    kept, dropped = clean.get("languages", {}), clean.get("languages_dropped", {})
    return {
        code: [kept.get(code, 0) + dropped.get(code, 0), kept.get(code, 0)]
        for code in sorted({*kept, *dropped})
    }


def read_json(path: Path) -> Any:
    return orjson.loads(path.read_bytes())
