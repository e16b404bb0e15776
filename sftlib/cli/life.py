"""The life of one row, read from the ledgers: where it stood, what became of it and why."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from sftlib.cli.raw import Raw, read_raw
from sftlib.core.params import Params
from sftlib.core.records import normalise, record_from_json, record_text
from sftlib.core.rows import list_shards, read_folder, read_lines
from sftlib.core.splits import SPLITS

ROW_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Event:
    """What one stage did to the row."""

    stage: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True)
class Life:
    """A row that was found: where it stood, its id and text if it was cleaned, and its events.

    `raw` is the row as it was read; none when it or its cleaning is not what it was in the build.
    `origin` is the id of the row that an augmentation made this one of: both stand at one place.
    """

    at: str
    id: str | None
    fields: dict[str, Any] | None
    events: list[Event]
    raw: Raw | None = None
    origin: str | None = None


def find_lives(root: Path, params: Params, query: str, limit: int) -> list[Life]:
    """Rows at a place (`data/raw/x.jsonl:17`), of an id, or whose text holds `query`."""
    found = [follow(root, life) for life in islice(cleaned_lives(root, query), limit)]
    found += [follow(root, life) for life in islice(made_lives(root, query), limit - len(found))]
    found = [with_raw(life, root, params) for life in found]
    dropped = dropped_lives(root, params, query)
    return found + list(islice(dropped, limit - len(found)))


def made_lives(root: Path, query: str) -> Iterator[Life]:
    """Rows that `compose.augment` made: of the id, or whose text holds `query`."""
    made = {e["id"]: e for e in read_folder(root / "data/ledger/compose/augmented")}
    wanted = normalise(query)
    for fields in read_folder(root / "data/composed/train") if made else ():
        entry = made.get(fields["id"])
        if entry and matches(fields, "", query, wanted):
            event = Event("compose", "added", f"{entry['by']} of {entry['origin']}")
            yield Life(entry["at"], fields["id"], fields, [event], origin=entry["origin"])


def with_raw(life: Life, root: Path, params: Params) -> Life:
    rows = read_raw(root, params, {life.at})
    id = life.origin or life.id
    return replace(life, raw=next((raw for _, raw in rows if raw.id == id), None))


def dropped_lives(root: Path, params: Params, query: str) -> Iterator[Life]:
    """Rows that cleaning dropped: at the place, or whose raw text holds `query`."""
    reasons: dict[str, dict[str, str]] = {}
    for entry in read_folder(root / "data/ledger/clean"):
        if "reason" in entry:
            reasons.setdefault(entry["at"], {})[entry["reason"]] = entry["detail"]
    if query in reasons:
        rows = {raw.drop.reason: raw for _, raw in read_raw(root, params, {query}) if raw.drop}
        for reason, detail in reasons[query].items():
            yield Life(query, None, None, [dropped(reason, detail)], rows.get(reason))
    elif not ROW_ID.fullmatch(query):
        wanted = normalise(orjson.dumps(query).decode()[1:-1])  # as it stands in JSON
        for at, raw in read_raw(root, params, set(reasons)):
            if raw.drop and wanted in normalise(raw.text):
                yield Life(at, None, None, [dropped(raw.drop.reason, raw.drop.detail)], raw)


def dropped(reason: str, detail: str) -> Event:
    return Event("clean", "dropped", f"{reason}: {detail}")


def cleaned_lives(root: Path, query: str) -> Iterator[Life]:
    wanted = normalise(query)
    for source in sorted(path.name for path in (root / "data/clean").glob("*")):
        rows, ledger = root / "data/clean" / source, root / "data/ledger/clean" / source / "kept"
        for shard in list_shards(rows):
            lines = zip(read_lines(rows / shard), read_lines(ledger / shard), strict=True)
            for fields, entry in lines:
                if matches(fields, entry["at"], query, wanted):
                    changed = ", ".join(entry.get("changed", []))
                    event = Event("clean", "kept", f"changed by {changed}" if changed else "")
                    yield Life(entry["at"], fields["id"], fields, [event])


def matches(fields: dict[str, Any], at: str, query: str, wanted: str) -> bool:
    if ROW_ID.fullmatch(query):
        return bool(fields["id"] == query)
    return at == query or wanted in normalise(record_text(record_from_json(fields)))


def follow(root: Path, life: Life) -> Life:
    """Add what the later stages did, as far as the row came."""
    events = list(life.events)
    ledger = root / "data/ledger"
    for entry in read_folder(ledger / "curate/dropped"):
        if entry["at"] == life.at:
            keeper = entry["keeper"]
            instead = f"; kept instead: {keeper['at']}" if keeper else ""
            detail = f"{entry['reason']}: {entry['detail']}{instead}"
            return replace(life, events=[*events, Event("curate", "dropped", detail)])
    place = value_of(root / "data/curated", life.id, "place")
    if place is not None:
        events.append(Event("curate", "kept", f"place {place:.4f}"))
    events += later_events(root, life.id)
    return replace(life, events=events)


def later_events(root: Path, id: str | None) -> Iterator[Event]:
    ledger = root / "data/ledger"
    for entry in read_folder(ledger / "split/dropped"):
        if entry["id"] == id:
            yield Event("split", "dropped", f"{entry['reason']}: {entry['detail']}")
            return
    for entry in read_folder(ledger / "compose/dropped"):
        if entry["id"] == id:
            yield Event("split", "train")
            yield Event("compose", "dropped", f"{entry['reason']}: {entry['detail']}")
            return
    for split in SPLITS:
        if value_of(root / "data/split" / split, id, "id"):
            yield Event("split", split)
    yield from composed_events(ledger / "compose", id)
    for outcome in ("kept", "dropped"):
        for entry in read_folder(ledger / "tokenize" / outcome):
            if entry["id"] == id:
                reason = f"{entry.get('reason')}: {entry.get('detail')}"
                detail = f"{entry['tokens']} tokens" if outcome == "kept" else reason
                yield Event("tokenize", outcome, detail + pack_of(root, id))


def composed_events(ledger: Path, id: str | None) -> Iterator[Event]:
    """The label that was guessed for a row, and what was made of it or was not."""
    for entry in read_folder(ledger / "pseudo_labelled"):
        if entry["id"] == id:
            guess = f"{entry['label']!r} with {entry['confidence']:.3f}"
            yield Event("compose", "pseudo-labelled", guess)
    for entry in read_folder(ledger / "augmented"):
        if entry["origin"] == id:
            yield Event("compose", "augmented", f"{entry['by']} made {entry['id']}")
    for entry in read_folder(ledger / "not_augmented"):
        if entry["origin"] == id:
            why = f"{entry['by']}: {entry['reason']}: {entry['detail']}"
            yield Event("compose", "not augmented", why)


def pack_of(root: Path, id: str | None) -> str:
    """The pack that trains the row, if it is in train."""
    if not (root / "data/tokenized/train").is_dir():
        return ""
    from datasets import load_from_disk

    train = load_from_disk(str(root / "data/tokenized/train"))
    ids = train.data.column("id").to_pylist()
    if id not in ids:
        return ""
    return f", in training pack {train[ids.index(id)]['pack']}"


def value_of(folder: Path, id: str | None, key: str) -> Any:
    rows = read_folder(folder)
    return next((row[key] for row in rows if row["id"] == id), None)
