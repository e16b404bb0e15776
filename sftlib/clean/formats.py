"""The formats of sources: in which files they come and how a row of them becomes a record."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from sftlib.clean import chats, corpora, labels, texts
from sftlib.clean.chatterbot import read_chatterbot
from sftlib.clean.json_list import read_json
from sftlib.clean.jsonl import read_jsonl
from sftlib.clean.streams import COMPRESSED
from sftlib.clean.tables import read_arrow, read_csv, read_parquet
from sftlib.clean.yaml_rows import read_yaml
from sftlib.core.params import Source
from sftlib.core.records import Record
from sftlib.core.tally import Drop

Read: TypeAlias = Callable[[Path, int], Iterator[tuple[int, Any | Drop]]]
Parse: TypeAlias = Callable[[Any, Source], Record | Drop]

# Files of rows that are objects, by suffix.
CONTAINERS: dict[str, Read] = {
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_csv,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".feather": read_arrow,
    ".yaml": read_yaml,
    ".yml": read_yaml,
}
# These have no lines, so places in them are row numbers.
NUMBERED = (".json", ".parquet", ".arrow", ".feather")


@dataclass(frozen=True)
class Format:
    """`suffixes` of its files, `read` finds the rows of one, `parse` makes a record of a row.

    `beside`: the file that is read along with another.
    """

    suffixes: tuple[str, ...]
    read: Read
    parse: Parse
    beside: Callable[[Path], Path] | None = None


def content_suffix(path: Path) -> str:
    """The suffix but for compression: x.jsonl.gz -> .jsonl."""
    name = path.with_suffix("") if path.suffix in COMPRESSED else path
    return name.suffix


def read_rows(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """The rows of a file of any of the containers."""
    return CONTAINERS[content_suffix(path)](path, max_line_bytes)


def read_branches(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """A row for each branch of the trees in a file."""
    for line, value in read_rows(path, max_line_bytes):
        if isinstance(value, Drop):
            yield line, value
        else:
            yield from ((line, branch) for branch in chats.branches(value))


def place(path: str, number: int | str) -> str:
    """Where a row stands: data/raw/x.jsonl:17, or data/raw/x.parquet#17 without lines."""
    mark = "#" if content_suffix(Path(path)) in NUMBERED else ":"
    return f"{path}{mark}{number}"


def of_rows(parse: Parse) -> Format:
    return Format(tuple(CONTAINERS), read_rows, parse)


FORMATS: dict[str, Format] = {
    "alpaca": of_rows(chats.parse_alpaca),
    "sharegpt": of_rows(chats.parse_sharegpt),
    "messages": of_rows(chats.parse_messages),
    "prompt_completion": of_rows(chats.parse_prompt_completion),
    "query_response": of_rows(chats.parse_query_response),
    "reply_tree": Format(tuple(CONTAINERS), read_branches, chats.parse_branch),
    "text_label": of_rows(labels.parse_text_label),
    "chatterbot": Format((".yml", ".yaml"), read_chatterbot, chats.parse_chatterbot),
    "conll": Format((".conll", ".txt", ".tsv"), texts.read_sentences, labels.parse_conll),
    "conllu": Format((".conllu",), texts.read_sentences, labels.parse_conllu),
    "folder_by_class": Format((".txt",), texts.read_file_of_class, labels.parse_text_label),
    "lines_by_class": Format((".txt",), texts.read_lines_of_class, labels.parse_text_label),
    "tagged_lines": Format((".txt",), corpora.read_tagged_lines, corpora.parse_tagged_line),
    "pinyin": Format((".json",), corpora.read_items, corpora.parse_pinyin),
    "chitchat": Format((".json",), corpora.read_items, corpora.parse_chitchat),
    "aligned_files": Format(
        (".source",), texts.read_aligned, chats.parse_prompt_completion, texts.other_side
    ),
}
