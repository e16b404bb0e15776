"""Rows that were changed or dropped: how many for each reason, and where a few of them stood."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sftlib.core.params import Params
from sftlib.core.rows import read_folder
from sftlib.report.texts import texts_of

EXAMPLES = 3
# Stages behind clean that drop rows, each to a ledger of its own.
LATER = ("curate", "split", "compose", "tokenize")

Entry = dict[str, Any]


def changes(root: Path, params: Params) -> list[dict[str, Any]]:
    """What operators changed: {change, rows, places}, the most frequent first.

    places: of rows that differ from each other once they are cleaned.
    """
    rows: Counter[str] = Counter()
    shown: dict[str, dict[str, str]] = {}  # change -> id -> place
    for entry in read_folder(root / "data/ledger/clean"):
        for name in entry.get("changed", ()):
            rows[name] += 1
            places = shown.setdefault(name, {})
            if len(places) < EXAMPLES:
                places.setdefault(entry["id"], entry["at"])
    return [
        {"change": name, "rows": rows[name], "places": list(shown[name].values())}
        for name in sorted(rows, key=lambda name: (-rows[name], name))
    ]


def drops(root: Path, params: Params) -> list[dict[str, Any]]:
    """{stage, reason, rows, examples}, in the order of the graph, the most frequent first.

    Those of `clean` have no text: it was not read, and the raw rows may be gone. Rows that another
    stands for are shown with it, among the duplicates.
    """
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for stage, entry in dropped_entries(root):
        key = (stage, entry["reason"])
        empty = {"stage": stage, "reason": entry["reason"], "rows": 0, "examples": []}
        drop = found.setdefault(key, empty)
        drop["rows"] += 1
        if len(drop["examples"]) < EXAMPLES and not entry.get("keeper"):
            drop["examples"].append(entry)
    examples = [example for drop in found.values() for example in drop["examples"]]
    texts = texts_of(root / "data/clean", {e["id"] for e in examples if "id" in e})
    for drop in found.values():
        drop["examples"] = [
            {"at": e["at"], "detail": e["detail"], "turns": texts.get(e.get("id", ""), [])}
            for e in drop["examples"]
        ]
    order = ["clean", *LATER]
    return sorted(found.values(), key=lambda d: (order.index(d["stage"]), -d["rows"], d["reason"]))


def dropped_entries(root: Path) -> Iterator[tuple[str, Entry]]:
    for entry in read_folder(root / "data/ledger/clean"):
        if "reason" in entry:
            yield "clean", entry
    for stage in LATER:
        for entry in read_folder(root / f"data/ledger/{stage}/dropped"):
            yield stage, entry
