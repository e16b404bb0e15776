"""Rows that are conversations, in the shapes in which they are published."""

from collections.abc import Iterator
from typing import Any

import orjson

from sftlib.clean.fields import kind, list_at, text_at
from sftlib.clean.reasons import Reason
from sftlib.core.params import Source
from sftlib.core.records import Chat, Message, Record, canonical_json
from sftlib.core.tally import Drop

PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("query", "response"),
    ("question", "answer"),
    ("instruction", "response"),
    ("input", "output"),
)
OPENAI_ROLES = {"developer": "system", "function": "tool"}
SHAREGPT_ROLES = {
    "human": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "model": "assistant",
    "function_call": "assistant",
    "observation": "tool",
    "function_response": "tool",
}
TREE_ROLES = {"prompter": "user"}


def ask(prompt: str, answer: str, system: str = "") -> Chat:
    turns = (Message("user", prompt), Message("assistant", answer))
    return Chat((Message("system", system), *turns) if system else turns)


def parse_prompt_completion(value: Any, source: Source) -> Record | Drop:
    """{"prompt": "2+2?", "completion": "4"} -> a question and its answer."""
    return parse_pair(value, "prompt", "completion")


def parse_query_response(value: Any, source: Source) -> Record | Drop:
    """{"question": "2+2?", "answer": "4"} -> the same, under any of the usual pairs of names."""
    fields = value if isinstance(value, dict) else {}
    pair = next((pair for pair in PAIRS if all(name in fields for name in pair)), PAIRS[2])
    return parse_pair(value, *pair)


def parse_pair(value: Any, asked: str, answered: str) -> Record | Drop:
    prompt, completion = text_at(value, asked), text_at(value, answered)
    if isinstance(prompt, Drop):
        return prompt
    return completion if isinstance(completion, Drop) else ask(prompt, completion)


def parse_alpaca(value: Any, source: Source) -> Record | Drop:
    """{"instruction": "Add.", "input": "2 2", "output": "4"} -> instruction and input asked."""
    instruction, output = text_at(value, "instruction"), text_at(value, "output")
    if isinstance(instruction, Drop):
        return instruction
    if isinstance(output, Drop):
        return output
    extra = {name: value.get(name) or "" for name in ("input", "system")}
    for name, text in extra.items():
        if not isinstance(text, str):
            return Drop(Reason.WRONG_TYPE, f"'{name}' is a text, not {kind(text)}")
    prompt = f"{instruction}\n\n{extra['input']}" if extra["input"].strip() else instruction
    return ask(prompt, output, extra["system"])


def parse_messages(value: Any, source: Source) -> Record | Drop:
    """{"messages": [{"role": "user", "content": "Hi"}, ...], "tools": [...]} -> a conversation."""
    turns = list_at(value, "messages")
    if isinstance(turns, Drop):
        return turns
    messages = []
    for turn in turns:
        message = parse_message(turn)
        if isinstance(message, Drop):
            return message
        messages.append(message)
    return with_tools(messages, value.get("tools"))


def parse_message(turn: Any) -> Message | Drop:
    role = text_at(turn, "role")
    if isinstance(role, Drop):
        return role
    calls, train = parse_tool_calls(turn.get("tool_calls")), parse_mark(turn)
    if isinstance(calls, Drop):
        return calls
    if isinstance(train, Drop):
        return train
    if calls is not None and turn.get("content") is None:
        return Message(role, "", calls, train)
    content = text_at(joined_parts(turn), "content")
    if isinstance(content, Drop):
        return content
    return Message(OPENAI_ROLES.get(role, role), content, calls, train)


def parse_mark(turn: dict[str, Any]) -> bool | Drop:
    """{"train": false} or {"weight": 0} marks a reply that is not to be learned."""
    marks = {name: turn[name] for name in ("train", "weight") if turn.get(name) is not None}
    for name, mark in marks.items():
        if mark not in (0, 1) or (name == "train" and not isinstance(mark, bool)):
            wanted = "true or false" if name == "train" else "0 or 1"
            return Drop(Reason.BAD_MARK, f"'{name}' of a turn is {wanted}, not {str(mark)[:40]}")
    # What others say is never learned, so that a mark on it says nothing.
    return turn["role"] != "assistant" or all(marks.values())


