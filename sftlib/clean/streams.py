"""Open plain and compressed files as streams of bytes, with an eye on bombs."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sftlib.core.errors import DataError

COMPRESSED = (".gz", ".zst")
# Text packs ten- or twentyfold; what unpacks to far more is no text.
HARMLESS_BYTES = 100 << 20
MAX_RATIO = 200


class Guarded(io.RawIOBase):
    """Reads `stream` and raises `DataError` when it is damaged, cut off or a bomb."""

    def __init__(self, stream: BinaryIO, path: Path) -> None:
        self._stream, self._path = stream, path
        self._packed, self._unpacked = path.stat().st_size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        try:
            data = self._stream.read(len(buffer))
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{self._path}: the compressed file is damaged: {error}") from None
        self._unpacked += len(data)
        if self._unpacked > max(HARMLESS_BYTES, MAX_RATIO * self._packed):
            raise DataError(
                f"{self._path}: unpacks to over {MAX_RATIO} times its size: a bomb? If it is "
                "not, unpack it yourself"
            )
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def open_stream(path: Path) -> Iterator[BinaryIO]:
    """The bytes of a file, unpacked when its name ends in .gz or .zst."""
    if path.suffix not in COMPRESSED:
        with path.open("rb") as plain:
            yield plain
        return
    with path.open("rb") as packed, unpacked(packed, path.suffix) as stream:
        yield io.BufferedReader(Guarded(stream, path), buffer_size=1 << 20)  # type: ignore[type-var]


def unpacked(packed: BinaryIO, suffix: str) -> BinaryIO:
    if suffix == ".gz":
        return gzip.GzipFile(fileobj=packed)  # type: ignore[return-value]
    import zstandard

    reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
    return ZstdErrors(reader)  # type: ignore[return-value]


class ZstdErrors:
    """A zstandard reader whose errors are `OSError`, as those of gzip are."""

    def __init__(self, reader: BinaryIO) -> None:
        self._reader = reader

    def read(self, size: int) -> bytes:
        import zstandard

        try:
            return self._reader.read(size)
        except zstandard.ZstdError as error:
            raise OSError(str(error)) from None

    def __enter__(self) -> "ZstdErrors":
        return self

    def __exit__(self, *error: object) -> None:
        self._reader.close()
