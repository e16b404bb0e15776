"""Tokens of a row as text, and which of them are learned."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftlib.core.labels import NO_LOSS


@dataclass(frozen=True)
class Token:
    """One token, or several that only together make a character. label: where it has its own."""

    ids: tuple[int, ...]
    text: str
    learned: bool
    label: str = ""


def open_tokenizer(root: Path) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(root / "models/base/tokenizer.json"))


def learned(row: dict[str, Any]) -> list[bool]:
    """For each token whether it is learned: labels stand one place before their token."""
    return [False, *(label != NO_LOSS for label in row["labels"][:-1])]


def tokens_of(tokenizer: Any, ids: Iterable[int], marks: Iterable[bool]) -> list[Token]:
    """The text of each token; a character that several make up stands at the last of them."""
    from tokenizers.decoders import DecodeStream

    stream, waiting, found = DecodeStream(skip_special_tokens=False), [], []
    mark = False
    for id, mark in zip(ids, marks, strict=True):
        waiting.append(id)
        text = stream.step(tokenizer, id)
        if text is not None:
            found.append(Token(tuple(waiting), text, mark))
            waiting = []
    if waiting:
        text = tokenizer.decode(waiting, skip_special_tokens=False)
        found.append(Token(tuple(waiting), text, mark))
    return found