def joined_parts(turn: dict[str, Any]) -> dict[str, Any]:
    """Content given as a list of text parts becomes one text."""
    parts = turn.get("content")
    is_texts = isinstance(parts, list) and all(
        isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)
        for part in parts
    )
    if not isinstance(parts, list) or not is_texts:
        return turn
    return {**turn, "content": "".join(part["text"] for part in parts)}


def parse_tool_calls(calls: Any) -> str | Drop | None:
    """The calls as canonical JSON, their arguments as objects and not as texts of JSON."""
    if not calls:
        return None
    found = []
    for call in calls if isinstance(calls, list) else [calls]:
        function = call.get("function", call) if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            return Drop(Reason.BAD_TOOL_CALL, "a tool call needs a function with a name")
        arguments = function.get("arguments") or {}
        if isinstance(arguments, str):
            try:
                arguments = orjson.loads(arguments)
            except orjson.JSONDecodeError as error:
                detail = f"the arguments of {function['name'][:40]!r} are no JSON: {error.msg}"
                return Drop(Reason.BAD_TOOL_CALL, detail)
        called = {"name": function["name"], "arguments": arguments}
        found.append({"type": "function", "function": called})
    return canonical_json(found)


def with_tools(messages: list[Message], tools: Any) -> Record | Drop:
    if isinstance(tools, str):  # some data sets hold them as a text of JSON
        try:
            tools = orjson.loads(tools) if tools.strip() else None
        except orjson.JSONDecodeError as error:
            return Drop(Reason.BAD_TOOL_CALL, f"'tools' is no JSON: {error.msg}")
    if tools and not isinstance(tools, list):
        return Drop(Reason.WRONG_TYPE, f"'tools' is a list, not {kind(tools)}")
    return Chat(tuple(messages), canonical_json(tools) if tools else None)


def parse_sharegpt(value: Any, source: Source) -> Record | Drop:
    """{"conversations": [{"from": "human", "value": "Hi"}, ...]} -> a conversation."""
    turns = list_at(value, "conversations")
    if isinstance(turns, Drop):
        return turns
    messages = []
    for turn in turns:
        role, content = text_at(turn, "from"), text_at(turn, "value")
        if isinstance(role, Drop):
            return role
        if isinstance(content, Drop):
            return content
        if role == "function_call":
            calls = parse_tool_calls(load_call(content))
            if isinstance(calls, Drop):
                return calls
            messages.append(Message("assistant", "", calls))
        else:
            messages.append(Message(SHAREGPT_ROLES.get(role, role), content))
    system = value.get("system")
    if isinstance(system, str) and system.strip():
        messages.insert(0, Message("system", system))
    return with_tools(messages, value.get("tools"))


def load_call(content: str) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return [None]


def branches(value: Any) -> Iterator[Any]:
    """Each way from the root of a tree of `replies` to a leaf, as a list of its nodes.

    {"text": "Hi", "role": "prompter", "replies": [{"text": "Yo", "role": "assistant"}]}
    """
    root = value.get("prompt", value) if isinstance(value, dict) else value
    stack = [[root]]
    while stack:
        way = stack.pop()
        replies = way[-1].get("replies") if isinstance(way[-1], dict) else None
        if isinstance(replies, list) and replies:
            stack += [[*way, reply] for reply in reversed(replies)]
        else:
            yield way


def parse_branch(nodes: list[Any], source: Source) -> Record | Drop:
    """The nodes of one branch -> a conversation."""
    messages = []
    for node in nodes:
        text, role = text_at(node, "text"), text_at(node, "role")
        if isinstance(text, Drop):
            return text
        if isinstance(role, Drop):
            return role
        messages.append(Message(TREE_ROLES.get(role, role), text))
    return Chat(tuple(messages))


def parse_chatterbot(turns: list[str], source: Source) -> Record | Drop:
    """["Hi", "Hello!"] -> turns of user and assistant by turns."""
    roles = ("user", "assistant")
    return Chat(tuple(Message(roles[i % 2], text) for i, text in enumerate(turns)))
