"""What operators see of a row: its texts and whose they are, whatever the type of the record."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from sftlib.core.records import Chat, Labeled, Record, Tagged, Unlabelled

PROMPT_ROLES = ("system", "user")
# Whose texts belong to which part of a row; None: everyone's.
PARTS: dict[str, tuple[str, ...] | None] = {
    "row": None,
    "prompt": PROMPT_ROLES,
    "answer": ("assistant",),
}


class View(NamedTuple):
    """The texts of one row in order, each with its role; the text of a labelled row is `text`.

    >>> View(("user", "assistant"), ("2+2?", "4")).part("answer")
    [(2, '4')]
    """

    roles: tuple[str, ...]
    texts: tuple[str, ...]

    def part(self, part: str) -> list[tuple[int, str]]:
        """Number and text of each turn that belongs to `part`: prompt, answer or row (all)."""
        wanted = PARTS[part] or self.roles
        return [(n, self.texts[n - 1]) for n, role in enumerate(self.roles, 1) if role in wanted]

    def learned(self) -> str:
        """What is learned to write or to judge: the answers, or the text of a labelled row."""
        answers = [text for _, text in self.part("answer")]
        return "\n".join(answers or self.texts)


def view_of(record: Record) -> View:
    if isinstance(record, Chat):
        messages = record.messages
        return View(tuple([m.role for m in messages]), tuple([m.content for m in messages]))
    if isinstance(record, Tagged):  # each word has its tag, so words are not changed
        return View((), ())
    return View(("text",), (record.text,))


def with_texts(record: Record, texts: Sequence[str]) -> Record:
    """`record` with the texts of its view replaced; everything else stays."""
    if isinstance(record, Labeled | Unlabelled):
        return replace(record, text=texts[0])
    if isinstance(record, Tagged):
        return record
    pairs = zip(record.messages, texts, strict=True)
    return record._replace(messages=tuple(m._replace(content=text) for m, text in pairs))
