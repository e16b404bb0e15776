"""Read lines of JSON in memory that does not grow with the file."""

import json
import re
from collections import Counter
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
NESTED = (dict, list)
# The end of a key that does not stand right before its colon.
SPACED_KEY = re.compile(rb'"[ \t\r]+:')


def read_jsonl(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """Yield (line number, parsed value or the reason why there is none) of each line with text."""
    for number, line in read_text_lines(path, max_line_bytes):
        if isinstance(line, Drop):
            yield number, line
        elif line and not line.isspace():
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
        if len(line) <= max_bytes or len(line.rstrip(b"\r\n")) <= max_bytes:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = stream.readline(1 << 20)
        yield None


def parse(line: bytes) -> Any | Drop:
    """The value of a text of JSON; a drop where it has none, or one that hides another."""
    try:
        # orjson bounds the nesting and refuses lone surrogates, NaN and Infinity.
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return text_fault(line) or Drop(
            Reason.BROKEN_JSON, f"{said(error)} at column {error.colno}"
        )
    if not is_flat(value, line):
        keys = line.count(b'":') + len(SPACED_KEY.findall(line))
        if keys > keys_in(value):
            return duplicate_fault(line) or value
    return value


def is_flat(value: Any, line: bytes) -> bool:
    """Whether `line` has the quotes of these names and texts, and no others: true of most."""
    if not isinstance(value, dict) or line.count(b'"') != 4 * len(value):
        return False
    return list(map(type, value.values())).count(str) == len(value)


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
    """The keys of all objects in `value`, however deep."""
    count, rest = 0, [value]
    while rest:
        inner = rest.pop()
        if isinstance(inner, dict):
            count += len(inner)
            inner = inner.values()
        elif not isinstance(inner, list):
            continue
        rest += [item for item in inner if isinstance(item, NESTED)]
    return count


def duplicate_fault(line: bytes) -> Drop | None:
    """A key that an object of `line` has twice: only the last of its values could be read."""
    found: list[str] = []

    def notice(pairs: list[tuple[str, Any]]) -> None:
        counts = Counter(name for name, _ in pairs)
        found.extend(name for name, count in counts.items() if count > 1)

    try:
        json.loads(line, object_pairs_hook=notice)
    except RecursionError:
        return Drop(Reason.BROKEN_JSON, "nested too deeply to look for keys given twice")
    if not found:
        return None
    return Drop(Reason.DUPLICATE_KEY, f"the key {found[0]!r} stands twice in an object")
