"""What a row holds, and the identity that follows from it.

A record is a conversation, a text with its label or without one, or words with their tags. Numbers
and objects in it come from JSON and go back to it unchanged. Conversations are named tuples: there
are many of them, and a frozen dataclass takes three times as long to make.
"""

import hashlib
import unicodedata
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import orjson

ROLES = ("system", "user", "assistant", "tool")


class Message(NamedTuple):
    """One turn of a conversation; `tool_calls` is the JSON text of a list.

    train: false on a reply that its data set marks as not to be learned (`tokenize.train_on`).
    """

    role: str
    content: str
    tool_calls: str | None = None
    train: bool = True


class Chat(NamedTuple):
    """A conversation whose assistant turns are learned; `tools` is the JSON text of a list."""

    messages: tuple[Message, ...]
    tools: str | None = None


Label: TypeAlias = str | float | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Labeled:
    """A text and its class, its classes or its score."""

    text: str
    label: Label


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """A text whose class is not known: `compose.pseudo_labels` gives it one, or drops it."""

    text: str


@dataclass(frozen=True, slots=True)
class Tagged:
    """The words of a sentence and a tag for each."""

    words: tuple[str, ...]
    tags: tuple[str, ...]


Record: TypeAlias = Chat | Labeled | Unlabelled | Tagged


def canonical_json(value: Any) -> str:
    """One text for equal values: keys sorted, no spaces."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def record_to_json(record: Record) -> dict[str, Any]:
    """The fields of a record as they stand in a row on disk.

    >>> record_to_json(Chat((Message("user", "Hi"), Message("assistant", "Hello"))))
    {'messages': [{'role': 'user', 'content': 'Hi'}, {'role': 'assistant', 'content': 'Hello'}]}
    """
    if isinstance(record, Labeled):
        label = list(record.label) if isinstance(record.label, tuple) else record.label
        return {"text": record.text, "label": label}
    if isinstance(record, Unlabelled):
        return {"text": record.text}
    if isinstance(record, Tagged):
        return {"words": list(record.words), "tags": list(record.tags)}
    fields: dict[str, Any] = {
        "messages": [
            {"role": m.role, "content": m.content}
            if m.tool_calls is None and m.train
            else marked_to_json(m)
            for m in record.messages
        ]
    }
    if record.tools is not None:
        fields["tools"] = orjson.loads(record.tools)
    return fields


def marked_to_json(message: Message) -> dict[str, Any]:
    """A message with its mark, which stands only where it is false: ids of other rows stay."""
    return message_to_json(message) | ({} if message.train else {"train": False})


def message_to_json(message: Message) -> dict[str, Any]:
    """What a message says, as chat templates read it."""
    fields: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls is not None:
        fields["tool_calls"] = orjson.loads(message.tool_calls)
    return fields


def record_from_json(fields: dict[str, Any]) -> Record:
    """The inverse of `record_to_json`; other fields are passed over."""
    if "label" in fields:
        label = fields["label"]
        return Labeled(fields["text"], tuple(label) if isinstance(label, list) else label)
    if "tags" in fields:
        return Tagged(tuple(fields["words"]), tuple(fields["tags"]))
    if "text" in fields:
        return Unlabelled(fields["text"])
    messages = tuple(message_from_json(turn) for turn in fields["messages"])
    return Chat(messages, canonical_json(fields["tools"]) if "tools" in fields else None)


def message_from_json(turn: dict[str, Any]) -> Message:
    calls = canonical_json(turn["tool_calls"]) if "tool_calls" in turn else None
    return Message(turn["role"], turn["content"], calls, turn.get("train", True))


def content_id(record: Record) -> str:
    """32 hexadecimal digits of BLAKE2b over the record: where a row stands does not matter."""
    return digest(record_json(record))


def record_json(record: Record) -> bytes:
    """The record as JSON, of which its id is the hash."""
    return orjson.dumps(record_to_json(record))


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def normalise(text: str) -> str:
    """The form in which texts count as equal: NFC, case folded, runs of white space as one space.

    Digits and punctuation stay: without them different answers of arithmetic become equal.
    """
    composed = text if text.isascii() else unicodedata.normalize("NFC", text)
    folded = composed.casefold()
    # The only printable white space is the space: most texts need not be taken apart.
    if folded.isprintable() and "  " not in folded:
        return folded.strip(" ")
    return " ".join(folded.split())


def record_text(record: Record) -> str:
    """All of a record as one text, the base of near-duplicate search."""
    if isinstance(record, Labeled | Unlabelled):
        return record.text
    if isinstance(record, Tagged):
        return " ".join(record.words)
    return "\n".join(message.content + (message.tool_calls or "") for message in record.messages)


def opening_text(record: Record) -> str:
    """What stands before the first answer."""
    if not isinstance(record, Chat):
        return record_text(record)
    roles = [message.role for message in record.messages]
    return "\n".join(message.content for message in record.messages[: roles.index("assistant")])
