"""Encode the composed splits and save them as a `datasets` folder."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import datasets

from sftlib.core.labels import NO_LOSS
from sftlib.core.records import record_from_json
from sftlib.core.rows import LineWriter, list_shards, read_lines
from sftlib.core.tally import Drop, Tally, total
from sftlib.encode.packing import best_fit
from sftlib.encode.rows import Encoded, Encoder

ROWS_PER_BATCH = 1000
FEATURES = datasets.Features(
    {
        "id": datasets.Value("string"),
        "source": datasets.Value("string"),
        "pack": datasets.Value("int32"),
        "input_ids": datasets.List(datasets.Value("int32")),
        "labels": datasets.List(datasets.Value("int32")),
    }
)


def encode_split(
    encoder: Encoder, split: Path, origins: dict[str, str], ledger: Path
) -> tuple[datasets.Dataset, dict[str, Any]]:
    """The encoded rows of one split in the order of their packs, and its metrics.

    origins: row id -> where it stood in the raw data, which goes on into `ledger`.
    """
    tallies: dict[str, Tally] = {}
    rows: list[dict[str, Any]] = []
    for shard in list_shards(split):
        with (
            LineWriter(ledger / "kept" / split.name / shard) as kept,
            LineWriter(ledger / "dropped" / split.name / shard) as dropped,
        ):
            for fields, encoded in encode_shard(encoder, split / shard):
                tally = tallies.setdefault(fields["source"], Tally())
                tally.rows_in += 1
                at = {"id": fields["id"], "at": origins[fields["id"]]}
                if isinstance(encoded, Drop):
                    tally.dropped[encoded.reason] += 1
                    dropped.write({**at, "reason": encoded.reason, "detail": encoded.detail})
                else:
                    tally.kept += 1
                    kept.write({**at, "tokens": len(encoded.input_ids)})
                    rows.append(row_of(fields, encoded))
    return in_packs(rows, encoder.params.tokens_per_pack), metrics_of(rows, tallies)


def encode_shard(encoder: Encoder, path: Path) -> Iterator[tuple[dict[str, Any], Encoded | Drop]]:
    lines = read_lines(path)
    while batch := list(islice(lines, ROWS_PER_BATCH)):
        yield from zip(
            batch, encoder.encode([record_from_json(fields) for fields in batch]), strict=True
        )


def row_of(fields: dict[str, Any], encoded: Encoded) -> dict[str, Any]:
    return {
        "id": fields["id"],
        "source": fields["source"],
        "input_ids": encoded.input_ids,
        "labels": encoded.labels,
    }


def in_packs(rows: list[dict[str, Any]], tokens_per_pack: int) -> datasets.Dataset:
    packs = best_fit([len(row["input_ids"]) for row in rows], tokens_per_pack)
    order = sorted(range(len(rows)), key=lambda row: (packs[row], row))
    for row, pack in zip(rows, packs, strict=True):
        row["pack"] = pack
    columns = {name: [rows[row][name] for row in order] for name in FEATURES}
    return datasets.Dataset.from_dict(columns, features=FEATURES)


def metrics_of(rows: list[dict[str, Any]], tallies: dict[str, Tally]) -> dict[str, Any]:
    learned = sum(sum(label != NO_LOSS for label in row["labels"]) for row in rows)
    return {
        **total(tallies.values()).to_json(),
        "tokens": sum(len(row["input_ids"]) for row in rows),
        "learned_tokens": learned,
        "by_source": {source: tallies[source].to_json() for source in sorted(tallies)},
    }


def length_histogram(
    splits: dict[str, datasets.Dataset], width: int = 32
) -> Iterator[list[object]]:
    """Lines (split, tokens up to, rows) of a table: how many rows are how long."""
    yield ["split", "tokens", "rows"]
    for name, rows in splits.items():
        counts = Counter((len(ids) + width - 1) // width * width for ids in rows["input_ids"])
        yield from ([name, tokens, counts[tokens]] for tokens in sorted(counts))
