"""What decides whether two rows say the same: their texts in the form in which they compare."""

import hashlib
from typing import NamedTuple

import orjson

from sftlib.core.records import Chat, Labeled, Record, Unlabelled, normalise


class Signature(NamedTuple):
    """A row in normalised form.

    key: equal for rows that differ only in what `normalise` removes.
    opening: what stands before the first answer. Every answer is learned, so two conversations that
        agree up to any answer agree up to the first, and must share a split.
    text: all of the row, the base of near-duplicate search.
    """

    key: bytes
    opening: str
    text: str


def signature(record: Record) -> Signature:
    """The signature of a record.

    >>> signature(Labeled("Fine  film", "good"))[1:]
    ('fine film', 'fine film')
    """
    if isinstance(record, Chat):
        return chat_signature(record)
    if isinstance(record, Labeled):
        text = normalise(record.text)
        return Signature(hashed([text, record.label]), text, text)
    if isinstance(record, Unlabelled):
        text = normalise(record.text)
        return Signature(hashed([text]), text, text)
    text = normalise(" ".join(record.words))
    return Signature(hashed([text, record.tags]), text, text)


def chat_signature(chat: Chat) -> Signature:
    said = [normalise(message.content) for message in chat.messages]
    turns = [
        (message.role, content, message.tool_calls)
        for message, content in zip(chat.messages, said, strict=True)
    ]
    first_answer = [message.role for message in chat.messages].index("assistant")
    key = hashed([turns, chat.tools])
    opening = " ".join(filter(None, said[:first_answer]))
    for number, message in enumerate(chat.messages):
        if message.tool_calls:
            said[number] = normalise(message.content + message.tool_calls)
    return Signature(key, opening, " ".join(filter(None, said)))


def hashed(value: object) -> bytes:
    return hashlib.blake2b(orjson.dumps(value), digest_size=16).digest()
