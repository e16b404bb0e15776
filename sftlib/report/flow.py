"""How the rows of the sources become the rows that train, step by step."""

from collections import Counter
from pathlib import Path
from typing import Any

from sftlib.core.params import Params
from sftlib.core.splits import HELD_OUT_SPLITS
from sftlib.report.stats import read_json


def flow(root: Path, params: Params) -> list[dict[str, Any]]:
    """Steps {stage, what, rows, left}: rows that come or go for a reason, and what is left then.

    The first step is all rows that were read. Steps go as far as the build came.
    """
    steps: list[dict[str, Any]] = []
    for stage, counts in changes_by_stage(root / "metrics"):
        for what, rows in counts.items():
            left = (steps[-1]["left"] if steps else 0) + rows
            steps.append({"stage": stage, "what": what, "rows": rows, "left": left})
    return steps


def changes_by_stage(metrics: Path) -> list[tuple[str, dict[str, int]]]:
    """(stage, by how much each reason changes the number of rows), in the order of the graph."""
    clean = [read_json(file) for file in sorted((metrics / "clean").glob("*.json"))]
    found = [("fetch", {"rows": sum(source["rows_in"] for source in clean)})]
    found += [("clean", losses(*clean))]
    later = {stage: metrics / f"{stage}.json" for stage in ("curate", "split")}
    for stage, file in later.items():
        if not file.is_file():
            return found
        found.append((stage, losses(read_json(file))))
    split = read_json(later["split"])
    found.append(("split", {f"held out: {name}": -split[name] for name in HELD_OUT_SPLITS}))
    if (metrics / "compose.json").is_file():
        train = read_json(metrics / "compose.json")["train"]
        repeated = train["written"] - train["kept"]
        found.append(("compose", losses(train) | ({"repeated": repeated} if repeated else {})))
    if (metrics / "tokenize.json").is_file():
        found.append(("tokenize", losses(read_json(metrics / "tokenize.json")["train"])))
    return found


def losses(*counts: dict[str, Any]) -> dict[str, int]:
    """Dropped rows by reason, the most frequent first, as negative numbers."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one["dropped"])
    return {reason: -rows for reason, rows in sorted(total.items(), key=lambda x: (-x[1], x[0]))}
