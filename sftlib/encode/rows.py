"""A record -> input ids and labels."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sftlib.core.errors import DataError
from sftlib.core.labels import NO_LOSS
from sftlib.core.params import Tokenize
from sftlib.core.records import Chat, Labeled, Message, Record, Tagged
from sftlib.core.tally import Drop
from sftlib.encode.packing import best_fit
from sftlib.encode.shapes import Shape, mark, shape_of
from sftlib.encode.spans import Rendered, render, wanted
from sftlib.encode.template import ChatTemplate
from sftlib.encode.tokens import ChatTokenizer, Piece

Ids = NDArray[np.int32]
# The roles of a conversation, and which of its turns are learned.
Turns = tuple[tuple[str, bool], ...]


@dataclass(frozen=True, eq=False)
class Encoded:
    """Token ids of a row, and at each position the id to predict there, or -100; both [T].

    Tasks that learn no next tokens have labels of other lengths: one for each row of logits.
    changed: what was done to the row besides.

    labels[t] belongs to the logits at t, so it is input_ids[t + 1] where that token is learned:

        input_ids   <|im_start|> assistant \\n  Yo   <|im_end|>  \\n
        labels          -100       -100    Yo  <|im_end|>  -100  -100
    """

    input_ids: Ids
    labels: Ids | NDArray[np.float32]
    changed: tuple[str, ...] = ()


class Encoder:
    """Encodes records for the model in a folder (tokenizer.json, chat template)."""

    def __init__(self, model: Path, params: Tokenize) -> None:
        self.template = ChatTemplate(model)
        self.tokenizer = ChatTokenizer(model, self.template.eos_token)
        self.params = params
        self._model = model
        self._words = embedded_words(model)
        self._shapes: dict[Turns, Shape | None] = {}

    def encode(self, records: list[Record]) -> list[Encoded | Drop]:
        """Each record's ids and labels, or why there are none."""
        cut = [self._cut(record) for record in records]
        whole = [pieces for pieces in cut if not isinstance(pieces, Drop)]
        encoded = iter(self._assemble(whole))
        return [pieces if isinstance(pieces, Drop) else next(encoded) for pieces in cut]

    def packs(self, rows: list[Encoded]) -> list[int]:
        """The pack of each row, whose rows are laid end to end."""
        return best_fit([len(row.input_ids) for row in rows], self.params.tokens_per_pack)

    def _cut(self, record: Record) -> list[Piece] | Drop:
        """The pieces of a record, by its shape if it has one, else by rendering it."""
        messages = as_messages(record)
        tools = record.tools if isinstance(record, Chat) else None
        learned = wanted(messages, self.params.train_on)
        if not any(learned):
            return Drop("nothing_to_learn", "every reply is marked as not to be learned")
        if self.template.is_plain and tools is None:
            turns = tuple((m.role, flag) for m, flag in zip(messages, learned, strict=True))
            if turns not in self._shapes:
                self._shapes[turns] = self._learn_shape(turns)
            shape = self._shapes[turns]
            pieces = None if shape is None else shape.fill(messages)
            if pieces is not None:
                return pieces
        rendered = self._render(messages, tools, learned)
        return rendered if isinstance(rendered, Drop) else self._pieces(rendered)

    def _learn_shape(self, turns: Turns) -> Shape | None:
        """The shape of conversations with these turns; None when the template refuses them."""
        marked = [Message(role, mark(number)) for number, (role, _) in enumerate(turns)]
        rendered = self._render(marked, None, [learned for _, learned in turns])
        if isinstance(rendered, Drop):
            return None
        spaced = [Message(role, f" {mark(number)} ") for number, (role, _) in enumerate(turns)]
        frame = self.template.render(spaced)
        stripped = [message.content not in frame for message in spaced]
        return shape_of(self._pieces(rendered), stripped)

    def _render(
        self, messages: list[Message], tools: str | None, learned: list[bool]
    ) -> Rendered | Drop:
        for text in filter(None, (tools, *(message.tool_calls for message in messages))):
            if self.tokenizer.spells_control(text):
                return Drop("control_token_in_tools", "a tool or its call spells a control token")
        return render(self.template, messages, tools, learned)

    def _pieces(self, rendered: Rendered) -> list[Piece]:
        pieces = list(self.tokenizer.pieces(rendered))
        last = pieces[-1]
        if last.answer and last.control is None and self.tokenizer.eos is not None:
            # A template without an end of turn: the model must still learn to stop.
            pieces.append(Piece("", self.tokenizer.eos, True))
        return pieces

    def _assemble(self, rows: list[list[Piece]]) -> Iterator[Encoded | Drop]:
        """Tokenise the texts of all rows at once, and lay the ids of each row end to end."""
        pieces = [piece for row in rows for piece in row]
        controls = np.array([-1 if p.control is None else p.control for p in pieces], np.int64)
        is_text = controls < 0
        ids_of_texts, counts_of_texts = self.tokenizer.encode_rows(rows)
        counts = np.ones(len(pieces), np.int64)
        counts[is_text] = counts_of_texts
        from_text = np.repeat(is_text, counts)
        ids = np.empty(int(counts.sum()), np.int32)
        ids[from_text] = ids_of_texts
        ids[~from_text] = controls[~is_text]
        self._check_vocabulary(ids)
        flags = np.array([piece.answer for piece in pieces], bool)
        targets = np.where(np.repeat(flags, counts), ids, NO_LOSS)
        labels = np.append(targets[1:], NO_LOSS).astype(np.int32)
        ends = np.cumsum(counts)[np.cumsum([len(row) for row in rows]) - 1] if rows else []
        start = 0
        for end in map(int, ends):
            labels[end - 1] = NO_LOSS  # what follows is another row
            yield self._limit(ids[start:end], labels[start:end])
            start = end

    def _check_vocabulary(self, ids: Ids) -> None:
        """Raise `DataError` unless the model has an embedding for every id."""
        largest = int(ids.max(initial=0))
        if self._words is not None and largest >= self._words:
            raise DataError(
                f"{self._model}: tokenizer.json gives {self.tokenizer.decode([largest])!r} the id "
                f"{largest}, but config.json has a vocabulary of {self._words}: the tokenizer "
                "belongs to another model; name in base.uri one folder with both"
            )

    def _limit(self, ids: Ids, labels: Ids) -> Encoded | Drop:
        limit = self.params.max_tokens
        if len(ids) > limit:
            if self.params.too_long == "drop":
                return Drop("too_long", f"{len(ids)} tokens, tokenize.max_tokens is {limit}")
            ids, labels = ids[:limit].copy(), labels[:limit].copy()
            labels[-1] = NO_LOSS
            if (labels == NO_LOSS).all():
                return Drop("no_answer_left", f"the answer begins after {limit} tokens")
        if (labels == NO_LOSS).all():
            return Drop("nothing_to_learn", "no token of an answer stands behind another token")
        return Encoded(ids, labels)


def embedded_words(model: Path) -> int | None:
    """How many ids the model of a folder has embeddings for, if its config says so."""
    file = model / "config.json"
    config = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    size: int | None = config.get("vocab_size")
    return size


def as_messages(record: Record) -> list[Message]:
    """A labelled text is asked as a question whose answer is the label, a sentence its tags."""
    if isinstance(record, Chat):
        return list(record.messages)
    if isinstance(record, Labeled):
        label = record.label
        answer = ", ".join(label) if isinstance(label, tuple) else str(label)
        return [Message("user", record.text), Message("assistant", answer)]
    assert isinstance(record, Tagged), "compose lets no text without a label through"
    return [
        Message("user", " ".join(record.words)),
        Message("assistant", " ".join(record.tags)),
    ]
