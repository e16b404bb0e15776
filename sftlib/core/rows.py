"""Rows on disk: folders of JSONL files ("shards"), one row a line.

A shard keeps its relative path through all stages: data/clean/about/about.jsonl becomes
data/curated/about/about.jsonl and data/split/train/about/about.jsonl.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson


def list_shards(folder: Path) -> list[str]:
    """Relative paths of the shards below `folder`, in an order that no file system decides."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jsonl"))


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of one shard."""
    with path.open("rb") as lines:
        for line in lines:
            yield orjson.loads(line)


def read_folder(folder: Path) -> Iterator[dict[str, Any]]:
    """The objects of all shards below `folder`."""
    for shard in list_shards(folder):
        yield from read_lines(folder / shard)


def write_lines(path: Path, objects: Iterable[dict[str, Any]]) -> int:
    """Write a shard and return its count of lines; a shard without lines is not written."""
    count = 0
    stream = None
    try:
        for fields in objects:
            if stream is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                stream = path.open("wb")
            stream.write(orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE))
            count += 1
    finally:
        if stream is not None:
            stream.close()
    return count
