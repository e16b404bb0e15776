"""Which parts of a rendered conversation come from the template, and which are learned.

Example, with the ChatML template, of [user "Hi", assistant "Yo"]:

    <|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>\n
    control           text control     control             text control
                                                           learned......
"""

from dataclasses import dataclass, replace

from jinja2 import TemplateError

from sftlib.core.records import Message
from sftlib.core.tally import Drop
from sftlib.encode.template import ChatTemplate


@dataclass(frozen=True)
class Rendered:
    """A conversation as text.

    contents: (start, end) of each message's content, where control tokens are plain text.
    answers: (start, end) of each answer, from the end of its generation prompt to where the next
        message begins.
    """

    text: str
    contents: list[tuple[int, int]]
    answers: list[tuple[int, int]]

    def is_answer(self, position: int) -> bool:
        """Whether the character at `position` belongs to an answer."""
        return any(start <= position < end for start, end in self.answers)


def render(
    template: ChatTemplate, messages: list[Message], tools: str | None = None
) -> Rendered | Drop:
    """Render `messages` and find their parts; a drop when the template does not allow it."""
    try:
        text = template.render(messages, tools)
        contents = find_contents(template, messages, tools, text)
        answers = find_answers(template, messages, tools, text)
    except TemplateError as error:
        return Drop("template_refused", str(error))
    if contents is None:
        return Drop("content_changed", "the chat template changes what a message says")
    if answers is None:
        return Drop(
            "prefix_changed", "the chat template renders a turn otherwise once others follow"
        )
    return Rendered(text, contents, answers)


def find_contents(
    template: ChatTemplate, messages: list[Message], tools: str | None, text: str
) -> list[tuple[int, int]] | None:
    """Where the contents stand in `text`: rendered once with marks in their place.

    Templates may strip contents, which shows by the spaces around the marks; nothing else may
    happen to them.
    """
    said = [m.content for m in messages if m.content]  # a tool call may come without a word
    marks = [unique_mark(number, text) for number in range(len(said))]
    unused = iter(marks)
    marked = [replace(m, content=f" {next(unused)} ") if m.content else m for m in messages]
    frame = template.render(marked, tools)
    for number, mark in enumerate(marks):
        if f" {mark} " in frame:
            marks[number] = f" {mark} "
        else:
            said[number] = said[number].strip()
    return fill(frame, marks, said, text)


def fill(
    frame: str, marks: list[str], contents: list[str], text: str
) -> list[tuple[int, int]] | None:
    """The places of `contents` in `frame` once they replace `marks`, if that gives `text`."""
    result, spans = "", []
    for mark, content in zip(marks, contents, strict=True):
        before, found, frame = frame.partition(mark)
        if not found or any(other in before for other in marks):
            return None
        result += before
        spans.append((len(result), len(result) + len(content)))
        result += content
    return spans if result + frame == text else None


def unique_mark(number: int, text: str) -> str:
    """A word that does not occur in `text`, and that stripping leaves alone."""
    mark = f"\ue000{number}\ue001"
    while mark in text:
        mark = f"\ue000{mark}\ue001"
    return mark


def find_answers(
    template: ChatTemplate, messages: list[Message], tools: str | None, text: str
) -> list[tuple[int, int]] | None:
    """The prefix property: each answer starts where the prompt that asks for it ends."""
    spans = []
    for number, message in enumerate(messages):
        if message.role != "assistant":
            continue
        prompt = template.render(messages[:number], tools, generation_prompt=True)
        is_last = number == len(messages) - 1
        whole = text if is_last else template.render(messages[: number + 1], tools)
        if not whole.startswith(prompt) or not text.startswith(whole):
            return None
        spans.append((len(prompt), len(whole)))
    return spans
