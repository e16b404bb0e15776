"""Where the contents of messages stand in a rendered conversation.

The conversation is rendered once more with marks in place of the contents. Margins around the marks
show what the template does to them: nothing, strip them of line ends or of white space, or escape
them as JSON. Whatever else it does, the filled frame differs from the real text, which is noticed.
"""

import json
import re
from dataclasses import dataclass

from sftlib.core.records import Message
from sftlib.encode.template import ChatTemplate

# What templates do not write themselves: `strip("\n")` takes the lines, `strip()` the em space too.
LINES, SPACE = "\n" * 5, "\u2003"
BEFORE, AFTER = LINES + SPACE, SPACE + LINES
# Templates that know reasoning put it elsewhere, or leave it out of turns that lie behind.
THOUGHT_TAGS = re.compile(r"(\s*</?think>\s*)")


@dataclass(frozen=True)
class Content:
    """Characters start to end of a rendered conversation are by message number `message`."""

    message: int
    start: int
    end: int


@dataclass(frozen=True)
class Part:
    """A text of a message; `may_go`: the template may leave it out."""

    message: int
    text: str
    may_go: bool


def find_contents(
    template: ChatTemplate,
    messages: list[Message],
    tools: str | None,
    text: str,
    learned: list[bool],
) -> list[Content] | None:
    """The contents in `text`, in order; None when the template does something else to them.

    Reasoning in <think> tags may be left out of replies that are not learned.
    """
    marked: list[Message] = []
    parts: list[Part] = []
    marks: list[str] = []
    for number, message in enumerate(messages):
        pieces = split_content(message)
        for at in range(0, len(pieces), 2):
            if pieces[at]:
                may_go = not learned[number] and at < len(pieces) - 1
                parts.append(Part(number, pieces[at], may_go))
                marks.append(unique_mark(len(marks), text))
                pieces[at] = f"{BEFORE}{marks[-1]}{AFTER}"
        marked.append(message._replace(content="".join(pieces)))
    return fill(template.render(marked, tools), marks, parts, text)


def split_content(message: Message) -> list[str]:
    """Texts and the tags between them, by turns; one text where there is no reasoning."""
    if message.role == "assistant" and "</think>" in message.content:
        return THOUGHT_TAGS.split(message.content)
    return [message.content]


def fill(frame: str, marks: list[str], parts: list[Part], text: str) -> list[Content] | None:
    """The places of `parts` in `frame` once they replace `marks`, if that gives `text`."""
    result, contents = "", []
    for mark, part in zip(marks, parts, strict=True):
        before, found, after = frame.partition(mark)
        if not found and part.may_go:
            continue
        if not found or any(other in before for other in marks):
            return None
        before, after, said = as_rendered(before, after, part.text)
        result += before
        contents.append(Content(part.message, len(result), len(result) + len(said)))
        result, frame = result + said, after
    return contents if result + frame == text else None


def as_rendered(before: str, after: str, text: str) -> tuple[str, str, str]:
    """What stands around a mark without its margins, and what the template makes of `text`.

    >>> as_rendered("[INST] ", " [/INST]", " Hi\\n")
    ('[INST] ', ' [/INST]', 'Hi')
    """
    if before.endswith(escape(BEFORE)):
        before, after = before.removesuffix(escape(BEFORE)), after.removeprefix(escape(AFTER))
        return before, after, escape(text)
    if not before.endswith(BEFORE):
        text = text.lstrip("\n") if before.endswith(SPACE) else text.lstrip()
    if not after.startswith(AFTER):
        text = text.rstrip("\n") if after.startswith(SPACE) else text.rstrip()
    before = before.removesuffix(BEFORE).removesuffix(SPACE)
    return before, after.removeprefix(AFTER).removeprefix(SPACE), text


def escape(text: str) -> str:
    """As it stands between the quotes of JSON."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def unique_mark(number: int, text: str) -> str:
    """A word that does not occur in `text`, and that stripping leaves alone."""
    mark = f"\ue000{number}\ue001"
    while mark in text:
        mark = f"\ue000{mark}\ue001"
    return mark
