"""Read the cleaned rows of all sources and write those worth keeping, each with its place."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from sftlib.core.memory import keep_freed_memory
from sftlib.core.params import Curate, Run, Source
from sftlib.core.rows import LineWriter
from sftlib.core.tally import Tally, total
from sftlib.curate.duplicates import find_duplicates
from sftlib.curate.profile import Profile
from sftlib.curate.survey import Fields, Pool, read_pool
from sftlib.curate.verdict import Duplicate, Verdict


@dataclass(frozen=True)
class Folders:
    """Where cleaned rows and their ledger lie, a folder per source, and where curated ones go."""

    clean: Path
    clean_ledger: Path
    curated: Path
    curated_ledger: Path


def curate(
    folders: Folders, sources: dict[str, Source], params: Curate, run: Run
) -> dict[str, Any]:
    """Write the curated rows and their ledger; returns the metrics.

    Rows are read twice, to be judged and to be written, so that no text is kept in memory.
    """
    keep_freed_memory()
    pool = read_pool(folders.clean, sources, params, run)
    verdict = find_duplicates(pool, params)
    tallies, profiles = write_rows(folders, pool, verdict)
    write_copies(folders.curated_ledger / "copies.json", verdict.copies)
    return {
        **total(tallies.values()).to_json(),
        "clusters": verdict.clusters,
        "pairs_compared": verdict.pairs_compared,
        "by_source": {
            source: tallies[source].to_json() | profiles[source].to_json()
            for source in sorted(tallies)
        },
    }


def write_copies(path: Path, copies: dict[str, Counter[int]]) -> None:
    """How many texts and prompts come how often, for `random_split_leak`."""
    sizes = {
        name: {str(size): counts[size] for size in sorted(counts)}
        for name, counts in copies.items()
    }
    path.write_bytes(orjson.dumps(sizes, option=orjson.OPT_INDENT_2))


def write_rows(
    folders: Folders, pool: Pool, verdict: Verdict
) -> tuple[dict[str, Tally], dict[str, Profile]]:
    """Write each row to its shard, or to `dropped` in the ledger with its keeper.

    Returns, of each source, the counts and what the rows are like that are kept.
    """
    keepers = find_keepers(folders.clean_ledger, pool.shards, verdict)
    places, lengths = verdict.places.tolist(), pool.lengths.tolist()
    tallies: dict[str, Tally] = {}
    profiles: dict[str, Profile] = {}
    first = 0
    for shard, count in pool.shards:
        source = shard.partition("/")[0]
        tally = tallies.setdefault(source, Tally())
        profile = profiles.setdefault(source, Profile())
        with (
            (folders.clean / shard).open("rb") as lines,
            ledger_of(folders.clean_ledger, shard).open("rb") as entries,
            LineWriter(folders.curated / shard) as curated,
            LineWriter(folders.curated_ledger / "kept" / shard) as kept,
            LineWriter(folders.curated_ledger / "dropped" / shard) as dropped,
        ):
            for row, (entry, line) in enumerate(zip(entries, lines, strict=True), first):
                duplicate = verdict.duplicates.get(row)
                tally.rows_in += 1
                if duplicate is not None:
                    tally.dropped[duplicate.reason] += 1
                    dropped.write(drop_entry(orjson.loads(entry), duplicate, keepers))
                    continue
                tally.kept += 1
                noted = None if is_identity(entry) else orjson.loads(entry)
                profile.add(line, noted or {}, lengths[row])
                curated.write_line(placed(line, entry, source, places[row]))
                kept.write_line(entry) if noted is None else kept.write(identity(noted))
        first += count
    return tallies, profiles


def find_keepers(
    ledger: Path, shards: list[tuple[str, int]], verdict: Verdict
) -> dict[int, dict[str, str]]:
    """The identity of each row that is kept in the stead of another."""
    wanted = {duplicate.keeper for duplicate in verdict.duplicates.values()}
    found: dict[int, dict[str, str]] = {}
    first = 0
    for shard, count in shards:
        with ledger_of(ledger, shard).open("rb") as lines:
            mine = ((row, line) for row, line in enumerate(lines, first) if row in wanted)
            found |= {row: identity(orjson.loads(line)) for row, line in mine}
        first += count
    return found


def ledger_of(ledger: Path, shard: str) -> Path:
    """What the clean stage wrote of the rows that it kept."""
    source, _, name = shard.partition("/")
    return ledger / source / "kept" / name


def is_identity(entry: bytes) -> bool:
    """Whether a line of the ledger tells id and place alone, as `identity` does: true of most."""
    return entry.count(b'"') == 8  # around two names and two texts without a quote


def placed(line: bytes, entry: bytes, source: str, place: float) -> bytes:
    """The line of a row with its place behind its identity, the rest copied as it stands."""
    id = entry[: entry.index(b",")]
    identity = b'%b,"source":"%b"' % (id, source.encode())
    assert line.startswith(identity), f"the clean stage wrote a row of {source} without its id"
    return b'%b,"place":%b%b' % (identity, orjson.dumps(place), line[len(identity) :])


def drop_entry(entry: Fields, duplicate: Duplicate, keepers: dict[int, dict[str, str]]) -> Fields:
    keeper = None if duplicate.keeper is None else keepers[duplicate.keeper]
    return {
        **identity(entry),
        "reason": duplicate.reason,
        "detail": duplicate.detail,
        "keeper": keeper,
    }


def identity(entry: Fields) -> dict[str, str]:
    return {"id": entry["id"], "at": entry["at"]}
