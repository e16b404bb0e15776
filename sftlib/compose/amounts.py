"""How many rows of a source or a label there are to be, and how often each comes."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from sftlib.compose.lot import lot
from sftlib.core.tally import Drop

Row = dict[str, Any]


def over_caps(rows: list[Row], caps: dict[str, int]) -> dict[str, Drop]:
    """Rows beyond the cap of their source, drawn by lot."""
    found: dict[str, Drop] = {}
    for source, cap in caps.items():
        mine = drawn((row for row in rows if row["source"] == source), "cap")
        detail = f"compose.caps allows {cap} rows of {source}"
        found |= {row["id"]: Drop("over_cap", detail) for row in mine[cap:]}
    return found


def over_balance(rows: list[Row]) -> dict[str, Drop]:
    """Labelled rows beyond as many as the rarest label has, drawn by lot."""
    groups = grouped((row for row in rows if "label" in row), lambda row: str(row["label"]))
    rarest = min(groups, key=lambda label: (len(groups[label]), label), default=None)
    if rarest is None:
        return {}
    size = len(groups[rarest])
    detail = f"label {rarest!r} has only {size} rows"
    return {
        row["id"]: Drop("over_balance", detail)
        for label in groups
        for row in drawn(groups[label], "balance")[size:]
    }


def times(row: Row, weights: dict[str, float]) -> int:
    """How often `row` comes: its source's weight, the fraction decided by lot.

    >>> times({"id": "a", "source": "x"}, {"x": 2.0})
    2
    """
    weight = weights.get(row["source"], 1.0)
    return math.floor(weight) + (lot(row["id"], "weight") < weight % 1)


def drawn(rows: Iterable[Row], purpose: str) -> list[Row]:
    return sorted(rows, key=lambda row: (lot(row["id"], purpose), row["id"]))


def grouped(rows: Iterable[Row], key: Callable[[Row], str]) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups
