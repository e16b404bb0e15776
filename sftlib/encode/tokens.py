"""Text with known control parts -> token ids."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from sftlib.core.errors import DataError
from sftlib.encode.fast import load_fast
from sftlib.encode.spans import Rendered

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
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:  # the library raises nothing more specific
            raise DataError(f"{folder}/tokenizer.json cannot be read: {error}") from None
        # Control tokens that a text spells are split like any other text.
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self._fast = load_fast(folder / "tokenizer.json", self._tokenizer)
        self._is_proven = False
        added = self._tokenizer.get_added_tokens_decoder()
        self.control = {token.content: id for id, token in added.items() if token.special}
        names = sorted(self.control, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, names)) or r"(?!)")
        self.eos = self.control.get(eos_token or "")

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

        Between two cuts, template text and content are tokenised together, as the model is used to;
        at the start of an answer they are not, since generation starts there with fresh tokens, nor
        at its end, where a token that is learned could reach into the next turn.
        """
        position = 0
        edges = [edge for answer in rendered.answers for edge in answer]
        cuts = sorted(
            [(edge, edge, None) for edge in edges]
            + [(m.start(), m.end(), m.group()) for m in self._control_matches(rendered)],
            key=lambda cut: cut[:2],
        )
        for start, end, control in [*cuts, (len(rendered.text), len(rendered.text), None)]:
            if start > position:
                yield Piece(rendered.text[position:start], None, rendered.is_answer(position))
            if control is not None:
                yield Piece(control, self.control[control], rendered.is_answer(start))
            position = end

    def _control_matches(self, rendered: Rendered) -> Iterator[re.Match[str]]:
        """Control tokens of the template: those outside every message's content."""
        position = 0
        end_of_text = (len(rendered.text), len(rendered.text))
        for start, end in [*rendered.contents, end_of_text]:
            yield from self._pattern.finditer(rendered.text, position, start)
            position = end
