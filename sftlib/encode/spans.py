"""Which parts of a rendered conversation come from the template, and which are learned.

Example, with the ChatML template, of [user "Hi", assistant "Yo"]:

    <|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nYo<|im_end|>\n
    control           text control     control             text control
                                                           learned......
"""

import json
from dataclasses import dataclass

from jinja2 import TemplateError

from sftlib.core.records import Message
from sftlib.core.tally import Drop
from sftlib.encode.contents import Content, find_contents
from sftlib.encode.template import ChatTemplate


@dataclass(frozen=True)
class Answer:
    """A reply that is learned: from the end of its generation prompt to where its turn ends.

    The end of turn is the first control token from `said` on, where its text ends; or, when it
    calls tools, whose calls may be control tokens themselves, the last one before `end`.
    """

    start: int
    end: int
    said: int | None


@dataclass(frozen=True)
class Rendered:
    """A conversation as text; in `contents`, control tokens are plain text."""

    text: str
    contents: list[Content]
    answers: list[Answer]


def wanted(messages: list[Message], train_on: str) -> list[bool]:
    """Which messages are learned: replies, as `tokenize.train_on` says."""
    replies = [message.role == "assistant" for message in messages]
    if train_on == "last_reply":
        last = len(replies) - 1 - replies[::-1].index(True)
        return [number == last for number in range(len(replies))]
    if train_on == "marked":
        return [is_reply and m.train for is_reply, m in zip(replies, messages, strict=True)]
    return replies


def render(
    template: ChatTemplate, messages: list[Message], tools: str | None, learned: list[bool]
) -> Rendered | Drop:
    """Render `messages` and find their parts; a drop when the template does not allow it."""
    try:
        text = template.render(messages, tools)
        spans = find_answers(template, messages, tools, text, learned)
        if isinstance(spans, Drop):
            return spans
        contents = find_contents(template, messages, tools, text, learned)
    except TemplateError as error:
        return Drop("template_refused", str(error))
    if contents is None or not text:
        return Drop("content_changed", "the chat template changes or leaves out what a turn says")
    if any(leaves_out_call(messages[n], text[start:end]) for n, (start, end) in spans.items()):
        return Drop("content_changed", "the chat template leaves out a tool call")
    answers = []
    for number, (start, end) in spans.items():
        ends = [content.end for content in contents if content.message == number]
        calls = messages[number].tool_calls is not None
        answers.append(Answer(start, end, None if calls else max(ends, default=start)))
    return Rendered(text, contents, answers)


def leaves_out_call(message: Message, rendered: str) -> bool:
    """Whether a function that `message` calls is not in its text."""
    calls = json.loads(message.tool_calls or "[]")
    return any(call["function"]["name"] not in rendered for call in calls)


def find_answers(
    template: ChatTemplate,
    messages: list[Message],
    tools: str | None,
    text: str,
    learned: list[bool],
) -> dict[int, tuple[int, int]] | Drop:
    """Message number -> start and end of each learned reply.

    The prefix property: a reply begins where the prompt that asks for it ends, and the conversation
    up to it begins the whole one. Where it does not hold, what is learned is not what is asked for.
    """
    spans = {}
    for number in (number for number, is_learned in enumerate(learned) if is_learned):
        prompt = template.render(messages[:number], tools, generation_prompt=True)
        is_last = number == len(messages) - 1
        whole = text if is_last else template.render(messages[: number + 1], tools)
        if not text.startswith(whole) and template.eos_token:
            whole = whole.removesuffix(template.eos_token)  # some close a conversation with it
        if not whole.startswith(prompt):
            return Drop(
                "prefix_changed",
                f"turn {number + 1} does not begin with the generation prompt of the chat "
                "template: mend models/base/chat_template.jinja at its source",
            )
        if not text.startswith(whole):
            return Drop(
                "prefix_changed",
                f"the chat template renders turn {number + 1} otherwise once others follow: "
                "tokenize.train_on: last_reply learns such rows",
            )
        spans[number] = (len(prompt), len(whole))
    return spans
