"""What a row holds: a conversation or a labelled text, and the identity that follows from it."""

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Chat:
    """A conversation whose assistant turns are learned."""

    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class Labeled:
    """A text and its class."""

    text: str
    label: str


Record: TypeAlias = Chat | Labeled


def record_to_json(record: Record) -> dict[str, Any]:
    """The fields of a record as they stand in a row on disk.

    >>> record_to_json(Chat((Message("user", "Hi"), Message("assistant", "Hello"))))
    {'messages': [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello'}]}
    """
    if isinstance(record, Labeled):
        return {"text": record.text, "label": record.label}
    return {"messages": [{"role": m.role, "content": m.content} for m in record.messages]}


def record_from_json(fields: dict[str, Any]) -> Record:
    """The inverse of `record_to_json`; other fields are passed over."""
    if "label" in fields:
        return Labeled(fields["text"], fields["label"])
    return Chat(tuple(Message(m["role"], m["content"]) for m in fields["messages"]))


def content_id(record: Record) -> str:
    """32 hexadecimal digits of BLAKE2b over the record: where a row stands does not matter."""
    return digest(orjson.dumps(record_to_json(record)))


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def normalise(text: str) -> str:
    """The form in which texts count as equal: NFC, case folded, runs of white space as one space.

    Digits and punctuation stay: without them different answers of arithmetic become equal.
    """
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def record_text(record: Record) -> str:
    """All of a record as one text, the base of near-duplicate search."""
    if isinstance(record, Labeled):
        return record.text
    return "\n".join(message.content for message in record.messages)


def opening_text(record: Record) -> str:
    """What stands before the first answer: rows that share it must share a split.

    Every answer is learned, so two conversations that agree up to any answer agree up to the first.
    """
    if isinstance(record, Labeled):
        return record.text
    roles = [message.role for message in record.messages]
    return "\n".join(message.content for message in record.messages[: roles.index("assistant")])


def duplicate_key(record: Record) -> str:
    """Equal for records that differ only in what `normalise` removes."""
    if isinstance(record, Labeled):
        return digest(orjson.dumps([normalise(record.text), record.label]))
    turns = [[message.role, normalise(message.content)] for message in record.messages]
    return digest(orjson.dumps(turns))
