"""Rows on disk: folders of JSONL files ("shards"), one row a line.

A shard keeps its relative path through all stages: data/clean/about/about.jsonl becomes
data/curated/about/about.jsonl and data/split/train/about/about.jsonl.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import orjson

T = TypeVar("T")

BUFFER_BYTES = 1 << 18


def list_shards(folder: Path) -> list[str]:
    """Relative paths of the shards below `folder`, in an order that no file system decides."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jsonl"))


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of one shard."""
    with path.open("rb") as lines:
        for line in lines:
            yield orjson.loads(line)


def read_folder(folder: Path) -> Iterator[dict[str, Any]]:
    """The objects of all shards below `folder`; none where a stage made no such folder yet."""
    for shard in list_shards(folder):
        yield from read_lines(folder / shard)


class LineWriter:
    """Writes one shard; a shard without lines is not created, so empty files never differ."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0
        self._stream: BinaryIO | None = None

    def write(self, fields: dict[str, Any]) -> None:
        self.write_line(orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE))

    def write_line(self, line: bytes) -> None:
        """Write an object that is JSON already, with the newline at its end."""
        if self._stream is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = self.path.open("wb", buffering=BUFFER_BYTES)
        self._stream.write(line)
        self.count += 1

    def __enter__(self) -> "LineWriter":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


def write_lines(path: Path, objects: Iterable[dict[str, Any]]) -> int:
    """Write a shard and return its count of lines."""
    with LineWriter(path) as writer:
        for fields in objects:
            writer.write(fields)
    return writer.count


def batched(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Rows in lists of `size`, the last one shorter."""
    iterator = iter(rows)
    while batch := list(islice(iterator, size)):
        yield batch
