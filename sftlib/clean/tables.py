"""Read tables: CSV and TSV as texts without guessing types, Parquet and Arrow by batches."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sftlib.clean.jsonl import check_encoding
from sftlib.clean.reasons import Reason
from sftlib.clean.streams import open_stream
from sftlib.core.errors import DataError
from sftlib.core.tally import Drop

ROWS_PER_BATCH = 1000


def read_csv(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """Yield (line on which a row ends, its fields by the names in the header).

    Raises `DataError` for a header that names a column twice or not at all.
    """
    delimiter = "\t" if ".tsv" in path.suffixes else ","
    csv.field_size_limit(max_line_bytes)
    with open_stream(path) as stream:
        check_encoding(stream.peek(2)[:2], path)  # type: ignore[attr-defined]
        # Bytes that are no UTF-8 become lone surrogates, which `fields_of` looks for.
        text = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="")
        reader = csv.reader(text, delimiter=delimiter)
        header: list[str] | None = None
        while True:
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield reader.line_num, Drop(Reason.LINE_TOO_LONG, str(error))
                continue
            if not fields:
                continue
            if header is None:
                header = check_header(fields, path)
            else:
                yield reader.line_num, fields_of(header, fields)


def check_header(names: list[str], path: Path) -> list[str]:
    twice = [name for name in names if names.count(name) > 1 or not name.strip()]
    if twice:
        raise DataError(f"{path}:1: the header names {twice[0]!r} twice or leaves a column unnamed")
    return names


def fields_of(header: list[str], fields: list[str]) -> dict[str, str] | Drop:
    if len(fields) != len(header):
        detail = f"{len(fields)} fields, the header names {len(header)}"
        return Drop(Reason.RAGGED_ROW, detail)
    for name, field in zip(header, fields, strict=True):
        try:
            field.encode()
        except UnicodeEncodeError:
            return Drop(Reason.NOT_UTF8, f"the field {name!r} is not UTF-8")
    return dict(zip(header, fields, strict=True))


def read_parquet(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """Yield (row number, fields) of a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        yield from numbered(file.iter_batches(batch_size=ROWS_PER_BATCH))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from None


def read_arrow(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """Yield (row number, fields) of an Arrow file or stream, as `datasets` writes them."""
    import pyarrow

    try:
        with pyarrow.memory_map(str(path)) as source:
            yield from numbered(arrow_batches(source))
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"{path}: cannot be read as Arrow: {error}") from None


def arrow_batches(source: Any) -> Iterator[Any]:
    import pyarrow

    try:
        yield from pyarrow.ipc.open_stream(source)
    except pyarrow.ArrowInvalid:
        source.seek(0)
        file = pyarrow.ipc.open_file(source)
        for number in range(file.num_record_batches):
            yield file.get_batch(number)


def numbered(batches: Iterator[Any]) -> Iterator[tuple[int, Any]]:
    number = 0
    for batch in batches:
        for start in range(0, batch.num_rows, ROWS_PER_BATCH):
            for fields in batch.slice(start, ROWS_PER_BATCH).to_pylist():
                number += 1
                yield number, fields
