"""Which split each cluster of curated rows belongs to."""

from collections.abc import Iterable
from typing import Any

from sftlib.core.errors import DataError
from sftlib.core.params import Shares, Source, Split, Times
from sftlib.core.splits import SplitName
from sftlib.curate.place import fold_of, split_of

STRICTEST_FIRST: tuple[SplitName, ...] = ("test", "validation", "train")


def deal(
    rows: Iterable[dict[str, Any]], split: Split, sources: dict[str, Source]
) -> dict[float, SplitName]:
    """Place -> split, of every cluster that holds a row to be dealt.

    The strictest claim of its rows decides on a cluster: test before validation before train. So
    adding rows can only move it towards test, also with shares by source or with dates.
    """
    found: dict[float, SplitName] = {}
    for row in rows:
        if sources[row["source"]].role != "build":
            continue
        claim, place = claim_of(row, split), row["place"]
        held = found.setdefault(place, claim)
        if STRICTEST_FIRST.index(claim) < STRICTEST_FIRST.index(held):
            found[place] = claim
    return found


def claim_of(row: dict[str, Any], split: Split) -> SplitName:
    """The split of a row if it were alone in its cluster."""
    if split.time is not None:
        return split_at(time_of(row, split.time), split.time)
    shares: Split | Shares = (split.by_source or {}).get(row["source"], split)
    if split.fold is not None:
        return fold_of(row["place"], shares.test, split.fold)
    return split_of(row["place"], shares)


def split_at(time: str, times: Times) -> SplitName:
    """ISO 8601 texts compare as the times that they name."""
    if time >= times.test_from:
        return "test"
    return "validation" if time >= times.validation_from else "train"


def time_of(row: dict[str, Any], times: Times) -> str:
    value = row.get("meta", {}).get(times.key)
    if not isinstance(value, str):
        raise DataError(
            f"split.time: a row of {row['source']} (id {row['id']}) has no text {times.key!r} in "
            f"its meta: list the field in sources.{row['source']}.meta"
        )
    return value
