"""What became of every row of a build, and how that differs between two builds."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from sftlib.cli.revision import Revision
from sftlib.core.records import digest, opening_text, record_from_json, record_text
from sftlib.report.drops import LATER

EXAMPLES = 3


@dataclass(frozen=True)
class Fate:
    """Where a row ended: in a split, or dropped for a reason.

    opening: a digest of what stands before the first answer; rows that share it are versions.
    """

    id: str
    source: str
    at: str
    opening: str
    text: str
    split: str | None
    reason: str


@dataclass
class Fates:
    """All rows that were cleaned, by id; and the reasons of those that were not, by place."""

    rows: dict[str, Fate] = field(default_factory=dict)
    faulty: dict[str, str] = field(default_factory=dict)

    def in_use(self) -> dict[str, Fate]:
        return {id: fate for id, fate in self.rows.items() if fate.split}

    def why_not(self, row: Fate) -> str:
        """Why a row of another build is not in use here."""
        if row.id in self.rows:
            return self.rows[row.id].reason
        return self.faulty.get(row.at, "not in the source")


def read_fates(revision: Revision) -> Fates:
    """The rows of a revision; raises `DataError` when its data are not on this machine."""
    fates = Fates()
    kept = {}  # id -> split, source and place: of the row that stands for its copies
    for file, line in revision.folder_lines("data/ledger/tokenize"):
        if "/dropped/" not in file:
            kept[line["id"]] = (*file.split("/")[4:6], line["at"])
    reasons = {}
    for stage in LATER:
        for file, line in revision.folder_lines(f"data/ledger/{stage}"):
            if "/dropped/" in file:
                reasons[line["id"]] = line["reason"]
    places = {}
    for file, line in revision.folder_lines("data/ledger/clean"):
        if "/dropped/" in file:
            fates.faulty[line["at"]] = line["reason"]
        else:
            places[line["id"]] = line["at"]
    for file, fields in revision.folder_lines("data/clean"):
        id = fields["id"]
        split, source, at = kept.get(id) or (None, file.split("/")[2], places[id])
        reason = reasons.get(id, "held for decontamination only")
        fates.rows[id] = fate_of(fields, source, at, split, reason)
    return fates


def fate_of(fields: dict[str, Any], source: str, at: str, split: str | None, reason: str) -> Fate:
    record = record_from_json(fields)
    opening = digest(opening_text(record).encode())
    text = record_text(record)[:200]
    return Fate(fields["id"], source, at, opening, text, split, split or reason)


@dataclass
class Change:
    """Rows of a source that differ in one way for one reason, with a few of them."""

    kind: str
    source: str
    reason: str
    rows: int = 0
    examples: list[dict[str, str]] = field(default_factory=list)


def data_hashes(revision: Revision) -> dict[str, str | None]:
    """The hashes of all data between the raw ones and the answers of the models."""
    others = ("data/raw/", "data/evaluated", "metrics/", "models/", "plots/")
    return {path: value for path, value in revision.hashes.items() if not path.startswith(others)}


def compare_fates(before: Fates, after: Fates) -> list[Change]:
    """Rows added, removed, changed and moved to another split."""
    old, new = before.in_use(), after.in_use()
    removed = {id: row for id, row in old.items() if id not in new}
    added = {id: row for id, row in new.items() if id not in old}
    changes: dict[tuple[str, str, str], Change] = {}

    def note(kind: str, row: Fate, reason: str, **more: str) -> None:
        key = (kind, row.source, reason)
        change = changes.setdefault(key, Change(*key))
        change.rows += 1
        if len(change.examples) < EXAMPLES:
            change.examples.append({"at": row.at, "id": row.id, "text": row.text, **more})

    for was, now in versions(removed, added, before, after):
        del removed[was.id], added[now.id]
        note("changed", now, "another answer" if was.opening == now.opening else "another text",
             before=was.text)  # fmt: skip
    for row in added.values():
        note("added", row, before.why_not(row))
    for row in removed.values():
        note("removed", row, after.why_not(row))
    for id in sorted(old.keys() & new.keys()):
        if old[id].split != new[id].split:
            note("moved", new[id], f"{old[id].split} to {new[id].split}")
    return sorted(changes.values(), key=lambda c: (c.kind, c.source, -c.rows, c.reason))


def versions(
    removed: dict[str, Fate], added: dict[str, Fate], before: Fates, after: Fates
) -> list[tuple[Fate, Fate]]:
    """Pairs of a row that is gone and a new one in its stead: same opening, or else same place."""
    gone = [row for row in removed.values() if row.id not in after.rows]
    fresh = [row for row in added.values() if row.id not in before.rows]
    pairs, taken = [], set()
    for key in ("opening", "at"):
        by_key: dict[tuple[str, str], list[Fate]] = defaultdict(list)
        for row in fresh:
            if row.id not in taken:
                by_key[row.source, getattr(row, key)].append(row)
        for row in gone:
            matches = by_key.get((row.source, getattr(row, key)))
            if row.id not in taken and matches:
                pairs.append((row, matches.pop(0)))
                taken |= {row.id, pairs[-1][1].id}
    return pairs


def totals(changes: list[Change]) -> dict[str, int]:
    """Rows by kind of change."""
    counts: Counter[str] = Counter()
    for change in changes:
        counts[change.kind] += change.rows
    return dict(counts)
