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
    roles, contents, calls, _ = zip(*chat.messages, strict=True)
    said = list(map(normalise, contents))
    key = hashed([roles, said, calls, chat.tools])
    opening = " ".join(filter(None, said[: roles.index("assistant")]))
    if any(calls):
        turns = zip(contents, calls, strict=True)
        said = [normalise(content + (call or "")) for content, call in turns]
    return Signature(key, opening, " ".join(filter(None, said)))


def hashed(value: object) -> bytes:
    return hashlib.blake2b(orjson.dumps(value), digest_size=16).digest()
