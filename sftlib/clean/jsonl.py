"""Read JSONL a line at a time, in memory that does not grow with the file."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from sftlib.clean.reasons import Reason
from sftlib.core.errors import DataError
from sftlib.core.tally import Drop

BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


def read_jsonl(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """Yield (line number, parsed value or the reason why there is none) of each line with text.

    A byte order mark and CR before LF are passed over, blank lines are no rows.
    Raises `DataError` for a file in UTF-16, of which no line could be read.
    """
    with path.open("rb") as stream:
        for number, line in enumerate(read_limited(stream, max_line_bytes), 1):
            if number == 1 and line is not None:
                if line.startswith(UTF16_BOMS):
                    raise DataError(f"{path}:1: the file is UTF-16: convert it to UTF-8 (iconv)")
                line = line.removeprefix(BOM)
            if line is None:
                yield number, Drop(Reason.LINE_TOO_LONG, f"over {max_line_bytes:,} bytes")
            elif line.strip():
                yield number, parse(line)


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
        line.decode("utf-8")
    except UnicodeDecodeError as error:
        return Drop(Reason.NOT_UTF8, f"byte 0x{line[error.start]:02x} at column {error.start + 1}")
    try:
        # orjson bounds the nesting and refuses lone surrogates, NaN and Infinity.
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        # What orjson says of nesting past its limit.
        message = error.msg.replace("failed to allocate memory", "nested too deeply")
        return Drop(Reason.BROKEN_JSON, f"{message} at column {error.colno}")
