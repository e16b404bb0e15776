"""Published corpora in forms of their own: tagged lines, phrases with readings, human chats."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from sftlib.clean.chats import ask
from sftlib.clean.fields import list_at, not_an_object, text_at
from sftlib.clean.jsonl import BOM, check_encoding, said
from sftlib.clean.reasons import Reason
from sftlib.clean.streams import open_stream
from sftlib.clean.texts import read_decoded
from sftlib.core.errors import DataError
from sftlib.core.params import Source
from sftlib.core.records import Chat, Message, Record, Tagged
from sftlib.core.tally import Drop


def read_tagged_lines(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """A row for each line with text."""
    for number, line in read_decoded(path, max_line_bytes):
        if isinstance(line, Drop) or line.strip():
            yield number, line


def parse_tagged_line(line: str, source: Source) -> Record | Drop:
    """WORD/TAG WORD/TAG, as the People's Daily corpus has it; words may hold a slash."""
    words, tags = [], []
    for pair in line.split():
        word, _, tag = pair.rpartition("/")
        if not word or not tag:
            return Drop(Reason.BAD_TAGS, f"{pair[:60]!r} is no word/tag")
        words.append(word)
        tags.append(tag)
    return Tagged(tuple(words), tuple(tags))


def read_items(path: Path, max_line_bytes: int) -> Iterator[tuple[int, Any | Drop]]:
    """A row {"key": ..., "value": ...} for each entry of the one object of a .json file."""
    with open_stream(path) as stream:
        data = stream.read()
    check_encoding(data[:2], path)
    try:
        entries = orjson.loads(data.removeprefix(BOM))
    except orjson.JSONDecodeError as error:
        raise DataError(f"{path}:{error.lineno}: {said(error)} at column {error.colno}") from None
    if not isinstance(entries, dict):
        raise DataError(f"{path}:1: must be an object whose entries are the rows")
    for number, (key, value) in enumerate(entries.items(), 1):
        yield number, {"key": key, "value": value}


def parse_pinyin(item: Any, source: Source) -> Record | Drop:
    """{"key": "行长", "value": [["háng"], ["zhǎng"]]} -> a phrase and its usual reading."""
    readings = list_at(item, "value")
    if isinstance(readings, Drop):
        return readings
    if not all(isinstance(r, list) and r and isinstance(r[0], str) for r in readings):
        return Drop(Reason.WRONG_TYPE, "a reading is a list of texts, the usual one first")
    return ask(item["key"], " ".join(reading[0] for reading in readings))


def parse_chitchat(item: Any, source: Source) -> Record | Drop:
    """A chat of two people in chitchat-dataset; what one says in a row is one turn."""
    bursts = list_at(item["value"], "messages")
    if isinstance(bursts, Drop):
        return bursts
    said_by: list[tuple[str, str]] = []
    for entry in (entry for burst in bursts for entry in burst):
        if not isinstance(entry, dict):
            return not_an_object(entry)
        sender, text = text_at(entry, "sender"), text_at(entry, "text")
        if isinstance(sender, Drop):
            return sender
        if isinstance(text, Drop):
            return text
        said_by.append((sender, text))
    turns = ["\n".join(text for _, text in run) for _, run in groupby(said_by, lambda s: s[0])]
    roles = ("user", "assistant")
    return Chat(tuple(Message(roles[n % 2], text) for n, text in enumerate(turns)))
