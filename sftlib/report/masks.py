"""Rows as the model sees them, token by token, with what is learned of each."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sftlib.core.labels import MANY, NO_LOSS, NUMBER, LabelSet, read_labels
from sftlib.core.params import Params
from sftlib.report.tokens import learned, open_tokenizer, tokens_of

PER_SOURCE, ROWS, TOKENS = 2, 6, 400

# [text, whether it is learned, its label if it has one of its own]
Marked = list[tuple[str, bool, str]]
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
        sizes = {"length": len(marked), "learned": sum(mark for _, mark, _ in marked)}
        label = row_label(row, labels) if params.task == "classify" else None
        found.append({**head, **sizes, "tokens": marked[:TOKENS], "label": label})
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


def answer_marks(row: Row, tokenizer: Any, labels: LabelSet | None) -> Marked:
    """A conversation: the label of a token stands one place before it."""
    return [(t.text, t.learned, "") for t in tokens_of(tokenizer, row["input_ids"], learned(row))]


def text_marks(row: Row, tokenizer: Any, labels: LabelSet | None) -> Marked:
    """A text whose label is that of the whole row."""
    return [(t.text, False, "") for t in read_only(tokenizer, row["input_ids"])]


def tag_marks(row: Row, tokenizer: Any, labels: LabelSet | None) -> Marked:
    """Words of which the first token carries the tag."""
    assert labels is not None
    texts = [tokenizer.decode([id], skip_special_tokens=False) for id in row["input_ids"]]
    return [
        (f"{text} ", label != NO_LOSS, labels.names[label] if label != NO_LOSS else "")
        for text, label in zip(texts, row["labels"], strict=True)
    ]


def target_marks(row: Row, tokenizer: Any, labels: LabelSet | None) -> Marked:
    """What the encoder reads, and then what the decoder learns."""
    answer = tokens_of(tokenizer, row["labels"], [True] * len(row["labels"]))
    return text_marks(row, tokenizer, labels) + [(t.text, True, "") for t in answer]


def read_only(tokenizer: Any, ids: list[int]) -> Any:
    return tokens_of(tokenizer, ids, [False] * len(ids))


MARKS: dict[str, Callable[[Row, Any, LabelSet | None], Marked]] = {
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
