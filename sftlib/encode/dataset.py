"""Encode the composed splits and save them as a `datasets` folder."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow
import pyarrow.compute
from numpy.typing import NDArray

from sftlib.core.labels import NO_LOSS
from sftlib.core.records import record_from_json
from sftlib.core.rows import LineWriter, batched, list_shards, read_lines
from sftlib.core.tally import Drop, Tally, total
from sftlib.encode.rows import Encoded
from sftlib.encode.tasks import RowEncoder

ROWS_PER_BATCH = 1000
FEATURES = {
    "id": datasets.Value("string"),
    "source": datasets.Value("string"),
    "pack": datasets.Value("int32"),
    "input_ids": datasets.List(datasets.Value("int32")),
}


@dataclass
class Columns:
    """The rows of a split, in the order in which they were read."""

    ids: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    encoded: list[Encoded] = field(default_factory=list)


def encode_split(
    encoder: RowEncoder, split: Path, origins: dict[str, str], ledger: Path
) -> tuple[datasets.Dataset, dict[str, Any]]:
    """The encoded rows of one split in the order of their packs, and its metrics.

    origins: row id -> where it stood in the raw data, which goes on into `ledger`.
    """
    tallies: dict[str, Tally] = {}
    columns = Columns()
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
                    tally.changed.update(encoded.changed)
                    kept.write({**at, "tokens": len(encoded.input_ids)})
                    columns.ids.append(fields["id"])
                    columns.sources.append(fields["source"])
                    columns.encoded.append(encoded)
    rows = in_packs(columns, encoder.packs(columns.encoded))
    return rows, metrics_of(columns, tallies)


def encode_shard(
    encoder: RowEncoder, path: Path
) -> Iterator[tuple[dict[str, Any], Encoded | Drop]]:
    for batch in batched(read_lines(path), ROWS_PER_BATCH):
        yield from zip(
            batch, encoder.encode([record_from_json(fields) for fields in batch]), strict=True
        )


def in_packs(columns: Columns, packs: list[int]) -> datasets.Dataset:
    """The rows, those of one pack together; `packs[row]` is that of a row."""
    features = features_of(columns)
    order = sorted(range(len(packs)), key=lambda row: (packs[row], row))
    batches = [
        record_batch(columns, packs, order[start : start + ROWS_PER_BATCH], features)
        for start in range(0, len(order), ROWS_PER_BATCH)
    ]
    table = pyarrow.Table.from_batches(batches, features.arrow_schema)
    return datasets.Dataset(table, info=datasets.DatasetInfo(features=features))


def features_of(columns: Columns) -> datasets.Features:
    """Labels are ids, or fractions where scores or several labels of a row are learned."""
    kind = str(columns.encoded[0].labels.dtype) if columns.encoded else "int32"
    return datasets.Features({**FEATURES, "labels": datasets.List(datasets.Value(kind))})


def record_batch(
    columns: Columns, packs: list[int], rows: list[int], features: datasets.Features
) -> pyarrow.RecordBatch:
    arrays = [
        pyarrow.array([columns.ids[row] for row in rows], pyarrow.string()),
        pyarrow.array([columns.sources[row] for row in rows], pyarrow.string()),
        pyarrow.array([packs[row] for row in rows], pyarrow.int32()),
        lists([columns.encoded[row].input_ids for row in rows]),
        lists([columns.encoded[row].labels for row in rows]),
    ]
    return pyarrow.RecordBatch.from_arrays(arrays, schema=features.arrow_schema)


def lists(rows: list[NDArray[Any]]) -> pyarrow.ListArray:
    """Arrays of one type as one column, without a Python object for each number."""
    offsets = np.cumsum([0, *map(len, rows)], dtype=np.int32)
    return pyarrow.ListArray.from_arrays(offsets, np.concatenate(rows))


def metrics_of(columns: Columns, tallies: dict[str, Tally]) -> dict[str, Any]:
    learned = sum(int((row.labels != NO_LOSS).sum()) for row in columns.encoded)
    return {
        **total(tallies.values()).to_json(),
        "tokens": sum(len(row.input_ids) for row in columns.encoded),
        "learned_tokens": learned,
        "by_source": {source: tallies[source].to_json() for source in sorted(tallies)},
    }


def length_histogram(
    splits: dict[str, datasets.Dataset], width: int = 32
) -> Iterator[list[object]]:
    """Lines (split, tokens up to, rows) of a table: how many rows are how long."""
    yield ["split", "tokens", "rows"]
    for name, rows in splits.items():
        sizes = pyarrow.compute.list_value_length(rows.data.column("input_ids")).to_pylist()
        counts = Counter((size + width - 1) // width * width for size in sizes)
        yield from ([name, tokens, counts[tokens]] for tokens in sorted(counts))
