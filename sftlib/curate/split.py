"""Deal curated rows to train, validation and test by their places."""

from collections import Counter
from pathlib import Path
from typing import Any

import orjson

from sftlib.core.errors import DataError
from sftlib.core.params import Split
from sftlib.core.rows import LineWriter, list_shards, read_lines
from sftlib.curate.place import SPLITS, split_of


def split_rows(curated: Path, out: Path, params: Split) -> dict[str, Any]:
    """Write `out`/{train,validation,test}; returns rows per split and source.

    Raises `DataError` when a split gets no row.
    """
    counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    for shard in list_shards(curated):
        writers = {split: LineWriter(out / split / shard) for split in SPLITS}
        for fields in read_lines(curated / shard):
            split = split_of(fields["place"], params)
            writers[split].write(fields)
            counts[split][fields["source"]] += 1
        for writer in writers.values():
            writer.close()
    rows = sum(count.total() for count in counts.values())
    empty = [split for split in SPLITS if not counts[split]]
    if empty:
        raise DataError(
            f"split: {' and '.join(empty)} got none of {rows} rows: add rows or raise its share"
        )
    return {
        "rows_in": rows,
        "kept": rows,
        "dropped": {},
        **{split: counts[split].total() for split in SPLITS},
        "by_source": {split: dict(sorted(counts[split].items())) for split in SPLITS},
    }


def random_split_leak(copies: Path, params: Split) -> dict[str, Any]:
    """What a plain random split of the cleaned rows would have leaked, in expectation.

    A test row leaks when a row with the same text (or the same prompt) is in train. Of a group of
    n copies dealt independently, each is in test with probability t, and one of the others is in
    train with probability 1 - (1 - r) ** (n - 1), where r is the share of train.
    """
    result: dict[str, Any] = {}
    train = 1 - params.test - params.validation
    for name, groups in orjson.loads(copies.read_bytes()).items():
        rows = sum(int(size) * count for size, count in groups.items())
        leaked = sum(
            int(size) * count * (1 - (1 - train) ** (int(size) - 1))
            for size, count in groups.items()
        )
        result[f"test_rows_leaked_by_{name}"] = round(leaked * params.test, 1)
        result[f"share_leaked_by_{name}"] = round(leaked / rows, 4)
        result["test_rows"] = round(rows * params.test, 1)
    return result
