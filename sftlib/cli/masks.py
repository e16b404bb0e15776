"""Rows and packs of data/tokenized: where a row is, and which tokens of a pack are shared."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftlib.core.errors import UsageError
from sftlib.core.splits import SPLITS
from sftlib.train.prefixes import Segment, lay_out


@dataclass(frozen=True)
class Run:
    """Tokens start to end of a pack; `rows` of it hold them, by number. depth: runs before it."""

    start: int
    end: int
    depth: int
    rows: list[int]
    text: str


def open_split(root: Path, split: str) -> Any:
    """A split of data/tokenized; raises `UsageError` before the first build."""
    from datasets import load_from_disk

    folder = root / "data/tokenized" / split
    if not folder.is_dir():
        raise UsageError(
            f"data/tokenized/{split} is missing: build with `dvc repro tokenize` first"
        )
    return load_from_disk(str(folder))


def find_row(root: Path, id: str) -> tuple[str, dict[str, Any]]:
    """(split, row) of an id; raises `UsageError` for a row that was not tokenized."""
    for split in SPLITS:
        rows = open_split(root, split)
        ids = rows.data.column("id").to_pylist()
        if id in ids:
            return split, rows[ids.index(id)]
    raise UsageError(f"row {id} is in no split: `sft why {id}` tells what became of it")


def pack_rows(rows: Any, number: int) -> list[dict[str, Any]]:
    """The rows of one pack; raises `UsageError` when there is no such pack."""
    packs = rows.data.column("pack").to_pylist()
    if number not in packs:
        raise UsageError(f"there is no pack {number}: they are numbered 0 to {max(packs)}")
    start = packs.index(number)
    return [rows[row] for row in range(start, start + packs.count(number))]


def runs_of(tokenizer: Any, rows: list[dict[str, Any]]) -> list[Run]:
    """The runs of a pack as training lays them: what rows begin with in common lies there once.

    Training leaves out what stands behind the last label of a row.
    """
    layout = lay_out(rows, share=True)
    found = []
    for segment in layout.segments:
        holders = [n for n, own in sorted(layout.own.items()) if holds(own, segment)]
        places = layout.tokens[segment.start : segment.end]
        ids = [rows[row]["input_ids"][position] for row, position in places]
        text = tokenizer.decode(ids, skip_special_tokens=False)
        found.append(Run(segment.start, segment.end, len(segment.context), holders, text))
    return found


def holds(own: Segment, segment: Segment) -> bool:
    return own == segment or segment in own.context
