"""Rows that were dropped for another one that is kept in their stead."""

from collections import Counter
from pathlib import Path
from typing import Any

from sftlib.core.params import Params
from sftlib.core.rows import read_folder
from sftlib.report.texts import texts_of

KEEPERS, EXAMPLES = 6, 3

Entry = dict[str, Any]


def duplicates(root: Path, params: Params) -> list[dict[str, Any]]:
    """{reason, rows, keepers, groups}: the rows that stand for the most others, with some of them.

    A group is {keeper: {at, turns}, rows, dropped: [{at, detail, turns}]}.
    """
    counts, examples = grouped(root / "data/ledger/curate")
    largest = {
        reason: sorted(keepers, key=lambda id: (-keepers[id], id))[:KEEPERS]
        for reason, keepers in counts.items()
    }
    shown = {
        key: examples[key] for reason, ids in largest.items() for key in ((reason, i) for i in ids)
    }
    wanted = {e["id"] for entries in shown.values() for e in entries} | {id for _, id in shown}
    texts = texts_of(root / "data/clean", wanted)
    return [
        {
            "reason": reason,
            "rows": counts[reason].total(),
            "keepers": len(counts[reason]),
            "groups": [
                group_of(examples[reason, id], counts[reason][id], texts) for id in largest[reason]
            ],
        }
        for reason in sorted(counts, key=lambda r: (-counts[r].total(), r))
    ]


def grouped(
    ledger: Path,
) -> tuple[dict[str, Counter[str]], dict[tuple[str, str], list[Entry]]]:
    """Reason -> rows by the id of their keeper; and the first ledger entries of each."""
    counts: dict[str, Counter[str]] = {}
    examples: dict[tuple[str, str], list[Entry]] = {}
    for entry in read_folder(ledger / "dropped"):
        if entry["keeper"] is None:
            continue
        reason, keeper = entry["reason"], entry["keeper"]["id"]
        counts.setdefault(reason, Counter())[keeper] += 1
        entries = examples.setdefault((reason, keeper), [])
        if len(entries) < EXAMPLES:
            entries.append(entry)
    return counts, examples


def group_of(entries: list[Entry], rows: int, texts: dict[str, Any]) -> dict[str, Any]:
    keeper = entries[0]["keeper"]
    return {
        "keeper": {"at": keeper["at"], "turns": texts[keeper["id"]]},
        "rows": rows,
        "dropped": [
            {"at": e["at"], "detail": e["detail"], "turns": texts[e["id"]]} for e in entries
        ],
    }
