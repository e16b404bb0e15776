"""Rows as the model sees them, token by token, with what is learned of each."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sftlib.core.labels import MANY, NO_LOSS, NUMBER, LabelSet, read_labels
from sftlib.core.params import Params
from sftlib.report.tokens import Token, learned, open_tokenizer, tokens_of

PER_SOURCE, ROWS, TOKENS = 2, 6, 400

Row = dict[str, Any]


def masks(root: Path, params: Params) -> list[dict[str, Any]]:
    """{id, source, pack, length, learned, tokens, label} of a few rows of train, of every source.

    tokens: no more than `TOKENS` of them.
    """
    from datasets import load_from_disk

    rows = load_from_disk(str(root / "data/tokenized/train"))
    tokenizer, labels = open_tokenizer(root), read_labels(root / "data/tokenized")
    ids, sources = (rows.data.column(name).to_pylist() for name in ("id", "source"))
    found = []
    for place in chosen(ids, sources):
        row = rows[place]
        marked = MARKS[params.task](row, tokenizer, labels)
        head = {key: row[key] for key in ("id", "source", "pack")}
        sizes = {"length": len(marked), "learned": sum(token.learned for token in marked)}
        label = row_label(row, labels) if params.task == "classify" else None
        tokens = [(token.text, token.learned, token.label) for token in marked[:TOKENS]]
        found.append({**head, **sizes, "tokens": tokens, "label": label})
    return found


def chosen(ids: list[str], sources: list[str]) -> list[int]:
    """Places of the rows of smallest id: at most `PER_SOURCE` of a source, `ROWS` in all."""
    taken: Counter[str] = Counter()
    places: list[int] = []
    for place in sorted(range(len(ids)), key=lambda place: ids[place]):
        is_new = not any(ids[place] == ids[other] for other in places)
        if len(places) < ROWS and taken[sources[place]] < PER_SOURCE and is_new:
            taken[sources[place]] += 1
            places.append(place)
    return places


def answer_marks(row: Row, tokenizer: Any, labels: LabelSet | None) -> list[Token]:
    """A conversation: the label of a token stands one place before it."""
    return tokens_of(tokenizer, row["input_ids"], learned(row))


def text_marks(row: Row, tokenizer: Any, labels: LabelSet | None) -> list[Token]:
    """A text whose label is that of the whole row."""
    return tokens_of(tokenizer, row["input_ids"], [False] * len(row["input_ids"]))


def tag_marks(row: Row, tokenizer: Any, labels: LabelSet | None) -> list[Token]:
    """Words of which the first token carries the tag."""
    assert labels is not None
    texts = [tokenizer.decode([id], skip_special_tokens=False) for id in row["input_ids"]]
    return [
        Token((id,), f"{text} ", *tag_of(label, labels))
        for id, text, label in zip(row["input_ids"], texts, row["labels"], strict=True)
    ]


def tag_of(label: int, labels: LabelSet) -> tuple[bool, str]:
    """Whether a token carries a tag, and which."""
    return (True, labels.names[label]) if label != NO_LOSS else (False, "")


def target_marks(row: Row, tokenizer: Any, labels: LabelSet | None) -> list[Token]:
    """What the encoder reads, and then what the decoder learns."""
    answer = tokens_of(tokenizer, row["labels"], [True] * len(row["labels"]))
    return text_marks(row, tokenizer, labels) + answer


MARKS: dict[str, Callable[[Row, Any, LabelSet | None], list[Token]]] = {
    "chat": answer_marks,
    "classify": text_marks,
    "tag": tag_marks,
    "seq2seq": target_marks,
}


def row_label(row: Row, labels: LabelSet | None) -> str:
    """The label of a text as the row on disk has it."""
    assert labels is not None
    if labels.problem == NUMBER:
        return f"{row['labels'][0]:g}"
    if labels.problem == MANY:
        flags = zip(labels.names, row["labels"], strict=True)
        return ", ".join(name for name, flag in flags if flag) or "(none)"
    name: str = labels.names[row["labels"][0]]
    return name
