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
LINE_TOO_LONG = "a line of more characters than clean.max_line_bytes"


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
        lines = LimitedLines(text, max_line_bytes)
        header: list[str] | None = None
        for fields in table_rows(csv.reader(lines, delimiter=delimiter, strict=True)):
            if isinstance(fields, Drop):
                yield lines.number, fields
            elif header is None:
                header = check_header(fields, path)
            else:
                yield lines.number, fields_of(header, fields)


def table_rows(reader: Iterator[list[str]]) -> Iterator[list[str] | Drop]:
    """The rows that are not blank; a faulty one becomes a drop, and the next line begins anew."""
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            too_long = "field larger than" in str(error) or str(error) == LINE_TOO_LONG
            yield Drop(Reason.LINE_TOO_LONG if too_long else Reason.BROKEN_QUOTES, str(error))
        else:
            if fields:
                yield fields


class LimitedLines:
    """Lines of a text with their ends; one of more than `limit` characters is never held whole."""

    def __init__(self, text: io.TextIOWrapper, limit: int) -> None:
        self._text, self._limit = text, limit
        self.number = 0

    def __iter__(self) -> "LimitedLines":
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._limit + 2)
        if not line:
            raise StopIteration
        self.number += 1
        if len(line.rstrip("\r\n")) <= self._limit:
            return line
        while line and not line.endswith(("\r", "\n")):
            line = self._text.readline(1 << 20)
        raise csv.Error(LINE_TOO_LONG)


def check_header(names: list[str], path: Path) -> list[str]:
    if any(not is_utf8(name) for name in names):
        raise DataError(f"{path}:1: the header is not UTF-8: convert the file (iconv)")
    twice = [name for name in names if names.count(name) > 1 or not name.strip()]
    if twice:
        raise DataError(f"{path}:1: the header names {twice[0]!r} twice or leaves a column unnamed")
    return names


def is_utf8(text: str) -> bool:
    """False where bytes that are none were read as lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def fields_of(header: list[str], fields: list[str]) -> dict[str, str] | Drop:
    if len(fields) != len(header):
        detail = f"{len(fields)} fields, the header names {len(header)}"
        return Drop(Reason.RAGGED_ROW, detail)
    for name, field in zip(header, fields, strict=True):
        if not is_utf8(field):
            return Drop(Reason.NOT_UTF8, f"the field {name!r} is not UTF-8")
    return dict(zip(header, fields, strict=True))


def read_parquet(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """Yield (row number, fields) of a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    try:
        file = pyarrow.parquet.ParquetFile(path)
        yield from numbered(file.iter_batches(batch_size=ROWS_PER_BATCH))
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as Parquet: {error}") from None


def read_arrow(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """Yield (row number, fields) of an Arrow file or stream, as `datasets` writes them."""
    import pyarrow

    try:
        with pyarrow.memory_map(str(path)) as source:
            yield from numbered(arrow_batches(source))
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as Arrow: {error}") from None


def arrow_batches(source: Any) -> Iterator[Any]:
    import pyarrow

    try:
        batches: Any = pyarrow.ipc.open_stream(source)
    except pyarrow.ArrowInvalid:
        source.seek(0)
        file = pyarrow.ipc.open_file(source)
        batches = map(file.get_batch, range(file.num_record_batches))
    for batch in batches:
        batch.validate(full=True)  # the file is memory: damaged, it could point anywhere
        yield batch


def numbered(batches: Iterator[Any]) -> Iterator[tuple[int, Any | Drop]]:
    number = 0
    for batch in batches:
        for start in range(0, batch.num_rows, ROWS_PER_BATCH):
            for fields in fields_in(batch.slice(start, ROWS_PER_BATCH)):
                number += 1
                yield number, fields


def fields_in(batch: Any) -> list[Any]:
    """The rows of a batch; where a text is no UTF-8, row by row, so that only its row is lost."""
    try:
        return list(batch.to_pylist())
    except UnicodeDecodeError as error:
        if batch.num_rows == 1:
            return [Drop(Reason.NOT_UTF8, f"a text is not UTF-8: {error.reason}")]
        return [row for n in range(batch.num_rows) for row in fields_in(batch.slice(n, 1))]
