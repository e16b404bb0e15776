"""Render conversations with the model's own chat template, without loading a model library.

The same sandbox and the same settings as transformers' `apply_chat_template`; a test compares the
two. `strftime_now` is left out on purpose: a prompt with today's date is another one tomorrow.
"""

import json
from itertools import count
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, nodes
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sftlib.core.errors import DataError
from sftlib.core.records import Message, message_to_json
from sftlib.encode.plain import is_plain

MAX_RENDERED_CHARACTERS = 50_000_000


class ChatTemplate:
    """The template of a model folder: `chat_template.jinja`, or the one in its tokenizer config."""

    def __init__(self, folder: Path) -> None:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        self.eos_token: str | None = token_text(config.get("eos_token"))
        self._tokens = {
            name: token_text(config.get(name))
            for name in ("bos_token", "eos_token", "unk_token", "pad_token")
        }
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
        )
        environment.filters["tojson"] = to_json
        environment.globals["raise_exception"] = raise_exception
        self._name = f"{folder}/chat_template.jinja"
        source = template_source(folder, config)
        try:
            self._template = environment.from_string(source)
            self.is_plain = is_plain(environment, source)
            self._wants_ids = wants_ids(environment.parse(source))
        except TemplateError as error:
            raise DataError(f"{self._name}: not a template: {error}") from None

    def render(
        self, messages: list[Message], tools: str | None = None, generation_prompt: bool = False
    ) -> str:
        """The text that the model reads for `messages`.

        Raises `jinja2.TemplateError` when the template refuses them.
        """
        turns = [message_to_json(message) for message in messages]
        if self._wants_ids:
            number_calls(turns)
        stream = self._template.generate(
            messages=turns,
            tools=None if tools is None else json.loads(tools),
            add_generation_prompt=generation_prompt,
            **self._tokens,
        )
        parts, size = [], 0
        for part in stream:
            parts.append(part)
            size += len(part)
            if size > MAX_RENDERED_CHARACTERS:
                raise DataError(f"{self._name}: renders over {MAX_RENDERED_CHARACTERS} characters")
        return "".join(parts)


def template_source(folder: Path, config: dict[str, Any]) -> str:
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    template = config.get("chat_template")
    if not isinstance(template, str):
        raise DataError(f"{folder} has no chat template: add {file}, in the model's own format")
    return template


def wants_ids(tree: nodes.Template) -> bool:
    """Whether a template reads the ids that join tool calls and results, as Mistral's does."""
    return any(node.attr == "tool_call_id" for node in tree.find_all(nodes.Getattr)) or any(
        isinstance(node.arg, nodes.Const) and node.arg.value == "tool_call_id"
        for node in tree.find_all(nodes.Getitem)
    )


def number_calls(turns: list[dict[str, Any]]) -> None:
    """Give calls and their results, in order, ids of nine characters, as Mistral wants them.

    Records hold none: they are drawn by lot and would make equal conversations different.
    """
    calls, results = count(), count()
    for turn in turns:
        for call in turn.get("tool_calls", ()):
            call["id"] = f"call{next(calls):05d}"
        if turn["role"] == "tool":
            turn["tool_call_id"] = f"call{next(results):05d}"


def token_text(token: Any) -> str | None:
    """A special token stands in the config as a text or as an object with its text in `content`."""
    return token.get("content") if isinstance(token, dict) else token


def raise_exception(message: str) -> None:
    raise TemplateError(message)


def to_json(value: Any, **options: Any) -> str:
    return json.dumps(value, ensure_ascii=False, **options)
