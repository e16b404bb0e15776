"""Read a .json file whose rows are a list, a row at a time: memory does not grow with the file."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from sftlib.clean.jsonl import BOM, check_encoding, parse, said
from sftlib.clean.reasons import Reason
from sftlib.clean.streams import open_stream
from sftlib.core.errors import DataError
from sftlib.core.tally import Drop

CHUNK_BYTES = 1 << 18
# Whole strings, which are passed over, and marks between them; a quote alone begins a string that
# the chunk does not end. Possessive, so that no chunk takes more than linear time.
MARKS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},]', re.DOTALL)
REST_OF_STRING = re.compile(rb'(?:[^"\\]++|\\.)*+"', re.DOTALL)


def read_json(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """Yield (row number, value) of a file that is one list, or an object that holds one list.

    Raises `DataError` for a file that is neither, that ends inside the list, or that has more than
    `max_line_bytes` around it.
    """
    with open_stream(path) as stream:
        check_encoding(stream.peek(2)[:2], path)  # type: ignore[attr-defined]
        split = Split(path, max_line_bytes)
        number = 0
        for number, row in enumerate(split.rows(stream), 1):
            yield number, row if isinstance(row, Drop) else parse(row)
        split.check_around(number)


@dataclass
class Split:
    """Where the scan of a file stands.

    `depth` is that of open brackets, `list_depth` that inside the list of rows, 0 outside of it.
    `around` holds what is not rows, and so becomes `[]` or `{"version": 1, "data": []}`.
    """

    path: Path
    max_bytes: int
    depth: int = 0
    list_depth: int = 0
    commas: int = 0
    row: list[bytes] = field(default_factory=list)
    row_bytes: int = 0
    around: bytes = b""

    def rows(self, stream: BinaryIO) -> Iterator[bytes | Drop]:
        """The text of each row, as it stands between two commas."""
        for piece, mark in pieces(stream):
            self.keep(piece)
            row = None
            if mark in (b"[", b"{"):
                self.open(mark)
            elif mark in (b"]", b"}"):
                row = self.close(mark)
            elif self.list_depth and self.depth == self.list_depth and mark:
                self.commas += 1
                row = self.taken()
            else:
                self.keep(mark)
            if row is not None:
                yield row

    def open(self, mark: bytes) -> None:
        self.depth += 1
        in_object = self.around.removeprefix(BOM).lstrip()[:1] == b"{"
        starts = mark == b"[" and self.depth == (2 if in_object else 1) and not self.list_depth
        self.keep(mark)
        if starts:
            self.list_depth, self.commas = self.depth, 0

    def close(self, mark: bytes) -> bytes | Drop | None:
        """The last row, where the mark ends the list and something stands before it."""
        self.depth -= 1
        row = None
        if self.list_depth and self.depth < self.list_depth:
            if self.commas or any(map(bytes.strip, self.row)):
                row = self.taken()
            self.row, self.row_bytes, self.list_depth = [], 0, 0
        self.keep(mark)
        return row

    def keep(self, piece: bytes) -> None:
        if self.list_depth:
            self.row_bytes += len(piece)
            if self.row_bytes <= self.max_bytes:
                self.row.append(piece)
            return
        self.around += piece
        if len(self.around) > self.max_bytes:
            raise DataError(f"{self.path}:1: over {self.max_bytes:,} bytes around the list")

    def taken(self) -> bytes | Drop:
        row, size = b"".join(self.row), self.row_bytes
        self.row, self.row_bytes = [], 0
        if size > self.max_bytes:
            return Drop(Reason.LINE_TOO_LONG, f"over {self.max_bytes:,} bytes")
        return row

    def check_around(self, rows: int) -> None:
        if self.list_depth:
            raise DataError(f"{self.path}: ends inside its list, in row {rows + 1}: is it whole?")
        try:
            value = orjson.loads(self.around.removeprefix(BOM))
        except orjson.JSONDecodeError as error:
            raise DataError(
                f"{self.path}:1: {said(error)} at column {error.colno} beside the rows: a .json "
                "file is read as a whole; name it .jsonl if each line is a row"
            ) from None
        inner = list(value.values()) if isinstance(value, dict) else [value]
        if sum(isinstance(item, list) for item in inner) != 1:
            raise DataError(
                f"{self.path}:1: must be a list of rows, or an object with one list of rows"
            )


def pieces(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Cut a stream at the brackets and commas outside of strings: (bytes before it, mark).

    The mark is empty at the end of a chunk, which may lie within a string.
    """
    inside = escaped = False
    while chunk := stream.read(CHUNK_BYTES):
        done = searched = 0
        if inside:
            end = REST_OF_STRING.match(chunk, int(escaped))
            searched, inside = (end.end(), False) if end else (len(chunk), True)
        for mark in MARKS.finditer(chunk, searched):
            if mark[0] == b'"':
                inside = True
                break
            if len(mark[0]) == 1:
                yield chunk[done : mark.start()], mark[0]
                done = mark.end()
        yield chunk[done:], b""
        string = chunk[int(escaped) :] if searched == len(chunk) else chunk
        escaped = inside and (len(string) - len(string.rstrip(b"\\"))) % 2 == 1
