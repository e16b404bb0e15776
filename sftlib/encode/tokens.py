"""Text with known control parts -> token ids."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from sftlib.core.errors import DataError
from sftlib.encode.fast import load_fast
from sftlib.encode.spaces import adds_at_start_only, without_space
from sftlib.encode.spans import Answer, Rendered

# How many of the first texts are encoded by both libraries, besides the probes.
TEXTS_COMPARED = 500


@dataclass(frozen=True, slots=True)
class Piece:
    """Text without control tokens, or exactly one control token."""

    text: str
    control: int | None
    answer: bool


class ChatTokenizer:
    """A model's tokenizer, which makes control tokens only where the chat template put them."""

    def __init__(self, folder: Path, eos_token: str | None) -> None:
        self._tokenizer, config = read_tokenizer(folder)
        bare = without_space(config)
        self._spaceless = None if bare is None else plain_tokenizer(json.dumps(bare))
        self._space_at_start_only = adds_at_start_only(config)
        self._fast = load_fast(folder / "tokenizer.json", self._tokenizer) if bare is None else None
        self._is_proven = False
        added = self._tokenizer.get_added_tokens_decoder()
        self.control = {token.content: id for id, token in added.items() if token.special}
        names = sorted(self.control, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, names)) or r"(?!)")
        self.eos = self.control.get(eos_token or "")

    def encode_rows(self, rows: list[list[Piece]]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Ids of the texts of all rows end to end, and how many each text has."""
        texts = [piece.text for row in rows for piece in row if piece.control is None]
        if self._spaceless is None:
            return self.encode(texts)
        is_inside = [inside for row in rows for inside in self._are_inside(row)]
        ids: list[list[int]] = [[]] * len(texts)
        for tokenizer, kind in ((self._tokenizer, False), (self._spaceless, True)):
            numbers = [number for number, inside in enumerate(is_inside) if inside is kind]
            batch = [texts[number] for number in numbers]
            encoded = tokenizer.encode_batch(batch, add_special_tokens=False)
            for number, encoding in zip(numbers, encoded, strict=True):
                ids[number] = encoding.ids
        return np.array(list(chain.from_iterable(ids)), np.int32), np.array(list(map(len, ids)))

    def _are_inside(self, row: list[Piece]) -> Iterator[bool]:
        """Whether a tokenizer that adds spaces adds none before each text of a row."""
        for number, piece in enumerate(row):
            if piece.control is None:
                is_behind_text = number > 0 and row[number - 1].control is None
                yield is_behind_text or (number > 0 and self._space_at_start_only)

    def encode(self, texts: list[str]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
        """Ids of plain texts end to end, and how many each has."""
        if self._fast is not None and not self._is_proven:
            if not self._fast.same_as(self._tokenizer, texts[:TEXTS_COMPARED]):
                self._fast = None
            self._is_proven = True
        if self._fast is not None:
            return self._fast.encode(texts)
        encoded = [e.ids for e in self._tokenizer.encode_batch(texts, add_special_tokens=False)]
        counts = np.fromiter(map(len, encoded), np.int64, len(encoded))
        return np.fromiter(chain.from_iterable(encoded), np.int32, int(counts.sum())), counts

    def spells_control(self, text: str) -> bool:
        """Whether a control token stands in `text`."""
        return self._pattern.search(text) is not None

    def decode(self, ids: list[int]) -> str:
        """The text of ids, control tokens included."""
        return str(self._tokenizer.decode(ids, skip_special_tokens=False))

    def pieces(self, rendered: Rendered) -> Iterator[Piece]:
        """Cut a rendered conversation at the template's control tokens and around answers.

        An answer is learned up to and with its end of turn, not what the template puts behind it.

        Between two cuts, template text and content are tokenised together, as the model is used to;
        at the start of an answer they are not, since generation starts there with fresh tokens, nor
        at its end, where a token that is learned could reach into the next turn.
        """
        position = 0
        matches = list(self._control_matches(rendered))
        answers = [(answer.start, end_of_turn(answer, matches)) for answer in rendered.answers]
        cuts = sorted(
            [(edge, edge, None) for answer in answers for edge in answer]
            + [(m.start(), m.end(), m.group()) for m in matches],
            key=lambda cut: cut[:2],
        )

        def is_answer(position: int) -> bool:
            return any(start <= position < end for start, end in answers)

        for start, end, control in [*cuts, (len(rendered.text), len(rendered.text), None)]:
            if start > position:
                yield Piece(rendered.text[position:start], None, is_answer(position))
            if control is not None:
                yield Piece(control, self.control[control], is_answer(start))
            position = end

    def _control_matches(self, rendered: Rendered) -> Iterator[re.Match[str]]:
        """Control tokens of the template: those outside every message's content."""
        position = 0
        end_of_text = (len(rendered.text), len(rendered.text))
        contents = [(content.start, content.end) for content in rendered.contents]
        for start, end in [*contents, end_of_text]:
            yield from self._pattern.finditer(rendered.text, position, start)
            position = end


def end_of_turn(answer: Answer, controls: list[re.Match[str]]) -> int:
    """Where what is learned of an answer ends; see `Answer`."""
    ends = [m.end() for m in controls if (answer.said or answer.start) <= m.start() < answer.end]
    if not ends:
        return answer.end
    return ends[-1] if answer.said is None else ends[0]


def read_tokenizer(folder: Path) -> tuple[Tokenizer, dict[str, Any]]:
    """The plain tokenizer of a model's folder, and its tokenizer.json; `DataError` if damaged."""
    try:
        text = (folder / "tokenizer.json").read_text(encoding="utf-8")
        return plain_tokenizer(text), json.loads(text)
    except Exception as error:  # the library raises nothing more specific
        raise DataError(f"{folder}/tokenizer.json cannot be read: {error}") from None


def plain_tokenizer(text: str) -> Tokenizer:
    """The tokenizer of a tokenizer.json, for which control tokens are text like any other."""
    tokenizer = Tokenizer.from_str(text)
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
