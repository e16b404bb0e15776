"""The formats of sources: how each is read and how a row of it becomes a record."""

import difflib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from sftlib.clean.chatterbot import read_chatterbot
from sftlib.clean.jsonl import read_jsonl
from sftlib.clean.reasons import Reason
from sftlib.core.params import Source
from sftlib.core.records import Chat, Labeled, Message, Record
from sftlib.core.tally import Drop

Read: TypeAlias = Callable[[Path, int], Iterator[tuple[int, Any | Drop]]]
Parse: TypeAlias = Callable[[Any, Source], Record | Drop]


@dataclass(frozen=True)
class Format:
    """`read` finds the rows of a file, `parse` makes a record of one."""

    suffixes: tuple[str, ...]
    read: Read
    parse: Parse


def field(value: Any, key: str) -> str | Drop:
    """The text at `key` of the object `value`."""
    if not isinstance(value, dict):
        return Drop(Reason.WRONG_TYPE, f"a row is an object, not {kind(value)}")
    if key not in value:
        return missing(key, value)
    if not isinstance(value[key], str):
        return Drop(Reason.WRONG_TYPE, f"'{key}' is a text, not {kind(value[key])}")
    return str(value[key])


def missing(key: str, value: dict[str, Any]) -> Drop:
    close = difflib.get_close_matches(key, value, n=1)
    hint = f"; did you mean '{close[0]}'?" if close else ""
    present = ", ".join(f"'{name}'" for name in list(value)[:6]) or "none"
    return Drop(Reason.MISSING_FIELD, f"no '{key}' among the fields {present}{hint}")


def kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return "null" if value is None else names.get(type(value), "a number")


def parse_prompt_completion(value: Any, source: Source) -> Record | Drop:
    """{"prompt": "2+2?", "completion": "4"} -> a question and its answer."""
    prompt, completion = field(value, "prompt"), field(value, "completion")
    if isinstance(prompt, Drop):
        return prompt
    if isinstance(completion, Drop):
        return completion
    return Chat((Message("user", prompt), Message("assistant", completion)))


def parse_messages(value: Any, source: Source) -> Record | Drop:
    """{"messages": [{"role": "user", "content": "Hi"}, ...]} -> a conversation."""
    if not isinstance(value, dict):
        return Drop(Reason.WRONG_TYPE, f"a row is an object, not {kind(value)}")
    if "messages" not in value:
        return missing("messages", value)
    if not isinstance(value["messages"], list):
        return Drop(Reason.WRONG_TYPE, f"'messages' is a list, not {kind(value['messages'])}")
    messages = []
    for turn in value["messages"]:
        role, content = field(turn, "role"), field(turn, "content")
        if isinstance(role, Drop):
            return role
        if isinstance(content, Drop):
            return content
        messages.append(Message(role, content))
    return Chat(tuple(messages))


def parse_text_label(value: Any, source: Source) -> Record | Drop:
    """{"text": "Great!", "label": "positive"} -> a text and one of `source.labels`."""
    text = field(value, "text")
    if isinstance(text, Drop):
        return text
    label = value.get("label")
    if type(label) is int:  # class numbers; true and false are no labels
        label = str(label)
    if not isinstance(label, str):
        found = field(value, "label")
        return found if isinstance(found, Drop) else Drop(Reason.WRONG_TYPE, "label")
    known = source.labels or ()
    if label not in known:
        return Drop(Reason.UNKNOWN_LABEL, f"{label[:60]!r} is none of {', '.join(known)}")
    return Labeled(text, label)


def parse_chatterbot(turns: list[str], source: Source) -> Record | Drop:
    """["Hi", "Hello!"] -> turns of user and assistant by turns."""
    roles = ("user", "assistant")
    return Chat(tuple(Message(roles[i % 2], text) for i, text in enumerate(turns)))


FORMATS: dict[str, Format] = {
    "chatterbot": Format((".yml", ".yaml"), read_chatterbot, parse_chatterbot),
    "messages": Format((".jsonl",), read_jsonl, parse_messages),
    "prompt_completion": Format((".jsonl",), read_jsonl, parse_prompt_completion),
    "text_label": Format((".jsonl",), read_jsonl, parse_text_label),
}
