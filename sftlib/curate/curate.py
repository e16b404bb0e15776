"""Read the cleaned rows of all sources and write those worth keeping, each with its place."""

from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from sftlib.core.params import Curate, Source
from sftlib.core.records import Record, record_from_json, record_to_json
from sftlib.core.rows import LineWriter, list_shards, read_lines
from sftlib.core.tally import Tally, total
from sftlib.curate.duplicates import find_duplicates
from sftlib.curate.verdict import Duplicate, Standing, Verdict


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a cleaned row comes from: its source, its shard and its line in the raw file."""

    source: str
    shard: str
    at: str

    @property
    def name(self) -> str:
        """The shard's path below a folder of all sources."""
        return f"{self.source}/{self.shard}"


@dataclass
class Pool:
    """The cleaned rows of all sources, in the order of source, shard and line."""

    ids: list[str]
    records: list[Record]
    origins: list[Origin]
    metas: dict[int, dict[str, Any]]


@dataclass(frozen=True)
class Folders:
    """Where cleaned rows and their ledger lie, a folder per source, and where curated ones go."""

    clean: Path
    clean_ledger: Path
    curated: Path
    curated_ledger: Path


def curate(folders: Folders, sources: dict[str, Source], params: Curate) -> dict[str, Any]:
    """Write the curated rows and their ledger; returns the metrics."""
    pool = read_pool(folders, sorted(sources))
    standings = [standing_of(pool, row, sources, params) for row in range(len(pool.ids))]
    verdict = find_duplicates(pool.records, pool.ids, standings, params)
    tallies = write_pool(pool, verdict, folders)
    copies = {name: sizes(counts) for name, counts in verdict.copies.items()}
    (folders.curated_ledger / "copies.json").write_bytes(
        orjson.dumps(copies, option=orjson.OPT_INDENT_2)
    )
    everything = total(tallies.values())
    return {
        **everything.to_json(),
        "clusters": verdict.clusters,
        "pairs_checked": verdict.pairs_checked,
        "by_source": {source: tallies[source].to_json() for source in sorted(tallies)},
    }


def standing_of(pool: Pool, row: int, sources: dict[str, Source], params: Curate) -> Standing:
    source = sources[pool.origins[row].source]
    value = pool.metas.get(row, {}).get(params.group) if params.group else None
    group = None if value is None else str(value)
    return Standing(source.priority, source.role != "build", group)


def sizes(counts: dict[int, int]) -> dict[str, int]:
    return {str(size): counts[size] for size in sorted(counts)}


def read_pool(folders: Folders, sources: list[str]) -> Pool:
    pool = Pool([], [], [], {})
    for source in sources:
        for shard in list_shards(folders.clean / source):
            kept = read_lines(folders.clean_ledger / source / "kept" / shard)
            rows = read_lines(folders.clean / source / shard)
            for fields, entry in zip(rows, kept, strict=True):
                if "meta" in fields:
                    pool.metas[len(pool.ids)] = fields["meta"]
                pool.ids.append(fields["id"])
                pool.records.append(record_from_json(fields))
                pool.origins.append(Origin(source, shard, entry["at"]))
    return pool


def write_pool(pool: Pool, verdict: Verdict, folders: Folders) -> dict[str, Tally]:
    """Write each row to its shard, or to `dropped` in the ledger with its keeper."""
    tallies: dict[str, Tally] = {origin.source: Tally() for origin in pool.origins}
    rows_of_shards = groupby(range(len(pool.ids)), lambda row: pool.origins[row].name)
    for name, members in rows_of_shards:
        tally = tallies[name.partition("/")[0]]
        with (
            LineWriter(folders.curated / name) as rows,
            LineWriter(folders.curated_ledger / "kept" / name) as kept,
            LineWriter(folders.curated_ledger / "dropped" / name) as dropped,
        ):
            for row in members:
                duplicate = verdict.duplicates.get(row)
                tally.rows_in += 1
                if duplicate is not None:
                    tally.dropped[duplicate.reason] += 1
                    dropped.write(drop_entry(pool, row, duplicate))
                    continue
                tally.kept += 1
                rows.write(placed(pool, row, verdict.places[row]))
                kept.write({"id": pool.ids[row], "at": pool.origins[row].at})
    return tallies


def placed(pool: Pool, row: int, place: float) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": pool.ids[row], "source": pool.origins[row].source}
    fields["place"] = place
    if row in pool.metas:
        fields["meta"] = pool.metas[row]
    return fields | record_to_json(pool.records[row])


def drop_entry(pool: Pool, row: int, duplicate: Duplicate) -> dict[str, Any]:
    keeper = duplicate.keeper
    return {
        **identity(pool, row),
        "reason": duplicate.reason,
        "detail": duplicate.detail,
        "keeper": None if keeper is None else identity(pool, keeper),
    }


def identity(pool: Pool, row: int) -> dict[str, str]:
    return {"id": pool.ids[row], "at": pool.origins[row].at}
