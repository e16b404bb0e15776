"""Texts and words -> ids, with the special tokens that the model's tokenizer puts around them."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding

from sftlib.core.errors import UsageError
from sftlib.core.params import Tokenize
from sftlib.core.records import Record
from sftlib.core.tally import Drop
from sftlib.encode.packing import by_length
from sftlib.encode.rows import Encoded
from sftlib.encode.tokens import read_tokenizer

Given: TypeAlias = str | list[str]
Labels: TypeAlias = NDArray[np.int32] | NDArray[np.float32]


class TextTokenizer:
    """A model's tokenizer for plain texts; special tokens that a text spells stay text."""

    def __init__(self, folder: Path, params: Tokenize) -> None:
        check_positions(folder, params.max_tokens)
        self.reference, _ = read_tokenizer(folder)
        if params.too_long == "truncate":
            self.reference.enable_truncation(params.max_tokens)
        self.max_tokens = params.max_tokens

    def encode(self, given: list[Given]) -> list[Encoding | Drop]:
        """Each text, or list of words, as the model reads it; a drop when it is too long."""
        of_words = bool(given) and isinstance(given[0], list)
        encodings = self.reference.encode_batch(given, is_pretokenized=of_words)
        return [self._fault(encoding) or encoding for encoding in encodings]

    def encode_one(self, given: Given) -> Encoding | Drop:
        (encoding,) = self.encode([given])
        return encoding

    def leaves_something(self, word: str) -> bool:
        """Whether a word, read by itself, has any token."""
        return bool(self.reference.encode([word], None, True, False).ids)

    def _fault(self, encoding: Encoding) -> Drop | None:
        if all(encoding.special_tokens_mask):
            return Drop("no_token", "the tokenizer leaves nothing of the text")
        if len(encoding.ids) > self.max_tokens:
            detail = f"{len(encoding.ids)} tokens, tokenize.max_tokens is {self.max_tokens}"
            return Drop("too_long", detail)
        return None


def check_positions(folder: Path, max_tokens: int) -> None:
    """Raise `UsageError` when the model has fewer positions than rows may have tokens."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    most = config.get("max_position_embeddings", max_tokens)
    if max_tokens > most:
        raise UsageError(
            f"params.yaml: tokenize.max_tokens: {max_tokens}, but the base model has {most} "
            f"positions: set {most} or less"
        )


@dataclass(frozen=True)
class TextEncoder:
    """Encodes records for models that read a text and answer about it.

    given: what the model reads of a record. labels: what it learns of it, given that encoded.
    """

    tokenizer: TextTokenizer
    params: Tokenize
    given: Callable[[Record], Given | Drop]
    labels: Callable[[Record, Encoding], Labels | Drop]

    def encode(self, records: list[Record]) -> list[Encoded | Drop]:
        """Each record's ids and labels, or why there are none."""
        given = [self.given(record) for record in records]
        read = [text for text in given if not isinstance(text, Drop)]
        encodings = iter(self.tokenizer.encode(read))
        return [
            text if isinstance(text, Drop) else self._row(record, next(encodings))
            for record, text in zip(records, given, strict=True)
        ]

    def packs(self, rows: list[Encoded]) -> list[int]:
        """The pack of each row, all of whose rows are padded to one length."""
        sizes = [max(len(row.input_ids), len(row.labels)) for row in rows]
        return by_length(sizes, self.params.tokens_per_pack)

    def _row(self, record: Record, encoding: Encoding | Drop) -> Encoded | Drop:
        labels = encoding if isinstance(encoding, Drop) else self.labels(record, encoding)
        if isinstance(encoding, Drop) or isinstance(labels, Drop):
            return labels  # type: ignore[return-value]
        changed = ("truncated",) if encoding.overflowing else ()
        return Encoded(np.array(encoding.ids, np.int32), labels, changed)
