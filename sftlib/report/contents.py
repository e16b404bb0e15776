"""What the composed splits hold: rows of each source, and labels, tags, scores or turns."""

from collections import Counter
from pathlib import Path
from typing import Any

from sftlib.core.params import Params
from sftlib.core.records import Chat, Labeled, Record, Tagged, record_from_json
from sftlib.core.rows import read_folder
from sftlib.core.splits import SPLITS

BINS = 10

Counts = dict[str, Counter[str]]


def contents(root: Path, params: Params) -> dict[str, Any]:
    """Kind (`sources`, `labels`, `tags`, `turns`, `scores`) -> value -> rows of each split.

    Only kinds that occur are there. Tags are counted by word; scores in ten ranges of equal width.
    """
    counts: dict[str, Counts] = {}
    scores: list[tuple[str, float]] = []
    for split in SPLITS:
        for fields in read_folder(root / "data/composed" / split):
            count(counts, "sources", fields["source"], split)
            record = record_from_json(fields)
            if isinstance(record, Labeled) and isinstance(record.label, float):
                scores.append((split, record.label))
            for kind, value in values(record):
                count(counts, kind, value, split)
    for name, value in ranged(scores):
        count(counts, "scores", value, name)
    return {kind: table(kind, found) for kind, found in counts.items()}


def count(counts: dict[str, Counts], kind: str, value: str, split: str) -> None:
    counts.setdefault(kind, {}).setdefault(value, Counter())[split] += 1


def values(record: Record) -> list[tuple[str, str]]:
    """(kind, value) of what can be counted in a record."""
    if isinstance(record, Chat):
        return [("turns", str(sum(m.role == "assistant" for m in record.messages)))]
    if isinstance(record, Labeled):
        names = record.label if isinstance(record.label, tuple) else (record.label,)
        return [("labels", name) for name in names if isinstance(name, str)]
    return [("tags", tag) for tag in record.tags] if isinstance(record, Tagged) else []


def ranged(scores: list[tuple[str, float]]) -> list[tuple[str, str]]:
    """Scores as the range that they lie in."""
    if not scores:
        return []
    low, high = min(s for _, s in scores), max(s for _, s in scores)
    width = (high - low) / BINS or 1.0
    places = [(split, min(int((score - low) / width), BINS - 1)) for split, score in scores]
    return [(s, f"{low + width * n:.4g} to {low + width * (n + 1):.4g}") for s, n in places]


def table(kind: str, found: Counts) -> list[dict[str, Any]]:
    """Lines {value, train, validation, test}: numbers in their order, names by frequency."""

    def order(value: str) -> Any:
        if kind in ("turns", "scores"):
            return float(value.split()[0])
        return (-found[value].total(), value)

    return [
        {"value": value, **{split: found[value][split] for split in SPLITS}}
        for value in sorted(found, key=order)
    ]
