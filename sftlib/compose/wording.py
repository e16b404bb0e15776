"""The texts of a row that may be put otherwise, and their words.

Of a labelled text that is the text, of a conversation the user's turns, of a tagged sentence its
words; labels, answers, system prompts and tags stay.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from sftlib.core.records import Chat, Labeled, Record, Tagged
from sftlib.core.words import UNSPACED

# White space, and what stands behind it up to the next: a word with its punctuation, or one
# character of a script without spaces.
SPACED_WORD = re.compile(rf"(\s*)([{UNSPACED}]|[^\s{UNSPACED}]+)")

# Of a text and its number in the row.
Rewrite = Callable[[str, int], str]


@dataclass(frozen=True)
class Cut:
    """A text in parts: each word has the white space in front of it; `tail` follows the last."""

    gaps: list[str]
    words: list[str]
    tail: str

    def joined(self, words: list[str | None]) -> str:
        """The text with other words in these places, None where one goes."""
        left = [(gap, word) for gap, word in zip(self.gaps, words, strict=True) if word is not None]
        text = "".join(gap + word for gap, word in left[1:])
        return self.gaps[0] + left[0][1] + text + self.tail if left else self.tail


def cut(text: str) -> Cut:
    """The words of a text.

    >>> cut(" Good day, 你好\\n").words
    ['Good', 'day,', '你', '好']
    """
    found = SPACED_WORD.findall(text)
    gaps, words = [gap for gap, _ in found], [word for _, word in found]
    return Cut(gaps, words, text[sum(map(len, gaps + words)) :])


def texts_of(record: Record) -> list[str]:
    """The texts that `rewritten` goes through."""
    if isinstance(record, Tagged):
        return list(record.words)
    if isinstance(record, Chat):
        return [message.content for message in record.messages if message.role == "user"]
    return [record.text]


def rewritten(record: Record, rewrite: Rewrite) -> Record:
    """The record with its texts, but not the words of a tagged sentence, rewritten one by one."""
    if isinstance(record, Labeled):
        return replace(record, text=rewrite(record.text, 0))
    if not isinstance(record, Chat):
        return record
    messages = tuple(
        message._replace(content=rewrite(message.content, number))
        if message.role == "user"
        else message
        for number, message in enumerate(record.messages)
    )
    return record._replace(messages=messages)
