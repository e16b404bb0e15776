"""Read JSON: a line at a time, in memory that does not grow with the file, or a file as a whole."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from sftlib.clean.reasons import Reason
from sftlib.clean.streams import open_stream
from sftlib.core.errors import DataError
from sftlib.core.tally import Drop

BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


def read_jsonl(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """Yield (line number, parsed value or the reason why there is none) of each line with text."""
    for number, line in read_text_lines(path, max_line_bytes):
        if isinstance(line, Drop):
            yield number, line
        elif line.strip():
            yield number, parse(line)


def read_text_lines(path: Path, max_line_bytes: int) -> Iterator[tuple[int, bytes | Drop]]:
    """Yield (line number, line or the reason why it can't be held), blank lines too.

    A byte order mark is passed over. Raises `DataError` for a file in UTF-16, of which no line
    could be read.
    """
    with open_stream(path) as stream:
        for number, line in enumerate(read_limited(stream, max_line_bytes), 1):
            if line is None:
                yield number, Drop(Reason.LINE_TOO_LONG, f"over {max_line_bytes:,} bytes")
                continue
            if number == 1:
                check_encoding(line, path)
                line = line.removeprefix(BOM)
            yield number, line


def check_encoding(start: bytes, path: Path) -> None:
    if start.startswith(UTF16_BOMS):
        raise DataError(f"{path}:1: the file is UTF-16: convert it to UTF-8 (iconv)")


def read_limited(stream: BinaryIO, max_bytes: int) -> Iterator[bytes | None]:
    """The lines of `stream`; None stands for one of more than `max_bytes`, never held whole."""
    while line := stream.readline(max_bytes + 2):
        if len(line.rstrip(b"\r\n")) <= max_bytes:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(1 << 20)
        yield None


def parse(line: bytes) -> Any | Drop:
    try:
        # orjson bounds the nesting and refuses lone surrogates, NaN and Infinity.
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return text_fault(line) or Drop(
            Reason.BROKEN_JSON, f"{said(error)} at column {error.colno}"
        )
    if line.count(b'":') + line.count(b'" :') > keys_in(value):
        twice = key_given_twice(line)
        if twice is not None:
            return Drop(Reason.DUPLICATE_KEY, f"the key {twice!r} stands twice in an object")
    return value


def text_fault(data: bytes) -> Drop | None:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        return Drop(Reason.NOT_UTF8, f"byte 0x{data[error.start]:02x} at column {error.start + 1}")
    return None


def said(error: orjson.JSONDecodeError) -> str:
    """What orjson says, but for nesting past its limit, which it calls a failed allocation."""
    return error.msg.replace("failed to allocate memory", "nested too deeply")


def keys_in(value: Any) -> int:
    """The keys of all objects in `value`."""
    if isinstance(value, dict):
        return len(value) + sum(
            keys_in(inner) for inner in value.values() if isinstance(inner, dict | list)
        )
    if isinstance(value, list):
        return sum(keys_in(inner) for inner in value)
    return 0


def key_given_twice(line: bytes) -> str | None:
    """A key that an object of `line` has twice: only the last of its values could be read."""
    found: list[str] = []

    def notice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        found.extend(name for name in names if names.count(name) > 1)
        return dict(pairs)

    json.loads(line, object_pairs_hook=notice)
    return found[0] if found else None


def read_json(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """Yield (row number, value) of a file that is one list, or an object that holds one list."""
    with open_stream(path) as stream:
        data = stream.read()
    check_encoding(data[:2], path)
    try:
        value = orjson.loads(data.removeprefix(BOM))
    except orjson.JSONDecodeError as error:
        raise DataError(
            f"{path}:{error.lineno}: {said(error)} at column {error.colno}: a .json file is read "
            "as a whole; name it .jsonl if each line is a row"
        ) from None
    lists = [value] if isinstance(value, list) else []
    if isinstance(value, dict):
        lists = [inner for inner in value.values() if isinstance(inner, list)]
    if len(lists) != 1:
        raise DataError(f"{path}:1: must be a list of rows, or an object with one list of rows")
    yield from enumerate(lists[0], 1)
