"""Rows in = rows kept + rows dropped by reason, at every stage."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a row was left out; `reason` is one of a closed set, `detail` is for the reader."""

    reason: str
    detail: str


# What is counted besides: of kept rows, of dropped ones, and of rows made of kept ones.
NOTES = ("changed", "flagged", "languages", "languages_dropped", "added", "not_added")


@dataclass
class Tally:
    """Counts of one source at one stage."""

    rows_in: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    flagged: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    languages_dropped: Counter[str] = field(default_factory=Counter)
    added: Counter[str] = field(default_factory=Counter)
    not_added: Counter[str] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        self.rows_in += other.rows_in
        self.kept += other.kept
        self.dropped.update(other.dropped)
        for name in NOTES:
            getattr(self, name).update(getattr(other, name))

    def check(self) -> None:
        """Raise `AssertionError` when a row was lost or invented: that is a bug of ours."""
        accounted = self.kept + self.dropped.total()
        assert self.rows_in == accounted, f"{self.rows_in} rows in, {accounted} accounted for"

    def to_json(self) -> dict[str, Any]:
        self.check()
        counts: dict[str, Any] = {
            "rows_in": self.rows_in,
            "kept": self.kept,
            "dropped": dict(sorted(self.dropped.items())),
        }
        for name in NOTES:
            if getattr(self, name):
                counts[name] = dict(sorted(getattr(self, name).items()))
        return counts

    @classmethod
    def from_json(cls, counts: dict[str, Any]) -> "Tally":
        """What `to_json` wrote down."""
        named = {name: Counter(counts.get(name, {})) for name in ("dropped", *NOTES)}
        return cls(counts["rows_in"], counts["kept"], **named)

    def kept_shares(self) -> dict[str, Any]:
        """The share of rows that were kept, of all and of each language that was noted."""
        shares: dict[str, Any] = {"kept_share": share(self.kept, self.rows_in - self.kept)}
        codes = sorted(self.languages | self.languages_dropped)
        if codes:
            shares["kept_share_by_language"] = {
                code: share(self.languages[code], self.languages_dropped[code]) for code in codes
            }
        return shares


def share(kept: int, dropped: int) -> float:
    return round(kept / (kept + dropped), 4)


def total(tallies: Iterable[Tally]) -> Tally:
    """The sum of tallies."""
    result = Tally()
    for tally in tallies:
        result.add(tally)
    return result
