"""Texts of rows, cut to what can be looked at."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

from sftlib.core.records import Chat, Labeled, Record, Unlabelled, record_from_json
from sftlib.core.rows import read_folder

CHARACTERS = 1500
TURNS = 8

# What is said, and who or what says it.
Turns = list[tuple[str, str]]


def texts_of(folder: Path, ids: Collection[str]) -> dict[str, Turns]:
    """Id -> turns of the rows with these ids below `folder`."""
    if not ids:
        return {}
    rows = (fields for fields in read_folder(folder) if fields["id"] in ids)
    return {fields["id"]: turns(record_from_json(fields)) for fields in rows}


def turns(record: Record) -> Turns:
    """A record as (role or field, text), long ones cut."""
    if isinstance(record, Chat):
        said = [(m.role, m.content + (m.tool_calls or "")) for m in record.messages]
        rest = len(said) - TURNS
        shown = [(role, clip(text)) for role, text in said[:TURNS]]
        return shown + ([("", f"… {rest} more turns")] if rest > 0 else [])
    if isinstance(record, Labeled):
        return [("text", clip(record.text)), ("label", clip(shown_label(record.label)))]
    if isinstance(record, Unlabelled):
        return [("text", clip(record.text))]
    return [("words", clip(" ".join(record.words))), ("tags", clip(" ".join(record.tags)))]


def shown_label(label: Any) -> str:
    return ", ".join(label) if isinstance(label, tuple) else str(label)


def clip(text: str) -> str:
    return text if len(text) <= CHARACTERS else text[:CHARACTERS] + " …"
