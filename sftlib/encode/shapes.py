"""How conversations with the same roles are cut, learnt once for a plain template."""

import re
from dataclasses import dataclass

from sftlib.core.records import Message
from sftlib.encode.tokens import Piece

MARK = re.compile("\ue000(\\d+)\ue001")


def mark(number: int) -> str:
    """What stands for the content of message `number`."""
    return f"\ue000{number}\ue001"


@dataclass(frozen=True)
class Slot:
    """A piece of which the texts between contents are known.

    texts, contents: text, content number, text, ... by turns, a text at both ends.
    """

    texts: list[str]
    contents: list[int]
    control: int | None
    answer: bool


@dataclass(frozen=True)
class Shape:
    """The pieces of all conversations with the same roles, and which contents are stripped."""

    slots: list[Slot]
    stripped: list[bool]

    def fill(self, messages: list[Message]) -> list[Piece] | None:
        """The pieces of a conversation; None when a content is empty or there are tool calls."""
        said = []
        for message, strip in zip(messages, self.stripped, strict=True):
            content = message.content.strip() if strip else message.content
            if not content or message.tool_calls is not None:
                return None
            said.append(content)
        return [
            Piece(joined(slot, said) if slot.contents else slot.texts[0], slot.control, slot.answer)
            for slot in self.slots
        ]


def joined(slot: Slot, said: list[str]) -> str:
    text = slot.texts[0]
    for number, after in zip(slot.contents, slot.texts[1:], strict=True):
        text += said[number] + after
    return text


def shape_of(pieces: list[Piece], stripped: list[bool]) -> Shape:
    """The shape that pieces with marks in place of contents show."""
    slots = []
    for piece in pieces:
        parts = MARK.split(piece.text)
        contents = [int(number) for number in parts[1::2]]
        slots.append(Slot(parts[0::2], contents, piece.control, piece.answer))
    return Shape(slots, stripped)
