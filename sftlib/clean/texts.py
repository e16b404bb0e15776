"""Read plain text whose place or layout carries the labels: folders, files, lines and columns."""

from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path
from typing import Any

from sftlib.clean.jsonl import read_text_lines, text_fault
from sftlib.clean.reasons import Reason
from sftlib.clean.streams import open_stream
from sftlib.core.errors import DataError
from sftlib.core.tally import Drop


def stem(path: Path) -> str:
    """The name without its suffixes: pos.txt.gz -> pos."""
    return path.name.removesuffix(".gz").removesuffix(".zst").rpartition(".")[0]


def read_file_of_class(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """One row per file; its folder is the label."""
    with open_stream(path) as stream:
        data = stream.read(max_line_bytes + 1)
    if len(data) > max_line_bytes:
        yield 1, Drop(Reason.LINE_TOO_LONG, f"over {max_line_bytes:,} bytes")
    else:
        fault = text_fault(data)
        yield 1, fault or {"text": data.decode("utf-8-sig"), "label": path.parent.name}


def read_lines_of_class(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """One row per line with text; the file's name without suffix is the label."""
    for number, line in read_decoded(path, max_line_bytes):
        if isinstance(line, Drop):
            yield number, line
        elif line.strip():
            yield number, {"text": line, "label": stem(path)}


def read_decoded(path: Path, max_line_bytes: int) -> Iterator[tuple[int, str | Drop]]:
    """Lines as texts without their ends."""
    for number, line in read_text_lines(path, max_line_bytes):
        if isinstance(line, Drop):
            yield number, line
        else:
            yield number, text_fault(line) or line.decode("utf-8").rstrip("\r\n")


def read_aligned(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """Rows of two files of one name, NAME.source and NAME.target: line n answers line n.

    Raises `DataError` when one is missing or has more lines.
    """
    other = other_side(path)
    if not other.is_file():
        raise DataError(f"{path} has no {other.name} beside it")
    sides = (read_decoded(file, max_line_bytes) for file in (path, other))
    for number, (ours, theirs) in enumerate(zip_longest(*sides), 1):
        if ours is None or theirs is None:
            short = path.name if ours is None else other.name
            raise DataError(f"{path}:{number}: {short} ends here, the file beside it goes on")
        prompt, completion = ours[1], theirs[1]
        fault = next((text for text in (prompt, completion) if isinstance(text, Drop)), None)
        yield number, fault or {"prompt": prompt, "completion": completion}


def other_side(path: Path) -> Path:
    """NAME.target of NAME.source, and packed like it."""
    packing = path.suffix if path.suffix in (".gz", ".zst") else ""
    return path.with_name(f"{stem(path)}.target{packing}")


def read_sentences(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """Blocks of lines between blank ones: (line of the first, [(line, its columns), ...]).

    Document marks (-DOCSTART-) are passed over.
    """
    start, fault = 0, None
    block: list[tuple[int, list[str]]] = []
    for number, line in read_decoded(path, max_line_bytes):
        if isinstance(line, Drop):
            start, fault = start or number, Drop(line.reason, f"line {number}: {line.detail}")
        elif line.strip():
            if not line.startswith("-DOCSTART-"):
                start = start or number
                block.append((number, line.split("\t") if "\t" in line else line.split()))
        elif start:
            yield start, fault or block
            start, block, fault = 0, [], None
    if start:
        yield start, fault or block
