"""A record -> input ids and labels."""

from dataclasses import dataclass
from pathlib import Path

from sftlib.core.labels import NO_LOSS
from sftlib.core.params import Tokenize
from sftlib.core.records import Chat, Labeled, Message, Record
from sftlib.core.tally import Drop
from sftlib.encode.spans import Rendered, render
from sftlib.encode.template import ChatTemplate
from sftlib.encode.tokens import ChatTokenizer, Piece


@dataclass(frozen=True)
class Encoded:
    """Token ids of a row, and at each position the id to predict there, or -100.

    labels[t] belongs to the logits at t, so it is input_ids[t + 1] where that token is learned:

        input_ids   <|im_start|> assistant \\n  Yo   <|im_end|>  \\n
        labels          -100       -100    Yo  <|im_end|>  -100  -100
    """

    input_ids: list[int]
    labels: list[int]


class Encoder:
    """Encodes records for the model in a folder (tokenizer.json, chat template)."""

    def __init__(self, model: Path, params: Tokenize) -> None:
        self.template = ChatTemplate(model)
        self.tokenizer = ChatTokenizer(model, self.template.eos_token)
        self.params = params

    def encode(self, records: list[Record]) -> list[Encoded | Drop]:
        """Each record's ids and labels, or why there are none."""
        rendered = [self._render(record) for record in records]
        rows = [[] if isinstance(r, Drop) else self._pieces(r) for r in rendered]
        texts = [piece.text for row in rows for piece in row if piece.control is None]
        ids = iter(self.tokenizer.encode(texts))
        result: list[Encoded | Drop] = []
        for found, row in zip(rendered, rows, strict=True):
            parts = [[p.control] if p.control is not None else next(ids) for p in row]
            if isinstance(found, Drop):
                result.append(found)
            else:
                flags = learned(row)
                tokens = [token for part in parts for token in part]
                mask = [f for part, f in zip(parts, flags, strict=True) for _ in part]
                result.append(self._limit(tokens, mask))
        return result

    def _render(self, record: Record) -> Rendered | Drop:
        tools = record.tools if isinstance(record, Chat) else None
        messages = as_messages(record)
        for text in filter(None, (tools, *(message.tool_calls for message in messages))):
            if self.tokenizer.spells_control(text):
                return Drop("control_token_in_tools", "a tool or its call spells a control token")
        return render(self.template, messages, tools)

    def _pieces(self, rendered: Rendered) -> list[Piece]:
        pieces = list(self.tokenizer.pieces(rendered))
        last = rendered.answers[-1]
        ends = any(p.control is not None and p.answer for p in pieces[-2:])
        if not ends and self.tokenizer.eos is not None and last[1] == len(rendered.text):
            # A template without an end of turn: the model must still learn to stop.
            pieces.append(Piece("", self.tokenizer.eos, True))
        return pieces

    def _limit(self, tokens: list[int], mask: list[bool]) -> Encoded | Drop:
        limit = self.params.max_tokens
        if len(tokens) > limit and self.params.too_long == "drop":
            return Drop("too_long", f"{len(tokens)} tokens, tokenize.max_tokens is {limit}")
        targets = [t if m else NO_LOSS for t, m in zip(tokens, mask, strict=True)]
        labels = [*targets[1:limit], NO_LOSS]
        if all(label == NO_LOSS for label in labels):
            return Drop("no_answer_left", f"the answer begins after {limit} tokens")
        return Encoded(tokens[:limit], labels)


def learned(pieces: list[Piece]) -> list[bool]:
    """Which pieces are learned: answers up to and with their end of turn, not what follows it."""
    flags, ended = [], False
    for piece in pieces:
        if not piece.answer:
            ended = False
        flags.append(piece.answer and not ended)
        if piece.answer and piece.control is not None:
            ended = True
    return flags


def as_messages(record: Record) -> list[Message]:
    """A labelled text is asked as a question whose answer is the label, a sentence its tags."""
    if isinstance(record, Chat):
        return list(record.messages)
    if isinstance(record, Labeled):
        label = record.label
        answer = ", ".join(label) if isinstance(label, tuple) else str(label)
        return [Message("user", record.text), Message("assistant", answer)]
    return [
        Message("user", " ".join(record.words)),
        Message("assistant", " ".join(record.tags)),
    ]
