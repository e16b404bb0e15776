"""What is known of a row besides its text, and what is decided about it."""

from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Standing:
    """What speaks for a row besides its text.

    held_out: it is of a given split or an evaluation set, so it is kept and others yield to it.
    group: rows of one group share a split.
    """

    priority: int = 0
    held_out: bool = False
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Why a row is dropped, and the row that is kept in its stead, if there is one."""

    reason: str
    keeper: int | None
    detail: str


@dataclass(frozen=True)
class Verdict:
    """What was found, by row number: duplicates, places, and counts for the metrics.

    A place below 0 is that of a cluster which holds a row that is held out.
    """

    duplicates: dict[int, Duplicate]
    places: list[float]
    copies: dict[str, Counter[int]]
    clusters: int
    pairs_checked: int
